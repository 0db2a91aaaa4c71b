"""The written rules. Each stands only where measurements back it; `direct` is the default everywhere."""

from jconv.costs import Problem
from jconv.formulations._base import UNROLLED_TAPS, open_sizes
from jconv.formulations.phases import convolutions

MOST_PHASES = 16  # above this many convolutions in one program, compilation costs more than zeros do


def rule(problem: Problem) -> tuple[str, str] | None:
    """Return a formulation for a problem and why, or None where no rule applies."""
    if problem.platform != "cpu":
        return None
    g = problem.geometry
    if g.groups > 1 and problem.in_channels == g.groups and problem.taps <= UNROLLED_TAPS:
        return "shifts", "one channel per group: each tap is elementwise"
    if max(g.input_dilation) > 1 and not open_sizes(problem) and convolutions(g) <= MOST_PHASES:
        return "phases", "XLA on cpu multiplies by the zeros of input dilation"
    return None
