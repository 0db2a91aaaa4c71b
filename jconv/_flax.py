"""What Flax's convolution layers mean, said in jconv's words; shared by `jconv.nnx` and `jconv.linen`, without Flax.

Flax's words for padding, K = d(k−1) + 1 being the window's extent, s the stride:

```
              Conv: pads of the input               ConvTranspose: pads that crop the output
VALID         none                                  (0, min(K − s, 0))
SAME          to ⌈in / s⌉ outputs, as lax           K − s, halved: the output has in·s entries
SAME_LOWER    the odd one at the low end            likewise
CAUSAL        (K − 1, 0)                            (0, K − s): output p sees inputs up to p / s
CIRCULAR      ((K − 1) // 2, K // 2), the torus     K − s, halved, the torus
REFLECT       likewise, the mirror                  ((K − 1) // 2, K // 2), the adjoint of Conv's on in·s entries
EDGE          likewise, the edge repeated           likewise
(low, high)   of the input                          of the input dilated by s: they crop (K−1−low, K−1−high)
```

Flax lacks EDGE, any word beside input dilation (here words speak of the dilated input), and, on ConvTranspose,
SAME_LOWER, CAUSAL, REFLECT, groups and output_padding.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jconv._arguments import PADDING_WORDS, Ints, Padding, Pads, axes_of, one_int, per_axis, resolve_padding
from jconv._conv import conv_as, conv_transpose
from jconv._operands import array
from jconv.errors import GeometryError, suggestion
from jconv.geometry import extents

BORDERS = {"CIRCULAR": "circular", "REFLECT": "reflect", "EDGE": "edge"}


def layer_shapes(caller: str, kernel_size: Ints, in_features: int, out_features: int, groups: int) -> tuple[int, ...]:
    """Return the window of a layer, once its groups split its features.

    Args:
        caller: The name that errors carry.
        kernel_size: An int for one space axis, or an int per axis.
        in_features: Features of the input.
        out_features: Features of the output.
        groups: Independent blocks of features.

    Returns:
        The window, an int per space axis.

    Raises:
        GeometryError: If the window has no tap, or groups do not split both features.
    """
    window = per_axis(caller, "kernel_size", kernel_size, axes_of(kernel_size))
    in_features = one_int(caller, "in_features", in_features)
    out_features = one_int(caller, "out_features", out_features)
    groups = one_int(caller, "feature_group_count", groups)
    if in_features % groups or out_features % groups:
        raise GeometryError(
            f"{caller}: feature_group_count must split the features of input and output evenly; got "
            f"feature_group_count={groups}, in_features={in_features}, out_features={out_features}. "
            "Take a divisor of both."
        )
    return window


def features_between(in_features: int, multiplier: int) -> int:
    """Return the features between the two layers of a separable convolution, or raise."""
    caller = "SeparableConv"
    return one_int(caller, "in_features", in_features) * one_int(caller, "channel_multiplier", multiplier)


def layer_inputs(caller: str, inputs: Any) -> jax.Array:
    """Return the inputs of a layer as an array with features, or raise; Flax's promotion takes Booleans."""
    inputs = array(caller, "inputs", inputs, booleans=True)
    if inputs.ndim < 2:
        raise GeometryError(
            f"{caller}: inputs must be [*batch, *space, in_features]; got shape {inputs.shape}. "
            "A single feature is inputs[..., None]."
        )
    return inputs


