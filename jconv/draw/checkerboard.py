"""Uneven overlap: how many taps write to each output of a transposed convolution, and what that does to a picture."""

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from jconv._arguments import one_int
from jconv._conv import conv_transpose
from jconv.draw._operands import grey
from jconv.draw._picture import Picture, Theme, shades, tint
from jconv.draw._stage import WIDTH
from jconv.errors import UnsupportedError
from jconv.receptive import overlap

MOST = 24  # outputs along an axis


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
    outputs = stride * (size - 1) + window
    if outputs > MOST:
        raise UnsupportedError(
            f"draw: outputs must be at most {MOST} to be seen; got {outputs} from size={size}, window={window}, "
            f"stride={stride}. Take less."
        )
    line, plane = overlap(size, window, stride=stride), overlap((size, size), window, stride=stride)
    inside = line[window - 1 : len(line) - window + 1]
    counts = sorted(set(inside.tolist()))
    word = "border only" if not counts else "even" if len(counts) == 1 else "uneven"
    scaled = None
    if picture is not None:
        kernel = jnp.full((window, window, 1, 1), stride**2 / window**2)
        scaled = np.asarray(conv_transpose(jnp.asarray(grey(picture))[..., None], kernel, stride=stride))[..., 0]

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
        columns[1].imshow(plane, cmap=shades(theme.series[0], theme, 0.05, 0.7), gid="overlap")
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
        words = f"window {window}, stride {stride}: {word}"
        figure.text(0.5, 0.95, words, ha="center", va="center", weight="bold")

    taps = f"written by {' or '.join(map(str, counts))} tap{'s' if counts != [1] else ''} along an axis"
    found = {
        "border only": "there is no output",
        "even": f"every output is {taps}",
        "uneven": f"outputs are {taps}",
    }[word]
    text = (
        f"A transposed convolution of window {window} and stride {stride}: away from the border {found}. "
        f"The overlap is {word}{': a checkerboard' if word == 'uneven' else ''}."
    )
    return Picture(draw, text, (WIDTH, 2.75 if scaled is None else 2.5))
