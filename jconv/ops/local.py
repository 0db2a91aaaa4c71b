"""A convolution with untied kernels: every output position has its own.

    y[n, p, o] = Σ_{t,c} x[n, (s·p + d·t − lo) / e, c] · kernel[p, t, c, o]

Cost: the multiplications of `conv`, but ΠP times its parameters, each used once per example.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from jconv._operands import add_bias, arrays, checked_precision, result_dtype
from jconv._padding import pad_first
from jconv.errors import GeometryError
from jconv.formulations._base import accumulator
from jconv.formulations.patches import gather_patches
from jconv.geometry import Ints, Padding, conv_geometry


def local_conv(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    padding_mode: str = "zeros",
    dilation: Ints = 1,
    input_dilation: Ints = 1,
    groups: int = 1,
    flip: bool = False,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> jax.Array:
    """Gather the patches, then multiply each position's by its own kernel, in one `lax.dot_general`.

    Args:
        x: `[*batch, *space, in]`.
        kernel: `[*output_size, *window, in/groups, out]`.
        bias: `[out]`, or `[*output_size, out]`, or None.
        stride: As `conv` has it; so are all that follow.
        padding: A word, an int, or an int or (low, high) pair per axis.
        padding_mode: zeros, circular, reflect or edge.
        dilation: Steps between taps.
        input_dilation: Steps between input entries.
        groups: Independent blocks of channels.
        flip: Flip the kernels in space.
        precision: As `lax.dot_general` has it.
        preferred_element_type: The result's dtype; else int32 for short integers, else x's. Sums run in the wider of
            it and float32 or int32.

    Returns:
        `[*batch, *output_size, out]`.

    Raises:
        GeometryError: If kernel or bias do not fit the output, or the arguments describe no convolution.

    Example:
        Two positions, the first adds, the second subtracts:

        >>> import jax.numpy as jnp
        >>> x = jnp.array([[1.0], [5.0], [7.0]])
        >>> local_conv(x, jnp.array([[1.0, 1.0], [-1.0, 1.0]])[..., None, None]).ravel().tolist()
        [6.0, 2.0]

    References:
        Gregor and LeCun, Emergence of complex-like cells in a temporal product network with local receptive fields,
        2010, https://arxiv.org/abs/1006.0448
    """
    x, kernel = arrays("local_conv", x=x, kernel=kernel)
    axes = (kernel.ndim - 2) // 2
    if kernel.ndim < 4 or kernel.ndim % 2:
        raise GeometryError(
            "local_conv: kernel must be [*output_size, *window, in/groups, out], an even number of axes; got "
            f"kernel_shape={kernel.shape}. A kernel for all positions belongs to conv."
        )
    positions, kernel_shape = kernel.shape[:axes], kernel.shape[axes:]
    geometry = conv_geometry(
        x.shape,
        kernel_shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        input_dilation=input_dilation,
        groups=groups,
        caller="local_conv",
    )
    if positions != geometry.output_size:
        raise GeometryError(
            f"local_conv: kernel must have a window for each of the {geometry.output_size} output positions; got "
            f"{positions} of them, kernel_shape={kernel.shape}. Its shape is (*output_size, *window, in/groups, out)."
        )
    groups, out = geometry.groups, kernel.shape[-1]
    dtype = result_dtype("local_conv", x, preferred_element_type)
    precision = checked_precision("local_conv", precision)
    if flip:
        kernel = jnp.flip(kernel, range(axes, 2 * axes))
    batch = x.shape[: x.ndim - axes - 1]
    x = x.reshape(math.prod(batch), *x.shape[len(batch) :])
    x, geometry = pad_first("local_conv", x, padding, padding_mode, geometry)
    windows = gather_patches(x, geometry)
    windows = windows.reshape(*windows.shape[:-1], groups, kernel.shape[-2])  # [N, *P, T, G, c]
    taps = kernel.reshape(
        *positions, *windows.shape[-3:-2], kernel.shape[-2], groups, out // groups
    )  # [*P, T, c, G, o]
    dims = (
        ((axes + 1, axes + 3), (axes, axes + 1)),
        ((*range(1, axes + 1), axes + 2), (*range(axes), axes + 2)),
    )
    y = lax.dot_general(windows, taps, dims, precision=precision, preferred_element_type=accumulator(x.dtype, dtype))
    y = jnp.moveaxis(y, axes + 1, 0).astype(dtype)  # [*P, G, N, o] → [N, *P, G, o]
    return add_bias("local_conv", y.reshape(*batch, *positions, out), bias, x.dtype, positions)
