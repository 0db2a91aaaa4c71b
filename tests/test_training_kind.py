"""The training kind: one network, one seed, several formulations; their records, and how far they drift."""

import numpy as np
import pytest

import jconv
from jconv.errors import ConfigError
from jconv.lab.kinds import training

CONFIG = {
    "schema_version": 1,
    "kind": "training",
    "name": "small",
    "model": "lenet",
    "data": "own.npz",
    "epochs": 2,
    "batch_size": 8,
    "seeds": [3],
    "formulations": ["direct", "shifts"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    x = rng.random((40, 8, 8, 1)).astype(np.float32) + y[:, None, None, None]
    np.savez(tmp_path / "own.npz", x=x / x.max(), y=y)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_formulations_begin_alike_and_drift_by_rounding(folder):
    results = jconv.lab.run(CONFIG, out=folder / "run")
    direct, shifts = results
    assert [line["status"] for line in results] == ["ok", "ok"]
    assert direct["drift"] == [0.0, 0.0]
    assert all(0 <= distance < 1e-3 for distance in shifts["drift"])
    assert direct["parameters"] == shifts["parameters"] > 1000
    np.testing.assert_allclose(direct["loss"], shifts["loss"], rtol=1e-3)
    assert direct["accuracy"] == direct["test_accuracy"][-1]
    assert len(direct["loss"]) == direct["epochs"] == 2
    assert direct["case"] == "lenet/lenet_own_w1_r1_e2_b8_adam0.001_s3/training/direct"


def test_a_resumed_run_drifts_from_the_reference_that_was_kept(folder, monkeypatch):
    whole = jconv.lab.run(CONFIG, out=folder / "whole")
    _ = jconv.lab.run(CONFIG, out=folder / "half", only="formulation=direct")
    trained = []
    right = training.Trainings.train
    monkeypatch.setattr(training.Trainings, "train", lambda self, name: trained.append(name) or right(self, name))
    half = jconv.lab.run(CONFIG, out=folder / "half", resume=True)
    assert trained == ["shifts"]
    clocks = ("compile_s", "examples_per_s")
    one, other = ([{k: v for k, v in line.items() if k not in clocks} for line in run] for run in (whole, half))
    assert one == other
    _ = jconv.lab.run(CONFIG, out=folder / "alone", only="formulation=shifts")
    assert trained == ["shifts", "shifts", "direct"]  # nobody kept it: the reference is trained beside


def test_a_training_that_blows_up_is_a_failure(folder):
    (line,) = jconv.lab.run(
        CONFIG | {"learning_rate": 10.0, "optimizer": "sgd", "epochs": 30},
        out=folder / "run",
        only="formulation=direct",
    )
    assert line["status"] == "failed"
    assert "epoch" in line["reason"]


def test_missing_data_ends_the_run_before_it_begins(folder):
    with pytest.raises(ConfigError, match=r"gone\.npz"):
        _ = jconv.lab.run(CONFIG | {"data": "gone.npz"}, out=folder / "run")
    assert not (folder / "run").exists()
