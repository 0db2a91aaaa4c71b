"""LeNet-5: two convolutions with pooling, and a third whose window is all that is left."""

import jax
from flax import nnx

import jconv
from jconv.lab.models._blocks import Block, Network, Spec, conv


class LeNet(Network):
    """LeNet-5 with the common block for its scaled tanh, and zero padding, so that small pictures pass too.

    Two 5×5 convolutions (6 and 16 features), each with mean pooling; the third (120) has the whole map for a window,
    and so is a fully connected layer, as are the last two.

    References:
        LeCun et al., Gradient-based learning applied to document recognition, 1998,
        https://doi.org/10.1109/5.726791
    """

    def __init__(self, spec: Spec):
        first, second, third, fourth = (spec.features(number) for number in (6, 16, 120, 84))
        rest = (spec.size[0] // 4, spec.size[1] // 4)
        self.first = Block(spec, spec.channels, first, (5, 5))
        self.second = Block(spec, first, second, (5, 5))
        self.third = conv(spec, second, third, rest, padding="VALID")
        self.fourth = nnx.Linear(third, fourth, rngs=spec.rngs)
        self.dropout = nnx.Dropout(spec.dropout, rngs=spec.rngs)
        self.last = nnx.Linear(fourth, spec.classes, rngs=spec.rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scores of the classes."""
        x = jconv.avg_pool(self.first(x), (2, 2))
        x = jconv.avg_pool(self.second(x), (2, 2))
        x = nnx.relu(self.third(x))[:, 0, 0]
        return self.last(self.dropout(nnx.relu(self.fourth(x))))
