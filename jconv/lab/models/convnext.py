"""A ConvNeXt-like network: a large depthwise window, layer norm, and a 1×1 network twice over, scaled and added."""

import jax
import jax.numpy as jnp
from flax import nnx

from jconv.lab.models._blocks import Head, Network, Spec, conv

STAGES = (32, 64)
"""Features of the stages; two blocks each."""
SCALE = 0.1
"""Where the layer scale starts. The paper has 1e-6 for its deep networks; up to 18 blocks 0.1 is the usual value
(Touvron et al., Going deeper with image transformers, 2021, https://arxiv.org/abs/2103.17239)."""


class ConvNeXtBlock(nnx.Module):
    """x + γ · W₂ gelu(W₁ norm(depthwise(x))), W₁ and W₂ 1×1 convolutions with four times the features between."""

    def __init__(self, spec: Spec, features: int):
        self.depthwise = conv(spec, features, features, (7, 7), feature_group_count=features)
        self.norm = nnx.LayerNorm(features, epsilon=1e-6, rngs=spec.rngs)
        self.widen = conv(spec, features, 4 * features, (1, 1))
        self.narrow = conv(spec, 4 * features, features, (1, 1))
        self.scale = nnx.Param(jnp.full((1, 1, 1, features), SCALE))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the block's features."""
        y = nnx.gelu(self.widen(self.norm(self.depthwise(x))), approximate=False)
        return x + self.scale[...] * self.narrow(y)


class ConvNeXt(Network):
    """ConvNeXt with two stages; the stem and the step between the stages are 2×2 convolutions of stride 2.

    References:
        Liu et al., A ConvNet for the 2020s, 2022, https://arxiv.org/abs/2201.03545
    """

    def __init__(self, spec: Spec):
        first, second = (spec.features(number) for number in STAGES)
        self.stem = conv(spec, spec.channels, first, (2, 2), strides=2)
        self.body = nnx.Sequential(
            nnx.LayerNorm(first, epsilon=1e-6, rngs=spec.rngs),
            ConvNeXtBlock(spec, first),
            ConvNeXtBlock(spec, first),
            nnx.LayerNorm(first, epsilon=1e-6, rngs=spec.rngs),
            conv(spec, first, second, (2, 2), strides=2),
            ConvNeXtBlock(spec, second),
            ConvNeXtBlock(spec, second),
        )
        self.norm = nnx.LayerNorm(second, epsilon=1e-6, rngs=spec.rngs)
        self.head = Head(spec, second)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scores of the classes."""
        x = self.body(self.stem(x))
        # The paper normalises after the mean; the head takes the mean, and that of one position is itself.
        return self.head(self.norm(jnp.mean(x, axis=(1, 2), keepdims=True)))
