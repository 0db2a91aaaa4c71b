"""What the machine can do at best, measured beside the run: a matrix product and a copy."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jconv import _timing

SIDE = 1024  # of the square float32 matrices
COPIED = 2**26  # bytes


def probe(rounds: int = 15) -> dict[str, float]:
    """Measure the rate of a float32 matrix product and of a copy.

    Args:
        rounds: How often each is run.

    Returns:
        `matmul_flops_per_s`, and `copy_bytes_per_s` counting what is read and what is written.
    """
    a = jnp.asarray(np.random.default_rng(0).standard_normal((SIDE, SIDE)), jnp.float32)
    long = jnp.zeros(COPIED // 4, jnp.float32)
    programs: dict[str, Callable[[], Any]] = {
        "matmul": _ready(lambda a: a @ a, a),
        "copy": _ready(lambda x: x + 1, long),
    }
    timed = {name: _timing.timed(call) for name, call in programs.items()}
    samples = _timing.measure(timed, rounds=rounds, seconds=5.0, rng=np.random.default_rng(0))
    seconds = {name: float(np.median(found.times)) for name, found in samples.items()}
    return {
        "matmul_flops_per_s": 2.0 * SIDE**3 / seconds["matmul"],
        "copy_bytes_per_s": 2.0 * COPIED / seconds["copy"],
    }


def _ready(function: Callable[[jax.Array], jax.Array], argument: jax.Array) -> Callable[[], Any]:
    compiled = jax.jit(function).lower(argument).compile()
    _ = jax.block_until_ready(compiled(argument))
    return lambda: jax.block_until_ready(compiled(argument))
