"""Network in network: every convolution is followed by 1×1 ones, a small network at each position."""

import jax
import jax.numpy as jnp
from flax import nnx

from jconv.lab.models._blocks import Block, Network, Spec, conv, halve

FEATURES = (32, 64)


class NiN(Network):
    """Network in network with three mlpconv layers; the last gives a map per class, whose mean is the class's score.

    References:
        Lin, Chen and Yan, Network in network, 2013, https://arxiv.org/abs/1312.4400
    """

    def __init__(self, spec: Spec):
        first, second = (spec.features(number) for number in FEATURES)
        self.first = _mlpconv(spec, spec.channels, first, (5, 5))
        self.first_dropout = nnx.Dropout(spec.dropout, rngs=spec.rngs)
        self.second = _mlpconv(spec, first, second, (3, 3))
        self.second_dropout = nnx.Dropout(spec.dropout, rngs=spec.rngs)
        self.third = nnx.Sequential(Block(spec, second, second), Block(spec, second, second, (1, 1)))
        self.maps = conv(spec, second, spec.classes, (1, 1))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scores of the classes."""
        x = self.first_dropout(halve(self.first(x)))
        x = self.second_dropout(halve(self.second(x)))
        return jnp.mean(self.maps(self.third(x)), axis=(1, 2))


def _mlpconv(spec: Spec, in_features: int, features: int, window: tuple[int, int]) -> nnx.Sequential:
    return nnx.Sequential(
        Block(spec, in_features, features, window),
        Block(spec, features, features, (1, 1)),
        Block(spec, features, features, (1, 1)),
    )
