"""Layers as blocks of volumes: what each kind of convolution reads, what its filters are, what they cost.

dense       k×k×c      o filters          k²·c·o parameters
pointwise   1×1×c      o filters          c·o
grouped     k×k×c/G    o filters          k²·c·o/G
depthwise   k×k×1      c filters          k²·c
separable   depthwise, then pointwise     k²·c + c·o
"""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from jconv._arguments import entries_of, one_int
from jconv._cost import cost
from jconv.draw._picture import Picture, Theme, tint
from jconv.draw._stage import MARGIN, WIDTH, sizes
from jconv.errors import UnsupportedError, suggestion

KINDS = ("dense", "pointwise", "grouped", "depthwise", "separable")
SHOWN = 4  # filters that are drawn, at most: as many of each group, or one of each of the first
ROW = 1.45  # inches that a layer takes
HATCHES = ("", "////", "....", "\\\\\\\\")
THIN = 0.02  # inches: where a channel is thinner, those of a group are one slab, and a thinner slab has no edges


class Row(NamedTuple):
    """One convolution, a row of the picture."""

    title: str
    window: int
    in_channels: int
    out_channels: int
    groups: int


def volumes(
    kinds: Sequence[str] | str = KINDS,
    *,
    size: int = 8,
    window: int = 3,
    in_channels: int = 4,
    out_channels: int = 8,
    groups: int = 2,
) -> Picture:
    """Draw layers as volumes, with their sizes, parameters and multiplications.

    Args:
        kinds: Which: dense, pointwise, grouped, depthwise, separable; or one of them.
        size: The image's height and width.
        window: Taps along each axis.
        in_channels: Input channels.
        out_channels: Output channels.
        groups: Of the grouped layer.

    Returns:
        The picture.

    Raises:
        GeometryError: If the groups do not split the channels.
        UnsupportedError: If there is no such kind.

    Example:
        >>> print(volumes("depthwise").text)
        depthwise: 8×8×4 by 4 filters of 3×3×1 gives 8×8×4; 36 parameters, 2,304 multiplications.
    """
    chosen = [kinds] if isinstance(kinds, str) else entries_of(kinds) or [kinds]
    for kind in chosen:
        if kind not in KINDS:
            raise UnsupportedError(
                f"draw: kinds must be among {', '.join(KINDS)}; got {kind!r}.{suggestion(str(kind), KINDS)}"
            )
    size, window, groups = (
        one_int("draw", name, value) for name, value in (("size", size), ("window", window), ("groups", groups))
    )
    c, o = one_int("draw", "in_channels", in_channels), one_int("draw", "out_channels", out_channels)
    rows = [row for kind in chosen for row in _rows(kind, window, c, o, groups)]
    counts = [_counts(row, size) for row in rows]
    words = [_words(row, size, found) for row, found in zip(rows, counts, strict=True)]

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(-MARGIN, WIDTH - MARGIN)
        axes.set_ylim(len(rows) * ROW + MARGIN, -MARGIN)
        for number, (row, found) in enumerate(zip(rows, counts, strict=True)):
            _draw_row(axes, theme, row, size, number * ROW, max(c, o), found)

    return Picture(draw, " ".join(words), (WIDTH, len(rows) * ROW + 2 * MARGIN))


def _rows(kind: str, window: int, c: int, o: int, groups: int) -> list[Row]:
    return {
        "dense": [Row("dense", window, c, o, 1)],
        "pointwise": [Row("pointwise", 1, c, o, 1)],
        "grouped": [Row(f"grouped, {groups} groups", window, c, o, groups)],
        "depthwise": [Row("depthwise", window, c, c, c)],
        "separable": [Row("separable, first", window, c, c, c), Row("separable, then", 1, c, o, 1)],
    }[kind]


def _counts(row: Row, size: int) -> tuple[int, int]:
    """Return parameters and multiplications, as `jconv.cost` counts them."""
    kernel = row.window, row.window, row.in_channels // row.groups, row.out_channels
    found = cost((size, size, row.in_channels), kernel, padding="SAME", groups=row.groups)
    return found.parameters, found.multiplications


