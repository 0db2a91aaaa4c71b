"""What memory a program takes, and how near it comes to what the machine can do."""

import math
from typing import Any

from jconv.lab import figures, summary
from jconv.lab.figures import Plot
from jconv.lab.report import heat
from jconv.lab.report.blocks import (
    Block,
    Cell,
    Drawn,
    Key,
    Prose,
    Run,
    Section,
    Table,
    binary,
    number,
    percent,
    transform_title,
)
from jconv.lab.summary import Record

WORK = {"forward": 1, "input_gradient": 1, "kernel_gradient": 1, "gradients": 2, "forward_backward": 3}
"""Convolutions in one call; of other transforms this is not one number."""
CELLS = (
    "A cell: temporary memory by XLA's own analysis; the peak, where XLA counts temporary memory in it; temporary "
    "memory relative to input, kernel and output together."
)
KEY = Key(
    "Temporary memory",
    [("memory-1", "above the arrays’ size"), ("memory-2", "4× or more"), ("memory-3", "16× or more")],
)


def section(run: Run) -> Section | None:
    """Return memory and roofline, as far as they are recorded."""
    blocks: list[Block] = []
    told = [line for line in run.records if "temp_bytes" in line or "peak_bytes" in line]
    if told:
        blocks = [Prose(CELLS), KEY]
    for transform in summary.transforms(told):
        mine = [line for line in run.records if line["transform"] == transform]
        blocks.append(heat.grid(mine, _cell, title=transform_title(transform)))
    rooflines = _rooflines(run)
    if rooflines:
        blocks += rooflines
    return Section("memory", "Memory and roofline" if rooflines else "Memory", blocks) if blocks else None


def _cell(line: Record) -> Cell:
    temporary, peak = line.get("temp_bytes"), line.get("peak_bytes")
    if temporary is None and peak is None:
        return heat.status(line)
    # A peak that temporary memory alone exceeds did not count it: older records, on CPU.
    small = [] if peak is None or peak < (temporary or 0) else [f"peak {binary(peak)}"]
    arrays = line.get("array_bytes")
    if temporary is None or not arrays:
        return Cell(binary(temporary), small)
    share = temporary / arrays
    small += [f"{number(share)}×"] if share else []
    steps = 0 if share < 1 else min(1 + int(math.log(share, 4)), 3)
    return Cell(binary(temporary), small, f"memory-{steps}" if steps else "")


def _rooflines(run: Run) -> list[Block]:
    roof = run.environment.get("roofline")
    if not roof:
        return []
    top, slope = float(roof["matmul_flops_per_s"]), float(roof["copy_bytes_per_s"])
    blocks: list[Block] = []
    for transform in WORK:
        lines = [
            line
            for line in run.records
            if line["transform"] == transform
            and line.get("seconds")
            and line["status"] not in summary.BAD
            and line.get("multiplications")
            and line.get("array_bytes")
        ]
        if lines:
            blocks.append(_roofline(lines, transform, top, slope))
    if blocks:
        blocks.insert(
            0,
            Prose(
                f"Measured beside this run: a float32 matrix product at {top / 1e9:,.1f} GFLOP/s, and a copy at "
                f"{slope / 1e9:,.2f} GB/s, which is read and written. A case stands at its arithmetic intensity, "
                "2 · MACs ÷ bytes of input, kernel and output, and the rate it achieved on the definition's "
                "multiplications. Above the roof: it does fewer operations than the definition has, or its arrays stay "
                "in the cache."
            ),
        )
    return blocks


def _roofline(lines: list[Record], transform: str, top: float, slope: float) -> Drawn:
    points = {id(line): (_intensity(line), _rate(line)) for line in lines}
    with figures.styled():
        figure, axes = figures.canvas(7.2, 4.2)
        least, most = (pick(x for x, _ in points.values()) for pick in (min, max))
        ridge = top / slope
        ends = [min(least, ridge) / 1.6, ridge, max(most, ridge) * 1.6]
        _ = axes.plot(ends, [min(top, slope * x) for x in ends], color=figures.QUIET, linewidth=1.5, zorder=1)
        _ = axes.text(ends[-1], top * 1.08, "matrix product", ha="right", va="bottom", fontsize=8)
        _ = axes.text(ends[0] * 1.1, slope * ends[0] * 1.45, "copy", ha="left", va="bottom", fontsize=8)
        drawn = []
        for name in summary.formulations(lines):
            mine = [points[id(line)] for line in lines if line["formulation"] == name]
            look: dict[str, Any] = {**figures.looks(name), "linestyle": "none"}
            handle = axes.plot(
                [x for x, _ in mine], [y for _, y in mine], **look, markersize=6, markeredgecolor=figures.PAGE
            )
            drawn.append((figures.Line(name, [], [max(y for _, y in mine)], name), handle[0]))
        axes.set_xscale("log")
        figures.logarithmic(axes)
        figures.plain(axes.xaxis, axes.yaxis)
        _ = axes.set_xlabel("arithmetic intensity, FLOP per byte")
        _ = axes.set_ylabel("achieved, FLOP/s")
        figures.legend(axes, drawn)
        title = f"Roofline. {transform_title(transform)}"
        description = (
            f"{len(lines)} cases by arithmetic intensity and achieved rate, both axes logarithmic, under a roof of "
            f"{slope:.3g} bytes a second and {top:.3g} operations a second."
        )
        made = figures.svg(figure, f"roofline-{transform.replace('_', '-')}", title, description)
    rows = [
        [
            line["layer"],
            line["dtype"],
            line["formulation"],
            number(x),
            f"{y / 1e9:.3g}",
            percent(y / min(top, slope * x)),
        ]
        for line in lines
        for x, y in [points[id(line)]]
    ]
    heads = ["layer", "dtype", "formulation", "FLOP per byte", "GFLOP/s", "of the roof"]
    data = Table("Data of this figure", heads, rows, folded=True)
    return Drawn(Plot(made, title, "The rate each case achieved, under what this machine can do."), data)


def _intensity(line: Record) -> float:
    return 2 * line["multiplications"] / line["array_bytes"]


def _rate(line: Record) -> float:
    return 2 * WORK[line["transform"]] * line["multiplications"] / line["seconds"]
