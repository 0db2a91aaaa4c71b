"""What the TPU's compiler says: a table per dtype and transform, a column per formulation."""

from collections.abc import Sequence

from jconv.lab import summary
from jconv.lab.report.blocks import Band, Block, Cell, Grid, Prose, Run, Section
from jconv.lab.summary import REFERENCE, Record

WORDS = (
    "Nothing ran. The compiler's own count of the bytes that a program moves, in MiB; beneath, the temporary memory "
    "that it takes, in MiB, and the compiler's own estimate of the time, which is no measurement. A figure that it "
    "does not give is a dash."
)


def section(run: Run) -> Section | None:
    """Return what was compiled ahead of time, if anything was."""
    mine = [line for line in run.records if line.get("target")]
    if not mine:
        return None
    blocks: list[Block] = [Prose(WORDS, quiet=True)]
    for dtype in dict.fromkeys(line["dtype"] for line in mine):
        for transform in summary.transforms(mine):
            lines = [line for line in mine if line["dtype"] == dtype and line["transform"] == transform]
            if lines:
                blocks.append(_table(lines, f"{transform.replace('_', ' ').capitalize()}, {dtype}"))
    targets = ", ".join(dict.fromkeys(line["target"] for line in mine))
    return Section("compiled", f"What the compiler of TPU {targets} says", blocks)


def _table(lines: Sequence[Record], title: str) -> Grid:
    names = summary.formulations(lines)
    rows = []
    for layer in dict.fromkeys(line["layer"] for line in lines):
        found = {line["formulation"]: line for line in lines if line["layer"] == layer}
        direct = found.get(REFERENCE, {}).get("compiler_bytes")
        rows.append((layer, [_cell(found.get(name), direct) for name in names]))
    caption = "Green: fewer bytes than direct's; its share stands beside."
    return Grid(title, caption, "layer", names, [Band("", rows)])


def _cell(line: Record | None, direct: float | None) -> Cell:
    if line is None or line["status"] == "unsupported":
        return Cell("–")
    if line["status"] != "ok":
        return Cell(line["status"].replace("_", " "), [line["reason"][:60]], "slow-3")
    moved, colour = line.get("compiler_bytes"), ""
    text = _mib(moved)
    if moved and direct:
        share = moved / direct
        colour = "good-3" if share < 0.6 else "good-2" if share < 0.8 else "good-1" if share < 0.95 else ""
        text += f" ({share:.2f})" if colour else ""
    estimate = line.get("compiler_estimate_s")
    return Cell(
        text, [f"{_mib(line.get('temp_bytes'))} temp", f"{estimate * 1e6:.3g} µs est." if estimate else "–"], colour
    )


def _mib(size: float | None) -> str:
    return "–" if size is None else f"{size / 2**20:.3g}"
