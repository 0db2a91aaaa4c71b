"""The command as a user runs it: results, exit statuses, and one clear sentence for every mistake."""

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import command, jconv, settings

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


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TINY)
    return jconv("run", "tiny.yaml", "--out", "out", cwd=folder), folder / "out"


def test_a_run_writes_records_and_ends_well(finished):
    result, out = finished
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert len(lines) == 24
    assert len({line["case"] for line in lines}) == 24
    statuses = {(line["layer"], line["transform"], line["formulation"]): line["status"] for line in lines}
    assert statuses.pop(("wide", "forward", "circulant")) == "unsupported"
    assert statuses.pop(("wide", "gradients", "circulant")) == "unsupported"
    assert set(statuses.values()) == {"ok"}
    for line in lines:
        if line["status"] == "unsupported":
            assert "MiB" in line["reason"]
            assert "samples_s" not in line
            continue
        assert line["error"] <= line["tolerance"]
        assert all(sample > 0 for sample in line["samples_s"])
        assert line["stopped"] in ("rounds", "seconds", "precise")
        if line["formulation"] != "direct":
            assert line["ratio"]["low"] <= line["ratio"]["median"] <= line["ratio"]["high"]
            assert line["verdict"] in ("FASTER", "SLOWER", "SAME", "UNSURE")
    first = "sobel/n1_i12x12c1_k3x3o1_s1x1_p1:1x1:1_d1x1_g1_float32_edge_flipped/forward/direct"
    assert first in {line["case"] for line in lines}
    environment = json.loads((out / "env.json").read_text())
    assert environment["platform"] == "cpu"
    assert environment["command"] == "jconv run tiny.yaml --out out"
    assert environment["rerun"] == "jconv run tiny.yaml"
    assert environment["noise_floor"]["floor"] >= 0.05
    assert (out / "pictures" / "sobel.patches.png").is_file()


def test_output_is_plain_where_nobody_watches(finished):
    result, _ = finished
    assert "\x1b" not in result.stdout
    assert "[1/24] sobel · forward" in result.stdout
    assert "All 22 computed cases agree with float64" in result.stdout
    lines = result.stdout.splitlines()
    place = lines.index("Refused, each with its reason: 2.")
    assert lines[place + 1].startswith(
        "  circulant, 2 cases (wide): conv: formulation 'circulant' cannot compute this:"
    )
    assert result.stdout.rstrip().endswith("report.html")


def test_an_error_names_no_other_command(tmp_path):
    for name in ("check", "aot", "tune"):
        assert jconv(name, "gone.yaml", cwd=tmp_path).stderr.startswith("jconv: config must be a file that exists")


def test_the_resolved_config_runs_again(finished, tmp_path):
    from jconv.lab import loading

    _, out = finished
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert loading.load(out / "config.resolved.yaml").settings == loading.load(tmp_path / "tiny.yaml").settings


def test_a_used_folder_is_refused(finished):
    _, out = finished
    before = (out / "results.jsonl").read_bytes()
    result = jconv("run", "tiny.yaml", "--out", "out", cwd=out.parent)
    assert result.returncode == 2
    words = "Name a new folder, or add --resume to go on with what it holds."
    assert result.stderr == f"jconv: --out must be new or empty; got out, which has content. {words}\n"
    assert (out / "results.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "quikstart"], "got 'quikstart'. Did you mean 'quickstart'?"),
        (["run", "missing.yaml"], "jconv: config must be a file that exists; got missing.yaml."),
        (["run", "."], "jconv: config must be a YAML file; got the folder .."),
        (["run", "photo.png"], "photo.png: config must be UTF-8 text; this file is not."),
        (["run", "typo.yaml"], "typo.yaml:4:1: error: sise: unknown key 'sise'"),
        (["run", "torn.yaml"], "torn.yaml:2:1: error: not YAML"),
        (["run", "noimage.yaml"], "jconv: input must be an image that can be read"),
        (["run", "nofile.yaml"], "jconv: input must be an image file that exists, or 'photo'; got 'gone.png'"),
        (["run", "small.yaml"], "jconv: input must be at least 12 pixels wide and high; got"),
        (["run", "window.yaml"], "layers.0: big: conv: window must fit the padded input; got a window that covers 13"),
        (["run", "tiny.yaml", "--resume"], "jconv: --resume must know the folder to go on with; got no --out."),
        (["run", "tiny.yaml", "--out", "photo.png"], "jconv: --out must be a folder; got the file photo.png."),
        (["run", "tiny.yaml", "--out", "photo.png/x"], "jconv: --out must be a folder that can be written"),
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
        "run.json",
        ".lock",
    }


