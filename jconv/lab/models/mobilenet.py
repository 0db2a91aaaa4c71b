"""MobileNet for small pictures: depthwise separable convolutions, and two numbers that shrink them.

For k×k windows, M features in, N out and outputs of h·w, a separable block takes h·w·(k²·M + M·N) multiplications,
where the standard convolution takes h·w·k²·M·N. With the width multiplier α (`width=`) and the resolution multiplier
ρ (`resolution=`, of the input picture), it is ρh·ρw·(k²·αM + αM·αN).
"""

import jax
from flax import nnx

from jconv.lab.models._blocks import Block, Head, Network, Spec

STEM = 16
"""Features of the first, standard convolution."""
BLOCKS = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1))
"""Features and stride of each separable block."""


class Separable(nnx.Module):
    """A 3×3 convolution of each feature by itself, then a 1×1 that mixes them; the common block twice."""

    def __init__(self, spec: Spec, in_features: int, out_features: int, stride: int):
        self.depthwise = Block(spec, in_features, in_features, (3, 3), stride, groups=in_features)
        self.pointwise = Block(spec, in_features, out_features, (1, 1))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the block's features."""
        return self.pointwise(self.depthwise(x))


class MobileNet(Network):
    """MobileNet (the first) with five separable blocks.

    References:
        Howard et al., MobileNets: efficient convolutional neural networks for mobile vision applications, 2017,
        https://arxiv.org/abs/1704.04861
    """

    def __init__(self, spec: Spec):
        features = spec.features(STEM)
        layers: list[nnx.Module] = [Block(spec, spec.channels, features)]
        for number, stride in BLOCKS:
            layers.append(Separable(spec, features, spec.features(number), stride))
            features = spec.features(number)
        self.body = nnx.Sequential(*layers)
        self.head = Head(spec, features)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scores of the classes."""
        return self.head(self.body(x))
