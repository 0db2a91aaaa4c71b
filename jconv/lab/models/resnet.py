"""A small residual network: basic blocks, each added to its input."""

import jax
from flax import nnx

from jconv.lab.models._blocks import Block, Head, Network, Spec, identity

STAGES = ((16, 1), (32, 2), (64, 2))
"""Features and stride of each basic block."""


class BasicBlock(nnx.Module):
    """relu(F(x) + shortcut(x)), F two 3×3 convolutions; the shortcut is a 1×1 convolution where shapes change."""

    def __init__(self, spec: Spec, in_features: int, out_features: int, stride: int):
        self.first = Block(spec, in_features, out_features, (3, 3), stride)
        self.second = Block(spec, out_features, out_features, activation=identity)
        same = stride == 1 and in_features == out_features
        shortcut = None if same else Block(spec, in_features, out_features, (1, 1), stride, activation=identity)
        self.shortcut = nnx.data(shortcut)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the block's features."""
        return nnx.relu(self.second(self.first(x)) + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(Network):
    """The residual network for small pictures with one basic block a stage: 8 layers, 16, 32 and 64 features.

    References:
        He et al., Deep residual learning for image recognition, section 4.2, 2015, https://arxiv.org/abs/1512.03385
    """

    def __init__(self, spec: Spec):
        features = spec.features(STAGES[0][0])
        layers: list[nnx.Module] = [Block(spec, spec.channels, features)]
        for number, stride in STAGES:
            layers.append(BasicBlock(spec, features, spec.features(number), stride))
            features = spec.features(number)
        self.body = nnx.Sequential(*layers)
        self.head = Head(spec, features)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scores of the classes."""
        return self.head(self.body(x))
