"""Every formulation against float64: how far off, and whether a second call gives the same bits."""

from pathlib import Path

import numpy as np

from jconv.lab import programs
from jconv.lab.bench import Bench, Prepared, timings
from jconv.lab.config import Agreement
from jconv.lab.plan import Problem


def open_bench(problem: Problem, source: Path, folder: Path) -> Bench:
    """Draw a problem's operands from its seed.

    Args:
        problem: The problem.
        source: The folder that the config's paths are relative to.
        folder: The run's directory.

    Returns:
        The bench.
    """
    settings = problem.settings
    assert problem.call is not None
    whole = isinstance(settings, Agreement) and settings.values == "integers"
    networks: int = getattr(settings, "networks", 1)
    return Bench(problem, source, folder, programs.draw(problem, problem.call, networks, whole))


def prepare(bench: Bench, contender: str) -> Prepared:
    """Compile a contender's program, run it twice, compare.

    Args:
        bench: The problem.
        contender: Its name.

    Returns:
        What the record says; there is nothing to time.
    """
    made = bench.program(contender)
    line = timings(made) | bench.check(contender, made.value)
    again = made.call()
    same = all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(made.value, again, strict=True))
    return Prepared(line | {"repeatable": same})
