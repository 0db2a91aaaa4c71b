"""The convolution as a dense doubly block Toeplitz matrix, times the input as a vector.

    vec(y) = T · vec(x),   T[(p, o), (l, c)] = kernel[t, c, o] where e·l = s·p + d·t − lo, else 0

Cost: ΠP·C_out × ΠL·C_in products, almost all with zeros; an inf times such a zero spreads as NaN.
Reference: Gray, Toeplitz and circulant matrices: a review, 2006, https://doi.org/10.1561/0100000006.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, accumulator, gather_matrix, matrix_vector, open_sizes, too_large
from jconv.geometry import Geometry


def toeplitz_blocks(kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the matrix of each group, `[G, ΠP, o, ΠL, c]`.

    Args:
        kernel: `[*k, c, G·o]`.
        geometry: How input and kernel are combined.

    Returns:
        The matrices, their rows and columns split.
    """
    flat, valid = jnp.zeros((1, 1), int), jnp.ones((1, 1), bool)
    for axis, window in enumerate(geometry.window):
        e, s, d = geometry.input_dilation[axis], geometry.stride[axis], geometry.dilation[axis]
        entry = e * jnp.arange(geometry.input_size[axis])
        place = s * jnp.arange(geometry.output_size[axis]) - geometry.low[axis]
        tap, rest = jnp.divmod(entry[None, :] - place[:, None], d)  # the one tap of output p that meets entry l
        hit = (rest == 0) & (tap >= 0) & (tap < window)
        flat = _outer(jnp.add, flat * window, tap)
        valid = _outer(jnp.logical_and, valid, hit)
    rows = kernel.reshape(-1, *kernel.shape[-2:])
    rows = jnp.concatenate([rows, jnp.zeros_like(rows[:1])])  # the last row: no tap meets
    return gather_matrix(rows, jnp.where(valid, flat, len(rows) - 1), geometry.groups)


def conv_toeplitz(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Build the matrix, then one matrix-vector product per example and group."""
    dtype = accumulator(x.dtype, preferred_element_type)
    blocks = toeplitz_blocks(kernel, geometry)
    y = matrix_vector(blocks, x.reshape(x.shape[0], -1), precision=precision, preferred_element_type=dtype)
    return y.reshape(x.shape[0], *geometry.output_size, -1).astype(preferred_element_type)


def _outer(combine: Callable[[jax.Array, jax.Array], jax.Array], a: jax.Array, b: jax.Array) -> jax.Array:
    """Combine tables over (P, L) and (P', L') into one over (P·P', L·L')."""
    table = combine(a[:, None, :, None], b[None, :, None, :])
    return table.reshape(a.shape[0] * b.shape[0], a.shape[1] * b.shape[1])


def _entries(problem: Problem) -> int:
    g = problem.geometry
    return g.groups * (problem.positions * problem.width) * (math.prod(g.input_size) * problem.depth)


def _unsupported(problem: Problem) -> str | None:
    return open_sizes(problem) or too_large("its dense matrix", _entries(problem), problem)


def _cost(problem: Problem) -> Cost:
    products = problem.batch * _entries(problem)
    return direct_cost(problem)._replace(
        multiplications=products, additions=products, intermediate_bytes=_entries(problem) * problem.itemsize
    )


TOEPLITZ = Formulation(
    "toeplitz", "dense doubly block Toeplitz matrix", conv_toeplitz, _unsupported, _cost, local=False
)
