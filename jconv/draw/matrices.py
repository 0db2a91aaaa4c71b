"""The matrices of a convolution, Toeplitz and circulant, and what the DFT makes of the latter.

y = C x,   x̄ = Cᵀ y          F C F⁻¹ = diag(F c)
"""

import math

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from jconv._arguments import Ints, Padding, one_int, per_axis
from jconv._matrices import circulant_matrix, toeplitz_matrix
from jconv.draw._operands import space_axes
from jconv.draw._picture import Picture, Theme, shades, tint
from jconv.draw._stage import LEAST, MARGIN, TALLEST, WIDTH, Stage, sizes
from jconv.errors import UnsupportedError, suggestion
from jconv.geometry import conv_geometry

KINDS = ("toeplitz", "sparse", "circulant")
MOST = 144  # rows or columns
MOST_WRITTEN = 40  # rows or columns whose cells carry their tap's number
GAP = 0.27  # inches between x and the matrix below it


def matrix(
    input_size: Ints = 5,
    window: Ints = 3,
    *,
    kind: str = "toeplitz",
    stride: Ints = 1,
    padding: Padding | None = None,
    dilation: Ints = 1,
    transposed: bool = False,
    axes: int | None = None,
) -> Picture:
    """Draw a convolution's matrix between its vectors, each entry in the colour and with the number of its tap.

    Args:
        input_size: One int per space axis, one or two; a single int stands for one.
        window: Likewise.
        kind: toeplitz; sparse, which leaves out what is not stored; or circulant, at stride 1 on the torus.
        stride: As for `conv`.
        padding: As for `conv`, VALID by default; of a circulant matrix it places the first tap, as SAME by default.
        dilation: As for `conv`.
        transposed: Whether the transposed matrix, that of `conv_transpose`, stands beside it.
        axes: 1 or 2, where all sizes are single ints; 1 by default.

    Returns:
        The picture.

    Raises:
        GeometryError: If the arguments describe no convolution.
        UnsupportedError: If the matrix is too large to be seen, or there is no such kind.

    Example:
        >>> print(matrix(5, 3).text)
        The Toeplitz matrix of a window of 3 over an input of 5: 3 rows for the outputs, 5 columns for the inputs, \
9 of 15 entries not zero. Rows: 12300; 01230; 00123.
    """
    if kind not in KINDS:
        raise UnsupportedError(f"draw: kind must be one of {', '.join(KINDS)}; got {kind!r}.{suggestion(kind, KINDS)}")
    count = space_axes(axes, 1, input_size, window, stride, padding, dilation)
    size, taps = per_axis("draw", "input_size", input_size, count), per_axis("draw", "window", window, count)
    around = kind == "circulant"
    if around and max(per_axis("draw", "stride", stride, count)) > 1:
        raise UnsupportedError(f"draw: a circulant matrix must have stride 1; got stride={stride}. Leave it out.")
    if padding is None:
        padding = "SAME" if around else "VALID"
    arguments = {"stride": stride, "padding": "SAME" if around else padding, "dilation": dilation}
    geometry = conv_geometry((*size, 1), (*taps, 1, 1), caller="draw", **arguments)
    outputs = geometry.output_size
    if max(math.prod(outputs), math.prod(size)) > MOST:
        raise UnsupportedError(
            f"draw: a matrix must have at most {MOST} rows and columns to be seen; got {math.prod(outputs)} rows and "
            f"{math.prod(size)} columns. Take a smaller input."
        )
    if around and any(k > n for k, n in zip(geometry.extent, size, strict=True)):
        raise UnsupportedError(
            f"draw: the window of a circulant matrix must fit the torus, for a cell has one tap's colour; got a window "
            f"that covers {sizes(geometry.extent)} on {sizes(size)}. Take a larger input."
        )
    kernel = jnp.arange(1.0, math.prod(taps) + 1).reshape(*taps, 1, 1)
    if around:
        cells = circulant_matrix(kernel, size, padding=padding, dilation=dilation)
    else:
        cells = toeplitz_matrix(kernel, size, **arguments)
    cells = np.asarray(cells).astype(int)
    name = {"toeplitz": "Toeplitz", "sparse": "sparse", "circulant": "circulant"}[kind]
    name = f"doubly block {name}" if count == 2 and kind != "sparse" else name
    text = (
        f"The {name} matrix of a window of {sizes(taps)} over an input of {sizes(size)}: {cells.shape[0]} rows for the "
        f"outputs, {cells.shape[1]} columns for the inputs, {np.count_nonzero(cells)} of {cells.size} entries not zero."
    )
    if cells.size <= 100 and kernel.size <= 9:
        text += f" Rows: {'; '.join(''.join(map(str, row)) for row in cells)}."
    shown = [(cells, outputs, size, "y = C x", "y", "x")]
    if transposed:
        shown.append((cells.T, size, outputs, "x̄ = Cᵀ ȳ", "x̄", "ȳ"))
        text += " Beside it its transpose, the matrix of the transposed convolution."
    width = sum(one[0].shape[1] for one in shown) + 4 * len(shown) - 2
    tall = max(one[0].shape[0] for one in shown) + 1
    unit = min(0.3, (WIDTH - 2 * MARGIN) / max(width, 14), (TALLEST - 1.5) / tall)
    key = taps if count == 2 else (1, *taps)
    head = (0.75 + key[0] * min(0.25, 1.0 / key[0])) / unit
    height = (head + tall) * unit + GAP + 2 * MARGIN

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        stage = Stage(figure, theme, unit)
        colours = tap_colours(key, theme)
        _key(stage, key, colours, f"{name} matrix: a colour{' and a number' if _written(cells, unit) else ''} a tap")
        left = 0.0
        for values, rows, columns, equation, out, into in shown:
            blocks = (rows[1], columns[1]) if count == 2 else ()
            _matrix(stage, values, colours, left, head, equation, out, into, blocks, kind)
            left += values.shape[1] + 4

    return Picture(draw, text, (WIDTH, height))


