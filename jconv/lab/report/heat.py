"""Heat tables: layers by contenders, a band of rows per dtype."""

import statistics
from collections.abc import Callable, Sequence

from jconv.lab import summary
from jconv.lab.report.blocks import Band, Cell, Grid, times
from jconv.lab.summary import Record

MISSING = Cell("")


def grid(
    records: Sequence[Record],
    cell: Callable[[Record], Cell],
    *,
    title: str,
    caption: str = "",
    mean: Callable[[Sequence[Record]], Cell] | None = None,
    folded: bool = False,
) -> Grid:
    """Return a heat table of one transform's records.

    Args:
        records: The records.
        cell: What a record shows.
        title: The heading.
        caption: What is said above it.
        mean: What a last row shows of a contender's records; none by default.
        folded: Whether the reader opens it first.

    Returns:
        The table.
    """
    names = summary.formulations(records)
    ordered = [*(n for n in names if n not in summary.PEERS), *(n for n in names if n in summary.PEERS)]
    dtypes = list(dict.fromkeys(line["dtype"] for line in records))
    bands = []
    for dtype in dtypes:
        mine = [line for line in records if line["dtype"] == dtype]
        places = {(line["problem"], line["formulation"]): line for line in mine}
        labels = names_of(mine)
        rows = [
            (words, [cell(places[problem, name]) if (problem, name) in places else MISSING for name in ordered])
            for problem, words in labels.items()
        ]
        if mean is not None and len(rows) > 1:
            rows.append(
                ("geometric mean", [mean([line for line in mine if line["formulation"] == name]) for name in ordered])
            )
        bands.append(Band(dtype if len(dtypes) > 1 else "", rows))
    corner = "layer" if len(dtypes) > 1 else f"layer, {dtypes[0]}"
    return Grid(title, caption, corner, ordered, bands, folded)


def names_of(records: Sequence[Record]) -> dict[str, str]:
    """Return a name for each problem of one transform: its layer, with what is computed where two have the same."""
    layers: dict[str, set[str]] = {}
    for line in records:
        layers.setdefault(line["layer"], set()).add(line["problem"])
    return {
        line["problem"]: line["layer"]
        if len(layers[line["layer"]]) == 1
        else f"{line['layer']} {line['problem'].split('/')[1]}"
        for line in records
    }


def status(line: Record) -> Cell:
    """Return the cell of a case that has no figure: its status."""
    if line["status"] in summary.BAD:
        return Cell(line["status"].replace("_", " "), (), "bad")
    words = {"unsupported": "refused", "ok": "–", "mistrusted": "mistrusted"}
    return Cell(words.get(line["status"], "–"), (), "refused")


def mean_of_ratios(lines: Sequence[Record]) -> Cell:
    """Return the geometric mean of a contender's ratios, and of how many problems where some have none."""
    ratios = [line["ratio"]["median"] for line in lines if line.get("ratio") and line["status"] not in summary.BAD]
    if not ratios:
        return Cell("reference", (), "mean") if lines and lines[0]["formulation"] == summary.REFERENCE else Cell("–")
    part = () if len(ratios) == len(lines) else (f"of {len(ratios)} in {len(lines)}",)
    return Cell(times(statistics.geometric_mean(ratios)), part, "mean")
