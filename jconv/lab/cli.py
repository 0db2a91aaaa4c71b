"""The command `jconv`. Help and configs need no JAX: it is imported when something runs."""

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import jconv
from jconv.errors import ConfigError, JconvError
from jconv.lab import looking

FINE, WRONG_RESULT, WRONG_COMMAND, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="jconv",
    help="Every way to write a convolution, compared.\n\nExample: jconv run quickstart",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[
    str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped config, such as quickstart.")
]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, such as measure.rounds=20.")
]
Yes = Annotated[bool, typer.Option("--yes", help="More than 2,000 cases are meant.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="A case string, a pattern with *, or formulation=fft; again for more of them."),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"jconv {jconv.__version__}")
        raise typer.Exit(FINE)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    config: Config,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new or empty folder; by default a new one under runs/.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what --out holds; needs --out.")] = False,
    only: Only = None,
    yes: Yes = False,
) -> None:
    """Run an experiment: check every case, time it, and write a report.

    Exit status: 0 fine, 1 a case failed or mismatched, 2 a wrong command or config.

    Example: jconv run quickstart measure.rounds=20 --out /tmp/first
    """
    from jconv.lab import experiment

    begin = functools.partial(
        experiment.run, config, *(overrides or ()), out=out, resume=resume, only=only or (), yes=yes
    )
    _follow(begin, f"jconv run {config} …")


@app.command()
def aot(
    config: Config,
    overrides: Overrides = None,
    target: Annotated[str, typer.Option("--target", help="v5e, v6e or v5p; by default the config's, or v5e.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="A new or empty folder; by default a new one under runs/.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what --out holds; needs --out.")] = False,
    only: Only = None,
    yes: Yes = False,
) -> None:
    """Compile a config's cases with the TPU's own compiler, without a TPU (extra tpu-aot): what it says, nothing runs.

    Forward and gradients, in float32 and bfloat16, unless the config or an override says otherwise.

    Example: jconv aot speed_layers layers=mobilenet_v2 formulations=[direct,shifts] --target v5e
    """
    from jconv.lab import experiment

    ahead = experiment.ahead(config, overrides or (), target)
    begin = functools.partial(experiment.run, ahead, out=out, resume=resume, only=only or (), yes=yes)
    _follow(begin, f"jconv aot {config} …")


def _follow(run: Callable[..., Any], command: str) -> None:
    """Show how a run goes and what it found, and end with its exit status."""
    from jconv.lab import record, summary, terminal

    console = terminal.console()
    progress = terminal.Progress(console)
    try:
        with progress:
            results = run(begin=progress.begin)
    except KeyboardInterrupt:
        if progress.folder is None:
            raise
        done = len(list(record.read(progress.folder)))
        typer.echo(f"Interrupted: {done} cases are recorded in {progress.folder / record.RESULTS}.", err=True)
        typer.echo(f"Go on: {command} --out {progress.folder} --resume", err=True)
        raise typer.Exit(INTERRUPTED) from None
    for table in terminal.tables(results.records):
        console.print(table)
    for line in terminal.verdict(results.records):
        terminal.say(console, line)
    rerun = record.environment(results.folder).get("rerun", "jconv run")
    for bad in (line for line in results if line["status"] in summary.BAD):
        console.print(f"{bad['status']}: {bad['case']}: {bad['reason']}", markup=False, soft_wrap=True)
        console.print(f"  again: {terminal.again(rerun, bad['case'])}", markup=False, soft_wrap=True)
    console.print(f"Report: {results.folder / record.REPORT}", markup=False, soft_wrap=True)
    if any(line["status"] in summary.BAD for line in results):
        raise typer.Exit(WRONG_RESULT)


@app.command()
def check(config: Config, overrides: Overrides = None, yes: Yes = False) -> None:
    """Check a config and print its cases: direct multiplications, bytes of the arrays, the command for it alone.

    Example: jconv check quickstart formulations=[direct,fft]
    """
    import shlex

    import humanize

    from jconv.lab import experiment, summary, terminal

    _, problems = experiment.planned(config, overrides or ())
    count = len(experiment.check(problems, yes))
    rerun = shlex.join(["jconv", "run", config, *(overrides or ())])
    for problem in problems:
        words = ""
        if problem.call is not None:
            size = humanize.naturalsize(problem.call.array_bytes, binary=True)
            words = f"{problem.call.multiplications:,} MACs, {size}"
        typer.echo(f"{problem.name}: {words}".rstrip(": "))
        for case in problem.cases():
            typer.echo(f"  {terminal.again(rerun, case)}")
    typer.echo(f"{config} is right: {summary.count(len(problems), 'problem')}, {summary.count(count, 'case')}.")


@app.command(name="list")
def list_formulations() -> None:
    """List formulations, networks and shipped configs, and what the formulations refuse.

    Example: jconv list
    """
    from rich import box
    from rich.table import Table

    from jconv.formulations import FORMULATIONS
    from jconv.lab import loading, networks, terminal

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("name", "summary", "exact on integers", "an inf stays local", "refuses a 3×3 on 512×512×3"):
        table.add_column(heading)
    geometry = jconv.conv_geometry((1, 512, 512, 3), (3, 3, 3, 64), padding=1)
    problem = jconv.Problem(geometry, 1, 3, 64)
    for entry in FORMULATIONS.values():
        words = ("yes" if fact else "no" for fact in (entry.exact, entry.local))
        table.add_row(entry.name, entry.summary, *words, entry.unsupported(problem) or "")
    table.add_row("auto", "chooses one of these for each problem", "", "", "")
    console = terminal.console()
    console.print(table)
    terminal.say(console, f"Networks, for 'layers:': {', '.join(networks.names())}")
    terminal.say(console, f"Configs, for 'jconv run': {', '.join(loading.shipped_configs())}")


@app.command()
def report(
    run: Run,
    figures: Annotated[Path | None, typer.Option("--figures", help="A folder for the figures as SVG files.")] = None,
) -> None:
    """Write a run's report.html anew, from its records alone.

    Example: jconv report runs/quickstart-20260101-120000
    """
    from jconv.lab import experiment, standalone

    page = experiment.load(run).report()
    typer.echo(f"Report: {page}")
    if figures is not None:
        for path in standalone.write_figures(page.read_text(encoding="utf-8"), figures):
            typer.echo(f"Figure: {path}")


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="The folder of the run to compare with.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The folder of the run that may have changed.")],
    slower: Annotated[
        str | None,
        typer.Option("--fail-on-slower", metavar="PERCENT", help="Exit 1 where a case is surely slower by this much."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Compare absolute times of different machines.")] = False,
) -> None:
    """Compare two runs case by case: faster, slower, the same, or unsure; what changed status.

    Exit status: 0 fine, 1 a regression that --fail-on-slower asks for or a case gone wrong, 2 a wrong command.

    Example: jconv compare runs/before runs/after --fail-on-slower 5%
    """
    from jconv.lab import compare as comparing
    from jconv.lab import summary, terminal

    least = comparing.share(slower) if slower is not None else None
    found = comparing.compare(a, b, force=force)
    console = terminal.console()
    if found.pairs:
        console.print(comparing.table(found))
    for line in found.lines():
        terminal.say(console, line)
    if least is not None:
        broken = [pair.case for pair in found.status_changes() if pair.b_status in summary.BAD]
        slower_cases = [pair.case for pair in found.regressions(least)]
        for cases, words in ((slower_cases, f"slower by more than {slower}"), (broken, "gone wrong")):
            for case in cases:
                terminal.say(console, f"FAIL: {case} is {words}.")
        if broken or slower_cases:
            raise typer.Exit(WRONG_RESULT)


@app.command()
def export(
    run: Run,
    kind: Annotated[str, typer.Option("--format", help="csv, md, parquet or json.")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", help="The file; by default results.<format> in the run.")] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Keep the raw samples.")] = False,
) -> None:
    """Write a run's records as a table.

    Example: jconv export runs/first --format md
    """
    from jconv.lab import export as exporting

    typer.echo(f"Written: {exporting.export(run, kind, out, samples=samples)}")


@app.command()
def doctor(
    trials: Annotated[
        int, typer.Option("--trials", min=0, help="Pairs of identical programs to time; 0 for none.")
    ] = 20,
) -> None:
    """Examine this machine: versions, devices, load, and how far two identical programs differ here.

    Example: jconv doctor
    """
    from jconv.lab import doctor as examining

    def tell(trial: int) -> None:
        if sys.stderr.isatty():
            end = "\r" if trial + 1 < trials else "\n"
            typer.echo(f"Timing two identical programs: {trial + 1} of {trials}{end}", nl=False, err=True)

    for line in examining.examine(trials, tell=tell).lines():
        typer.echo(line)


@app.command()
def tune(
    config: Annotated[str, typer.Argument(metavar="[CONFIG]", help="As for run; nothing with --show.")] = "",
    overrides: Overrides = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.0, help="For one formulation on one problem.")] = 0.3,
    show: Annotated[bool, typer.Option("--show", help="Print the winners that count here, and stop.")] = False,
) -> None:
    """Time every formulation on each convolution that a config lowers, and keep the winners for auto and install.

    Example: jconv tune study_vmap layers=mobilenet_v2
    """
    from jconv import selection
    from jconv.lab import experiment, summary, tuning

    if show:
        for kept in tuning.kept():
            typer.echo(f"{kept.problem}: {kept.formulation} ({kept.reason})")
        typer.echo(f"{summary.count(len(tuning.kept()), 'winner')} of this device in {selection.path()}")
        return
    if not config:
        raise ConfigError("tune: config must be given; got nothing. Name a config, or add --show.")
    convolutions = tuning.lowered(experiment.planned(config, overrides or ())[1])
    typer.echo(f"{summary.count(len(convolutions), 'convolution')}, winners into {selection.path()}")
    tuning.tune(convolutions, seconds, lambda kept: typer.echo(f"{kept.problem}: {kept.formulation} ({kept.reason})"))


@app.command()
def schema() -> None:
    """Print the JSON schema of configs, for editors.

    Example: jconv schema > schema.json
    """
    from jconv.lab import schema as schemas

    typer.echo(schemas.text(), nl=False)


app.command()(looking.explain)
app.command(context_settings=looking.ANY_OPTION)(looking.draw)


def main(arguments: list[str] | None = None) -> None:
    """Run the command, and end the process with its exit status.

    Args:
        arguments: The command line; by default the process's own.
    """
    # A terminal that cannot show a character gets a question mark, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="replace")
    try:
        app(arguments, prog_name="jconv")
    except JconvError as error:
        typer.echo(str(error), err=True)
        sys.exit(WRONG_COMMAND)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        sys.exit(WRONG_COMMAND)
    except OSError as error:  # a full disk behind standard output, a folder that may not be searched
        place = f": {error.filename}" if error.filename else ""
        with contextlib.suppress(OSError):
            typer.echo(f"jconv: the system refuses: {error.strerror or error}{place}", err=True)
        os._exit(WRONG_COMMAND)  # what is left in a buffer would be refused again


if __name__ == "__main__":
    main()
