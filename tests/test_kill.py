"""A run killed at any moment goes on: no case is run twice, no line is lost, doubled or torn."""

import json
import random
import signal
import subprocess
from pathlib import Path

from commands import command, jconv, settings

KILLS = 20
CONFIG = """\
schema_version: 1
kind: timing
name: killed
roofline: false
transforms: [forward, jvp]
formulations: [direct, shifts, toeplitz, fft]
measure: {rounds: 12, seconds: 0.05, resamples: 100}
sweep: {layers.0.in_channels: [1, 2, 3]}
layers: [{name: small, window: [3], in_channels: 2, out_channels: 2, size: 6}]
"""
CLOCKS = {
    "lower_s",
    "compile_s",
    "first_s",
    "calls",
    "samples_s",
    "seconds",
    "stopped",
    "ratio",
    "verdict",
    "again_ratio",
    "again_verdict",
}


def records(folder: Path) -> dict[str, dict]:
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert len({line["case"] for line in lines}) == len(lines)
    return {line["case"]: {key: value for key, value in line.items() if key not in CLOCKS} for line in lines}


def test_killed_twenty_times_it_records_what_an_undisturbed_run_does(tmp_path):
    (tmp_path / "killed.yaml").write_text(CONFIG)
    result = jconv("run", "killed.yaml", "--out", "undisturbed", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    expected = records(tmp_path / "undisturbed")
    assert len(expected) == 24
    rng, kills, folder = random.Random(0), 0, 0
    last: bytes = b""
    while kills < KILLS:
        out = tmp_path / f"killed-{folder}"
        arguments = command("run", "killed.yaml", "--out", out.name, "--resume")
        pipe = subprocess.PIPE
        with subprocess.Popen(arguments, cwd=tmp_path, env=settings(), stdout=pipe, stderr=pipe) as process:
            try:
                _, errors = process.communicate(timeout=rng.uniform(0, 6))
                assert process.returncode == 0, errors
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                _ = process.communicate()
                kills += 1
        results = out / "results.jsonl"
        now = results.read_bytes() if results.exists() else b""
        assert now.startswith(last[: last.rfind(b"\n") + 1])  # what was recorded stays, byte for byte
        last = now
        if process.returncode == 0:
            assert records(out) == expected
            folder, last = folder + 1, b""
    result = jconv("run", "killed.yaml", "--out", f"killed-{folder}", "--resume", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert records(tmp_path / f"killed-{folder}") == expected
    assert (tmp_path / f"killed-{folder}" / "report.html").exists()