def _words(row: Row, size: int, counts: tuple[int, int]) -> str:
    shapes = [
        (size, size, row.in_channels),
        (row.window, row.window, row.in_channels // row.groups),
        (size, size, row.out_channels),
    ]
    x, kernel, y = map(sizes, shapes)
    parameters, multiplications = counts
    return (
        f"{row.title}: {x} by {row.out_channels:,} filters of {kernel} gives {y}; {parameters:,} parameters, "
        f"{multiplications:,} multiplications."
    )


def _draw_row(axes: Axes, theme: Theme, row: Row, size: int, top: float, most: int, counts: tuple[int, int]) -> None:
    """Draw input, filters and output of one convolution; the groups tell each other apart by colour and hatch."""
    parameters, multiplications = counts
    axes.text(0, top + 0.1, row.title, weight="bold", va="center")
    axes.text(
        WIDTH - 2 * MARGIN, top + 0.1, f"{parameters:,} parameters · {multiplications:,} multiplications",
        ha="right", va="center", size=8.5,
    )  # fmt: skip
    side, slice_ = 0.62, min(0.09, 0.42 / most)
    base = top + ROW - 0.42
    depth = row.in_channels // row.groups
    x = [group for group in range(row.groups) for _ in range(depth)]
    y = [group for group in range(row.groups) for _ in range(row.out_channels // row.groups)]
    _block(axes, theme, 0.0, base, side, slice_, x)
    axes.text(0.4, base + 0.14, sizes((size, size, row.in_channels)), ha="center", va="center", size=8)
    axes.text(1.42, base - 0.3, "∗", ha="center", va="center", size=13)
    small = max(0.06 if row.window == 1 else 0.1, side * min(row.window / size, 0.6))
    place, shown = 1.7, min(SHOWN, row.out_channels)
    if row.groups < shown:
        shown -= shown % row.groups  # of each group as many
    step = 0.55
    for number in range(shown):
        group = number if row.groups > shown else number * row.groups // shown
        _block(axes, theme, place + number * step, base - 0.22, small, slice_, [group] * depth)
    if shown < row.out_channels:
        axes.text(place + shown * step + 0.02, base - 0.12, f"{shown} of {row.out_channels:,}", va="center", size=8)
    label = f"{row.out_channels:,} filters of {sizes((row.window, row.window, depth))}"
    axes.text(place + 0.1, base + 0.14, label, va="center", size=8)
    axes.text(4.62, base - 0.3, "=", ha="center", va="center", size=13)
    _block(axes, theme, 4.73, base, side, slice_, y)
    axes.text(5.07, base + 0.14, sizes((size, size, row.out_channels)), ha="center", va="center", size=8)


def _block(axes: Axes, theme: Theme, x: float, base: float, side: float, slice_: float, groups: list[int]) -> None:
    """Draw a block from its last channel to its first, in slabs coloured by their group."""
    starts = [c for c in range(len(groups)) if c == 0 or slice_ >= THIN or groups[c] != groups[c - 1]]
    ends = [*starts[1:], len(groups)]
    for first, end in reversed(list(zip(starts, ends, strict=True))):
        group = groups[first]
        colour = theme.series[group % len(theme.series)]
        left, low = x + first * slice_, base - 0.55 * first * slice_
        front = [(left, low), (left + side, low), (left + side, low - side), (left, low - side)]
        across, up = (end - first) * slice_, -0.55 * (end - first) * slice_
        roof = [front[3], front[2], (left + side + across, low - side + up), (left + across, low - side + up)]
        wall = [front[1], (left + side + across, low + up), (left + side + across, low - side + up), front[2]]
        for face, share in ((roof, 0.2), (wall, 0.45), (front, 0.3)):
            axes.add_patch(
                Polygon(
                    face,
                    facecolor=tint(colour, theme, share),
                    edgecolor=theme.quiet,
                    linewidth=0.5 if len(starts) == 1 or (end - first) * slice_ >= THIN else 0,
                    hatch=HATCHES[group % len(HATCHES)] if face is front else "",
                )
            )
