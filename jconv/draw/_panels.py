"""One channel's convolution as cells: a canvas, the window on it, the kernel and the outputs so far.

    output[p] = Σ_t canvas[first + s·p + d·t] · kernel[t]

The canvas is the input, dilated and padded as its `jconv.Geometry` says. No JAX here.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jconv._arguments import Pads
from jconv.draw._picture import Picture, Theme
from jconv.draw._stage import LETTER, LINE, MARGIN, TALLEST, WIDTH, Stage, number, sizes
from jconv.errors import UnsupportedError
from jconv.geometry import Geometry

LARGEST = 0.42  # inches of a cell, at most
MOST_CELLS = 40  # along a side: more are no picture
EQUATION = 84  # letters that a line has room for
MOST_LISTED = 64  # outputs whose numbers the words tell


class Panel(NamedTuple):
    """One channel's convolution as cells, on two axes.

    Args:
        kinds: What each cell of the canvas is: input, inserted, padding or unread, `[rows, columns]`.
        values: The numbers on it.
        first: Where the first window begins on the canvas.
        geometry: The convolution, on two axes.
        kernel: `[*window]`, as it is laid on the canvas.
        output: `[*output]`.
        title: The input's title.
        kernel_title: The kernel's.
        output_title: The output's.
    """

    kinds: np.ndarray
    values: np.ndarray
    first: tuple[int, int]
    geometry: Geometry
    kernel: np.ndarray
    output: np.ndarray
    title: str
    kernel_title: str
    output_title: str = "output"


def panels_picture(panels: Sequence[Panel], text: str) -> Picture:
    """Draw panels below each other, moving together.

    Args:
        panels: The panels; a frame for each output of the one that has most.
        text: What is seen, in words.

    Returns:
        The picture.
    """
    unit = _unit(panels)
    line = LINE / unit
    rows = [_body(panel, line) + 2.4 * line for panel in panels]
    frames = max(panel.output.size for panel in panels)

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        stage, top = Stage(figure, theme, unit), 0.0
        for panel, height in zip(panels, rows, strict=True):
            _draw_panel(stage, panel, top, min(frame, panel.output.size - 1))
            top += height + stage.line
        legend(stage, panels, top)

    height = unit * (sum(rows) + len(rows) * line) + 0.3 + 2 * MARGIN
    listed = [f" {_named(panel)}: {_listed(panel.output)}." for panel in panels if panel.output.size <= MOST_LISTED]
    text += "".join(listed)
    return Picture(draw, text, (WIDTH, height), frames, still=frames // 2)


def _draw_panel(stage: Stage, panel: Panel, top: float, frame: int) -> None:
    """Draw the canvas with the window on it; the kernel; the outputs so far; and the sum of this one."""
    line = stage.line
    rows, columns = panel.kinds.shape
    flat = rows == 1
    place = tuple(int(p) for p in np.unravel_index(frame, panel.output.shape))
    draw_canvas(stage, panel, top, place)
    top += line
    products = []
    for tap, cell in _met(panel, place):
        weight = number(float(panel.kernel[tap]))
        products.append(f"{number(float(panel.values[cell]))}·{f'({weight})' if panel.kernel[tap] < 0 else weight}")
    if flat:
        left, below = 0.0, top + rows + 0.4
    else:
        left, below = columns + 1.2, top - line
    stage.words(left, below + 0.5 * line, f"{panel.kernel_title} {_size(panel.kernel.shape)}")
    stage.grid(left, below + line, panel.kernel, "kernel", "kernel")
    below += line + panel.kernel.shape[0] + 0.4
    stage.words(left, below + 0.5 * line, f"{panel.output_title} {_size(panel.output.shape)}")
    stage.grid(left, below + line, panel.output, "output", panel.output_title, frame + 1)
    stage.frame(left + place[1], below + line + place[0], 1, 1, "now")
    result = number(float(panel.output[place]))
    where = ", ".join(str(p) for p in (place[1:] if flat else place))
    sums = " + ".join(products)
    if len(sums) > EQUATION - 20:
        sums = f"sum of {len(products)} products"
    stage.words(0, top + _body(panel, line) + 0.9 * line, f"{panel.output_title}[{where}] = {sums} = {result}")


def draw_canvas(stage: Stage, panel: Panel, top: float, place: tuple[int, ...], taps: bool = True) -> None:
    """Draw the canvas below its title, and on it the window of one output.

    Args:
        stage: Where to.
        panel: The convolution.
        top: The title's upper side.
        place: The output's, along each axis.
        taps: Whether the window shows the kernel.
    """
    stage.words(0, top + 0.5 * stage.line, panel.title)
    top += stage.line
    for (row, column), kind in np.ndenumerate(panel.kinds):
        value = number(float(panel.values[row, column]))
        stage.cell(column, top + row, str(kind), value, f"{panel.title}[{row}, {column}]")
    for tap, (row, column) in _met(panel, place):
        small = number(float(panel.kernel[tap])) if taps else ""
        stage.cell(column, top + row, "window", small=small, name=f"window[{row}, {column}]")


def _met(panel: Panel, place: tuple[int, ...]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield each tap, and the cell of the canvas that it meets for one output."""
    g = panel.geometry
    for tap in np.ndindex(*g.window):
        axes = zip(panel.first, g.stride, place, g.dilation, tap, strict=True)
        row, column = (first + s * p + d * t for first, s, p, d, t in axes)
        yield (tap[0], tap[1]), (row, column)


