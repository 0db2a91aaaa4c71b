"""The command `jconv`. Help and configs need no JAX: it is imported when something runs."""

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import jconv
from jconv.errors import ConfigError, JconvError

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
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped config, such as quickstart.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="A new or empty folder; by default a new one under runs/.")
    ] = None,
) -> None:
    """Run an experiment: check every formulation against float64, time it, and write a report.

    Exit status: 0 fine, 1 a case failed or mismatched, 2 a wrong command or config.

    Example: jconv run quickstart --out /tmp/first
    """
    from jconv.lab import config as configs
    from jconv.lab import images, plan, record

    path = configs.find(config)
    settings, document = configs.load(path)
    problems = plan.plan(settings, document)
    for size in {problem.size for problem in problems}:
        _ = images.photograph(settings.input, path.parent, size)
    # Loaded only now: importing JAX takes seconds, and everything above can already be wrong.
    runner, report, summary, terminal = (
        importlib.import_module(f"jconv.lab.{name}") for name in ("runner", "report", "summary", "terminal")
    )
    runner.check(problems, document)
    folder = record.create(out, settings)
    console = terminal.console()
    cases = len(problems) * len(settings.contenders())
    console.print(f"{settings.name}: {len(problems)} problems, {cases} cases, into {folder}", markup=False)
    try:
        with terminal.progress(console, cases) as tell:
            runner.run(settings, problems, path.parent, folder, tell)
        records = list(record.read(folder))
        written = report.write(folder)
    except KeyboardInterrupt:
        done = len(list(record.read(folder)))
        typer.echo(f"Interrupted: {done} of {cases} cases are recorded in {folder / record.RESULTS}.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        raise ConfigError(f"run: --out must stay writable; got {folder}: {error.strerror or error}.") from None
    console.print(terminal.table(records))
    for sentence in summary.verdict(records):
        console.print(sentence, markup=False)
    for bad in (line for line in records if line["status"] in summary.BAD):
        console.print(f"{bad['status']}: {bad['case']}: {bad['reason']}", markup=False)
    console.print(f"Report: {written}", markup=False, soft_wrap=True)
    if any(line["status"] in summary.BAD for line in records):
        raise typer.Exit(WRONG_RESULT)


@app.command(name="list")
def list_formulations() -> None:
    """List the formulations: name, summary, and what they refuse.

    Example: jconv list
    """
    from rich import box
    from rich.table import Table

    from jconv.formulations import FORMULATIONS
    from jconv.lab import terminal

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("name", "summary", "exact on integers", "an inf stays local", "refuses a 3×3 on 512×512×3"):
        table.add_column(heading)
    geometry = jconv.conv_geometry((1, 512, 512, 3), (3, 3, 3, 64), padding=1)
    problem = jconv.Problem(geometry, 1, 3, 64)
    for entry in FORMULATIONS.values():
        words = ("yes" if fact else "no" for fact in (entry.exact, entry.local))
        table.add_row(entry.name, entry.summary, *words, entry.unsupported(problem) or "")
    table.add_row("auto", "chooses one of these for each problem", "", "", "")
    terminal.console().print(table)


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


if __name__ == "__main__":
    main()
