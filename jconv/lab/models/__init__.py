"""Small networks of `jconv.nnx` layers, Flax NNX, one a file; all that differs between two runs is `formulation`.

Each trains on two cores in seconds to minutes, on pictures of 8×8 as of 28×28. Width (features) and resolution (size
of the picture) multiply as in MobileNet, for all of them.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType

from flax import nnx

from jconv.errors import ConfigError, suggestion
from jconv.lab.models._blocks import Network, Spec
from jconv.lab.models.convnext import ConvNeXt
from jconv.lab.models.fcn import FCN
from jconv.lab.models.inception import Inception
from jconv.lab.models.lenet import LeNet
from jconv.lab.models.mobilenet import MobileNet
from jconv.lab.models.nin import NiN
from jconv.lab.models.resized import Resized
from jconv.lab.models.resnet import ResNet
from jconv.lab.models.unet import UNet
from jconv.lab.models.wavenet import WaveNet

__all__ = ["MODELS", "Network", "Spec", "build"]

MODELS: Mapping[str, type[Network]] = MappingProxyType(
    {
        "lenet": LeNet,
        "resnet": ResNet,
        "mobilenet": MobileNet,
        "convnext": ConvNeXt,
        "unet": UNet,
        "wavenet": WaveNet,
        "nin": NiN,
        "inception": Inception,
        "fcn": FCN,
    }
)
LEAST_SIZE = 4
"""The smallest side of a picture that two halvings leave something of."""


def build(
    name: str,
    *,
    channels: int,
    classes: int,
    size: int | tuple[int, int],
    width: float = 1.0,
    resolution: float = 1.0,
    dropout: float = 0.0,
    formulation: str = "auto",
    rngs: nnx.Rngs,
) -> Network:
    """Build a network; the same `rngs` draw the same parameters, whatever the formulation.

    Args:
        name: One of `MODELS`.
        channels: Of the pictures.
        classes: How many; without the background, which "fcn" adds.
        size: Of the pictures, the side of a square or (height, width).
        width: Multiplies the features of every layer.
        resolution: Multiplies the size: pictures are resized before the network (and its pictures after it).
        dropout: The share of features dropped in training.
        formulation: What computes every convolution: "auto", or a name out of `jconv.FORMULATIONS`.
        rngs: Draws the parameters, and the dropped features.

    Returns:
        The network, in training mode.

    Raises:
        ConfigError: If a name or a number is none that can be built.

    Example:
        >>> import jax
        >>> def scores(x):
        ...     return build("lenet", channels=1, classes=10, size=28, rngs=nnx.Rngs(0))(x)
        >>> jax.eval_shape(scores, jax.ShapeDtypeStruct((5, 28, 28, 1), "float32")).shape
        (5, 10)

    References:
        Howard et al., MobileNets, sections 3.3 and 3.4, 2017, https://arxiv.org/abs/1704.04861
    """
    if name not in MODELS:
        raise ConfigError(
            f"build: model must be one of {', '.join(MODELS)}; got model={name!r}.{suggestion(name, MODELS)}"
        )
    rules = {
        "width must be positive and finite": (0 < width < math.inf, f"width={width}"),
        "resolution must be positive and finite": (0 < resolution < math.inf, f"resolution={resolution}"),
        "dropout must be at least 0 and below 1": (0 <= dropout < 1, f"dropout={dropout}"),
        "channels must be at least 1": (channels >= 1, f"channels={channels}"),
        "classes must be at least 2": (classes >= 2, f"classes={classes}"),
    }
    for rule, (kept, got) in rules.items():
        if not kept:
            raise ConfigError(f"build: {rule}; got {got}.")
    height, breadth = (size, size) if isinstance(size, int) else size
    seen = (round(resolution * height), round(resolution * breadth))
    if min(seen) < LEAST_SIZE:
        raise ConfigError(
            f"build: pictures must be at least {LEAST_SIZE}×{LEAST_SIZE} for two halvings; got size={size}, "
            f"resolution={resolution}, so {seen[0]}×{seen[1]}. Take larger pictures, or resolution=1."
        )
    network = MODELS[name](Spec(channels, classes, seen, width, dropout, formulation, rngs))
    return network if seen == (height, breadth) else Resized(network, seen)
