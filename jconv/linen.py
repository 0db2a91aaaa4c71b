"""Flax Linen layers by jconv: Flax's fields, parameter names, shapes and numbers, and `formulation=`.

A layer declares parameters and makes one call. Variables of `flax.linen.Conv` or `flax.linen.ConvTranspose` load
unchanged, and the same key draws the same parameters. The meaning of every padding stands in `jconv._flax`;
beyond Flax there are "SAME_LOWER" and "EDGE" everywhere, "CAUSAL" and "REFLECT" on `ConvTranspose`, and its
`feature_group_count` and `output_padding`.

The layers do not inherit from Flax's: a field that a later Flax adds must be refused here, not ignored.
For the same reason `conv_general_dilated` is no field; `formulation` says what computes.

To change only what computes in a model of `flax.linen.Conv`, give that layer jconv's function instead:
`conv_general_dilated=functools.partial(jconv.conv_general_dilated, formulation="fft")`.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen
from flax.linen.dtypes import promote_dtype as flax_promote_dtype
from flax.typing import Dtype, Initializer, PrecisionLike

from jconv._arguments import axes_of
from jconv._flax import apply_conv, apply_conv_transpose, features_between, layer_inputs, layer_shapes, masked
from jconv.errors import GeometryError
from jconv.geometry import Ints, Padding

__all__ = ["Conv", "ConvTranspose", "DepthwiseConv", "SeparableConv"]

KERNEL_INIT = linen.initializers.lecun_normal()
BIAS_INIT = linen.initializers.zeros_init()


class Conv(linen.Module):
    """A convolution: `flax.linen.Conv` with a choice of formulation.

    Args:
        features: Features of the output.
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
        promote_dtype: Takes inputs, kernel, bias and `dtype`, and gives them one dtype.
        preferred_element_type: Of accumulation and result.
        formulation: How it is computed: "auto", or a name out of `jconv.FORMULATIONS`.

    Example:
        >>> layer = Conv(4, (3, 3), strides=2, padding="EDGE", formulation="shifts")
        >>> y, variables = layer.init_with_output(jax.random.key(0), jnp.ones((5, 7, 3)))
        >>> y.shape, variables["params"]["kernel"].shape
        ((3, 4, 4), (3, 3, 3, 4))
    """

    features: int
    kernel_size: Ints
    strides: Ints | None = 1
    padding: Padding = "SAME"
    input_dilation: Ints | None = 1
    kernel_dilation: Ints | None = 1
    feature_group_count: int = 1
    use_bias: bool = True
    mask: jax.Array | None = None
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32
    precision: PrecisionLike = None
    kernel_init: Initializer = KERNEL_INIT
    bias_init: Initializer = BIAS_INIT
    promote_dtype: Any = flax_promote_dtype
    preferred_element_type: Dtype | None = None
    formulation: str = "auto"

    @linen.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Convolve.

        Args:
            inputs: `[*batch, *space, in]`; any number of batch axes, none too.

        Returns:
            `[*batch, *output_size, features]`.

        Raises:
            GeometryError: If the arguments describe no convolution.
        """
        inputs = layer_inputs(type(self).__name__, inputs)
        groups = self._groups(inputs.shape[-1])
        window = layer_shapes(type(self).__name__, self.kernel_size, inputs.shape[-1], self.features, groups)
        return apply_conv(
            *_operands(self, inputs, (*window, inputs.shape[-1] // groups, self.features)),
            strides=self.strides,
            padding=self.padding,
            input_dilation=self.input_dilation,
            kernel_dilation=self.kernel_dilation,
            groups=groups,
            precision=self.precision,
            preferred_element_type=self.preferred_element_type,
            formulation=self.formulation,
        )

    def _groups(self, in_features: int) -> int:
        return self.feature_group_count


class DepthwiseConv(Conv):
    """A convolution of each feature by itself: `Conv` with as many groups as the input has features.

    Its variables are those of `flax.linen.Conv(…, feature_group_count=in)`, kernel `[*window, 1, out]`.

    Args: as `Conv` takes them, but `feature_group_count`; `features` is a multiple of the input's.

    Example:
        >>> variables = DepthwiseConv(6, (3, 3)).init(jax.random.key(0), jnp.ones((5, 7, 3)))
        >>> variables["params"]["kernel"].shape
        (3, 3, 1, 6)
    """

    def _groups(self, in_features: int) -> int:
        if self.feature_group_count not in (1, in_features):
            raise GeometryError(
                f"DepthwiseConv: feature_group_count must be left out; got {self.feature_group_count} for "
                f"{in_features} features. Take Conv."
            )
        return in_features


class SeparableConv(linen.Module):
    """A depthwise convolution without bias, then a 1×1 convolution: the layers `depthwise` and `pointwise`.

    Args:
        features: Features of the output.
        kernel_size: The window; an int means one space axis.
        strides: Steps between output positions.
        channel_multiplier: Features between the two, per input feature.
        padding: As in `Conv`; of the depthwise layer, as are the next three.
        input_dilation: Steps between input entries.
        kernel_dilation: Steps between taps.
        mask: Multiplies the depthwise kernel `[*window, 1, in·multiplier]`.
        use_bias: Whether the pointwise layer adds a bias.
        dtype: As in `Conv`, for both layers, as are the rest.
        param_dtype: Of the parameters.
        precision: As in `jax.lax`.
        kernel_init: Draws both kernels.
        bias_init: Draws the bias.
        promote_dtype: Takes inputs, kernel, bias and `dtype`, and gives them one dtype.
        preferred_element_type: Of accumulation and result.
        formulation: How it is computed.

    Example:
        >>> layer = SeparableConv(8, (3, 3), strides=2)
        >>> y, variables = layer.init_with_output(jax.random.key(0), jnp.ones((2, 5, 7, 3)))
        >>> y.shape, variables["params"]["pointwise"]["kernel"].shape
        ((2, 3, 4, 8), (1, 1, 3, 8))
    """

    features: int
    kernel_size: Ints
    strides: Ints | None = 1
    channel_multiplier: int = 1
    padding: Padding = "SAME"
    input_dilation: Ints | None = 1
    kernel_dilation: Ints | None = 1
    mask: jax.Array | None = None
    use_bias: bool = True
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32
    precision: PrecisionLike = None
    kernel_init: Initializer = KERNEL_INIT
    bias_init: Initializer = BIAS_INIT
    promote_dtype: Any = flax_promote_dtype
    preferred_element_type: Dtype | None = None
    formulation: str = "auto"

    @linen.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Convolve each feature, then mix them: `[*batch, *space, in]` to `[*batch, *output_size, features]`."""
        inputs = layer_inputs(type(self).__name__, inputs)
        both = {
            "dtype": self.dtype,
            "param_dtype": self.param_dtype,
            "precision": self.precision,
            "kernel_init": self.kernel_init,
            "promote_dtype": self.promote_dtype,
            "preferred_element_type": self.preferred_element_type,
            "formulation": self.formulation,
        }
        between = DepthwiseConv(
            features_between(inputs.shape[-1], self.channel_multiplier),
            self.kernel_size,
            self.strides,
            padding=self.padding,
            input_dilation=self.input_dilation,
            kernel_dilation=self.kernel_dilation,
            mask=self.mask,
            use_bias=False,
            name="depthwise",
            **both,
        )(inputs)
        one = (1,) * axes_of(self.kernel_size)
        pointwise = Conv(self.features, one, use_bias=self.use_bias, bias_init=self.bias_init, name="pointwise", **both)
        return pointwise(between)


class ConvTranspose(linen.Module):
    """A transposed convolution: `flax.linen.ConvTranspose` with a choice of formulation, groups and output padding.

    Args:
        features: Features of the output.
        kernel_size: The window; an int means one space axis.
        strides: Steps between the places of the inputs in the output; None is 1.
        padding: "SAME", "SAME_LOWER", "CIRCULAR", "REFLECT", "EDGE" and "CAUSAL" (one space axis) give in·stride
            entries; "VALID" keeps everything; an int, or an int or (low, high) pair per axis, pads the input
            dilated by the stride, unlike PyTorch's.
        kernel_dilation: Steps between taps; None is 1.
        use_bias: Whether to add a bias.
        mask: Multiplies the kernel, and has its shape.
        dtype: Of the computation; by default that of inputs and parameters together.
        param_dtype: Of the parameters.
        precision: As in `jax.lax`.
        kernel_init: Draws the kernel.
        bias_init: Draws the bias `[out]`.
        transpose_kernel: Whether the kernel is that of the `Conv` this is the adjoint of, `[*window, out/groups, in]`;
            else it is `[*window, in/groups, out]`, unflipped.
        promote_dtype: Takes inputs, kernel, bias and `dtype`, and gives them one dtype.
        preferred_element_type: Of accumulation and result.
        feature_group_count: Independent blocks of features. Not in Flax.
        output_padding: Entries more at the high end of the output. Not in Flax.
        formulation: How it is computed: "auto", or a name out of `jconv.FORMULATIONS`.

    Example:
        >>> layer = ConvTranspose(6, (3,), strides=2, padding=1, output_padding=1)
        >>> layer.init_with_output(jax.random.key(0), jnp.ones((2, 5, 4)))[0].shape
        (2, 10, 6)
    """

    features: int
    kernel_size: Ints
    strides: Ints | None = None
    padding: Padding = "SAME"
    kernel_dilation: Ints | None = None
    use_bias: bool = True
    mask: jax.Array | None = None
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32
    precision: PrecisionLike = None
    kernel_init: Initializer = KERNEL_INIT
    bias_init: Initializer = BIAS_INIT
    transpose_kernel: bool = False
    promote_dtype: Any = flax_promote_dtype
    preferred_element_type: Dtype | None = None
    feature_group_count: int = 1
    output_padding: Ints = 0
    formulation: str = "auto"

    @linen.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Convolve, transposed.

        Args:
            inputs: `[*batch, *space, in]`; any number of batch axes, none too.

        Returns:
            `[*batch, *output_size, features]`.

        Raises:
            GeometryError: If the arguments describe no transposed convolution.
        """
        inputs = layer_inputs(type(self).__name__, inputs)
        groups, into = self.feature_group_count, inputs.shape[-1]
        window = layer_shapes(type(self).__name__, self.kernel_size, into, self.features, groups)
        first, last = (self.features, into) if self.transpose_kernel else (into, self.features)
        return apply_conv_transpose(
            *_operands(self, inputs, (*window, first // groups, last)),
            strides=self.strides,
            padding=self.padding,
            kernel_dilation=self.kernel_dilation,
            transpose_kernel=self.transpose_kernel,
            output_padding=self.output_padding,
            groups=groups,
            precision=self.precision,
            preferred_element_type=self.preferred_element_type,
            formulation=self.formulation,
        )


def _operands(
    layer: Conv | ConvTranspose, inputs: jax.Array, kernel_shape: tuple[int, ...]
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """Declare the parameters, then mask and promote them as Flax does."""
    kernel = layer.param("kernel", layer.kernel_init, kernel_shape, layer.param_dtype)
    kernel = masked(type(layer).__name__, kernel, layer.mask)
    bias = layer.param("bias", layer.bias_init, (layer.features,), layer.param_dtype) if layer.use_bias else None
    inputs, kernel, bias = layer.promote_dtype(inputs, kernel, bias, dtype=layer.dtype)
    return inputs, kernel, bias
