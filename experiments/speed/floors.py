"""Time what any formulation is made of: a pass through memory, products without patches, a product's two forms.

    python experiments/speed/floors.py

Writes `floors.jsonl`: for each layer how many times as long `auto` takes as its floor, and the interval; then for
products like those of a kernel's gradient how many times as long Aᵀ·B takes as A·B.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jconv
from jconv import _timing
from jconv.costs import Problem, parse_problem
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
TURNED = ((576, 570, 64), (576, 2280, 64), (1152, 2280, 128), (192, 2280, 64))


def _from_the_first_axes(a: jax.Array, b: jax.Array) -> jax.Array:
    return jax.lax.dot_general(a, b, (((0,), (0,)), ((), ())))


def floor(name: str, problem: Problem, normal: Callable[..., jax.Array]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the function of a floor and its operands."""
    g = problem.geometry
    if name == PASS:
        return lambda x: x * 2, (normal(problem.batch, *g.input_size, problem.in_channels),)
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


def main() -> None:
    """Write a line a layer, and what they were made on."""
    rng = np.random.default_rng(0)
    normal = lambda *shape: jnp.asarray(rng.standard_normal(shape), jnp.float32)  # noqa: E731
    lines = []
    for name, texts in FLOORS.items():
        for problem in map(parse_problem, texts):
            g = problem.geometry
            x = normal(problem.batch, *g.input_size, problem.in_channels)
            kernel = normal(*g.window, problem.in_channels // g.groups, problem.out_channels)
            padding = tuple(zip(g.low, g.high, strict=True))
            convolve = lambda x, k, p=padding, n=g.groups: jconv.conv(x, k, padding=p, groups=n)  # noqa: E731
            ratio = race({"auto": (convolve, (x, kernel)), name: floor(name, problem, normal)}, rng)
            print(f"{problem!s:60} {ratio['median']:.2f} times {name}", flush=True)
            lines.append(record.encoded({"problem": str(problem), "floor": name, "ratio": ratio}) + "\n")
    for rows, terms, columns in TURNED:
        a, b = normal(rows, terms), normal(terms, columns)
        turned = jnp.asarray(np.asarray(a).T.copy())
        ratio = race({"Aᵀ·B": (_from_the_first_axes, (turned, b)), "A·B": (jnp.matmul, (a, b))}, rng)
        print(f"{rows}×{terms}×{columns}: Aᵀ·B takes {ratio['median']:.2f} times A·B", flush=True)
        lines.append(record.encoded({"product": [rows, terms, columns], "floor": "A·B", "ratio": ratio}) + "\n")
    _ = (HERE / "floors.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
