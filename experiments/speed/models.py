"""Four networks in plain Flax, as their papers have them: nothing here knows of jconv."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


class MobileNetV2(nn.Module):
    """Sandler et al., MobileNetV2: Inverted residuals and linear bottlenecks, 2018, Table 2."""

    classes: int = 1000

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return logits `[N, classes]` of pictures `[N, H, W, 3]`."""
        x = self.unit(x, 32, 3, stride=2)
        stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2)]
        for expand, width, repeats, stride in [*stages, (6, 320, 1, 1)]:
            for i in range(repeats):
                x = self.block(x, expand, width, stride if i == 0 else 1)
        x = self.unit(x, 1280, 1)
        return nn.Dense(self.classes)(x.mean((1, 2)))

    def block(self, x: jax.Array, expand: int, width: int, stride: int) -> jax.Array:
        """Widen, filter each channel, narrow."""
        hidden = expand * x.shape[-1]
        y = self.unit(x, hidden, 1) if expand > 1 else x
        y = self.unit(y, hidden, 3, stride=stride, groups=hidden)
        y = self.unit(y, width, 1, activation=lambda y: y)
        return x + y if y.shape == x.shape else y

    def unit(
        self,
        x: jax.Array,
        width: int,
        window: int,
        stride: int = 1,
        groups: int = 1,
        activation: Callable[[jax.Array], jax.Array] = nn.relu6,
    ) -> jax.Array:
        """Convolve, normalise, activate."""
        x = nn.Conv(width, (window, window), stride, feature_group_count=groups, use_bias=False)(x)
        return activation(nn.BatchNorm(use_running_average=False)(x))


class ResNet50(nn.Module):
    """He et al., Deep residual learning for image recognition, 2015, Table 1; the stride in the 3×3 layer."""

    classes: int = 1000

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return logits `[N, classes]` of pictures `[N, H, W, 3]`."""
        x = nn.relu(self.unit(x, 64, 7, 2))
        x = nn.max_pool(x, (3, 3), (2, 2), "SAME")
        for stage, repeats in enumerate((3, 4, 6, 3)):
            for i in range(repeats):
                width, stride = 64 * 2**stage, 2 if stage > 0 and i == 0 else 1
                y = nn.relu(self.unit(x, width, 1))
                y = nn.relu(self.unit(y, width, 3, stride))
                y = self.unit(y, 4 * width, 1)
                x = nn.relu(y + (x if x.shape == y.shape else self.unit(x, 4 * width, 1, stride)))
        return nn.Dense(self.classes)(x.mean((1, 2)))

    def unit(self, x: jax.Array, width: int, window: int, stride: int = 1) -> jax.Array:
        """Convolve and normalise."""
        x = nn.Conv(width, (window, window), stride, use_bias=False)(x)
        return nn.BatchNorm(use_running_average=False)(x)


class ConvNeXtT(nn.Module):
    """Liu et al., A ConvNet for the 2020s, 2022: ConvNeXt-T without stochastic depth."""

    classes: int = 1000

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return logits `[N, classes]` of pictures `[N, H, W, 3]`."""
        x = nn.LayerNorm()(nn.Conv(96, (4, 4), 4)(x))
        for stage, (width, repeats) in enumerate([(96, 3), (192, 3), (384, 9), (768, 3)]):
            if stage:
                x = nn.Conv(width, (2, 2), 2)(nn.LayerNorm()(x))
            for _ in range(repeats):
                y = nn.LayerNorm()(nn.Conv(width, (7, 7), feature_group_count=width)(x))
                y = nn.Dense(width)(nn.gelu(nn.Dense(4 * width)(y)))
                x = x + y * self.param(f"scale{stage}-{_}", nn.initializers.constant(1e-6), (width,))
        return nn.Dense(self.classes)(nn.LayerNorm()(x.mean((1, 2))))


class UNet(nn.Module):
    """Ronneberger et al., U-Net, 2015, Figure 1, padded so that sizes stay, at half its width."""

    classes: int = 2
    width: int = 32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return logits `[N, H, W, classes]` of pictures `[N, H, W, c]`."""
        kept = []
        for level in range(5):
            if level:
                kept.append(x)
                x = nn.max_pool(x, (2, 2), (2, 2))
            x = self.twice(x, self.width * 2**level)
        for level in reversed(range(4)):
            x = nn.ConvTranspose(self.width * 2**level, (2, 2), (2, 2))(x)
            x = self.twice(jnp.concatenate([kept[level], x], -1), self.width * 2**level)
        return nn.Conv(self.classes, (1, 1))(x)

    def twice(self, x: jax.Array, width: int) -> jax.Array:
        """Convolve twice."""
        for _ in range(2):
            x = nn.relu(nn.Conv(width, (3, 3))(x))
        return x


NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mobilenet_v2": (MobileNetV2(), (8, 96, 96, 3)),
    "convnext_tiny": (ConvNeXtT(), (4, 128, 128, 3)),
    "unet": (UNet(), (2, 128, 128, 1)),
    "resnet50": (ResNet50(), (8, 128, 128, 3)),
    "resnet50_64px": (ResNet50(), (4, 64, 64, 3)),
}
"""Each network with the shape of its pictures."""
