"""What the TPU's compiler says: a table per transform, a column per formulation."""

from jconv.lab import compiled, summary
from jconv.lab.report import heat
from jconv.lab.report.blocks import Block, Cell, Prose, Run, Section, transform_title
from jconv.lab.summary import REFERENCE, Record

WORDS = (
    "Nothing ran. The compiler's own count of the bytes that a program moves, in MiB; beneath, the temporary memory "
    "that it takes, in MiB, and the compiler's own estimate of the time, which is no measurement. A figure that it "
    "does not give is a dash. Green: fewer bytes than direct's; its share stands beside."
)


def section(run: Run) -> Section | None:
    """Return what was compiled ahead of time, if anything was."""
    mine = [line for line in run.records if line.get("target")]
    if not mine:
        return None
    direct = {line["problem"]: line.get("compiler_bytes") for line in mine if line["formulation"] == REFERENCE}
    blocks: list[Block] = [Prose(WORDS, quiet=True)]
    for transform in summary.transforms(mine):
        lines = [line for line in mine if line["transform"] == transform]
        blocks.append(
            heat.grid(lines, lambda line: _cell(line, direct.get(line["problem"])), title=transform_title(transform))
        )
    targets = ", ".join(dict.fromkeys(line["target"] for line in mine))
    return Section("compiled", f"What the compiler of TPU {targets} says", blocks)


def _cell(line: Record, direct: float | None) -> Cell:
    if line["status"] != "ok":
        return heat.status(line)
    moved, colour = line.get("compiler_bytes"), ""
    text = compiled.mebibytes(line, "compiler_bytes")
    if moved and direct:
        share = moved / direct
        colour = "good-3" if share < 0.6 else "good-2" if share < 0.8 else "good-1" if share < 0.95 else ""
        text += f" ({share:.2f})" if colour else ""
    small = [f"{compiled.mebibytes(line, 'temp_bytes')} temp", compiled.estimate(line)]
    return Cell(text, small, colour)
