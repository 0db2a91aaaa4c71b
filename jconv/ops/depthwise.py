"""Each channel by itself: a convolution with as many groups as channels.

    y[n, p, c·M + m] = Σ_t x[n, s·p + d·t − lo, c] · kernel[t, 0, c·M + m]

Cost: Πk·P multiplications an output channel, in_channels times fewer than the standard convolution.
"""

from typing import Any

import jax
from jax.typing import ArrayLike

from jconv._conv import conv_as
from jconv._operands import arrays
from jconv.errors import GeometryError
from jconv.geometry import Ints, Padding


def depthwise_conv(
    x: ArrayLike,
    kernel: ArrayLike,
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
    """Convolve every channel with its own filters, M of them.

    The kernel is `conv`'s own for `groups=in`, which is also Flax's and (moved) PyTorch's; the filters of channel c
    are c·M … c·M + M − 1. A Keras kernel `[*window, in, M]` is `kernel.reshape(*window, 1, -1)`.

    Args:
        x: `[*batch, *space, in]`.
        kernel: `[*window, 1, in·M]`.
        bias: `[in·M]`, or None.
        stride: As `conv` has it; so are all that follow.
        padding: A word, an int, or an int or (low, high) pair per axis.
        padding_mode: zeros, circular, reflect or edge.
        dilation: Steps between taps.
        input_dilation: Steps between input entries.
        flip: Flip the kernel in space.
        formulation: Which one computes.
        precision: As `lax.dot_general` has it.
        preferred_element_type: The result's dtype.

    Returns:
        `[*batch, *output_size, in·M]`.

    Raises:
        GeometryError: If the kernel is not depthwise for x, or the arguments describe no convolution.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
        >>> depthwise_conv(x, jnp.array([[[1.0, 2.0]], [[1.0, 0.0]]])).tolist()
        [[3.0, 20.0], [5.0, 40.0]]

    References:
        Howard et al., MobileNets, 2017, https://arxiv.org/abs/1704.04861
    """
    x, kernel = arrays("depthwise_conv", x=x, kernel=kernel)
    return conv_as(
        "depthwise_conv",
        x,
        kernel,
        bias,
        stride=stride,
        padding=padding,
        padding_mode=padding_mode,
        dilation=dilation,
        input_dilation=input_dilation,
        groups=depthwise_groups("depthwise_conv", "kernel", x, kernel),
        flip=flip,
        formulation=formulation,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


def depthwise_groups(caller: str, name: str, x: jax.Array, kernel: jax.Array) -> int:
    """Return the groups of a depthwise convolution, x's channels, or raise that the kernel `name` is none."""
    channels = x.shape[-1] if x.ndim else 0
    if kernel.ndim < 3 or kernel.shape[-2] != 1 or channels < 1 or kernel.shape[-1] % channels:
        raise GeometryError(
            f"{caller}: {name} must be [*window, 1, in·M], M filters for each channel of x; got "
            f"{name}_shape={kernel.shape}, x_shape={x.shape}. A Keras kernel is kernel.reshape(*window, 1, -1)."
        )
    return channels
