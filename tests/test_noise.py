"""The A/A experiment, what is kept of it, and what the doctor finds."""

import json
import subprocess
import sys

import numpy as np
import pytest

from jconv import _timing, machine
from jconv.lab import doctor, noise


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(noise.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    return tmp_path / "cache" / "jconv"


def noisy(scatter: float, bias: float = 0.0):
    """Return pairs whose second differs from the first by a bias drawn for the pair, and by noise at each call."""

    def pair(trial: int):
        rng = np.random.default_rng(trial)
        times = 1e-3 * np.exp(rng.normal(0, bias) * np.array([0, 1]))
        a, b = (lambda time=time: float(time * np.exp(rng.normal(0, scatter))) for time in times)
        return a, b

    return pair


def test_the_floor_is_what_most_trials_stay_below():
    found = noise.experiment(noisy(0.02, bias=0.1), 100)
    apart = sorted(abs(np.log(ratio.median)) for ratio in found.ratios)
    assert np.exp(apart[93]) - 1 <= found.floor <= np.exp(apart[96]) - 1
    assert found.floor == pytest.approx(np.expm1(1.96 * 0.1), rel=0.2)
    assert "in 95 % of 100 trials" in found.words()


def test_a_trial_is_timed_as_a_run_is():
    told = []
    found = noise.experiment(noisy(0.05), 3, tell=told.append)
    assert told == [0, 1, 2]
    assert all(10 <= ratio.pairs <= _timing.ROUNDS for ratio in found.ratios)
    assert [_timing.verdict(ratio, _timing.FLOOR) for ratio in found.ratios] == ["SAME"] * 3


def test_a_contender_that_fails_ends_the_experiment():
    def breaks() -> float:
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="raised: RuntimeError: out of luck"):
        _ = noise.experiment(lambda trial: (breaks, lambda: 1.0), 2)


def test_what_is_kept_is_found_again(cache):
    assert noise.kept() is None
    assert noise.floor() == (0.05, "shipped; `jconv doctor` measures this machine's own")
    quiet, loud = (noise.experiment(noisy(0.01, bias), 5) for bias in (0.001, 0.3))
    where = noise.keep(quiet)
    assert noise.kept() == quiet
    assert noise.floor().value == 0.05
    assert noise.floor().source.startswith("shipped; this machine's own is ")
    assert noise.keep(loud) == where
    assert noise.kept() == loud
    assert noise.floor().value == loud.floor > 0.05
    assert noise.floor().source.startswith("this machine's own")
    assert noise.floor().record().keys() == {"floor", "source"}
    assert list(cache.iterdir()) == [where]
    assert json.loads(where.read_text())["machine"] == machine.identity()


@pytest.mark.parametrize(
    "change",
    [
        lambda content: "",
        lambda content: "{",
        lambda content: "[]",
        lambda content: "\udcff",
        lambda content: json.dumps(json.loads(content) | {"schema_version": 2}),
        lambda content: json.dumps(json.loads(content) | {"floor": -0.1}),
        lambda content: content.replace('"floor": 0', '"floor": NaN, "x": 0'),
        lambda content: json.dumps(json.loads(content) | {"ratios": []}),
        lambda content: json.dumps(json.loads(content) | {"surprise": 1}),
        lambda content: json.dumps(json.loads(content) | {"machine": {"processor": "another", "cores": 2, "jax": "1"}}),
    ],
)
def test_a_file_that_is_not_ours_is_ignored_with_a_warning(change):
    where = noise.keep(noise.experiment(noisy(0.01, 0.3), 5))
    where.write_bytes(change(where.read_text()).encode(errors="surrogateescape"))
    with pytest.warns(UserWarning, match=r"is ignored: .* Run `jconv doctor` to write it anew"):
        assert noise.floor().value == 0.05


