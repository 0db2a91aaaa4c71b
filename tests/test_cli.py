"""The command as a user runs it: results, exit statuses, and one clear sentence for every mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"jax", "jaxlib", "flax"}
TINY = """\
schema_version: 1
kind: photograph
name: tiny
size: 12
formulations: [direct, patches, circulant, auto]
measure: {rounds: 4, seconds: 0.01, resamples: 100}
filters:
  - {name: sobel, kernel: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], flip: true}
layers:
  - {name: up, window: [4, 4], in_channels: 4, out_channels: 2, stride: 2, padding: 1, transposed: true}
  - {name: wide, window: [3, 3], in_channels: 64, out_channels: 64}
"""


def jconv(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder of its own, importing this checkout."""
    command = [sys.executable, "-m", "jconv.lab.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=settings(**environment), capture_output=True, text=True, timeout=300)


def settings(**environment: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "", "COLUMNS": "140", **environment}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TINY)
    return jconv("run", "tiny.yaml", "--out", "out", cwd=folder), folder / "out"


def test_a_run_writes_records_and_ends_well(finished):
    result, out = finished
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert len(lines) == 12
    assert len({line["case"] for line in lines}) == 12
    statuses = {(line["problem"], line["formulation"]): line["status"] for line in lines}
    assert statuses.pop(("wide", "circulant")) == "unsupported"
    assert set(statuses.values()) == {"ok"}
    for line in lines:
        if line["status"] == "unsupported":
            assert "MiB" in line["reason"]
            assert "forward_samples_s" not in line
            continue
        for part in ("forward", "x_gradient", "kernel_gradient"):
            assert line[f"{part}_error"] <= line[f"{part}_tolerance"]
        for direction in ("forward", "gradient"):
            assert all(sample > 0 for sample in line[f"{direction}_samples_s"])
            assert line[f"{direction}_ratio"]["low"] <= line[f"{direction}_ratio"]["high"]
    assert lines[0]["case"] == "sobel/n1_i12x12c1_k3x3o1_s1x1_p1:1x1:1_d1x1_g1_float32_edge_flipped/direct"
    environment = json.loads((out / "env.json").read_text())
    assert environment["platform"] == "cpu"
    assert environment["command"] == "jconv run tiny.yaml --out out"
    assert (out / "pictures" / "sobel.patches.png").is_file()


def test_output_is_plain_where_nobody_watches(finished):
    result, _ = finished
    assert "\x1b" not in result.stdout
    assert "[1/12] sobel" in result.stdout
    assert "All 11 computed cases agree with float64" in result.stdout
    assert "Refused, each with its reason: 1." in result.stdout
    assert result.stdout.rstrip().endswith("report.html")


def test_the_resolved_config_runs_again(finished, tmp_path):
    from jconv.lab import config

    _, out = finished
    resolved, _ = config.load(out / "config.resolved.yaml")
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert resolved == config.load(tmp_path / "tiny.yaml")[0]


