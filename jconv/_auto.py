"""`formulation="auto"`: a primitive closed under every transform, for which lowering asks the selection."""

from typing import Any

import jax
import jax.numpy as jnp

from jconv.costs import Problem
from jconv.formulations import FORMULATIONS
from jconv.formulations._closed import closed
from jconv.geometry import Geometry
from jconv.selection import taken


def problem_of(x: jax.Array, kernel: jax.Array, geometry: Geometry, platform: str) -> Problem:
    """Return the problem that operands and geometry pose on a platform."""
    return Problem(geometry, x.shape[0], x.shape[-1], kernel.shape[-1], jnp.dtype(x.dtype).name, platform)


def _compute(
    x: jax.Array, kernel: jax.Array, *, geometry: Geometry, precision: Any, dtype: Any, platform: str, calls: bool
) -> jax.Array:
    """Compute by what is chosen for this problem on this platform."""
    name = taken(problem_of(x, kernel, geometry, platform), calls)
    return FORMULATIONS[name].apply(x, kernel, geometry, precision=precision, preferred_element_type=dtype)


bind = closed("conv_auto", _compute)
