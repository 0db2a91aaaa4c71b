"""A convolution as a primitive that is closed under differentiation and batching, and decided at lowering.

Its transposes and batching rules bind the same primitive with another geometry, so what computes it is decided after
`grad` and `vmap`, for each convolution separately. Transposes never conjugate: only an adjoint does.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jconv._compat import Program, apply_primitive, program, to_varying, varying_axes
from jconv.costs import PLATFORMS
from jconv.formulations._base import accumulator
from jconv.formulations._xla import xla_conv
from jconv.geometry import Geometry


class Compute(Protocol):
    """Compute the convolution where it is lowered."""

    def __call__(
        self,
        x: jax.Array,
        kernel: jax.Array,
        *,
        geometry: Geometry,
        precision: Any,
        dtype: Any,
        kernel_gradient: bool,
        platform: str,
        program: Program,
    ) -> jax.Array:
        """Return `[N, *P, G·o]` in `dtype`.

        `kernel_gradient` says that it is one, of another convolution; `program` is what the lowered program may hold.
        """
        ...


class Bind(Protocol):
    """Bind the primitive."""

    def __call__(
        self,
        x: jax.Array,
        kernel: jax.Array,
        *,
        geometry: Geometry,
        precision: Any,
        dtype: Any,
        kernel_gradient: bool = False,
    ) -> jax.Array:
        """Give x `[N, *L, G·c]` and kernel `[*k, c, G·o]` to the primitive, which gives `[N, *P, G·o]` in `dtype`."""
        ...


def closed(name: str, compute: Compute) -> Bind:
    """Make the primitive.

    Args:
        name: Its name in jaxprs.
        compute: What it lowers to.

    Returns:
        What binds it.
    """
    primitive = Primitive(name)

    def bind(
        x: jax.Array,
        kernel: jax.Array,
        *,
        geometry: Geometry,
        precision: Any,
        dtype: Any,
        kernel_gradient: bool = False,
    ) -> jax.Array:
        if _explicitly_sharded(x) or _explicitly_sharded(kernel):
            # Where types carry shardings, XLA's own convolution knows where to place outputs and gradients.
            return xla_conv(x, kernel, geometry, precision=precision, preferred_element_type=dtype)
        # In `shard_map` a replicated operand is first made to vary as the other does: without it its transpose would
        # miss the sum over the mesh.
        x, kernel = _vary_together(x, kernel)
        settings: Any = {"precision": precision, "dtype": dtype, "kernel_gradient": kernel_gradient}
        return primitive.bind(x, kernel, geometry=geometry, **settings)

    def unless_empty(x: jax.Array, kernel: jax.Array, **params: Any) -> jax.Array:
        if 0 in (*x.shape, *kernel.shape):
            shape = x.shape[0], *params["geometry"].output_size, kernel.shape[-1]
            return jnp.zeros(shape, params["dtype"])
        return compute(x, kernel, **params)

    def lowering(platform: str) -> Any:
        def lower(ctx: Any, *operands: Any, **params: Any) -> Any:
            run = functools.partial(unless_empty, platform=platform, program=program(ctx))
            return mlir.lower_fun(run, multiple_results=False)(ctx, *operands, **params)

        return lower

    primitive.def_impl(functools.partial(apply_primitive, primitive))
    primitive.def_abstract_eval(_abstract)
    ad.defbilinear(primitive, functools.partial(_input_transpose, bind), functools.partial(_kernel_transpose, bind))
    batching.primitive_batchers[primitive] = functools.partial(_batch, bind)
    for platform in PLATFORMS:
        mlir.register_lowering(primitive, lowering(platform), platform=platform)
    return bind


def flip_exchange(kernel: jax.Array, groups: int) -> jax.Array:
    """Return the kernel of the derivative by the input: flipped, `[*k, c, G·o] → [*k, o, G·c]`.

    Flipped last: XLA on GPUs knows an input's gradient by its flipped kernel, and has a faster way for it.
    """
    *window, depth, out = kernel.shape
    kernel = kernel.reshape(*window, depth, groups, out // groups)
    kernel = kernel.swapaxes(-3, -1).reshape(*window, out // groups, groups * depth)
    return jnp.flip(kernel, range(kernel.ndim - 2))


def _explicitly_sharded(operand: jax.Array) -> bool:
    sharding = getattr(jax.typeof(operand), "sharding", None)
    return sharding is not None and any(axis is not None for axis in sharding.spec)


def _vary_together(*operands: jax.Array) -> list[jax.Array]:
    axes = [varying_axes(operand) for operand in operands]
    every = frozenset().union(*axes)
    return [
        to_varying(operand, tuple(every - has)) if every - has else operand
        for operand, has in zip(operands, axes, strict=True)
    ]


def _abstract(x: jax.Array, kernel: jax.Array, *, geometry: Geometry, precision: Any, dtype: Any, **_: Any) -> Any:
    """Take the abstract value from XLA's own, which keeps explicit sharding and varying mesh axes right."""
    direct = functools.partial(xla_conv, geometry=geometry, precision=precision, preferred_element_type=dtype)
    return jax.make_jaxpr(direct)(x, kernel).out_avals[0]


