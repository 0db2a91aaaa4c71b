"""The Toeplitz matrix with only its taps stored: a sparse matrix times the input as a vector.

    vec(y) = T · vec(x), the entries of T given as triplets (output, input, kernel[t, c, o])

Cost: the valid multiplications; a value and two indices stored for each pair of output and input.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, accumulator, open_sizes, too_large
from jconv.geometry import Geometry

if TYPE_CHECKING:
    from jax.experimental import sparse


def coordinates(geometry: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every meeting of an output, a tap and an input entry, as flat indices.

    Args:
        geometry: How input and kernel are combined.

    Returns:
        Output positions, taps and input positions, equally long.
    """
    position = tap = entry = np.zeros(1, int)
    for axis, window in enumerate(geometry.window):
        p, t = np.indices((geometry.output_size[axis], window)).reshape(2, -1)
        place = geometry.stride[axis] * p + geometry.dilation[axis] * t - geometry.low[axis]
        read, hole = np.divmod(place, geometry.input_dilation[axis])
        hit = (hole == 0) & (read >= 0) & (read < geometry.input_size[axis])
        position = np.add.outer(position * geometry.output_size[axis], p[hit]).ravel()
        tap = np.add.outer(tap * window, t[hit]).ravel()
        entry = np.add.outer(entry * geometry.input_size[axis], read[hit]).ravel()
    return position, tap, entry


def toeplitz_sparse(kernel: jax.Array, geometry: Geometry) -> "sparse.BCOO":
    """Return the Toeplitz matrix, `[ΠP·G·o, ΠL·G·c]`, as BCOO.

    Args:
        kernel: `[*k, c, G·o]`.
        geometry: How input and kernel are combined.

    Returns:
        The matrix; its rows and columns run over positions, then channels.
    """
    from jax.experimental import sparse  # a tenth of a second that only this formulation needs

    position, tap, entry = coordinates(geometry)
    depth, groups = kernel.shape[-2], geometry.groups
    width = kernel.shape[-1] // groups
    values = kernel.reshape(-1, depth, groups, width)[tap]  # [S, c, G, o]
    c, g, o = np.indices((depth, groups, width), sparse=True)
    rows = position[:, None, None, None] * groups * width + (g * width + o)
    columns = entry[:, None, None, None] * groups * depth + (g * depth + c)
    indices = jnp.stack([jnp.broadcast_to(i, values.shape).ravel() for i in (rows, columns)], -1)
    shape = (np.prod(geometry.output_size) * groups * width, np.prod(geometry.input_size) * groups * depth)
    return sparse.BCOO((values.ravel(), indices), shape=tuple(map(int, shape)))


def conv_sparse(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Build the sparse matrix, then multiply and sum its triplets."""
    dtype = accumulator(x.dtype, preferred_element_type)
    matrix = toeplitz_sparse(kernel.astype(dtype), geometry)
    rows, columns = matrix.indices[:, 0], matrix.indices[:, 1]

    def times(vector: jax.Array) -> jax.Array:
        """y[row] = Σ value · x[column], written out: BCOO's own product fails under `shard_map`."""
        sums = jnp.zeros_like(vector, shape=matrix.shape[:1])
        return sums.at[rows].add(matrix.data * vector[columns])

    y = jax.vmap(times)(x.astype(dtype).reshape(x.shape[0], -1))
    return y.reshape(x.shape[0], *geometry.output_size, -1).astype(preferred_element_type)


def _stored(problem: Problem) -> int:
    return direct_cost(replace(problem, batch=1)).valid_multiplications


def _unsupported(problem: Problem) -> str | None:
    return open_sizes(problem) or too_large("its stored entries", _stored(problem), problem, index_bytes=8)


def _cost(problem: Problem) -> Cost:
    spent = problem.batch * _stored(problem)
    stored_bytes = _stored(problem) * (problem.itemsize + 8) + spent * problem.itemsize  # triplets, then terms
    return direct_cost(problem)._replace(multiplications=spent, additions=spent, intermediate_bytes=stored_bytes)


SPARSE = Formulation("sparse", "the Toeplitz matrix, only its taps stored", conv_sparse, _unsupported, _cost)
