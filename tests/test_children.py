"""A child process of the laboratory, whatever it does: one status, at once, and nothing of it is left."""

import os
import sys
import time

import psutil
import pytest

from jconv.lab import session
from jconv.lab.config import Limits
from jconv.lab.session import Child, Ended

LIMITS = Limits(isolate="case", seconds=20.0, memory_mib=300)
SLEEP = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])"


def ask(script: str, limits: Limits = LIMITS) -> tuple[dict | Ended, float, list[psutil.Process]]:
    """Ask a child that runs a script; return its answer or end, the seconds, and what it had started."""
    child = Child(limits, [sys.executable, "-c", "import os, signal, subprocess, sys, time\n" + script])
    start, started = time.monotonic(), []
    try:
        answer = child.ask({"case": "a"})
    except Ended as ended:
        answer = ended
    finally:
        seconds = time.monotonic() - start
        started = [one for one in psutil.process_iter() if _group(one) == child._process.pid]
        child.close()
        child.close()
    return answer, seconds, started


def _group(process: psutil.Process) -> int:
    try:
        return os.getpgid(process.pid)
    except OSError:
        return 0


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (f"{SLEEP}; os._exit(3)", "its process ended with exit status 3"),
        ("sys.stdout.write('{\"seco'); sys.stdout.flush(); os.abort()", "its process ended with SIGABRT"),
        ("os.kill(os.getpid(), 40)", "its process ended with signal 40"),
        ("os.write(2, b'caf\\xe9\\n'); os._exit(1)", "its process ended with exit status 1: caf\ufffd"),
        ("os.close(1); time.sleep(300)", "its process answers no more"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN); os.close(1); time.sleep(300)", "its process answers no more"),
    ],
)
def test_an_end_is_told_at_once_and_nothing_is_left(script, reason, monkeypatch):
    monkeypatch.setattr(session, "LAST", 0.5)
    ended, seconds, started = ask(script)
    assert isinstance(ended, Ended)
    assert (ended.status, ended.reason) == ("failed", reason)
    assert seconds < 15
    _, alive = psutil.wait_procs(started, timeout=10)
    assert not alive


def test_the_memory_of_what_a_child_starts_is_its_own():
    grow = "a = bytearray(b'x') * (400 * 2**20); import time; time.sleep(300)"
    ended, _, started = ask(f"subprocess.Popen([sys.executable, '-c', {grow!r}]); time.sleep(300)", LIMITS)
    assert isinstance(ended, Ended)
    assert ended.status == "out_of_memory", ended.reason
    _, alive = psutil.wait_procs(started, timeout=10)
    assert not alive


def test_the_smallest_time_limit_is_a_timeout():
    ended, seconds, _ = ask("time.sleep(300)", Limits(isolate="case", seconds=0.001))
    assert isinstance(ended, Ended)
    assert (ended.status, ended.reason) == ("timeout", "it took over 0.001 s")
    assert seconds < 10


def test_an_answer_is_an_answer():
    answer, _, _ = ask("sys.stdin.readline(); print('{\"seconds\": 1.5}', flush=True); time.sleep(300)")
    assert answer == {"seconds": 1.5}
