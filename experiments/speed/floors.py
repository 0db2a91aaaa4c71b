"""Time what any formulation is made of, on a layer's arrays: a pass through memory, products without patches.

    python experiments/speed/floors.py

Writes `floors.jsonl`: for each layer how many times as long `auto` takes as its floor, and the interval.
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


def floor(name: str, problem: Problem, normal: Callable[..., jax.Array]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the function of a floor and its operands."""
    g = problem.geometry
    if name == PASS:
        return lambda x: x * 2, (normal(problem.batch, *g.input_size, problem.in_channels),)
    if name == CALL:
        return jnp.matmul, (normal(8, 8), normal(8, 8))
    depth = math.prod(g.window) * problem.in_channels // g.groups
    rows = normal(g.groups, problem.batch * problem.positions, depth)
    return jnp.matmul, (rows, normal(g.groups, depth, problem.out_channels // g.groups))


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
            calls = {}
            for words, (function, operands) in {
                "auto": (convolve, (x, kernel)),
                name: floor(name, problem, normal),
            }.items():
                compiled = jax.jit(function).lower(*operands).compile()
                calls[words] = _timing.timed(lambda c=compiled, o=operands: jax.block_until_ready(c(*o)))
            found = _timing.measure(calls, rounds=40, seconds=0.5, rng=rng, reference=name)
            ratio = _timing.paired_ratio(found["auto"].times, found[name].times)._asdict()
            print(f"{problem!s:60} {ratio['median']:.2f} times {name}", flush=True)
            lines.append(record.encoded({"problem": str(problem), "floor": name, "ratio": ratio}) + "\n")
    _ = (HERE / "floors.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
