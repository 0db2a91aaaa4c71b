"""The names that moved between the versions of JAX that jconv runs on."""

from typing import Any

import jax
from jax import lax

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")  # by the names that lowering rules use


def varying_axes(x: jax.Array) -> frozenset[str]:
    """Return the mesh axes that `x` varies over inside `shard_map`."""
    aval = jax.typeof(x)
    if hasattr(aval, "mat"):  # jax 0.10
        return aval.mat.varying
    return getattr(aval, "vma", frozenset())


def to_varying(x: jax.Array, axes: tuple[str, ...]) -> jax.Array:
    """Make `x` vary over more mesh axes; its transpose sums over them."""
    if hasattr(lax, "pcast"):
        return lax.pcast(x, axes, to="varying")
    return lax.pvary(x, axes)  # pyright: ignore[reportAttributeAccessIssue]  (jax 0.7)


def platform_of(device: Any) -> str:
    """Return a device's platform by the name that lowering rules use: cpu, cuda, rocm or tpu."""
    if device.platform != "gpu":
        return device.platform
    return "rocm" if "rocm" in device.client.platform_version.lower() else "cuda"


def current_platform() -> str:
    """Return the platform that JAX runs on by default."""
    return platform_of(jax.devices()[0])
