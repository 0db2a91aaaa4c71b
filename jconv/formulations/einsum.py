"""Contract the input with an index pattern per axis, and the kernel: one einsum, no indices left.

    y[n, p0, p1, g, o] = Σ x[n, l0, l1, g, c] · Π⁰[l0, t0, p0] · Π¹[l1, t1, p1] · kernel[t0, t1, c, g, o]
    Πⁱ[l, t, p] = 1 where e·l = s·p + d·t − lo, else 0

Cost: what opt_einsum's order spends; the patterns are dense, so an inf times their zeros spreads as NaN.
Reference: Dangel, Convolutions and more as einsum, 2023, https://arxiv.org/abs/2307.02275.
"""

from typing import Any

import jax
import jax.numpy as jnp
import opt_einsum

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, accumulator, always
from jconv.geometry import Geometry


def axis_pattern(geometry: Geometry, axis: int) -> jax.Array:
    """Return one axis's index pattern, `[L, k, P]` of booleans.

    Args:
        geometry: How input and kernel are combined.
        axis: Which space axis.

    Returns:
        Whether tap t of output p reads input entry l.
    """
    entry = geometry.input_dilation[axis] * jnp.arange(geometry.input_size[axis])[:, None, None]
    tap = geometry.dilation[axis] * jnp.arange(geometry.window[axis])[None, :, None]
    output = geometry.stride[axis] * jnp.arange(geometry.output_size[axis])[None, None, :]
    return entry == output + tap - geometry.low[axis]


def conv_einsum(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Contract all operands in the order that opt_einsum finds."""
    dtype = accumulator(x.dtype, preferred_element_type)
    inputs, out = _subscripts(len(geometry.window))
    x = x.astype(dtype).reshape(*x.shape[:-1], geometry.groups, -1)
    kernel = kernel.astype(dtype).reshape(*kernel.shape[:-1], geometry.groups, -1)
    patterns = [axis_pattern(geometry, axis).astype(dtype) for axis in range(len(geometry.window))]
    equation = f"{','.join(inputs)}->{out}"
    y = jnp.einsum(equation, x, *patterns, kernel, precision=precision, optimize="auto")
    return y.reshape(*y.shape[:-2], -1).astype(preferred_element_type)


def _subscripts(axes: int) -> tuple[list[str], str]:
    """Return the index names of x, every pattern and the kernel, and those of y."""
    read, tap, place = ("".join(opt_einsum.get_symbol(10 + 3 * a + which) for a in range(axes)) for which in range(3))
    return [f"a{read}bc", *map("".join, zip(read, tap, place, strict=True)), f"{tap}cbd"], f"a{place}bd"


def _cost(problem: Problem) -> Cost:
    g = problem.geometry
    inputs, out = _subscripts(len(g.window))
    patterns = list(zip(g.input_size, g.window, g.output_size, strict=True))
    x, kernel = (
        (problem.batch, *g.input_size, g.groups, problem.depth),
        (*g.window, problem.depth, g.groups, problem.width),
    )
    shapes = [x, *patterns, kernel]
    _, found = opt_einsum.contract_path(f"{','.join(inputs)}->{out}", *shapes, shapes=True, optimize="auto")
    operations = int(found.opt_cost) // 2  # opt_einsum counts a multiplication and an addition
    return direct_cost(problem)._replace(
        multiplications=operations,
        additions=operations,
        intermediate_bytes=int(found.largest_intermediate) * problem.itemsize,
    )


EINSUM = Formulation("einsum", "contraction with an index pattern per axis", conv_einsum, always, _cost, local=False)