def test_a_write_that_fails_leaves_the_former_file(cache, monkeypatch):
    former = noise.experiment(noisy(0.01), 2)
    where = noise.keep(former)

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(noise.Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        _ = noise.keep(noise.experiment(noisy(0.01), 3))
    assert noise.kept() == former
    assert list(cache.iterdir()) == [where]


def test_the_doctor_measures_and_keeps():
    found = doctor.examine(trials=2)
    assert noise.kept() == found.noise
    text = "\n".join(found.lines())
    assert "Two identical programs differ by up to" in text
    assert "Warning: XLA_FLAGS splits the host into several devices" in text


def test_the_doctor_says_what_it_does_not_know(cache):
    assert "no A/A experiment was made here" in "\n".join(doctor.examine(trials=0).lines())
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="is ignored"):
        lines = doctor.examine(trials=0).lines()
    assert any(line.startswith("noise ") and "unknown" in line for line in lines)
    found = doctor.examine(trials=1)
    assert found.noise is not None
    assert any("could not be kept" in line for line in found.warnings)


def test_a_failing_experiment_is_a_warning(monkeypatch):
    def broken(trial):
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(doctor, "pair", broken)
    found = doctor.examine(trials=1)
    assert found.noise is None
    assert any("the A/A experiment failed: RESOURCE_EXHAUSTED" in line for line in found.warnings)


QUIET = {
    "load": 0.5,
    "cores": 2,
    "governor": None,
    "swap_used_bytes": 0,
    "memory_bytes": 8 * 2**30,
    "memory_free_bytes": 4 * 2**30,
    "cpu_quota": None,
    "thread_settings": {},
    "compilation_cache": None,
    "clock_step_s": 4e-8,
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"load": None}, None),
        ({"governor": "performance"}, None),
        ({"load": 2.1}, "a load of 2.1 on 2 cores"),
        ({"governor": "powersave"}, "the frequency governor is powersave"),
        ({"swap_used_bytes": 2**30}, "1.0 GiB of swap are in use"),
        ({"memory_free_bytes": 2**29}, "only 0.5 GiB of memory are free"),
        ({"cpu_quota": 1.5}, "a quota of 1.5 cores"),
        ({"thread_settings": {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}}, "XLA_FLAGS splits the host"),
        ({"compilation_cache": "/somewhere"}, "the compilation cache /somewhere is on"),
        ({"clock_step_s": 1e-3}, "the clock steps by 0.001 s"),
    ],
)
def test_what_would_spoil_a_measurement_is_said(change, expected):
    warnings = doctor.warn(QUIET | change)
    assert len(warnings) == (expected is not None)
    assert not expected or warnings[0].startswith(expected)


def test_missing_extras_come_with_their_install_line(monkeypatch):
    declared = [
        "numpy>=2",
        "numpy>=2; extra == 'data'",
        "no-such_thing.x[more]; extra == 'data'",
        "a; extra == 'test'",
    ]
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: declared)
    monkeypatch.setattr(doctor.machine, "version", lambda name: {"numpy": "2.1", "jconv": "0.1.0"}.get(name))
    assert doctor.extras() == {"data": {"numpy": "2.1", "no-such_thing.x": None}}
    text = "\n".join(doctor.examine(trials=0).lines())
    assert "missing no-such_thing.x: pip install 'jconv[data]'" in text


def test_a_container_may_have_less_than_its_affinity(monkeypatch):
    monkeypatch.setattr(machine, "_text", lambda path: ["150000 100000"])
    assert machine.cpu_quota() == 1.5
    assert machine.cores() == 1
    monkeypatch.setattr(machine, "_text", lambda path: ["max 100000"])
    assert machine.cpu_quota() is None
    monkeypatch.setattr(machine, "_text", lambda path: [])
    assert machine.cpu_quota() is None
    assert machine.governor() is None
    assert machine.processor()


def test_statistics_need_no_jax():
    program = (
        "from jconv import machine; from jconv.lab import compare, export, fit, noise; noise.floor(); import sys; "
        "print('jax' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"
