"""What is wrong, each with the command that runs it alone; what was refused, and why; what auto took, and why."""

from collections.abc import Sequence

from jconv.lab import summary, terminal
from jconv.lab.report.blocks import Block, Prose, Run, Section, Table, interval
from jconv.lab.summary import Record


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
        rows = [_row(mine) for mine in terminal.reasons(run.records, status)]
        if rows:
            blocks.append(Table(heading, ["formulation", "cases", "layers", "reason"], rows))
    return Section("refused", "What was refused, and why", blocks) if blocks else None


def _row(mine: Sequence[Record]) -> list[str]:
    layers = list(dict.fromkeys(line["layer"] for line in mine))
    others = len({line["reason"] for line in mine}) > 1
    reason = f"{mine[0]['reason']} (The others: the same with other numbers.)" if others else mine[0]["reason"]
    return [mine[0]["formulation"], str(len(mine)), summary.some(layers), reason]


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
