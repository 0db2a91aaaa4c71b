"""One group after another, each a dense convolution of its own.

    y_g = x_g ∗ kernel_g,   g = 1 … G, in a loop

XLA on CPU takes a slow way for groups, and for their gradients a far slower one, however many channels they have. What
`vmap` makes of networks with an input each are such groups: here each is computed at the speed of one alone.
Cost: the direct multiplications; input, kernel and output once more, groups first.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, open_sizes
from jconv.formulations._xla import conv_overhang
from jconv.geometry import Geometry


def conv_by_group(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Map over the groups."""
    one = replace(geometry, groups=1)

    def convolve(group: tuple[jax.Array, jax.Array]) -> jax.Array:
        return conv_overhang(*group, one, precision=precision, preferred_element_type=preferred_element_type)

    y = lax.map(convolve, (_groups_first(x, geometry.groups), _groups_first(kernel, geometry.groups)))
    y = jnp.moveaxis(y, 0, -2)
    return y.reshape(*y.shape[:-2], -1)


def _groups_first(array: jax.Array, groups: int) -> jax.Array:
    """Return `[G, …, c]` from `[…, G·c]`."""
    return jnp.moveaxis(array.reshape(*array.shape[:-1], groups, -1), -2, 0)


def _cost(problem: Problem) -> Cost:
    cost = direct_cost(problem)
    elements = cost.input_elements + cost.kernel_elements + cost.output_elements
    return cost._replace(intermediate_bytes=elements * problem.itemsize)


BY_GROUP = Formulation("by_group", "one group after another, each dense", conv_by_group, open_sizes, _cost)
