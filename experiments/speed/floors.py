"""Time what any formulation is made of: a pass through memory, products without patches, a product's two forms.

    python experiments/speed/floors.py

Writes `floors.jsonl`: for each layer how many times as long `auto` takes as its floor, and the interval; then for
products like those of a kernel's gradient how many times as long Aᵀ·B takes as A·B; then for formulations that keep
much how many times as long all images at once take as the same in parts, as `auto` computes them.
"""

import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jconv
from jconv import _timing, selection
from jconv.costs import Problem, parse_problem
from jconv.formulations import FORMULATIONS
from jconv.lab import record

HERE = Path(__file__).parent
PASS, PRODUCTS, CALL = "a pass: x · 2", "its products, without patches", "a product of 8 × 8"
FLOORS = {
    PASS: (
        "n1_i112x112c32_k3x3o32_s1x1_p1:1x1:1_d1x1_g32_float32",
        "n1_i56x56c144_k3x3o144_s1x1_p1:1x1:1_d1x1_g144_float32",
        "n1_i14x14c576_k3x3o576_s1x1_p1:1x1:1_d1x1_g576_float32",
    ),
    PRODUCTS: (
        "n1_i14x14c512_k3x3o512_s1x1_p1:1x1:1_d1x1_g32_float32",
        "n1_i7x7c1024_k3x3o1024_s1x1_p1:1x1:1_d1x1_g32_float32",
        "n1_i56x56c64_k3x3o64_s1x1_p1:1x1:1_d1x1_g1_float32",
        "n1_i28x28c128_k3x3o128_s1x1_p1:1x1:1_d1x1_g1_float32",
        "n1_i14x14c256_k3x3o256_s1x1_p1:1x1:1_d1x1_g1_float32",
    ),
    CALL: ("n1_i1x1c480_k1x1o20_s1x1_p0:0x0:0_d1x1_g1_float32",),
}
IN_TURN = (
    ("winograd", "n8_i68x68c256_k3x3o512_s1x1_p0:0x0:0_d1x1_g1_float32"),
    ("winograd", "n8_i102x102c256_k3x3o256_s1x1_p0:0x0:0_d1x1_g1_float32"),
    ("winograd", "n1_i68x68c256_k3x3o512_s1x1_p0:0x0:0_d1x1_g1_float32"),
    ("winograd", "n8_i28x28x28c32_k3x3x3o32_s1x1x1_p1:1x1:1x1:1_d1x1x1_g1_float32"),
    ("fft", "n8_i56x56c128_k31x31o128_s1x1_p15:15x15:15_d1x1_g128_float32"),
    ("fft", "n8_i8192c64_k8192o64_s1_p8191:0_d1_g64_float32"),
    ("col2im", "n8_i24x24x16c128_k2x2x2o128_s1x1x1_p1:1x1:1x1:1_d1x1x1_e2x2x2_g1_float32"),
)
TURNED = ((576, 570, 64), (576, 2280, 64), (1152, 2280, 128), (192, 2280, 64))
Normal = Callable[..., jax.Array]  # draws an array of a shape


def _from_the_first_axes(a: jax.Array, b: jax.Array) -> jax.Array:
    return jax.lax.dot_general(a, b, (((0,), (0,)), ((), ())))


def floor(name: str, problem: Problem, normal: Normal) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the function of a floor and its operands."""
    g = problem.geometry
    if name == PASS:
        return lambda x: x * 2, (normal(*problem.x_shape),)
    if name == CALL:
        return jnp.matmul, (normal(8, 8), normal(8, 8))
    depth = math.prod(g.window) * problem.depth
    rows = normal(g.groups, problem.batch * problem.positions, depth)
    return jnp.matmul, (rows, normal(g.groups, depth, problem.width))


def race(calls: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]], rng: np.random.Generator) -> dict[str, Any]:
    """Return the first's time over the second's."""
    timed = {}
    for words, (function, operands) in calls.items():
        compiled = jax.jit(function).lower(*operands).compile()
        timed[words] = _timing.timed(lambda c=compiled, o=operands: jax.block_until_ready(c(*o)))
    first, second = timed
    found = _timing.measure(timed, rounds=40, seconds=0.5, rng=rng, reference=second)
    return _timing.paired_ratio(found[first].times, found[second].times)._asdict()


def against_floors(rng: np.random.Generator, normal: Normal) -> Iterator[dict[str, Any]]:
    """Yield a line for each layer and its floor."""
    for name, texts in FLOORS.items():
        for problem in map(parse_problem, texts):
            g = problem.geometry
            padding = tuple(zip(g.low, g.high, strict=True))
            convolve = lambda x, k, p=padding, n=g.groups: jconv.conv(x, k, padding=p, groups=n)  # noqa: E731
            calls = {"auto": (convolve, operands(problem, normal)), name: floor(name, problem, normal)}
            yield {"problem": str(problem), "floor": name, "ratio": race(calls, rng)}


def turned(rng: np.random.Generator, normal: Normal) -> Iterator[dict[str, Any]]:
    """Yield a line for each product and its form."""
    for rows, terms, columns in TURNED:
        a, b = normal(rows, terms), normal(terms, columns)
        across = jnp.asarray(np.asarray(a).T.copy())
        ratio = race({"Aᵀ·B": (_from_the_first_axes, (across, b)), "A·B": (jnp.matmul, (a, b))}, rng)
        yield {"product": [rows, terms, columns], "floor": "A·B", "ratio": ratio}


def in_turn(rng: np.random.Generator, normal: Normal) -> Iterator[dict[str, Any]]:
    """Yield a line for each formulation and problem that `auto` computes in parts."""
    for name, problem in ((name, parse_problem(text)) for name, text in IN_TURN):
        settings: dict[str, Any] = {"precision": None, "preferred_element_type": jnp.float32}
        whole = functools.partial(FORMULATIONS[name].apply, geometry=problem.geometry, **settings)
        parts = functools.partial(selection.compute, name, problem, **settings)
        both = operands(problem, normal)
        ratio = race({"at once": (whole, both), "in parts": (parts, both)}, rng)
        yield {"problem": str(problem), "formulation": name, "floor": "in parts", "ratio": ratio}


def operands(problem: Problem, normal: Normal) -> tuple[jax.Array, jax.Array]:
    """Draw the input and the kernel of a problem."""
    return normal(*problem.x_shape), normal(*problem.kernel_shape)


def main() -> None:
    """Write a line a comparison."""
    rng = np.random.default_rng(0)
    normal = lambda *shape: jnp.asarray(rng.standard_normal(shape), jnp.float32)  # noqa: E731
    lines = []
    for compare in (against_floors, turned, in_turn):
        for line in compare(rng, normal):
            what = line.get("problem") or "×".join(map(str, line["product"]))
            print(f"{what:60} {line['ratio']['median']:.2f} times {line['floor']}", flush=True)
            lines.append(record.encoded(line) + "\n")
    _ = (HERE / "floors.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
