"""Filters and layers over a photograph: checked, timed, and the filtered pictures drawn."""

from pathlib import Path

import numpy as np

from jconv.lab import images, oracle, programs, record
from jconv.lab.bench import Bench, Prepared, timings
from jconv.lab.config import Filter, Photograph
from jconv.lab.plan import Call, Problem

INPUT = f"{record.PICTURES}/input.png"


def open_bench(problem: Problem, source: Path, folder: Path) -> Bench:
    """Draw a problem's operands: channels from the picture, weights and cotangent from the seed.

    A filter gets the grey picture. A layer gets the grey picture, its colours, or as many channels as it wants,
    each the picture through a random 3×3 filter; a batch is the picture rolled sideways.

    Args:
        problem: The problem.
        source: The folder that the config's paths are relative to.
        folder: The run's directory.

    Returns:
        The bench.
    """
    settings, call = problem.settings, problem.call
    assert isinstance(settings, Photograph) and call is not None
    picture = images.photograph(settings.input, source, call.x_shape[1])
    if not (folder / INPUT).exists():
        images.write_picture(folder / INPUT, picture)
    bench = Bench(problem, source, folder, _operands(problem, call, picture, settings.seed))
    if isinstance(problem.entry, Filter) and problem.transform == "forward":
        _ = _draw(bench, "oracle", bench.truth.values[0])
    return bench


def _operands(problem: Problem, call: Call, picture: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([seed, *problem.layer.encode()])
    batch, size, _, channels = call.x_shape
    if channels == 1:
        image = images.grey(picture)[..., None]
    elif channels == 3:
        image = picture
    else:
        mixing = rng.standard_normal((3, 3, 3, channels)) / np.sqrt(27)
        image = oracle.conv(picture[None], mixing, padding="SAME", padding_mode="edge").output[0]
        image = (image - image.mean()) / (image.std() or 1.0)
    x = np.stack([np.roll(image, size // batch * i, axis=1) for i in range(batch)])
    if isinstance(problem.entry, Filter):
        kernel = np.array(problem.entry.kernel)[..., None, None]
    else:
        fan_in = int(np.prod(call.kernel_shape[:-1]))
        kernel = rng.standard_normal(call.kernel_shape) * np.sqrt(2 / fan_in)
    drawn = {"x": x, "kernel": kernel, "cotangent": rng.standard_normal(programs.output_shape(call))}
    return {name: np.asarray(array, np.float32) for name, array in drawn.items()}


def prepare(bench: Bench, contender: str) -> Prepared:
    """Compile a contender's program, check it, and draw a filter's output.

    Args:
        bench: The problem.
        contender: Its name.

    Returns:
        What the record says, and what to time.
    """
    made = bench.program(contender)
    line = timings(made) | bench.check(contender, made.value)
    if isinstance(bench.problem.entry, Filter) and bench.problem.transform == "forward":
        line["picture"] = _draw(bench, contender, np.asarray(made.value[0]))
    return Prepared(line, made.call)


def _draw(bench: Bench, name: str, values: np.ndarray) -> str:
    """Write a filter's output as a picture, on the oracle's scale, and return where."""
    file = f"{record.PICTURES}/{record.file_stem(bench.problem.layer)}.{name}.png"
    limit = float(np.max(np.abs(bench.truth.values[0]), initial=0.0))
    images.write_picture(bench.folder / file, values[0, ..., 0], limit)
    return file