def tap_colours(window: tuple[int, ...], theme: Theme) -> list[tuple[float, float, float]]:
    """Return a colour for each tap: the window's rows in the series' colours, its columns from light to strong."""
    rows, columns = window
    if rows == 1:
        return [tint(theme.series[t % len(theme.series)], theme, 0.45) for t in range(columns)]
    shares = np.linspace(0.22, 0.62, columns)
    return [tint(theme.series[row % len(theme.series)], theme, float(share)) for row in range(rows) for share in shares]


def _written(cells: np.ndarray, unit: float) -> bool:
    """Whether the cells have room for their taps' numbers."""
    return max(cells.shape) <= MOST_WRITTEN and 0.5 * 72 * unit >= LEAST


def _key(stage: Stage, window: tuple[int, ...], colours: list[tuple[float, float, float]], title: str) -> None:
    """Draw the kernel with its taps' numbers, beside the picture's title."""
    side = min(0.25, 1.0 / window[0]) / stage.unit
    line = stage.line
    stage.words(0, 0.5 * line, "kernel")
    for (row, column), tap in np.ndenumerate(np.arange(1, math.prod(window) + 1).reshape(window)):
        stage.box(column * side, 1.2 * line + row * side, side, side, colours[tap - 1], text=str(tap))
    stage.words(max(window[1] * side + 1.5 * line, 6 * line), 0.5 * line, title)


def _matrix(
    stage: Stage,
    cells: np.ndarray,
    colours: list[tuple[float, float, float]],
    left: float,
    x_top: float,
    equation: str,
    out: str,
    into: str,
    blocks: tuple[int, ...],
    kind: str,
) -> None:
    """Draw y beside the matrix, and x above it: each entry over the column that it is multiplied by."""
    rows, columns = cells.shape
    theme = stage.theme
    image = np.full((rows, columns, 3), to_rgb(theme.page))
    for (row, column), tap in np.ndenumerate(cells):
        if tap:
            image[row, column] = colours[tap - 1]
    start, top = left + 2, x_top + 1 + GAP / stage.unit
    stage.axes.imshow(
        image, extent=(start, start + columns, top + rows, top), aspect="equal", interpolation="nearest", zorder=0,
        gid=equation,
    )  # fmt: skip
    stage.axes.set_aspect("auto")
    points = 72 * stage.unit
    if kind != "sparse":
        for step in range(rows + 1):
            stage.axes.hlines(top + step, start, start + columns, color=theme.line, linewidth=0.3)
        for step in range(columns + 1):
            stage.axes.vlines(start + step, top, top + rows, color=theme.line, linewidth=0.3)
    if blocks:
        for step in range(0, rows + 1, blocks[0]):
            stage.axes.hlines(top + step, start, start + columns, color=theme.quiet, linewidth=0.8)
        for step in range(0, columns + 1, blocks[1]):
            stage.axes.vlines(start + step, top, top + rows, color=theme.quiet, linewidth=0.8)
    if _written(cells, stage.unit):
        for (row, column), tap in np.ndenumerate(cells):
            if tap:
                stage.axes.text(
                    start + column + 0.5, top + row + 0.52, str(tap), size=min(9, 0.55 * points), ha="center",
                    va="center",
                )  # fmt: skip
    stage.frame(start, top, columns, rows, "edge")
    for row in range(rows):
        stage.cell(left, top + row, "empty")
    for column in range(columns):
        stage.cell(start + column, x_top, "empty")
    stage.words(left + 0.5, top - 0.11 / stage.unit, out, align="center")
    stage.words(start - 0.08 / stage.unit, x_top + 0.5, into, align="right")
    stage.words(start + columns / 2, x_top - 0.2 / stage.unit, equation, align="center")


