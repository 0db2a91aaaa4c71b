"""Run an experiment from Python, and hold its results: what the command does, without the terminal."""

import functools
import html
import importlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from jconv.errors import ConfigError, suggestion
from jconv.lab import assemble, data, document, images, loading, plan, record
from jconv.lab.config import TARGETS, Aot, Photograph, Training

MANY = 2000
"""Cases above which a run wants to be told that this is meant."""


class Results:
    """The records of a run.

    Args:
        folder: The run's directory.

    Example:
        >>> import tempfile
        >>> stack = [{"name": "conv", "window": 3}, {"name": "pool", "window": 2, "stride": 2}]
        >>> config = {"schema_version": 1, "kind": "arithmetic", "name": "doc", "size": 32, "layers": stack}
        >>> results = run(config, out=tempfile.mkdtemp())
        >>> [line["output_size"] for line in results]
        [[30, 30], [15, 15]]
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.records: list[dict[str, Any]] = list(record.read(self.folder))

    def __len__(self) -> int:
        """The number of records."""
        return len(self.records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The records, in the order they were made."""
        return iter(self.records)

    def __getitem__(self, case: str) -> dict[str, Any]:
        """The record of a case."""
        for line in self.records:
            if line["case"] == case:
                return line
        known = [line["case"] for line in self.records]
        raise ConfigError(f"Results: case must be one of this run; got {case!r}.{suggestion(case, known)}")

    def __repr__(self) -> str:
        """What the run shows, in sentences."""
        from jconv.lab import summary

        return "\n".join([f"Results of {self.folder}:", *summary.verdict(self.records)])

    def _repr_html_(self) -> str:
        """The report, inside a notebook."""
        from jconv.lab import report

        page = html.escape(report.render(self.folder), quote=True)
        return f'<iframe srcdoc="{page}" title="jconv report" style="width:100%;height:720px;border:0"></iframe>'

    def report(self) -> Path:
        """Write the report anew from the records, and return its path."""
        from jconv.lab import report

        return report.write(self.folder)

    def to_pandas(self) -> Any:
        """Return a data frame with a row per case; nested facts as `ratio.median`.

        Raises:
            ConfigError: If pandas is not installed.
        """
        from jconv.lab import export

        try:
            pandas = importlib.import_module("pandas")
        except ImportError:
            raise ConfigError(
                "to_pandas: pandas must be installed; it is not. Run pip install 'jconv[data]'."
            ) from None
        return pandas.DataFrame([export.flatten(line) for line in self.records])


def load(folder: str | Path) -> Results:
    """Return the results of a run.

    Args:
        folder: The run's directory.

    Returns:
        Its records.

    Raises:
        ConfigError: If it holds none.
    """
    return Results(folder)


def run(
    config: str | Path | Mapping[str, Any],
    *overrides: str,
    out: str | Path | None = None,
    resume: bool = False,
    only: str | Sequence[str] = (),
    yes: bool = False,
    begin: Callable[[Path, int], Callable[[str], None]] | None = None,
) -> Results:
    """Run an experiment.

    Args:
        config: A YAML file, the name of a shipped config, or the content of one.
        *overrides: `key=value` texts.
        out: A new or empty folder; by default a new one under `runs/`.
        resume: Go on with what `out` holds.
        only: Run the cases that this names, or each of these: a case string, a pattern with `*`, or `key=value` of the
            records; all by default.
        yes: Run more than 2,000 cases.
        begin: Is given the folder and the number of cases, and returns what is told each case before it begins.

    Returns:
        The results.

    Raises:
        ConfigError: If the config is wrong, the folder cannot be used, or `resume` has no `out`.

    Example:
        >>> import tempfile
        >>> config = {"schema_version": 1, "kind": "arithmetic", "name": "doc", "size": 9,
        ...           "layers": [{"name": "conv", "window": 3}]}
        >>> results = run(config, "layers[name=conv].dilation=2", out=tempfile.mkdtemp())
        >>> results.records[0]["receptive_field"]["size"]
        [5, 5]
    """
    if resume and out is None:
        raise ConfigError(
            "jconv: --resume must know the folder to go on with; got no --out. Add --out and the folder that the "
            "run printed when it began, such as --out runs/first."
        )
    loaded, problems = planned(config, overrides)
    wanted = selected(problems, only)
    cases = check(problems, yes or wanted is not None)
    if wanted is not None and len(wanted) > MANY and not yes:
        raise _many(len(wanted))
    if loaded.settings.kind == "aot":
        _without_tpu()
    # Loaded only now: importing JAX takes seconds, and everything above can already be wrong.
    runner = importlib.import_module("jconv.lab.runner")
    folder = None if out is None else Path(out)
    directory = record.create(folder, loaded.settings.name, loaded.resolved(), cases, resume)
    try:
        word = config if isinstance(config, str | Path) else f"{directory.path / record.RESOLVED}"
        prefix = shlex.join(["jconv", "run", str(word), *overrides])
        todo = [case for case in (cases if wanted is None else wanted) if case not in directory.finished]
        tell = begin(directory.path, len(todo)) if begin else lambda case: None
        runner.run(problems, loaded.folder, directory, tell, wanted, prefix)
    finally:
        directory.close()
    results = Results(directory.path)
    _ = results.report()
    return results


