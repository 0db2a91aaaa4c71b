"""One HTML file from the records of a run: readable without scripts, by everyone, on paper too. No JAX here.

A report is a pure function of the run's directory, so it can be made again from the records alone.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

import jconv
from jconv.lab import record, summary
from jconv.lab.summary import Record

TITLES = {"forward": "Forward", "x_gradient": "Gradient by the input", "kernel_gradient": "Gradient by the kernel"}


class Cell(NamedTuple):
    """One cell of a heat table: the number, a smaller second line, a colour class and a longer description."""

    text: str
    small: str = ""
    colour: str = "none"
    title: str = ""


class Grid(NamedTuple):
    """A heat table, problems by formulations."""

    title: str
    caption: str
    rows: list[tuple[str, list[Cell]]]


class Picture(NamedTuple):
    """One picture of a gallery."""

    uri: str
    alt: str
    caption: str


def write(folder: Path) -> Path:
    """Write the report of a run.

    Args:
        folder: The run's directory.

    Returns:
        The HTML file.
    """
    path = folder / record.REPORT
    path.write_text(render(folder), encoding="utf-8")
    return path


def render(folder: Path) -> str:
    """Return the report of a run as HTML.

    Args:
        folder: The run's directory.

    Returns:
        The whole page.
    """
    records = list(record.read(folder))
    environment = json.loads((folder / record.ENVIRONMENT).read_text(encoding="utf-8"))
    loader = jinja2.PackageLoader("jconv.lab", "templates")
    templates = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    bad = [line for line in records if line["status"] in summary.BAD]
    resolved = (folder / record.RESOLVED).read_text(encoding="utf-8")
    return templates.get_template("report.html.j2").render(
        version=jconv.__version__,
        good=not bad,
        verdict=summary.verdict(records),
        rows=summary.rows(records),
        names=summary.formulations(records),
        photo=_picture(folder, f"{record.PICTURES}/input.png", "The photograph, cut square and shrunk", "the input"),
        galleries=_galleries(folder, records),
        agreement=[grid for part in summary.PARTS if (grid := _agreement(records, part))],
        timing=[grid for direction in ("forward", "gradient") if (grid := _timing(records, direction))],
        compiling=_compiling(records),
        bad=bad,
        refused=[line for line in records if line["status"] == "unsupported"],
        chosen=[line for line in records if line.get("chose")],
        environment=environment,
        config=resolved,
        canonical={line["problem"]: line["case"].split("/")[1] for line in records},
    )


def _galleries(folder: Path, records: Sequence[Record]) -> list[tuple[str, list[Picture]]]:
    galleries = []
    for name in summary.problems(records):
        drawn = [line for line in records if line["problem"] == name and line.get("picture")]
        if not drawn:
            continue
        alt = f"The photograph through {name}, by"
        pictures = [_picture(folder, f"{record.PICTURES}/{name}.oracle.png", f"{alt} the float64 oracle", "oracle")]
        for line in drawn:
            epsilons = line["forward_epsilons"]
            caption = f"{line['formulation']}: off by {_number(epsilons)} ε"
            pictures.append(_picture(folder, line["picture"], f"{alt} {line['formulation']}", caption))
        galleries.append((name, pictures))
    return galleries


def _picture(folder: Path, file: str, alt: str, caption: str) -> Picture:
    data = base64.b64encode((folder / file).read_bytes()).decode("ascii")
    return Picture(f"data:image/png;base64,{data}", alt, caption)


def _agreement(records: Sequence[Record], part: str) -> Grid | None:
    if not any(f"{part}_error" in line for line in records):
        return None
    caption = "The largest error, in units of ε · max Σ|x||k|; below it, its share of the tolerance."
    return Grid(TITLES[part], caption, _cells(records, lambda line: _agreement_cell(line, part)))


def _agreement_cell(line: Record, part: str) -> Cell:
    share = summary.share_of_tolerance(line, [part])
    if share is None:
        return _status(line)
    if line["status"] in summary.BAD and not share <= 1:
        return Cell(_number(line[f"{part}_epsilons"]), "mismatch", "bad", line["reason"])
    colour = "good-3" if share < 0.1 else "good-2" if share < 0.3 else "good-1"
    return Cell(_number(line[f"{part}_epsilons"]), f"{share:.0%}", colour, f"error {line[f'{part}_error']:.3g}")


def _timing(records: Sequence[Record], direction: str) -> Grid | None:
    if not any(f"{direction}_s" in line for line in records):
        return None
    title = "Forward" if direction == "forward" else "Both gradients"
    caption = "Median time in ms; below it, the time relative to direct in the same rounds, with its interval."
    return Grid(title, caption, _cells(records, lambda line: _timing_cell(line, direction)))


def _timing_cell(line: Record, direction: str) -> Cell:
    if f"{direction}_s" not in line:
        return _status(line)
    text = f"{line[f'{direction}_s'] * 1e3:.3g}"
    samples = f"{len(line[f'{direction}_samples_s'])} samples"
    ratio: Mapping[str, Any] | None = line.get(f"{direction}_ratio")
    if ratio is None or line["formulation"] == summary.REFERENCE:
        return Cell(text, "reference" if ratio else "", "none", samples)
    small = f"{_number(ratio['median'])}× [{_number(ratio['low'])},\N{NO-BREAK SPACE}{_number(ratio['high'])}]"
    if ratio["low"] <= 1 <= ratio["high"]:
        return Cell(text, small, "same", f"{samples}; the interval holds 1: no difference is shown")
    steps = min(int(abs(math.log2(ratio["median"])) / 1.0) + 1, 3)
    return Cell(text, small, f"{'fast' if ratio['median'] < 1 else 'slow'}-{steps}", samples)


def _compiling(records: Sequence[Record]) -> Grid | None:
    if not any("compile_s" in line for line in records):
        return None
    caption = "Milliseconds to lower and compile, forward; below it, the gradients. Once each, so only a hint."
    return Grid("Compilation", caption, _cells(records, _compiling_cell))


def _compiling_cell(line: Record) -> Cell:
    if "compile_s" not in line:
        return _status(line)
    small = ""
    if "gradient_compile_s" in line:
        small = f"{1e3 * (line['gradient_lower_s'] + line['gradient_compile_s']):.0f}"
    return Cell(f"{1e3 * (line['lower_s'] + line['compile_s']):.0f}", small)


def _cells(records: Sequence[Record], cell: Any) -> list[tuple[str, list[Cell]]]:
    by_place = {(line["problem"], line["formulation"]): line for line in records}
    names = summary.formulations(records)
    return [
        (problem, [cell(by_place[problem, name]) if (problem, name) in by_place else Cell("") for name in names])
        for problem in summary.problems(records)
    ]


def _status(line: Record) -> Cell:
    status: str = line["status"]
    word = {"unsupported": "refused", "ok": "–"}.get(status, status)
    return Cell(word, "", "bad" if status in summary.BAD else "refused", line["reason"])


def _number(value: float | None) -> str:
    """Three significant digits at most, and no exponent in the usual range."""
    if value is None or not math.isfinite(value):
        return "not finite"
    if value == 0:
        return "0"
    if 0.001 <= abs(value) < 10_000:
        digits = max(0, 1 - math.floor(math.log10(abs(value))))
        return f"{value:.{min(digits, 3)}f}"
    return f"{value:.1e}"