def legend(stage: Stage, panels: Sequence[Panel], top: float, taps: bool = True) -> None:
    """Say what the cells are that are drawn.

    Args:
        stage: Where to.
        panels: What is drawn.
        top: The line's upper side.
        taps: Whether the window shows the kernel, where there is room.
    """
    names = {
        "input": "input",
        "inserted": "zero between inputs",
        "padding": "padding",
        "unread": "no window reads it",
    }
    x, side = 0.0, 0.16 / stage.unit
    seen = {str(kind) for panel in panels for kind in np.unique(panel.kinds)}
    names = {kind: words for kind, words in names.items() if kind in seen}
    names["window"] = "window, with what it multiplies by" if taps and stage.writes_small else "window"
    for kind, words in names.items():
        look = stage.looks[kind]
        stage.swatch(x, top + 0.1, side, look)
        stage.words(x + 1.4 * side, top + 0.1 + 0.5 * side, words, 8.0, quiet=True)
        x += 2.2 * side + len(words) * 0.062 / stage.unit


def panel(
    x: np.ndarray,
    kernel: np.ndarray,
    geometry: Geometry,
    title: str,
    kernel_title: str,
    output_title: str = "output",
    pads: Pads | None = None,
    border: np.ndarray | None = None,
) -> Panel:
    """Lay out what the windows reach and the rest of the input and its padding, and compute the outputs from it.

    Args:
        x: `[*L]`.
        kernel: `[*k]`.
        geometry: Of one channel.
        title: The input's.
        kernel_title: The kernel's.
        output_title: The output's.
        pads: The padding, (low, high) for each axis; by default what windows reach of it.
        border: The input with what a mode copies beyond its border, uncropped, where that is not zeros.

    Returns:
        The panel.
    """
    if x.ndim == 1:
        geometry = _lifted(geometry)
        x, kernel = x[None], kernel[None]
        border = None if border is None else border[None]
        pads = None if pads is None else ((0, 0), *pads)
    axes = [_axis(geometry, axis, 0 if pads is None else pads[axis][1]) for axis in range(2)]
    kinds = np.full([len(axis.places) for axis in axes], "padding", dtype=object)
    kinds[np.ix_(*(axis.inside for axis in axes))] = "inserted"
    kinds[np.ix_(*(axis.entries for axis in axes))] = "input"
    kinds[~np.outer(*(axis.read for axis in axes))] = "unread"
    values = np.zeros(kinds.shape)
    values[np.ix_(*(axis.entries for axis in axes))] = x
    if border is not None:  # it holds what the mode copies
        places = [axis.places + max(low, 0) for axis, low in zip(axes, geometry.low, strict=True)]
        within = [(place >= 0) & (place < n) for place, n in zip(places, border.shape, strict=True)]
        values[np.ix_(*within)] = border[np.ix_(*(place[i] for place, i in zip(places, within, strict=True)))]
    first = axes[0].first, axes[1].first
    output = np.zeros(geometry.output_size)
    for tap in np.ndindex(*geometry.window):
        start = [f + d * t for f, d, t in zip(first, geometry.dilation, tap, strict=True)]
        met = [slice(a, a + span, s) for a, span, s in zip(start, geometry.span, geometry.stride, strict=True)]
        output += values[tuple(met)] * kernel[tap]
    return Panel(
        kinds, values, first, geometry, kernel, output, f"{title} {_size(x.shape)}", kernel_title, output_title
    )


