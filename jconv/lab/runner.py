"""From problems to records: prepare every case, time the cases of a problem against each other, append."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jconv import _timing
from jconv.lab import noise, record, roofline
from jconv.lab.config import REFERENCE, Experiment, Timing
from jconv.lab.plan import Problem
from jconv.lab.session import Case, Isolated, Line, Session

Tell = Callable[[str], None]
AGAIN = "direct again"
"""The reference timed twice a round: two identical programs, so their ratio is the noise."""
DIGITS = 4
"""Of a sample's seconds: no clock and no machine repeats to more, and records stay small."""


def run(
    problems: Sequence[Problem],
    source: Path,
    directory: record.Directory,
    tell: Tell,
    only: Collection[str] | None = None,
    rerun: str = "jconv run",
) -> None:
    """Run every case that is not recorded yet, and append its record.

    Args:
        problems: The problems.
        source: The folder that the config's paths are relative to.
        directory: The run's directory.
        tell: Is told each case before it begins.
        only: The cases wanted; None for all.
        rerun: The command that, with `--only CASE`, runs a case alone.

    Raises:
        ConfigError: If the disk does not take a record.
    """
    settings, own = problems[0].settings, noise.floor()
    floor = noise.Floor(settings.measure.floor, "the config's measure.floor")
    floor = floor if floor.value > own.value else own
    if not (directory.path / record.ENVIRONMENT).exists():
        directory.write(record.ENVIRONMENT, record.encoded(_environment(settings, floor) | {"rerun": rerun}) + "\n")
    with needs_float64(problems):
        for problem in problems:
            wanted = [
                contender
                for contender in problem.contenders
                if problem.case(contender) not in directory.finished
                and (only is None or problem.case(contender) in only)
            ]
            if wanted:  # a sweep may change limits and floor too
                limits, least = problem.settings.limits, max(own.value, problem.settings.measure.floor)
                isolated = limits.isolate == "case"
                session = Isolated(source, directory.path, limits) if isolated else Session(source, directory.path)
                _problem(problem, wanted, session, directory, tell, least)


def _environment(settings: Experiment, floor: noise.Floor) -> dict[str, Any]:
    device = jax.devices()[0]
    made = record.describe_machine() | {
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
    }
    made["noise_floor"] = floor.record()
    # Compile times mean nothing where programs come from a cache on disk.
    made["compilation_cache"] = jax.config.jax_compilation_cache_dir or ""  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(settings, Timing) and settings.roofline:
        made["roofline"] = roofline.probe()
    return made


@contextlib.contextmanager
def needs_float64(problems: Sequence[Problem]) -> Iterator[None]:
    """Let JAX have float64 while a run needs it."""
    before = jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
    try:
        if any(problem.dtype == "float64" for problem in problems):
            jax.config.update("jax_enable_x64", True)
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def _problem(
    problem: Problem,
    wanted: list[str],
    session: Session | Isolated,
    directory: record.Directory,
    tell: Tell,
    floor: float,
) -> None:
    """Run some cases of one problem, beside the reference where times are compared."""
    cases: dict[str, Case] = {}
    try:
        for contender in wanted:
            tell(problem.case(contender))
            cases[contender] = session.prepare(problem, contender)
            if cases[contender].run is None:
                directory.append(cases[contender].line)
        runs = {name: case.run for name, case in cases.items() if case.run is not None}
        if not runs:
            return
        if REFERENCE in problem.contenders and REFERENCE not in cases:
            cases[REFERENCE] = session.prepare(problem, REFERENCE)  # recorded by an earlier try: only to compare with
            if (again := cases[REFERENCE].run) is not None:
                runs[REFERENCE] = again
        for name, line in _timed(problem, runs, {name: cases[name].line for name in runs}, floor).items():
            if name in wanted:
                directory.append(line | session.ended.get(line["case"], {}))
    finally:
        for case in cases.values():
            case.close()


def _timed(
    problem: Problem, runs: dict[str, Callable[[], float]], lines: dict[str, Line], floor: float
) -> dict[str, Line]:
    """Time the programs of one problem against each other, and add what was found to their records."""
    measure, seed = problem.settings.measure, problem.settings.seed
    contenders = dict(runs)
    if REFERENCE in runs:
        contenders[AGAIN] = runs[REFERENCE]
    samples = _timing.measure(
        contenders,
        rounds=measure.rounds,
        seconds=measure.seconds,
        precision=measure.precision,
        slow=measure.slow,
        confidence=measure.confidence,
        reference=REFERENCE if REFERENCE in runs else None,
        rng=np.random.default_rng([seed, *problem.name.encode()]),
    )

    digits = {name: [float(f"{t:.{DIGITS}g}") for t in found.times] for name, found in samples.items()}
    samples = {name: found._replace(times=digits[name]) for name, found in samples.items()}

    def against_reference(name: str) -> _timing.Ratio | None:
        times, reference = samples[name].times, samples[REFERENCE].times if REFERENCE in samples else []
        if not times or not reference:
            return None
        return _timing.paired_ratio(
            times, reference, confidence=measure.confidence, resamples=measure.resamples, seed=seed
        )

    for name, line in lines.items():
        found = samples[name]
        line |= {"samples_s": found.times, "stopped": found.stopped}
        if found.times:
            line["seconds"] = float(np.median(found.times))
        if found.stopped.startswith("raised"):
            line |= {"status": "failed", "reason": found.stopped}
        ratio = against_reference(AGAIN if name == REFERENCE else name)
        if ratio is not None and name == REFERENCE:
            line |= {"again_ratio": ratio._asdict(), "again_verdict": _timing.verdict(ratio, floor)}
        elif ratio is not None:
            line |= {"ratio": ratio._asdict(), "verdict": _timing.verdict(ratio, floor)}
    return lines
