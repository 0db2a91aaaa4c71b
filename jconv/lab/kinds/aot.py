"""Programs compiled ahead of time by the TPU's own compiler, on a machine without a TPU: nothing runs.

libtpu compiles for a topology that is described to it. What it says is recorded under the compiler's name: its counts
of bytes, its memory, its own estimate of the time, which is no measurement. A figure that is missing, or negative, as
libtpu writes what it does not know, stays out of the record.
"""

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jconv.errors import ConfigError, UnsupportedError
from jconv.formulations import FORMULATIONS
from jconv.lab import programs
from jconv.lab.bench import Prepared, described
from jconv.lab.config import Aot
from jconv.lab.plan import Problem
from jconv.lab.truth import ARGUMENTS

TOPOLOGIES = {"v5e": "v5e:2x2", "v6e": "v6e:2x2", "v5p": "v5p:2x2x1"}
"""The smallest that libtpu describes of each; a program is compiled for its first chip alone."""
MEMORY = {"temp_bytes": "temp_size_in_bytes", "argument_bytes": "argument_size_in_bytes",
          "output_bytes": "output_size_in_bytes", "peak_bytes": "peak_memory_in_bytes"}  # fmt: skip
COSTS = {"compiler_flops": "flops", "compiler_bytes": "bytes accessed", "compiler_estimate_s": "optimal_seconds"}


def open_bench(problem: Problem, source: Path, folder: Path) -> "Ahead":
    """Return the problem and the chip that its programs are compiled for."""
    return Ahead(problem)


def prepare(bench: "Ahead", contender: str) -> Prepared:
    """Compile a contender's program for the target.

    Args:
        bench: The problem.
        contender: Its name.

    Returns:
        What the compiler says.

    Raises:
        UnsupportedError: If the formulation does not compute it on a TPU.
    """
    return Prepared(bench.compile(contender))


class Ahead:
    """A problem whose operands are shapes on a chip that is not there."""

    def __init__(self, problem: Problem):
        assert problem.call is not None and isinstance(problem.settings, Aot)
        self.problem, self.call, self.settings = problem, problem.call, problem.settings
        self.convolution = replace(self.call.convolution, platform="tpu")

    def describe(self, contender: str) -> dict[str, Any]:
        """Return what a record says before anything is compiled."""
        return {"target": self.settings.target} | described(self.problem, contender, "tpu")

    def compile(self, contender: str) -> dict[str, Any]:
        """Compile one program, and return what the compiler says of it."""
        if contender in FORMULATIONS and (why := FORMULATIONS[contender].unsupported(self.convolution)):
            raise UnsupportedError(f"{contender}: {why}")
        shapes = programs.shapes(self.call, self.settings.networks)
        place = jax.sharding.SingleDeviceSharding(device(self.settings.target))
        operands = [
            jax.ShapeDtypeStruct(shapes[name][0], jnp.dtype(self.problem.dtype), sharding=place)
            for name in ARGUMENTS[self.problem.transform]
        ]
        function = programs.convolution(self.call, contender, self.settings.precision)
        made = jax.jit(programs.program(self.problem.transform, function)).trace(*operands)
        return said(made.lower(lowering_platforms=("tpu",)).compile())


def said(compiled: Any) -> dict[str, Any]:
    """Return a compiler's counts that mean something: a negative one is a sum with what it does not know.

    Args:
        compiled: A compiled program.

    Returns:
        Counts by their names in the record.
    """
    line: dict[str, Any] = {}
    memory, costs = compiled.memory_analysis(), compiled.cost_analysis() or {}
    for key, name in MEMORY.items():
        value = getattr(memory, name, None)
        if value is not None and value >= 0:
            line[key] = int(value)
    for key, name in COSTS.items():
        value = costs.get(name)
        if value is not None and value > 0:
            line[key] = float(value)
    if all(f"{part}_bytes" in line for part in ("temp", "argument", "output")):
        line["total_bytes"] = line["temp_bytes"] + line["argument_bytes"] + line["output_bytes"]
    return line


@functools.cache
def device(target: str) -> Any:
    """Return the first chip of a target's topology.

    Args:
        target: One of `TOPOLOGIES`.

    Returns:
        A device to place shapes on.

    Raises:
        ConfigError: If libtpu is not installed, or does not know the target.
    """
    from jax.experimental import topologies

    try:
        topology = topologies.get_topology_desc(platform="tpu", topology_name=TOPOLOGIES[target])
    except Exception as wrong:
        words = str(wrong).strip().partition("\n")[0][:300]
        raise ConfigError(
            f"aot: --target must be one that libtpu describes here; got {target}, and it says: {words}. Run pip "
            "install 'jconv[tpu-aot]'; libtpu is for Linux on x86."
        ) from wrong
    return topology.devices[0]
