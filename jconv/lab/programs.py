"""The programs that are compared: a convolution by a formulation, under each transform; their operands; compiling."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jconv
from jconv.lab.plan import Call, Problem
from jconv.lab.truth import ARGUMENTS, STEPS

Function = Callable[..., Any]


def convolution(call: Call, formulation: str, precision: str) -> Function:
    """Return the function of x and kernel that computes a call by a formulation."""
    settings = {**call.arguments, "flip": call.flip, "formulation": formulation, "precision": precision}
    door = jconv.conv_transpose if call.transposed else jconv.conv
    return lambda x, kernel: door(x, kernel, **settings)


def program(transform: str, f: Function) -> Function:
    """Return a transform of a function of x and kernel; it takes `ARGUMENTS[transform]` and returns a tuple.

    Args:
        transform: Its name.
        f: The convolution.

    Returns:
        The function to compile.
    """

    def loss(kernel: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.square(f(x, kernel))) / 2

    def one_example(x: jax.Array, kernel: jax.Array, ct: jax.Array) -> jax.Array:
        return jax.vjp(lambda k: f(x[None], k), kernel)[1](ct[None])[0]

    def descend(x: jax.Array, kernel: jax.Array, rate: jax.Array) -> jax.Array:
        def step(k: jax.Array, _: None) -> tuple[jax.Array, None]:
            return (k - rate * jax.grad(loss)(k, x)).astype(k.dtype), None

        return lax.scan(step, kernel, None, length=STEPS)[0]

    def forward_backward(x: jax.Array, kernel: jax.Array, ct: jax.Array) -> tuple[jax.Array, ...]:
        y, pull = jax.vjp(f, x, kernel)
        return y, *pull(ct)

    programs: Mapping[str, Function] = {
        "forward": lambda x, k: (f(x, k),),
        "input_gradient": lambda x, k, ct: jax.vjp(lambda x: f(x, k), x)[1](ct),
        "kernel_gradient": lambda x, k, ct: jax.vjp(lambda k: f(x, k), k)[1](ct),
        "gradients": lambda x, k, ct: jax.vjp(f, x, k)[1](ct),
        "forward_backward": forward_backward,
        "jvp": lambda x, k, dx, dk: jax.jvp(f, (x, k), (dx, dk)),
        "vmap": lambda x, kernels: (jax.vmap(f, (None, 0))(x, kernels),),
        "vmapped_kernels": lambda x, kernels: (jax.vmap(jax.grad(loss), (0, None))(kernels, x),),
        "ensemble": lambda xs, kernels: (jax.vmap(jax.grad(loss))(kernels, xs),),
        "per_example_gradients": lambda x, k, ct: (jax.vmap(one_example, (0, None, 0))(x, k, ct),),
        "scan": lambda x, k, rate: (descend(x, k, rate),),
    }
    return programs[transform]


def output_shape(call: Call) -> tuple[int, ...]:
    """Return the shape of a call's output."""
    x, kernel = (jax.ShapeDtypeStruct(shape, np.float32) for shape in (call.x_shape, call.kernel_shape))
    return jax.eval_shape(convolution(call, "direct", "highest"), x, kernel).shape


def shapes(call: Call, networks: int) -> dict[str, tuple[tuple[int, ...], float]]:
    """Return the shape of each operand that a transform may take, and the scale that it is drawn with.

    Args:
        call: The convolution.
        networks: How many kernels a vmap maps over.

    Returns:
        Both, by the operand's name.
    """
    width = float(np.sqrt(2 / np.prod(call.kernel_shape[:-1])))
    return {
        "x": (call.x_shape, 1.0),
        "kernel": (call.kernel_shape, width),
        "cotangent": (output_shape(call), 1.0),
        "x_tangent": (call.x_shape, 1.0),
        "kernel_tangent": (call.kernel_shape, width),
        "kernels": ((networks, *call.kernel_shape), width),
        "xs": ((networks, *call.x_shape), 1.0),
        "rate": ((), 1.0),
    }


def draw(problem: Problem, call: Call, networks: int, whole: bool = False) -> dict[str, np.ndarray]:
    """Draw a problem's operands from its own seed, in its dtype.

    Args:
        problem: The problem; its name makes the draws its own.
        call: Its convolution.
        networks: How many kernels a vmap maps over.
        whole: Whether to draw whole numbers from −4 to 4 instead of a normal law.

    Returns:
        What the transform takes, by name.
    """
    rng = np.random.default_rng([problem.settings.seed, *problem.layer.encode()])
    fan_in = int(np.prod(call.kernel_shape[:-1]))
    dtype, sizes = jnp.dtype(problem.dtype), shapes(call, networks)
    drawn = {}
    for name in ARGUMENTS[problem.transform]:
        if name == "rate":
            # ‖∂½‖x∗k‖²/∂k‖ ≤ positions · fan_in · ‖k‖ for x of size one: four steps move k, and none blows up.
            positions = int(np.prod(output_shape(call)[:-1]))
            drawn[name] = np.asarray(0.25 / (positions * fan_in), dtype)
            continue
        shape, scale = sizes[name]
        array = rng.integers(-4, 5, shape) if whole else scale * rng.standard_normal(shape)
        drawn[name] = np.asarray(array, dtype)
    return drawn


class Compiled(NamedTuple):
    """A compiled program with its operands; seconds, and what XLA says of it where it says it."""

    call: Callable[[], Any]
    lower_s: float
    compile_s: float
    first_s: float
    value: Any
    facts: dict[str, float]


def compile_program(function: Function, arguments: Sequence[jax.Array]) -> Compiled:
    """Lower, compile and run a program once, each step timed.

    Args:
        function: The program.
        arguments: Its operands, on the device.

    Returns:
        The compiled program.
    """
    start = time.perf_counter()
    lowered = jax.jit(function).lower(*arguments)
    middle = time.perf_counter()
    compiled = lowered.compile()
    end = time.perf_counter()

    def call() -> Any:
        return jax.block_until_ready(compiled(*arguments))

    value = call()
    return Compiled(call, middle - start, end - middle, time.perf_counter() - end, value, _facts(compiled))


def _facts(compiled: Any) -> dict[str, float]:
    """Return XLA's own counts: its operations leave out padding, and count the body of a loop once."""
    facts: dict[str, float] = {}
    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
    if cost and cost.get("flops", -1) >= 0:
        facts["xla_flops"] = float(cost["flops"])
    for key, name in (("temp_bytes", "temp_size_in_bytes"), ("peak_bytes", "peak_memory_in_bytes")):
        value = getattr(memory, name, -1)
        if value is not None and value >= 0:
            facts[key] = int(value)
    if not peaked(facts, *(getattr(memory, f"{part}_size_in_bytes", 0) or 0 for part in ("argument", "output"))):
        _ = facts.pop("peak_bytes", None)
    return facts


def peaked(facts: Mapping[str, float], arguments: int, outputs: int) -> bool:
    """Return whether a peak counts the temporary arrays too; on CPU, XLA's leaves them out, and so means nothing.

    Example:
        >>> peaked({"temp_bytes": 5000, "peak_bytes": 3004}, 1000, 2000)
        False
    """
    beyond = facts.get("peak_bytes", 0) - arguments - outputs
    return beyond >= 0.01 * facts.get("temp_bytes", 0)
