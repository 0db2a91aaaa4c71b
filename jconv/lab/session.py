"""A case, prepared in this process or in a child of its own; either way one status, whatever happens.

The child (`worker.py`) is asked over a pipe: first for its record, then, round by round, to run once and say how
long it took. The parent watches its memory and the clock, and ends it when it passes a limit.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from jconv import _timing
from jconv.errors import UnsupportedError
from jconv.lab.bench import Prepared
from jconv.lab.config import Limits
from jconv.lab.kinds import KINDS
from jconv.lab.plan import Problem

Line = dict[str, Any]
Timed = Callable[[], float]
POLL = 0.05  # seconds between two looks at a child's memory
LAST = 5.0  # seconds that a child has to end once it has closed its output
SAID = 300  # characters of an error's text that a record keeps


class Case(NamedTuple):
    """A prepared case: its record so far, and a function that runs it once and returns the seconds it took."""

    line: Line
    run: Timed | None
    close: Callable[[], None] = lambda: None


class Session:
    """Prepares the cases of a run in this process, one bench per problem.

    Args:
        source: The folder that the config's paths are relative to.
        folder: The run's directory.

    Attributes:
        ended: What became of cases while they were timed, by case; here nothing can end alone.
    """

    def __init__(self, source: Path, folder: Path):
        self._source, self._folder = source, folder
        self.ended: dict[str, Line] = {}
        self._bench: tuple[str, Any] = ("", None)

    def prepare(self, problem: Problem, contender: str) -> Case:
        """Return a case; an error of its own is its status."""
        line = start(problem, contender)
        try:
            kind = KINDS[problem.settings.kind]
            if self._bench[0] != problem.name:
                self._bench = (problem.name, kind.open_bench(problem, self._source, self._folder))
            bench = self._bench[1]
            if problem.call is not None:
                line |= bench.describe(contender)
            found: Prepared = kind.prepare(bench, contender)
        except UnsupportedError as refusal:
            return Case(line | {"status": "unsupported", "reason": str(refusal)}, None)
        except Exception as wrong:  # one case's failure is its status, not the run's end
            return Case(line | failure(wrong), None)
        if found.call is None:
            return Case(line | found.line, None)
        calls = _timing.calls_for(found.call)
        return Case(line | found.line | {"calls": calls}, _timing.timed(found.call, calls=calls))


def start(problem: Problem, contender: str) -> Line:
    """Return what a case's record says before anything is known."""
    return {
        "case": problem.case(contender),
        "kind": problem.settings.kind,
        "problem": problem.name,
        "layer": problem.layer,
        "dtype": problem.dtype,
        "transform": problem.transform,
        "formulation": contender,
        "status": "ok",
        "reason": "",
        **problem.facts,
    }


def failure(wrong: BaseException) -> Line:
    """Return the status and the one-line reason of an exception."""
    text = str(wrong).strip().partition("\n")[0][:SAID]
    full = isinstance(wrong, MemoryError) or "RESOURCE_EXHAUSTED" in text
    return {"status": "out_of_memory" if full else "failed", "reason": f"{type(wrong).__name__}: {text}".rstrip(": ")}


class Isolated:
    """Prepares each case in a child process with a time and a memory limit.

    Args:
        source: The folder that the config's paths are relative to.
        folder: The run's directory, which holds the resolved config.
        limits: What each child may use.

    Attributes:
        ended: What became of cases whose child ended while they were timed, by case.
    """

    def __init__(self, source: Path, folder: Path, limits: Limits):
        self._source, self._folder, self._limits = source, folder, limits
        self.ended: dict[str, Line] = {}

    def prepare(self, problem: Problem, contender: str) -> Case:
        """Return a case; a crash, a hang or too much memory is its status."""
        line = start(problem, contender)
        child = Child(self._limits)
        try:
            where = {"source": str(self._source), "folder": str(self._folder), "parent": os.getpid()}
            answer = child.ask(where | {"case": problem.case(contender)})
        except Ended as ended:
            child.close()
            return Case(line | {"status": ended.status, "reason": ended.reason}, None)
        if not answer["timed"]:
            child.close()
            return Case(answer["line"], None)

        def once() -> float:
            try:
                return float(child.ask({"run": 1})["seconds"])
            except Ended as ended:
                child.close()  # now: a child that hangs would take time from those that go on
                self.ended[line["case"]] = {"status": ended.status, "reason": ended.reason}
                raise

        return Case(answer["line"], once, child.close)


class Ended(Exception):  # noqa: N818  (an end, not always an error)
    """A child that is no more: its case's status and reason."""

    def __init__(self, status: str, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


class Child:
    """A child process that answers JSON lines with JSON lines, within limits.

    Args:
        limits: What it may use.
        command: What it runs.
    """

    def __init__(self, limits: Limits, command: Sequence[str] = (sys.executable, "-m", "jconv.lab.worker")):
        self._limits, self._closed = limits, False
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  (closed below)
        pipe = subprocess.PIPE
        # A session of its own, so that what it starts can be ended with it, and Ctrl-C is the parent's to handle.
        self._process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=self._errors,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            self._answers.put(text)
        self._answers.put("")

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send a question and wait for its answer.

        Raises:
            Ended: If the child crashes, hangs, or takes too much memory.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is found below
            _ = self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        deadline = time.monotonic() + self._limits.seconds
        while True:
            try:
                text = self._answers.get(timeout=POLL)
            except queue.Empty:
                self._watch(deadline)
                continue
            if not text.endswith("\n"):  # the end, or an answer torn by it
                raise self._crash()
            answer = json.loads(text)
            if "status" in answer:
                raise Ended(answer["status"], answer["reason"])
            return answer

    def _watch(self, deadline: float) -> None:
        if self._process.poll() is not None:  # its own children may still hold its output open
            raise self._crash()
        with contextlib.suppress(psutil.Error):
            child = psutil.Process(self._process.pid)
            used = sum(one.memory_info().rss for one in (child, *child.children(recursive=True))) / 2**20
            if used > self._limits.memory_mib:
                raise Ended(
                    "out_of_memory", f"it used {used:,.0f} MiB, above its limit of {self._limits.memory_mib:,} MiB"
                )
        if time.monotonic() > deadline:
            raise Ended("timeout", f"it took over {self._limits.seconds:g} s")

    def _crash(self) -> Ended:
        try:
            code = self._process.wait(LAST)
        except subprocess.TimeoutExpired:
            return Ended("failed", "its process answers no more")
        _ = self._errors.seek(0)
        said = [text.strip() for text in self._errors.read().splitlines() if text.strip()]
        known = {number.value: number.name for number in signal.Signals}
        word = known.get(-code, f"signal {-code}") if code < 0 else f"exit status {code}"
        last = f": {said[-1][:SAID]}" if said and code >= 0 else ""
        return Ended("failed", f"its process ended with {word}{last}")

    def close(self) -> None:
        """End the child and what it has started, and wait until it is gone."""
        if self._closed:  # its number may be another's by now
            return
        self._closed = True
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        _ = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
