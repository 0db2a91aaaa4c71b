"""Pooling: one number per window and channel, the largest, the mean or a norm, over any number of space axes.

For window k, stride s, dilation d and low padding lo, output p of a channel sees x[s·p + d·t − lo] for the taps t.
Cost: Πk·P operations a channel, and no products.

**Ceil mode.** The number of outputs is rounded up, so that the last window may hang over the high padding; a last one
that would start beyond input and low padding is dropped. That is the rule of PyTorch and of ONNX Runtime.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, reduce
from numbers import Real

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jconv._arguments import Ints, Padding, Pads, entries_of, per_axis, resolve_padding
from jconv._operands import array
from jconv.errors import GeometryError, UnsupportedError
from jconv.formulations._base import accumulator
from jconv.geometry import Geometry, conv_geometry


def max_pool(
    x: ArrayLike,
    window: Sequence[int],
    *,
    stride: Ints | None = None,
    padding: Padding = "VALID",
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> jax.Array:
    """Take the largest entry of each window; padding never wins.

    The gradient goes to the first of the largest entries, in reading order.

    Args:
        x: `[*batch, *space, channels]`, floating, integer or Boolean.
        window: One size per space axis; their number says which axes are space.
        stride: Steps between windows, one or one per axis; None is the window.
        padding: A word, an int, or an int or (low, high) pair per axis; not negative.
        dilation: Steps between taps.
        ceil_mode: Round the number of windows up.

    Returns:
        `[*batch, *output_size, channels]`, in x's dtype; int8 for int4.

    Raises:
        GeometryError: If the arguments describe no pooling, or a window sees padding alone.
        UnsupportedError: If x is complex.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.array([[1.0], [3.0], [2.0], [5.0], [4.0]])
        >>> max_pool(x, (2,)).ravel().tolist()
        [3.0, 5.0]
        >>> max_pool(x, (2,), ceil_mode=True).ravel().tolist()
        [3.0, 5.0, 4.0]

    References:
        Riesenhuber and Poggio, Hierarchical models of object recognition in cortex, 1999,
        https://doi.org/10.1038/14819
    """
    x = array("max_pool", "x", x, booleans=True)
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise UnsupportedError(
            f"max_pool: x must be ordered, so real; got dtype {x.dtype}. Pool its absolute value, or use lp_pool."
        )
    geometry, _ = _geometry("max_pool", x, window, stride, padding, dilation, ceil_mode)
    _check_seen("max_pool", geometry)
    return _largest(x, geometry)


def avg_pool(
    x: ArrayLike,
    window: Sequence[int],
    *,
    stride: Ints | None = None,
    padding: Padding = "VALID",
    dilation: Ints = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> jax.Array:
    """Take the mean of each window, as PyTorch and ONNX count it.

    With `count_include_pad` zeros of the padding count as entries, but what hangs over beyond it in ceil mode does
    not. Without it, the mean is over the entries of x alone. Low precision accumulates in float32.

    Args:
        x: `[*batch, *space, channels]`, floating or complex.
        window: One size per space axis; their number says which axes are space.
        stride: Steps between windows, one or one per axis; None is the window.
        padding: A word, an int, or an int or (low, high) pair per axis; not negative.
        dilation: Steps between taps.
        ceil_mode: Round the number of windows up.
        count_include_pad: Count the zeros of the padding.

    Returns:
        `[*batch, *output_size, channels]`, in x's dtype.

    Raises:
        GeometryError: If the arguments describe no pooling, or a window has nothing to count.
        UnsupportedError: If x is of integers.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.array([[2.0], [4.0], [6.0]])
        >>> avg_pool(x, (2,), stride=1, padding=1).ravel().tolist()
        [1.0, 3.0, 5.0, 3.0]
        >>> avg_pool(x, (2,), stride=1, padding=1, count_include_pad=False).ravel().tolist()
        [2.0, 3.0, 5.0, 6.0]

    References:
        LeCun et al., Gradient-based learning applied to document recognition, 1998,
        https://doi.org/10.1109/5.726791
    """
    x = array("avg_pool", "x", x, booleans=True)
    _check_inexact("avg_pool", x)
    geometry, pads = _geometry("avg_pool", x, window, stride, padding, dilation, ceil_mode)
    if count_include_pad:
        padded = [low + n + high for n, (low, high) in zip(geometry.input_size, pads, strict=True)]
        counts = _counts(geometry, [0] * len(padded), padded)
    else:
        _check_seen("avg_pool", geometry)
        counts = _seen(geometry)
    total = _sum(x, geometry)
    count = reduce(np.multiply.outer, counts)
    if count.min() == count.max():  # so that no array of constants enters the program
        divisor = count.flat[0]
    else:
        divisor = count.reshape((1,) * (x.ndim - 1 - count.ndim) + (*count.shape, 1))
    return (total / np.asarray(divisor, total.dtype)).astype(x.dtype)


def lp_pool(
    x: ArrayLike,
    p: float,
    window: Sequence[int],
    *,
    stride: Ints | None = None,
    padding: Padding = "VALID",
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> jax.Array:
    r"""Take the p-norm of each window, $(\sum_t |x_t|^p)^{1/p}$.

    Padding counts as zeros. Where the norm is 0 its gradient is taken as 0. Low precision accumulates in float32.

    Args:
        x: `[*batch, *space, channels]`, floating or complex.
        p: The norm's exponent, finite and at least 1; `max_pool` of |x| is the norm for p = ∞.
        window: One size per space axis; their number says which axes are space.
        stride: Steps between windows, one or one per axis; None is the window.
        padding: A word, an int, or an int or (low, high) pair per axis; not negative.
        dilation: Steps between taps.
        ceil_mode: Round the number of windows up.

    Returns:
        `[*batch, *output_size, channels]`, in x's dtype; real for complex x.

    Raises:
        GeometryError: If the arguments describe no pooling, or p is no norm's exponent.
        UnsupportedError: If x is of integers.

    Example:
        >>> import jax.numpy as jnp
        >>> lp_pool(jnp.array([[3.0], [-4.0], [0.0], [0.0]]), 2, (2,)).ravel().tolist()
        [5.0, 0.0]

    References:
        Sermanet, Chintala and LeCun, Convolutional neural networks applied to house numbers digit classification,
        2012, https://arxiv.org/abs/1204.3968
    """
    x = array("lp_pool", "x", x, booleans=True)
    _check_inexact("lp_pool", x)
    if isinstance(p, bool) or not isinstance(p, Real) or not 1 <= p < math.inf:
        raise GeometryError(
            f"lp_pool: p must be finite and at least 1; got p={p!r}. For p = ∞ take max_pool of the absolute value."
        )
    geometry, _ = _geometry("lp_pool", x, window, stride, padding, dilation, ceil_mode)
    size = jnp.abs(x)
    total = _sum(_wide(size) ** p, geometry)
    # The root's slope at 0 is infinite: take it at 1 there, so that no 0·∞ enters the gradient.
    zero = total == 0
    norm = jnp.where(zero, 0, jnp.where(zero, 1, total) ** (1 / p))
    return norm.astype(size.dtype)


def _geometry(
    caller: str,
    x: jax.Array,
    window: Sequence[int],
    stride: Ints | None,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
) -> tuple[Geometry, Pads]:
    """Return the geometry of a pooling, and the padding as asked for: ceil mode may reach beyond it."""
    sizes = entries_of(window)
    if not sizes:
        raise GeometryError(
            f"{caller}: window must be a sequence of ints, one per space axis; got window={window!r}. "
            "Write (2, 2) for images, (2,) for series: its length says which axes are space."
        )
    window = per_axis(caller, "window", window, len(sizes))
    if not all(isinstance(size, int) for size in x.shape[-len(sizes) - 1 : -1]):
        raise UnsupportedError(
            f"{caller}: x must have space sizes that are known; got shape {x.shape}. Export with the batch open alone."
        )
    kernel_shape = (*window, x.shape[-1] if x.ndim else 1, 1)
    stride = window if stride is None else stride
    # Full padding fits any window: this checks the numbers that padding words resolve on.
    full = conv_geometry(x.shape, kernel_shape, stride=stride, padding="FULL", dilation=dilation, caller=caller)
    pads = resolve_padding(caller, padding, full.input_size, full.extent, full.stride)
    if any(entry < 0 for pair in pads for entry in pair):
        raise GeometryError(f"{caller}: padding must not be negative; got padding={padding}. Slice x instead.")
    more = [s - 1 if ceil_mode else 0 for s in full.stride]
    reached = [(low, high + rest) for (low, high), rest in zip(pads, more, strict=True)]
    geometry = conv_geometry(x.shape, kernel_shape, stride=stride, padding=reached, dilation=dilation, caller=caller)
    if not ceil_mode:
        return geometry, pads
    ends = zip(geometry.output_size, geometry.stride, geometry.input_size, geometry.low, strict=True)
    output_size = tuple(p - (p > 1 and (p - 1) * s >= n + low) for p, s, n, low in ends)
    return replace(geometry, output_size=output_size), pads


def _counts(geometry: Geometry, first: Sequence[int], last: Sequence[int]) -> list[np.ndarray]:
    """Return, per axis and output p, the number of taps t with first ≤ s·p + d·t < last, padding included."""
    counts = []
    for axis, (start, stop) in enumerate(zip(first, last, strict=True)):
        p = np.arange(geometry.output_size[axis])[:, None]
        place = geometry.stride[axis] * p + geometry.dilation[axis] * np.arange(geometry.window[axis])
        counts.append(((place >= start) & (place < stop)).sum(axis=1))
    return counts


def _seen(geometry: Geometry) -> list[np.ndarray]:
    """Return, per axis and output, the number of taps on x itself."""
    last = [low + n for low, n in zip(geometry.low, geometry.input_size, strict=True)]
    return _counts(geometry, geometry.low, last)


def _check_seen(caller: str, geometry: Geometry) -> None:
    for axis, counts in enumerate(_seen(geometry)):
        if counts.min() == 0:
            raise GeometryError(
                f"{caller}: each window must see an entry of x; got output {int(counts.argmin())} along space axis "
                f"{axis} in padding alone (window={geometry.window[axis]}, low padding {geometry.low[axis]}, "
                f"dilation={geometry.dilation[axis]}, size {geometry.input_size[axis]}). Pad less."
            )


def _check_inexact(caller: str, x: jax.Array) -> None:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise UnsupportedError(
            f"{caller}: x must be floating or complex; got dtype {x.dtype}. Convert it, x.astype(jnp.float32)."
        )


def _wide(x: jax.Array) -> jax.Array:
    """Return x in float32 where it has less."""
    return x.astype(accumulator(x.dtype))


def _sum(x: jax.Array, geometry: Geometry) -> jax.Array:
    x = _wide(x)
    return _reduce(x, geometry, np.zeros((), x.dtype), lax.add)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _largest(x: jax.Array, geometry: Geometry) -> jax.Array:
    return _reduce(x, geometry, _least(x.dtype), lax.max)


@_largest.defjvp
def _largest_jvp(geometry: Geometry, primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    """Differentiate the maximum without padding: copying it costs, so only here."""

    def largest(x: jax.Array) -> jax.Array:
        return _reduce(*_continued(x, geometry), _least(x.dtype), lax.max)

    return jax.jvp(largest, primals, tangents)


def _least(dtype: np.dtype) -> np.ndarray:
    """Return the identity of the maximum."""
    if dtype == jnp.bool_:
        return np.array(False)
    if jnp.issubdtype(dtype, jnp.integer):
        return np.array(jnp.iinfo(dtype).min, dtype)
    least = np.array(-np.inf, dtype)  # some floats of 8 bits have no infinity
    return np.array(jnp.finfo(dtype).min, dtype) if np.isnan(least.astype(np.float32)) else least


def _continued(x: jax.Array, geometry: Geometry) -> tuple[jax.Array, Geometry]:
    """Pad by entries that the window sees anyway, d·m steps further in: no gradient of a tie falls on padding."""
    size = []
    for axis, (n, d) in enumerate(zip(geometry.input_size, geometry.dilation, strict=True)):
        low, high, place = geometry.low[axis], max(geometry.high[axis], 0), x.ndim - 1 - len(geometry.window) + axis
        before = np.minimum(np.arange(-low, 0) % d, n - 1)
        after = np.maximum(n - 1 - (-1 - np.arange(high)) % d, 0)
        parts = [jnp.take(x, index, place, mode="clip") for index in (before, after)]
        x = jnp.concatenate([parts[0], x, parts[1]], place) if low or high else x
        size.append(low + n + high)
    return x, replace(geometry, input_size=tuple(size), low=(0,) * len(size))


def _reduce(x: jax.Array, geometry: Geometry, init: np.ndarray, combine: Callable) -> jax.Array:
    """Combine each window, the padding being `init`."""
    first = x.ndim - 1 - len(geometry.window)
    pads = [(low, max(high, 0)) for low, high in zip(geometry.low, geometry.high, strict=True)]
    stride = list(geometry.stride)
    if max(geometry.dilation) > 1:
        # JAX cannot differentiate a dilated maximum: lay the taps side by side, then windows of stride k tile them.
        x = lax.pad(x, init, [(0, 0, 0)] * first + [(low, high, 0) for low, high in pads] + [(0, 0, 0)])
        pads = [(0, 0)] * len(pads)
        for i, d in enumerate(geometry.dilation):
            if d > 1:
                stop = stride[i] * (geometry.output_size[i] - 1) + 1
                taps = [
                    lax.slice_in_dim(x, d * t, d * t + stop, stride[i], first + i) for t in range(geometry.window[i])
                ]
                stacked = jnp.stack(taps, axis=first + i + 1)
                x = lax.collapse(stacked, first + i, first + i + 2)
                stride[i] = geometry.window[i]
    ones = (1,) * first
    return lax.reduce_window(
        x, init, combine, (*ones, *geometry.window, 1), (*ones, *stride, 1), [(0, 0)] * first + pads + [(0, 0)]
    )
