"""Run an experiment from Python, and hold its results: what the command does, without the terminal."""

import functools
import html
import importlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from jconv.errors import ConfigError, suggestion
from jconv.lab import assemble, data, document, images, loading, plan, record
from jconv.lab.config import Photograph, Training

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
    only: str | None = None,
    yes: bool = False,
    begin: Callable[[Path, int], Callable[[str], None]] | None = None,
) -> Results:
    """Run an experiment.

    Args:
        config: A YAML file, the name of a shipped config, or the content of one.
        *overrides: `key=value` texts.
        out: A new or empty folder; by default a new one under `runs/`.
        resume: Go on with what `out` holds.
        only: Run the cases that this names: a case string, a pattern with `*`, or `key=value` of the records.
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
            "run: --resume must know the folder to go on with; got no --out. Add --out and the folder that the "
            "run printed when it began, such as --out runs/first."
        )
    loaded, problems = planned(config, overrides)
    wanted = selected(problems, only)
    cases = check(problems, yes or wanted is not None)
    if wanted is not None and len(wanted) > MANY and not yes:
        raise _many(len(wanted))
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
        raise ConfigError(f"run: every case must differ; got {twice} twice. Give the layers names of their own.")
    return cases


def _many(count: int) -> ConfigError:
    return ConfigError(f"run: cases must be at most {MANY:,}; got {count:,}. Add --yes if that is meant.")


def selected(problems: Sequence[plan.Problem], only: str | None) -> list[str] | None:
    """Return the cases that `only` names, or None for all.

    Raises:
        ConfigError: If it names none.
    """
    if only is None:
        return None
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
    key, equals, value = only.partition("=")
    if only in known:
        return [only]
    if equals and key in ("layer", "transform", "dtype", "formulation"):
        found = [case for case, facts in known.items() if fnmatchcase(facts[key], value)]
    else:
        found = [case for case in known if fnmatchcase(case, only)]
    if not found:
        raise ConfigError(
            f"run: --only must name a case; got {only!r}, which fits none of {len(known)}.{suggestion(only, known)} "
            "A case string, a pattern such as 'conv1/*', or formulation=fft."
        )
    return found
