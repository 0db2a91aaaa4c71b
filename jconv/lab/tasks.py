"""What a network is trained for: what it sees and should give, the loss, and the score of a test set.

| task | sees | should give | loss | score |
| --- | --- | --- | --- | --- |
| classify | the picture | its class | cross-entropy | share of pictures classified right |
| segment | the picture | each pixel's class | cross-entropy | share of pixels classified right, mean over classes |
| reconstruct | the picture with noise | the picture | mean square | share of the pictures' variance explained |

A pixel is of its picture's class where there is ink, the mean of its channels above a half; else of the background, a
class more. Most pixels are, so the score of "segment" weighs all classes alike, as the "mean accuracy" of Long et al.
(2014); what knows only the background gets 1/(classes + 1). The score of "reconstruct" may be negative; a flat
picture of the right brightness gets 0.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

INK = 0.5
NOISE = 0.3
"""The standard deviation of the noise of "reconstruct"."""


class Task(NamedTuple):
    """One task, as functions.

    Args:
        pair: What the network sees and should give, from pictures `[n, h, w, c]`, labels `[n]`, the number of
            classes and a generator.
        loss: One number per example, from the network's outputs and what it should give.
        tally: Per example, what is `got` out of what there is (`of`); both `[n, parts]`.
        score: The test score, from the sums of `got` and `of` over all examples.
    """

    pair: Callable[[np.ndarray, np.ndarray, int, np.random.Generator], tuple[np.ndarray, np.ndarray]]
    loss: Callable[[jax.Array, jax.Array], jax.Array]
    tally: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
    score: Callable[[np.ndarray, np.ndarray], float]


def _classify_pair(x: np.ndarray, y: np.ndarray, _: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return x, y


def _segment_pair(
    x: np.ndarray, y: np.ndarray, classes: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    ink = x.mean(axis=-1) > INK
    return x, np.where(ink, y[:, None, None], classes).astype(np.int32)


def _reconstruct_pair(x: np.ndarray, y: np.ndarray, _: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return x + NOISE * rng.standard_normal(x.shape, dtype=np.float32), x


def _cross_entropy(scores: jax.Array, labels: jax.Array) -> jax.Array:
    chex.assert_equal_shape_prefix([scores, labels], labels.ndim)
    losses = optax.softmax_cross_entropy_with_integer_labels(scores, labels)
    return jnp.mean(losses.reshape(labels.shape[0], -1), axis=1)


def _square(pictures: jax.Array, target: jax.Array) -> jax.Array:
    chex.assert_equal_shape([pictures, target])
    return jnp.mean(jnp.square(pictures - target), axis=(1, 2, 3))


def _right(scores: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    right = (jnp.argmax(scores, axis=-1) == labels).astype(jnp.float32)[:, None]
    return right, jnp.ones_like(right)


def _right_by_class(scores: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    right = (jnp.argmax(scores, axis=-1) == labels).astype(jnp.float32)[..., None]
    member = jax.nn.one_hot(labels, scores.shape[-1])
    return jnp.sum(right * member, axis=(1, 2)), jnp.sum(member, axis=(1, 2))


def _unexplained(pictures: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    error = jnp.sum(jnp.square(pictures - target), axis=(1, 2, 3))
    mean = jnp.mean(target, axis=(1, 2, 3), keepdims=True)
    return error[:, None], jnp.sum(jnp.square(target - mean), axis=(1, 2, 3))[:, None]


def _share(got: np.ndarray, of: np.ndarray) -> float:
    return float(np.mean(got[of > 0] / of[of > 0]))


def _explained(got: np.ndarray, of: np.ndarray) -> float:
    return 1.0 - float(got.sum() / of.sum())


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "classify": Task(_classify_pair, _cross_entropy, _right, _share),
        "segment": Task(_segment_pair, _cross_entropy, _right_by_class, _share),
        "reconstruct": Task(_reconstruct_pair, _square, _unexplained, _explained),
    }
)
