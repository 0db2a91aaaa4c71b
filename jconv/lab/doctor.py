"""What this machine is fit for: its facts, its own noise by an A/A experiment, and what would spoil a measurement."""

import importlib.metadata
import os
import platform
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import psutil

from jconv import _timing, machine
from jconv._conv import conv
from jconv.lab import noise
from jconv.lab.noise import Contender, Floor, Noise

DEVELOPMENT = ("test", "docs")
THREADS = ("XLA_FLAGS", *machine.THREADS)
GIB = 2**30
COARSE_CLOCK = 1e-6
LITTLE_MEMORY = 1 * GIB
MUCH_SWAP = 0.01
BATCH, SIZE, CHANNELS = 8, 28, 32


class Doctor(NamedTuple):
    """What was found.

    Args:
        facts: By name.
        extras: The distributions of each optional extra, with their versions; None is missing.
        noise: The A/A experiment of this machine; None if there never was one.
        floor: The share below which a difference is none here.
        warnings: What would spoil a measurement, each with its remedy.
    """

    facts: dict[str, Any]
    extras: dict[str, dict[str, str | None]]
    noise: Noise | None
    floor: Floor
    warnings: list[str]

    def lines(self) -> list[str]:
        """Return what was found as lines of text."""
        facts = self.facts
        load = "unknown" if facts["load"] is None else f"{facts['load']:.1f}"
        memory = f"{facts['memory_free_bytes'] / GIB:.1f} of {facts['memory_bytes'] / GIB:.1f} GiB free"
        settings = ", ".join(f"{name}={value}" for name, value in facts["thread_settings"].items())
        rows = {
            "python": facts["python"],
            "jax": f"{facts['jax']}, jaxlib {facts['jaxlib']}, jconv {facts['jconv']}",
            "devices": f"{facts['devices']} × {facts['device']} ({facts['platform']})",
            "processor": facts["processor"],
            "cores": f"{facts['cores']}, load {load}",
            "threads": f"{facts['threads']} in this process" + (f", with {settings}" if settings else ""),
            "memory": f"{memory}, {facts['swap_used_bytes'] / GIB:.1f} GiB of swap in use",
            "clock": f"steps of {facts['clock_step_s'] * 1e9:.0f} ns",
            "compilation cache": facts["compilation_cache"] or "off",
            **{f"extra {name}": _extra(name, parts) for name, parts in self.extras.items()},
            "noise": self.noise.words() if self.noise else "unknown: no A/A experiment was made here.",
            "floor": f"{noise.percent(self.floor.value)}: {self.floor.source}",
        }
        return [f"{name:<18} {value}" for name, value in rows.items()] + [f"Warning: {line}" for line in self.warnings]


def examine(trials: int = noise.TRIALS, *, tell: Callable[[int], None] = lambda trial: None) -> Doctor:
    """Examine this machine, measure its noise, and keep that for later runs.

    Args:
        trials: The pairs of identical programs to time; 0 takes the noise that an earlier examination kept.
        tell: Is told each trial before it begins.

    Returns:
        What was found.

    Example:
        >>> "python" in examine(trials=0).lines()[0]
        True
    """
    found = facts()
    warnings = warn(found)
    measured = None
    if trials:
        try:
            measured = noise.experiment(pair, trials, tell=tell)
            _ = noise.keep(measured)
        except OSError as error:
            warnings.append(f"the noise could not be kept in {noise.path()}: {error.strerror or error}.")
        except RuntimeError as error:
            warnings.append(f"the A/A experiment failed: {error}")
    measured = measured or noise.kept()
    return Doctor(found, extras(), measured, noise.floor_of(measured), warnings)


def pair(trial: int) -> tuple[Contender, Contender]:
    """Return two contenders, warm: one small convolution, compiled twice, on operands of their own.

    Args:
        trial: Seeds the operands.

    Returns:
        Both.

    Example:
        >>> first, second = pair(0)
        >>> first() > 0
        True
    """

    def contender() -> Contender:
        keys = jax.random.split(jax.random.key(trial))
        x = jax.random.normal(keys[0], (BATCH, SIZE, SIZE, CHANNELS), jnp.float32)
        kernel = jax.random.normal(keys[1], (3, 3, CHANNELS, CHANNELS), jnp.float32)
        program = jax.jit(lambda x, kernel: conv(x, kernel, padding="SAME", formulation="direct"))
        compiled = program.lower(x, kernel).compile()

        def call() -> object:
            return jax.block_until_ready(compiled(x, kernel))

        _ = call()
        return _timing.timed(call, calls=_timing.calls_for(call))

    return contender(), contender()


