"""Sizes, receptive fields and overlap through a stack of layers."""

import math
from collections.abc import Sequence
from typing import Any

from jconv.lab import figures, summary
from jconv.lab.figures import Plot
from jconv.lab.report.blocks import Band, Block, Cell, Drawn, Grid, Prose, Run, Section, Table
from jconv.lab.summary import Record, by

FACTS = ("parameters", "multiplications")
WORDS = (
    "k window, s stride, p padding, d dilation, g groups. Jump: input steps between the fields of two neighbouring "
    "outputs. Overlap: how many taps write to an output of a transposed layer; even: equally many, away from the "
    "borders. Receptive fields end at the first transposed layer."
)
DRAWN = 12
"""Stacks that are drawn."""
MOST = 100
"""Layers of a stack that is drawn."""
SHOWN = 16
"""Outputs along an axis of an overlap's picture."""


def section(run: Run) -> Section | None:
    """Return the stacks, if there are any."""
    stacks = summary.stacks(run.records)
    blocks: list[Block] = [Prose(WORDS, quiet=True)]
    for place, (name, layers) in enumerate(stacks.items()):
        blocks += _stack(f"stack{place}", name, layers) if place < DRAWN else [_table(name, layers)]
    if len(stacks) > DRAWN:
        blocks.append(Prose(f"The first {DRAWN} of {len(stacks)} stacks have figures.", quiet=True))
    return Section("arithmetic", "Sizes, receptive fields, overlap", blocks) if stacks else None


def _stack(key: str, name: str, layers: Sequence[Record]) -> list[Block]:
    blocks: list[Block] = [_table(name, layers)]
    if len(layers) > MOST:
        return [*blocks, Prose(f"{len(layers)} layers are too many for figures; the table has all.", quiet=True)]
    if len(layers) > 1:
        blocks.append(_sizes(f"{key}-sizes", name, layers))
    fields = [line for line in layers if line.get("receptive_field")]
    if fields:
        blocks += [_fields(f"{key}-fields-{axis}", name, fields, axis) for axis in _distinct(fields)]
    for line in layers:
        if "overlap" in line:
            blocks += _overlap(line)
    return blocks


def _short(line: Record) -> str:
    return line["layer"].partition("@")[0]


def _table(name: str, layers: Sequence[Record]) -> Table:
    rows = []
    for line in layers:
        field: dict[str, Any] = line.get("receptive_field") or {}
        counts = line.get("overlap")
        rows.append(
            [
                _short(line),
                line["case"].split("/")[1] if "/" in line["case"] else "",
                by(line["input_size"]),
                by(line["output_size"]),
                f"{line.get('in_channels', '–')} → {line.get('out_channels', '–')}",
                by(field["size"]) if field else "–",
                by(field["jump"]) if field else "–",
                f"{line.get('parameters', 0):,}",
                f"{line.get('multiplications', 0):,}",
                f"{', '.join(map(str, counts))} ({'even' if summary.even(line) else 'uneven'})" if counts else "–",
            ]
        )
    heads = [
        "layer",
        "how",
        "input",
        "output",
        "channels",
        "receptive field",
        "jump",
        "parameters",
        "MACs",
        "overlap counts",
    ]
    together = ", ".join(f"{sum(line.get(fact, 0) for line in layers):,} {fact}" for fact in FACTS)
    return Table(name, heads, rows, f"Together {together}.")


def _distinct(layers: Sequence[Record]) -> list[int]:
    """Return the axes whose receptive fields differ from those of the axes before."""
    seen: list[Any] = []
    kept = []
    for axis in range(len(layers[0]["input_size"])):
        facts = [
            (line["input_size"][axis], *(one[axis] for one in line["receptive_field"].values())) for line in layers
        ]
        if facts not in seen:
            seen.append(facts)
            kept.append(axis)
    return kept


def _sizes(key: str, name: str, layers: Sequence[Record]) -> Drawn:
    """Draw the size along each axis as steps from the input through the layers."""
    names = ["input", *map(_short, layers)]
    sizes = [layers[0]["input_size"], *(line["output_size"] for line in layers)]
    axes_count = len(sizes[0])
    same = all(len(set(size)) == 1 for size in sizes)
    with figures.styled():
        figure, axes = figures.canvas(max(5.7, min(9.0, 1.5 + 0.55 * len(names))), 3.2)
        for axis in range(1 if same else axes_count):
            values = [size[axis] for size in sizes]
            look = figures.looks("direct") if axis == 0 else figures.looks(("sliding", "shifts", "einsum")[axis - 1])
            _ = axes.plot(range(len(names)), values, **look, drawstyle="steps-mid", label=f"axis {axis}", markersize=5)
        if same and len(names) <= 16:
            for i, size in enumerate(sizes):
                _ = axes.annotate(
                    str(size[0]), (i, size[0]), (0, 6), textcoords="offset points", ha="center", fontsize=8
                )
        crowded = len(names) > 8
        _ = axes.set_xticks(
            range(len(names)), names, rotation=45 if crowded else 0, ha="right" if crowded else "center"
        )
        largest, least = max(map(max, sizes)), min(map(min, sizes))
        if largest > 8 * least:
            figures.logarithmic(axes)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        else:
            _ = axes.set_ylim(0, 1.12 * largest)
        _ = axes.set_ylabel("size along an axis" if same else "size")
        if not same:
            _ = axes.legend()
        described = ", ".join(f"{word} {by(size)}" for word, size in zip(names, sizes, strict=True))
        drawn = figures.svg(figure, key, f"Sizes through the stack {name}".strip(), f"{described}.")
    return Drawn(Plot(drawn, f"Sizes through the stack {name}".strip()))


