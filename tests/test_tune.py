"""`tune` and the file of winners: measured, kept, taken up elsewhere; nothing in the file can make a result wrong."""

import json
import multiprocessing
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from commands import jconv as jconv_command

import jconv
from jconv import _tune, selection
from jconv._compat import Program
from jconv._tune import Choices
from jconv.costs import Problem, parse_problem
from jconv.formulations import FORMULATIONS
from jconv.selection import _choose, _file, _memory

pytestmark = pytest.mark.versions

TEXT = "n1_i9x8c4_k3x3o4_s1x1_p1:1x1:1_d1x1_g1_float32"
PROBLEM = parse_problem(TEXT)
WHOLE = {
    "version": 1,
    "problem": TEXT,
    "formulation": "shifts",
    "platform": "cpu",
    "reason": "",
    "device": "",
    "jax": "",
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give each test a file of its own, and forget what was known."""
    monkeypatch.setenv("JCONV_CACHE", str(tmp_path))
    monkeypatch.setattr(_choose, "_measured", None)
    monkeypatch.setattr(_choose, "_loaded", {})
    yield tmp_path / "winners.jsonl"
    _choose.lower_again.set(object())


def call(x, kernel):
    return jconv.conv(x, kernel, padding=1)


def operands():
    return jnp.ones((1, 9, 8, 4)), jnp.ones((3, 3, 4, 4))


def lowered():
    return jax.jit(call).lower(*operands()).as_text()


def test_choices_are_those_of_every_lowered_convolution():
    x, kernel = operands()
    found = jconv.choices(jax.grad(lambda k: (call(x, k) ** 2).sum()), kernel)
    assert [str(problem) for problem in found] == [TEXT, "n4_i9x8c1_k9x8o4_s1x1_p1:1x1:1_d1x1_g1_float32"]
    vmapped = jconv.choices(jax.vmap(call, (None, 0)), x, jnp.stack([kernel, kernel]))
    assert [problem.out_channels for problem in vmapped] == [8]
    assert str(found).count("\n") == 1
    assert found[PROBLEM] == selection.choose(PROBLEM)


def test_a_winner_is_kept_and_taken_up_at_once_and_by_another_process(cache):
    assert "convolution" in lowered()
    selection.learn([selection.made_here(PROBLEM, "shifts", "measured: 0.5")])
    assert "convolution" not in lowered()
    assert selection.choose(PROBLEM) == ("shifts", "measured: 0.5")
    code = f"from jconv import selection, costs; print(selection.choose(costs.parse_problem({TEXT!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Choice(formulation='shifts'")
    (line,) = cache.read_text().splitlines()
    assert json.loads(line)["problem"] == TEXT


def test_tune_measures_what_a_function_lowers(cache):
    found = jconv.tune(call, *operands(), seconds=0.01)
    assert all(choice.reason.startswith("measured") for choice in found.values())
    assert len(cache.read_text().splitlines()) == 1
    assert selection.choose(PROBLEM) == found[PROBLEM]


def test_the_fastest_of_synthetic_contenders_wins(monkeypatch):
    def race(problem, seconds):
        rng = np.random.default_rng(0)
        times = {"direct": 1.0, "patches": 1.2, "shifts": 0.4, "fft": 0.5}
        return {
            name: _tune.Samples((base * rng.lognormal(0, 0.02, 40)).tolist(), "rounds") for name, base in times.items()
        }

    monkeypatch.setattr(_tune, "race", race)
    won = _tune.winner(PROBLEM, 1.0)
    assert won.formulation == "shifts"
    assert won.reason.startswith("measured: 0.4")
    monkeypatch.setattr(_tune, "race", lambda problem, seconds: {"direct": _tune.Samples([1.0] * 9, "rounds")})
    assert _tune.winner(PROBLEM, 1.0).formulation == "direct"


def test_who_computes_other_numbers_is_no_candidate(monkeypatch):
    wrong = FORMULATIONS["shifts"]._replace(apply=lambda *a, **k: 1.01 * FORMULATIONS["direct"].apply(*a, **k))
    both = {"direct": FORMULATIONS["direct"], "shifts": wrong}
    monkeypatch.setattr(_tune, "FORMULATIONS", both)  # which are tried, and what is computed
    monkeypatch.setattr(_memory, "FORMULATIONS", both)
    assert set(_tune.race(PROBLEM, 0.01)) == {"direct"}


def test_memory_and_work_are_bounded():
    large = parse_problem("n1_i64x64c1_k3x3o1_s1x1_p1:1x1:1_d1x1_g1_float32")
    names = _tune.candidates(large)
    assert "direct" in names
    assert "shifts" in names
    assert "toeplitz" not in names
    wide = parse_problem("n8_i30x30c1024_k3x3o1024_s1x1_p0:0x0:0_d1x1_g1_float32")
    assert "would keep" in (selection.too_much("winograd", wide) or "")
    selection.learn([selection.made_here(wide, "winograd", "measured")])
    assert selection.choose(wide).formulation != "winograd"
    assert selection.choose(wide, Program(whole=True, calls=False)).formulation == "direct"


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff\xfe torn",
        b"{}",
        b"[1, 2]",
        b'"text"',
        b"null",
        b'{"version": 99}',
        json.dumps(WHOLE | {"problem": "foo"}).encode(),
        json.dumps(WHOLE | {"problem": 7, "formulation": ["shifts"]}).encode(),
        json.dumps(WHOLE | {"formulation": "magic"}).encode(),
        json.dumps(WHOLE | {"platform": "abacus"}).encode(),
        b"[" * 100_000,
    ],
)
def test_what_is_no_choice_is_passed_over_with_a_warning(cache, content):
    cache.write_bytes(content + b"\n")
    with pytest.warns(UserWarning, match="passed over what is no choice, line 1"):
        assert _file.read(cache) == []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert selection.choose(PROBLEM).formulation == "direct"
    assert len(said) == 1
    selection.append(cache, [selection.made_here(PROBLEM, "shifts", "measured")])
    with pytest.warns(UserWarning, match="line 1"):
        assert [kept.formulation for kept in _file.read(cache)] == ["shifts"]


def test_half_a_character_can_be_shown():
    found = Choices({PROBLEM: selection.Choice("shifts", "measured \ud800")})
    assert str(found).encode().endswith(b"(measured \\ud800)")


def test_a_torn_last_line_costs_only_itself(cache):
    selection.append(cache, [selection.made_here(PROBLEM, "shifts", "measured")])
    whole = cache.read_bytes()
    cache.write_bytes(whole + whole[: len(whole) // 2])
    selection.append(cache, [selection.made_here(PROBLEM, "patches", "measured")])
    with pytest.warns(UserWarning, match="line 2"):
        assert [kept.formulation for kept in _file.read(cache)] == ["patches"]


def test_other_devices_and_refused_winners_do_not_count(cache):
    foreign = selection.made_here(PROBLEM, "shifts", "measured")._replace(device="another")
    selection.append(cache, [foreign, foreign._replace(device=foreign.device, jax="0.0")])
    assert selection.choose(PROBLEM).formulation == "direct"
    long = parse_problem("n1_i9x8c4_k7x3o4_s1x1_p3:3x1:1_d1x1_g1_float32")
    selection.learn([selection.made_here(long, "winograd", "measured")])
    assert selection.choose(long).formulation == "direct"
    assert "winograd cannot" in selection.choose(long).reason


def test_a_folder_in_the_place_of_the_file_is_a_warning(cache):
    cache.mkdir()
    with pytest.warns(UserWarning, match="no measured winners"):
        assert selection.choose(PROBLEM).formulation == "direct"


def _write(folder, number):
    import os

    os.environ["JCONV_CACHE"] = folder
    for repeat in range(25):
        choice = selection.made_here(PROBLEM, "shifts", f"writer {number}, {repeat}, " + "x" * 5000)
        selection.append(selection.path(), [choice])


def test_writers_at_the_same_time_lose_nothing(cache):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(cache.parent), number)) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = cache.read_text().splitlines()
    assert len(lines) == 50
    assert {json.loads(line)["reason"].partition(", x")[0] for line in lines} == {
        f"writer {number}, {repeat}" for number in range(2) for repeat in range(25)
    }


def test_choices_are_saved_shown_and_loaded(tmp_path):
    found = jconv.choices(call, *operands())
    found.save(tmp_path / "model.jsonl")
    found.save(tmp_path / "model.jsonl")  # anew, not twice
    text = (tmp_path / "model.jsonl").read_text()
    assert len(text.splitlines()) == 1
    (tmp_path / "model.jsonl").write_text(text.replace('"direct"', '"shifts"'))
    assert selection.load(tmp_path / "model.jsonl") == 1
    choice = selection.choose(PROBLEM)
    assert choice.formulation == "shifts"
    assert choice.reason.startswith(f"loaded from {tmp_path / 'model.jsonl'}")
    assert "convolution" not in lowered()
    with pytest.raises(FileNotFoundError):
        selection.load(tmp_path / "missing.jsonl")


def test_choices_that_cannot_be_saved_leave_the_old_file(tmp_path, monkeypatch):
    found = jconv.choices(call, *operands())
    found.save(tmp_path / "model.jsonl")
    text = (tmp_path / "model.jsonl").read_text()
    monkeypatch.setattr(_file.json, "dumps", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        found.save(tmp_path / "model.jsonl")
    assert (tmp_path / "model.jsonl").read_text() == text


def test_what_is_loaded_names_another_device_and_is_forgotten(tmp_path):
    (tmp_path / "model.jsonl").write_text(json.dumps(WHOLE | {"device": "TPU v9", "jax": "0.1.0"}) + "\n")
    before = selection.choose(PROBLEM)
    with selection.watch():  # programs lowered meanwhile are lowered again
        assert selection.load(tmp_path / "model.jsonl") == 1
    assert "made on TPU v9 with jax 0.1.0" in selection.choose(PROBLEM).reason
    selection.forget()
    assert selection.choose(PROBLEM) == before
    with pytest.raises(FileNotFoundError, match="no file of choices"):
        selection.load(tmp_path)


def test_of_what_is_loaded_the_choice_made_here_counts(tmp_path):
    here = selection.made_here(PROBLEM, "shifts", "measured: here")
    selection.append(tmp_path / "shared.jsonl", [here, here._replace(formulation="fft", device="TPU v9")])
    assert selection.load(tmp_path / "shared.jsonl") == 2
    assert selection.choose(PROBLEM).formulation == "shifts"


def test_a_jitted_step_keeps_its_static_arguments_and_its_update():
    """What is jitted is lowered as it is: its update would be dead code under another jit."""
    from flax import nnx

    class Model(nnx.Module):
        def __init__(self):
            self.layer = nnx.Conv(4, 4, (3, 3), padding="SAME", rngs=nnx.Rngs(0))

    @nnx.jit
    def step(model, x):
        gradient = nnx.grad(lambda model: (model.layer(x) ** 2).sum())(model)
        model.layer.kernel[...] -= gradient["layer"]["kernel"][...]
        return 0

    x, kernel = operands()
    assert len(jconv.choices(step, Model(), x)) == 2  # forward, and the kernel's gradient
    scaled = jax.jit(
        lambda x, k, stride, name: jconv.conv(x, k, stride=stride), static_argnums=2, static_argnames="name"
    )
    assert len(jconv.choices(scaled, x, kernel, 2, name="any")) == 1


def test_what_cannot_be_lowered_is_told_what_to_do():
    with pytest.raises(TypeError) as wrong:
        jconv.choices(lambda x, name: x, jnp.ones(3), "word")
    assert "functools.partial" in "".join(wrong.value.__notes__)
    with pytest.raises(jconv.UnsupportedError, match=r"tune: seconds must be a number, at least 0; got seconds='1'"):
        jconv.tune(call, *operands(), seconds="1")  # pyright: ignore[reportArgumentType]
    assert repr(jconv.choices(lambda x: 2 * x, jnp.ones(3))) == "no convolution whose formulation is chosen"


def test_winners_count_here_where_they_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JCONV_CACHE", str(tmp_path / "file" / "below"))
    with pytest.warns(UserWarning, match=r"no measured winners|count in this process alone") as warned:
        selection.learn([selection.made_here(PROBLEM, "shifts", "measured: so")])
    assert "count in this process alone" in str(warned[-1].message)
    assert selection.choose(PROBLEM) == ("shifts", "measured: so")


def test_tune_inside_a_traced_program_is_refused():
    traced = jax.jit(lambda x, kernel: jconv.tune(call, x, kernel))
    with pytest.raises(jconv.UnsupportedError, match="outside of a traced function"):
        traced(*operands())


def test_the_same_problem_takes_the_same_formulation():
    problems: list[Problem] = [PROBLEM, parse_problem("n8_i56x56c96_k3x3o96_s1x1_p1:1x1:1_d1x1_g96_float32")]
    assert [selection.choose(problem) for problem in problems] == [selection.choose(problem) for problem in problems]
    assert all(selection.choose(problem).reason for problem in problems)


def test_the_command_tunes_a_config_and_shows_the_winners(tmp_path):
    (tmp_path / "small.yaml").write_text(
        "schema_version: 1\nkind: timing\nname: small\ntransforms: [forward, gradients]\n"
        "layers: [{name: one, window: [3], in_channels: 2, out_channels: 2, size: 6}]\n"
    )
    where = {"JCONV_CACHE": str(tmp_path / "cache")}
    done = jconv_command("tune", "small.yaml", "--seconds", "0.01", cwd=tmp_path, **where)
    assert done.returncode == 0, done.stderr
    shown = jconv_command("tune", "--show", cwd=tmp_path, **where)
    lines = shown.stdout.splitlines()
    assert len(lines) == 1 + len({line.partition(":")[0] for line in lines[:-1]})
    assert all("measured" in line for line in lines[:-1])
    assert jconv_command("tune", cwd=tmp_path, **where).returncode == 2
    wrong = jconv_command("tune", "study_checkerboard", cwd=tmp_path, **where)
    assert wrong.returncode == 2
    assert "tune: config must compute convolutions; got kind arithmetic" in wrong.stderr
