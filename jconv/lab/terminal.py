"""What a run shows on the terminal: progress and tables; plain lines where it is no terminal. No JAX here."""

import re
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import humanize
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from jconv.lab import compiled, summary
from jconv.lab.summary import Record, Row

PLAIN_WIDTH = 140


def console() -> Console:
    """Return a console; where nobody watches, one as wide as its tables, so that no cell is cut."""
    made = Console(highlight=False, soft_wrap=False, emoji=False)
    if not made.is_terminal:
        made.width = max(PLAIN_WIDTH, shutil.get_terminal_size().columns)
    return made


def say(out: Console, sentence: str) -> None:
    """Print a sentence: wrapped between words on a terminal, one line where nobody watches."""
    out.print(sentence, markup=False, soft_wrap=not out.is_terminal)


def again(rerun: str, case: str) -> str:
    """Return the command that runs one case alone.

    Example:
        >>> again("jconv run quickstart", "sobel/n1/forward/fft")
        'jconv run quickstart --only sobel/n1/forward/fft'
    """
    return f"{rerun} --only {shlex.quote(case)}"


class Progress:
    """Shows how far a run is, and when it will be done: a bar on a terminal, else a line per problem.

    While it shows, an interrupt that meets a callback of the garbage collector, where Python drops it, is raised again
    at the next case.

    Args:
        out: Where to.
    """

    def __init__(self, out: Console):
        self._out = out
        self.folder: Path | None = None
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Bar(*columns, TimeRemainingColumn(), console=out, transient=True) if out.is_terminal else None
        self._task: TaskID | None = None
        self._begun, self._cases, self._problem, self._start = 0, 0, "", 0.0
        self._interrupted, self._handler = False, signal.getsignal(signal.SIGINT)

    def __enter__(self) -> "Progress":
        """Begin to show."""
        self._handler = signal.getsignal(signal.SIGINT)
        if self._handler is signal.default_int_handler:  # a run in the background may be told to ignore interrupts
            _ = signal.signal(signal.SIGINT, self._interrupt)
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *reason: object) -> None:
        """Show no more."""
        if self._handler is signal.default_int_handler:
            _ = signal.signal(signal.SIGINT, self._handler)
        if self._bar is not None:
            self._bar.stop()

    def begin(self, folder: Path, cases: int) -> Callable[[str], None]:
        """Note where a run writes and how many cases it has; return what is told each case."""
        self.folder, self._cases, self._start = folder, cases, time.monotonic()
        self._out.print(f"{summary.count(cases, 'case')}, into {folder}", markup=False, soft_wrap=True)
        if self._bar is not None:
            self._task = self._bar.add_task("starting", total=cases)
        return self._tell

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def _tell(self, case: str) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        problem, _, formulation = case.rpartition("/")
        short = f"{case.split('/')[0]} · {problem.rpartition('/')[2]}"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._begun, description=f"{short} · {formulation}")
        elif problem != self._problem:
            self._out.print(f"[{self._begun + 1}/{self._cases}] {short}{self._left()}", markup=False, soft_wrap=True)
        self._problem = problem
        self._begun += 1

    def _left(self) -> str:
        if not self._begun:
            return ""
        seconds = (time.monotonic() - self._start) / self._begun * (self._cases - self._begun)
        return f", about {humanize.naturaldelta(seconds)} left" if seconds >= 5 else ""


def verdict(records: Sequence[Record]) -> Iterator[str]:
    """Yield what the run shows, and below what was refused why: a line a formulation and reason, most cases first."""
    for sentence in summary.verdict(records):
        yield sentence
        if sentence.startswith(summary.REFUSED):
            yield from _refusals(records)


def reasons(records: Sequence[Record], status: str = "unsupported") -> list[list[Record]]:
    """Return the records of a status, those of one formulation and one reason together, most first.

    One reason with other numbers is the same reason.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for line in records:
        if line["status"] == status:
            groups.setdefault((line["formulation"], re.sub(r"\d[\d.,]*", "#", line["reason"])), []).append(line)
    return sorted(groups.values(), key=len, reverse=True)


def _refusals(records: Sequence[Record]) -> Iterator[str]:
    groups = reasons(records)
    for mine in groups[: summary.NAMED]:
        layers = summary.some(list(dict.fromkeys(line["layer"] for line in mine)))
        alike = " (The others: the same with other numbers.)" if len({line["reason"] for line in mine}) > 1 else ""
        yield f"  {mine[0]['formulation']}, {summary.count(len(mine), 'case')} ({layers}): {mine[0]['reason']}{alike}"
    if len(groups) > summary.NAMED:
        yield f"  and {summary.count(len(groups) - summary.NAMED, 'reason')} more, in the report"


def tables(records: Sequence[Record]) -> Iterator[Table]:
    """Yield a table per transform: a row per problem, per layer of a stack, or per formulation that trained."""
    made = {"geometry": _sizes, "training": _trained, "drawing": _drawn}
    for transform in summary.transforms(records):
        mine = [line for line in records if line["transform"] == transform]
        yield _compiled(mine) if "target" in mine[0] else made.get(transform, _checked)(mine)


def _table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return a table without rows: columns of words, the first never cut, then columns of numbers."""
    made = Table(box=box.SIMPLE_HEAD, title=title.replace("_", " "), title_justify="left")
    for place, heading in enumerate(words):
        made.add_column(heading, no_wrap=place == 0)
    for heading in numbers:
        made.add_column(heading, justify="right")
    return made


