"""Inception: windows of several sizes side by side, behind 1×1 bottlenecks that make them cheap."""

import jax
import jax.numpy as jnp
from flax import nnx

import jconv
from jconv.lab.models._blocks import Block, Head, Network, Spec, halve

STEM = 16


class InceptionBlock(nnx.Module):
    """1×1, 1×1 → 3×3, 1×1 → 5×5 and pooling → 1×1, concatenated.

    A 5×5 convolution of M into N features takes 25·M·N multiplications a position; through a bottleneck of B
    features, M·B + 25·B·N.
    """

    def __init__(self, spec: Spec, in_features: int, branch: int):
        bottleneck = max(1, branch // 2)
        self.one = Block(spec, in_features, branch, (1, 1))
        self.three = nnx.Sequential(
            Block(spec, in_features, bottleneck, (1, 1)), Block(spec, bottleneck, branch, (3, 3))
        )
        self.five = nnx.Sequential(
            Block(spec, in_features, bottleneck, (1, 1)), Block(spec, bottleneck, branch, (5, 5))
        )
        self.pooled = Block(spec, in_features, branch, (1, 1))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return four times `branch` features."""
        pooled = jconv.max_pool(x, (3, 3), stride=1, padding="SAME")
        return jnp.concatenate([self.one(x), self.three(x), self.five(x), self.pooled(pooled)], axis=-1)


class Inception(Network):
    """GoogLeNet in small: a convolution, then two Inception blocks with pooling between.

    References:
        Szegedy et al., Going deeper with convolutions, 2014, https://arxiv.org/abs/1409.4842
    """

    def __init__(self, spec: Spec):
        stem, first, second = (spec.features(number) for number in (STEM, 8, 16))
        self.stem = Block(spec, spec.channels, stem)
        self.first = InceptionBlock(spec, stem, first)
        self.second = InceptionBlock(spec, 4 * first, second)
        self.head = Head(spec, 4 * second)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scores of the classes."""
        x = halve(self.first(self.stem(x)))
        return self.head(self.second(x))
