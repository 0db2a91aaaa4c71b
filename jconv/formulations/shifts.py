"""One 1×1 product per tap over the shifted input, summed.

    y[n, p, o] = Σ_t ( Σ_c x[n, s·p + d·t − lo, c] · kernel[t, c, o] )

Cost: the direct multiplications, no patches. With one channel per group the product is elementwise; else XLA keeps the
products of all taps until it sums them, so a scan adds them up one by one where they would leave the cache.
Dual to `sliding`, which makes one product per output position.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import (
    UNROLLED_TAPS,
    Formulation,
    accumulator,
    always,
    dynamic_tap_slice,
    pad_input,
    product,
    tap_slice,
    tap_starts,
    taps,
)
from jconv.geometry import Geometry

IN_CACHE = 2**24  # bytes of the products of all taps, at most, that are kept until they are summed


def conv_shifts(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Accumulate tap after tap; a scan when there are many, or their products are large."""
    dtype = accumulator(x.dtype, preferred_element_type)
    padded = pad_input(x, geometry)
    rows = kernel.reshape(-1, *kernel.shape[-2:])
    multiplier = kernel.shape[-1] // geometry.groups

    def term(shifted: jax.Array, row: jax.Array) -> jax.Array:
        if kernel.shape[-2] > 1:  # [N, *P, G·c] × [c, G·o]
            return product(
                shifted[..., None, :],
                row[None],
                geometry.groups,
                precision=precision,
                preferred_element_type=dtype,
            )
        shifted = shifted if multiplier == 1 else jnp.repeat(shifted, multiplier, axis=-1)
        return shifted.astype(dtype) * lax.expand_dims(row[0].astype(dtype), range(shifted.ndim - 1))

    problem = Problem(geometry, x.shape[0], x.shape[-1], kernel.shape[-1], x.dtype.name)
    if _scans(problem):
        starts = tap_starts(geometry)

        def add(total: jax.Array, tap: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
            start, row = tap
            return total + term(dynamic_tap_slice(padded, start, geometry), row), None

        first = term(dynamic_tap_slice(padded, jnp.asarray(starts[0]), geometry), rows[0])
        y, _ = lax.scan(add, first, (jnp.asarray(starts[1:]), rows[1:]))
    else:
        every = enumerate(taps(geometry))
        y = sum((term(tap_slice(padded, tap, geometry), rows[i]) for i, tap in every), start=jnp.zeros((), dtype))
    return y.astype(preferred_element_type)


def _scans(problem: Problem) -> bool:
    """Whether the taps are added up one by one."""
    known = isinstance(problem.batch * problem.positions, int)  # `jax.export` may leave sizes open
    return problem.taps > UNROLLED_TAPS or (known and _products(problem) * problem.itemsize > IN_CACHE)


def _products(problem: Problem) -> int:
    """Return the entries of the products of all taps; none where they are elementwise."""
    return problem.taps * problem.batch * problem.positions * problem.out_channels if problem.depth > 1 else 0


def _cost(problem: Problem) -> Cost:
    outputs = problem.batch * problem.positions * problem.out_channels
    elements = problem.padded_elements + (2 * outputs if _scans(problem) else _products(problem))
    return direct_cost(problem)._replace(intermediate_bytes=elements * problem.itemsize)


SHIFTS = Formulation("shifts", "one 1×1 product per tap, summed", conv_shifts, always, _cost)
