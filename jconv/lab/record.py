"""A run's directory: records appended and flushed the moment they exist, and what they were made on. No JAX here."""

import contextlib
import hashlib
import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from jconv import machine
from jconv.errors import ConfigError
from jconv.lab import document

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows has no flock: two runs into one directory are not noticed there)
    fcntl = None

RESULTS, ENVIRONMENT, RESOLVED, REPORT = "results.jsonl", "env.json", "config.resolved.yaml", "report.html"
RUN, LOCK, PICTURES = "run.json", ".lock", "pictures"
PACKAGES = ("jconv", "jax", "jaxlib", "flax", "numpy", "scipy", "torch")


class Directory:
    """A run's directory, opened for writing by this process alone.

    Args:
        path: The directory.
        finished: The cases that earlier tries have recorded.
    """

    def __init__(self, path: Path, lock: IO[str]):
        self.path, self._lock = path, lock
        self.finished = {line["case"] for line in read(path)}

    def append(self, line: Mapping[str, Any]) -> None:
        """Append one record as a line, in one write, and wait until the disk has it.

        JSON has no NaN: a number that is not finite is written as null, and its key listed under `nonfinite`.

        Args:
            line: The record.

        Raises:
            ConfigError: If the case is recorded already, or the disk does not take it.
        """
        if line["case"] in self.finished:
            raise ConfigError(f"jconv: a case must be recorded once; got {line['case']} again. This is a bug of jconv.")
        text = encoded(line)
        with writing(self.path), (self.path / RESULTS).open("a", encoding="utf-8") as file:
            _ = file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.finished.add(line["case"])

    def write(self, name: str, text: str) -> None:
        """Write a file beside the records, whole or not at all."""
        with writing(self.path):
            beside = self.path / f".{name}.new"
            _ = beside.write_text(text, encoding="utf-8")
            beside.replace(self.path / name)

    def close(self) -> None:
        """Let others in."""
        self._lock.close()


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a disk's refusal into an error that names the folder."""
    try:
        yield
    except OSError as reason:
        words = reason.strerror or str(reason)
        raise ConfigError(f"jconv: --out must be a folder that can be written; got {folder}: {words}.") from None


def create(out: Path | None, name: str, resolved: Mapping[str, Any], cases: Sequence[str], resume: bool) -> Directory:
    """Make the run's directory, or open one to go on with.

    Args:
        out: The directory; None makes a new one under `runs/`.
        name: The experiment's.
        resolved: All its settings.
        cases: All its cases.
        resume: Whether the directory may hold an earlier try at the same.

    Returns:
        The directory, locked.

    Raises:
        ConfigError: If it cannot be written, another run writes into it, it has content without `resume`, or what it
            holds is of another config.
    """
    folder = out or _fresh(Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    digest = hashlib.sha256(json.dumps([resolved, list(cases)], sort_keys=True).encode()).hexdigest()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"jconv: --out must be a folder; got the file {folder}. Name a new folder.")
    with writing(folder):
        had = folder.is_dir() and any(folder.iterdir())
        if had and not resume:
            remedy = "Name a new folder, or add --resume to go on with what it holds."
            raise ConfigError(f"jconv: --out must be new or empty; got {folder}, which has content. {remedy}")
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        lock = _locked(folder)
        try:
            if had and (folder / RUN).exists():
                _check_same(folder, digest)
            elif had and (folder / RESULTS).exists() and (folder / RESULTS).stat().st_size:
                raise ConfigError(f"jconv: --resume must find {RUN} in {folder}; it is not there. Name a new folder.")
            else:
                _begin(folder, digest, resolved, len(cases))
            repair(folder)
            return Directory(folder, lock)
        except BaseException:
            lock.close()
            raise


def _begin(folder: Path, digest: str, resolved: Mapping[str, Any], cases: int) -> None:
    """Write what a run begins with; `run.json` last and whole, for it says that the rest is there."""
    (folder / RESOLVED).write_text(document.dump(resolved), encoding="utf-8")
    (folder / RESULTS).touch()
    made = {"digest": digest, "cases": cases, "versions": _versions()}
    draft = folder / f".{RUN}.new"
    draft.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / RUN)


def _locked(folder: Path) -> IO[str]:
    lock = (folder / LOCK).open("a")
    if fcntl is not None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise ConfigError(
                f"jconv: --out must be no other run's; {folder} is being written by one. Wait, or name another."
            ) from None
    return lock


def _check_same(folder: Path, digest: str) -> None:
    try:
        made = json.loads((folder / RUN).read_text(encoding="utf-8"))
        before, versions = made["digest"], made["versions"]
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"jconv: --resume must find a readable {RUN} in {folder}; this one is not.") from None
    if before != digest:
        raise ConfigError(
            f"jconv: --resume must be given the config of {folder}; this one differs from its {RESOLVED}."
        )
    changed = [f"{name} {versions.get(name)} → {now}" for name, now in _versions().items() if versions.get(name) != now]
    if changed:
        raise ConfigError(
            f"jconv: --resume must run on the machine and versions that {folder} was begun with; changed: "
            f"{', '.join(changed)}. Start a new run."
        )


