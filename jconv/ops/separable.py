"""Convolutions whose kernel is a product: of space and channels, or of the space axes.

Space and channels (depthwise, then 1×1), for K² taps and M outputs of the second, costs 1/M + 1/K² of the standard
convolution. Of the space axes: kernel[t, c, o] = Σ_r Π_i factors[i][t_i, r, c, o], rank·Σk_i taps for Πk_i.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jconv._arguments import entries_of, one_int
from jconv._conv import conv_as
from jconv._operands import add_bias, array, arrays
from jconv.errors import GeometryError, UnsupportedError
from jconv.formulations._base import accumulator
from jconv.geometry import Ints, Padding, conv_geometry, resolve_padding
from jconv.ops.depthwise import depthwise_groups


def separable_conv(
    x: ArrayLike,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    padding_mode: str = "zeros",
    dilation: Ints = 1,
    input_dilation: Ints = 1,
    flip: bool = False,
    formulation: str = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
) -> jax.Array:
    """Filter every channel by itself, then mix the channels by a 1×1 convolution.

    Args:
        x: `[*batch, *space, in]`.
        depthwise_kernel: `[*window, 1, in·M]`, as `depthwise_conv` takes it.
        pointwise_kernel: `[1, …, 1, in·M, out]`.
        bias: `[out]`, or None.
        stride: Of the depthwise convolution; so are padding and dilations.
        padding: A word, an int, or an int or (low, high) pair per axis.
        padding_mode: zeros, circular, reflect or edge.
        dilation: Steps between taps.
        input_dilation: Steps between input entries.
        flip: Flip the depthwise kernel in space.
        formulation: Which one computes, both times.
        precision: As `lax.dot_general` has it.
        preferred_element_type: The dtype of both results.

    Returns:
        `[*batch, *output_size, out]`.

    Raises:
        GeometryError: If the kernels do not fit x or each other, or the arguments describe no convolution.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
        >>> separable_conv(x, jnp.ones((2, 1, 2)), jnp.array([[[1.0], [0.1]]])).ravel().tolist()
        [6.0, 10.0]

    References:
        Chollet, Xception: deep learning with depthwise separable convolutions, 2017, https://arxiv.org/abs/1610.02357
    """
    x, depthwise_kernel, pointwise_kernel = arrays(
        "separable_conv", x=x, depthwise_kernel=depthwise_kernel, pointwise_kernel=pointwise_kernel
    )
    groups = depthwise_groups("separable_conv", "depthwise_kernel", x, depthwise_kernel)
    axes = depthwise_kernel.ndim - 2
    if pointwise_kernel.shape[:-1] != (1,) * axes + depthwise_kernel.shape[-1:]:
        raise GeometryError(
            f"separable_conv: pointwise_kernel must be [1, …, 1, in·M, out] over the outputs of the depthwise kernel; "
            f"got pointwise_kernel_shape={pointwise_kernel.shape}, depthwise_kernel_shape={depthwise_kernel.shape}. "
            "A matrix is matrix[None, None] for images."
        )
    y = conv_as(
        "separable_conv",
        x,
        depthwise_kernel,
        stride=stride,
        padding=padding,
        padding_mode=padding_mode,
        dilation=dilation,
        input_dilation=input_dilation,
        groups=groups,
        flip=flip,
        formulation=formulation,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    y = conv_as(
        "separable_conv",
        y,
        pointwise_kernel.astype(y.dtype),  # short integers come back as int32
        formulation=formulation,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    return add_bias("separable_conv", y, bias, x.dtype)


def spatially_separable_conv(
    x: ArrayLike,
    factors: Sequence[ArrayLike],
    bias: ArrayLike | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    padding_mode: str = "zeros",
    dilation: Ints = 1,
    input_dilation: Ints = 1,
    groups: int = 1,
    flip: bool = False,
    formulation: str = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
) -> jax.Array:
    """Convolve along one space axis after the other: `conv` with kernel[t, c, o] = Σ_r Π_i factors[i][t_i, r, c, o].

    Every pair of an input and an output channel has profiles of its own, so what stands between the axes has
    in·out/groups·rank channels. It saves for depthwise kernels and single filters; with many channels in a group,
    `conv` is faster.

    Args:
        x: `[*batch, *space, in]`.
        factors: One `[k_i, rank, in/groups, out]` per space axis, two or more; `separate` makes them of a kernel.
        bias: `[out]`, or None.
        stride: As `conv` has it; so are all that follow.
        padding: A word, an int, or an int or (low, high) pair per axis.
        padding_mode: zeros, circular, reflect or edge.
        dilation: Steps between taps.
        input_dilation: Steps between input entries.
        groups: Independent blocks of channels.
        flip: Flip the kernel in space.
        formulation: Which one computes, every time.
        precision: As `lax.dot_general` has it.
        preferred_element_type: The dtype of all results.

    Returns:
        `[*batch, *output_size, out]`.

    Raises:
        GeometryError: If the factors do not fit x or each other, or the arguments describe no convolution.

    Example:
        >>> import jax.numpy as jnp
        >>> column, row = jnp.array([1.0, 2.0, 1.0]), jnp.array([-1.0, 0.0, 1.0])
        >>> x = jnp.arange(16.0).reshape(4, 4, 1)
        >>> y = spatially_separable_conv(x, [column[:, None, None, None], row[:, None, None, None]])
        >>> y[..., 0].tolist()
        [[8.0, 8.0], [8.0, 8.0]]

    References:
        Rigamonti, Sironi, Lepetit and Fua, Learning separable filters, 2013, https://doi.org/10.1109/CVPR.2013.355
    """
    x = array("spatially_separable_conv", "x", x)
    factors = [arrays("spatially_separable_conv", x=x, factors=factor)[1] for factor in entries_of(factors) or ()]
    dtype, axes = x.dtype, len(factors)
    if axes < 2 or any(f.ndim != 4 or f.shape[1:] != factors[0].shape[1:] for f in factors):
        raise GeometryError(
            "spatially_separable_conv: factors must be two or more [k_i, rank, in/groups, out], alike but for k_i; "
            f"got shapes {[f.shape for f in factors]}. `separate` makes them of a kernel."
        )
    rank, c, out = factors[0].shape[1:]
    geometry = conv_geometry(
        x.shape,
        (*(f.shape[0] for f in factors), c, out),
        stride=stride,
        padding=padding,
        dilation=dilation,
        input_dilation=input_dilation,
        groups=groups,
        caller="spatially_separable_conv",
    )
    dilated = [e * (n - 1) + 1 for e, n in zip(geometry.input_dilation, geometry.input_size, strict=True)]
    pads = resolve_padding("spatially_separable_conv", padding, dilated, geometry.extent, geometry.stride)
    out //= groups

    def along(axis: int, x: jax.Array, kernel: jax.Array, groups: int) -> jax.Array:
        """Convolve along one axis, with a kernel [k_i, in/groups, out]."""

        def only(entries: Sequence[Any], neutral: Any) -> list[Any]:
            return [entries[axis] if i == axis else neutral for i in range(axes)]

        return conv_as(
            "spatially_separable_conv",
            x,
            jnp.expand_dims(kernel, [i for i in range(axes) if i != axis]).astype(x.dtype),
            stride=only(geometry.stride, 1),
            padding=only(pads, (0, 0)),
            padding_mode=padding_mode,
            dilation=only(geometry.dilation, 1),
            input_dilation=only(geometry.input_dilation, 1),
            groups=groups,
            flip=flip,
            formulation=formulation,
            precision=precision,
            preferred_element_type=preferred_element_type,
        )

    # Channels between the axes are (g, c, o, r): one for each product; the last axis sums over c and r.
    between = groups * c * out * rank
    for axis, factor in enumerate(factors[:-1]):
        split = factor.reshape(*factor.shape[:3], groups, out).transpose(0, 3, 2, 4, 1)
        x = along(axis, x, split.reshape(factor.shape[0], 1, between), groups * c if axis == 0 else between)
    x = jnp.swapaxes(x.reshape(*x.shape[:-1], groups, c, out, rank), -3, -2)
    x = x.reshape(*x.shape[:-4], between)
    last = factors[-1].swapaxes(1, 2).reshape(factors[-1].shape[0], c * rank, groups * out)
    return add_bias("spatially_separable_conv", along(axes - 1, x, last, groups * out), bias, dtype)


def separate(kernel: ArrayLike, rank: int) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    """Return the best factors of a 2-D kernel for `spatially_separable_conv`, and what they miss.

    Every pair of channels is a k_0 × k_1 matrix; its first `rank` singular vectors are the nearest of that rank.
    For more space axes there is no such closed form.

    Args:
        kernel: `[k_0, k_1, in/groups, out]`, floating or complex.
        rank: Terms kept, 1 … min(k_0, k_1); at the upper end nothing is missed but rounding.

    Returns:
        The factors, `[k_0, rank, in/groups, out]` and `[k_1, rank, in/groups, out]`, and the relative error, the
        Frobenius norm of what is missed over the kernel's; 0 for a kernel of zeros.

    Raises:
        GeometryError: If the rank does not fit.
        UnsupportedError: If the kernel has not two space axes, or is of integers.

    Example:
        >>> from jconv.filters import laplacian, sobel
        >>> [round(float(separate(kernel, 1)[1]), 4) for kernel in (sobel(), laplacian())]
        [0.0, 0.1005]

    References:
        Eckart and Young, The approximation of one matrix by another of lower rank, 1936,
        https://doi.org/10.1007/BF02288367
    """
    kernel, rank = array("separate", "kernel", kernel), one_int("separate", "rank", rank)
    if kernel.ndim != 4:
        raise UnsupportedError(
            f"separate: kernel must have two space axes, [k_0, k_1, in/groups, out]; got kernel_shape={kernel.shape}. "
            "For more axes fit the factors by gradient descent through spatially_separable_conv."
        )
    if not jnp.issubdtype(kernel.dtype, jnp.inexact):
        raise UnsupportedError(
            f"separate: kernel must be floating or complex; got dtype {kernel.dtype}. Convert it, "
            "kernel.astype(jnp.float32)."
        )
    if rank > min(kernel.shape[:2]):
        raise GeometryError(
            f"separate: rank must be in 1 … min(window); got rank={rank}, window={kernel.shape[:2]}. "
            f"At {min(kernel.shape[:2])} the factors are exact."
        )
    matrices = jnp.moveaxis(kernel.astype(accumulator(kernel.dtype)), (2, 3), (0, 1))
    u, sigma, v = jnp.linalg.svd(matrices, full_matrices=False)
    kept = u[..., :rank] * sigma[..., None, :rank].astype(u.dtype)
    total, missed = jnp.sum(sigma**2), jnp.sum(sigma[..., rank:] ** 2)
    error = jnp.sqrt(jnp.where(total == 0, 0, missed / jnp.where(total == 0, 1, total)))
    first = jnp.moveaxis(kept, (2, 3), (0, 1)).astype(kernel.dtype)
    second = jnp.moveaxis(v[..., :rank, :], (3, 2), (0, 1)).astype(kernel.dtype)
    return (first, second), error
