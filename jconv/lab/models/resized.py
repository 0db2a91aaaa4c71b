"""MobileNet's resolution multiplier: the network sees a smaller picture, and costs ρ² as much."""

import jax

from jconv.lab.models._blocks import Network


class Resized(Network):
    """A network behind a resizing of its pictures; what it gives for every pixel is resized back.

    References:
        Howard et al., MobileNets, section 3.4, 2017, https://arxiv.org/abs/1704.04861
    """

    def __init__(self, network: Network, size: tuple[int, int]):
        self.network = network
        self.size = size

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the network's output for x, resized."""
        y = self.network(_resize(x, self.size))
        return y if y.ndim == 2 else _resize(y, (x.shape[1], x.shape[2]))


def _resize(x: jax.Array, size: tuple[int, int]) -> jax.Array:
    return jax.image.resize(x, (x.shape[0], *size, x.shape[3]), "linear")
