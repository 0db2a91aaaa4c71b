"""Flax NNX layers by jconv: Flax's arguments, parameter names, shapes and numbers, and `formulation=`.

A layer holds parameters and makes one call. A state of `flax.nnx.Conv` or `flax.nnx.ConvTranspose` loads
unchanged, and the same `rngs` draw the same parameters. The meaning of every padding stands in `jconv._flax`;
beyond Flax there are "SAME_LOWER" and "EDGE" everywhere, "CAUSAL" and "REFLECT" on `ConvTranspose`, and its
`feature_group_count` and `output_padding`.

The layers do not inherit from Flax's: an argument that a later Flax adds must be refused here, not ignored.
For the same reason `conv_general_dilated` is no argument; `formulation` says what computes.

To change only what computes in a model of `flax.nnx.Conv`, give that layer jconv's function instead:
`conv_general_dilated=functools.partial(jconv.conv_general_dilated, formulation="fft")`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.dtypes import promote_dtype as flax_promote_dtype
from flax.typing import Dtype, Initializer, PrecisionLike, PromoteDtypeFn

from jconv._flax import apply_conv, apply_conv_transpose, features_between, layer_inputs, layer_shapes, masked
from jconv.geometry import Ints, Padding

__all__ = ["Conv", "ConvTranspose", "DepthwiseConv", "SeparableConv"]

KERNEL_INIT = nnx.initializers.lecun_normal()
BIAS_INIT = nnx.initializers.zeros_init()
NO_METADATA: Mapping[str, Any] = MappingProxyType({})


def _param(
    init: Initializer, rngs: nnx.Rngs, shape: tuple[int, ...], dtype: Dtype, metadata: Mapping[str, Any]
) -> nnx.Param[jax.Array]:
    return nnx.Param(init(rngs.params(), shape, dtype), **metadata)


class _Layer(nnx.Module):
    """The operands of a convolution, masked and promoted as Flax does; not for use by itself."""

    kernel: nnx.Param[jax.Array]
    bias: nnx.Param[jax.Array] | None
    mask: jax.Array | None
    dtype: Dtype | None
    promote_dtype: PromoteDtypeFn

    def _operands(self, inputs: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array | None]:
        kernel = masked(type(self).__name__, self.kernel[...], self.mask)
        bias = None if self.bias is None else self.bias[...]
        return self.promote_dtype((layer_inputs(type(self).__name__, inputs), kernel, bias), dtype=self.dtype)


class Conv(_Layer):
    """A convolution: `flax.nnx.Conv` with a choice of formulation.

    Args:
        in_features: Features of the input.
        out_features: Features of the output.
        kernel_size: The window; an int means one space axis.
        strides: Steps between output positions, one or one per axis; None is 1.
        padding: "SAME", "SAME_LOWER", "VALID", "FULL", "CIRCULAR", "REFLECT", "EDGE", "CAUSAL" (one space axis),
            an int, or an int or (low, high) pair per axis.
        input_dilation: Steps between input entries.
        kernel_dilation: Steps between taps.
        feature_group_count: Independent blocks of features.
        use_bias: Whether to add a bias.
        mask: Multiplies the kernel, and has its shape.
        dtype: Of the computation; by default that of inputs and parameters together.
        param_dtype: Of the parameters.
        precision: As in `jax.lax`.
        kernel_init: Draws the kernel `[*window, in/groups, out]`.
        bias_init: Draws the bias `[out]`.
        promote_dtype: Takes `(inputs, kernel, bias)` and `dtype`, and gives them one dtype.
        preferred_element_type: Of accumulation and result.
        rngs: Random keys.
        kernel_metadata: For the kernel's `nnx.Param`.
        bias_metadata: For the bias's `nnx.Param`.
        formulation: How it is computed: "auto", or a name out of `jconv.FORMULATIONS`.

    Raises:
        GeometryError: If the groups do not split the features.

    Example:
        >>> layer = Conv(3, 4, (3, 3), strides=2, padding="EDGE", formulation="shifts", rngs=nnx.Rngs(0))
        >>> layer(jnp.ones((5, 7, 3))).shape
        (3, 4, 4)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: Ints,
        strides: Ints | None = 1,
        *,
        padding: Padding = "SAME",
        input_dilation: Ints | None = 1,
        kernel_dilation: Ints | None = 1,
        feature_group_count: int = 1,
        use_bias: bool = True,
        mask: jax.Array | None = None,
        dtype: Dtype | None = None,
        param_dtype: Dtype = jnp.float32,
        precision: PrecisionLike = None,
        kernel_init: Initializer = KERNEL_INIT,
        bias_init: Initializer = BIAS_INIT,
        promote_dtype: PromoteDtypeFn = flax_promote_dtype,
        preferred_element_type: Dtype | None = None,
        rngs: nnx.Rngs,
        kernel_metadata: Mapping[str, Any] = NO_METADATA,
        bias_metadata: Mapping[str, Any] = NO_METADATA,
        formulation: str = "auto",
    ):
        self.in_features = in_features
        self.out_features = out_features
        self.kernel_size = layer_shapes(
            type(self).__name__, kernel_size, in_features, out_features, feature_group_count
        )
        self.strides = strides
        self.padding = padding
        self.input_dilation = input_dilation
        self.kernel_dilation = kernel_dilation
        self.feature_group_count = feature_group_count
        self.use_bias = use_bias
        self.mask = mask
        self.dtype = dtype
        self.param_dtype = param_dtype
        self.precision = precision
        self.promote_dtype = promote_dtype
        self.preferred_element_type = preferred_element_type
        self.formulation = formulation
        self.kernel_shape = (*self.kernel_size, in_features // feature_group_count, out_features)
        self.kernel = _param(kernel_init, rngs, self.kernel_shape, param_dtype, kernel_metadata)
        self.bias = _param(bias_init, rngs, (out_features,), param_dtype, bias_metadata) if use_bias else nnx.data(None)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Convolve.

        Args:
            inputs: `[*batch, *space, in_features]`; any number of batch axes, none too.

        Returns:
            `[*batch, *output_size, out_features]`.
        """
        return apply_conv(
            *self._operands(inputs),
            strides=self.strides,
            padding=self.padding,
            input_dilation=self.input_dilation,
            kernel_dilation=self.kernel_dilation,
            groups=self.feature_group_count,
            precision=self.precision,
            preferred_element_type=self.preferred_element_type,
            formulation=self.formulation,
        )


class DepthwiseConv(Conv):
    """A convolution of each feature by itself: `Conv` with as many groups as features.

    Its state is that of `flax.nnx.Conv(…, feature_group_count=in_features)`, kernel `[*window, 1, out]`.

    Args:
        in_features: Features of the input.
        out_features: Features of the output, a multiple of `in_features`.
        kernel_size: The window; an int means one space axis.
        strides: Steps between output positions.
        **arguments: As `Conv` takes them, but `feature_group_count`.

    Example:
        >>> DepthwiseConv(3, 6, (3, 3), rngs=nnx.Rngs(0)).kernel.shape
        (3, 3, 1, 6)
    """

    def __init__(
        self, in_features: int, out_features: int, kernel_size: Ints, strides: Ints | None = 1, **arguments: Any
    ):
        super().__init__(in_features, out_features, kernel_size, strides, feature_group_count=in_features, **arguments)


class SeparableConv(nnx.Module):
    """A depthwise convolution without bias, then a 1×1 convolution: the layers `depthwise` and `pointwise`.

    Args:
        in_features: Features of the input.
        out_features: Features of the output.
        kernel_size: The window; an int means one space axis.
        strides: Steps between output positions.
        channel_multiplier: Features between the two, per input feature.
        padding: As in `Conv`; of the depthwise layer, as are the next three.
        input_dilation: Steps between input entries.
        kernel_dilation: Steps between taps.
        mask: Multiplies the depthwise kernel `[*window, 1, in·multiplier]`.
        use_bias: Whether the pointwise layer adds a bias.
        bias_init: Draws it.
        bias_metadata: For its `nnx.Param`.
        **arguments: For both layers, as `Conv` takes them: dtype, param_dtype, precision, kernel_init,
            promote_dtype, preferred_element_type, rngs, kernel_metadata, formulation.

    Example:
        >>> layer = SeparableConv(3, 8, (3, 3), strides=2, rngs=nnx.Rngs(0))
        >>> layer(jnp.ones((2, 5, 7, 3))).shape, layer.depthwise.kernel.shape, layer.pointwise.kernel.shape
        ((2, 3, 4, 8), (3, 3, 1, 3), (1, 1, 3, 8))
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: Ints,
        strides: Ints | None = 1,
        *,
        channel_multiplier: int = 1,
        padding: Padding = "SAME",
        input_dilation: Ints | None = 1,
        kernel_dilation: Ints | None = 1,
        mask: jax.Array | None = None,
        use_bias: bool = True,
        bias_init: Initializer = BIAS_INIT,
        bias_metadata: Mapping[str, Any] = NO_METADATA,
        **arguments: Any,
    ):
        between = features_between(in_features, channel_multiplier)
        self.depthwise = DepthwiseConv(
            in_features,
            between,
            kernel_size,
            strides,
            padding=padding,
            input_dilation=input_dilation,
            kernel_dilation=kernel_dilation,
            mask=mask,
            use_bias=False,
            **arguments,
        )
        one = (1,) * len(self.depthwise.kernel_size)
        self.pointwise = Conv(
            between, out_features, one, use_bias=use_bias, bias_init=bias_init, bias_metadata=bias_metadata, **arguments
        )

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Convolve each feature, then mix them: `[*batch, *space, in]` to `[*batch, *output_size, out]`."""
        return self.pointwise(self.depthwise(inputs))


class ConvTranspose(_Layer):
    """A transposed convolution: `flax.nnx.ConvTranspose` with a choice of formulation, groups and output padding.

    Args:
        in_features: Features of the input.
        out_features: Features of the output.
        kernel_size: The window; an int means one space axis.
        strides: Steps between the places of the inputs in the output; None is 1.
        padding: "SAME", "SAME_LOWER", "CIRCULAR", "REFLECT", "EDGE" and "CAUSAL" (one space axis) give in·stride
            entries; "VALID" keeps everything; an int, or an int or (low, high) pair per axis, pads the input
            dilated by the stride, unlike PyTorch's.
        kernel_dilation: Steps between taps; None is 1.
        use_bias: As in `Conv`, and so are mask, dtype, param_dtype, precision, kernel_init, bias_init, promote_dtype,
            preferred_element_type, rngs, kernel_metadata and bias_metadata.
        transpose_kernel: Whether the kernel is that of the `Conv` this is the adjoint of, `[*window, out/groups, in]`;
            else it is `[*window, in/groups, out]`, unflipped.
        feature_group_count: Independent blocks of features. Not in Flax.
        output_padding: Entries more at the high end of the output. Not in Flax.
        formulation: How it is computed: "auto", or a name out of `jconv.FORMULATIONS`.

    Raises:
        GeometryError: If the groups do not split the features.

    Example:
        >>> layer = ConvTranspose(4, 6, (3,), strides=2, padding=1, output_padding=1, rngs=nnx.Rngs(0))
        >>> layer(jnp.ones((2, 5, 4))).shape
        (2, 10, 6)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: Ints,
        strides: Ints | None = None,
        *,
        padding: Padding = "SAME",
        kernel_dilation: Ints | None = None,
        use_bias: bool = True,
        mask: jax.Array | None = None,
        dtype: Dtype | None = None,
        param_dtype: Dtype = jnp.float32,
        precision: PrecisionLike = None,
        kernel_init: Initializer = KERNEL_INIT,
        bias_init: Initializer = BIAS_INIT,
        transpose_kernel: bool = False,
        promote_dtype: PromoteDtypeFn = flax_promote_dtype,
        preferred_element_type: Dtype | None = None,
        rngs: nnx.Rngs,
        kernel_metadata: Mapping[str, Any] = NO_METADATA,
        bias_metadata: Mapping[str, Any] = NO_METADATA,
        feature_group_count: int = 1,
        output_padding: Ints = 0,
        formulation: str = "auto",
    ):
        self.in_features = in_features
        self.out_features = out_features
        self.kernel_size = layer_shapes(
            type(self).__name__, kernel_size, in_features, out_features, feature_group_count
        )
        self.strides = strides
        self.padding = padding
        self.kernel_dilation = kernel_dilation
        self.use_bias = use_bias
        self.mask = mask
        self.dtype = dtype
        self.param_dtype = param_dtype
        self.precision = precision
        self.transpose_kernel = transpose_kernel
        self.promote_dtype = promote_dtype
        self.preferred_element_type = preferred_element_type
        self.feature_group_count = feature_group_count
        self.output_padding = output_padding
        self.formulation = formulation
        first, last = (out_features, in_features) if transpose_kernel else (in_features, out_features)
        self.kernel_shape = (*self.kernel_size, first // feature_group_count, last)
        self.kernel = _param(kernel_init, rngs, self.kernel_shape, param_dtype, kernel_metadata)
        self.bias = _param(bias_init, rngs, (out_features,), param_dtype, bias_metadata) if use_bias else nnx.data(None)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Convolve, transposed.

        Args:
            inputs: `[*batch, *space, in_features]`; any number of batch axes, none too.

        Returns:
            `[*batch, *output_size, out_features]`.
        """
        return apply_conv_transpose(
            *self._operands(inputs),
            strides=self.strides,
            padding=self.padding,
            kernel_dilation=self.kernel_dilation,
            transpose_kernel=self.transpose_kernel,
            output_padding=self.output_padding,
            groups=self.feature_group_count,
            precision=self.precision,
            preferred_element_type=self.preferred_element_type,
            formulation=self.formulation,
        )
