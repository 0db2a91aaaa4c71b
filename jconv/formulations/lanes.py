"""Few channels in many groups: the groups are the vector, each tap and channel of a group one multiply-add.

    y[n, p, o, g] = Σ_{t,c} x_c[n, s·p + d·t − lo, g] · kernel[t, c, o, g],   x_c[n, l, g] = x[n, l, g·C + c]

What `shifts` does for one channel per group, for a few: a matrix product of 4×4 channels leaves a processor's vectors
empty, and sixteen multiply-adds over all groups fill them.
Cost: the direct multiplications; the input once more, channels of a group first.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import (
    Formulation,
    accumulator,
    always,
    dynamic_tap_slice,
    pad_input,
    tap_slice,
    tap_starts,
    taps,
)
from jconv.geometry import Geometry

UNROLLED = 40  # multiply-adds in one program: more, and differentiated, they compile for seconds


def conv_lanes(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Accumulate tap after tap, channel after channel; a scan over the taps when there are many."""
    del precision  # no matrix product
    dtype, groups = accumulator(x.dtype, preferred_element_type), geometry.groups
    padded = pad_input(x, geometry)
    padded = jnp.moveaxis(padded.reshape(*padded.shape[:-1], groups, -1), -1, 0)  # [c, N, *L, G]
    depth = padded.shape[0]
    rows = kernel.reshape(-1, depth, groups, kernel.shape[-1] // groups).swapaxes(-1, -2).astype(dtype)  # [T, c, o, G]

    def term(slices: list[jax.Array], row: jax.Array) -> jax.Array:
        lanes = (row[c][(None,) * (slices[c].ndim - 1)] * slices[c][..., None, :].astype(dtype) for c in range(depth))
        return sum(lanes, start=jnp.zeros((), dtype))

    if len(rows) * depth > UNROLLED:
        starts = tap_starts(geometry)

        def add(total: jax.Array, tap: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
            start, row = tap
            return total + term([dynamic_tap_slice(padded[c], start, geometry) for c in range(depth)], row), None

        first = term([dynamic_tap_slice(padded[c], jnp.asarray(starts[0]), geometry) for c in range(depth)], rows[0])
        y, _ = lax.scan(add, first, (jnp.asarray(starts[1:]), rows[1:]))
    else:
        every = enumerate(taps(geometry))
        terms = (term([tap_slice(padded[c], tap, geometry) for c in range(depth)], rows[i]) for i, tap in every)
        y = sum(terms, start=jnp.zeros((), dtype))
    return y.swapaxes(-1, -2).reshape(*y.shape[:-2], -1).astype(preferred_element_type)


def _cost(problem: Problem) -> Cost:
    g = problem.geometry
    as_it_is = g.padded_size == g.input_size and problem.depth == 1
    laid_out = 0 if as_it_is else problem.padded_elements
    summed = problem.taps * problem.depth > UNROLLED  # in a scan, else in one pass
    elements = laid_out + summed * problem.batch * problem.positions * problem.out_channels
    return direct_cost(problem)._replace(intermediate_bytes=elements * problem.itemsize)


LANES = Formulation("lanes", "groups as the vector, a multiply-add per tap and channel", conv_lanes, always, _cost)
