"""Other maps over space: depthwise and separable convolutions, untied kernels, pooling. Plain functions of arrays."""

from jconv.ops.depthwise import depthwise_conv
from jconv.ops.local import local_conv
from jconv.ops.pooling import avg_pool, lp_pool, max_pool
from jconv.ops.separable import separable_conv, separate, spatially_separable_conv

__all__ = [
    "avg_pool",
    "depthwise_conv",
    "local_conv",
    "lp_pool",
    "max_pool",
    "separable_conv",
    "separate",
    "spatially_separable_conv",
]
