"""`formulation="auto"`: a primitive closed under every transform, for which lowering asks the selection."""

from typing import Any

import jax
import jax.numpy as jnp

from jconv._compat import Program
from jconv.costs import Problem
from jconv.formulations._closed import closed
from jconv.formulations._xla import xla_conv
from jconv.geometry import Geometry
from jconv.selection import compute, taken


def problem_of(x: jax.Array, kernel: jax.Array, geometry: Geometry, platform: str) -> Problem:
    """Return the problem that operands and geometry pose on a platform."""
    return Problem(geometry, x.shape[0], x.shape[-1], kernel.shape[-1], jnp.dtype(x.dtype).name, platform)


def _compute(
    x: jax.Array,
    kernel: jax.Array,
    *,
    geometry: Geometry,
    precision: Any,
    dtype: Any,
    kernel_gradient: bool,
    platform: str,
    program: Program,
) -> jax.Array:
    """Compute by what is chosen for this problem on this platform."""
    problem = problem_of(x, kernel, geometry, platform)
    name = taken(problem, program)
    if name == "direct" and platform != "cpu" and geometry.groups > 1 and kernel_gradient:
        # As lax writes a grouped kernel's gradient, which is the form that the compilers of accelerators know.
        settings: Any = {"precision": precision, "preferred_element_type": dtype, "batch_groups": True}
        return xla_conv(x, kernel, geometry, **settings)
    return compute(name, problem, x, kernel, precision=precision, preferred_element_type=dtype)


bind = closed("conv_auto", _compute)