def _fields(key: str, name: str, layers: Sequence[Record], axis: int) -> Drawn:
    """Draw what the middle output of each layer sees, over the input: bars, and dots a jump apart."""
    length = layers[0]["input_size"][axis]
    spans = []
    for line in layers:
        field = line["receptive_field"]
        middle = (line["output_size"][axis] - 1) // 2
        low = field["start"][axis] + middle * field["jump"][axis]
        spans.append((low, field["size"][axis], field["jump"][axis], middle, line["output_size"][axis]))
    with figures.styled():
        figure, axes = figures.canvas(7.2, 1.0 + 0.3 * len(spans))
        _ = axes.axvspan(-0.5, length - 0.5, color=figures.GRID, alpha=0.5, zorder=0)
        for i, (low, size, jump, middle, count) in enumerate(spans):
            _ = axes.barh(i, size, left=low - 0.5, height=0.55, color=figures.SERIES[0], zorder=2)
            centre = low + (size - 1) / 2
            near = [centre + step * jump for step in range(-middle, count - middle) if abs(step) * jump <= size / 2]
            if len(near) <= 32:
                _ = axes.plot(near, [i] * len(near), ".", color=figures.PAGE, markersize=3.5, zorder=3)
            _ = axes.text(low + size, i, f" {size}", va="center", ha="left", fontsize=8, zorder=4)
        _ = axes.set_yticks(range(len(spans)), [_short(line) for line in layers])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        low, high = min(-0.5, *(span[0] - 0.5 for span in spans)), max(length, *(span[0] + span[1] for span in spans))
        _ = axes.set_xlim(low - 0.02 * length, high + 0.08 * (high - low))
        _ = axes.set_xlabel(f"place along axis {axis} of the input; shaded: the input, beside it: padding")
        described = "; ".join(
            f"{_short(line)} sees {span[1]} places from {span[0]:g}" for line, span in zip(layers, spans, strict=True)
        )
        drawn = figures.svg(figure, key, f"Receptive fields over the input {name}".strip(), f"{described}.")
    title = f"What the middle output of each layer sees of the input, along axis {axis}"
    return Drawn(Plot(drawn, title, "Dots: the centres of its neighbours, a jump apart."))


def _overlap(line: Record) -> list[Block]:
    """Return an overlap as a picture in numbered cells: the plane where both axes are alike, else the first row."""
    row = [int(count) for count in line.get("overlap_first_row", [])][:SHOWN]
    if not row:
        return []
    plane = _plane(line, row)
    most = max(line["overlap"])
    word = "even" if summary.even(line) else "uneven"
    corner = "rows by columns" if plane else "first row"
    numbers = [str(i) for i in range(len(row))]
    rows = [(str(i), [_count(count, most) for count in counts]) for i, counts in enumerate(plane or [row])]
    caption = f"How many taps write to each output; {word} away from the borders. " + (
        "The first " + by([len(row), len(row)]) + " outputs."
        if plane
        else f"The first {len(row)} outputs of the first row."
    )
    made = Grid(f"Overlap of {_short(line)}", caption, corner, numbers, [Band("", rows)])
    if not plane or summary.even(line):
        return [made]
    return [
        made,
        Prose("Neighbours that are sums of unequally many products differ in size: a checkerboard.", quiet=True),
    ]


def _count(count: int, most: int) -> Cell:
    step = 0 if count == 0 else max(1, math.ceil(3 * count / most)) if most else 0
    return Cell(str(count), (), f"count-{step}" if step else "")


def _plane(line: Record, row: Sequence[int]) -> list[list[int]] | None:
    """Return the counts of the plane, which are products of those along each axis: known where both axes are alike."""
    words = line["case"].split("/")[1] if "/" in line["case"] else ""
    alike = len(line["output_size"]) == 2 and all(len(set(line[side])) == 1 for side in ("input_size", "output_size"))
    along = words.replace("_transposed", "").partition("_g")[0]
    # With c(q) along either axis the first row is c(0) · c(q).
    root = math.isqrt(row[0])
    if not alike or root == 0 or root**2 != row[0] or "x" in along or ":" in along:
        return None
    return [[a * b // row[0] for b in row] for a in row]
