"""Networks trained once per formulation from the same seeds: curves, speed, and how far they drift apart."""

import statistics
from collections.abc import Sequence
from typing import Any

from jconv.lab import figures, summary
from jconv.lab.figures import Line, Plot
from jconv.lab.report.blocks import Block, Drawn, Prose, Run, Section, Table, digits, number
from jconv.lab.summary import Record

CURVES = (
    ("loss", "Training loss", "mean loss of an epoch", "y"),
    ("test_accuracy", "Test accuracy", "test accuracy", ""),
    ("drift", "Drift", "‖θ − θ_ref‖ ÷ ‖θ_ref‖", "y"),
)
DRIFT = (
    "How far a formulation's parameters are from the reference formulation's, of the same seed and epoch, relative to "
    "their norm. All begin equal: what grows is rounding."
)


def section(run: Run) -> Section | None:
    """Return the trainings, if there are any."""
    trained = [line for line in run.records if line.get("loss")]
    if not trained:
        return None
    blocks: list[Block] = [
        Prose("Thin lines are single seeds, bold ones with marks their median. The same seed sees the same batches.")
    ]
    groups: dict[str, list[Record]] = {}
    for line in trained:
        groups.setdefault(f"{line['layer']} on {line.get('data', 'data')}", []).append(line)
    for place, (name, lines) in enumerate(groups.items()):
        blocks.append(_speeds(name, lines))
        for fact, title, label, log in CURVES:
            drawn = _curves(f"training{place}-{fact}", name, lines, (fact, title, label, log))
            if drawn is not None:
                blocks.append(drawn)
    return Section("training", "Does the choice change training?", blocks)


def _curves(key: str, name: str, lines: Sequence[Record], about: tuple[str, str, str, str]) -> Drawn | None:
    fact, title, label, log = about
    shown: list[Line] = []
    rows: list[list[str]] = []
    for formulation in summary.formulations(lines):
        runs: list[list[float | None]] = [
            line[fact] for line in lines if line["formulation"] == formulation and line.get(fact)
        ]
        # A reference does not drift from itself.
        if not runs or (fact == "drift" and not any(value for curve in runs for value in curve)):
            continue
        middle = _median(runs)
        if len(runs) > 1:
            shown += [Line(formulation, range(1, len(curve) + 1), curve, faint=True) for curve in runs]
        shown.append(Line(formulation, range(1, len(middle) + 1), middle, formulation))
        rows += [[formulation, str(epoch), number(value)] for epoch, value in enumerate(middle, start=1)]
    if not shown:
        return None
    epochs = max(len(line.y) for line in shown)
    seeds = sorted({line.get("seed", 0) for line in lines})
    drawn = figures.curves(
        shown,
        key=key,
        title=f"{title} by epoch. {name}",
        description=f"{title} after each of {epochs} epochs, a curve per formulation; seeds "
        f"{', '.join(map(str, seeds))}.",
        x_label="epoch",
        y_label=label,
        log=log,
        ticks=range(1, epochs + 1),
        nested=True,
    )
    data = Table("Data of this figure", ["formulation", "epoch", f"{title.lower()}, median"], rows, folded=True)
    return Drawn(Plot(drawn, f"{title} by epoch. {name}", DRIFT if fact == "drift" else ""), data)


def _median(runs: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Return the median over seeds of every epoch that any of them reached with a finite number."""
    found: list[float | None] = []
    for epoch in range(max(map(len, runs))):
        finite = [value for curve in runs if epoch < len(curve) and (value := curve[epoch]) is not None]
        found.append(statistics.median(finite) if finite else None)
    return found


def _speeds(name: str, lines: Sequence[Record]) -> Table:
    reference = _middle([line for line in lines if line["formulation"] == summary.REFERENCE], "examples_per_s")
    rows = []
    for formulation in summary.formulations(lines):
        mine = [line for line in lines if line["formulation"] == formulation]
        accuracies = [line["accuracy"] for line in mine if line.get("accuracy") is not None]
        rate, compiling = _middle(mine, "examples_per_s"), _middle(mine, "compile_s")
        drifts = [line["drift"][-1] for line in mine if line.get("drift") and line["drift"][-1] is not None]
        spread = f" [{min(accuracies):.2%}, {max(accuracies):.2%}]" if len(accuracies) > 1 else ""
        losses = [line["loss"][-1] for line in mine if line["loss"][-1] is not None]
        rows.append(
            [
                formulation,
                str(len(mine)),
                f"{statistics.median(accuracies):.2%}{spread}" if accuracies else "–",
                number(statistics.median(losses)) if losses else "not finite",
                digits(rate) if rate else "–",
                f"{rate / reference:.2f}×" if rate and reference else "–",
                digits(compiling) if compiling else "–",
                f"{max(drifts):.2g}" if drifts else "–",
                f"{mine[0]['parameters']:,}" if mine[0].get("parameters") else "–",
            ]
        )
    heads = ["formulation", "seeds", "test accuracy, median [least, most]", "last loss", "examples a second"]
    heads += ["speed ÷ direct’s", "compiling, s", "last drift, most", "parameters"]
    return Table(f"Throughput and outcome. {name}", heads, rows)


def _middle(lines: Sequence[Record], fact: str) -> Any:
    values = [line[fact] for line in lines if line.get(fact)]
    return statistics.median(values) if values else None
