"""The laboratory's networks, data and training, on sets small enough to check: they learn, repeat and refuse."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.extend.core import ClosedJaxpr, Jaxpr

from jconv.errors import ConfigError
from jconv.lab.data import Data
from jconv.lab.models import MODELS, build, mobilenet
from jconv.lab.tasks import TASKS
from jconv.lab.train import _trouble, drift, flat, random, train


@pytest.fixture(autouse=True, scope="module")
def quick_compilation() -> Iterator[None]:
    """Optimise little: what is tested here runs a few steps, and compiles long."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def bars(count: int, side: int = 8, channels: int = 1) -> Data:
    """Return noisy pictures of an upright and of a lying bar: two classes that a few steps tell apart."""
    rng = np.random.default_rng(0)
    x = 0.2 * rng.random((count, side, side, channels), dtype=np.float32)
    y = (np.arange(count) % 2).astype(np.int32)
    for picture, label in zip(x, y, strict=True):
        place = rng.integers(1, side - 2)
        if label:
            picture[place : place + 2] = 0.9
        else:
            picture[:, place : place + 2] = 0.9
    half = count // 2
    return Data("bars", x[:half], y[:half], x[half:], y[half:], ("upright", "lying"))


DATA = bars(32)


def quick(model: str, **settings: Any) -> Any:
    """Train for a few steps, by SGD: Adam would move what has only rounding for a gradient."""
    common: dict[str, Any] = {"epochs": 10, "batch_size": 16, "learning_rate": 0.1, "optimizer": "sgd", "width": 0.5}
    return train(model, DATA, **{**common, "formulation": "direct", **settings})


def network(name: str, formulation: str = "direct", **settings: Any) -> nnx.Module:
    return build(
        name, **{"channels": 1, "classes": 2, "size": 8, "rngs": random(0), "formulation": formulation, **settings}
    )


@pytest.mark.parametrize("name", MODELS)
def test_every_model_starts_alike_learns_and_has_no_dead_parameter(name: str):
    start = nnx.state(network(name, width=0.5), nnx.Param)
    chex.assert_trees_all_equal(start, nnx.state(network(name, "shifts", width=0.5), nnx.Param))

    trained = quick(name)
    assert trained.stopped == ""
    assert len(trained.loss) == len(trained.test_accuracy) == len(trained.snapshots) == 10
    assert trained.loss[-1] < 0.97 * trained.loss[0]
    assert trained.parameters == trained.snapshots[0].size == sum(leaf.size for leaf in jax.tree.leaves(start))

    # After all steps: a scale before a depthwise convolution has a gradient only once its shift has moved.
    moved = np.abs(trained.snapshots[-1] - flat(start))
    ends = np.cumsum([leaf.size for leaf in jax.tree.leaves(start)])
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(start)]
    for path, leaf in zip(paths, np.split(moved, ends[:-1]), strict=True):
        assert leaf.max() > 1e-5 * moved.max(), path


def test_formulations_differ_by_rounding_and_seeds_by_more():
    told = []
    settings: dict[str, Any] = {"dropout": 0.2, "batch_size": 8, "epochs": 2, "learning_rate": 0.01}
    first = quick("lenet", **settings, tell=lambda *said: told.append(said))
    for formulation in ("auto", "fft"):
        other = quick("lenet", **settings, formulation=formulation)
        np.testing.assert_allclose(other.loss, first.loss, rtol=1e-4)
        distances = drift(other.snapshots, first.snapshots)
        assert len(distances) == 2
        assert max(distances) < 1e-4
    again = quick("lenet", **settings)
    assert drift(first.snapshots, again.snapshots) == [0.0, 0.0]
    starts = [flat(nnx.state(network("lenet", rngs=random(seed)), nnx.Param)) for seed in (0, 1)]
    assert drift(starts[:1], starts[1:])[0] > 0.1
    assert told == [(1, first.loss[0], first.test_accuracy[0]), (2, first.loss[1], first.test_accuracy[1])]
    assert first.examples_per_s > 0
    assert first.compile_s > 0


def test_drift():
    vectors = [np.array([3.0, 4.0], np.float32), np.array([1.0, 0.0], np.float32)]
    assert drift(vectors, vectors) == [0.0, 0.0]
    assert drift([np.array([3.0, 4.5], np.float32)], vectors) == [0.1]


def test_what_is_not_finite_ends_the_training_and_is_said():
    trained = quick("lenet", batch_size=8, learning_rate=1e30)
    assert "at step 2 of epoch 1" in trained.stopped
    assert (trained.loss, trained.snapshots, trained.test_accuracy) == ([], [], [])
    assert _trouble(2, np.ones(3), np.array([1.0, -np.inf])).startswith(
        "the parameters stopped being finite in epoch 2"
    )
    assert _trouble(2, np.ones(3), np.ones(2)) == ""


def test_adamw_learns():
    trained = quick("lenet", optimizer="adamw", learning_rate=0.01)
    assert trained.loss[-1] < 0.9 * trained.loss[0]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("resolution", [1.0, 0.7])
