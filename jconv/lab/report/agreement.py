"""How far results are from the truth, and how errors grow."""

from collections import Counter
from collections.abc import Sequence

from jconv.lab import figures, growth, summary
from jconv.lab.figures import Line, Plot
from jconv.lab.growth import Family
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
    axis_title,
    number,
    percent,
    transform_title,
)
from jconv.lab.summary import Record

MOST = 12
"""Figures of error growth; families beyond are left to the tables."""
RULE = (
    "A result agrees while its error stays within ε · √terms · max Σ|x||k|: the dtype's rounding, the number of "
    "products in a sum, and the same convolution of absolute values. A transform (fft, circulant) may err log₂(size) "
    "times as much. What is within, but off by more than a tenth of the true values (both RMS), is mistrusted."
)
GUIDED = (
    "Dotted: relative to the result, the error of n products summed one after another grows as √n where its signs are "
    "random, and as n at worst; sums in blocks grow less."
)
KEY = Key(
    "Share of the tolerance",
    [
        ("good-3", "below 10%"),
        ("good-2", "below 30%"),
        ("good-1", "up to 100%"),
        ("bad", "above: mismatch"),
        ("refused", "refused"),
    ],
)


def section(run: Run) -> Section | None:
    """Return the errors, if anything was compared."""
    compared = [line for line in run.records if "error" in line]
    if not compared:
        return None
    judges = Counter(line.get("checked_against", "the truth") for line in compared)
    truth = (
        ", ".join(f"{judge} ({count})" for judge, count in judges.items()) if len(judges) > 1 else next(iter(judges))
    )
    both = judges["direct"] > 0 and len(judges) > 1
    mark = "; † compared with direct, not with float64" if both else ""
    blocks: list[Block] = [
        Prose(f"Compared with: {truth}. {RULE}"),
        Prose(_repeatable(compared)),
        Prose(
            f"A cell: the largest error in ulps of the largest true value; the RMS; its share of the tolerance{mark}."
        ),
        KEY,
    ]
    for transform in summary.transforms(compared):
        mine = [line for line in run.records if line["transform"] == transform]
        blocks.append(heat.grid(mine, lambda line: _cell(line, both), title=transform_title(transform)))
    families = [family for family in growth.families(compared, "rms_ulps") if _grows(family)]
    blocks += [_growth(family, i) for i, family in enumerate(families[:MOST])]
    if len(families) > MOST:
        blocks.append(
            Prose(f"{len(families) - MOST} families more have no figure here; their errors are in the tables.")
        )
    return Section("agreement", "Do they agree?", blocks)


def _repeatable(compared: Sequence[Record]) -> str:
    asked = [line for line in compared if "repeatable" in line]
    unsteady = sum(line["repeatable"] is False for line in asked)
    if not asked:
        return "Whether a second call gives the same bits was not asked."
    if not unsteady:
        return f"All {len(asked)} results have the same bits at a second call."
    return f"{unsteady} of {len(asked)} results have other bits at a second call; their cells say “not repeatable”."


def _cell(line: Record, marked: bool) -> Cell:
    share = summary.share_of_tolerance(line)
    if share is None:
        return heat.status(line)
    small = [f"rms {number(line.get('rms_ulps'))}", percent(share)]
    if marked and line.get("checked_against") == "direct":
        small[-1] += " †"
    if line.get("repeatable") is False:
        small.append("not repeatable")
    text = number(line.get("max_ulps"))
    if line["status"] in summary.BAD:
        return Cell(text, [*small, line["status"].replace("_", " ")], "bad")
    if line["status"] == "mistrusted":
        return Cell(text, [*small, "mistrusted"], "refused")
    return Cell(text, small, "good-3" if share < 0.1 else "good-2" if share < 0.3 else "good-1")


def _grows(family: Family) -> bool:
    """Return whether sums grow along the axis; where that is not known, whether agreement was the question."""
    asked = any(line["kind"] == "agreement" for lines in family.curves.values() for line in lines)
    summing = growth.summing(family)
    return asked if summing is None else summing


def _growth(family: Family, place: int) -> Drawn:
    """Draw the RMS errors along an axis, beside the laws √n and n of the number of products in a sum."""
    slopes = growth.slopes(family, "rms_ulps")
    lines = []
    for name, mine in family.curves.items():
        word = f"{name}: power {slopes[name]:.2f}" if name in slopes else name
        lines.append(Line(name, [family.value(line) for line in mine], [line["rms_ulps"] for line in mine], word))
    lines += _guides(family)
    what = f"{transform_title(family.transform)}: {family.layer}, {family.dtype}"
    drawn = figures.curves(
        lines,
        key=f"growth{place}",
        title=f"Error against {family.axis}. {what}",
        description=f"The root mean square error of {', '.join(family.curves)} at {family.axis} = "
        f"{', '.join(f'{value:g}' for value in family.values())}, both axes logarithmic; dotted lines are √n and n.",
        x_label=axis_title(family.axis),
        y_label="RMS error, ulps",
        log="xy",
        ticks=family.values(),
    )
    rows = [
        [f"{family.value(line):g}", name, number(line["rms_ulps"]), number(line["max_ulps"]), number(line["relative"])]
        for name, mine in family.curves.items()
        for line in mine
    ]
    data = Table(
        "Data of this figure", [family.axis, "formulation", "rms ulps", "max ulps", "relative"], rows, folded=True
    )
    return Drawn(
        Plot(drawn, f"Error against {family.axis}. {what}", GUIDED if len(lines) > len(family.curves) else ""), data
    )


def _guides(family: Family) -> list[Line]:
    """Return √n and n through the least error at the first value, n the products of one sum."""
    places: dict[float, int] = {}
    errors: dict[float, list[float]] = {}
    for mine in family.curves.values():
        for line in mine:
            count = growth.terms(line)
            if count is not None:
                places[family.value(line)] = count
            if line["rms_ulps"]:
                errors.setdefault(family.value(line), []).append(line["rms_ulps"])
    values = sorted(places)
    start = min(errors.get(values[0], []), default=None) if values else None
    if start is None or len(set(places.values())) < 2:
        return []
    counts = [places[value] / places[values[0]] for value in values]
    return [
        Line("", values, [start * count**power for count in counts], word, guide=True)
        for power, word in ((0.5, "√n"), (1.0, "n"))
    ]
