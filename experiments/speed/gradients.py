"""Race `auto` against lax and its own candidates on drawn kernel gradients of few channels, as of filters of pictures.

    python experiments/speed/gradients.py 200

Draws layers for so many seconds: 1 to 16 inputs, 1 to 64 outputs, 1 to 32 images of 8 to 400 pixels a side, windows of
3 to 31, strides 1 and 2. Writes a line each to `gradients.jsonl`: how many times as fast as lax each formulation is.
"""

import functools
import math
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jconv
from jconv import _timing, selection
from jconv.costs import Problem
from jconv.formulations import FORMULATIONS
from jconv.lab import record

HERE = Path(__file__).parent
CONTENDERS = ("direct", "row_scan", "fft", "onednn")
MOST_ENTRIES = 8e6  # of the layer's input and output
MOST_MULTIPLICATIONS = 1.5e10
MOST_BYTES = 2**28  # between input and output, of a contender


def drawn(rng: np.random.Generator) -> Problem | None:
    """Draw a layer and return its kernel's gradient, or None where it takes too long."""
    inputs, outputs = int(rng.choice([1, 2, 3, 4, 8, 16])), int(rng.choice([1, 2, 3, 8, 16, 32, 64]))
    images, size = int(rng.choice([1, 1, 1, 2, 4, 8, 32])), int(rng.choice([8, 14, 28, 56, 112, 224, 400]))
    window, stride = int(rng.choice([3, 3, 5, 7, 9, 15, 31])), int(rng.choice([1, 1, 1, 2]))
    layer = jconv.conv_geometry(
        (images, size, size, inputs), (window, window, inputs, outputs), stride=stride, padding=window // 2
    )
    problem = Problem(layer.kernel_gradient(), inputs, images, outputs, platform="cpu")
    entries = images * (inputs * size**2 + outputs * math.prod(layer.output_size))
    work = problem.batch * problem.positions * problem.taps * problem.depth * problem.out_channels
    return problem if 2 * window <= size and entries <= MOST_ENTRIES and work <= MOST_MULTIPLICATIONS else None


def race(problem: Problem, rng: np.random.Generator) -> dict[str, Any]:
    """Return a line: what `auto` takes, and how many times as fast as lax each contender is."""
    auto = selection.choose(problem)
    shapes = problem.x_shape, problem.kernel_shape
    operands = [jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in shapes]
    calls = {}
    for name in dict.fromkeys((*CONTENDERS, auto.formulation)):
        small = FORMULATIONS[name].cost(problem).intermediate_bytes <= MOST_BYTES
        if small and FORMULATIONS[name].unsupported(problem) is None:
            settings: dict[str, Any] = {"precision": None, "preferred_element_type": jnp.float32}
            function = jax.jit(functools.partial(selection.compute, name, problem, **settings))
            call = function.lower(*operands).compile()
            _ = jax.block_until_ready(call(*operands))
            calls[name] = _timing.timed(lambda call=call: jax.block_until_ready(call(*operands)))
    found = _timing.measure(calls, rounds=12, seconds=0.4, rng=rng, reference="direct")
    ratios = {name: _timing.paired_ratio(found["direct"].times, found[name].times)._asdict() for name in calls}
    return {"problem": str(problem), "chose": auto.formulation, "times_as_fast": ratios}


def main() -> None:
    """Write the lines, then print the geometric means."""
    rng, end, lines = np.random.default_rng(0), time.monotonic() + float(sys.argv[1]), []
    with (HERE / "gradients.jsonl").open("w", encoding="utf-8") as file:
        while time.monotonic() < end:
            if problem := drawn(rng):
                lines.append(race(problem, rng))
                _ = file.write(record.encoded(lines[-1]) + "\n")
                file.flush()
    medians = [{name: ratio["median"] for name, ratio in line["times_as_fast"].items()} for line in lines]
    auto = [median[line["chose"]] for line, median in zip(lines, medians, strict=True)]
    best = [max(median.values()) for median in medians]
    mean = lambda values: math.exp(np.mean(np.log(values)))  # noqa: E731
    print(f"{len(lines)} problems: auto {mean(auto):.2f} times as fast as lax, the fastest of all {mean(best):.2f}")
    print(f"auto under 0.95 of lax: {sum(value < 0.95 for value in auto)}, under 0.67: {sum(v < 0.67 for v in auto)}")


if __name__ == "__main__":
    main()
