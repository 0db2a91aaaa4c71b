"""What the networks are made of: their specification, and the common block, Activation(BatchNorm(Conv))."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

import jconv.nnx

MOMENTUM = 0.9
"""Of the batch statistics: small sets have few steps an epoch, and Flax's 0.99 would lag behind for several."""

Activation = Callable[[jax.Array], jax.Array]


class Spec(NamedTuple):
    """What a network is built for.

    Args:
        channels: Of the pictures.
        classes: How many.
        size: Height and width of the pictures as the network sees them.
        width: Multiplies the features of every layer.
        dropout: The share of features dropped in training.
        formulation: What computes every convolution.
        rngs: Draws the parameters, and the dropped features.
    """

    channels: int
    classes: int
    size: tuple[int, int]
    width: float
    dropout: float
    formulation: str
    rngs: nnx.Rngs

    def features(self, number: int) -> int:
        """Return a layer's features times the width multiplier, one at least."""
        return max(1, round(self.width * number))


class Network(nnx.Module):
    """A network of pictures `[n, height, width, channels]`; `task` says what it is trained for (`jconv.lab.tasks`)."""

    task: ClassVar[str] = "classify"

    @abstractmethod
    def __init__(self, spec: Spec):
        """Draw the layers."""

    @abstractmethod
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scores `[n, classes]`, or what else the task asks for."""


def conv(spec: Spec, in_features: int, out_features: int, window: tuple[int, ...], **arguments: Any) -> jconv.nnx.Conv:
    """Return a convolution by the specification's formulation.

    Args:
        spec: Whose formulation, and whose random keys.
        in_features: Features of the input.
        out_features: Features of the output.
        window: The window.
        **arguments: More of `jconv.nnx.Conv`'s.

    Returns:
        The layer.
    """
    return jconv.nnx.Conv(in_features, out_features, window, formulation=spec.formulation, rngs=spec.rngs, **arguments)


def up(spec: Spec, in_features: int, out_features: int, window: tuple[int, int]) -> jconv.nnx.ConvTranspose:
    """Return a transposed convolution that doubles height and width; without bias, as what follows has one."""
    return jconv.nnx.ConvTranspose(
        in_features, out_features, window, 2, use_bias=False, formulation=spec.formulation, rngs=spec.rngs
    )


class Block(nnx.Module):
    """Activation(BatchNorm(Conv(x))). The convolution has no bias: the normalisation would take it away.

    References:
        Ioffe and Szegedy, Batch normalization: accelerating deep network training by reducing internal covariate
        shift, 2015, https://arxiv.org/abs/1502.03167
    """

    def __init__(
        self,
        spec: Spec,
        in_features: int,
        out_features: int,
        window: tuple[int, ...] = (3, 3),
        stride: int = 1,
        *,
        groups: int = 1,
        activation: Activation = nnx.relu,
    ):
        self.conv = conv(
            spec, in_features, out_features, window, strides=stride, feature_group_count=groups, use_bias=False
        )
        self.norm = nnx.BatchNorm(out_features, momentum=MOMENTUM, rngs=spec.rngs)
        self.activation = activation

    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolve, normalise, activate."""
        return self.activation(self.norm(self.conv(x)))


class Head(nnx.Module):
    """The mean over all positions, dropout, and a linear classifier.

    References:
        Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014,
        https://jmlr.org/papers/v15/srivastava14a.html
    """

    def __init__(self, spec: Spec, in_features: int):
        self.dropout = nnx.Dropout(spec.dropout, rngs=spec.rngs)
        self.linear = nnx.Linear(in_features, spec.classes, rngs=spec.rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return scores `[n, classes]` of `[n, *space, in_features]`."""
        return self.linear(self.dropout(jnp.mean(x, axis=tuple(range(1, x.ndim - 1)))))


def identity(x: jax.Array) -> jax.Array:
    """Return x: the activation of a block that has none."""
    return x


def halve(x: jax.Array) -> jax.Array:
    """Take the largest of each 2×2 window; an odd last row or column is a window by itself."""
    return jconv.max_pool(x, (2, 2), ceil_mode=True)


def crop(x: jax.Array, like: jax.Array) -> jax.Array:
    """Cut the height and width of x to those of another array."""
    return x[:, : like.shape[1], : like.shape[2]]
