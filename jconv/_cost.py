"""What a call would cost and what `auto` would take, before anything is computed: `cost` and `explain`."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from jconv._arguments import sizes_of
from jconv._compat import current_platform
from jconv.costs import PLATFORMS, Cost, Problem, direct_cost
from jconv.errors import GeometryError, UnsupportedError, suggestion
from jconv.formulations import FORMULATIONS
from jconv.geometry import Ints, Padding, conv_geometry
from jconv.selection import choose, part


class Explanation(NamedTuple):
    """What `auto` takes for a problem.

    Attributes:
        formulation: The formulation's name.
        reason: Why it is taken.
        problem: The problem, on the device it was asked for.
        intermediate_bytes: What each formulation that can compute it keeps between input and output.
        refusals: Why the others cannot.
        part: What of the problem is computed at once, for the sake of the cache.
    """

    formulation: str
    reason: str
    problem: Problem
    intermediate_bytes: dict[str, int]
    refusals: dict[str, str]
    part: Problem

    @property
    def in_turn(self) -> str:
        """What is computed at a time, in words; empty if it is everything."""
        if self.part == self.problem:
            return ""
        (rows, of_rows), batch = (p.geometry.output_size[0] for p in (self.part, self.problem)), self.problem.batch
        if rows < of_rows:
            return f", {rows} of {of_rows} rows{' of an image' if batch > 1 else ''} at a time"
        return f", {self.part.batch} of {batch} images at a time"

    def __str__(self) -> str:
        """Several lines to read."""
        lines = [str(self.problem), *_in_words(self.problem)]
        lines += [f"auto takes {self.formulation} on {self.problem.platform}{self.in_turn}: {self.reason}"]
        lines += [
            f"  {name:<14} {size / 2**20:10.3f} MiB between input and output"
            for name, size in self.intermediate_bytes.items()
        ]
        lines += [f"  {name:<14} cannot: {reason}" for name, reason in self.refusals.items()]
        return "\n".join(lines)


def cost(
    x_shape: Sequence[int],
    kernel_shape: Sequence[int],
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    dilation: Ints = 1,
    input_dilation: Ints = 1,
    groups: int = 1,
    bias: bool = False,
    dtype: Any = "float32",
    formulation: str = "direct",
) -> Cost:
    """Count what a convolution costs: operations, elements, bytes. Nothing is computed.

    Args:
        x_shape: `[*batch, *space, in]`.
        kernel_shape: `[*window, in/groups, out]`.
        stride: As for `conv`.
        padding: As for `conv`, with zeros.
        dilation: As for `conv`.
        input_dilation: As for `conv`.
        groups: As for `conv`.
        bias: Whether there is one.
        dtype: Of the operands.
        formulation: Whose operations and intermediates; "direct" counts the definition's.

    Returns:
        The counts.

    Raises:
        GeometryError: If the arguments describe no convolution.
        UnsupportedError: If there is no such formulation.

    Example:
        >>> c = cost((32, 32, 3), (3, 3, 3, 64), padding=1)
        >>> c.multiplications, c.additions
        (1769472, 1703936)
        >>> c.input_elements, c.kernel_elements, c.output_elements
        (3072, 1728, 65536)
    """
    arguments = {"stride": stride, "padding": padding, "dilation": dilation, "input_dilation": input_dilation}
    problem = _problem("cost", x_shape, kernel_shape, dtype, "cpu", groups=groups, **arguments)
    if not isinstance(formulation, str) or formulation not in FORMULATIONS:
        raise UnsupportedError(
            f"cost: formulation must be one of {', '.join(FORMULATIONS)}; got formulation={formulation!r}."
            f"{suggestion(formulation, FORMULATIONS)}"
        )
    found, with_bias = FORMULATIONS[formulation].cost(problem), direct_cost(problem, bias=bool(bias))
    more = with_bias.output_elements if bias else 0
    return found._replace(additions=found.additions + more, parameters=with_bias.parameters)


def explain(
    x: Any,
    kernel: Any,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    dilation: Ints = 1,
    input_dilation: Ints = 1,
    groups: int = 1,
    platform: str | None = None,
) -> Explanation:
    """Say which formulation `auto` takes for a convolution, and why.

    Args:
        x: `[*batch, *space, in]`, an array or a `jax.ShapeDtypeStruct`.
        kernel: `[*window, in/groups, out]`, likewise.
        stride: As for `conv`.
        padding: As for `conv`, with zeros.
        dilation: As for `conv`.
        input_dilation: As for `conv`.
        groups: As for `conv`.
        platform: "cpu", "cuda", "rocm" or "tpu"; by default the one that JAX would use.

    Returns:
        The choice, its reason, and the memory of every formulation; print it.

    Raises:
        GeometryError: If the arguments describe no convolution.
        UnsupportedError: If there is no such platform.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> series = jax.ShapeDtypeStruct((8, 16000, 1), jnp.float32)
        >>> kernel = jax.ShapeDtypeStruct((1001, 1, 1), jnp.float32)
        >>> explain(series, kernel, padding="SAME", platform="cpu").formulation
        'fft'
    """
    if platform not in (None, *PLATFORMS):
        raise UnsupportedError(
            f"explain: platform must be one of {', '.join(PLATFORMS)}; got platform={platform!r}. "
            "What JAX calls gpu is cuda or rocm here."
        )
    try:
        x_shape, kernel_shape, dtype = x.shape, kernel.shape, x.dtype
    except AttributeError as error:
        raise GeometryError(
            "explain: x and kernel must be arrays, or have their shape and dtype; got "
            f"{type(x).__name__} and {type(kernel).__name__}. Write jax.ShapeDtypeStruct(shape, jnp.float32)."
        ) from error
    if dtype != kernel.dtype:
        raise GeometryError(
            f"explain: x and kernel must have the same dtype; got {dtype} and {kernel.dtype}. Cast one."
        )
    platform = platform or current_platform()
    arguments = {"stride": stride, "padding": padding, "dilation": dilation, "input_dilation": input_dilation}
    problem = _problem("explain", x_shape, kernel_shape, dtype, platform, groups=groups, **arguments)
    return explain_problem(problem)


def explain_problem(problem: Problem) -> Explanation:
    """Say which formulation `auto` takes for a problem, and why; see `explain`."""
    choice = choose(problem)
    refusals = {name: reason for name, f in FORMULATIONS.items() if (reason := f.unsupported(problem))}
    between = {name: f.cost(problem).intermediate_bytes for name, f in FORMULATIONS.items() if name not in refusals}
    at_once = part(choice.formulation, problem)
    return Explanation(choice.formulation, choice.reason, problem, between, refusals, at_once)


def _in_words(problem: Problem) -> Iterator[str]:
    """Yield what a convolution's sizes are and cost, with the formulas filled in."""
    g, cost = problem.geometry, direct_cost(problem)
    axes = zip(
        g.input_size, g.window, g.output_size, g.stride, g.dilation, g.input_dilation, g.low, g.high, strict=True
    )
    formulas = [_output_size(*axis) for axis in axes]
    for formula in dict.fromkeys(formulas):
        places = [str(place) for place, one in enumerate(formulas) if one == formula]
        yield f"output size along axis {' and '.join(places)}: {formula}"
    window = "·".join(map(str, g.window))
    yield f"parameters: {window}·{problem.depth}·{problem.out_channels} = {cost.parameters:,}"
    each = "·".join(map(str, (problem.batch, *g.output_size, *g.window, problem.depth, problem.out_channels)))
    spared = cost.multiplications - cost.valid_multiplications
    rest = f", {spared:,} of them by zeros" if spared else ""
    yield f"multiplications: {each} = {cost.multiplications:,}{rest}"
    yield f"receptive field: {'×'.join(map(str, g.extent))}"


