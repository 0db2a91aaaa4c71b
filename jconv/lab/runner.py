"""From problems to records: compile, check against the oracle, time in interleaved rounds, append."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jconv import _timing
from jconv._compat import current_platform
from jconv.costs import direct_cost
from jconv.errors import GeometryError, UnsupportedError
from jconv.formulations import FORMULATIONS
from jconv.lab import agreement, images, record
from jconv.lab.config import Config, Filter
from jconv.lab.document import Document, Fault
from jconv.lab.kinds import photograph
from jconv.lab.kinds.photograph import Truth
from jconv.lab.plan import Problem
from jconv.selection import choose

Tell = Callable[[str], None]
REFERENCE = "direct"
DTYPE = "float32"


class Compiled(NamedTuple):
    """A compiled program with its operands, and what getting there took, in seconds."""

    call: Callable[[], Any]
    lower: float
    compile: float
    first: float
    value: Any


def check(problems: list[Problem], document: Document) -> None:
    """Raise one `ConfigError` for every problem that `jconv` refuses, such as a reflection wider than the picture."""
    faults = []
    for problem in problems:
        try:
            photograph.check(problem)
        except GeometryError as error:
            faults.append(Fault(document.values[problem.path], problem.path, f"{problem.name}: {error}"))
    if faults:
        raise document.error(faults)


def run(config: Config, problems: list[Problem], source: Path, folder: Path, tell: Tell) -> None:
    """Run every problem through every formulation, and append a record per case.

    Args:
        config: The config.
        problems: Its problems.
        source: The folder that the config's paths are relative to.
        folder: The run's directory.
        tell: Is told each case before it is compiled.
    """
    record.write_environment(folder, environment())
    pictures: dict[int, np.ndarray] = {}
    for problem in problems:
        if problem.size not in pictures:
            pictures[problem.size] = images.photograph(config.input, source, problem.size)
        for line in run_problem(config, problem, pictures[problem.size], folder, tell):
            record.append(folder, line)
    largest = pictures[max(pictures)]
    images.write_picture(folder / record.PICTURES / "input.png", largest)


def environment() -> dict[str, Any]:
    """Return what JAX runs on."""
    device = jax.devices()[0]
    return {"platform": device.platform, "device": device.device_kind, "devices": jax.device_count()}


def run_problem(
    config: Config, problem: Problem, picture: np.ndarray, folder: Path, tell: Tell
) -> list[dict[str, Any]]:
    """Return the records of one problem, in the order of the formulations.

    Args:
        config: The config.
        problem: The problem.
        picture: `[size, size, 3]`.
        folder: The run's directory, for pictures.
        tell: Is told each case before it is compiled.

    Returns:
        One record per formulation.
    """
    drawn = photograph.operands(problem, picture, config.seed)
    true = photograph.truth(problem, drawn)
    on_device = [jax.device_put(array) for array in drawn]
    if isinstance(problem.entry, Filter):
        _draw(folder, problem, "oracle", true.answer.output, true)
    records, forward, backward = [], {}, {}
    for name in config.contenders():
        tell(problem.case(name))
        line: dict[str, Any] = {
            "case": problem.case(name),
            "problem": problem.name,
            "formulation": name,
            "status": "ok",
            "reason": "",
            "dtype": DTYPE,
            "multiplications": direct_cost(problem.convolution).multiplications,
        }
        if name == "auto":
            choice = choose(replace(problem.convolution, platform=current_platform()))
            line |= {"chose": choice.formulation, "chose_because": choice.reason}
        records.append(line)
        function = photograph.program(problem, name, config.precision)
        try:
            made = _compile(function, on_device[:2])
            _check(line, "forward", made.value, true, problem, name)
            line |= {"lower_s": made.lower, "compile_s": made.compile, "first_s": made.first}
            if isinstance(problem.entry, Filter):
                line["picture"] = _draw(folder, problem, name, np.asarray(made.value), true)
            if config.measure.gradient:
                both = _compile(photograph.gradient(function), on_device)
                for part, value in zip(photograph.PARTS[1:], both.value, strict=True):
                    _check(line, part, value, true, problem, name)
                line |= {"gradient_lower_s": both.lower, "gradient_compile_s": both.compile}
                backward[name] = both.call
            forward[name] = made.call
        except UnsupportedError as error:
            line |= {"status": "unsupported", "reason": str(error)}
        except Exception as error:  # one case's failure is its status, not the run's end
            line |= {
                "status": "failed",
                "reason": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}",
            }
        if line["status"] == "ok" and agreement.mostly_zero(true.answer.output):
            line |= {"status": "mistrusted", "reason": "the true output is mostly zeros, so agreement proves little"}
    rng = np.random.default_rng([config.seed, *problem.name.encode()])
    for direction, calls in (("forward", forward), ("gradient", backward)):
        _time(config, direction, calls, records, rng)
    return records


def _compile(function: Callable[..., Any], arguments: list[jax.Array]) -> Compiled:
    start = time.perf_counter()
    lowered = jax.jit(function).lower(*arguments)
    middle = time.perf_counter()
    compiled = lowered.compile()
    end = time.perf_counter()

    def call() -> Any:
        return jax.block_until_ready(compiled(*arguments))

    value = call()
    return Compiled(call, middle - start, end - middle, time.perf_counter() - end, value)


def _check(line: dict[str, Any], part: str, value: jax.Array, true: Truth, problem: Problem, name: str) -> None:
    """Compare one result with the oracle, and note what is wrong."""
    position = photograph.PARTS.index(part)
    expected, absolute, terms = (answer[position] for answer in true)
    exact = name == "auto" or FORMULATIONS[name].exact
    size = math.prod(problem.convolution.geometry.padded_size)
    found = agreement.compare(np.asarray(value), expected, absolute, terms, exact=exact, size=size)
    line |= {f"{part}_error": found.error, f"{part}_tolerance": found.tolerance, f"{part}_epsilons": found.epsilons}
    if not found.ok:
        reason = f"{part} is off by {found.error:.3g}, above its tolerance of {found.tolerance:.3g}"
        if np.shape(value) != expected.shape:
            reason = f"{part} has shape {np.shape(value)}, not {expected.shape}"
        line |= {"status": "mismatch", "reason": "; ".join(filter(None, [line["reason"], reason]))}


def _time(
    config: Config,
    direction: str,
    calls: Mapping[str, Callable[[], object]],
    records: list[dict[str, Any]],
    rng: np.random.Generator,
) -> None:
    """Time the programs of one problem against each other, and add samples, medians and ratios to the records."""
    measure = config.measure
    samples = _timing.measure(calls, rounds=measure.rounds, seconds=measure.seconds, rng=rng)
    for line in records:
        times = samples.get(line["formulation"])
        if not times:
            continue
        line[f"{direction}_samples_s"] = times
        line[f"{direction}_s"] = float(np.median(times))
        if REFERENCE in samples:
            ratio = _timing.paired_ratio(
                times, samples[REFERENCE], confidence=measure.confidence, resamples=measure.resamples, seed=config.seed
            )
            line[f"{direction}_ratio"] = ratio._asdict()


def _draw(folder: Path, problem: Problem, name: str, values: np.ndarray, true: Truth) -> str:
    """Write a filter's output as a picture, on the oracle's scale, and return where."""
    file = f"{record.PICTURES}/{problem.name}.{name}.png"
    limit = float(np.max(np.abs(true.answer.output), initial=0.0))
    images.write_picture(folder / file, values[0, ..., 0], limit)
    return file
