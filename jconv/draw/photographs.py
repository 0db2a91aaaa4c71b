"""Filters on a photograph, and what is left of a filter when it is made separable."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from jconv._arguments import one_int
from jconv._conv import conv
from jconv.draw._operands import grey
from jconv.draw._picture import Picture, Theme
from jconv.draw._stage import WIDTH, sizes
from jconv.errors import GeometryError
from jconv.filters import gaussian, laplacian, sharpen, sobel
from jconv.ops import separate


def known() -> dict[str, np.ndarray]:
    """Return the filters that everyone knows, `[*window, 1, 1]` each."""
    return {
        "Gaussian, σ = 2": gaussian(9, 2.0),
        "sharpen": sharpen(),
        "Sobel, vertical edges": sobel(1),
        "Sobel, horizontal edges": sobel(0),
        "Laplacian": laplacian(),
    }


def filters(picture: np.ndarray, kernels: Mapping[str, np.ndarray] | None = None) -> Picture:
    """Draw a grey picture through filters: blurs as they come, edges with zero in the middle of grey.

    Args:
        picture: `[height, width]`, between 0 and 1.
        kernels: Filters by their names, `[*window, 1, 1]`; by default those that everyone knows.

    Returns:
        The picture.

    Raises:
        GeometryError: If the picture has not two axes.

    Example:
        >>> filters(np.zeros((8, 8))).text
        'A picture, and the same through Gaussian, σ = 2, sharpen, Sobel, vertical edges, Sobel, horizontal \
edges, Laplacian.'
    """
    picture = grey(picture)
    kernels = known() if kernels is None else dict(kernels)
    made = {
        name: np.asarray(conv(jnp.asarray(picture)[..., None], jnp.asarray(k), padding="SAME", padding_mode="edge"))[
            ..., 0
        ]
        for name, k in kernels.items()
    }
    columns = 3
    count = -(-(len(made) + 1) // columns)

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        places = figure.subplots(count, columns).ravel()
        figure.subplots_adjust(0.02, 0.02, 0.98, 0.94, 0.06, 0.16)
        _photo(places[0], picture, "the picture", False)
        for axes, (name, image) in zip(places[1:], made.items(), strict=False):
            signed = bool(abs(kernels[name].sum()) < 1e-6)
            _photo(axes, image, name, signed)
        for axes in places[len(made) + 1 :]:
            axes.set_axis_off()

    return Picture(draw, f"A picture, and the same through {', '.join(made)}.", (WIDTH, 2.1 * count + 0.1))


def separation(kernel: np.ndarray, *, rank: int = 1) -> Picture:
    """Draw a kernel, the nearest one that is separable, and what that misses.

    Args:
        kernel: `[k_0, k_1]`.
        rank: Terms, each an outer product of a column and a row.

    Returns:
        The picture.

    Raises:
        GeometryError: If the kernel has not two axes, or the rank does not fit.

    Example:
        >>> separation(np.outer([1, 2, 1], [1, 0, -1])).text
        'A 3×3 kernel and the nearest of rank 1, which misses 0.0 % of it.'
    """
    kernel = np.asarray(kernel, np.float32)
    if kernel.ndim != 2:
        raise GeometryError(f"draw: kernel must have two axes; got shape {kernel.shape}. Take one channel of it.")
    rank = one_int("draw", "rank", rank)
    (columns, rows), missed = separate(jnp.asarray(kernel)[..., None, None], rank)
    nearest = np.einsum("ar,br->ab", np.asarray(columns)[..., 0, 0], np.asarray(rows)[..., 0, 0])
    share = float(np.asarray(missed).ravel()[0])

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        places = figure.subplots(1, 3)
        figure.subplots_adjust(0.02, 0.04, 0.98, 0.86, 0.08)
        limit = float(np.abs(kernel).max()) or 1.0
        words = ("the kernel", f"separable, rank {rank}", f"what it misses, {share:.1%}")
        for axes, values, title in zip(places, (kernel, nearest, kernel - nearest), words, strict=True):
            _signed(axes, values, theme, limit, title)

    text = f"A {sizes(kernel.shape)} kernel and the nearest of rank {rank}, which misses {100 * share:.1f} % of it."
    return Picture(draw, text, (WIDTH, 2.3))


def _photo(axes: Axes, image: np.ndarray, title: str, signed: bool) -> None:
    limit = float(np.abs(image).max()) or 1.0
    axes.imshow(image, cmap="gray", vmin=-limit if signed else 0, vmax=limit if signed else 1, gid=title)
    axes.set_title(title)
    axes.set_axis_off()


def _signed(axes: Axes, values: np.ndarray, theme: Theme, limit: float, title: str) -> None:
    """Draw a small matrix, negative in one colour, positive in another, its numbers written."""
    shades = LinearSegmentedColormap.from_list("signed", [theme.series[1], theme.page, theme.series[0]])
    axes.imshow(values, cmap=shades, vmin=-1.8 * limit, vmax=1.8 * limit, gid=title)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["top", "right"]].set_visible(True)
    if max(values.shape) <= 9:
        size = min(9.0, 44 / max(values.shape))
        for (row, column), value in np.ndenumerate(values):
            written = f"{value:.{1 if len(values) > 5 else 2}f}".rstrip("0").rstrip(".")
            written = "0" if written in ("", "-0") else written.replace("-", "−")
            axes.text(column, row, written, ha="center", va="center", size=size)
