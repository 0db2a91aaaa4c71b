"""Train one network by one formulation, and measure how far two trainings from one seed drift apart.

All that is random comes from the seed alone: the parameters, what dropout drops, the noise of the task
"reconstruct", and the order of the pictures. So two formulations start from the same numbers and see the same
batches, and differ by rounding only. The learning rate falls to zero along half a cosine.

References:
    Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2016, https://arxiv.org/abs/1608.03983
"""

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jconv.errors import ConfigError, suggestion
from jconv.lab.data import Data
from jconv.lab.models import MODELS, build
from jconv.lab.tasks import TASKS, Task

MOMENTUM = 0.9
"""Of "sgd"; Nesterov's."""
TEST_BATCH = 256
OPTIMIZERS: Mapping[str, Callable[[optax.ScalarOrSchedule], optax.GradientTransformation]] = MappingProxyType(
    {
        "adam": optax.adam,
        "sgd": lambda rate: optax.sgd(rate, momentum=MOMENTUM, nesterov=True),
        "adamw": optax.adamw,
    }
)


class Trained(NamedTuple):
    """What a training leaves.

    Args:
        loss: The mean over the batches of each finished epoch.
        test_accuracy: After each finished epoch; the score of the model's task (`jconv.lab.tasks`).
        examples_per_s: Training pictures a second, compilation and tests aside.
        compile_s: Seconds to lower and compile the training step.
        parameters: How many numbers are trained.
        snapshots: All parameters after each finished epoch, `[parameters]`.
        stopped: Why the training ended early, a sentence; "" if it did not.
    """

    loss: list[float]
    test_accuracy: list[float]
    examples_per_s: float
    compile_s: float
    parameters: int
    snapshots: list[np.ndarray]
    stopped: str


class State(NamedTuple):
    """What a training step changes: parameters, statistics and random keys, and the optimizer's own."""

    parameters: Any
    rest: Any
    optimizer: Any


def train(
    model: str,
    data: Data,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    optimizer: str = "adam",
    width: float = 1.0,
    resolution: float = 1.0,
    dropout: float = 0.0,
    seed: int = 0,
    formulation: str = "auto",
    tell: Callable[[int, float, float], None] = lambda epoch, loss, accuracy: None,
) -> Trained:
    """Train a network from a seed.

    Args:
        model: One of `jconv.lab.models.MODELS`.
        data: What to learn and to test.
        epochs: Passes over the training pictures.
        batch_size: Pictures in a step; the rest that fills none is left out, another one each epoch.
        learning_rate: At the first step.
        optimizer: adam, sgd (Nesterov, 0.9) or adamw, as optax has them.
        width: Multiplies the features of every layer.
        resolution: Multiplies the size of the pictures.
        dropout: The share of features dropped.
        seed: Of all that is random.
        formulation: What computes every convolution.
        tell: Called after each epoch with its number (from 1), loss and test accuracy.

    Returns:
        The curves, the parameters along the way, and the speed.

    Raises:
        ConfigError: If the settings describe no training.
        UnsupportedError: If the formulation cannot compute one of the model's convolutions.
    """
    _check(data, epochs, batch_size, learning_rate, optimizer)
    network = build(
        model,
        channels=data.train_x.shape[-1],
        classes=len(data.classes),
        size=(data.train_x.shape[1], data.train_x.shape[2]),
        width=width,
        resolution=resolution,
        dropout=dropout,
        formulation=formulation,
        rngs=random(seed),
    )
    task = TASKS[MODELS[model].task]
    noise = np.random.default_rng(seed)
    x, y = _pair(task, data.train_x, data.train_y, data, noise)
    test = _pair(task, data.test_x, data.test_y, data, noise)
    steps = len(x) // batch_size
    rule = OPTIMIZERS[optimizer](optax.cosine_decay_schedule(learning_rate, epochs * steps))

    network.eval()
    test_graph = nnx.graphdef(network)
    network.train()
    graph, parameters, rest = nnx.split(network, nnx.Param, ...)
    state = State(parameters, rest, rule.init(parameters))
    rows = jax.ShapeDtypeStruct((batch_size,), np.int32)
    start = time.perf_counter()
    step = jax.jit(_step(task, rule, graph)).lower(state, x, y, rows).compile()
    compile_s = time.perf_counter() - start
    tally = jax.jit(_tally(task, test_graph))

    curve, accuracies, snapshots, seconds, stopped = [], [], [], 0.0, ""
    for epoch in range(1, epochs + 1):
        order = np.random.default_rng([seed, epoch]).permutation(len(x)).astype(np.int32)
        start = time.perf_counter()
        losses = []
        for i in range(steps):
            state, loss = step(state, x, y, order[i * batch_size : (i + 1) * batch_size])
            losses.append(loss)
        losses = np.array(jax.device_get(losses))
        seconds += time.perf_counter() - start
        snapshot = flat(state.parameters)
        stopped = _trouble(epoch, losses, snapshot)
        if stopped:
            break
        curve.append(float(losses.mean()))
        accuracies.append(_score(task, tally, state, test))
        snapshots.append(snapshot)
        tell(epoch, curve[-1], accuracies[-1])
    done = (len(curve) + bool(stopped)) * steps * batch_size
    return Trained(curve, accuracies, done / seconds, compile_s, flat(parameters).size, snapshots, stopped)


