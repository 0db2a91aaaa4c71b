"""The rules. Each stands only where measurements back it; `direct` is the default everywhere."""

from typing import NamedTuple

from jconv.costs import Problem
from jconv.formulations import FORMULATIONS
from jconv.formulations._base import UNROLLED_TAPS, open_sizes
from jconv.formulations.phases import convolutions

MOST_PHASES = 16  # above this many convolutions in one program, compilation costs more than zeros do


class Choice(NamedTuple):
    """A formulation and the reason it was taken."""

    formulation: str
    reason: str


def choose(problem: Problem) -> Choice:
    """Return the formulation that `auto` takes for a problem.

    Args:
        problem: The convolution, as it is lowered: after differentiation and batching.

    Returns:
        The formulation's name and why.

    Example:
        >>> from jconv.geometry import conv_geometry
        >>> geometry = conv_geometry((1, 56, 56, 64), (3, 3, 1, 64), groups=64)
        >>> choose(Problem(geometry, 1, 64, 64, platform="cpu")).formulation
        'shifts'
    """
    choice = _rule(problem)
    refusal = FORMULATIONS[choice.formulation].unsupported(problem)
    return Choice("direct", f"the default, for {choice.formulation} cannot: {refusal}") if refusal else choice


def _rule(problem: Problem) -> Choice:
    g = problem.geometry
    if problem.platform != "cpu":
        return Choice("direct", f"the default: no rule is measured on {problem.platform}")
    depthwise = g.groups > 1 and problem.in_channels == g.groups
    if depthwise and problem.taps <= UNROLLED_TAPS:
        return Choice("shifts", "one channel per group: each tap is elementwise, and XLA on cpu has no such kernel")
    if max(g.input_dilation) > 1 and not open_sizes(problem) and convolutions(g) <= MOST_PHASES:
        return Choice("phases", "XLA on cpu multiplies by the zeros of input dilation")
    return Choice("direct", "the default: no rule applies")
