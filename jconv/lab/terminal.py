"""What a run shows on the terminal: progress and a table; plain lines where it is no terminal. No JAX here."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from jconv.lab import summary
from jconv.lab.summary import Record, Winner

PLAIN_WIDTH = 140


def console(stderr: bool = False) -> Console:
    """Return a console; where nobody watches, one as wide as its tables, so that no cell is cut."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made.width = max(PLAIN_WIDTH, shutil.get_terminal_size().columns)
    return made


@contextlib.contextmanager
def progress(out: Console, cases: int) -> Iterator["Told"]:
    """Show the progress of a run.

    Args:
        out: Where to.
        cases: How many cases there are.

    Yields:
        What to tell each case to, before it begins.
    """
    if not out.is_terminal:
        yield Told(out, cases, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=out, transient=True) as bar:
        yield Told(out, cases, bar)


class Told:
    """Counts the cases it is told; a bar on a terminal, else a line per problem."""

    def __init__(self, out: Console, cases: int, bar: Progress | None):
        self._out, self._cases, self._bar = out, cases, bar
        self._begun, self._problem = 0, ""
        self._task = bar.add_task("starting", total=cases) if bar else None

    def __call__(self, case: str) -> None:
        """Note that a case begins."""
        problem, formulation = case.split("/")[0], case.rpartition("/")[2]
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._begun, description=f"{problem} · {formulation}")
        elif problem != self._problem:
            self._out.print(f"[{self._begun + 1}/{self._cases}] {problem}", markup=False)
        self._problem = problem
        self._begun += 1


def table(records: Sequence[Record]) -> Table:
    """Return a table with a row per problem."""
    made = Table(box=box.SIMPLE_HEAD, title="Each problem through every formulation", title_justify="left")
    made.add_column("problem", no_wrap=True)
    made.add_column("agree", justify="right")
    made.add_column("refused", justify="right")
    made.add_column("wrong", justify="right")
    made.add_column("worst error\nof tolerance", justify="right")
    made.add_column("fastest forward\n(time ÷ direct)")
    made.add_column("fastest gradient\n(time ÷ direct)")
    for row in summary.rows(records):
        bad = sum(row.counts[status] for status in summary.BAD)
        made.add_row(
            row.problem,
            str(row.counts["ok"]),
            str(row.counts["unsupported"]),
            f"[bold red]{bad}[/]" if bad else "0",
            "" if row.worst is None else f"{row.worst:.0%}" if row.worst < float("inf") else "∞",
            _winner(row.forward),
            _winner(row.gradient),
        )
    return made


def _winner(winner: Winner | None) -> str:
    if winner is None:
        return ""
    time = f"{winner.formulation} {winner.seconds * 1e3:.3g} ms"
    if winner.ratio is None or winner.formulation == summary.REFERENCE:
        return time
    text = f"{time} ({winner.ratio['median']:.2f})"
    return f"[green]{text}[/]" if winner.certain else text