def test_models_take_any_picture(name: str, resolution: float):
    def scores(x: jax.Array) -> jax.Array:
        return network(name, channels=3, classes=5, size=(9, 14), resolution=resolution, dropout=0.5)(x)

    shape = {"classify": (2, 5), "reconstruct": (2, 9, 14, 3), "segment": (2, 9, 14, 6)}[MODELS[name].task]
    assert jax.eval_shape(scores, jax.ShapeDtypeStruct((2, 9, 14, 3), np.float32)).shape == shape


def multiplications(function: Callable[[jax.Array], jax.Array], x: jax.ShapeDtypeStruct) -> int:
    """Count what the convolutions of a program take, from its equations: out · window · in/groups."""
    return sum(_multiplications(jax.make_jaxpr(function)(x).jaxpr))


def _multiplications(program: Jaxpr) -> Iterator[int]:
    for equation in program.eqns:
        if equation.primitive.name in ("conv_general_dilated", "conv_stock"):
            (_, kernel), (out,) = equation.invars, equation.outvars
            features = _shape(kernel)[equation.params["dimension_numbers"].rhs_spec[0]]
            yield math.prod(_shape(out)) * math.prod(_shape(kernel)) // features
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda v: isinstance(v, ClosedJaxpr)):
            if isinstance(inner, ClosedJaxpr):
                yield from _multiplications(inner.jaxpr)


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


@pytest.mark.parametrize(("width", "resolution"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.5), (0.25, 0.75)])
def test_mobilenet_multipliers_cost_what_the_paper_says(width: float, resolution: float):
    size = 16

    def scores(x: jax.Array) -> jax.Array:
        return network("mobilenet", channels=3, classes=5, size=size, width=width, resolution=resolution)(x)

    side = round(resolution * size)
    m = round(width * mobilenet.STEM)
    macs, parameters = side * side * 9 * 3 * m, 9 * 3 * m + 2 * m
    for features, stride in mobilenet.BLOCKS:
        n = round(width * features)
        side = -(-side // stride)
        macs += side * side * (9 * m + m * n)
        parameters += 9 * m + m * n + 2 * (m + n)  # and a scale and a shift per normalised feature
        m = n
    assert multiplications(scores, jax.ShapeDtypeStruct((1, size, size, 3), np.float32)) == macs
    shapes = jax.eval_shape(
        lambda: nnx.state(network("mobilenet", channels=3, classes=5, size=size, width=width), nnx.Param)
    )
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes)) == parameters + (m + 1) * 5


@pytest.mark.parametrize("name", MODELS)
def test_every_convolution_is_by_the_formulation(name: str):
    x = jax.ShapeDtypeStruct((1, 8, 8, 1), np.float32)
    assert multiplications(lambda x: network(name, "direct")(x), x) > 0
    assert multiplications(lambda x: network(name, "shifts")(x), x) == 0


def model_settings(**changed: Any) -> dict[str, Any]:
    return {"name": "lenet", "channels": 1, "classes": 2, "size": 8, "rngs": random(0), **changed}


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"name": "lenett"}, "model must be one of lenet, .*Did you mean 'lenet'"),
        ({"width": 0.0}, "width must be positive"),
        ({"resolution": math.inf}, "resolution must be positive and finite"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"channels": 0}, "channels must be at least 1"),
        ({"classes": 1}, "classes must be at least 2"),
        ({"size": (3, 8)}, "pictures must be at least 4×4"),
        ({"resolution": 0.4}, "so 3×3"),
    ],
)
def test_models_refuse(changed: dict[str, Any], rule: str):
    with pytest.raises(ConfigError, match=rule):
        _ = build(**model_settings(**changed))


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"optimizer": "adamm"}, "optimizer must be one of adam, sgd, adamw; .*Did you mean 'adam'"),
        ({"batch_size": 17}, "batch_size must be from 1 to the number of training pictures; got batch_size=17, 16"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"learning_rate": -1.0}, "learning_rate must be positive"),
    ],
)
def test_training_refuses(changed: dict[str, Any], rule: str):
    with pytest.raises(ConfigError, match=rule):
        _ = quick("lenet", **changed)


def test_scores_by_hand():
    segment, rebuild = TASKS["segment"], TASKS["reconstruct"]
    x = np.array([[[[0.9], [0.1]], [[0.8], [0.2]]]], np.float32)
    labels = segment.pair(x, np.array([1], np.int32), 3, np.random.default_rng(0))[1]
    assert labels.tolist() == [[[1, 3], [1, 3]]]
    # All is said to be background: one of the two classes that are there is wholly right.
    got, of = segment.tally(jax.nn.one_hot(np.full((1, 2, 2), 3), 4), jnp.asarray(labels))
    assert segment.score(np.sum(got, axis=0), np.sum(of, axis=0)) == 0.5
    seen, target = (jnp.asarray(part) for part in rebuild.pair(x, np.array([1]), 3, np.random.default_rng(0)))
    assert (seen != target).all()
    got, of = rebuild.tally(jnp.full_like(target, 0.5), target)
    assert rebuild.score(np.asarray(got), np.asarray(of)) == pytest.approx(0.0)
    assert rebuild.loss(target, target).tolist() == [0.0]
