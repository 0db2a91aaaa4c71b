"""One network trained once per formulation from one seed: curves, accuracy, speed, and how far the parameters drift."""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from jconv.lab import data as datasets
from jconv.lab import record, train
from jconv.lab.bench import Prepared
from jconv.lab.config import REFERENCE, Training
from jconv.lab.plan import Problem
from jconv.lab.train import Trained

KEPT = "snapshots"  # the folder of the reference's parameters, beside the records


class Trainings:
    """The trainings of one network from one seed; they share data, and the reference they drift from.

    Args:
        problem: The problem.
        source: The folder that the config's paths are relative to.
        folder: The run's directory.
    """

    def __init__(self, problem: Problem, source: Path, folder: Path):
        assert isinstance(problem.settings, Training)
        self.problem, self.settings = problem, problem.settings
        self._source = source
        self._kept = folder / KEPT / f"{record.file_stem(problem.layer)}-seed-{problem.facts['seed']}.npz"

    @functools.cached_property
    def data(self) -> datasets.Data:
        """What is learnt and tested."""
        return load(self.settings, self._source)

    def train(self, formulation: str) -> Trained:
        """Train by a formulation; the reference's parameters are kept for those that drift from it."""
        settings = self.settings
        trained = train.train(
            settings.model,
            self.data,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            optimizer=settings.optimizer,
            width=settings.width,
            resolution=settings.resolution,
            dropout=settings.dropout,
            seed=self.problem.facts["seed"],
            formulation=formulation,
        )
        if formulation == REFERENCE:
            self._kept.parent.mkdir(exist_ok=True)
            draft = self._kept.with_suffix(".draft.npz")
            np.savez(draft, *trained.snapshots)
            _ = draft.replace(self._kept)
        return trained

    def reference(self) -> list[np.ndarray]:
        """Return the reference's parameters after each epoch; trained now if no earlier case or try did."""
        if not self._kept.exists():
            return self.train(REFERENCE).snapshots
        with np.load(self._kept) as kept:
            return [kept[f"arr_{epoch}"] for epoch in range(len(kept.files))]


def load(settings: Training, source: Path) -> datasets.Data:
    """Return the data of a training.

    Args:
        settings: The config.
        source: The folder that its paths are relative to.

    Returns:
        The data, as many training examples as the config wants.
    """
    found = datasets.load(settings.data, source)
    return found._replace(train_x=found.train_x[: settings.examples], train_y=found.train_y[: settings.examples])


def open_bench(problem: Problem, source: Path, folder: Path) -> Trainings:
    """Return what the trainings of a problem share."""
    return Trainings(problem, source, folder)


def prepare(bench: Trainings, contender: str) -> Prepared:
    """Train by one formulation.

    Args:
        bench: What the trainings share.
        contender: The formulation.

    Returns:
        What the record says; there is nothing to time.
    """
    trained = bench.train(contender)
    line: dict[str, Any] = {
        "epochs": len(trained.loss),
        "loss": trained.loss,
        "test_accuracy": trained.test_accuracy,
        "examples_per_s": trained.examples_per_s,
        "compile_s": trained.compile_s,
        "parameters": trained.parameters,
    }
    if trained.test_accuracy:
        line["accuracy"] = trained.test_accuracy[-1]
    if REFERENCE in bench.problem.contenders:
        line["drift"] = train.drift(trained.snapshots, bench.reference())
    if trained.stopped:
        line |= {"status": "failed", "reason": trained.stopped}
    return Prepared(line)
