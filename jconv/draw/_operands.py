"""What pictures are made of: small integers, grey photographs, and the axes that sizes name. No JAX here."""

import numpy as np

from jconv._arguments import entries_of, one_int
from jconv.errors import GeometryError, UnsupportedError


def integers(shape: tuple[int, ...], low: int, high: int, seed: int) -> np.ndarray:
    """Return whole numbers from `low` to `high`, the same at each call."""
    return np.random.default_rng(seed).integers(low, high + 1, shape).astype(np.float32)


def grey(picture: np.ndarray) -> np.ndarray:
    """Return a picture as `[height, width]` in float32, or raise."""
    picture = np.asarray(picture, np.float32)
    if picture.ndim != 2:
        raise GeometryError(f"draw: picture must be grey, [height, width]; got shape {picture.shape}. Take a mean.")
    return picture


def space_axes(axes: int | None, default: int, *sizes: object) -> int:
    """Return how many space axes sizes name, 1 or 2.

    Args:
        axes: What the caller says, where all sizes are single things.
        default: What it is where nobody says it.
        sizes: Sizes, strides, paddings: single things, or one entry per axis.

    Returns:
        The number.

    Raises:
        GeometryError: If `axes` is another number than the sizes name.
        UnsupportedError: If there are more than can be seen.

    Example:
        >>> space_axes(None, 2, 5, (3,)), space_axes(None, 2, 5, 3), space_axes(1, 2, 5, 3)
        (1, 2, 1)
    """
    named = max((len(entries) for size in sizes if (entries := entries_of(size)) is not None), default=0)
    if axes is not None and one_int("draw", "axes", axes) != (named or axes):
        raise GeometryError(f"draw: axes must be {named}, as the sizes name them; got axes={axes}. Leave it out.")
    count = named or axes or default
    if count > 2:
        raise UnsupportedError(f"draw: sizes must have 1 or 2 space axes to be seen; got {count}. Leave out an axis.")
    return count