def test_a_used_folder_is_refused(finished):
    _, out = finished
    before = (out / "results.jsonl").read_bytes()
    result = jconv("run", "tiny.yaml", "--out", "out", cwd=out.parent)
    assert result.returncode == 2
    assert result.stderr == "run: --out must be new or empty; got out, which has content. Name a new folder.\n"
    assert (out / "results.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "quikstart"], "got 'quikstart'. Did you mean 'quickstart'?"),
        (["run", "missing.yaml"], "run: config must be a file that exists; got missing.yaml."),
        (["run", "."], "run: config must be a YAML file; got the folder .."),
        (["run", "photo.png"], "photo.png: config must be UTF-8 text; this file is not."),
        (["run", "typo.yaml"], "typo.yaml:4:1: error: sise: unknown key 'sise'"),
        (["run", "torn.yaml"], "torn.yaml:2:1: error: not YAML"),
        (["run", "noimage.yaml"], "run: input must be an image that can be read"),
        (["run", "nofile.yaml"], "run: input must be an image file that exists, or 'photo'; got 'gone.png'"),
        (["run", "small.yaml"], "run: input must be at least 12 pixels wide and high; got"),
        (["run", "window.yaml"], "layers.0: big: conv: window must fit the padded input; got a window that covers 13"),
        (["run", "tiny.yaml", "--out", "photo.png"], "run: --out must be a folder; got the file photo.png."),
        (["run", "tiny.yaml", "--out", "photo.png/x"], "run: --out must be a folder that can be written"),
        (["run"], "Missing argument 'CONFIG'"),
        (["runn"], "No such command 'runn'"),
        (["run", "tiny.yaml", "--ou", "x"], "No such option: --ou"),
    ],
)
def test_a_mistake_is_one_message_and_exit_2(tmp_path, arguments, words):
    from PIL import Image

    Image.new("RGB", (5, 7)).save(tmp_path / "photo.png")
    (tmp_path / "text.png").write_text("no picture")
    head, _, body = TINY.partition("size: 12\n")
    big = "  - {name: big, window: [13, 1], in_channels: 3, out_channels: 1, padding: VALID}\n"
    for name, text in {
        "tiny": TINY,
        "typo": head + "sise: 12\n" + body,
        "torn": "a: [1,\n",
        "noimage": head + "input: text.png\nsize: 12\n" + body,
        "nofile": head + "input: gone.png\nsize: 12\n" + body,
        "small": head + "input: photo.png\nsize: 12\n" + body,
        "window": TINY.partition("layers:\n")[0] + "layers:\n" + big,
    }.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    result = jconv(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "runs").exists()


def test_an_image_of_ones_own_and_a_new_folder(tmp_path):
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (30, 20), "white")
    ImageDraw.Draw(picture).ellipse((4, 2, 22, 18), fill="navy")
    picture.save(tmp_path / "own.png")
    text = TINY.partition("layers:")[0].replace("[direct, patches, circulant, auto]", "[direct]")
    (tmp_path / "own.yaml").write_text(text + "input: own.png\n")
    result = jconv("run", tmp_path / "own.yaml", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("tiny-")
    assert {path.name for path in folder.iterdir()} == {
        "config.resolved.yaml",
        "env.json",
        "pictures",
        "report.html",
        "results.jsonl",
    }


def test_an_interrupt_keeps_what_is_recorded(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY.replace("rounds: 4, seconds: 0.01", "rounds: 10000, seconds: 3.0"))
    command = [sys.executable, "-m", "jconv.lab.cli", "run", "tiny.yaml", "--out", "out"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, env=settings(), text=True, stdout=pipe, stderr=pipe) as process:
        results = tmp_path / "out" / "results.jsonl"
        deadline = time.monotonic() + 120
        while not (results.is_file() and results.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    kept = [json.loads(line) for line in results.read_text().splitlines()]
    assert 1 <= len(kept) < 12
    assert errors == f"Interrupted: {len(kept)} of 12 cases are recorded in out/results.jsonl.\n"


def test_list_names_every_formulation(tmp_path):
    from jconv.formulations import FORMULATIONS

    result = jconv("list", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for name in (*FORMULATIONS, "auto"):
        assert f" {name} " in result.stdout


def test_version(tmp_path):
    import jconv as package

    assert jconv("--version", cwd=tmp_path).stdout == f"jconv {package.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["run"], ["list"]])
def test_help_shows_an_example_and_imports_no_jax(tmp_path, arguments):
    command = [sys.executable, "-X", "importtime", "-m", "jconv.lab.cli", *arguments, "--help"]
    result = subprocess.run(command, cwd=tmp_path, env=settings(), capture_output=True, text=True, timeout=100)
    assert result.returncode == 0
    assert "Example: jconv" in result.stdout
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import")}
    assert "typer" in imported
    assert not {name.partition(".")[0] for name in imported} & HEAVY