class _Axis(NamedTuple):
    """One axis of a canvas: its places, counted from the first input entry, and which of them are what."""

    places: np.ndarray
    first: int
    inside: np.ndarray
    entries: np.ndarray
    read: np.ndarray


def _axis(geometry: Geometry, axis: int, high: int) -> _Axis:
    low, e, size = geometry.low[axis], geometry.input_dilation[axis], geometry.input_size[axis]
    least = min(0, -low)
    last = max(e * (size - 1) + max(high, 0), geometry.padded_size[axis] - 1 - low)
    if last - least >= MOST_CELLS:
        raise UnsupportedError(
            f"draw: sizes must be at most {MOST_CELLS} to be seen; got {last - least + 1} with padding. Take less."
        )
    places = np.arange(least, last + 1)
    inside = (places >= 0) & (places <= e * (size - 1))
    read = np.zeros(len(places), bool)
    outputs, taps = np.arange(geometry.output_size[axis]), np.arange(geometry.window[axis])
    read[-low - least + geometry.stride[axis] * outputs[:, None] + geometry.dilation[axis] * taps] = True
    return _Axis(places, -low - least, inside, inside & (places % e == 0), read)


def _lifted(geometry: Geometry) -> Geometry:
    """Return a series' geometry as that of an image of one row."""
    return Geometry(
        (1, *geometry.input_size),
        (1, *geometry.window),
        (1, *geometry.output_size),
        (1, *geometry.stride),
        (1, *geometry.dilation),
        (1, *geometry.input_dilation),
        (0, *geometry.low),
    )


def _body(panel: Panel, line: float) -> float:
    """The height of a panel's cells, below its title."""
    rows = panel.kinds.shape[0]
    right = 2 * line + panel.kernel.shape[0] + 0.4 + panel.output.shape[0]
    return rows + 0.4 + right if rows == 1 else max(rows, right - line)


def _unit(panels: Sequence[Panel]) -> float:
    """Return the side of a cell in inches, so that titles and cells have room."""
    wide = LARGEST
    for panel in panels:
        columns = panel.kinds.shape[1]
        right = max(panel.kernel.shape[1], panel.output.shape[1])
        room = WIDTH - 2 * MARGIN
        title = LETTER * (len(panel.kernel_title) + 7)
        if panel.kinds.shape[0] == 1:
            wide = min(wide, room / max(columns, right))
        else:
            wide = min(wide, room / (columns + 1.2 + right), (room - title) / (columns + 1.2))
    cells = sum(_body(panel, LINE / LARGEST) for panel in panels)
    return min(wide, max(TALLEST, 2.5 * len(panels)) / cells)


def _size(shape: tuple[int, ...]) -> str:
    return sizes(shape[1:] if shape[0] == 1 and len(shape) > 1 else shape)


def _named(panel: Panel) -> str:
    """Begin a sentence with an output's name: a word with a capital, a symbol as it is."""
    title = panel.output_title
    return title.capitalize() if title.isalpha() and len(title) > 1 else title


def _listed(output: np.ndarray) -> str:
    return "; ".join(" ".join(number(value) for value in row) for row in output)
