"""jconv: every way to write a convolution, under one contract.

The public names are resolved when first used, so that `import jconv` loads neither JAX nor Flax.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jconv._conv import conv as conv
    from jconv._conv import conv_transpose as conv_transpose
    from jconv._conv import convolve as convolve

__version__ = "0.1.0"

_HOME = {
    "ConfigError": "jconv.errors",
    "Cost": "jconv.costs",
    "FORMULATIONS": "jconv.formulations",
    "Formulation": "jconv.formulations",
    "Geometry": "jconv.geometry",
    "GeometryError": "jconv.errors",
    "JconvError": "jconv.errors",
    "Layer": "jconv.receptive",
    "Problem": "jconv.costs",
    "ReceptiveField": "jconv.receptive",
    "UnsupportedError": "jconv.errors",
    "avg_pool": "jconv.ops",
    "choices": "jconv._tune",
    "circulant_matrix": "jconv._matrices",
    "conv": "jconv._conv",
    "conv_general_dilated": "jconv._lax",
    "conv_geometry": "jconv.geometry",
    "conv_transpose": "jconv._conv",
    "conv_transpose_geometry": "jconv.geometry",
    "convolve": "jconv._conv",
    "cost": "jconv._cost",
    "depthwise_conv": "jconv.ops",
    "explain": "jconv._cost",
    "index_pattern": "jconv._matrices",
    "install": "jconv.lowering",
    "installed": "jconv.lowering",
    "local_conv": "jconv.ops",
    "lp_pool": "jconv.ops",
    "max_pool": "jconv.ops",
    "overlap": "jconv.receptive",
    "patches": "jconv._matrices",
    "receptive_field": "jconv.receptive",
    "separable_conv": "jconv.ops",
    "separate": "jconv.ops",
    "spatially_separable_conv": "jconv.ops",
    "toeplitz_matrix": "jconv._matrices",
    "tune": "jconv._tune",
    "uninstall": "jconv.lowering",
}

_MODULES = ("draw", "errors", "filters", "formulations", "geometry", "lab", "linen", "nnx", "ops", "selection")

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"jconv.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'jconv' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
