"""XLA's own convolution with one row of outputs too many, cut off again: for XLA on the CPU is slow without padding.

    y = direct( x, one more output along the first axis )[:, :P]

A zero row more at the end is read by the last outputs alone, which are thrown away. It changes the program that XLA's
libraries take: with any padding they gather windows in another way than with none.
Cost: the definition's, of one more row of outputs.
"""

from dataclasses import replace
from typing import Any

import jax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, open_sizes
from jconv.formulations._xla import xla_conv
from jconv.geometry import Geometry


def unpadded(geometry: Geometry) -> bool:
    """Return whether no window of a convolution reaches beyond its input."""
    ends = zip(geometry.stride, geometry.low, geometry.high, strict=True)
    return all(low <= 0 and high <= 0 for _, low, high in ends)


def longer(geometry: Geometry) -> Geometry:
    """Return the geometry with one more output along the first axis."""
    first, *rest = geometry.output_size
    return replace(geometry, output_size=(first + 1, *rest))


def conv_overhang(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Compute one output more along the first axis where there is no padding, and cut it off."""
    more = longer(geometry) if unpadded(geometry) else geometry
    y = xla_conv(x, kernel, more, precision=precision, preferred_element_type=preferred_element_type)
    return y[:, : geometry.output_size[0]]


def _cost(problem: Problem) -> Cost:
    g = problem.geometry
    if not unpadded(g):
        return direct_cost(problem)
    cost = direct_cost(replace(problem, geometry=longer(g)))
    return cost._replace(output_elements=direct_cost(problem).output_elements)


OVERHANG = Formulation("overhang", "XLA's own, one row of outputs longer", conv_overhang, open_sizes, _cost)
