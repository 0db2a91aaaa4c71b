"""A convolution's matrices, to look at: Toeplitz, circulant, index pattern, patches."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jconv._arguments import Ints, Padding, entries_of, one_int, per_axis, resolve_padding
from jconv._operands import array
from jconv._padding import pad_first
from jconv.errors import GeometryError, UnsupportedError
from jconv.formulations._base import MATRIX_BYTES, block_diagonal
from jconv.formulations.circulant import circulant_blocks
from jconv.formulations.einsum import axis_pattern
from jconv.formulations.patches import gather_patches
from jconv.formulations.toeplitz import toeplitz_blocks
from jconv.geometry import conv_geometry


def toeplitz_matrix(
    kernel: jax.Array,
    input_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    dilation: Ints = 1,
    input_dilation: Ints = 1,
    groups: int = 1,
) -> jax.Array:
    """Return the doubly block Toeplitz matrix T with T @ x.ravel() = conv(x, kernel).ravel().

    Its transpose is the matrix of `conv_transpose` with the same arguments.

    Args:
        kernel: `[*window, in/groups, out]`.
        input_size: One int per space axis; a single int stands for all.
        stride: As for `conv`.
        padding: As for `conv`, with zeros.
        dilation: As for `conv`.
        input_dilation: As for `conv`.
        groups: As for `conv`.

    Returns:
        `[output positions · out, input positions · in]`; positions in row-major order, channels last.

    Raises:
        GeometryError: If the arguments describe no convolution.
        UnsupportedError: If the matrix passes the bound of 256 MiB.

    Example:
        >>> import jax.numpy as jnp
        >>> toeplitz_matrix(jnp.array([1., 2.])[:, None, None], 3).tolist()
        [[1.0, 2.0, 0.0], [0.0, 1.0, 2.0]]
    """
    kernel, groups = array("toeplitz_matrix", "kernel", kernel), one_int("toeplitz_matrix", "groups", groups)
    size = per_axis("toeplitz_matrix", "input_size", input_size, max(kernel.ndim - 2, 1))
    geometry = conv_geometry(
        (*size, kernel.shape[-2] * groups if kernel.ndim > 1 else 0),
        kernel.shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        input_dilation=input_dilation,
        groups=groups,
        caller="toeplitz_matrix",
    )
    shape = _bounded("toeplitz_matrix", kernel, geometry.output_size, size, groups)
    if 0 in shape:
        return jnp.zeros(shape, kernel.dtype)
    return block_diagonal(toeplitz_blocks(kernel, geometry))


def circulant_matrix(
    kernel: jax.Array, input_size: Ints, *, padding: Padding = "SAME", dilation: Ints = 1, groups: int = 1
) -> jax.Array:
    """Return the doubly block circulant matrix of a convolution on the torus.

    C @ x.ravel() = conv(x, kernel, padding="SAME", padding_mode="circular").ravel(), at stride 1. A window larger
    than the torus goes around it more than once.

    Args:
        kernel: `[*window, in/groups, out]`.
        input_size: One int per space axis; a single int stands for all.
        padding: Places the first tap: at input −low. The output keeps the size of the torus.
        dilation: As for `conv`.
        groups: As for `conv`.

    Returns:
        `[positions · out, positions · in]`; positions in row-major order, channels last.

    Raises:
        GeometryError: If the arguments describe no convolution.
        UnsupportedError: If the matrix passes the bound of 256 MiB.

    Example:
        >>> import jax.numpy as jnp
        >>> circulant_matrix(jnp.array([1., 2., 0.])[:, None, None], 3, padding=0).tolist()
        [[1.0, 2.0, 0.0], [0.0, 1.0, 2.0], [2.0, 0.0, 1.0]]
    """
    kernel, groups = array("circulant_matrix", "kernel", kernel), one_int("circulant_matrix", "groups", groups)
    size = per_axis("circulant_matrix", "input_size", input_size, max(kernel.ndim - 2, 1))
    # SAME at stride 1 fits a window into any torus, so the geometry exists whatever padding places the taps.
    geometry = conv_geometry(
        (*size, kernel.shape[-2] * groups if kernel.ndim > 1 else 0),
        kernel.shape,
        padding="SAME",
        dilation=dilation,
        groups=groups,
        caller="circulant_matrix",
    )
    shape = _bounded("circulant_matrix", kernel, size, size, groups)
    pads = resolve_padding("circulant_matrix", padding, size, geometry.extent, geometry.stride)
    if 0 in shape:
        return jnp.zeros(shape, kernel.dtype)
    # w[(m − q + lo) mod M]: tap 0 of output q stands at m = q − lo
    return block_diagonal(circulant_blocks(kernel, size, geometry, tuple(low for low, _ in pads)))


def index_pattern(
    input_size: int,
    window: int,
    *,
    stride: int = 1,
    padding: Padding = "VALID",
    dilation: int = 1,
    input_dilation: int = 1,
) -> jax.Array:
    """Return one axis's index pattern: whether tap t of output p reads input entry l.

    Args:
        input_size: L.
        window: k.
        stride: As for `conv`.
        padding: As for `conv`, on one space axis.
        dilation: As for `conv`.
        input_dilation: As for `conv`.

    Returns:
        `[L, k, P]`, booleans.

    Raises:
        GeometryError: If the arguments describe no convolution.

    Example:
        >>> index_pattern(3, 2).astype(int)[:, 0].tolist()
        [[1, 0], [0, 1], [0, 0]]
    """
    geometry = conv_geometry(
        (one_int("index_pattern", "input_size", input_size, least=0), 1),
        (one_int("index_pattern", "window", window), 1, 1),
        stride=stride,
        padding=padding,
        dilation=dilation,
        input_dilation=input_dilation,
        caller="index_pattern",
    )
    return axis_pattern(geometry, 0)


def patches(
    x: jax.Array,
    window: Sequence[int],
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    padding_mode: str = "zeros",
    dilation: Ints = 1,
    input_dilation: Ints = 1,
) -> jax.Array:
    """Return every window of the input, by slices: im2col, unfold.

    Args:
        x: `[*batch, *space, channels]`.
        window: One int per space axis; how many there are says which axes are space.
        stride: As for `conv`.
        padding: As for `conv`.
        padding_mode: As for `conv`.
        dilation: As for `conv`.
        input_dilation: As for `conv`.

    Returns:
        `[*batch, *output, *window, channels]`.

    Raises:
        GeometryError: If no window fits.

    Example:
        >>> import jax.numpy as jnp
        >>> patches(jnp.arange(16.).reshape(4, 4, 1), (2, 2)).shape
        (3, 3, 2, 2, 1)
    """
    x = array("patches", "x", x, booleans=True)
    sizes = entries_of(window)
    if not sizes:
        raise GeometryError(
            f"patches: window must have one int per space axis, for its length says which axes are space; got "
            f"window={window!r}. Write (2,) or (2, 2)."
        )
    window = per_axis("patches", "window", window, len(sizes))
    geometry = conv_geometry(
        x.shape,
        (*window, x.shape[-1] if x.ndim else 0, 1),
        stride=stride,
        padding=padding,
        dilation=dilation,
        input_dilation=input_dilation,
        caller="patches",
    )
    x, geometry = pad_first("patches", x, padding, padding_mode, geometry)
    batch = x.shape[: x.ndim - len(window) - 1]
    windows = gather_patches(x.reshape(math.prod(batch), *x.shape[len(batch) :]), geometry)
    return windows.reshape(*batch, *geometry.output_size, *window, x.shape[-1])


def _bounded(
    caller: str, kernel: jax.Array, output: tuple[int, ...], size: tuple[int, ...], groups: int
) -> tuple[int, int]:
    """Return the matrix's shape, or raise that it is too large."""
    rows, columns = kernel.shape[-1], kernel.shape[-2] * groups
    for p, length in zip(output, size, strict=True):
        rows, columns = rows * p, columns * length
    if rows * columns * kernel.dtype.itemsize > MATRIX_BYTES:
        raise UnsupportedError(
            f"{caller}: the matrix must take at most {MATRIX_BYTES // 2**20} MiB; got {rows}×{columns}, "
            f"{rows * columns * kernel.dtype.itemsize / 2**20:,.0f} MiB. Take a smaller input_size."
        )
    return rows, columns
