"""Every input entry times every tap in one matrix product, then the columns added where they fall: col2im.

    z[l, t] = Σ_c x[l, c] · kernel[t, c]
    y[p] = Σ z[l, t] over the pairs with e·l + lo = s·p + d·t

It is the transpose of `patches`, whose products a transposed convolution needs. With the window's place D − d·t
= e·m + r in blocks of the input dilation e, D = d·(k−1), block m of M falls m inputs further on, and r tells the output
between them.
Cost: the valid multiplications, and those of taps that fall outside; a column per input entry, tap and output channel.
Reference: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016,
https://arxiv.org/abs/1603.07285.
"""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import UNROLLED_TAPS, Formulation, accumulator, open_sizes, product
from jconv.geometry import Geometry


def conv_col2im(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Multiply once, add the blocks of the window, weave the outputs between the inputs, and cut out those wanted."""
    axes, dtype = len(geometry.window), accumulator(x.dtype, preferred_element_type)
    blocks = _blocks(geometry)
    z = _columns(x, kernel, geometry, precision=precision, dtype=dtype)  # [N, *L, *k, G·o]
    holes = [(0, 0, d - 1) for d in geometry.dilation]
    z = lax.pad(z, jnp.zeros((), dtype), [*[(0, 0, 0)] * (axes + 1), *holes, (0, 0, 0)])

    add = _add_unrolled if math.prod(blocks) <= UNROLLED_TAPS else _add_in_a_loop
    total = add(z, blocks, geometry.input_dilation)
    woven = [1 + axis + step * axes for axis in range(axes) for step in (0, 1)]  # [N, *(L + M − 1), *e, G·o]
    total = total.transpose(0, *woven, 2 * axes + 1)
    total = total.reshape(
        x.shape[0], *(math.prod(total.shape[1 + 2 * axis : 3 + 2 * axis]) for axis in range(axes)), -1
    )
    return _outputs(total, geometry).astype(preferred_element_type)


def _blocks(geometry: Geometry) -> list[int]:
    """Return M, into how many blocks of the input dilation the window falls, per axis."""
    return [-(-extent // e) for extent, e in zip(geometry.extent, geometry.input_dilation, strict=True)]


def _columns(x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, dtype: Any) -> jax.Array:
    """Return z `[N, *L, *k, G·o]`, the window from its end: the last tap meets the first output."""
    *window, depth, out = kernel.shape
    groups, axes = geometry.groups, len(window)
    kernel = jnp.flip(kernel, range(axes)).reshape(-1, depth, groups, out // groups)
    matrix = jnp.moveaxis(kernel, 0, 2).reshape(1, depth, -1)  # [1, c, G·k·o]
    z = product(x[..., None, :], matrix, groups, precision=precision, preferred_element_type=dtype)
    z = z.reshape(*x.shape[:-1], groups, *window, out // groups)
    return jnp.moveaxis(z, axes + 1, -2).reshape(*x.shape[:-1], *window, out)


def _add_unrolled(columns: jax.Array, blocks: list[int], input_dilation: tuple[int, ...]) -> jax.Array:
    """Add the blocks of the window, `[N, *L, *K, G·o] → [N, *(L + M − 1), *e, G·o]`, each m inputs further on."""
    axes, total = len(blocks), jnp.zeros((), columns.dtype)
    for block in itertools.product(*map(range, blocks)):
        place = tuple(slice(m * e, (m + 1) * e) for m, e in zip(block, input_dilation, strict=True))
        fallen = columns[(slice(None),) * (axes + 1) + place]
        space = [(m, count - 1 - m) for m, count in zip(block, blocks, strict=True)]
        rest = [(0, e - have) for e, have in zip(input_dilation, fallen.shape[1 + axes : -1], strict=True)]
        total += jnp.pad(fallen, [(0, 0), *space, *rest, (0, 0)])
    return total


def _add_in_a_loop(columns: jax.Array, blocks: list[int], input_dilation: tuple[int, ...]) -> jax.Array:
    """Do as `_add_unrolled` in a loop: many blocks would make a program that compiles for minutes."""
    axes = len(blocks)
    batch, *size, out = columns.shape[: axes + 1] + columns.shape[-1:]
    rest = [
        (0, count * e - have)
        for count, e, have in zip(blocks, input_dilation, columns.shape[1 + axes : -1], strict=True)
    ]
    columns = jnp.pad(columns, [(0, 0)] * (axes + 1) + [*rest, (0, 0)])
    apart = [part for pair in zip(blocks, input_dilation, strict=True) for part in pair]
    columns = columns.reshape(batch, *size, *apart, out)
    columns = jnp.moveaxis(columns, range(1 + axes, 1 + 3 * axes, 2), range(axes))
    columns = columns.reshape(-1, batch, *size, *input_dilation, out)
    starts = jnp.asarray(list(itertools.product(*map(range, blocks))), jnp.int32)

    def add(total: jax.Array, block: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        fallen, start = block
        zero = jnp.zeros((), start.dtype)
        begin = (zero, *(start[axis] for axis in range(axes)), *(zero for _ in range(axes + 1)))
        reached = lax.dynamic_slice(total, begin, fallen.shape) + fallen
        return lax.dynamic_update_slice(total, reached, begin), None

    first = jnp.pad(columns[0], [(0, 0), *((0, count - 1) for count in blocks), *[(0, 0)] * (axes + 1)])
    return lax.scan(add, first, (columns[1:], starts[1:]))[0]


def _outputs(full: jax.Array, geometry: Geometry) -> jax.Array:
    """Cut out y[p] = full[D − lo + s·p]; zeros where no input entry reaches."""
    first = [extent - 1 - low for extent, low in zip(geometry.extent, geometry.low, strict=True)]
    space = [(-a, a + n - have, 0) for a, n, have in zip(first, geometry.span, full.shape[1:-1], strict=True)]
    cut = lax.pad(full, jnp.zeros((), full.dtype), [(0, 0, 0), *space, (0, 0, 0)])
    return lax.slice(cut, (0,) * cut.ndim, cut.shape, (1, *geometry.stride, 1))


def _cost(problem: Problem) -> Cost:
    cost, g = direct_cost(problem), problem.geometry
    columns = problem.batch * math.prod(g.input_size) * problem.taps * problem.out_channels
    multiplications = columns * problem.depth
    columns = columns // problem.taps * math.prod(g.extent)  # a dilated window has holes
    full = 0  # unrolled, the blocks are added in the pass that weaves them
    if math.prod(_blocks(g)) > UNROLLED_TAPS:
        full = problem.batch * problem.out_channels
        full *= math.prod(e * (n - 1) + k + e for e, n, k in zip(g.input_dilation, g.input_size, g.extent, strict=True))
    return cost._replace(
        multiplications=multiplications,
        additions=multiplications,
        intermediate_bytes=(columns + full) * problem.itemsize,
    )


COL2IM = Formulation(
    "col2im", "one matrix product, whose columns are added where they fall", conv_col2im, open_sizes, _cost
)
