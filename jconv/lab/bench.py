"""One problem on the bench: its operands, its truth, and the program of each contender."""

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jconv._compat import current_platform
from jconv.formulations import FORMULATIONS
from jconv.lab import agreement, oracle, peers, programs
from jconv.lab.oracle import Answer
from jconv.lab.plan import Call, Problem
from jconv.lab.truth import ARGUMENTS, Truth, truth
from jconv.selection import choose

MOST_PRODUCTS = 3 * 10**8  # above this many multiplications NumPy takes too long, and `direct` is the judge
MOST_GATHERED = 2**28  # bytes of the oracle's windows


class Prepared(NamedTuple):
    """What a case's record already says, and what to time, if anything."""

    line: dict[str, Any]
    call: Callable[[], object] | None = None


class Bench:
    """A problem whose operands are drawn once, and shared by its contenders.

    Args:
        problem: The problem.
        source: The folder that the config's paths are relative to.
        folder: The run's directory, for pictures.
        operands: What the transform takes, by name.
    """

    def __init__(self, problem: Problem, source: Path, folder: Path, operands: dict[str, np.ndarray]):
        self.problem, self.source, self.folder, self.operands = problem, source, folder, operands

    @property
    def call(self) -> Call:
        """The problem's convolution."""
        assert self.problem.call is not None
        return self.problem.call

    @functools.cached_property
    def on_device(self) -> list[jax.Array]:
        """The operands as JAX has them, in the transform's order."""
        return [jax.device_put(self.operands[name]) for name in ARGUMENTS[self.problem.transform]]

    @functools.cached_property
    def judge(self) -> str:
        """Who says what is true: NumPy in float64, or `direct` where that would take too long."""
        convolution = self.call.convolution
        gathered = convolution.batch * convolution.positions * convolution.taps * convolution.in_channels * 8
        small = self.call.multiplications <= MOST_PRODUCTS and gathered <= MOST_GATHERED
        return "float64 oracle" if small else "direct"

    @functools.cached_property
    def truth(self) -> Truth:
        """What every contender should give."""
        return truth(self.problem.transform, self._convolve, self.operands)

    @functools.cached_property
    def _convolve(self) -> Callable[..., Answer]:
        if self.judge != "direct":
            settings = dict(self.call.arguments) | {"flip": self.call.flip}
            return functools.partial(oracle.conv_transpose if self.call.transposed else oracle.conv, **settings)
        direct = programs.convolution(self.call, "direct", "highest")
        both = jax.jit(programs.program("forward_backward", direct))

        def convolve(x: np.ndarray, kernel: np.ndarray, ct: np.ndarray | None = None) -> Answer:
            shape = jax.eval_shape(direct, *(jax.ShapeDtypeStruct(a.shape, np.float32) for a in (x, kernel))).shape
            ct = np.ones(shape) if ct is None else ct
            parts = both(*(np.asarray(array, np.float32) for array in (x, kernel, ct)))
            return Answer(*(np.asarray(part, np.float64) for part in parts))

        return convolve

    def program(self, contender: str) -> programs.Compiled:
        """Compile a contender's program and run it once."""
        if contender in peers.PEERS:
            return peers.PEERS[contender](self.problem, self.operands)
        function = programs.convolution(self.call, contender, self.problem.settings.precision)
        return programs.compile_program(programs.program(self.problem.transform, function), self.on_device)

    def describe(self, contender: str) -> dict[str, Any]:
        """Return what a record says before anything runs."""
        return described(self.problem, contender, current_platform())

    def check(self, contender: str, values: Any) -> dict[str, Any]:
        """Compare a contender's outputs with the truth, and return what its record says of it."""
        exact = contender in FORMULATIONS and FORMULATIONS[contender].exact  # auto and peers may take any
        size = math.prod(self.call.convolution.geometry.padded_size)
        found = agreement.compare(
            [np.asarray(value) for value in values], self.truth, exact=exact, size=size, dtype=self.problem.dtype
        )
        line = found._asdict() | {"checked_against": self.judge}
        ok, reason = line.pop("ok"), line.pop("reason")
        if not ok:
            return line | {"status": "mismatch", "reason": reason}
        if agreement.mostly_zero(self.truth):
            words = "the true output is mostly zeros, so agreement proves little"
            return line | {"status": "mistrusted", "reason": words}
        if reason:
            return line | {"status": "mistrusted", "reason": f"{reason}, so agreement proves little"}
        return line


def described(problem: Problem, contender: str, platform: str) -> dict[str, Any]:
    """Return counts, and what auto takes.

    Args:
        problem: What is computed.
        contender: By whom.
        platform: Where.

    Returns:
        The beginning of a record.
    """
    assert problem.call is not None
    line: dict[str, Any] = {
        "multiplications": problem.call.multiplications,
        "array_bytes": problem.call.array_bytes,
    }
    if contender == "auto" and problem.transform == "forward":
        choice = choose(replace(problem.call.convolution, platform=platform))
        line |= {"chose": choice.formulation, "chose_because": choice.reason}
    return line


def timings(made: programs.Compiled) -> dict[str, Any]:
    """Return what a record says of compiling a program."""
    return {"lower_s": made.lower_s, "compile_s": made.compile_s, "first_s": made.first_s, **made.facts}