def _output_size(size: int, k: int, output: int, s: int, d: int, e: int, low: int, high: int) -> str:
    """Fill in (e(L − 1) + 1 + lo + hi − (d(k − 1) + 1)) / s + 1 = P; what no window reaches is not in hi.

    Example:
        >>> _output_size(7, 3, 4, 2, 1, 1, 1, 1)
        '(7 + 1 + 1 − 3) / 2 + 1 = 4'
        >>> _output_size(6, 3, 2, 2, 1, 1, 0, -1)
        '(6 + 0 − 1 − 3) / 2 + 1 = 2'
    """
    dilated = f"{e}·({size} − 1) + 1" if e > 1 else str(size)
    extent = f"({d}·({k} − 1) + 1)" if d > 1 else str(k)
    pads = "".join(f" {'+' if pad >= 0 else '−'} {abs(pad)}" for pad in (low, high))
    return f"({dilated}{pads} − {extent}) / {s} + 1 = {output}"


def _problem(
    caller: str, x_shape: Sequence[int], kernel_shape: Sequence[int], dtype: Any, platform: str, **arguments: Any
) -> Problem:
    x_shape, kernel_shape = sizes_of(caller, "x_shape", x_shape), sizes_of(caller, "kernel_shape", kernel_shape)
    try:
        name = jnp.dtype(dtype).name
    except TypeError as error:
        raise GeometryError(f"{caller}: dtype must be a dtype; got {dtype!r}. Write 'float32'.") from error
    geometry = conv_geometry(x_shape, kernel_shape, caller=caller, **arguments)
    batch = math.prod(x_shape[: len(x_shape) - len(geometry.window) - 1])
    return Problem(geometry, batch, x_shape[-1], kernel_shape[-1], name, platform)