def test_an_interrupt_keeps_what_is_recorded(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY.replace("rounds: 4, seconds: 0.01", "rounds: 10000, seconds: 3.0"))
    pipe = subprocess.PIPE
    arguments = command("run", "tiny.yaml", "--out", "out")
    # Without coverage, whose tracer holds a lock that an interrupt may leave locked.
    environment = {name: value for name, value in settings().items() if not name.startswith("COVERAGE_PROCESS")}
    with subprocess.Popen(arguments, cwd=tmp_path, env=environment, text=True, stdout=pipe, stderr=pipe) as process:
        results = tmp_path / "out" / "results.jsonl"
        deadline = time.monotonic() + 120
        while not (results.is_file() and results.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130
    kept = [json.loads(line) for line in results.read_text().splitlines()]
    assert 1 <= len(kept) < 24
    assert errors.startswith(f"Interrupted: {len(kept)} cases are recorded in out/results.jsonl.\n")
    assert errors.endswith("Go on: jconv run tiny.yaml … --out out --resume\n")


def test_an_interrupt_that_python_drops_ends_the_run_at_the_next_case(tmp_path, monkeypatch):
    from rich.console import Console

    from jconv.lab.terminal import Progress

    class Dropped:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: dropped.append(unraisable.exc_type))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with Progress(Console(quiet=True)) as progress:
        tell = progress.begin(tmp_path, 2)
        tell("layer/problem/forward/direct")
        Dropped()
        with pytest.raises(KeyboardInterrupt):
            tell("layer/problem/forward/patches")
    assert dropped == [KeyboardInterrupt]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Progress(Console(quiet=True)):
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, before)


def test_list_names_every_formulation(tmp_path):
    from jconv.formulations import FORMULATIONS

    result = jconv("list", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for name in (*FORMULATIONS, "auto"):
        assert f" {name} " in result.stdout


def test_version(tmp_path):
    import jconv as package

    assert jconv("--version", cwd=tmp_path).stdout == f"jconv {package.__version__}\n"


VERBS = ("run", "check", "list", "report", "compare", "export", "doctor", "schema", "explain", "draw")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *([verb, "--help"] for verb in VERBS),
        ["check", "tiny.yaml"],
        ["schema"],
        ["list"],
        ["run", "gone.yaml"],
    ],
    ids=" ".join,
)
def test_what_needs_no_jax_imports_none(tmp_path, arguments):
    (tmp_path / "tiny.yaml").write_text(TINY)
    traced = [sys.executable, "-X", "importtime", *command(*arguments)[1:]]
    result = subprocess.run(traced, cwd=tmp_path, env=settings(), capture_output=True, text=True, timeout=100)
    assert result.returncode == (2 if "gone.yaml" in arguments else 0), result.stderr[-2000:]
    if "--help" in arguments:
        assert "Example: jconv" in result.stdout
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import")}
    assert "typer" in imported
    if arguments != ["list"]:  # the table of formulations is JAX's
        assert not {name.partition(".")[0] for name in imported} & HEAVY


