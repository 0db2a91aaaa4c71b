"""Plots as SVG inside a page: they take the page's colours, light or dark, and its text stays text. No JAX here.

matplotlib draws with sentinel colours, which become the page's CSS variables; nothing but what is seen is kept.
"""

import html
import io
import math
import re
import typing
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from jconv.lab.config import FormulationName
from jconv.lab.summary import PEERS, REFERENCE

INK, QUIET, GRID, PAGE = "#010101", "#020202", "#030303", "#040404"
SERIES = tuple(f"#05050{i}" for i in range(1, 9))
_VARIABLES = {INK: "ink", QUIET: "quiet", GRID: "line", PAGE: "page"} | {c: f"s{i}" for i, c in enumerate(SERIES, 1)}
WIDTH = 7.2  # inches
MARKERS = "^sDvPX<>phd"
DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1.5, 1.5)))
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text, not outlines
    "svg.hashsalt": "jconv",  # the same records draw the same bytes
    "text.parse_math": False,  # a layer may be named $x
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "figure.facecolor": "none",
}


class Plot(NamedTuple):
    """A drawn figure.

    Args:
        svg: The `<svg>` element.
        title: What it shows.
        caption: How to read it.
    """

    svg: str
    title: str
    caption: str = ""


class Line(NamedTuple):
    """One curve.

    Args:
        name: The contender; it decides colour, marker and dashes, the same in every figure.
        x: Where.
        y: What; None where there is nothing finite to draw.
        label: In the legend; none if empty.
        faint: Whether it stands behind, as a single seed behind the median.
        guide: Whether it is no measurement, but a law to compare with.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    label: str = ""
    faint: bool = False
    guide: bool = False


def looks(name: str) -> dict[str, Any]:
    """Return how a contender is drawn: colour, marker and dashes, different for any two contenders.

    Args:
        name: The contender.

    Returns:
        Arguments for `Axes.plot`.

    Example:
        >>> looks("direct")["marker"]
        'o'
    """
    if name == REFERENCE:
        return {"color": INK, "marker": "o", "linestyle": "solid"}
    if name == "auto":  # one of the others, so it has the colour of none
        return {"color": QUIET, "marker": "h", "linestyle": DASHES[1]}
    known = [one for one in (*typing.get_args(FormulationName), *PEERS) if one != REFERENCE]
    place = known.index(name) if name in known else len(known)
    marker, dashes = MARKERS[place % len(MARKERS)], DASHES[place // len(SERIES) % len(DASHES)]
    return {"color": SERIES[place % len(SERIES)], "marker": marker, "linestyle": dashes}


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure and its axes, in inches; draw within `with styled():`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def styled() -> Any:
    """Return the context in which figures are drawn and saved."""
    return mpl.rc_context(_SETTINGS)


def curves(
    lines: Sequence[Line],
    *,
    key: str,
    title: str,
    description: str,
    x_label: str,
    y_label: str,
    log: str = "",
    seconds: bool = False,
    ticks: Sequence[float] = (),
    marks: Sequence[tuple[float, str]] = (),
    nested: bool = False,
) -> str:
    """Draw curves with a legend beside them, in the order of their ends.

    Args:
        lines: The curves.
        key: An id, unique in the page.
        title: For readers that cannot see it.
        description: The same, at length.
        x_label: Under the axis.
        y_label: Beside the axis.
        log: Which axes are logarithmic: "", "x", "y" or "xy".
        seconds: Whether y is a time.
        ticks: Where x has numbers; by default where matplotlib thinks best.
        marks: Places on x with a word, drawn as dotted lines.
        nested: Whether curves may lie on each other: later ones are thinner, so that earlier ones show beneath.

    Returns:
        The `<svg>` element.
    """
    with styled():
        figure, axes = canvas(WIDTH, 4.0)
        drawn = []
        for line in lines:
            place = sum(bool(one.label) for one, _ in drawn)
            weight = max(2.6 - 0.35 * place, 0.9) if nested else 2.0 if line.name == REFERENCE else 1.5
            drawn.append((line, _draw(axes, line, "y" in log, weight, max(9 - 1.1 * place, 3.5) if nested else 6)))
        if "x" in log:
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
        if ticks:
            axes.xaxis.set_major_locator(FixedLocator(spaced(ticks, "x" in log)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        if "y" in log:
            logarithmic(axes)
        words = duration if seconds else short
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words(value)))
        _mark(axes, marks)
        _ = axes.set_xlabel(x_label)
        _ = axes.set_ylabel(y_label)
        legend(axes, drawn)
        return svg(figure, key, title, description)


def _mark(axes: Axes, marks: Sequence[tuple[float, str]]) -> None:
    """Draw dotted lines with words above them, each as high as the words beside it ask for."""
    ends: list[float] = []  # of the words, by row, in inches
    _ = axes.get_xlim()  # fits the axis to the curves, which places below depend on
    for place, word in sorted(marks):
        _ = axes.axvline(place, color=QUIET, linewidth=1, linestyle=(0, (1, 2)))
        share = axes.transAxes.inverted().transform(axes.transData.transform((place, 1.0)))[0]
        half = 0.035 * len(word)
        centre = 0.65 * WIDTH * share
        row = next((i for i, end in enumerate(ends) if end < centre - half), len(ends))
        ends[row : row + 1] = [centre + half]
        _ = axes.annotate(
            word,
            (place, 1),
            (0, 2 + 10 * row),
            axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )


def _draw(axes: Axes, line: Line, log: bool, weight: float, mark: float) -> Any:
    points = [(x, y) for x, y in zip(line.x, line.y, strict=True) if y is not None and (y > 0 or not log)]
    x, y = [point[0] for point in points], [point[1] for point in points]
    if line.guide:
        return axes.plot(x, y, color=QUIET, linewidth=1, linestyle=(0, (1, 2)), zorder=1)[0]
    look = looks(line.name)
    if line.faint:
        return axes.plot(x, y, color=look["color"], linestyle=look["linestyle"], linewidth=0.7, alpha=0.45)[0]
    every = max(1, len(x) // 12)
    look = look | {"linewidth": weight, "markersize": mark, "markeredgecolor": PAGE, "markevery": every}
    return axes.plot(x, y, **look)[0]


def legend(axes: Axes, drawn: Sequence[tuple[Line, Any]]) -> None:
    """Name the curves beside the axes, measurements in the order of their right ends, guides last."""
    named = [(line, handle) for line, handle in drawn if line.label]

    def height(pair: tuple[Line, Any]) -> tuple[bool, float]:
        finite = [y for y in pair[0].y if y is not None]
        return pair[0].guide, -finite[-1] if finite else 0.0

    named.sort(key=height)
    if named:
        _ = axes.legend(
            [handle for _, handle in named],
            [line.label for line, _ in named],
            loc="upper left",
            bbox_to_anchor=(1.01, 1),
            borderaxespad=0,
            handlelength=3,
        )


def logarithmic(axes: Axes) -> None:
    """Make the y axis logarithmic, with numbers at 1, 2 and 5 where it spans less than two decades."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    short_span = low > 0 and math.log10(high / low) < 2
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if short_span else (1.0,), numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())


