"""How time grows along an axis: curves, their exponents, where they cross."""

from collections.abc import Mapping

from jconv.lab import figures, growth, summary
from jconv.lab.figures import Line, Plot
from jconv.lab.fit import Fit
from jconv.lab.growth import Family
from jconv.lab.report.blocks import Block, Drawn, Prose, Run, Section, Table, axis_title, interval, transform_title

MOST = 12
"""Figures; families beyond are left to the tables of times."""


def section(run: Run) -> Section | None:
    """Return how time grows, if some cases differ in one number only."""
    timed = [line for line in run.records if line["status"] not in summary.BAD]
    families = growth.families(timed, "seconds")
    if not families:
        return None
    blocks: list[Block] = [
        Prose(
            "A straight line in logarithms is a power law, time = a · value^p; p is fitted to all values, and to their "
            "upper half, which large problems follow. The intervals know how times scatter, not whether the law holds: "
            "where the two exponents differ, it does not."
        )
    ]
    for place, family in enumerate(families[:MOST]):
        blocks += _family(run, family, place)
    if len(families) > MOST:
        blocks.append(
            Prose(f"{len(families) - MOST} families more have no figure here; their times are in the tables.")
        )
    return Section("scaling", "How does time grow?", blocks)


def _family(run: Run, family: Family, place: int) -> list[Block]:
    laws = growth.laws(family)
    found = growth.crossings(family, run.floor)
    what = f"{transform_title(family.transform)}: {family.layer}, {family.dtype}"
    drawn = figures.curves(
        [
            Line(
                name,
                [family.value(line) for line in mine],
                [line["seconds"] for line in mine],
                f"{name}: power {laws[name].exponent:.2f}" if name in laws else name,
            )
            for name, mine in family.curves.items()
        ],
        key=f"scaling{place}",
        title=f"Time against {family.axis}. {what}",
        description=f"The median time of {', '.join(family.curves)} at {family.axis} = "
        f"{', '.join(f'{value:g}' for value in family.values())}, both axes logarithmic."
        + "".join(f" {summary.crossing(one, family.axis)}." for one in found),
        x_label=axis_title(family.axis),
        y_label="median time",
        log="xy",
        seconds=True,
        ticks=family.values(),
        marks=[(one.value, f"{one.from_}→{one.to}") for one in found],
    )
    crossed = "; ".join(summary.crossing(one, family.axis) for one in found)
    words = f"{crossed}. Dotted: the crossings." if crossed else "No two curves surely cross."
    return [
        Drawn(Plot(drawn, f"Time against {family.axis}. {what}", words), _data(family)),
        *([_laws(laws, what)] if laws else []),
    ]


def _laws(laws: Mapping[str, Fit], what: str) -> Table:
    rows = [
        [
            name,
            f"{law.exponent:.2f} [{law.low:.2f}, {law.high:.2f}]",
            f"{law.upper:.2f} [{law.upper_low:.2f}, {law.upper_high:.2f}]",
            figures.duration(law.prefactor),
        ]
        for name, law in sorted(laws.items(), key=lambda pair: pair[1].exponent)
    ]
    return Table(f"Exponents. {what}", ["formulation", "p, all values", "p, upper half", "a: time at value 1"], rows)


def _data(family: Family) -> Table:
    rows = [
        [
            f"{family.value(line):g}",
            name,
            figures.duration(line["seconds"]),
            interval(line["ratio"]) if line.get("ratio") else "–",
            line.get("verdict", ""),
        ]
        for name, mine in family.curves.items()
        for line in mine
    ]
    return Table(
        "Data of this figure", [family.axis, "formulation", "median time", "÷ direct", "verdict"], rows, folded=True
    )
