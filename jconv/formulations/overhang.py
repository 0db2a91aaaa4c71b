"""XLA's own convolution with one row of outputs too many, cut off again: for XLA on the CPU is slow without padding.

    y = direct( x, one more output along the first axis )[:, :P]

A zero row more at the end is read by the last outputs alone, which are thrown away. It changes the program that XLA's
libraries take: with any padding they gather windows in another way than with none.
Cost: the definition's, of one more row of outputs.
"""

from dataclasses import replace

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, open_sizes
from jconv.formulations._xla import conv_overhang, longer, unpadded


def _cost(problem: Problem) -> Cost:
    g = problem.geometry
    if not unpadded(g):
        return direct_cost(problem)
    cost = direct_cost(replace(problem, geometry=longer(g)))
    return cost._replace(output_elements=direct_cost(problem).output_elements)


OVERHANG = Formulation("overhang", "XLA's own, one row of outputs longer", conv_overhang, open_sizes, _cost)