def facts() -> dict[str, Any]:
    """Return the facts of this machine, by name.

    Example:
        >>> facts()["cores"] >= 1
        True
    """
    device = jax.devices()[0]
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    # JAX keeps compiled programs once it is told where. Its options are no declared attributes.
    config: Any = jax.config
    cache = config.jax_compilation_cache_dir if config.jax_enable_compilation_cache else None
    return {
        "python": platform.python_version(),
        **{name: machine.version(name) or "not installed" for name in ("jconv", "jax", "jaxlib")},
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "processor": machine.processor(),
        "cores": machine.cores(),
        "cpu_quota": machine.cpu_quota(),
        "load": machine.load(),
        "governor": machine.governor(),
        "threads": psutil.Process().num_threads(),
        "thread_settings": {name: os.environ[name] for name in THREADS if os.environ.get(name)},
        "memory_bytes": memory.total,
        "memory_free_bytes": memory.available,
        "swap_used_bytes": swap.used,
        "clock_step_s": machine.clock_step(),
        "compilation_cache": cache,
    }


def warn(found: dict[str, Any]) -> list[str]:
    """Return what in the facts would spoil a measurement, each with its remedy.

    Args:
        found: As `facts` returns them.

    Returns:
        Sentences.

    Example:
        >>> warn(facts() | {"load": 64.0, "cores": 2})[0]
        'a load of 64.0 on 2 cores: others take turns with what is timed. Wait until they end.'
    """
    load, free, swap = found["load"] or 0, found["memory_free_bytes"], found["swap_used_bytes"]
    forced = "xla_force_host_platform_device_count" in found["thread_settings"].get("XLA_FLAGS", "")
    rules = {
        f"a load of {load:.1f} on {found['cores']} cores: others take turns with what is timed. Wait until they end.": (
            load > found["cores"]
        ),
        f"the frequency governor is {found['governor']}: the speed changes with the load. Set it to performance.": (
            found["governor"] not in (None, "performance")
        ),
        f"{swap / GIB:.1f} GiB of swap are in use: memory may be read from the disk. End what fills it.": (
            swap > MUCH_SWAP * found["memory_bytes"]
        ),
        f"only {free / GIB:.1f} GiB of memory are free: large cases will fail. End other programs.": (
            free < LITTLE_MEMORY
        ),
        f"a quota of {found['cpu_quota']} cores: who spends it early must wait. Time with fewer threads.": (
            found["cpu_quota"] is not None
        ),
        "XLA_FLAGS splits the host into several devices, which share its cores. Unset it.": forced,
        f"the compilation cache {found['compilation_cache']} is on: compile times may be those of reading it. "
        "Unset JAX_COMPILATION_CACHE_DIR.": found["compilation_cache"] is not None,
        f"the clock steps by {found['clock_step_s']} s: short programs cannot be timed. Use larger problems.": (
            found["clock_step_s"] > COARSE_CLOCK
        ),
    }
    return [sentence for sentence, holds in rules.items() if holds]


def extras() -> dict[str, dict[str, str | None]]:
    """Return the distributions of each optional extra, as the installed jconv declares them.

    Returns:
        Versions by distribution by extra; None is missing. Nothing if jconv itself is not installed.

    Example:
        >>> "test" in extras()
        False
    """
    found: dict[str, dict[str, str | None]] = {}
    declared = importlib.metadata.requires("jconv") or [] if machine.version("jconv") else []
    for requirement in declared:
        name, extra = re.match(r"[\w.-]+", requirement), re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if name and extra and extra[1] not in DEVELOPMENT:
            found.setdefault(extra[1], {})[name[0]] = machine.version(name[0])
    return found


def _extra(name: str, parts: dict[str, str | None]) -> str:
    missing = ", ".join(part for part, version in parts.items() if version is None)
    if missing:
        return f"missing {missing}: pip install 'jconv[{name}]'"
    return ", ".join(f"{part} {version}" for part, version in parts.items())
