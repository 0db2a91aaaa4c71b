"""Scan over the first axis of the window: each step meets one row of taps with every output position.

    y[n, p, o] = Σ_{t₀} ( Σ_{t',c} x[n, s·p + d·(t₀, t') − lo, c] · kernel[t₀, t', c, o] )

Of a kernel's gradient the window is the output image and the positions are the few taps: the scan goes down the image
once, its rows stay in the cache, and each position is one product (elementwise where a group has one channel).
Cost: the direct multiplications, no patches; where it is elementwise, the outputs once for each row.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, accumulator, open_sizes, summed_first
from jconv.geometry import Geometry

UNROLLED = 25  # positions of products, at most: together they find a row in the cache, but take longer to compile


def conv_row_scan(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Compute what each row of the window gives to all outputs, and sum."""
    dtype = accumulator(x.dtype, preferred_element_type)
    first, rows = geometry.stride[0], geometry.output_size[0]
    batch, out = x.shape[0], kernel.shape[-1]
    padded, kernel = summed_first(x, kernel, geometry)
    one = batch == 1 and out == geometry.groups
    if one:  # without axes of one entry at the end, the groups are what processors take as vectors
        padded, kernel = padded[..., 0], kernel[..., 0]
    steps, extent = geometry.dilation[1:], geometry.extent[1:]

    def meet(window: jax.Array, row: jax.Array) -> jax.Array:
        """[c, *k', G, N] × [c, *k', G, o] → [G, N, o]."""
        summed = tuple(range(1 + len(steps)))
        if one:
            return jnp.sum(window.astype(dtype) * row.astype(dtype), summed)[:, None, None]
        dims = ((summed, summed), ((len(summed),), (len(summed),)))
        return lax.dot_general(window, row, dims, precision=precision, preferred_element_type=dtype)

    def position(block: jax.Array, row: jax.Array, start: tuple[Any, ...]) -> jax.Array:
        for axis, (begin, size, step) in enumerate(zip(start, (1, *extent), (1, *steps), strict=True), 1):
            block = lax.dynamic_slice_in_dim(block, begin, size, axis)
            block = lax.slice_in_dim(block, 0, size, step, axis)
        return meet(block[:, 0], row)

    places = (range(0, s * p, s) for s, p in zip(geometry.stride, geometry.output_size, strict=True))
    starts = list(itertools.product(*places))

    def outputs(t: Any) -> jax.Array:
        block = lax.dynamic_slice_in_dim(padded, t * geometry.dilation[0], first * (rows - 1) + 1, 1)
        row = lax.dynamic_index_in_dim(kernel, t, 1, keepdims=False)
        if one or len(starts) > UNROLLED:
            return lax.map(lambda start: position(block, row, tuple(start)), jnp.asarray(starts))
        return jnp.stack([position(block, row, start) for start in starts])

    def add(total: jax.Array, t: jax.Array) -> tuple[jax.Array, None]:
        return total + outputs(t), None

    if one:  # few numbers a row: kept for all rows and summed at the end, the program holds them once
        y = jnp.sum(lax.map(outputs, jnp.arange(geometry.window[0])), 0)
    else:
        y, _ = lax.scan(add, outputs(0), jnp.arange(1, geometry.window[0]))  # [P, G, N, o]
    y = jnp.transpose(y, (2, 0, 1, 3)).reshape(batch, len(starts), out)  # in two steps: the batch may be sharded
    return y.reshape(batch, *geometry.output_size, out).astype(preferred_element_type)


def _cost(problem: Problem) -> Cost:
    one = problem.batch == 1 and problem.out_channels == problem.geometry.groups
    outputs = problem.batch * problem.positions * problem.out_channels * (problem.geometry.window[0] if one else 1)
    elements = 2 * problem.padded_elements + outputs
    return direct_cost(problem)._replace(intermediate_bytes=elements * problem.itemsize)


ROW_SCAN = Formulation(
    "row_scan", "one row of taps after another, every position at once", conv_row_scan, open_sizes, _cost
)
