"""`jconv tune`: the convolutions that an experiment's problems lower, each raced, and the winners kept."""

from collections.abc import Callable, Sequence
from pathlib import Path

from jconv import _tune, selection
from jconv.errors import ConfigError
from jconv.lab import programs
from jconv.lab.kinds.agreement import open_bench
from jconv.lab.plan import Problem
from jconv.selection import Kept


def lowered(problems: Sequence[Problem]) -> list[_tune.Problem]:
    """Return every distinct convolution that the problems lower, as `auto` meets them.

    Args:
        problems: The experiment's.

    Returns:
        The convolutions, in order.

    Raises:
        ConfigError: If the experiment computes no convolution of its own.
    """
    if any(problem.call is None for problem in problems):
        raise ConfigError(
            f"tune: config must compute convolutions; got kind {problems[0].settings.kind}. "
            "Take one of kind timing, scaling, agreement or photograph."
        )
    found: dict[_tune.Problem, None] = {}
    for problem in problems:
        assert problem.call is not None
        auto = programs.convolution(problem.call, "auto", getattr(problem.settings, "precision", "default"))
        bench = open_bench(problem, Path(), Path())
        found |= dict.fromkeys(_tune.choices(programs.program(problem.transform, auto), *bench.on_device))
    return list(found)


def tune(
    convolutions: Sequence[_tune.Problem], seconds: float, tell: Callable[[Kept], None] = lambda kept: None
) -> None:
    """Race the formulations on each convolution, and keep each winner at once: what is done is not lost.

    Args:
        convolutions: What to race on.
        seconds: What one formulation may spend on one of them.
        tell: Is told each winner.
    """
    for convolution in convolutions:
        won = _tune.winner(convolution, seconds)
        selection.learn([won])
        tell(won)


def kept() -> list[Kept]:
    """Return the winners that count on this device and version of JAX."""
    return [choice for choice in selection.read(selection.path()) if choice.here]