def _input_transpose(
    bind: Bind, ct: jax.Array, x: Any, kernel: jax.Array, *, geometry: Geometry, precision: Any, **_: Any
) -> jax.Array:
    to = x.aval.dtype
    exchanged = flip_exchange(kernel, geometry.groups)
    ct, exchanged = _same_dtype(ct, exchanged)
    return bind(ct, exchanged, geometry=geometry.input_gradient(), precision=precision, dtype=ct.dtype).astype(to)


def _kernel_transpose(
    bind: Bind, ct: jax.Array, x: jax.Array, kernel: Any, *, geometry: Geometry, precision: Any, **_: Any
) -> jax.Array:
    to = kernel.aval.dtype
    x, ct = _same_dtype(x, ct)
    run = functools.partial(bind, precision=precision, kernel_gradient=True)
    return _kernel_gradient(run, x, ct, geometry).astype(to)


def _kernel_gradient(run: Callable[..., jax.Array], x: jax.Array, ct: jax.Array, geometry: Geometry) -> jax.Array:
    groups = geometry.groups
    if max(geometry.input_dilation) > 1 == max(geometry.stride):
        # ⟨ȳ, x ∗ k⟩ = ⟨x, ȳ ∗ k̃⟩, and the strided convolution has no zeros between its inputs.
        return flip_exchange(_kernel_gradient(run, ct, x, geometry.input_gradient()), groups)
    # Batch and channels change places: x [N, L, G·c] → [c, L, G·N], ct [N, P, G·o] → [P, N, G·o].
    batch, *size, channels = x.shape
    x = x.reshape(batch, *size, groups, channels // groups).swapaxes(0, -1)
    x = x.reshape(channels // groups, *size, groups * batch)
    ct = jnp.moveaxis(ct, 0, -2)
    kernel_ct = run(x, ct, geometry=geometry.kernel_gradient(), dtype=ct.dtype)
    return jnp.moveaxis(kernel_ct, 0, -2)


def _same_dtype(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Cast the narrower operand: under `preferred_element_type` a cotangent is wider than the primals."""
    if a.dtype == b.dtype:
        return a, b
    dtype = accumulator(a.dtype, b.dtype)
    return a.astype(dtype), b.astype(dtype)


def _batch(
    bind: Bind, operands: Sequence[jax.Array], mapped: Sequence[Any], *, geometry: Geometry, **params: Any
) -> tuple[jax.Array, int]:
    """Fold the mapped axis V: of x alone into the batch, of the kernel alone into outputs, of both into groups."""
    x, kernel = operands
    x_axis, kernel_axis = mapped
    run = functools.partial(bind, **params)
    groups = geometry.groups
    if kernel_axis is None:
        x = jnp.moveaxis(x, x_axis, 0)
        size, batch = x.shape[:2]
        y = run(x.reshape(size * batch, *x.shape[2:]), kernel, geometry=geometry)
        return y.reshape(size, batch, *y.shape[1:]), 0
    kernel = jnp.moveaxis(kernel, kernel_axis, -2)
    *window, depth, size, out = kernel.shape
    if x_axis is None:  # kernel [*k, c, V, G, o] → [*k, c, G, V·o]: wider outputs inside each group
        kernel = kernel.reshape(*window, depth, size, groups, out // groups).swapaxes(-3, -2)
        y = run(x, kernel.reshape(*window, depth, size * out), geometry=geometry)
        y = jnp.moveaxis(y.reshape(*y.shape[:-1], groups, size, out // groups), -2, 0)
        return y.reshape(*y.shape[:-2], out), 0
    # x [N, *L, V·G·c], kernel [*k, c, V·G·o]: V times the groups
    x = jnp.moveaxis(x, x_axis, -2)
    if size == 0:  # no groups at all make no geometry
        return jnp.zeros((0, x.shape[0], *geometry.output_size, out), params["dtype"]), 0
    x = x.reshape(*x.shape[:-2], size * x.shape[-1])
    more = replace(geometry, groups=size * groups)
    y = run(x, kernel.reshape(*window, depth, size * out), geometry=more)
    return jnp.moveaxis(y.reshape(*y.shape[:-1], size, out), -2, 0), 0