def spectrum(size: int = 8, window: int = 3) -> Picture:
    """Draw how the DFT makes a circulant matrix diagonal: the matrix, its transform, and the kernel's spectrum.

    Args:
        size: The torus, at most 32.
        window: The taps, a binomial blur: 1 2 1 for three.

    Returns:
        The picture.

    Raises:
        GeometryError: If the torus has not at least 2 entries, or the window not 1.
        UnsupportedError: If the torus is too large to be seen, or the window does not fit it.

    Example:
        >>> spectrum(4).text.split(".")[0]
        'The circulant matrix C of the blur 1 2 1 / 4 on a torus of 4, and F C F⁻¹ beside it, which is diagonal'
    """
    size, window = one_int("draw", "size", size, least=2), one_int("draw", "window", window)
    if size > 32 or window > size:
        raise UnsupportedError(
            f"draw: size must be at most 32 and hold the window; got size={size}, window={window}. Take size=8."
        )
    row = np.array([math.comb(window - 1, t) for t in range(window)], np.float32)
    kernel = row / row.sum()
    cells = np.asarray(circulant_matrix(jnp.asarray(kernel)[:, None, None], size))
    fourier = np.fft.fft(np.eye(size))
    diagonal = fourier @ cells @ np.linalg.inv(fourier)

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        left, middle, right = figure.subplots(1, 3)
        figure.subplots_adjust(0.02, 0.22, 0.985, 0.88, 0.24)
        _heat(left, cells, theme, "C", theme.series[0])
        _heat(middle, np.abs(diagonal), theme, "|F C F⁻¹|", theme.series[2])
        found, frequency = np.abs(np.diag(diagonal)), np.arange(size)
        right.vlines(frequency, 0, found, color=theme.series[2])
        right.plot(frequency, found, "o", color=theme.series[2], label="its diagonal", markersize=4)
        expected = np.abs(np.fft.fft(cells[:, 0]))
        right.plot(frequency, expected, "x", color=theme.series[1], label="|DFT of a column|", markersize=7)
        figure.legend(loc="lower right", ncols=2, handlelength=1, columnspacing=1, borderaxespad=0.2)
        right.set_title("the spectrum")
        right.set_ylim(0, 1.15 * max(found.max(), 1e-6))
        right.set_xticks(frequency[:: max(1, size // 8)])

    text = (
        f"The circulant matrix C of the blur {' '.join(f'{value:g}' for value in row)} / {row.sum():g} on a torus of "
        f"{size}, and F C F⁻¹ beside it, which is diagonal. Its diagonal is the DFT of C's first column: "
        f"{', '.join(f'{abs(value):.2f}' for value in np.diag(diagonal))}."
    )
    return Picture(draw, text, (WIDTH, 2.6))


def _heat(axes: Axes, values: np.ndarray, theme: Theme, title: str, colour: str) -> None:
    """Draw a matrix in shades of one colour, its numbers in the cells where there is room."""
    axes.imshow(values, cmap=shades(colour, theme, 0.0, 0.75), vmin=0, vmax=max(float(values.max()), 1e-6), gid=title)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["top", "right"]].set_visible(True)
    if len(values) <= 8:
        for (row, column), value in np.ndenumerate(values):
            if abs(value) > 1e-6:
                axes.text(column, row, f"{value:.2f}".lstrip("0"), ha="center", va="center", size=6.5)
