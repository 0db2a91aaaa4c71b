"""A WaveNet-like network in one dimension: causal convolutions whose dilation doubles from layer to layer."""

import jax
import jax.numpy as jnp
from flax import nnx

from jconv.lab.models._blocks import Head, Network, Spec, conv

FEATURES = 32


class GatedLayer(nnx.Module):
    """z = tanh(filter(x)) · σ(gate(x)), both causal and dilated; gives x + residual(z), and skip(z)."""

    def __init__(self, spec: Spec, features: int, dilation: int, *, last: bool):
        self.both = conv(spec, features, 2 * features, (2,), kernel_dilation=dilation, padding="CAUSAL")
        self.skip = conv(spec, features, features, (1,))
        # Nothing follows the last layer but its skip.
        self.residual = nnx.data(None if last else conv(spec, features, features, (1,)))

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return what the next layer sees, and what the sum of skips gets."""
        filtered, gate = jnp.split(self.both(x), 2, axis=-1)
        z = jnp.tanh(filtered) * nnx.sigmoid(gate)
        return (x if self.residual is None else x + self.residual(z)), self.skip(z)


class WaveNet(Network):
    """WaveNet over a picture's rows: a step is a row, with width·channels features; classified by the mean over steps.

    As many layers as it takes for the last step to see all: dilations 1, 2, 4 … below the height, windows of two.

    References:
        van den Oord et al., WaveNet: a generative model for raw audio, 2016, https://arxiv.org/abs/1609.03499
    """

    def __init__(self, spec: Spec):
        features = spec.features(FEATURES)
        depth = max(1, (spec.size[0] - 1).bit_length())
        self.front = conv(spec, spec.size[1] * spec.channels, features, (1,))
        layers = [GatedLayer(spec, features, 2**level, last=level == depth - 1) for level in range(depth)]
        self.layers = nnx.Sequential(*layers)
        self.mix = conv(spec, features, features, (1,))
        self.head = Head(spec, features)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scores of the classes."""
        x = self.front(x.reshape(*x.shape[:2], -1))
        skips = []
        for layer in self.layers.layers:
            x, skip = layer(x)
            skips.append(skip)
        return self.head(nnx.relu(self.mix(nnx.relu(sum(skips[1:], skips[0])))))
