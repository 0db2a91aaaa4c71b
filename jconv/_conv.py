"""The doors: check, pad, choose, apply."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jconv._auto import bind, problem_of
from jconv._compat import current_platform
from jconv._operands import add_bias, arrays, checked_precision, result_dtype
from jconv._padding import check_padding_mode, pad, pad_first
from jconv.errors import UnsupportedError, suggestion
from jconv.formulations import FORMULATIONS
from jconv.formulations._closed import flip_exchange
from jconv.geometry import Geometry, Ints, Padding, conv_geometry, conv_transpose_geometry


def conv(
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
    formulation: str = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
) -> jax.Array:
    r"""Slide a kernel over the input and sum products: cross-correlation, as the field means by convolution.

    $y[n,p,o] = \sum_{t,c} x[n, (s p + d t - lo)/e, c] \cdot kernel[t,c,o]$, over any number of space axes.

    Args:
        x: `[*batch, *space, in]`, any number of batch axes, none too; channels last.
        kernel: `[*window, in/groups, out]`.
        bias: `[out]`, added.
        stride: s, one int or one per space axis.
        padding: "VALID", "SAME", "SAME_LOWER", "FULL", "CAUSAL" (one space axis), an int, or an int or
            (low, high) pair per space axis. Negative padding crops.
        padding_mode: What lies beyond the border: "zeros", "circular", "reflect" or "edge".
        dilation: d, steps between taps.
        input_dilation: e, steps between input entries, zeros between them.
        groups: Independent convolutions over blocks of channels.
        flip: Flip the kernel in space: convolution in the mathematician's sense (see `convolve`).
        formulation: "auto", or a name of `jconv.FORMULATIONS`.
        precision: As for `lax.dot_general`.
        preferred_element_type: The dtype of the result; by default int32 for 8- and 16-bit integers, else x's.
            Sums run in float32 for 16-bit floats and in int32 for short integers.

    Returns:
        `[*batch, *output, out]`.

    Raises:
        GeometryError: If the arguments describe no convolution.
        UnsupportedError: If the formulation cannot compute it.

    Example:
        One dimension, a series; two, a 1×1 convolution over RGB; three, a volume:

        >>> import jax.numpy as jnp
        >>> conv(jnp.array([1., 2., 3.])[:, None], jnp.array([0., 1., .5])[:, None, None]).tolist()
        [[3.5]]
        >>> conv(jnp.ones((8, 6, 3)), jnp.ones((1, 1, 3, 5))).shape
        (8, 6, 5)
        >>> rgb, filters = jnp.ones((10, 32, 32, 3)), jnp.ones((5, 5, 3, 16))
        >>> conv(rgb, filters, padding=2).shape
        (10, 32, 32, 16)
        >>> conv(jnp.ones((2, 9, 8, 7, 1)), jnp.ones((3, 3, 3, 1, 4)), stride=2).shape
        (2, 4, 3, 3, 4)

    References:
        Dumoulin, Visin, A guide to convolution arithmetic for deep learning, 2016, https://arxiv.org/abs/1603.07285
    """
    return conv_as(
        "conv",
        x,
        kernel,
        bias,
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


def conv_as(
    caller: str,
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
    formulation: str = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
) -> jax.Array:
    """Do as `conv`, for a caller whose name the errors are to carry."""
    x, kernel = arrays(caller, x=x, kernel=kernel)
    geometry = conv_geometry(
        x.shape,
        kernel.shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        input_dilation=input_dilation,
        groups=groups,
        caller=caller,
    )
    x, geometry = pad_first(caller, x, padding, padding_mode, geometry)
    kernel = jnp.flip(kernel, range(kernel.ndim - 2)) if flip else kernel
    y = _run(caller, x, kernel, geometry, formulation, precision, preferred_element_type)
    return add_bias(caller, y, bias, x.dtype)


@functools.wraps(conv, assigned=("__annotations__",), updated=())
def convolve(*args: Any, flip: bool = False, **kwargs: Any) -> jax.Array:
    """Convolve in the mathematician's sense: `conv` with the kernel flipped in space.

    (f ∗ g)[p] = Σ_t f[p − t] · g[t]. Arguments, shapes and errors are those of `conv`.

    Args:
        *args: x, kernel and bias, as for `conv`.
        flip: Flip the kernel once more, back to cross-correlation.
        **kwargs: As for `conv`.

    Returns:
        `[*batch, *output, out]`.

    Example:
        >>> import jax.numpy as jnp
        >>> f, g = jnp.array([1., 2., 3.]), jnp.array([0., 1., .5])
        >>> convolve(f[:, None], g[:, None, None], padding="FULL").ravel().tolist()
        [0.0, 1.0, 2.5, 4.0, 1.5]
    """
    return conv(*args, flip=not flip, **kwargs)


def conv_transpose(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    padding_mode: str = "zeros",
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    flip: bool = False,
    formulation: str = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
) -> jax.Array:
    r"""Compute the adjoint of `conv`, with the same kernel array.

    ⟨conv(a, kernel), b⟩ = ⟨a, conv_transpose(b, kernel)⟩, where ⟨a, b⟩ = Σ ab.
    The output has (in−1)·stride − low − high + dilation·(window−1) + output_padding + 1 entries per axis.

    Args:
        x: `[*batch, *space, in]`.
        kernel: `[*window, out/groups, in]`, the kernel of the `conv` whose adjoint this is.
        bias: `[out]`, added.
        stride: The stride of that `conv`: here it spreads the input.
        padding: The padding of that `conv`: here it crops. Words resolve on the output: SAME gives in·stride,
            VALID crops nothing.
        padding_mode: Of that `conv`; what padding copied is added back.
        output_padding: Entries more at the high end; below the larger of stride and dilation.
        dilation: Steps between taps.
        groups: Independent convolutions over blocks of channels.
        flip: Flip the kernel in space.
        formulation: "auto", or a name of `jconv.FORMULATIONS`.
        precision: As for `lax.dot_general`.
        preferred_element_type: As for `conv`.

    Returns:
        `[*batch, *output, out]`.

    Raises:
        GeometryError: If the arguments describe no transposed convolution.
        UnsupportedError: If the formulation cannot compute it.

    Other libraries' calls, for the same numbers:
        * PyTorch `conv_transpose2d(x, weight, stride, padding, output_padding, groups, dilation)`, weight
          `[in, out/groups, *window]`: the same arguments, kernel = weight moved to `[*window, out/groups, in]`.
        * Keras `Conv2DTranspose`: kernel `[*window, out, in]` as it is, padding "SAME" or "VALID".
        * `lax.conv_transpose(x, k, strides, padding, transpose_kernel=True)`: kernel as it is.
        * Flax `ConvTranspose` and `lax.conv_transpose(…, transpose_kernel=False)`, kernel `[*window, in, out]`:
          `flip=True` and the last two axes exchanged.

    Example:
        >>> import jax.numpy as jnp
        >>> kernel = jnp.array([1., 10., 100.])[:, None, None]
        >>> conv_transpose(jnp.array([[2.], [3.]]), kernel, stride=2).ravel().tolist()
        [2.0, 20.0, 203.0, 30.0, 300.0]
    """
    x, kernel = arrays("conv_transpose", x=x, kernel=kernel)
    arguments: dict[str, Any] = {"stride": stride, "output_padding": output_padding, "dilation": dilation}
    forward, pads = conv_transpose_geometry(x.shape, kernel.shape, padding=padding, groups=groups, **arguments)
    kernel = jnp.flip(kernel, range(kernel.ndim - 2)) if flip else kernel
    exchanged = flip_exchange(kernel, forward.groups)
    run = functools.partial(_run, "conv_transpose", formulation=formulation, precision=precision)
    if padding_mode == "zeros":
        y = run(x, exchanged, forward.input_gradient(), preferred=preferred_element_type)
        return add_bias("conv_transpose", y, bias, x.dtype)
    # The adjoint of pad-then-convolve: transpose the VALID convolution, then add back what padding copied.
    size, axes = forward.input_size, len(forward.window)
    check_padding_mode("conv_transpose", padding_mode, size, pads)
    valid, _ = conv_transpose_geometry(x.shape, kernel.shape, groups=groups, **arguments)
    y = run(x, exchanged, valid.input_gradient(), preferred=preferred_element_type)
    shape = (*y.shape[: y.ndim - axes - 1], *size, y.shape[-1])
    _, add_back = jax.vjp(lambda a: pad(a, pads, padding_mode), jnp.zeros_like(y, shape=shape))
    return add_bias("conv_transpose", add_back(y)[0], bias, x.dtype)


def _run(
    caller: str,
    x: jax.Array,
    kernel: jax.Array,
    geometry: Geometry,
    formulation: str,
    precision: Any,
    preferred: Any,
) -> jax.Array:
    """Fold the batch axes into one, compute, and unfold them."""
    axes = len(geometry.window)
    batch = x.shape[: x.ndim - axes - 1]
    if len(batch) != 1:  # a single batch axis stays as it is, and so does its sharding
        x = x.reshape(math.prod(batch), *x.shape[len(batch) :])
    dtype = result_dtype(caller, x, preferred)
    precision = checked_precision(caller, precision)
    known(caller, formulation)
    if formulation == "auto":
        y = bind(x, kernel, geometry=geometry, precision=precision, dtype=dtype)
    elif 0 in (*x.shape, *kernel.shape):
        y = jnp.zeros((x.shape[0], *geometry.output_size, kernel.shape[-1]), dtype)
    else:
        _refuse(caller, formulation, x, kernel, geometry)
        y = _apply(x, kernel, geometry=geometry, formulation=formulation, precision=precision, dtype=dtype)
    return y if len(batch) == 1 else y.reshape(*batch, *y.shape[1:])


@functools.partial(jax.jit, static_argnames=("geometry", "formulation", "precision", "dtype"))
def _apply(
    x: jax.Array, kernel: jax.Array, *, geometry: Geometry, formulation: str, precision: Any, dtype: Any
) -> jax.Array:
    apply = FORMULATIONS[formulation].apply
    return apply(x, kernel, geometry, precision=precision, preferred_element_type=dtype)


def known(caller: str, formulation: str) -> None:
    """Raise if there is no such formulation."""
    names = ("auto", *FORMULATIONS)
    if formulation not in names:
        raise UnsupportedError(
            f"{caller}: formulation must be one of {', '.join(names)}; got formulation={formulation!r}."
            f"{suggestion(formulation, names)}"
        )


def _refuse(caller: str, formulation: str, x: jax.Array, kernel: jax.Array, geometry: Geometry) -> None:
    """Raise if the formulation cannot compute this."""
    reason = FORMULATIONS[formulation].unsupported(problem_of(x, kernel, geometry, current_platform()))
    if reason:
        raise UnsupportedError(
            f"{caller}: formulation {formulation!r} cannot compute this: {reason}. formulation='auto' can."
        )
