"""A U-Net-like auto-encoder: down by pooling, up by transposed convolutions, and skips at each size."""

import jax
import jax.numpy as jnp
from flax import nnx

from jconv.lab.models._blocks import Block, Network, Spec, conv, crop, halve, up

FEATURES = (16, 32, 64)
"""Of the three sizes."""


class UNet(Network):
    """U-Net with two halvings, trained to give back the clean picture of a noisy one: the skips could copy a clean one.

    Up is a 2×2 transposed convolution of stride 2, without overlap, then cropped where a side was odd.

    References:
        Ronneberger, Fischer and Brox, U-Net: convolutional networks for biomedical image segmentation, 2015,
        https://arxiv.org/abs/1505.04597
        Vincent et al., Extracting and composing robust features with denoising autoencoders, 2008,
        https://doi.org/10.1145/1390156.1390294
    """

    task = "reconstruct"

    def __init__(self, spec: Spec):
        first, second, third = (spec.features(number) for number in FEATURES)
        self.down_first = _pair(spec, spec.channels, first)
        self.down_second = _pair(spec, first, second)
        self.bottom = _pair(spec, second, third)
        self.dropout = nnx.Dropout(spec.dropout, rngs=spec.rngs)
        self.lift_second = up(spec, third, second, (2, 2))
        self.up_second = _pair(spec, 2 * second, second)
        self.lift_first = up(spec, second, first, (2, 2))
        self.up_first = _pair(spec, 2 * first, first)
        self.last = conv(spec, first, spec.channels, (1, 1))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return pictures of x's shape."""
        first = self.down_first(x)
        second = self.down_second(halve(first))
        third = self.dropout(self.bottom(halve(second)))
        y = self.up_second(_beside(self.lift_second(third), second))
        return self.last(self.up_first(_beside(self.lift_first(y), first)))


def _pair(spec: Spec, in_features: int, out_features: int) -> nnx.Sequential:
    return nnx.Sequential(Block(spec, in_features, out_features), Block(spec, out_features, out_features))


def _beside(lifted: jax.Array, skip: jax.Array) -> jax.Array:
    return jnp.concatenate([crop(lifted, skip), skip], axis=-1)