def _without_tpu() -> None:
    """Keep JAX from looking for a TPU, and libtpu from asking its cloud, or refusing a second process: nothing runs."""
    for name, value in (
        ("JAX_PLATFORMS", "cpu"),
        ("TPU_SKIP_MDS_QUERY", "1"),
        ("ALLOW_MULTIPLE_LIBTPU_LOAD", "1"),
        ("TPU_WORKER_HOSTNAMES", "localhost"),
        ("TPU_ACCELERATOR_TYPE", "v5litepod-4"),
    ):
        _ = os.environ.setdefault(name, value)


@functools.cache
def _check_input(kind: str, name: str, size: int, folder: Path) -> None:
    _ = images.photograph(name, folder, size) if kind == "photograph" else data.load(name, folder)


def _check_inputs(problem: plan.Problem, folder: Path) -> None:
    """Read what a problem will read, so that a missing file ends the run before it begins."""
    settings = problem.settings
    if isinstance(settings, Photograph) and problem.call is not None:
        _check_input("photograph", settings.input, problem.call.x_shape[1], folder)
    elif isinstance(settings, Training):
        _check_input("training", settings.data, 0, folder)


def planned(
    config: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()
) -> tuple[loading.Loaded, list[plan.Problem]]:
    """Return a config, read and checked, and its problems; what they read from disk is looked at too.

    Args:
        config: A YAML file, the name of a shipped config, or the content of one.
        overrides: `key=value` texts.

    Returns:
        The config and the problems.

    Raises:
        ConfigError: If anything is wrong with it.
    """
    if isinstance(config, Mapping):
        loaded = loading.validate(assemble.overridden(document.parse(document.dump(config), "<config>"), overrides))
    else:
        loaded = loading.load(loading.find(str(config)), overrides)
    problems = plan.plan(loaded)
    for problem in problems:
        _check_inputs(problem, loaded.folder)
    return loaded, problems


def ahead(config: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), target: str = "") -> dict[str, Any]:
    """Return a config of layers as one whose cases the TPU's compiler compiles.

    Args:
        config: A YAML file, the name of a shipped config, or the content of one.
        overrides: `key=value` texts.
        target: v5e, v6e or v5p; by default the config's, or v5e.

    Returns:
        The content of a config of kind aot: what the given one says as far as it means something there.

    Raises:
        ConfigError: If the config is wrong, has no layers, or there is no such target.

    Example:
        >>> ahead("speed_layers", ["layers=resnet50"], "v6e")["target"]
        'v6e'
    """
    if target and target not in TARGETS:
        raise ConfigError(
            f"aot: --target must be one of {', '.join(TARGETS)}; got {target!r}.{suggestion(target, TARGETS)}"
        )
    loaded, _ = planned(config, overrides)
    data = dict(loaded.document.data)
    if "layers" not in data or loaded.settings.kind not in ("timing", "agreement", "aot"):
        raise ConfigError(
            f"aot: CONFIG must be of kind timing, agreement or aot, which have layers; got kind "
            f"{loaded.settings.kind!r}. speed_layers is one."
        )
    if isinstance(data["layers"], str) and document.is_file(loaded.folder / data["layers"]):
        data["layers"] = str((loaded.folder / data["layers"]).resolve())
    kept = {key: value for key, value in data.items() if key in Aot.model_fields}
    return kept | {"kind": "aot"} | ({"target": target} if target else {})


def check(problems: Sequence[plan.Problem], yes: bool) -> list[str]:
    """Return the names of all cases.

    Raises:
        ConfigError: If two read the same, or they are more than a run should have unless `yes`.
    """
    count = sum(len(problem.contenders) for problem in problems)
    if count > MANY and not yes:
        raise _many(count)
    cases = [case for problem in problems for case in problem.cases()]
    if len(set(cases)) < len(cases):
        twice = next(case for i, case in enumerate(cases) if case in cases[:i])
        raise ConfigError(f"jconv: every case must differ; got {twice} twice. Give the layers names of their own.")
    return cases


def _many(count: int) -> ConfigError:
    return ConfigError(f"jconv: cases must be at most {MANY:,}; got {count:,}. Add --yes if that is meant.")


def selected(problems: Sequence[plan.Problem], only: str | Sequence[str]) -> list[str] | None:
    """Return the cases that `only` names, or None for all.

    Raises:
        ConfigError: If a word of it names none.
    """
    words = [only] if isinstance(only, str) else only
    known = {
        problem.case(contender): {
            "layer": problem.layer,
            "transform": problem.transform,
            "dtype": problem.dtype,
            "formulation": contender,
        }
        for problem in problems
        for contender in problem.contenders
    }
    found = [_named(word, known) for word in words]
    return [case for case in known if any(case in cases for cases in found)] if words else None


def _named(word: str, known: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Return the cases that one word names, of those known with their facts."""
    key, equals, value = word.partition("=")
    if word in known:
        return {word}
    if equals and key in ("layer", "transform", "dtype", "formulation"):
        found = {case for case, facts in known.items() if fnmatchcase(facts[key], value)}
    else:
        found = {case for case in known if fnmatchcase(case, word)}
    if not found:
        raise ConfigError(
            f"jconv: --only must name a case; got {word!r}, which fits none of {len(known)}.{suggestion(word, known)} "
            "A case string, a pattern such as 'conv1/*', or formulation=fft."
        )
    return found
