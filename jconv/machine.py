"""What this machine is, and how busy it is, as far as the operating system tells. No JAX here."""

import importlib.metadata
import itertools
import os
import platform
import time
from pathlib import Path

import psutil

THREADS = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def identity() -> dict[str, str | int]:
    """Return what tells this machine from others whose times are not comparable.

    Returns:
        The processor's name, the cores, and the version of JAX.

    Example:
        >>> sorted(identity())
        ['cores', 'jax', 'processor']
    """
    return {"processor": processor(), "cores": cores(), "jax": version("jax") or "not installed"}


def processor() -> str:
    """Return the processor's name, from `/proc/cpuinfo` where there is one.

    Example:
        >>> isinstance(processor(), str)
        True
    """
    names = [line.partition(":")[2].strip() for line in _text("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def features() -> set[str]:
    """Return the instructions that the processor says it has, from `/proc/cpuinfo`; none where there is none.

    Example:
        >>> isinstance(features(), set)
        True
    """
    flags = [line.partition(":")[2].split() for line in _text("/proc/cpuinfo") if line.startswith("flags")]
    return set(flags[0]) if flags else set()


def cores() -> int:
    """Return how many cores this process may use: its affinity, or a container's quota if that is less.

    Example:
        >>> cores() >= 1
        True
    """
    # Linux and Windows know an affinity, macOS does not.
    affinity = getattr(psutil.Process(), "cpu_affinity", None)
    found = len(affinity()) if affinity else os.cpu_count() or 1
    quota = cpu_quota()
    return found if quota is None else max(1, min(found, int(quota)))


def thread_settings() -> str:
    """Return what the environment says of threads, such as `OMP_NUM_THREADS=2`; XLA's flags are told apart.

    Example:
        >>> isinstance(thread_settings(), str)
        True
    """
    return " ".join(f"{name}={os.environ[name]}" for name in THREADS if os.environ.get(name))


def cpu_quota() -> float | None:
    """Return how many cores' time a container may spend, from `/sys/fs/cgroup/cpu.max`; None if there is no limit.

    Example:
        >>> quota = cpu_quota()
        >>> quota is None or quota > 0
        True
    """
    allowed, _, period = " ".join(_text("/sys/fs/cgroup/cpu.max")[:1]).partition(" ")
    return float(allowed) / float(period) if allowed.isdigit() and period.isdigit() else None


def load() -> float | None:
    """Return how many programs ran or waited to, averaged over the last minute; None where nobody counts.

    Example:
        >>> load() is None or load() >= 0
        True
    """
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def governor() -> str | None:
    """Return how the processor's frequency is governed, such as `powersave`; None where it is hidden.

    Example:
        >>> governor() != ""
        True
    """
    return " ".join(_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")) or None


def clock_step() -> float:
    """Return the smallest step in seconds that the clock was seen to make.

    Example:
        >>> 0 < clock_step() < 1
        True
    """
    ticks = [time.perf_counter() for _ in range(1000)]
    steps = [after - before for before, after in itertools.pairwise(ticks) if after > before]
    return min(steps, default=time.get_clock_info("perf_counter").resolution)


def version(distribution: str) -> str | None:
    """Return the installed version of a distribution, without importing it; None if there is none.

    Example:
        >>> version("no-such-distribution")
    """
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _text(path: str) -> list[str]:
    """Return the lines of a file of the system, none if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
