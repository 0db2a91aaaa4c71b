"""Scan over blocks of the window's rows: each step meets some rows of taps with every output position.

    y[n, p, o] = Σ_b ( Σ_{t₀ in block b} Σ_{t',c} x[n, s·p + d·(t₀, t') − lo, c] · kernel[t₀, t', c, o] )

Of a kernel's gradient the window is the output image and the positions are the few taps: the scan goes down the image
once, and what lies in the cache meets all taps in one product of patches. The kernel is the product's left side: XLA
on CPU multiplies A·B twice as fast as Aᵀ·B. Where a group has one channel each position is elementwise instead.
Cost: the direct multiplications; input and kernel laid out anew, and the patches of one block, about 4 MiB.
"""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, accumulator, open_sizes, summed_first
from jconv.geometry import Geometry

UNROLLED = 49  # positions, at most, whose patches are cut one by one; more are cut in a loop
BLOCK = 2**22  # bytes of the patches of one step, about: they stay in the cache
LEAST_SUM = 256  # terms of one step's sums, at least: fewer cost more adding to the outputs than multiplying


def conv_row_scan(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Compute what each block of rows gives to all outputs, and sum."""
    dtype, groups = accumulator(x.dtype, preferred_element_type), geometry.groups
    batch, out = x.shape[0], kernel.shape[-1]
    padded, kernel = summed_first(x, kernel, geometry)
    if batch == 1 and out == groups:
        y = _elementwise(padded[..., 0], kernel[..., 0], geometry, dtype)
    else:
        rows = rows_at_once(Problem(geometry, batch, x.shape[-1], out, x.dtype.name))
        y = _products(padded, kernel, geometry, rows, precision, dtype)
    y = jnp.transpose(y, (3, 2, 0, 1)).reshape(batch, -1, out)  # in two steps: the batch may be sharded
    return y.reshape(batch, *geometry.output_size, out).astype(preferred_element_type)


def rows_at_once(problem: Problem) -> int:
    """Return how many rows of the window make a block."""
    g = problem.geometry
    terms = max(problem.depth * math.prod(g.window[1:]), 1)
    patches = terms * g.groups * problem.positions * problem.batch * problem.itemsize
    if not isinstance(patches, int):  # `jax.export` left a size open
        return 1
    return min(max(BLOCK // max(patches, 1), -(-LEAST_SUM // terms), 1), g.window[0])


def _products(
    padded: jax.Array, kernel: jax.Array, geometry: Geometry, rows: int, precision: Any, dtype: Any
) -> jax.Array:
    """[c, *padded, G, N] and [c, *k, G, o] → [G, o, P, N], a product of all positions' patches for each block."""
    kernel = jnp.moveaxis(kernel, (-2, -1), (0, 1))  # [G, o, c, *k]

    def block(start: Any, rows: int) -> jax.Array:
        """[G, o, c·r·k'] · [c·r·k', G, P, N] → [G, o, P, N], of r rows."""
        patches = _patches(padded, start, rows, geometry)
        some = lax.dynamic_slice_in_dim(kernel, start, rows, 3)
        summed = tuple(range(patches.ndim - 3))
        dims = (tuple(2 + axis for axis in summed), summed), ((0,), (len(summed),))
        return lax.dot_general(some, patches, dims, precision=precision, preferred_element_type=dtype)

    def add(total: jax.Array, start: jax.Array) -> tuple[jax.Array, None]:
        return total + block(start, rows), None

    size = geometry.window[0]
    first = (size - 1) % rows + 1  # rows that do not fill a block come first
    return lax.scan(add, block(0, first), jnp.arange(first, size, rows, dtype=np.int32))[0]


def _elementwise(padded: jax.Array, kernel: jax.Array, geometry: Geometry, dtype: Any) -> jax.Array:
    """[c, *padded, G] and [c, *k, G] → [G, 1, P, 1], row after row.

    Without axes of one entry at the end, the groups are what processors take as vectors. What each row gives is kept,
    and summed at the end.
    """

    def row(start: Any) -> jax.Array:
        taps = lax.dynamic_slice_in_dim(kernel, start, 1, 1).astype(dtype)

        def position(place: Any) -> jax.Array:
            window = _window(padded, start, 1, place, geometry).astype(dtype)
            return jnp.sum(window * taps, range(window.ndim - 1))

        return lax.map(position, jnp.asarray(_places(geometry)))

    y = jnp.sum(lax.map(row, jnp.arange(geometry.window[0], dtype=np.int32)), 0)  # [P, G]
    return y.T[:, None, :, None]


def _patches(padded: jax.Array, start: Any, rows: int, geometry: Geometry) -> jax.Array:
    """Return `[c, r, *k', G, P, N]`: what each position meets of r rows of the window."""
    places = _places(geometry)
    if len(places) > UNROLLED:
        return jnp.moveaxis(
            lax.map(lambda place: _window(padded, start, rows, place, geometry), jnp.asarray(places)), 0, -2
        )
    return jnp.stack([_window(padded, start, rows, place, geometry) for place in places], -2)


def _window(padded: jax.Array, start: Any, rows: int, place: Any, geometry: Geometry) -> jax.Array:
    """Return `padded[:, place + d·(start, 0) : : d]`, as many entries as the window's r rows have taps."""
    taps = rows, *geometry.window[1:]
    begin = place[0] + geometry.dilation[0] * start, *place[1:]
    for axis, (at, k, d) in enumerate(zip(begin, taps, geometry.dilation, strict=True), 1):
        size = d * (k - 1) + 1
        padded = lax.dynamic_slice_in_dim(padded, at, size, axis)
        padded = lax.slice_in_dim(padded, 0, size, d, axis)
    return padded


def _places(geometry: Geometry) -> np.ndarray:
    """Return s·p for every position, `[P, axes]`."""
    steps = (range(0, span, s) for span, s in zip(geometry.span, geometry.stride, strict=True))
    return np.array(list(itertools.product(*steps)), np.int32)


def _cost(problem: Problem) -> Cost:
    cost, g = direct_cost(problem), problem.geometry
    elements = problem.padded_elements + cost.kernel_elements
    if problem.batch == 1 and problem.out_channels == g.groups:
        elements += g.window[0] * cost.output_elements
    else:
        patches = rows_at_once(problem) * math.prod(g.window[1:]) * problem.in_channels
        elements += patches * problem.positions * problem.batch + 2 * cost.output_elements
    return cost._replace(intermediate_bytes=elements * problem.itemsize)


ROW_SCAN = Formulation(
    "row_scan", "some rows of taps after another, every position at once", conv_row_scan, open_sizes, _cost
)
