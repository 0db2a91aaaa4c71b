"""Time training steps of plain Flax networks with `jconv.install()` and without, one alone and four in a scan.

A step alone also runs with free convolutions, which only write their results. That is no bound: what is fused with its
surroundings writes none.

python experiments/speed/steps.py          every network
python experiments/speed/steps.py unet     one
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from models import NETWORKS

import jconv
from jconv import _timing, lowering
from jconv.costs import Problem
from jconv.lab import record
from jconv.selection import watch

HERE = Path(__file__).parent
STEPS = 4
OFF, ON, AGAIN, FREE, PRODUCT = "lax", "install", "lax again", "free convolutions", "product"
RATIOS = {"ratio": ON, "free_ratio": FREE, "product_ratio": "at a product's rate"}
SIDE = 1024  # of the product's matrices


def programs(name: str) -> tuple[dict[str, Callable[[Any], Any]], Any]:
    """Return a training step and four in a scan, functions of a network's state, and its first state."""
    model, shape = NETWORKS[name]
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal(shape), jnp.float32)
    variables = jax.jit(model.init)(jax.random.key(0), x)
    logits = jax.eval_shape(lambda v: model.apply(v, x, mutable=["batch_stats"])[0], variables).shape
    labels = jnp.asarray(rng.integers(0, logits[-1], logits[:-1]))
    optimizer = optax.sgd(1e-3)
    rest = {key: value for key, value in variables.items() if key != "params"}

    def loss(params: Any, rest: Any) -> tuple[jax.Array, Any]:
        y, after = model.apply({"params": params, **rest}, x, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(y, labels).mean(), after

    def step(state: Any) -> tuple[Any, jax.Array]:
        params, rest, memory = state
        (value, after), gradient = jax.value_and_grad(loss, has_aux=True)(params, rest)
        updates, memory = optimizer.update(gradient, memory, params)
        return (optax.apply_updates(params, updates), after, memory), value

    state = (variables["params"], rest, optimizer.init(variables["params"]))
    many = lambda state: lax.scan(lambda state, _: step(state), state, None, length=STEPS)  # noqa: E731
    return {"step": step, f"{STEPS} steps in a scan": many}, state


@contextmanager
def free() -> Iterator[None]:
    """Lower convolutions, in a `with` block, to what writes an array of the result's size, of one entry.

    Left operands, which are the activations and their gradients, are computed: nothing is left out before a barrier.
    """
    to_channels_last = lowering._channels_last

    def channels_last(lhs: jax.Array, rhs: jax.Array, params: dict[str, Any]) -> tuple[jax.Array, jax.Array]:
        return to_channels_last(lax.optimization_barrier(lhs), rhs, params)

    def compute(_: str, problem: Problem, x: jax.Array, kernel: jax.Array, **settings: Any) -> jax.Array:
        entry = (x.ravel()[0] * kernel.ravel()[0]).astype(settings["preferred_element_type"])
        return lax.optimization_barrier(jnp.broadcast_to(entry, problem.y_shape))

    instead: Any = {"taken": lambda *_: "free", "compute": compute, "_channels_last": channels_last}
    with mock.patch.multiple(lowering, **instead), watch():  # what was lowered before is lowered again
        yield


def nudged(state: Any) -> Any:
    """Return a state whose parameters are one unit in the last place larger: the least that rounding can do."""
    params, *rest = state
    return (jax.tree.map(lambda leaf: jnp.nextafter(leaf, jnp.inf), params), *rest)


def off_by(loss: jax.Array, reference: jax.Array) -> float:
    """Return the largest relative difference of two losses, or of two rows of them."""
    return float(jnp.abs(loss / reference - 1).max())


def compare(function: Callable[[Any], Any], state: Any, alone: bool) -> dict[str, Any]:
    """Time a function with and without in the same rounds; say how far off the loss is, relatively, and the state.

    As a control, how far off it is without, from parameters that are nudged. Of one step also two marks to judge it
    by: its time with free convolutions, and that and their operations at the rate of a large product.
    """
    calls, counts, results, compiling = {}, {}, {}, {}
    for name in (OFF, ON, *([FREE] if alone else [])):
        with jconv.installed(name != OFF), free() if name == FREE else nullcontext():
            clock = _timing.timed(lambda: calls.update({name: jax.jit(function).lower(state).compile()}))  # noqa: B023
            compiling[name] = clock()
            if alone and name != ON:
                counts[name] = (jax.jit(function).lower(state).cost_analysis() or {})["flops"]
        results[name] = jax.block_until_ready(calls[name](state))
    contenders = {
        name: _timing.timed(lambda call=call: jax.block_until_ready(call(state))) for name, call in calls.items()
    }
    contenders[AGAIN] = contenders[OFF]
    square = jnp.ones((SIDE, SIDE))
    product = jax.jit(jnp.matmul).lower(square, square).compile()
    contenders[PRODUCT] = _timing.timed(lambda: jax.block_until_ready(product(square, square)))
    found = _timing.measure(
        contenders,
        rounds=20,
        seconds=20.0,
        rng=np.random.default_rng(0),
        reference=OFF,
        precision=_timing.PRECISION,
        slow=20.0,
    )
    (state_on, loss_on), (state_off, loss_off) = results[ON], results[OFF]
    _, loss_nudged = calls[OFF](nudged(state))
    leaves = zip(jax.tree.leaves(state_on), jax.tree.leaves(state_off), strict=True)
    ratio = lambda name: _timing.paired_ratio(found[name].times, found[OFF].times)._asdict()  # noqa: E731
    return {
        "ratio": ratio(ON),
        "again_ratio": ratio(AGAIN),
        **(marks(counts, found) if alone else {}),
        "loss_off_by": off_by(loss_on, loss_off),
        "nudged_loss_off_by": off_by(loss_nudged, loss_off),
        "state_off_by": max(float(jnp.abs(on - off).max()) for on, off in leaves),
        "compile_s": compiling,
        "samples_s": {name: samples.times for name, samples in found.items()},
    }


def marks(counts: dict[str, float], found: dict[str, _timing.Samples]) -> dict[str, Any]:
    """Return two marks, over a step's time without: free convolutions, and such at a large product's rate.

    Operations are the convolutions', zeros left out: those of the step less those of the step with free ones. Spectra
    and tiles of Winograd's need fewer.
    """
    products = (counts[OFF] - counts[FREE]) / (2 * SIDE**3)
    pairs = zip(found[FREE].times, found[PRODUCT].times, strict=False)
    rate = [free + products * product for free, product in pairs]
    return {
        "free_ratio": _timing.paired_ratio(found[FREE].times, found[OFF].times)._asdict(),
        "product_ratio": _timing.paired_ratio(rate, found[OFF].times)._asdict(),
        "convolutions_flops": counts[OFF] - counts[FREE],
    }


def main() -> None:
    """Write a file of lines for each network, one line a function, and what they were made on."""
    folder = HERE / "steps"
    folder.mkdir(exist_ok=True)
    _ = (folder / record.ENVIRONMENT).write_text(record.encoded(record.describe_machine()) + "\n")
    wanted = sys.argv[1:] or list(NETWORKS)
    for name in wanted:
        lines = []
        functions, state = programs(name)
        for words, function in functions.items():
            line = {"network": name, "pictures": NETWORKS[name][1], "function": words}
            line |= compare(function, state, alone=words == "step")
            times = (f"{what} × {1 / line[key]['median']:.2f}" for key, what in RATIOS.items() if key in line)
            print(f"{name}, {words}:", *times, flush=True)
            lines.append(record.encoded(line) + "\n")
        _ = (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
