"""The names that moved between the versions of JAX that jconv runs on."""

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
from jax import lax
from jax._src import compilation_cache as _cache
from jax._src.dispatch import apply_primitive as apply_primitive
from jax._src.interpreters import mlir as _mlir  # where lowering rules are kept: no public way reads them
from jax.extend.core import Primitive

from jconv.machine import cores, processor


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


def stock_lowerings(primitive: Primitive) -> dict[str | None, Any]:
    """Return the lowering rules that a primitive has now, by platform; None is every other platform."""
    tables: dict[str | None, Any] = {**_mlir._platform_specific_lowerings, None: _mlir._lowerings}
    rules = {platform: table.get(primitive) for platform, table in tables.items()}
    return {platform: entry.rule for platform, entry in rules.items() if entry is not None}


class Program(NamedTuple):
    """What a program that is lowered may hold.

    Attributes:
        whole: Whether it runs on one device, or as the part of one; else XLA cuts it into parts itself.
        calls: Whether it may call a library: XLA knows no parts of a call, and none is exported or kept on disk.
    """

    whole: bool
    calls: bool


def program(ctx: Any) -> Program:
    """Return what the program may hold that is lowered in a context."""
    module = ctx.module_context
    axes = module.axis_context
    if hasattr(axes, "manual_axes"):  # in shard_map
        one = axes.manual_axes == frozenset(axes.mesh.axis_names)
    elif hasattr(axes, "num_devices"):  # in jit
        one = axes.num_devices == 1
    else:  # in pmap, where each device has a program
        one = hasattr(axes, "axis_env")
    return Program(one, one and not module.lowering_parameters.for_export and not keeps_programs())


def keeps_programs() -> bool:
    """Return whether JAX keeps compiled programs on disk: it cannot write one that calls a library.

    A cache that was opened stays open in JAX, whatever its settings become.
    """
    config: Any = jax.config  # whose settings no stub knows
    on = config.jax_enable_compilation_cache and config.jax_compilation_cache_dir
    return bool(on) or _cache._cache is not None


class Setting:
    """A value that every cached program is keyed by: what was compiled under another value is compiled again.

    Args:
        default: The value at first.
    """

    def __init__(self, default: Any):
        self._context = jax.make_user_context(default)

    @property
    def value(self) -> Any:
        """The value in this thread."""
        return self._context.value

    def set(self, value: Any) -> None:
        """Give every thread another value."""
        self._context._obj.set_global(value)  # jax 0.7 offers nothing public

    def __call__(self, value: Any) -> AbstractContextManager[None]:
        """Give this thread another value, in a `with` block."""
        return self._context(value)


def platform_of(device: Any) -> str:
    """Return a device's platform by the name that lowering rules use: cpu, cuda, rocm or tpu."""
    if device.platform != "gpu":
        return device.platform
    return "rocm" if "rocm" in device.client.platform_version.lower() else "cuda"


def device_name(platform: str) -> str:
    """Return what tells a device from others whose times differ: a processor and its cores, or a GPU's name."""
    if platform != "cpu":
        return jax.devices()[0].device_kind
    return f"{processor()}, {cores()} cores"


def current_platform() -> str:
    """Return the platform that JAX runs on by default."""
    return platform_of(jax.devices()[0])
