"""`conv_general_dilated` with lax's signature: every layout, batch groups, and any formulation."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jconv._arguments import one_int, per_axis
from jconv._conv import conv_as, known
from jconv._modes import check_padding_mode
from jconv._operands import arrays, checked_precision, result_dtype
from jconv.errors import GeometryError

NAME = "conv_general_dilated"


def conv_general_dilated(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
    *,
    padding_mode: str = "zeros",
    formulation: str = "auto",
) -> jax.Array:
    """Do what `lax.conv_general_dilated` does, with its arguments and shapes, by any formulation.

    With `functools.partial(conv_general_dilated, formulation=…)` it is the `conv_general_dilated` argument of
    `flax.linen.Conv` and `flax.nnx.Conv`. Empty outputs follow lax: zeros of its shape, or its error.

    Args:
        lhs: The input, laid out as `dimension_numbers` says; by default `[N, C, *space]`.
        rhs: The kernel; by default `[out, in/groups, *window]`.
        window_strides: A stride per space axis.
        padding: "SAME", "SAME_LOWER", "VALID", or (low, high) pairs.
        lhs_dilation: Input dilation per space axis.
        rhs_dilation: Kernel dilation per space axis.
        dimension_numbers: As for lax: None, three strings, or `ConvDimensionNumbers`.
        feature_group_count: Groups of channels.
        batch_group_count: Groups of the batch; one of the two counts is 1.
        precision: As for lax.
        preferred_element_type: As for lax: by default the operands' dtype.
        out_sharding: Must be None: constrain the result instead.
        padding_mode: As for `jconv.conv`.
        formulation: As for `jconv.conv`.

    Returns:
        The output, laid out as `dimension_numbers` says.

    Raises:
        GeometryError: If the arguments describe no convolution.

    Example:
        >>> import jax.numpy as jnp
        >>> conv_general_dilated(jnp.ones((1, 3, 8, 8)), jnp.ones((4, 3, 3, 3)), (1, 1), "SAME").shape
        (1, 4, 8, 8)
    """
    lhs, rhs = arrays(NAME, lhs=lhs, rhs=rhs)
    if out_sharding is not None:
        raise GeometryError(
            f"{NAME}: out_sharding must be None; got {out_sharding}. "
            "Constrain the result: jax.lax.with_sharding_constraint, or jax.sharding.reshard."
        )
    axes = max(lhs.ndim - 2, 0)
    strides = per_axis(NAME, "window_strides", window_strides, axes)
    lhs_dilation = per_axis(NAME, "lhs_dilation", 1 if lhs_dilation is None else lhs_dilation, axes)
    rhs_dilation = per_axis(NAME, "rhs_dilation", 1 if rhs_dilation is None else rhs_dilation, axes)
    stock = {
        "lhs_dilation": lhs_dilation,
        "rhs_dilation": rhs_dilation,
        "dimension_numbers": dimension_numbers,
        "feature_group_count": one_int(NAME, "feature_group_count", feature_group_count),
        "batch_group_count": one_int(NAME, "batch_group_count", batch_group_count),
    }
    preferred = lhs.dtype if preferred_element_type is None else preferred_element_type
    preferred = result_dtype(NAME, lhs, preferred)
    precision = checked_precision(NAME, precision)
    known(NAME, formulation)
    check_padding_mode(NAME, padding_mode, (), ())
    # lax is the authority on its own arguments: it raises on wrong ones, and knows what is empty.
    try:
        shape = jax.eval_shape(lambda a, b: lax.conv_general_dilated(a, b, strides, padding, **stock), lhs, rhs).shape
    except (TypeError, ValueError, RuntimeError) as error:
        raise GeometryError(f"{NAME}: arguments must be ones that lax accepts; got: {error}") from error
    if 0 in (*shape, *lhs.shape, *rhs.shape):
        return jnp.zeros(shape, preferred)
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    x, kernel, groups = to_channels_last(lhs, rhs, numbers, feature_group_count, batch_group_count)
    y = conv_as(
        NAME,
        x,
        kernel,
        stride=strides,
        padding=padding.upper() if isinstance(padding, str) else [tuple(map(int, pair)) for pair in padding],
        padding_mode=padding_mode,
        input_dilation=lhs_dilation,
        dilation=rhs_dilation,
        groups=groups,
        formulation=formulation,
        precision=precision,
        preferred_element_type=preferred,
    )
    return to_layout(y, numbers)


def to_channels_last(
    lhs: jax.Array, rhs: jax.Array, numbers: lax.ConvDimensionNumbers, feature_groups: int, batch_groups: int
) -> tuple[jax.Array, jax.Array, int]:
    """Return x `[N, *L, G·c]`, kernel `[*k, c, G·o]` and G of operands in any layout."""
    (batch, channel, *space), (out, depth, *window) = numbers.lhs_spec, numbers.rhs_spec
    x = jnp.transpose(lhs, (batch, *space, channel))
    kernel = jnp.transpose(rhs, (*window, depth, out))
    if batch_groups == 1:
        return x, kernel, feature_groups
    # Groups of the batch are groups of channels: [B·n, L, c] → [n, L, B·c].
    x = x.reshape(batch_groups, -1, *x.shape[1:])
    x = jnp.moveaxis(x, 0, -2)
    return x.reshape(*x.shape[:-2], -1), kernel, batch_groups


def to_layout(y: jax.Array, numbers: lax.ConvDimensionNumbers) -> jax.Array:
    """Return y `[N, *P, C]` laid out as `numbers` says of the output."""
    back = [0] * y.ndim  # axis back[i] of the result is axis i of y
    for axis, place in enumerate((numbers.out_spec[0], *numbers.out_spec[2:], numbers.out_spec[1])):
        back[place] = axis
    return jnp.transpose(y, back)
