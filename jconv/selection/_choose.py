"""Choosing: what was loaded, else what was measured here, else a rule, else XLA's own."""

import contextlib
import errno
import threading
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from jconv._compat import Program, Setting, keeps_programs
from jconv.costs import Problem
from jconv.formulations import FORMULATIONS
from jconv.selection import _file
from jconv.selection._file import Kept
from jconv.selection._memory import too_much
from jconv.selection._onednn import onednn_rule
from jconv.selection._rules import RULED, has_open_size, rule

NO_CALL = "a program that is exported or kept on disk (jax_compilation_cache_dir) calls no library"

lower_again = Setting(None)
"""Under another value every program is lowered again, and so chooses again."""

_loaded: dict[Problem, Kept] = {}
_measured: dict[Problem, Kept] | None = None
_watchers = threading.local()


class Choice(NamedTuple):
    """A formulation and the reason it was taken."""

    formulation: str
    reason: str


def choose(problem: Problem, program: Program | None = None) -> Choice:
    """Return the formulation that `auto` takes for a problem.

    Args:
        problem: The convolution, as it is lowered: after differentiation and batching.
        program: What the program may hold that it is lowered in; by default one of this process, on one device.

    Returns:
        The formulation's name and why.

    Example:
        >>> from jconv.geometry import conv_geometry
        >>> geometry = conv_geometry((1, 56, 56, 64), (3, 3, 1, 64), groups=64)
        >>> choose(Problem(geometry, 1, 64, 64, platform="cpu")).formulation
        'shifts'
    """
    program = program or Program(whole=True, calls=not keeps_programs())
    if not program.whole:
        return Choice("direct", "the default: XLA cuts the program into parts, and knows how to cut its own")
    obstacles = []
    for name, reason in _candidates(problem):
        if FORMULATIONS[name].calls_library and not program.calls:
            obstacle = NO_CALL
        else:
            obstacle = FORMULATIONS[name].unsupported(problem) or too_much(name, problem)
        if not obstacle:
            return Choice(name, reason)
        obstacles.append(f"{name} cannot: {obstacle}")
    default = "no rule applies" if problem.platform in RULED else f"no rule is measured on {problem.platform}"
    return Choice("direct", f"the default: {'; '.join(obstacles) or default}")


def _candidates(problem: Problem) -> Iterator[tuple[str, str]]:
    for table in () if has_open_size(problem) else (_loaded, _known()):
        if problem in table:
            yield table[problem].formulation, table[problem].reason
    if why := onednn_rule(problem):
        yield "onednn", why
    if written := rule(problem):
        yield written


def _known() -> dict[Problem, Kept]:
    global _measured
    if _measured is None:
        _measured = {choice.problem: choice for choice in _file.read(_file.path()) if choice.here}
    return _measured


def learn(choices: Iterable[Kept]) -> None:
    """Take measured winners from now on, here and, through the user's file, in every other process.

    Args:
        choices: What was measured on this device.
    """
    choices = list(choices)
    _known().update((choice.problem, choice) for choice in choices)
    lower_again.set(object())
    try:
        _file.append(_file.path(), choices)
    except OSError as reason:
        words = f"{_file.path()} cannot be written: {reason.strerror}"
        warnings.warn(f"jconv: measured winners count in this process alone, {words}", stacklevel=2)


def load(file: str | Path) -> int:
    """Take the choices of a file from now on, before what was measured here and before the rules.

    Args:
        file: What `Choices.save` wrote.

    Returns:
        How many choices it holds.

    Raises:
        FileNotFoundError: If there is no such file.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as empty:
        ...     load(empty.name)
        0
    """
    if not Path(file).is_file():
        raise FileNotFoundError(errno.ENOENT, "no file of choices, as Choices.save writes it", str(file))
    choices = _file.read(Path(file))
    for choice in sorted(choices, key=lambda choice: choice.here):  # of one problem, what was made here counts
        made = "" if choice.here else f", made on {choice.device} with jax {choice.jax}"
        _loaded[choice.problem] = choice._replace(reason=f"loaded from {file}{made}: {choice.reason}")
    lower_again.set(object())
    return len(choices)


def forget() -> None:
    """Take no longer what was loaded, and read the file of measured winners again: delete it to forget them too.

    Example:
        >>> forget()
    """
    global _measured
    _loaded.clear()
    _measured = None
    lower_again.set(object())


@contextlib.contextmanager
def watch() -> Iterator[dict[Problem, Choice]]:
    """Collect what this thread lowers in a `with` block: each problem once, with what is taken for it."""
    seen: dict[Problem, Choice] = {}
    before = getattr(_watchers, "seen", None)
    _watchers.seen = seen
    try:
        with lower_again(object()):  # what was lowered before is lowered again
            yield seen
    finally:
        _watchers.seen = before


def taken(problem: Problem, program: Program) -> str:
    """Choose for a convolution that is being lowered, and tell who watches."""
    choice = choose(problem, program)
    if getattr(_watchers, "seen", None) is not None:
        _watchers.seen[problem] = choice
    return choice.formulation
