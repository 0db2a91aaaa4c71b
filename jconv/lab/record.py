"""A run's directory: records appended and flushed the moment they exist, and what they were made on. No JAX here."""

import importlib.metadata
import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import yaml

from jconv.errors import ConfigError
from jconv.lab.config import Config

RESULTS, ENVIRONMENT, RESOLVED, REPORT = "results.jsonl", "env.json", "config.resolved.yaml", "report.html"
PICTURES = "pictures"
PACKAGES = ("jconv", "jax", "jaxlib", "numpy", "scipy")


def create(out: Path | None, config: Config) -> Path:
    """Make the run's directory, and write the resolved config into it.

    Args:
        out: The directory; None makes a new one under `runs/`.
        config: What is to run.

    Returns:
        The directory.

    Raises:
        ConfigError: If it has content already, or cannot be written.
    """
    folder = out or Path("runs") / f"{config.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        if out is None:
            folder = _fresh(folder)
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"run: --out must be a folder; got the file {folder}. Name a new folder.")
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(f"run: --out must be new or empty; got {folder}, which has content. Name a new folder.")
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        (folder / RESOLVED).write_text(text, encoding="utf-8")
        (folder / RESULTS).touch()
    except OSError as error:
        raise ConfigError(f"run: --out must be a folder that can be written; got {folder}: {error.strerror}.") from None
    return folder


def _fresh(folder: Path) -> Path:
    """Return a folder that does not exist yet: two runs may start within a second."""
    candidate, count = folder, 1
    while candidate.exists():
        count += 1
        candidate = folder.with_name(f"{folder.name}-{count}")
    return candidate


def append(folder: Path, record: Mapping[str, Any]) -> None:
    """Append one record as a line, in one write, and wait until the disk has it.

    JSON has no NaN: a number that is not finite is written as null, and its key listed under `nonfinite`.

    Args:
        folder: The run's directory.
        record: The record.
    """
    nonfinite = [key for key, value in record.items() if isinstance(value, float) and not math.isfinite(value)]
    finite = {key: None if key in nonfinite else value for key, value in record.items()}
    line = json.dumps(finite | ({"nonfinite": nonfinite} if nonfinite else {}), allow_nan=False, ensure_ascii=False)
    with (folder / RESULTS).open("a", encoding="utf-8") as file:
        _ = file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a run.

    Args:
        folder: The run's directory.

    Yields:
        One record per line.
    """
    with (folder / RESULTS).open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def write_environment(folder: Path, devices: Mapping[str, Any]) -> None:
    """Write what the run was made on.

    Args:
        folder: The run's directory.
        devices: What JAX says about its devices.
    """
    environment = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        **devices,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "command": " ".join(["jconv", *sys.argv[1:]]),
    }
    (folder / ENVIRONMENT).write_text(json.dumps(environment, indent=1) + "\n", encoding="utf-8")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """Return the processor's name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
