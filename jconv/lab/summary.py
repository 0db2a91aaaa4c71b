"""What the records of a run amount to: counts, a verdict per problem, a verdict for all. Pure functions of records."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Record = Mapping[str, Any]
PARTS = ("forward", "x_gradient", "kernel_gradient")
BAD = ("failed", "mismatch")
REFERENCE = "direct"


class Winner(NamedTuple):
    """The fastest formulation of a problem in one direction.

    Args:
        formulation: Its name.
        seconds: Its median time.
        ratio: Its time relative to the reference's, with `low` and `high`; None if there was no reference.
    """

    formulation: str
    seconds: float
    ratio: Mapping[str, Any] | None

    @property
    def certain(self) -> bool:
        """Whether it beats the reference with its whole interval."""
        return self.ratio is not None and self.ratio["high"] < 1


class Row(NamedTuple):
    """One problem's verdict."""

    problem: str
    counts: Counter[str]
    worst: float | None
    forward: Winner | None
    gradient: Winner | None


def problems(records: Sequence[Record]) -> list[str]:
    """Return the names of the problems, in the order of the records."""
    return list(dict.fromkeys(record["problem"] for record in records))


def formulations(records: Sequence[Record]) -> list[str]:
    """Return the names of the formulations, in the order of the records."""
    return list(dict.fromkeys(record["formulation"] for record in records))


def rows(records: Sequence[Record]) -> list[Row]:
    """Return a verdict per problem."""
    found = []
    for name in problems(records):
        mine = [record for record in records if record["problem"] == name]
        shares = [share for record in mine if (share := share_of_tolerance(record)) is not None]
        counts = Counter(record["status"] for record in mine)
        worst = max(shares, default=None)
        found.append(Row(name, counts, worst, fastest(mine, "forward"), fastest(mine, "gradient")))
    return found


def share_of_tolerance(record: Record, parts: Sequence[str] = PARTS) -> float | None:
    """Return a record's largest error as a share of its tolerance; None if it was not compared."""
    shares = []
    for part in parts:
        if f"{part}_error" in record:
            error, tolerance = record[f"{part}_error"], record[f"{part}_tolerance"]
            # null stands for what was not finite; a zero tolerance allows zero only.
            shares.append(float("inf") if error is None else error / tolerance if tolerance else float(error > 0))
    return max(shares, default=None)


def fastest(mine: Sequence[Record], direction: str) -> Winner | None:
    """Return the fastest right formulation of one problem; auto is one of the others, so it does not compete."""
    timed = [
        record
        for record in mine
        if f"{direction}_s" in record and record["status"] not in BAD and record["formulation"] != "auto"
    ]
    if not timed:
        return None
    best = min(timed, key=lambda record: record[f"{direction}_s"])
    return Winner(best["formulation"], best[f"{direction}_s"], best.get(f"{direction}_ratio"))


def verdict(records: Sequence[Record]) -> list[str]:
    """Return what the run shows, in sentences, the most important first."""
    counts = Counter(record["status"] for record in records)
    bad = sum(counts[status] for status in BAD)
    compared = counts["ok"] + counts["mismatch"]
    if bad:
        first = f"{bad} of {len(records)} cases are wrong: {counts['mismatch']} mismatched, {counts['failed']} failed."
    elif not compared:
        first = "No case was compared."
    else:
        worst = max(share_of_tolerance(record) or 0.0 for record in records)
        first = f"All {compared} computed cases agree with float64; the worst uses {worst:.0%} of its tolerance."
    sentences = [first]
    if counts["unsupported"]:
        sentences.append(f"Refused, each with its reason: {counts['unsupported']}.")
    if counts["mistrusted"]:
        sentences.append(f"Proving little, for the true output is mostly zeros: {counts['mistrusted']}.")
    for direction in ("forward", "gradient"):
        winners = [(row.problem, winner) for row in rows(records) if (winner := getattr(row, direction))]
        sure = [(name, winner) for name, winner in winners if winner.certain and winner.formulation != REFERENCE]
        if winners and any(winner.ratio for _, winner in winners):
            word = "Forward" if direction == "forward" else "In the gradients"
            sentence = (
                f"{word}, XLA's own convolution ({REFERENCE}) is beaten on {len(sure)} of {len(winners)} problems"
            )
            if sure:
                name, best = min(sure, key=lambda pair: pair[1].ratio["median"] if pair[1].ratio else 1.0)
                ratio = best.ratio or {}
                sentence += (
                    f", most on {name}: {best.formulation} takes {ratio['median']:.2f} of its time "
                    f"[{ratio['low']:.2f}, {ratio['high']:.2f}]"
                )
            sentences.append(sentence + ".")
    return sentences


def typical_ratio(records: Sequence[Record], formulation: str, direction: str) -> float | None:
    """Return the geometric mean over problems of a formulation's time relative to the reference's."""
    ratios = [
        record[f"{direction}_ratio"]["median"]
        for record in records
        if record["formulation"] == formulation and f"{direction}_ratio" in record
    ]
    return statistics.geometric_mean(ratios) if ratios else None