def _checked(mine: Sequence[Record]) -> Table:
    rows = summary.rows(mine)
    made = _table(mine[0]["transform"], ["layer"], ["agree", "refused", "wrong", "worst error\nof tolerance"])
    timed = any(row.fastest for row in rows)
    if timed:
        made.add_column("fastest\n(time ÷ direct)")
    for row in rows:
        made.add_row(*_cells(row, timed))
    return made


def _sizes(mine: Sequence[Record]) -> Table:
    made = _table("sizes", ["layer"], ["input", "output", "receptive field", "overlap"])
    for line in mine:
        if line["status"] in summary.BAD:
            made.add_row(Text(line["layer"]), f"[bold red]{line['status']}[/]")
            continue
        field, counts = line.get("receptive_field"), line.get("overlap")
        word = "even" if summary.even(line) else "uneven"
        overlap = f"{'–'.join(map(str, dict.fromkeys((min(counts), max(counts)))))} {word}" if counts else ""
        sizes = [summary.by(size) for size in (line["input_size"], line["output_size"])]
        made.add_row(Text(line["layer"]), *sizes, summary.by(field["size"]) if field else "", overlap)
    return made


def _drawn(mine: Sequence[Record]) -> Table:
    made = _table("figures", ["figure", "theme", "file"], ["steps"])
    for line in mine:
        file = line.get("picture") or f"[bold red]{line['status']}[/]"
        made.add_row(Text(line["layer"]), line["formulation"], file, str(line.get("frames", "")))
    return made


def _compiled(mine: Sequence[Record]) -> Table:
    title = f"{mine[0]['transform']}, compiled for TPU {mine[0]['target']}; MiB moved and MiB taken, as it counts"
    made = _table(title, ["layer", "formulation"], ["moved", "temporary", "its estimate"])
    names = summary.labels(mine)
    for line in mine:
        if line["status"] == "unsupported":
            continue
        label = Text(names[line["problem"]])
        if line["status"] != "ok":
            made.add_row(label, line["formulation"], f"[bold red]{line['status']}[/]")
            continue
        sizes = (compiled.mebibytes(line, key) for key in ("compiler_bytes", "temp_bytes"))
        made.add_row(label, line["formulation"], *sizes, compiled.estimate(line))
    return made


def _trained(mine: Sequence[Record]) -> Table:
    made = _table("training", ["network", "formulation"], ["test accuracy", "last loss", "examples/s", "drift"])
    names = summary.labels(mine)
    for line in mine:
        label = Text(names[line["problem"]])
        if line["status"] in (*summary.BAD, "unsupported"):
            made.add_row(label, line["formulation"], f"[bold red]{line['status']}[/]")
            continue
        facts = (line.get("accuracy"), (line.get("loss") or [None])[-1], line.get("examples_per_s"))
        drift = (line.get("drift") or [None])[-1]
        forms = zip((*facts, drift), ("{:.2%}", "{:.3g}", "{:,.0f}", "{:.2g}"), strict=True)
        words = ("" if fact is None else form.format(fact) for fact, form in forms)
        made.add_row(label, line["formulation"], *words)
    return made


def _cells(row: Row, timed: bool) -> list[str]:
    bad = sum(row.counts[status] for status in summary.BAD)
    cells = [
        row.label,
        str(row.counts["ok"]),
        str(row.counts["unsupported"]),
        f"[bold red]{bad}[/]" if bad else "0",
        "" if row.worst is None else f"{row.worst:.0%}" if row.worst < float("inf") else "∞",
    ]
    if not timed:
        return cells
    best = row.fastest
    if best is None:
        return [*cells, ""]
    text = f"{best['formulation']} {best['seconds'] * 1e3:.3g} ms"
    ratio = best.get("ratio")
    if ratio:
        text += f" ({ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}] {best['verdict']})"
    return [*cells, f"[green]{text}[/]" if best.get("verdict") == "FASTER" else text]
