"""Choices in a file that people can read: one JSON object a line, the last of a problem counts.

    {"version": 1, "problem": "n8_…", "formulation": "shifts", "reason": "measured: …", "platform": "cpu",
     "device": "…, 2 cores", "jax": "0.10.2"}

`tune` appends what it measured to the user's own file, under a lock; it counts on the same device with the same
version of JAX. What is no choice is passed over with a warning.
"""

import json
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple

import jax

from jconv._compat import device_name
from jconv.costs import PLATFORMS, Problem, parse_problem
from jconv.formulations import FORMULATIONS

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows: two writers at the same moment may tear a line, which is passed over)
    fcntl = None

VERSION = 1


class Kept(NamedTuple):
    """A choice as a file has it.

    Attributes:
        problem: The problem.
        formulation: The formulation taken for it.
        reason: Why.
        device: Where it was made.
        jax: With which version of JAX.
    """

    problem: Problem
    formulation: str
    reason: str
    device: str
    jax: str

    @property
    def here(self) -> bool:
        """Whether it was made on this device, with this version of JAX."""
        return (self.device, self.jax) == (device_name(self.problem.platform), jax.__version__)


def made_here(problem: Problem, formulation: str, reason: str) -> Kept:
    """Return a choice made here."""
    return Kept(problem, formulation, reason, device_name(problem.platform), jax.__version__)


def path() -> Path:
    """Return the file of this user's winners: `$JCONV_CACHE/winners.jsonl`, or in the user's cache directory.

    Example:
        >>> path().name
        'winners.jsonl'
    """
    import platformdirs

    return Path(os.environ.get("JCONV_CACHE") or platformdirs.user_cache_path("jconv")) / "winners.jsonl"


def read(file: Path) -> list[Kept]:
    """Return the choices of a file, of every device; none where there is no file.

    Args:
        file: Where they are.

    Returns:
        One choice for each problem, device and version: the last.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as reason:
        warnings.warn(f"jconv: no measured winners, {file} cannot be read: {reason.strerror}", stacklevel=2)
        return []
    found: dict[Any, Kept] = {}
    wrong = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            choice = _decode(line)
        except (ValueError, TypeError, KeyError, RecursionError):
            wrong.append(number)
            continue
        found[choice.problem, choice.device, choice.jax] = choice
    if wrong:
        where = ", ".join(map(str, wrong[:5])) + (", …" if len(wrong) > 5 else "")
        warnings.warn(f"jconv: {file}: passed over what is no choice, line {where}", stacklevel=2)
    return list(found.values())


def append(file: Path, choices: Iterable[Kept]) -> None:
    """Add choices to a file, in one write; writers wait for each other.

    Args:
        file: Where; made if there is none.
        choices: What to add.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(_encode(choice), ensure_ascii=False) + "\n" for choice in choices)
    text = lines.encode("utf-8", "backslashreplace")  # half a character is written as JSON escapes it
    with file.open("ab+") as opened:
        _lock(opened)
        if opened.tell() and _last_byte(opened) != b"\n":
            text = b"\n" + text  # another writer was cut off: its line ends here
        _ = opened.write(text)


def _encode(choice: Kept) -> dict[str, Any]:
    return (
        {"version": VERSION} | choice._asdict() | {"problem": str(choice.problem), "platform": choice.problem.platform}
    )


def _decode(line: bytes) -> Kept:
    entry = json.loads(line)
    platform, formulation = entry["platform"], entry["formulation"]
    if entry["version"] != VERSION or formulation not in FORMULATIONS or platform not in PLATFORMS:
        raise ValueError(entry)
    problem = parse_problem(entry["problem"], platform)
    return Kept(problem, formulation, *(str(entry[key]) for key in ("reason", "device", "jax")))


def _lock(opened: IO[bytes]) -> None:
    if fcntl is not None:
        fcntl.flock(opened, fcntl.LOCK_EX)


def _last_byte(opened: IO[bytes]) -> bytes:
    _ = opened.seek(-1, os.SEEK_END)
    return opened.read(1)