def random(seed: int) -> nnx.Rngs:
    """Return the source of parameters and dropout, of a kind that compiles in a fifth of the usual one's time.

    Its numbers are the same for a seed on one kind of device and version of XLA, not across them.
    """
    return nnx.Rngs(jax.random.key(seed, impl="rbg"))


def drift(snapshots: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> list[float]:
    r"""Return how far parameters are from a reference's, $\|θ - θ_\text{ref}\| / \|θ_\text{ref}\|$, in float64.

    Args:
        snapshots: One vector an epoch.
        reference: As many numbers an epoch; epochs that only one of the two has are left out.

    Returns:
        One distance an epoch.

    Example:
        >>> drift([np.array([3.0, 4.0])], [np.array([3.0, 5.0])])[0] == 1 / 34**0.5
        True
    """
    distances = []
    for snapshot, other in zip(snapshots, reference, strict=False):
        theta, theta_ref = snapshot.astype(np.float64), other.astype(np.float64)
        distances.append(float(np.linalg.norm(theta - theta_ref) / np.linalg.norm(theta_ref)))
    return distances


def flat(parameters: Any) -> np.ndarray:
    """Return all numbers of a tree of arrays as one vector."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.device_get(jax.tree.leaves(parameters))])


def _check(data: Data, epochs: int, batch_size: int, learning_rate: float, optimizer: str) -> None:
    if optimizer not in OPTIMIZERS:
        raise ConfigError(
            f"train: optimizer must be one of {', '.join(OPTIMIZERS)}; got optimizer={optimizer!r}."
            f"{suggestion(optimizer, OPTIMIZERS)}"
        )
    if not 1 <= batch_size <= len(data.train_x):
        raise ConfigError(
            f"train: batch_size must be from 1 to the number of training pictures; got batch_size={batch_size}, "
            f"{len(data.train_x)} pictures of {data.name}. Take a smaller batch."
        )
    if epochs < 1:
        raise ConfigError(f"train: epochs must be at least 1; got epochs={epochs}.")
    if not 0 < learning_rate < np.inf:
        raise ConfigError(f"train: learning_rate must be positive and finite; got learning_rate={learning_rate}.")


def _pair(
    task: Task, x: np.ndarray, y: np.ndarray, data: Data, noise: np.random.Generator
) -> tuple[jax.Array, jax.Array]:
    sees, gives = task.pair(x, y, len(data.classes), noise)
    return jnp.asarray(sees), jnp.asarray(gives)


def _step(task: Task, rule: optax.GradientTransformation, graph: Any) -> Callable[..., tuple[State, jax.Array]]:
    """Return the function of state, all x, all y and the rows of a batch that makes one step."""

    def step(state: State, x: jax.Array, y: jax.Array, rows: jax.Array) -> tuple[State, jax.Array]:
        def objective(parameters: Any) -> tuple[jax.Array, Any]:
            network = nnx.merge(graph, parameters, state.rest, copy=True)
            loss = jnp.mean(task.loss(network(x[rows]), y[rows]))
            return loss, nnx.state(network, nnx.Not(nnx.Param))

        (loss, rest), gradient = jax.value_and_grad(objective, has_aux=True)(state.parameters)
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            updates, own = rule.update(gradient, state.optimizer, state.parameters)
        return State(optax.apply_updates(state.parameters, updates), rest, own), loss

    return step


def _tally(task: Task, graph: Any) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Return the function of state, x, y and weights that sums a task's tally over a test batch."""

    def tally(state: State, x: jax.Array, y: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
        network = nnx.merge(graph, state.parameters, state.rest, copy=True)
        got, of = task.tally(network(x), y)
        return weight @ got, weight @ of

    return tally


def _score(task: Task, tally: Callable[..., Any], state: State, test: tuple[jax.Array, jax.Array]) -> float:
    """Score the test set in batches of one size: the last repeats an example, and gives it no weight."""
    count = len(test[0])
    size = min(TEST_BATCH, count)
    sums = []
    for first in range(0, count, size):
        rows = np.arange(first, first + size)
        x, y = (array[np.minimum(rows, count - 1)] for array in test)
        sums.append(jax.device_get(tally(state, x, y, (rows < count).astype(np.float32))))
    got, of = (np.sum(np.array(part, np.float64), axis=0) for part in zip(*sums, strict=True))
    return task.score(got, of)


def _trouble(epoch: int, losses: np.ndarray, snapshot: np.ndarray) -> str:
    """Return what is not finite after an epoch, as a sentence, or ""."""
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        return f"the loss became {losses[bad[0]]} at step {bad[0] + 1} of epoch {epoch}; take a smaller learning_rate"
    if not np.all(np.isfinite(snapshot)):
        return f"the parameters stopped being finite in epoch {epoch}; take a smaller learning_rate"
    return ""
