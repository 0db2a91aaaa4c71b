"""Every formulation against XLA's own: checked first, then timed in interleaved rounds."""

from jconv.lab.bench import Bench, Prepared, timings


def prepare(bench: Bench, contender: str) -> Prepared:
    """Compile a contender's program, and check it where the config asks.

    Args:
        bench: The problem.
        contender: Its name.

    Returns:
        What the record says, and what to time.
    """
    made = bench.program(contender)
    checked = bench.check(contender, made.value) if getattr(bench.problem.settings, "check", True) else {}
    return Prepared(timings(made) | checked, made.call)
