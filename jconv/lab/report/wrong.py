"""What is wrong, each with the command that runs it alone; what was refused, and why; what auto took, and why."""

import re
from collections.abc import Sequence

from jconv.lab import summary, terminal
from jconv.lab.report.blocks import Block, Prose, Run, Section, Table, interval
from jconv.lab.summary import Record

NAMED = 6
"""Layers of a refusal that are named; the rest is counted."""


def section(run: Run) -> Section | None:
    """Return every wrong case, if there is one."""
    bad = [line for line in run.records if line["status"] in summary.BAD]
    if not bad:
        return None
    rerun = rerun_of(run)
    rows = [
        [_what(line), line["status"].replace("_", " "), line["reason"], terminal.again(rerun, line["case"])]
        for line in bad
    ]
    heads = ["case", "status", "reason", "runs it alone"]
    return Section("wrong", "What is wrong", [Table("", heads, rows, code=(3,))])


def _what(line: Record) -> str:
    """Return a case in words; its own string stands in the command beside it."""
    words = [line["layer"], line["transform"].replace("_", " "), line["dtype"], line["formulation"]]
    if "seed" in line:
        words.append(f"seed {line['seed']}")
    return " · ".join(words)


def rerun_of(run: Run) -> str:
    """Return the command that ran all."""
    return str(run.environment.get("rerun") or run.environment.get("command") or "jconv run CONFIG")


def refused(run: Run) -> Section | None:
    """Return what was refused and what proves little, one row a reason."""
    blocks: list[Block] = []
    for status, heading in (("unsupported", ""), ("mistrusted", "Proving little")):
        lines = [line for line in run.records if line["status"] == status]
        if lines:
            blocks.append(Table(heading, ["formulation", "cases", "layers", "reason"], _grouped(lines)))
    return Section("refused", "What was refused, and why", blocks) if blocks else None


def _grouped(lines: Sequence[Record]) -> list[list[str]]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for line in lines:
        # One reason with other numbers is the same reason.
        groups.setdefault((line["formulation"], re.sub(r"\d[\d.,]*", "#", line["reason"])), []).append(line)
    rows = []
    for (formulation, _), mine in groups.items():
        layers = list(dict.fromkeys(line["layer"] for line in mine))
        more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
        others = len({line["reason"] for line in mine}) > 1
        reason = f"{mine[0]['reason']} (The others: the same with other numbers.)" if others else mine[0]["reason"]
        rows.append([formulation, str(len(mine)), ", ".join(layers[:NAMED]) + more, reason])
    return rows


def auto(run: Run) -> Section | None:
    """Return what auto took, and why; beside it what would have been fastest."""
    chosen = [line for line in run.records if line.get("chose")]
    if not chosen:
        return None
    several = len({line["dtype"] for line in chosen}) > 1
    timed = any(line.get("ratio") for line in chosen)
    rows = []
    for line in chosen:
        row = [f"{line['layer']} {line['dtype']}" if several else line["layer"], line["chose"]]
        row.append(line.get("chose_because", ""))
        if timed:
            mine = [one for one in run.records if one["problem"] == line["problem"]]
            best = summary.fastest(mine)
            row.append(interval(line["ratio"]) if line.get("ratio") else "–")
            won = f"{best['formulation']} {interval(best['ratio'])}" if best and best.get("ratio") else ""
            row.append(won or (best["formulation"] if best else "–"))
        rows.append(row)
    heads = ["layer", "it took", "because", *(["auto ÷ direct", "fastest ÷ direct"] if timed else [])]
    blocks: list[Block] = [Table("", heads, rows)]
    if timed:
        blocks.append(Prose("The choice is made before anything is timed, from the problem alone.", quiet=True))
    return Section("auto", "What auto took, and why", blocks)
