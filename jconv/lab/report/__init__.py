"""One HTML file from the records of a run: readable without scripts, by everyone, on paper too. No JAX here.

A report is a pure function of the run's directory, so it can be made again from the records alone. Its sections
appear by what the records hold, not by the kind of experiment; each is one file here.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

import jconv
from jconv.errors import ConfigError
from jconv.lab import record, summary
from jconv.lab.report import (
    agreement,
    appendix,
    arithmetic,
    budget,
    compiled,
    machine,
    memory,
    pictures,
    scaling,
    times,
    training,
    winners,
    wrong,
)
from jconv.lab.report.blocks import Block, Run, Section

SECTIONS: tuple[Callable[[Run], Section | None], ...] = (
    wrong.section,
    winners.section,
    pictures.section,
    arithmetic.section,
    compiled.section,
    machine.section,
    times.section,
    scaling.section,
    agreement.section,
    memory.section,
    training.section,
    wrong.refused,
    wrong.auto,
    appendix.section,
)
NEEDED = ("case", "kind", "problem", "layer", "dtype", "transform", "formulation", "status", "reason")


def write(folder: Path) -> Path:
    """Write the report of a run.

    Args:
        folder: The run's directory.

    Returns:
        The HTML file.

    Raises:
        ConfigError: If the folder holds no records, or cannot be written.
    """
    text = render(folder)
    path = folder / record.REPORT
    with record.writing(folder):
        # In one step: who reads meanwhile sees the former report, whole.
        beside = path.with_name(f".{record.REPORT}.new")
        _ = beside.write_text(text, encoding="utf-8")
        return beside.replace(path)


def render(folder: Path) -> str:
    """Return the report of a run as HTML.

    Args:
        folder: The run's directory.

    Returns:
        The whole page.

    Raises:
        ConfigError: If the folder holds no records.
    """
    run = _read(folder)
    made = [found for section in SECTIONS if (found := section(run)) is not None]
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("jconv.lab", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["code"] = lambda text: Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))
    blocks = templates.get_template("blocks.html.j2").module
    style, script = (templates.get_template(name).render() for name in ("report.css", "report.js"))

    verdict = [*_unfinished(run), *summary.verdict(run.records, run.floor)]
    rendered: dict[int, tuple[Block, Markup]] = {}

    def block(one: Block) -> Markup:
        # Kept beside its text, so that no other block can get its id.
        if id(one) not in rendered:
            rendered[id(one)] = (one, getattr(blocks, one.kind)(one))
        return rendered[id(one)][1]

    def page(sections: list[Section], rows: int | None) -> str:
        return templates.get_template("report.html.j2").render(
            name=appendix.name_of(run),
            version=jconv.__version__,
            good=not any(line["status"] in summary.BAD for line in run.records),
            verdict=verdict,
            environment=run.environment,
            sections=[(one.key, one.title, [block(each) for each in one.blocks]) for one in sections],
            cases=blocks.table(appendix.cases(run, rows)),  # pyright: ignore
            style=Markup(style),
            script=Markup(script),
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )

    return budget.fitting(page, made, len(run.records))


def _unfinished(run: Run) -> list[str]:
    """Return how many cases are not recorded, if the run says how many it has."""
    try:
        planned = int(json.loads((run.folder / record.RUN).read_text(encoding="utf-8"))["cases"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    done = len(run.records)
    return [f"Only {done:,} of {planned:,} cases are recorded; --resume goes on."] if done < planned else []


def _read(folder: Path) -> Run:
    records = list(record.read(folder))
    if not records:
        raise ConfigError(
            f"report: a run's folder must hold records; {folder / record.RESULTS} is empty. Run it first."
        )
    for number, line in enumerate(records, start=1):
        lacking = [name for name in NEEDED if name not in line]
        if lacking:
            raise ConfigError(
                f"{folder / record.RESULTS}:{number}: error: a record must have {', '.join(NEEDED)}; this one lacks "
                f"{', '.join(lacking)}. Run it again with this version of jconv."
            )
    try:
        config = (folder / record.RESOLVED).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        config = f"# {record.RESOLVED} is missing"
    return Run(folder, records, record.environment(folder), config)
