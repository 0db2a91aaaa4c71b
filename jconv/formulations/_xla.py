"""XLA's own convolution, `lax.conv_general_dilated`, under a primitive of its own.

`jconv.install()` gives `lax.conv_general_dilated` another lowering. What is called XLA's own must not follow it, or
experiments would compare jconv with itself. So `stock_conv` traces what lax would trace, forward, transposed and
batched, and binds each convolution in it to a primitive that always has the lowering that JAX came with.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Literal, Primitive
from jax.interpreters import ad, batching, mlir

from jconv._compat import apply_primitive, stock_lowerings
from jconv.formulations._base import pad_input
from jconv.geometry import Geometry

stock_conv_p = Primitive("conv_stock")


def stock_conv(lhs: jax.Array, rhs: jax.Array, *args: Any, **kwargs: Any) -> jax.Array:
    """Do what `lax.conv_general_dilated` does, whatever is installed."""
    return _renamed(lambda lhs, rhs: lax.conv_general_dilated(lhs, rhs, *args, **kwargs), lhs, rhs)


def _renamed(function: Callable[..., jax.Array], *operands: Any) -> jax.Array:
    """Run the program that JAX traces of `function`, each convolution bound to the stock primitive."""
    traced = jax.make_jaxpr(function)(*operands)
    values = dict(zip(traced.jaxpr.invars, operands, strict=True))
    values |= dict(zip(traced.jaxpr.constvars, traced.consts, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    for eqn in traced.jaxpr.eqns:
        primitive = stock_conv_p if eqn.primitive is lax.conv_general_dilated_p else eqn.primitive
        result = primitive.bind(*map(read, eqn.invars), **eqn.params)
        values |= zip(eqn.outvars, result if primitive.multiple_results else [result], strict=True)
    return read(traced.jaxpr.outvars[0])


def _lhs_transpose(ct: jax.Array, lhs: Any, rhs: jax.Array, **params: Any) -> jax.Array:
    def transpose(ct: jax.Array, rhs: jax.Array) -> jax.Array:
        return jax.linear_transpose(lambda lhs: lax.conv_general_dilated_p.bind(lhs, rhs, **params), lhs.aval)(ct)[0]

    return _renamed(transpose, ct, rhs)


def _rhs_transpose(ct: jax.Array, lhs: jax.Array, rhs: Any, **params: Any) -> jax.Array:
    def transpose(ct: jax.Array, lhs: jax.Array) -> jax.Array:
        return jax.linear_transpose(lambda rhs: lax.conv_general_dilated_p.bind(lhs, rhs, **params), rhs.aval)(ct)[0]

    return _renamed(transpose, ct, lhs)


def _batch(operands: Any, mapped: Any, **params: Any) -> tuple[jax.Array, int]:
    convolve = jax.vmap(lambda lhs, rhs: lax.conv_general_dilated_p.bind(lhs, rhs, **params), in_axes=tuple(mapped))
    return _renamed(convolve, *operands), 0


stock_conv_p.def_impl(functools.partial(apply_primitive, stock_conv_p))
stock_conv_p.def_effectful_abstract_eval(lax.conv_general_dilated_p.abstract_eval)
ad.defbilinear(stock_conv_p, _lhs_transpose, _rhs_transpose)
batching.primitive_batchers[stock_conv_p] = _batch
for _platform, _rule in stock_lowerings(lax.conv_general_dilated_p).items():
    mlir.register_lowering(stock_conv_p, _rule, platform=_platform)


def xla_conv(
    x: jax.Array,
    kernel: jax.Array,
    geometry: Geometry,
    *,
    precision: Any,
    preferred_element_type: Any,
    batch_groups: bool = False,
) -> jax.Array:
    """Call XLA's convolution, cropping by slices: XLA reads past its buffer on some negative paddings.

    A high padding of zero or more that gives the same output is taken where there is one, so that the program
    stays what a user of lax would have written. With `batch_groups` the groups are the batch's, as lax writes the
    gradient of a grouped kernel, and not the channels': the same sums, x `[c, *L, G·N]` as `[G·c, *L, N]`.
    """
    # Symbolic sizes make symbolic pads, and lax wants ints here.
    if not all(isinstance(pad, int) for pad in (*geometry.low, *geometry.high)):
        x, geometry = padded_first(x, geometry)
    x, pads = cropped(x, geometry)
    if 0 in x.shape:
        return jnp.zeros((x.shape[0], *geometry.output_size, kernel.shape[-1]), preferred_element_type)
    if batch_groups:
        x = jnp.moveaxis(x.reshape(*x.shape[:-1], geometry.groups, -1), -2, 0)
        x = x.reshape(-1, *x.shape[2:])
    axes = "".join(chr(ord("0") + axis) for axis in range(len(pads)))
    return stock_conv(
        x,
        kernel,
        geometry.stride,
        pads,
        lhs_dilation=geometry.input_dilation,
        rhs_dilation=geometry.dilation,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        feature_group_count=1 if batch_groups else geometry.groups,
        batch_group_count=geometry.groups if batch_groups else 1,
        precision=precision,
        preferred_element_type=None if preferred_element_type == x.dtype else preferred_element_type,
    )


def padded_first(x: jax.Array, geometry: Geometry) -> tuple[jax.Array, Geometry]:
    """Return the dilated and padded input, and the geometry that neither dilates nor pads it."""
    x = pad_input(x, geometry)
    none = (0,) * len(geometry.window)
    return x, replace(geometry, input_size=x.shape[1:-1], input_dilation=(1,) * len(none), low=none)


def cropped(x: jax.Array, geometry: Geometry) -> tuple[jax.Array, list[tuple[int, int]]]:
    """Return the entries that negative padding leaves, none where only padding is seen, and pads of zero or more."""
    starts, stops, pads = [], [], []
    sizes = zip(geometry.input_size, geometry.input_dilation, geometry.stride, geometry.low, geometry.high, strict=True)
    for size, e, s, low, high in sizes:
        if -s < high < 0:
            high = 0
        first = -(min(low, 0) // e)  # entries cropped: ⌈−low / e⌉, and what they overshoot is padded again
        last = -(min(high, 0) // e)
        starts.append(min(first, size))
        stops.append(max(starts[-1], size - last))
        pads.append((low + e * first, high + e * last))
    return lax.slice(x, (0, *starts, 0), (x.shape[0], *stops, x.shape[-1])), pads


def unpadded(geometry: Geometry) -> bool:
    """Return whether no window of a convolution reaches beyond its input."""
    return max(*geometry.low, *geometry.high) <= 0


def longer(geometry: Geometry) -> Geometry:
    """Return the geometry with one more output along the first axis."""
    first, *rest = geometry.output_size
    return replace(geometry, output_size=(first + 1, *rest))


def conv_overhang(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Compute one output more along the first axis where there is no padding, and cut it off."""
    more = longer(geometry) if unpadded(geometry) else geometry
    y = xla_conv(x, kernel, more, precision=precision, preferred_element_type=preferred_element_type)
    return y[:, : geometry.output_size[0]]
