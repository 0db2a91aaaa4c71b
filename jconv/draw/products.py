"""Patches lifted into a matrix, and the one product that is the convolution.

y[p, o] = Σ_j patches[p, j] · kernel[j, o]
"""

import math

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from jconv._arguments import Ints, Padding, one_int, per_axis, resolve_padding
from jconv._conv import conv
from jconv._matrices import patches
from jconv.draw._operands import integers
from jconv.draw._panels import draw_canvas, legend, panel
from jconv.draw._picture import Picture, Theme
from jconv.draw._stage import MARGIN, TALLEST, WIDTH, Stage, sizes
from jconv.draw.arithmetic import padding_words
from jconv.errors import UnsupportedError
from jconv.geometry import conv_geometry

MOST_PATCHES, MOST_ENTRIES, MOST_INPUT, MOST_OUT = 36, 16, 9, 4


def products(
    input_size: Ints = 4,
    window: Ints = 2,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    out_channels: int = 2,
) -> Picture:
    """Draw patches lifted into a matrix, and the one product with the kernel's: a frame for each patch.

    Args:
        input_size: One int per space axis, two; a single int stands for both.
        window: Likewise.
        stride: As for `conv`.
        padding: As for `conv`.
        out_channels: Columns of the kernel's matrix.

    Returns:
        The picture.

    Raises:
        GeometryError: If the arguments describe no convolution.
        UnsupportedError: If it is too large to be seen.

    Example:
        >>> products(4, 3).frames
        4
    """
    size, taps = per_axis("draw", "input_size", input_size, 2), per_axis("draw", "window", window, 2)
    out = one_int("draw", "out_channels", out_channels)
    shapes, arguments = ((*size, 1), (*taps, 1, out)), {"stride": stride, "padding": padding}
    geometry = conv_geometry(*shapes, caller="draw", **arguments)
    pads = resolve_padding("draw", padding, size, geometry.extent, geometry.stride)
    padded = tuple(n + max(low, 0) + max(high, 0) for n, (low, high) in zip(size, pads, strict=True))
    count = math.prod(geometry.output_size)
    if count > MOST_PATCHES or math.prod(taps) > MOST_ENTRIES or out > MOST_OUT or max(padded) > MOST_INPUT:
        raise UnsupportedError(
            f"draw: the patches must be at most {MOST_PATCHES} of {MOST_ENTRIES} entries, the padded input at most "
            f"{MOST_INPUT}×{MOST_INPUT}, and out_channels at most {MOST_OUT}, to be seen; got {count} of "
            f"{math.prod(taps)} from {sizes(padded)}, and out_channels={out}. Take less."
        )
    x, kernel = integers(shapes[0], 1, 9, 1), integers(shapes[1], -1, 2, 2)
    windows = np.asarray(patches(jnp.asarray(x), taps, **arguments))
    rows = windows.reshape(-1, math.prod(taps))
    y = np.asarray(conv(jnp.asarray(x), jnp.asarray(kernel), **arguments)).reshape(-1, out)
    canvas = panel(x[..., 0], kernel[..., 0, 0], geometry, "input", "kernel", pads=pads)
    explained = bool((canvas.kinds != "input").any())
    across, down = canvas.kinds.shape[1], max(*rows.shape, canvas.kinds.shape[0])
    total = across + 1.5 + rows.shape[1] + 1.5 + out + 1.5 + max(out, 2)
    unit = min(0.34, (WIDTH - 2 * MARGIN) / total, TALLEST / down)

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        stage = Stage(figure, theme, unit)
        line = stage.line
        place = tuple(int(p) for p in np.unravel_index(frame, geometry.output_size))
        draw_canvas(stage, canvas, 0, place, taps=False)
        left = across + 1.5
        stage.words(left, 0.5 * line, f"patches {sizes(rows.shape)}")
        stage.grid(left, line, rows, "input", "patches", (frame + 1) * rows.shape[1])
        stage.frame(left, line + frame, rows.shape[1], 1, "window")
        stage.words(left + rows.shape[1] + 0.75, line + 1, "·", 14, align="center")
        left += rows.shape[1] + 1.5
        flat = kernel.reshape(-1, out)
        stage.words(left, 0.5 * line, "kernel")
        stage.grid(left, line, flat, "kernel", "kernel")
        stage.words(left + out + 0.75, line + 1, "=", 12, align="center")
        left += out + 1.5
        stage.words(left, 0.5 * line, "output")
        stage.grid(left, line, y, "output", "output", (frame + 1) * out)
        stage.frame(left, line + frame, out, 1, "now")
        if explained:
            legend(stage, [canvas], line + down + 0.4 * line, taps=False)

    height = unit * down + (0.6 if explained else 0.3) + 2 * MARGIN
    text = (
        f"The {rows.shape[0]} windows of {sizes(taps)} of an input of {sizes(size)} {padding_words(pads)} are the rows "
        f"of a matrix; its one product with the kernel's, of {sizes((rows.shape[1], out))}, is the output."
    )
    return Picture(draw, text, (WIDTH, height), rows.shape[0], still=rows.shape[0] // 2)
