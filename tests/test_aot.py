"""The TPU's compiler without a TPU: what it says is recorded, what it refuses has a reason, nothing runs."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import jconv
from jconv.errors import ConfigError
from jconv.lab import compiled, experiment
from jconv.lab.kinds.aot import said
from tests.commands import jconv as command

HAS_LIBTPU = importlib.util.find_spec("libtpu") is not None
needs_libtpu = pytest.mark.skipif(not HAS_LIBTPU, reason="libtpu is not installed: pip install 'jconv[tpu-aot]'")
CONFIG = """
schema_version: 1
kind: timing
name: small
peers: [torch]
formulations: [direct, shifts, onednn, auto]
measure: {rounds: 3}
layers:
  - {name: depthwise, window: 3, in_channels: 64, out_channels: 64, groups: 64, size: 16}
"""


def program(memory, costs):
    return SimpleNamespace(memory_analysis=lambda: memory, cost_analysis=lambda: costs)


def test_a_negative_or_missing_figure_is_left_out():
    memory = SimpleNamespace(temp_size_in_bytes=5, argument_size_in_bytes=-1, output_size_in_bytes=2)
    line = said(program(memory, {"flops": -1.0, "bytes accessed": 7.0, "optimal_seconds": -0.998}))
    assert line == {"temp_bytes": 5, "output_bytes": 2, "compiler_bytes": 7.0}
    assert said(program(None, None)) == {}
    whole = SimpleNamespace(temp_size_in_bytes=5, argument_size_in_bytes=1, output_size_in_bytes=2)
    assert said(program(whole, {"optimal_seconds": 1e-6})) == {
        "temp_bytes": 5, "argument_bytes": 1, "output_bytes": 2, "total_bytes": 8, "compiler_estimate_s": 1e-6,
    }  # fmt: skip


def test_a_config_of_layers_is_taken_ahead(tmp_path):
    (tmp_path / "small.yaml").write_text(CONFIG)
    config = experiment.ahead(tmp_path / "small.yaml", ["batch=2"], "v6e")
    assert (config["kind"], config["target"], config["batch"]) == ("aot", "v6e", 2)
    assert "peers" not in config
    _, problems = experiment.planned(config)
    assert [(p.dtype, p.transform) for p in problems] == [
        ("float32", "forward"), ("float32", "gradients"), ("bfloat16", "forward"), ("bfloat16", "gradients"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "target", "words"),
    [
        ("speed_layers", "v9", "--target must be one of v5e, v6e, v5p; got 'v9'"),
        (
            "quickstart",
            "v5e",
            "CONFIG must be of kind timing, agreement or aot, which have layers; got kind 'photograph'",
        ),
        ("speed_layer", "v5e", "speed_layers"),
    ],
)
def test_what_cannot_be_taken_ahead(config, target, words):
    with pytest.raises(ConfigError) as wrong:
        experiment.ahead(config, (), target)
    assert words in str(wrong.value)


def test_the_verdict_says_that_nothing_ran():
    lines = [
        {
            "case": "a/b/forward/direct",
            "status": "ok",
            "target": "v5e",
            "transform": "forward",
            "formulation": "direct",
        },
        {"case": "a/b/forward/fft", "status": "failed", "target": "v5e", "transform": "forward", "formulation": "fft"},
    ]
    assert compiled.verdict(lines) == (
        "1 of 2 programs compiled for TPU v5e; nothing ran. Bytes, memory and estimates are the compiler's own."
    )


@pytest.mark.skipif(HAS_LIBTPU, reason="libtpu is installed")
def test_without_libtpu_the_extra_is_named(tmp_path):
    (tmp_path / "small.yaml").write_text(CONFIG)
    result = command("aot", "small.yaml", "--target", "v5e", "--out", "run", cwd=tmp_path)
    assert "jconv[tpu-aot]" in result.stdout + result.stderr


@needs_libtpu
def test_the_compiler_is_asked(tmp_path):
    """Two at once: libtpu lets one process in, unless it is told that nothing will run."""
    (tmp_path / "small.yaml").write_text(CONFIG)
    words = [sys.executable, "-m", "jconv.lab.cli", "aot", "small.yaml", "--target"]
    started = [
        subprocess.Popen(
            [*words, target, "--out", target], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for target in ("v5e", "v6e")
    ]
    for child in started:
        out, _ = child.communicate(timeout=300)
        assert child.returncode == 0, out.decode()
        assert b"nothing ran" in out
    for target in ("v5e", "v6e"):
        lines = [json.loads(line) for line in (tmp_path / target / "results.jsonl").read_text().splitlines()]
        assert len(lines) == 16
        for line in lines:
            assert line["target"] == target
            if line["formulation"] == "onednn":
                assert (line["status"], "platform tpu" in line["reason"]) == ("unsupported", True)
                continue
            assert line["status"] == "ok", line
            assert line["compiler_bytes"] >= line["array_bytes"] * 0.5
            assert line["total_bytes"] >= line["array_bytes"]
            assert "seconds" not in line
            assert "samples_s" not in line
        report = (tmp_path / target / "report.html").read_text()
        assert f"What the compiler of TPU {target} says" in report


@needs_libtpu
def test_the_compilers_reason_is_recorded(tmp_path):
    """A patch matrix of terabytes does not fit a chip's memory."""
    config = {
        "schema_version": 1, "kind": "aot", "name": "large", "formulations": ["patches"], "dtypes": ["float32"],
        "transforms": ["forward"], "batch": 128,
        "layers": [{"name": "a", "window": 11, "in_channels": 64, "out_channels": 64, "size": 256}],
    }  # fmt: skip
    program = f"import jconv; jconv.lab.run({config!r}, out={str(tmp_path / 'run')!r})"
    child = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(jconv.__file__).parents[1], capture_output=True, text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"}, timeout=300,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    (line,) = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    assert line["status"] == "out_of_memory"
    assert "exceeds available HBM" in line["reason"]