def masked(caller: str, kernel: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Return kernel · mask, as Flax does before it promotes.

    Args:
        caller: The name that errors carry.
        kernel: Any shape.
        mask: The same shape, or None for no mask.

    Returns:
        The kernel's shape.

    Raises:
        GeometryError: If the shapes differ.
    """
    if mask is None:
        return kernel
    mask = array(caller, "mask", mask, booleans=True)
    if mask.shape != kernel.shape:
        raise GeometryError(
            f"{caller}: mask must have the kernel's shape; got mask.shape={mask.shape}, "
            f"kernel.shape={kernel.shape}. Broadcast it first."
        )
    return kernel * mask


def apply_conv(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    *,
    strides: Ints | None,
    padding: Padding,
    input_dilation: Ints | None,
    kernel_dilation: Ints | None,
    groups: int,
    **options: Any,
) -> jax.Array:
    """Return what Flax's Conv computes.

    Args:
        x: `[*batch, *space, in]`.
        kernel: `[*window, in/groups, out]`.
        bias: `[out]`, or None.
        strides: Steps between output positions; None is 1.
        padding: A word of the table above, an int, or an int or (low, high) pair per space axis.
        input_dilation: Steps between input entries; None is 1.
        kernel_dilation: Steps between taps; None is 1.
        groups: Independent blocks of channels.
        **options: formulation, precision and preferred_element_type, as `jconv.conv` takes them.

    Returns:
        `[*batch, *output_size, out]`.

    Raises:
        GeometryError: If the arguments describe no convolution.
    """
    extent, stride, dilation = _sizes("Conv", x, kernel, strides, kernel_dilation)
    _check_features("Conv", x, kernel.shape[-2] * groups)
    word = _word("Conv", padding)
    if word in BORDERS:
        padding = tuple(((k - 1) // 2, k // 2) for k in extent)
    elif word:
        padding = word
    y = conv_as(
        "Conv",
        x,
        kernel,
        stride=stride,
        padding=padding,
        padding_mode=BORDERS.get(word, "zeros"),
        dilation=dilation,
        input_dilation=_or_one(input_dilation),
        groups=groups,
        **options,
    )
    return _plus(y, bias)


def apply_conv_transpose(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    *,
    strides: Ints | None,
    padding: Padding,
    kernel_dilation: Ints | None,
    transpose_kernel: bool,
    output_padding: Ints,
    groups: int,
    **options: Any,
) -> jax.Array:
    """Return what Flax's ConvTranspose computes.

    Args:
        x: `[*batch, *space, in]`.
        kernel: `[*window, in/groups, out]`, or `[*window, out/groups, in]` where `transpose_kernel`.
        bias: `[out]`, or None.
        strides: Steps between the places of the inputs in the output; None is 1.
        padding: A word of the table above, an int, or an int or (low, high) pair per space axis.
        kernel_dilation: Steps between taps; None is 1.
        transpose_kernel: Whether the kernel is that of the Conv this is the adjoint of. If not, it is
            applied unflipped to the dilated input, Flax's default.
        output_padding: Entries more at the high end of the output.
        groups: Independent blocks of channels.
        **options: formulation, precision and preferred_element_type, as `jconv.conv_transpose` takes them.

    Returns:
        `[*batch, *output_size, out]`.

    Raises:
        GeometryError: If the arguments describe no transposed convolution.
    """
    extent, stride, dilation = _sizes("ConvTranspose", x, kernel, strides, kernel_dilation)
    kernel = kernel if transpose_kernel else _exchanged(kernel, groups)
    _check_features("ConvTranspose", x, kernel.shape[-1])
    more = per_axis("ConvTranspose", "output_padding", output_padding, len(extent), least=0)
    word = _word("ConvTranspose", padding)
    if word in BORDERS and any(more):
        raise GeometryError(
            f"ConvTranspose: output_padding must be 0 where padding is {word!r}, whose output has in·strides entries; "
            f"got output_padding={output_padding}. Take padding 'SAME'."
        )
    if word in ("REFLECT", "EDGE"):
        more = tuple(s - 1 for s in stride)
    y = conv_transpose(
        x,
        kernel,
        stride=stride,
        padding=_crops(word, padding, extent, stride, transpose_kernel),
        padding_mode=BORDERS.get(word, "zeros"),
        output_padding=more,
        dilation=dilation,
        groups=groups,
        flip=not transpose_kernel,
        **options,
    )
    return _plus(y, bias)


def _crops(word: str, padding: Padding, extent: Sequence[int], stride: Sequence[int], transpose_kernel: bool) -> Pads:
    """Return the pads of `jconv.conv_transpose` that Flax's word or pairs stand for."""
    if not word:
        pads = resolve_padding("ConvTranspose", padding, extent, extent, stride)
        return tuple((k - 1 - low, k - 1 - high) for k, (low, high) in zip(extent, pads, strict=True))
    if word == "FULL" or (word == "CAUSAL" and len(extent) != 1):
        raise GeometryError(
            f"ConvTranspose: padding {word!r} must have "
            + ("a Conv; got a ConvTranspose." if word == "FULL" else f"one space axis; got {len(extent)}.")
            + " Give (low, high) pairs of the dilated input instead."
        )
    crops = []
    for k, s in zip(extent, stride, strict=True):
        total = k - s
        if word in ("REFLECT", "EDGE"):
            crops.append(((k - 1) // 2, k // 2))
        elif word == "VALID":
            crops.append((0, min(total, 0)))
        elif word == "CAUSAL" or total <= 0:
            crops.append((0, total))
        else:
            # The odd one: at the high end for SAME, and for CIRCULAR with Flax's own kernel order.
            half = (total + 1) // 2 if word == "SAME_LOWER" or (word == "CIRCULAR" and transpose_kernel) else total // 2
            crops.append((half, total - half))
    return tuple(crops)


def _plus(y: jax.Array, bias: jax.Array | None) -> jax.Array:
    """Add the bias as Flax does: y and bias are promoted together, so that neither is rounded first."""
    return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + (-1,))


def _exchanged(kernel: jax.Array, groups: int) -> jax.Array:
    """Return `[*window, in/groups, out]` as `[*window, out/groups, in]`: channels change places in each group."""
    *window, into, out = kernel.shape
    blocks = kernel.reshape(*window, into, groups, out // groups)
    return jnp.swapaxes(blocks, -3, -1).reshape(*window, out // groups, groups * into)


def _sizes(
    caller: str, x: jax.Array, kernel: jax.Array, strides: Ints | None, dilation: Ints | None
) -> tuple[tuple[int, ...], ...]:
    """Return the extents of the window, the strides and the dilations, once x has axes enough."""
    window = kernel.shape[:-2]
    axes = len(window)
    if x.ndim <= axes:
        raise GeometryError(
            f"{caller}: inputs must have at least {axes + 1} axes, [*batch, *space, in_features], for "
            f"kernel_size={window}; got shape {x.shape}. A single feature is inputs[..., None]."
        )
    each = per_axis(caller, "kernel_dilation", _or_one(dilation), axes)
    return extents(window, each), per_axis(caller, "strides", _or_one(strides), axes), each


def _check_features(caller: str, x: jax.Array, features: int) -> None:
    if x.shape[-1] != features:
        raise GeometryError(
            f"{caller}: inputs must have the layer's in_features={features} in their last axis; got shape {x.shape}. "
            "Channels are last: NCHW comes with jnp.moveaxis(x, 1, -1)."
        )


def _or_one(value: Ints | None) -> Ints:
    """Flax takes None for 1."""
    return 1 if value is None else value


def _word(caller: str, padding: Padding) -> str:
    """Return the word in capitals, as lax reads it, or "" if it is no word."""
    if not isinstance(padding, str):
        return ""
    words = (*PADDING_WORDS, *BORDERS)
    if padding.upper() not in words:
        raise GeometryError(
            f"{caller}: padding must be one of {', '.join(words)}, an int, or an int or (low, high) pair per space "
            f"axis; got padding={padding!r}.{suggestion(padding.upper(), words)}"
        )
    return padding.upper()
