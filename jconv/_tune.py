"""`tune`: time every formulation on the convolutions that a function lowers, and keep the winners.

choices(step, params, batch)    every convolution of step, forward, backward and vmapped, and what is taken for it
tune(step, params, batch)       the same after measuring; kept in a file, taken up by every later process
"""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jconv import selection
from jconv._timing import FLOOR, PRECISION, ROUNDS, Samples, measure, paired_ratio, timed, verdict
from jconv.costs import Problem
from jconv.errors import UnsupportedError
from jconv.formulations import FORMULATIONS
from jconv.formulations._base import accumulator
from jconv.lowering import installed
from jconv.selection import Choice, made_here

MOST_WORK = 8
"""A formulation that multiplies more often than this many times the definition's count is not timed."""
TOLERANCE = 1e-4
"""How far outputs may be from XLA's, relative to the largest."""


class Choices(Mapping[Problem, Choice]):
    """What is taken for each convolution of a function; print it, save it.

    Args:
        taken: A choice for each problem.
    """

    def __init__(self, taken: Mapping[Problem, Choice]):
        self._taken = dict(taken)

    def __getitem__(self, problem: Problem) -> Choice:
        """The choice for a problem."""
        return self._taken[problem]

    def __iter__(self) -> Any:
        """The problems, in the order they were lowered."""
        return iter(self._taken)

    def __len__(self) -> int:
        """How many distinct problems."""
        return len(self._taken)

    def __str__(self) -> str:
        """A line for each problem."""
        if not self._taken:
            return "no convolution whose formulation is chosen"
        lines = "\n".join(f"{problem}: {name} ({reason})" for problem, (name, reason) in self.items())
        return lines.encode("utf-8", "backslashreplace").decode()  # a file's reason may hold half a character

    def __repr__(self) -> str:
        """The same, for who leaves it as the last line of a cell."""
        return str(self)

    def save(self, path: str | Path) -> None:
        """Write the choices to a new file for `jconv.selection.load`.

        Args:
            path: Where; what was there is replaced.
        """
        beside = Path(f"{path}.new")
        beside.unlink(missing_ok=True)
        selection.append(beside, [made_here(problem, *choice) for problem, choice in self.items()])
        _ = beside.replace(path)


