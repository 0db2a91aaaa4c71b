"""`formulation="auto"`: one primitive, closed under differentiation and batching, decided at lowering.

Its transposes and batching rules bind the same primitive with another geometry, so the choice of a formulation is
made after `grad` and `vmap`, for each convolution separately. Transposes never conjugate: only an adjoint does.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jconv._compat import PLATFORMS, platform_of, to_varying, varying_axes
from jconv.costs import Problem
from jconv.formulations import FORMULATIONS
from jconv.formulations._base import accumulator
from jconv.geometry import Geometry
from jconv.selection import taken

conv_auto_p = Primitive("conv_auto")


def bind(x: jax.Array, kernel: jax.Array, *, geometry: Geometry, precision: Any, dtype: Any) -> jax.Array:
    """Bind the primitive: x `[N, *L, G·c]` and kernel `[*k, c, G·o]` give `[N, *P, G·o]` in `dtype`.

    Inside `shard_map` both operands are first made to vary over the same mesh axes: without it the transposes of a
    replicated operand would miss their sum over the mesh.
    """
    if _explicitly_sharded(x) or _explicitly_sharded(kernel):
        # Where types carry shardings, XLA's own convolution knows where to place outputs and gradients.
        direct = FORMULATIONS["direct"].apply
        return direct(x, kernel, geometry, precision=precision, preferred_element_type=dtype)
    x, kernel = _vary_together(x, kernel)
    return conv_auto_p.bind(x, kernel, geometry=geometry, precision=precision, dtype=dtype)


def problem_of(x: jax.Array, kernel: jax.Array, geometry: Geometry, platform: str) -> Problem:
    """Return the problem that operands and geometry pose on a platform."""
    return Problem(geometry, x.shape[0], x.shape[-1], kernel.shape[-1], jnp.dtype(x.dtype).name, platform)


def flip_exchange(kernel: jax.Array, groups: int) -> jax.Array:
    """Return the kernel of the derivative by the input: flipped, `[*k, c, G·o] → [*k, o, G·c]`."""
    kernel = jnp.flip(kernel, range(kernel.ndim - 2))
    *window, depth, out = kernel.shape
    kernel = kernel.reshape(*window, depth, groups, out // groups)
    return kernel.swapaxes(-3, -1).reshape(*window, out // groups, groups * depth)


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


def compute(
    x: jax.Array, kernel: jax.Array, *, geometry: Geometry, precision: Any, dtype: Any, platform: str
) -> jax.Array:
    """Compute by what is chosen for this problem on this platform; nothing where an operand is empty."""
    if 0 in (*x.shape, *kernel.shape):
        return jnp.zeros((x.shape[0], *geometry.output_size, kernel.shape[-1]), dtype)
    name = taken(problem_of(x, kernel, geometry, platform))
    return FORMULATIONS[name].apply(x, kernel, geometry, precision=precision, preferred_element_type=dtype)


def _abstract(x: jax.Array, kernel: jax.Array, *, geometry: Geometry, precision: Any, dtype: Any) -> Any:
    """Take the abstract value from `direct`, which keeps explicit sharding and varying mesh axes right."""
    direct = functools.partial(
        FORMULATIONS["direct"].apply, geometry=geometry, precision=precision, preferred_element_type=dtype
    )
    return jax.make_jaxpr(direct)(x, kernel).out_avals[0]


def _input_transpose(
    ct: jax.Array, x: Any, kernel: jax.Array, *, geometry: Geometry, precision: Any, dtype: Any
) -> jax.Array:
    to = x.aval.dtype
    exchanged = flip_exchange(kernel, geometry.groups)
    ct, exchanged = _same_dtype(ct, exchanged)
    return bind(ct, exchanged, geometry=geometry.input_gradient(), precision=precision, dtype=ct.dtype).astype(to)


def _kernel_transpose(
    ct: jax.Array, x: jax.Array, kernel: Any, *, geometry: Geometry, precision: Any, dtype: Any
) -> jax.Array:
    to = kernel.aval.dtype
    groups = geometry.groups
    x, ct = _same_dtype(x, ct)
    # Batch and channels change places: x [N, L, G·c] → [c, L, G·N], ct [N, P, G·o] → [P, N, G·o].
    batch, *size, channels = x.shape
    x = x.reshape(batch, *size, groups, channels // groups).swapaxes(0, -1)
    x = x.reshape(channels // groups, *size, groups * batch)
    ct = jnp.moveaxis(ct, 0, -2)
    kernel_ct = bind(x, ct, geometry=geometry.kernel_gradient(), precision=precision, dtype=ct.dtype)
    return jnp.moveaxis(kernel_ct, 0, -2).astype(to)


def _same_dtype(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Cast the narrower operand: under `preferred_element_type` a cotangent is wider than the primals."""
    if a.dtype == b.dtype:
        return a, b
    dtype = accumulator(a.dtype, b.dtype)
    return a.astype(dtype), b.astype(dtype)


def _batch(
    operands: Sequence[jax.Array], mapped: Sequence[Any], *, geometry: Geometry, precision: Any, dtype: Any
) -> tuple[jax.Array, int]:
    """Fold the mapped axis V: of x alone into the batch, of the kernel alone into outputs, of both into groups."""
    x, kernel = operands
    x_axis, kernel_axis = mapped
    run = functools.partial(bind, precision=precision, dtype=dtype)
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
        return jnp.zeros((0, x.shape[0], *geometry.output_size, out), dtype), 0
    x = x.reshape(*x.shape[:-2], size * x.shape[-1])
    more = replace(geometry, groups=size * groups)
    y = run(x, kernel.reshape(*window, depth, size * out), geometry=more)
    return jnp.moveaxis(y.reshape(*y.shape[:-1], size, out), -2, 0), 0


_compiled = jax.jit(compute, static_argnames=("geometry", "precision", "dtype", "platform"))


def _eager(x: jax.Array, kernel: jax.Array, **params: Any) -> jax.Array:
    """Compile once for each problem; binding the primitive again would recurse under `jax.disable_jit`."""
    return _compiled(x, kernel, platform=platform_of(next(iter(x.devices()))), **params)


conv_auto_p.def_impl(_eager)
conv_auto_p.def_abstract_eval(_abstract)
ad.defbilinear(conv_auto_p, _input_transpose, _kernel_transpose)
batching.primitive_batchers[conv_auto_p] = _batch
for _platform in PLATFORMS:
    _lowering = mlir.lower_fun(functools.partial(compute, platform=_platform), multiple_results=False)
    mlir.register_lowering(conv_auto_p, _lowering, platform=_platform)
