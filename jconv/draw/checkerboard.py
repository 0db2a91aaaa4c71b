"""Uneven overlap: how many taps write to each output of a transposed convolution, and what that does to a picture."""

import jax.numpy as jnp
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from jconv._arguments import one_int
from jconv._conv import conv_transpose
from jconv.draw._picture import Picture, Theme, tint
from jconv.draw._stage import WIDTH
from jconv.errors import GeometryError, UnsupportedError
from jconv.receptive import overlap


def checkerboard(window: int = 3, stride: int = 2, *, size: int = 5, picture: np.ndarray | None = None) -> Picture:
    """Draw the overlap of a transposed convolution along one axis and along two, and a picture scaled up by it.

    Args:
        window: Taps along each axis.
        stride: Output steps between inputs.
        size: Inputs along each axis of the counts.
        picture: `[height, width]`, grey between 0 and 1; left out by default.

    Returns:
        The picture.

    Raises:
        GeometryError: If the picture has not two axes.
        UnsupportedError: If it is too large to be seen.

    Example:
        >>> print(checkerboard(4, 2).text)
        A transposed convolution of window 4 and stride 2: away from the border every output is written by 2 taps \
along an axis. The overlap is even.

    References:
        Odena, Dumoulin and Olah, Deconvolution and checkerboard artifacts, 2016,
        https://distill.pub/2016/deconv-checkerboard.
    """
    window, stride, size = (one_int("draw", *pair) for pair in (("window", window), ("stride", stride), ("size", size)))
    line, plane = overlap(size, window, stride=stride), overlap((size, size), window, stride=stride)
    if len(line) > 24:
        raise UnsupportedError(f"draw: outputs must be at most 24 to be seen; got {len(line)}. Take a smaller size.")
    inside = line[window - 1 : len(line) - window + 1]
    counts = sorted(set(inside.tolist()))
    even = len(counts) == 1
    scaled = None
    if picture is not None:
        picture = np.asarray(picture, np.float32)
        if picture.ndim != 2:
            raise GeometryError(f"draw: picture must be grey, [height, width]; got shape {picture.shape}. Take a mean.")
        kernel = jnp.full((window, window, 1, 1), stride**2 / window**2)
        scaled = np.asarray(conv_transpose(jnp.asarray(picture)[..., None], kernel, stride=stride))[..., 0]

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        columns = figure.subplots(1, 2 if scaled is None else 3)
        figure.subplots_adjust(0.04, 0.2, 0.985, 0.82, 0.16)
        bars = columns[0].bar(
            np.arange(len(line)), line, color=tint(theme.series[0], theme, 0.45), edgecolor=theme.quiet, linewidth=0.7
        )
        for bar, count in zip(bars, line, strict=True):
            columns[0].text(bar.get_x() + 0.4, count, str(count), ha="center", va="bottom", size=7.5)
        columns[0].set_title("taps that write to each output")
        columns[0].set_xlabel("output")
        columns[0].set_yticks([])
        columns[0].set_xticks(np.arange(0, len(line), 2 if len(line) <= 14 else 4))
        columns[0].spines["left"].set_visible(False)
        columns[0].set_ylim(0, line.max() * 1.15)
        shades = ListedColormap([tint(theme.series[0], theme, s) for s in np.linspace(0.05, 0.7, 64)])
        columns[1].imshow(plane, cmap=shades, gid="overlap")
        for (row, column), count in np.ndenumerate(plane):
            columns[1].text(column, row, str(count), ha="center", va="center", size=min(8, 90 / len(line)))
        columns[1].set_title("and in two dimensions")
        if scaled is not None:
            columns[2].imshow(scaled, cmap="gray", vmin=0, vmax=1, gid="scaled")
            columns[2].set_title("a picture scaled up by it")
        for axes in columns[1:]:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        words = f"window {window}, stride {stride}: {'even' if even else 'uneven'}"
        figure.text(0.5, 0.95, words, ha="center", va="center", weight="bold")

    found = (
        (
            f"every output is written by {counts[0]} taps along an axis. The overlap is even."
            if even
            else f"outputs are written by {' or '.join(map(str, counts))} taps along an axis. The overlap is uneven: a "
            "checkerboard."
        )
        if counts
        else "there is no output that is not at the border."
    )
    text = f"A transposed convolution of window {window} and stride {stride}: away from the border {found}"
    return Picture(draw, text, (WIDTH, 2.75 if scaled is None else 2.5))