def plain(*axes: Axis) -> None:
    """Write the numbers of logarithmic axes out, and leave out minor ticks."""
    for axis in axes:
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def spaced(ticks: Sequence[float], log: bool, most: int = 12) -> list[float]:
    """Return the ticks that leave each other room.

    Example:
        >>> spaced([1, 2, 3, 4, 100], log=False)
        [1, 100]
    """
    places = [math.log(tick) if log else tick for tick in ticks]
    room = (max(places) - min(places)) / most
    kept = [0]
    for i in range(1, len(ticks)):
        if places[i] - places[kept[-1]] >= room:
            kept.append(i)
    return [ticks[i] for i in kept]


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it.

    Example:
        >>> duration(0.00025), duration(2.0)
        ('250 µs', '2 s')
    """
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def short(value: float) -> str:
    """Return a number without an exponent in the usual range.

    Example:
        >>> short(0.05), short(2e9), short(3e-7)
        ('0.05', '2e9', '3e-7')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def svg(figure: Figure, key: str, title: str, description: str) -> str:
    """Return a figure as an `<svg>` element for a page.

    Args:
        figure: The figure.
        key: An id, unique in the page.
        title: For readers that cannot see it.
        description: The same, at length.

    Returns:
        The element, with the page's variables for colours.
    """
    file = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with styled(), warnings.catch_warnings():
        # A letter that the measuring font lacks is drawn all the same: the page's font draws it.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(file, format="svg", metadata=metadata)
    text = file.getvalue()
    box = re.search(r'viewBox="([^"]+)"', text)
    assert box is not None
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    unseen = r'<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>|<path d="[^"]*" style="fill: none"/>'
    body = re.sub(unseen, "", body, flags=re.DOTALL)
    body = re.sub(r"xlink:href", "href", body)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r'((?:href="|url\()#)', rf"\g<1>{key}-", body)
    body = re.sub(r" font-family: [^;\"]*;?| transform=\"rotate\(-0 [^\"]*\"", "", body)
    body = re.sub(r"#0[1-5]0[1-5]0[1-8]", lambda m: f"var(--{_VARIABLES[m[0]]})", body)
    body = re.sub(r'="[^"]*"', lambda m: re.sub(r"-?\d+\.\d{3,}", _rounded, m[0]), body)  # places, not what is written
    body = re.sub(r"\s*\n\s*", "\n", body)
    width = float(box[1].split()[2])
    return (
        f'<svg class="plot" viewBox="{box[1]}" style="width: {width * 4 / 3:.0f}px" role="img" '
        f'aria-labelledby="{key}-title {key}-description"><title id="{key}-title">{html.escape(title)}</title>'
        f'<desc id="{key}-description">{html.escape(description)}</desc>{body}</svg>'
    )
