"""What each formulation costs: times against direct, then what compiling and the first call take."""

import math

from jconv.lab import summary
from jconv.lab.report import heat
from jconv.lab.report.blocks import (
    NO_BREAK,
    Block,
    Cell,
    Key,
    Prose,
    Run,
    Section,
    digits,
    percent,
    span,
    time_unit,
    times,
    transform_title,
)
from jconv.lab.summary import Record

KEY = Key(
    "Against direct",
    [
        ("fast-3", "FASTER, 4× or more"),
        ("fast-2", "FASTER, 2–4×"),
        ("fast-1", "FASTER"),
        ("same", "SAME"),
        ("unsure", "UNSURE"),
        ("slow-1", "SLOWER"),
        ("slow-2", "SLOWER, 2–4×"),
        ("slow-3", "SLOWER, 4× or more"),
    ],
)


def section(run: Run) -> Section | None:
    """Return the times, if anything was timed; of compiling alone, if only that was."""
    timed = [line for line in run.records if line.get("seconds") is not None]
    compiled = [line for line in run.records if line.get("compile_s") is not None and line["transform"] != "training"]
    blocks: list[Block] = []
    if any(line["transform"] != "training" for line in timed):
        blocks += [
            Prose(
                "Rounds in random order over the contenders of a problem; a ratio pairs times of one round, and its "
                "interval is a bootstrap's. FASTER or SLOWER: the whole interval lies beyond the noise floor of "
                f"{percent(run.floor)}; SAME: within it; UNSURE: neither. Nothing is dropped as an outlier. Times "
                "include JAX's dispatch."
            ),
            Prose("A cell: the median time; time ÷ direct's in the same rounds, and the verdict; the interval."),
            KEY,
        ]
        blocks += [block for name in summary.transforms(timed) if (block := _times(run, name))]
    if compiled:
        blocks += [_compiling(run, name) for name in summary.transforms(compiled)]
    return Section("time", "What do they cost?" if timed else "What does compiling cost?", blocks) if blocks else None


def _times(run: Run, transform: str) -> Block | None:
    mine = [line for line in run.records if line["transform"] == transform]
    if transform == "training":
        return None
    unit, scale = time_unit([line["seconds"] for line in mine if line.get("seconds") is not None])
    related = any(line.get("ratio") for line in mine)
    return heat.grid(
        mine,
        lambda line: _time(line, scale),
        title=f"{transform_title(transform)}, {unit}",
        mean=heat.mean_of_ratios if related else None,
    )


def _time(line: Record, scale: float) -> Cell:
    if line.get("seconds") is None or line["status"] in summary.BAD:
        return heat.status(line)
    text = digits(line["seconds"] / scale)
    ratio, word = line.get("ratio"), line.get("verdict", "")
    if not ratio:
        return Cell(text, ("reference",) if line["formulation"] == summary.REFERENCE else ())
    step = min(int(abs(math.log2(ratio["median"]))) + 1, 3)
    colour = {"FASTER": f"fast-{step}", "SLOWER": f"slow-{step}", "SAME": "same"}.get(word, "unsure")
    return Cell(text, (f"{times(ratio['median'])}{NO_BREAK}{word}", span(ratio)), colour)


def _compiling(run: Run, transform: str) -> Block:
    mine = [line for line in run.records if line["transform"] == transform]
    return heat.grid(
        mine,
        _compile,
        title=f"Compiling: {transform_title(transform)}, ms",
        caption="To lower and compile; below, lowering alone, and the first call. Once each, so only a hint.",
        folded=True,
    )


def _compile(line: Record) -> Cell:
    if line.get("compile_s") is None:
        return heat.status(line)
    lower, first = line.get("lower_s"), line.get("first_s")
    small = [f"lower {digits(1e3 * lower)}"] if lower is not None else []
    small += [f"first {digits(1e3 * first)}"] if first is not None else []
    return Cell(digits(1e3 * (line["compile_s"] + (lower or 0.0))), small)