def choices(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Choices:
    """Return every convolution that a function lowers, and the formulation taken for it.

    Args:
        function: What is called, with `grad`, `vmap` or `scan` inside or around. What is jitted already, by `jax.jit`,
            `nnx.jit` or `equinox.filter_jit`, keeps its static arguments; anything else is jitted here.
        *args: Its arguments, arrays or `jax.ShapeDtypeStruct`.
        **kwargs: Likewise.

    Returns:
        The choices, as they are with `install()`; a formulation that is asked for by name is none.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jax import lax
        >>> blur = lambda x, k: lax.conv_general_dilated(x, k, (1, 1), "SAME", feature_group_count=8)
        >>> print(choices(blur, jnp.ones((1, 8, 16, 16)), jnp.ones((8, 1, 3, 3))))
        n1_i16x16c8_k3x3o8_s1x1_p1:1x1:1_d1x1_g8_float32: shifts (one channel per group: each tap is elementwise)
    """
    with installed(), selection.watch() as seen:
        lower = getattr(function, "lower", None) or jax.jit(function).lower
        try:
            lower(*args, **kwargs)
        except Exception as error:
            error.add_note(
                "jconv lowers the function under jax.jit: bind what is no array by functools.partial, or give a "
                "function that is jitted with its static arguments."
            )
            raise
    return Choices(seen)


def tune(function: Callable[..., Any], *args: Any, seconds: float = 0.3, **kwargs: Any) -> Choices:
    """Measure every formulation on every convolution that a function lowers, and keep the winners.

    Formulations are timed in interleaved rounds against XLA's own; one wins if its interval lies wholly below. What
    does not compute the same numbers is no candidate. The winners go to `jconv.selection.path()`.

    Args:
        function: What is called; a whole training step shows the backward convolutions too.
        *args: Its arguments, arrays or `jax.ShapeDtypeStruct`.
        seconds: What one formulation may spend on one problem, once it is compiled.
        **kwargs: More arguments.

    Returns:
        The choices, now measured; each winner is kept as soon as it is known.

    Raises:
        UnsupportedError: If the seconds are no number, or negative, or a traced function calls it.

    Example:
        >>> import jax.numpy as jnp
        >>> len(tune(lambda x: 2 * x, jnp.ones(3)))   # no convolution, nothing to measure
        0
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise UnsupportedError(f"tune: seconds must be a number, at least 0; got seconds={seconds!r}. Write 0.3.")
    if isinstance(jnp.zeros(()), Tracer):
        raise UnsupportedError(
            "tune: it must be called outside of a traced function, for it runs programs; got a call under jit, grad or "
            "vmap. Shapes are enough: jax.ShapeDtypeStruct."
        )
    for problem in choices(function, *args, **kwargs):
        selection.learn([winner(problem, seconds)])
    return choices(function, *args, **kwargs)


def winner(problem: Problem, seconds: float) -> selection.Kept:
    """Time the formulations that can compute a problem, and return the fastest as a choice with its reason."""
    samples = race(problem, seconds)
    best, said = "direct", "measured: nothing is faster than XLA's own"
    lowest = 1.0
    for name, found in samples.items():
        if name == "direct" or not found.times:
            continue
        ratio = paired_ratio(found.times, samples["direct"].times)
        if ratio.median < lowest and verdict(ratio, FLOOR) == "FASTER":
            best, lowest = name, ratio.median
            said = f"measured: {ratio.median:.3g} of XLA's time, 95 % in {ratio.low:.3g} to {ratio.high:.3g}"
    return made_here(problem, best, said)


def race(problem: Problem, seconds: float) -> dict[str, Samples]:
    """Time every candidate for a problem, on drawn operands; who computes other numbers than XLA is left out."""
    rng = np.random.default_rng(0)
    x, kernel = (
        jnp.asarray(rng.integers(-4, 5, shape), problem.dtype) for shape in (problem.x_shape, problem.kernel_shape)
    )
    expected = program("direct", problem, x, kernel)()
    contenders = {}
    for name in candidates(problem):
        call = program(name, problem, x, kernel)
        if np.allclose(call(), expected, rtol=0, atol=TOLERANCE * np.abs(expected).max(initial=0)):
            contenders[name] = timed(call)
    return measure(
        contenders, rounds=ROUNDS, seconds=seconds, rng=rng, reference="direct", precision=PRECISION, slow=5.0
    )


def candidates(problem: Problem) -> list[str]:
    """Return the formulations that can compute a problem, within the bounds of memory and work."""
    most = MOST_WORK * FORMULATIONS["direct"].cost(problem).multiplications
    return [
        name
        for name, formulation in FORMULATIONS.items()
        if not formulation.unsupported(problem)
        and not selection.too_much(name, problem)
        and formulation.cost(problem).multiplications <= most
    ]


def program(name: str, problem: Problem, x: jax.Array, kernel: jax.Array) -> Callable[[], jax.Array]:
    """Compile a formulation on a problem; the call returns when it is done."""
    dtype = accumulator(problem.dtype) if jnp.issubdtype(problem.dtype, jnp.integer) else x.dtype
    apply = functools.partial(selection.compute, name, problem, precision=None, preferred_element_type=dtype)
    device = jax.devices("gpu" if problem.platform in ("cuda", "rocm") else problem.platform)[0]
    x, kernel = jax.device_put((x, kernel), device)
    compiled = jax.jit(apply).lower(x, kernel).compile()
    return lambda: jax.block_until_ready(compiled(x, kernel))