def test_check_prints_every_case_and_how_to_run_it_alone(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    result = jconv("check", "tiny.yaml", "formulations=[direct]", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[2].startswith(
        "sobel/n1_i12x12c1_k3x3o1_s1x1_p1:1x1:1_d1x1_g1_float32_edge_flipped/gradients: 1,296 MACs, "
    )
    name = "up/n1_i12x12c4_k4x4o2_s1x1_p2:2x2:2_d1x1_e2x2_g1_float32_zeros_transposed/forward"
    # 12·12 inputs, each times 4·4 taps, 4 and 2 channels
    assert f"{name}: 18,432 MACs, 7.2 KiB" in lines
    assert f"  jconv run tiny.yaml 'formulations=[direct]' --only {name}/direct" in lines
    assert lines[-1] == "tiny.yaml is right: 6 problems, 6 cases."
    again = jconv("run", "tiny.yaml", "formulations=[direct]", "--only", f"{name}/direct", "--out", "one", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    (line,) = (json.loads(text) for text in (tmp_path / "one" / "results.jsonl").read_text().splitlines())
    assert line["case"] == f"{name}/direct"


def test_check_finds_what_the_run_would_not(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    result = jconv("check", "tiny.yaml", "input=gone.png", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("jconv: input must be an image file that exists, or 'photo'; got 'gone.png'")


def test_an_explosion_wants_to_be_meant(tmp_path):
    text = TINY + "sweep: {seed: {start: 1, end: 1000, multiplier: 1.05}}\n"
    (tmp_path / "many.yaml").write_text(text)
    result = jconv("check", "many.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("jconv: cases must be at most 2,000; got ")
    assert jconv("check", "many.yaml", "--yes", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("only", ["sobel/nothing/direct", "formulation=fftt", "*/backward/*"])
def test_only_must_name_a_case(tmp_path, only):
    (tmp_path / "tiny.yaml").write_text(TINY)
    result = jconv("run", "tiny.yaml", "--only", only, cwd=tmp_path)
    assert result.returncode == 2
    assert f"jconv: --only must name a case; got '{only}', which fits none of 24." in result.stderr


def test_report_compare_and_export(finished):
    _, out = finished
    page = (out / "report.html").read_text()
    (out / "report.html").unlink()
    assert jconv("report", "out", cwd=out.parent).stdout == f"Report: {Path('out') / 'report.html'}\n"
    assert (out / "report.html").read_text() == page
    same = jconv("compare", "out", "out", "--fail-on-slower", "5%", cwd=out.parent)
    assert same.returncode == 0, same.stderr
    assert "24 cases in both runs: 22 SAME" in same.stdout
    exported = jconv("export", "out", "--format", "md", "--out", "table.md", cwd=out.parent)
    assert exported.stdout == "Written: table.md\n"
    assert len((out.parent / "table.md").read_text().splitlines()) == 26
    for arguments in (
        ["report", "gone"],
        ["compare", "out", "gone"],
        ["export", "gone"],
        ["export", "out", "--format", "xls"],
    ):
        wrong = jconv(*arguments, cwd=out.parent)
        assert wrong.returncode == 2
        assert "Traceback" not in wrong.stderr
        assert len(wrong.stderr.splitlines()) == 1


def test_compare_fails_on_a_slower_case(finished, tmp_path):
    _, out = finished
    slow = tmp_path / "slow"
    slow.mkdir()
    for name in ("env.json", "config.resolved.yaml"):
        (slow / name).write_bytes((out / name).read_bytes())
    lines = [json.loads(text) for text in (out / "results.jsonl").read_text().splitlines()]
    for line in lines:
        if "ratio" in line and line["formulation"] == "patches":
            line["ratio"] |= {key: 300 * line["ratio"][key] for key in ("median", "low", "high")}
            line["samples_s"] = [300 * sample for sample in line["samples_s"]]
    (slow / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = jconv("compare", str(out), str(slow), "--fail-on-slower", "5%", cwd=tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert result.stdout.rstrip().endswith("patches is slower by more than 5%.")
    assert jconv("compare", str(out), str(slow), cwd=tmp_path).returncode == 0


def test_explain_takes_what_check_prints(tmp_path):
    result = jconv("explain", "n1_i28x28c96_k3x3o96_s1x1_p1:1x1:1_d1x1_g96_float32", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "auto takes shifts on cpu: one channel per group" in result.stdout
    pasted = jconv("explain", "a@x=1/n1_i8c2_k3o2_s1_p1:1_d1_g1_float32_zeros/forward/fft", cwd=tmp_path)
    assert "auto takes direct on cpu" in pasted.stdout
    assert "Of " not in pasted.stdout
    gradients = jconv("explain", "n1_i8c2_k3o2_s1_p1:1_d1_g1_float32_zeros/gradients/fft", cwd=tmp_path)
    assert "Of gradients this is the forward convolution" in gradients.stdout
    gpu = jconv("explain", "n1_i8c2_k3o2_s1_p1:1_d1_g1_float32", "--platform", "gpu", cwd=tmp_path)
    assert (gpu.returncode, gpu.stderr) == (
        2,
        "explain: --platform must be one of cpu, cuda, rocm, tpu; got 'gpu'. What JAX calls gpu is cuda or rocm "
        "here.\n",
    )
    wrong = jconv("explain", "n8", cwd=tmp_path)
    assert wrong.returncode == 2
    first, key, last = wrong.stderr.splitlines()
    assert first == "explain: problem must be a canonical string; got 'n8': a part like i56x56c96 is missing."
    assert key.startswith("Such as n8_i56x56c96_k3x3o96_s1x1_p1:1x1:1_d1x1_g96_float32: n batch, i input size, c its ")
    assert last == "`jconv check CONFIG` prints those of a config."


def test_doctor_says_what_would_spoil_a_measurement(tmp_path):
    result = jconv("doctor", "--trials", "1", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert result.returncode == 0, result.stderr
    assert "Two identical programs differ by up to" in result.stdout
    assert list((tmp_path / "cache" / "jconv").glob("noise-*.json"))


def test_a_pipe_that_closes_early_is_no_traceback(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    with subprocess.Popen(
        command("check", "tiny.yaml"), cwd=tmp_path, env=settings(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert "Traceback" not in errors


def test_a_disk_that_takes_no_more_ends_the_run_at_once(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    line = " ".join(["ulimit -f 6; exec", *map(shlex.quote, command("run", "tiny.yaml", "--out", "out"))])
    # A coverage measurement of subprocesses would write its own file, and fail on it.
    env = {key: value for key, value in settings(PYTHONDONTWRITEBYTECODE="1").items() if "COVERAGE" not in key}
    result = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert result.returncode == 2, result.stderr
    assert result.stderr == "jconv: --out must be a folder that can be written; got out: File too large.\n"
    assert (tmp_path / "out" / "results.jsonl").stat().st_size <= 6 * 1024


def test_two_runs_into_one_folder_are_refused(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY.replace("rounds: 4, seconds: 0.01", "rounds: 10000, seconds: 3.0"))
    arguments = command("run", "tiny.yaml", "--out", "out")
    with subprocess.Popen(arguments, cwd=tmp_path, env=settings(), stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "out" / "run.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        second = jconv("run", "tiny.yaml", "--out", "out", "--resume", cwd=tmp_path)
        process.kill()
        _ = process.communicate()
    assert second.returncode == 2
    assert "jconv: --out must be no other run's; out is being written by one." in second.stderr


def test_standard_output_on_a_full_disk_is_no_traceback(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    for word in ("check tiny.yaml", "list"):
        line = f"{shlex.join(command(*word.split()))} > /dev/full"
        result = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=settings(), capture_output=True, text=True)
        assert result.returncode == 2
        assert result.stderr == "jconv: the system refuses: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "a" * 300], "jconv: config must be a YAML file or one of"),
        (["run", "tiny.yaml", "--out", "a" * 300], "jconv: the system refuses: File name too long"),
        (["run", "tiny.yaml", "--resume"], "jconv: --resume must know the folder to go on with; got no --out."),
        (["explain", "n1_i8c2_k3o2_s1_p1:1_d1_g1_float32", "--platform", "abacus"], "must be one of cpu, cuda"),
    ],
)
def test_what_can_be_no_name_is_one_message(tmp_path, arguments, words):
    (tmp_path / "tiny.yaml").write_text(TINY)
    result = jconv(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("layer", ["conv_in", "n1_i8", "deconv_i"])
def test_explain_is_not_misled_by_a_layers_name(tmp_path, layer):
    pasted = jconv("explain", f"{layer}/n1_i8c2_k3o2_s1_p1:1_d1_g1_float32_zeros/forward/fft", cwd=tmp_path)
    assert "auto takes direct on cpu" in pasted.stdout, pasted.stderr


def test_one_case_of_very_many_runs_alone(tmp_path):
    layers = [{"name": f"a{i}", "window": 2} for i in range(2100)]
    config = {"schema_version": 1, "kind": "arithmetic", "name": "many", "size": 2200, "layers": layers}
    (tmp_path / "many.yaml").write_text(json.dumps(config))
    line = ["run", "many.yaml", "--only"]
    result = jconv(*line, "01-a0/*", "--out", "a", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    result = jconv(*line, "02-a1/*", "--only", "01-a0/*", "--out", "c", cwd=tmp_path)
    results = (tmp_path / "c" / "results.jsonl").read_text().splitlines()
    assert [json.loads(text)["layer"] for text in results] == ["01-a0", "02-a1"], result.stderr
    assert "got 'zz*'" in jconv(*line, "01-a0/*", "--only", "zz*", "--out", "d", cwd=tmp_path).stderr
    assert "got 2,100. Add --yes" in jconv(*line, "*", "--out", "b", cwd=tmp_path).stderr


def test_no_number_in_a_name_becomes_a_picture(capsys):
    from jconv.lab import terminal

    terminal.console().print("p1:100:x", markup=False)
    assert capsys.readouterr().out == "p1:100:x\n"
