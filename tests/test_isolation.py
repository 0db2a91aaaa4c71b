"""What can befall a case: each is one status in a finished run, and the others go on."""

import json
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from commands import command, jconv, settings

CONFIG = """\
schema_version: 1
kind: timing
name: hostile
roofline: false
formulations: [direct, shifts, patches, fft, phases]
limits: {isolate: case, seconds: 20, memory_mib: 1500}
measure: {rounds: 6, seconds: 0.2, resamples: 100}
layers: [{name: small, window: 3, in_channels: 2, out_channels: 2, size: 6}]
"""
# Patched into every process from outside, for no config can run code.
HOSTILE = """
import os, time
import jconv.lab.programs as programs
from jconv import _timing

right, calls = programs.convolution, {"n": 0}

def convolution(call, formulation, precision):
    if formulation == "shifts":
        os.abort()
    if formulation == "patches":
        kept = []
        while True:
            kept.append(bytearray(os.urandom(1)) * 2**24)
    if formulation == "fft" and os.environ.get("HANG") == "at once":
        time.sleep(1000)
    return right(call, formulation, precision)

programs.convolution = convolution

compiled = programs.compile_program

def compile_program(function, arguments):
    made = compiled(function, arguments)
    if os.environ.get("HANG") != "later":
        return made
    _timing.SAMPLE = 0.0
    def call():
        calls["n"] += 1
        if calls["n"] > 4:  # one to see how long it takes, and three samples
            time.sleep(1000)
        return made.call()
    return made._replace(call=call)

programs.compile_program = compile_program
"""


def run(tmp_path: Path, config: str, **environment: str):
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOSTILE)
    (tmp_path / "hostile.yaml").write_text(config)
    result = jconv("run", "hostile.yaml", "--out", "out", cwd=tmp_path, BEFORE=str(tmp_path / "hook"), **environment)
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    return result, {line["formulation"]: line for line in lines}


def test_a_crash_a_hang_and_an_endless_allocation_are_each_one_status(tmp_path):
    result, lines = run(tmp_path, CONFIG.replace("seconds: 20", "seconds: 30"), HANG="at once")
    assert {name: line["status"] for name, line in lines.items()} == {
        "direct": "ok",
        "phases": "ok",
        "shifts": "failed",
        "patches": "out_of_memory",
        "fft": "timeout",
    }, result.stderr
    assert lines["shifts"]["reason"] == "its process ended with SIGABRT"
    assert "above its limit of 1,500 MiB" in lines["patches"]["reason"]
    assert lines["fft"]["reason"] == "it took over 30 s"
    assert len(lines["phases"]["samples_s"]) >= 3
    assert lines["phases"]["ratio"]["pairs"] >= 3
    assert result.returncode == 1
    assert "again: jconv run hostile.yaml --only " in result.stdout
    assert "Traceback" not in result.stderr
    assert (tmp_path / "out" / "report.html").exists()


def test_a_hang_in_the_middle_of_the_rounds_keeps_the_samples(tmp_path):
    config = CONFIG.replace("[direct, shifts, patches, fft, phases]", "[direct, phases]").replace(
        "seconds: 20", "seconds: 25"
    )
    result, lines = run(tmp_path, config, HANG="later")
    assert {line["status"] for line in lines.values()} == {"timeout"}, result.stderr
    assert all(len(line["samples_s"]) in (1, 2, 3) for line in lines.values())
    assert result.returncode == 1


@pytest.mark.parametrize("wait", [0.2, 3.0], ids=["while it starts", "while it hangs"])
def test_a_killed_run_leaves_no_hanging_child(tmp_path, wait):
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOSTILE)
    (tmp_path / "hostile.yaml").write_text(CONFIG.replace("seconds: 20", "seconds: 100"))
    arguments = command("run", "hostile.yaml", "--only", "formulation=fft", "--out", "out")
    environment = settings(BEFORE=str(tmp_path / "hook"), HANG="at once")
    with subprocess.Popen(arguments, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as process:
        parent, children, deadline = psutil.Process(process.pid), [], time.monotonic() + 60
        while not children and time.monotonic() < deadline:
            time.sleep(0.1)
            children = parent.children()
        time.sleep(wait)
        process.kill()
    assert children
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def test_isolated_and_shared_runs_record_the_same(tmp_path):
    import jconv as package

    config = {
        "schema_version": 1,
        "kind": "agreement",
        "name": "same",
        "formulations": ["direct", "toeplitz"],
        "layers": [
            {"name": "small", "window": 3, "in_channels": 2, "out_channels": 2, "size": 6},
            {"name": "large", "window": 3, "in_channels": 64, "out_channels": 64, "size": 32},
        ],
    }
    shared = package.lab.run(config, out=tmp_path / "shared")
    isolated = package.lab.run(config, "limits.isolate=case", out=tmp_path / "isolated")
    clocks = ("lower_s", "compile_s", "first_s")
    one, other = ([{k: v for k, v in line.items() if k not in clocks} for line in runs] for runs in (shared, isolated))
    assert one == other
    assert [line["status"] for line in one] == ["ok", "ok", "ok", "unsupported"]


@pytest.mark.parametrize("name", ["direct", "shifts"])
def test_a_case_runs_alone_beside_the_reference(tmp_path, name):
    import jconv as package

    config = {
        "schema_version": 1,
        "kind": "timing",
        "name": "alone",
        "roofline": False,
        "formulations": ["direct", "shifts"],
        "measure": {"rounds": 12, "seconds": 1.0, "resamples": 100},
        "layers": [{"name": "small", "window": 3, "in_channels": 2, "out_channels": 2, "size": 6}],
    }
    results = package.lab.run(config, out=tmp_path / "run", only=f"formulation={name}")
    (line,) = results
    assert line["formulation"] == name
    assert line["again_ratio" if name == "direct" else "ratio"]["pairs"] >= 10
    assert ("verdict" in line) == (name != "direct")
    rest = package.lab.run(config, out=tmp_path / "run", resume=True)
    assert sorted(line["formulation"] for line in rest) == ["direct", "shifts"]
    assert next(one for one in rest if one["formulation"] == name) == line
