"""Kernels that everyone knows: edges, means, blurs, sharpening, for images by default and for any number of axes.

Each is a NumPy array `[*window, 1, 1]` in float32, so that `conv(x, sobel())` filters a picture of one channel
`[*batch, height, width, 1]`; `per_channel` filters every channel of an RGB picture by itself. All are written as
correlations: with `conv` a derivative is positive where x grows along the axis, with `convolve` negative.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from jconv._arguments import Ints, axes_of, entries_of, one_int, per_axis
from jconv.errors import GeometryError


def sobel(axis: int = 1, axes: int = 2) -> np.ndarray:
    """Return the derivative along one axis, smoothed by (1, 2, 1) along the others.

    Args:
        axis: The axis of the derivative; 0 finds horizontal edges, 1 vertical ones.
        axes: The number of space axes.

    Returns:
        `[3, …, 3, 1, 1]`, float32.

    Raises:
        GeometryError: If there is no such axis.

    Example:
        >>> sobel(axis=1)[..., 0, 0].astype(int).tolist()
        [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]

    References:
        Sobel and Feldman, An isotropic 3×3 image gradient operator, 1968.
    """
    axes, axis = one_int("sobel", "axes", axes), one_int("sobel", "axis", axis, least=0)
    if axis >= axes:
        raise GeometryError(f"sobel: axis must be in 0 … {axes - 1}; got axis={axis}. Count space axes from 0.")
    return _outer([[-1.0, 0.0, 1.0] if i == axis else [1.0, 2.0, 1.0] for i in range(axes)])


def box(size: Ints, axes: int = 2) -> np.ndarray:
    """Return the mean over a window.

    Args:
        size: The window, one int or one per space axis.
        axes: The number of space axes, where `size` is one int.

    Returns:
        `[*size, 1, 1]`, float32; the entries sum to 1.

    Raises:
        GeometryError: If a size is below 1.

    Example:
        >>> box((1, 4))[..., 0, 0].tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    return _outer([np.full(n, 1 / n) for n in _sizes("box", size, axes)])


def gaussian(size: Ints, sigma: float | Sequence[float], axes: int = 2) -> np.ndarray:
    r"""Return a Gaussian blur, $e^{-r^2 / 2\sigma^2}$ sampled about the middle and normalised.

    Args:
        size: The window, one int or one per space axis; odd sizes have a middle tap.
        sigma: The standard deviation in pixels, one or one per space axis.
        axes: The number of space axes, where `size` is one int.

    Returns:
        `[*size, 1, 1]`, float32; the entries sum to 1.

    Raises:
        GeometryError: If a size is below 1, or sigma not positive, or not one per axis.

    Example:
        >>> gaussian(3, 1.0)[..., 0, 0].round(4).tolist()[1]
        [0.12380000203847885, 0.20419999957084656, 0.12380000203847885]
    """
    sizes = _sizes("gaussian", size, axes)
    sigmas = np.asarray(sigma)
    if (
        sigmas.dtype.kind not in "iuf"
        or sigmas.shape not in ((), (len(sizes),))
        or not np.all((sigmas > 0) & (sigmas < np.inf))
    ):
        raise GeometryError(
            f"gaussian: sigma must be positive, one or one per space axis; got sigma={sigma} for {len(sizes)} axes. "
            "For no blur take size=1."
        )
    profiles = []
    for n, s in zip(sizes, np.broadcast_to(sigmas.astype(float), len(sizes)), strict=True):
        r = np.abs(np.arange(n) - (n - 1) / 2)
        with np.errstate(over="ignore"):  # e^-∞ = 0 is right
            profile = np.exp((r.min() - r) * (r.min() + r) / s / s / 2)  # 1 at the middle, however narrow the bell
        profiles.append(profile / profile.sum())
    return _outer(profiles)


def laplacian(axes: int = 2) -> np.ndarray:
    """Return the sum of the second differences along each axis.

    Args:
        axes: The number of space axes.

    Returns:
        `[3, …, 3, 1, 1]`, float32; the entries sum to 0.

    Raises:
        GeometryError: If there is no axis.

    Example:
        >>> laplacian()[..., 0, 0].astype(int).tolist()
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    """
    axes = one_int("laplacian", "axes", axes)
    delta, second = [0.0, 1.0, 0.0], [1.0, -2.0, 1.0]
    terms = (_outer([second if i == axis else delta for i in range(axes)]) for axis in range(axes))
    return reduce(np.add, terms)


def sharpen(axes: int = 2) -> np.ndarray:
    """Return the identity less the Laplacian: edges stand out, flat areas stay.

    Args:
        axes: The number of space axes.

    Returns:
        `[3, …, 3, 1, 1]`, float32; the entries sum to 1.

    Raises:
        GeometryError: If there is no axis.

    Example:
        >>> sharpen()[..., 0, 0].astype(int).tolist()
        [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
    """
    axes = one_int("sharpen", "axes", axes)
    return _outer([[0.0, 1.0, 0.0]] * axes) - laplacian(axes)


def per_channel(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Repeat a filter of one channel, so that `conv` with `groups=channels` filters each channel by itself.

    Args:
        kernel: `[*window, 1, 1]`.
        channels: The channels of x, 3 for RGB.

    Returns:
        `[*window, 1, channels]`.

    Raises:
        GeometryError: If the kernel is not one filter of one channel, or there is no channel.

    Example:
        >>> per_channel(sobel(), 3).shape
        (3, 3, 1, 3)
    """
    if np.ndim(kernel) < 3 or np.shape(kernel)[-2:] != (1, 1):
        raise GeometryError(
            f"per_channel: kernel must be [*window, 1, 1]; got kernel_shape={np.shape(kernel)}. "
            "A plain filter is kernel[..., None, None]."
        )
    return np.repeat(kernel, one_int("per_channel", "channels", channels), axis=-1)


def _outer(profiles: Sequence[Sequence[float] | np.ndarray]) -> np.ndarray:
    return reduce(np.multiply.outer, profiles, np.float64(1))[..., None, None].astype(np.float32)


def _sizes(caller: str, size: Ints, axes: int) -> tuple[int, ...]:
    axes = one_int(caller, "axes", axes)
    return per_axis(caller, "size", size, axes if entries_of(size) is None else axes_of(size))
