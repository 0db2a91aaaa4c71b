"""A fully convolutional network: a classifier at every position, raised to the picture's size."""

import jax
from flax import nnx

from jconv.lab.models._blocks import Block, Network, Spec, conv, crop, halve, up

FEATURES = (16, 32, 64)


class FCN(Network):
    """Scores of every pixel: 1×1 classifiers at a quarter and at half the size, fused by transposed convolutions.

    As FCN-16s, which fuses one skip: double the coarse scores, add those of the finer map, double again.
    The last score is the background's; see the task "segment" in `jconv.lab.tasks`.

    References:
        Long, Shelhamer and Darrell, Fully convolutional networks for semantic segmentation, 2014,
        https://arxiv.org/abs/1411.4038
    """

    task = "segment"

    def __init__(self, spec: Spec):
        first, second, third = (spec.features(number) for number in FEATURES)
        scores = spec.classes + 1
        self.first = Block(spec, spec.channels, first)
        self.second = Block(spec, first, second)
        self.third = Block(spec, second, third)
        self.dropout = nnx.Dropout(spec.dropout, rngs=spec.rngs)
        self.coarse = conv(spec, third, scores, (1, 1))
        self.fine = conv(spec, second, scores, (1, 1))
        self.double = up(spec, scores, scores, (4, 4))
        self.double_again = up(spec, scores, scores, (4, 4))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scores `[n, height, width, classes + 1]`."""
        second = self.second(halve(self.first(x)))
        third = self.dropout(self.third(halve(second)))
        fused = crop(self.double(self.coarse(third)), second) + self.fine(second)
        return crop(self.double_again(fused), x)