def _versions() -> dict[str, str]:
    """Return what the records of one run share, for their times and rounding errors to be comparable."""
    versions = {name: machine.version(name) or "not installed" for name in ("jconv", "jax", "jaxlib", "numpy")}
    return versions | {"processor": machine.processor(), "cores": str(machine.cores())}


def _fresh(folder: Path) -> Path:
    """Return a folder that does not exist yet: two runs may start within a second."""
    candidate, count = folder, 1
    while candidate.exists():
        count += 1
        candidate = folder.with_name(f"{folder.name}-{count}")
    return candidate


def file_stem(name: str) -> str:
    """Return what a file may be called after a name: a long one is cut, and its digest tells it from others.

    Example:
        >>> file_stem("a@size=8"), len(file_stem(1000 * "a"))
        ('a@size=8', 113)
    """
    return name if len(name) <= 120 else f"{name[:100]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def repair(folder: Path) -> None:
    """Cut a torn last line off the records: what a kill in the middle of a write leaves."""
    path = folder / RESULTS
    data = path.read_bytes() if path.exists() else b""
    kept = data[: data.rfind(b"\n") + 1]
    if len(kept) < len(data):
        with path.open("r+b") as file:
            _ = file.truncate(len(kept))
            os.fsync(file.fileno())


def encoded(line: Mapping[str, Any]) -> str:
    """Return a record as one line of strict JSON.

    Args:
        line: The record.

    Returns:
        The line, without its end.

    Example:
        >>> encoded({"case": "a", "error": float("inf")})
        '{"case": "a", "error": null, "nonfinite": ["error"]}'
    """
    nonfinite: list[str] = []

    def finite(value: Any, key: str) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            nonfinite.append(key)
            return None
        if isinstance(value, Mapping):
            return {str(name): finite(one, f"{key}.{name}" if key else str(name)) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [finite(one, f"{key}.{i}") for i, one in enumerate(value)]
        return value

    plain = finite(line, "")
    return json.dumps(plain | ({"nonfinite": nonfinite} if nonfinite else {}), allow_nan=False, ensure_ascii=False)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a run; a torn last line is no record.

    Args:
        folder: The run's directory.

    Yields:
        One record per line.

    Raises:
        ConfigError: If there are none to read, a line is no record, or a case is recorded twice.
    """
    try:
        data = (folder / RESULTS).read_bytes()
    except OSError as reason:
        raise no_run(folder, f"{RESULTS}: {reason.strerror}") from None
    *lines, _ = data.split(b"\n")  # before decoding: a line may be torn inside a letter
    known: set[str] = set()
    for number, line in enumerate(lines, start=1):
        try:
            found = json.loads(line)
            if not all(isinstance(found[key], str) for key in ("case", "formulation", "status")):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            shown = document.printable(line[:80].decode(errors="replace"))
            raise no_run(folder, f"line {number} of {RESULTS} is no record: {shown}") from None
        if found["case"] in known:
            raise no_run(folder, f"line {number} of {RESULTS} records {found['case']} again")
        known.add(found["case"])
        yield found


def read_text(folder: Path, name: str) -> str:
    """Return what a file of a run's directory says.

    Raises:
        ConfigError: If it cannot be read.
    """
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as reason:
        words = reason.strerror if isinstance(reason, OSError) else "it is no text"
        raise no_run(folder, f"{name}: {words}") from None


def no_run(folder: Path, reason: str) -> ConfigError:
    """Return the error of a folder that holds no run."""
    return ConfigError(f"RUN must be a run's folder; got {folder}: {reason}. Name a folder that `jconv run` wrote.")


def describe_machine() -> dict[str, Any]:
    """Return what a run is made on, without asking JAX."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": machine.processor(),
        "cores": machine.cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "load": machine.load(),
        "python": platform.python_version(),
        **{name: machine.version(name) or "not installed" for name in PACKAGES},
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "thread_settings": machine.thread_settings(),
        "command": " ".join(["jconv", *sys.argv[1:]]),
    }


def environment(folder: Path) -> dict[str, Any]:
    """Return what a run was made on, as its directory says.

    Raises:
        ConfigError: If it says nothing.
    """
    try:
        found = json.loads(read_text(folder, ENVIRONMENT))
        if not isinstance(found, dict):
            raise ValueError("it is no map")
        return found
    except ValueError as reason:
        if isinstance(reason, ConfigError):
            raise
        raise no_run(folder, f"{ENVIRONMENT}: {reason}") from None
