"""What stands at the end: environment, resolved config, how to cite and run again, every case in one table."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from jconv.lab import record, summary, terminal
from jconv.lab.report.blocks import (
    Block,
    Prose,
    Run,
    Section,
    Table,
    Text,
    binary,
    digits,
    interval,
    moment,
    number,
    percent,
)
from jconv.lab.report.wrong import rerun_of
from jconv.lab.summary import Record

HEADS = [
    "case",
    "status",
    "ms",
    "÷ direct",
    "verdict",
    "samples",
    "max ulps",
    "of tolerance",
    "compile, ms",
    "temporary",
]


def section(run: Run) -> Section:
    """Return the appendix, but for the table of all cases."""
    rerun = rerun_of(run)
    first = run.records[0]["case"]
    commands = [["everything again", rerun], ["one case alone", terminal.again(rerun, first)]]
    commands.append(["this report from its records", "jconv report RUN"])
    facts = [[key, _plain(value)] for key, value in run.environment.items()]
    blocks: list[Block] = [
        Prose(_citation(run)),
        Table("Run it again", ["what", "command"], commands, code=(1,)),
        Table("Environment", ["what", "value"], facts, folded=True),
        Text("Resolved config", run.config),
    ]
    problems = _problems(run)
    if problems is not None:
        blocks.append(problems)
    return Section("appendix", "To cite and to repeat", blocks)


def name_of(run: Run) -> str:
    """Return the experiment's name, as its config has it."""
    match = re.search(r"^name: *(.+)$", run.config, re.MULTILINE)
    return match[1].strip("'\" ") if match else run.folder.name


def _citation(run: Run) -> str:
    env = run.environment
    digest = hashlib.sha256((run.folder / record.RESULTS).read_bytes()).hexdigest()[:12]
    return (
        f"To cite: jconv {env.get('jconv', '')}, experiment “{name_of(run)}”, {len(run.records)} cases begun "
        f"{moment(env)} with jax {env.get('jax', '')} on {env.get('device', 'unknown')} "
        f"({env.get('processor', 'unknown')}); {record.RESULTS} has SHA-256 {digest}…"
    )


def _plain(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _problems(run: Run) -> Table | None:
    known = {line["problem"]: line for line in run.records if line.get("array_bytes") is not None}
    rows = [
        [
            line["layer"],
            problem.rpartition("/")[2].replace("_", " "),
            problem.split("/")[1] if problem.count("/") > 1 else "",
            f"{line.get('multiplications', 0):,}",
            binary(line["array_bytes"]),
        ]
        for problem, line in known.items()
    ]
    heads = ["layer", "transform", "what is computed", "MACs", "input, kernel, output"]
    caption = (
        "n batch, i size and c channels of the input, k window and o channels of the output, s stride, p padding "
        "low:high, d dilation, e input dilation, g groups. MACs: the definition’s, padding included."
    )
    return Table("The problems", heads, rows, caption, code=(2,), folded=True) if rows else None


def cases(run: Run, most: int | None = None) -> Table:
    """Return the table of all cases, or of the first so many.

    Args:
        run: The run.
        most: How many; None for all.

    Returns:
        The table; its caption says what is left out.
    """
    shown = run.records if most is None else run.records[:most]
    left = len(run.records) - len(shown)
    caption = (
        f"The first {len(shown)} of {len(run.records)}: {left} rows are left out to keep this page small. All are in "
        f"{record.RESULTS}, and `jconv export RUN` writes them as a table."
        if left
        else f"All figures, the raw samples too, are in {record.RESULTS}; `jconv export RUN` writes them as a table."
    )
    return Table("Every case", HEADS, [_row(line) for line in shown], caption, code=(0,), folded=True)


def _row(line: Record) -> list[str]:
    share = summary.share_of_tolerance(line)
    samples = line.get("samples_s")
    return [
        line["case"],
        line["status"].replace("_", " "),
        digits(1e3 * line["seconds"]) if line.get("seconds") is not None else "",
        interval(line["ratio"]) if line.get("ratio") else "",
        line.get("verdict", ""),
        f"{len(samples)}, {line.get('stopped', '')}" if samples else "",
        number(line["max_ulps"]) if "max_ulps" in line else "",
        percent(share) if share is not None else "",
        digits(1e3 * line["compile_s"]) if line.get("compile_s") is not None else "",
        binary(line["temp_bytes"]) if line.get("temp_bytes") is not None else "",
    ]
