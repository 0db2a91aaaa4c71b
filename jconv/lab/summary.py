"""What the records of a run amount to: counts, a row per problem, a verdict for all. Pure functions of records."""

import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jconv import _timing
from jconv.lab import compiled, growth
from jconv.lab.config import PEERS as PEERS
from jconv.lab.config import REFERENCE as REFERENCE
from jconv.lab.fit import Crossover, Fit

Record = Mapping[str, Any]
BAD = ("failed", "mismatch", "timeout", "out_of_memory")
REFUSED = "Refused, each with its reason"
NAMED = 6
"""Names that the verdict tells of."""
SHOWN = 3
"""Crossings of each family, and stacks, that the verdict tells of one by one; the report has all."""


class Row(NamedTuple):
    """One problem's verdict.

    Args:
        label: The layer, with its dtype where the run has several.
        problem: Its full name.
        counts: Cases by status.
        worst: The largest error as a share of its tolerance; None if nothing was compared.
        fastest: The record of the fastest right formulation (see `fastest`).
    """

    label: str
    problem: str
    counts: Counter[str]
    worst: float | None
    fastest: Record | None


def problems(records: Sequence[Record]) -> list[str]:
    """Return the names of the problems, in the order of the records."""
    return list(dict.fromkeys(line["problem"] for line in records))


def formulations(records: Sequence[Record]) -> list[str]:
    """Return the names of the contenders, in the order of the records."""
    return list(dict.fromkeys(line["formulation"] for line in records))


def transforms(records: Sequence[Record]) -> list[str]:
    """Return the names of the transforms, in the order of the records."""
    return list(dict.fromkeys(line["transform"] for line in records))


def labels(records: Sequence[Record]) -> dict[str, str]:
    """Return a short name for each problem: its layer, and its seed and dtype where the run has several."""
    told = [fact for fact in ("seed", "dtype") if len({line.get(fact) for line in records}) > 1]
    return {
        line["problem"]: " ".join([line["layer"], *(f"seed {line[f]}" if f == "seed" else line[f] for f in told)])
        for line in records
    }


def rows(records: Sequence[Record]) -> list[Row]:
    """Return a verdict per problem."""
    found, names = [], labels(records)
    for name in problems(records):
        mine = [line for line in records if line["problem"] == name]
        shares = [share for line in mine if (share := share_of_tolerance(line)) is not None]
        counts = Counter(line["status"] for line in mine)
        found.append(Row(names[name], name, counts, max(shares, default=None), fastest(mine)))
    return found


def share_of_tolerance(line: Record) -> float | None:
    """Return a record's error as a share of its tolerance; None if it was not compared."""
    if "error" not in line:
        return None
    error, tolerance = line["error"], line["tolerance"]
    if error is None or (error and not tolerance):  # null: not finite; a zero tolerance allows zero only
        return math.inf
    return error / tolerance if tolerance else 0.0


def fastest(mine: Sequence[Record]) -> Record | None:
    """Return the record of the fastest right formulation of one problem, or None where nothing was timed.

    Peers do not compete. Auto is one of the formulations, maybe one that the run does not have: it is named where it is
    faster than each of them by more than what no machine can tell.
    """
    timed = [
        line for line in mine if "seconds" in line and line["status"] not in BAD and line["formulation"] not in PEERS
    ]
    paired = [line for line in timed if line.get("ratio")]
    if paired:  # in pairs of the same rounds: they are less disturbed than medians of all
        timed = [*(line for line in timed if line["formulation"] == REFERENCE), *paired]
    return min(timed, key=lambda line: _time(line, bool(paired)), default=None)


def _time(line: Record, relative: bool) -> float:
    time = line["seconds"] if not relative else line["ratio"]["median"] if line.get("ratio") else 1.0
    return time * (1 + _timing.FLOOR if line["formulation"] == "auto" else 1)


def verdict(records: Sequence[Record], floor: float = _timing.FLOOR) -> list[str]:
    """Return what the run shows, in sentences, the most important first.

    Args:
        records: The records.
        floor: The share below which a difference of times is none.

    Returns:
        The sentences.
    """
    sentences = [_agreement(records)]
    counts = Counter(line["status"] for line in records)
    if counts["unsupported"]:
        sentences.append(f"{REFUSED}: {counts['unsupported']}.")
    if counts["mistrusted"]:
        sentences.append(f"Proving little, each with its reason: {counts['mistrusted']}.")
    unsteady = sum(line.get("repeatable") is False for line in records)
    if unsteady:
        sentences.append(f"Not the same bits at a second call: {unsteady} cases.")
    for transform in transforms(records):
        mine = [line for line in records if line["transform"] == transform]
        sentences += _speed(mine, transform) + _peers(mine, transform)
    sentences += [*_scalings(records, floor), *_errors(records), *_trainings(records), *_stacks(records)]
    return list(dict.fromkeys(sentences))  # what trainings show may be said already, as the first


def _agreement(records: Sequence[Record]) -> str:
    counts = Counter(line["status"] for line in records)
    if records and all("target" in line for line in records):
        return compiled.verdict(records)
    bad = {status: counts[status] for status in BAD if counts[status]}
    compared = [share for line in records if (share := share_of_tolerance(line)) is not None]
    if bad:
        words = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in bad.items())
        return f"{sum(bad.values())} of {len(records)} cases are wrong: {words}."
    if compared:
        judges = Counter(line.get("checked_against") for line in records if "error" in line)
        truth = (
            "float64" if set(judges) == {"float64 oracle"} else "the truth (float64; direct where that takes too long)"
        )
        worst = f"the worst uses {max(compared):.0%} of its tolerance"
        return f"All {len(compared)} computed cases agree with {truth}; {worst}."
    if records and all(line["transform"] == "geometry" for line in records):
        return f"Sizes through {len(records)} layers, by arithmetic alone."
    if records and all(line["transform"] == "drawing" for line in records):
        return f"{count(len({line['layer'] for line in records}), 'figure')} drawn."
    if trained := _trainings(records):
        return trained[0]
    done = len(records) - counts["unsupported"]
    return f"All {done} cases ran; nothing was to be compared." if done else "No case was computed."


def _speed(mine: Sequence[Record], transform: str) -> list[str]:
    winners = [row for row in rows(mine) if row.fastest is not None]
    if not any("ratio" in line for line in mine) or not winners:
        return []
    sure = [row.fastest for row in winners if row.fastest and row.fastest.get("verdict") == "FASTER"]
    word = transform.replace("_", " ").capitalize()
    sentence = f"{word}: XLA's own convolution ({REFERENCE}) is surely beaten on {len(sure)} of {len(winners)} problems"
    if sure:
        best = min(sure, key=lambda line: line["ratio"]["median"])
        ratio = best["ratio"]
        sentence += (
            f", most on {best['layer']}: {best['formulation']} takes {ratio['median']:.2f} of its time "
            f"[{ratio['low']:.2f}, {ratio['high']:.2f}]"
        )
    auto = typical_ratio(mine, "auto")
    return [f"{sentence}.", *([f"{word}: auto takes {auto:.2f} of direct's time (geometric mean)."] if auto else [])]


def _peers(mine: Sequence[Record], transform: str) -> list[str]:
    return [
        f"{transform.replace('_', ' ').capitalize()}: {peer} takes {ratio:.2f} of direct's time (geometric mean)."
        for peer in PEERS
        if (ratio := typical_ratio(mine, peer)) is not None
    ]


def _scalings(records: Sequence[Record], floor: float) -> list[str]:
    sentences = []
    for family in growth.families([line for line in records if line["status"] not in BAD], "seconds"):
        laws = growth.laws(family)
        if not laws:
            continue
        words = f"{family.transform.replace('_', ' ').capitalize()}, {family.layer}"
        least, most = (pick(laws, key=lambda name: laws[name].exponent) for pick in (min, max))
        grown = ", ".join(
            f"{_power(laws[name])} by {name}" for name in dict.fromkeys((least, REFERENCE, most)) if name in laws
        )
        sentences.append(f"{words}: time grows as {family.axis} to the power {grown}.")
        found = growth.crossings(family, floor)
        sentences += [f"{words}: {crossing(one, family.axis)}." for one in found[:SHOWN]]
        if len(found) > SHOWN:
            sentences.append(f"{words}: {count(len(found) - SHOWN, 'crossing')} more.")
    return sentences


def _errors(records: Sequence[Record]) -> list[str]:
    sentences = []
    for family in growth.families(records, "rms_ulps"):
        slopes = growth.slopes(family, "rms_ulps")
        if slopes and growth.summing(family):
            least, most = (pick(slopes, key=slopes.__getitem__) for pick in (min, max))
            grown = ", ".join(f"{slopes[name]:.2f} by {name}" for name in dict.fromkeys((least, most)))
            words = f"{family.transform.replace('_', ' ').capitalize()}, {family.layer}, {family.dtype}"
            sentences.append(f"{words}: the error (RMS) grows as {family.axis} to the power {grown}.")
    return sentences


def _power(law: Fit) -> str:
    return f"{law.exponent:.2f} [{law.low:.2f}, {law.high:.2f}]"


def crossing(one: Crossover, axis: str) -> str:
    """Return a crossing in words.

    Example:
        >>> crossing(Crossover(23.7, 16, 32, "fft", "direct"), "image")
        'fft is faster below image ≈ 24, direct above; surely so at 16 and 32'
    """
    return (
        f"{one.from_} is faster below {axis} ≈ {one.value:.2g}, {one.to} above; "
        f"surely so at {one.low_neighbour:g} and {one.high_neighbour:g}"
    )


def _trainings(records: Sequence[Record]) -> list[str]:
    trained = [line for line in records if line.get("kind") == "training" and line.get("accuracy") is not None]
    if not trained:
        return []
    medians = {
        name: statistics.median(line["accuracy"] for line in trained if line["formulation"] == name)
        for name in formulations(trained)
    }
    best, least = max(medians.values()), min(medians.values())
    span = f"{least:.2%} to {best:.2%} over" if least < best else f"{best:.2%} by all"
    sentences = [f"Test accuracy, median over seeds: {span} {len(medians)} formulations."]
    drifts = [(line["drift"][-1], line) for line in trained if line.get("drift") and line["drift"][-1] is not None]
    if drifts:
        most, line = max(drifts, key=lambda pair: pair[0])
        sentences.append(
            f"Parameters drift apart by at most {most:.2g} of their norm: {line['formulation']}, seed {line['seed']}."
        )
    speeds = {
        name: statistics.median(rates)
        for name in medians
        if (
            rates := [
                line["examples_per_s"] for line in trained if line["formulation"] == name and line.get("examples_per_s")
            ]
        )
    }
    if len(speeds) > 1:
        fast, slow = max(speeds, key=speeds.__getitem__), min(speeds, key=speeds.__getitem__)
        sentences.append(
            f"Fastest training: {fast}, {speeds[fast]:,.0f} examples a second; slowest: {slow}, {speeds[slow]:,.0f}."
        )
    return sentences


def _stacks(records: Sequence[Record]) -> list[str]:
    found = stacks(records)
    if len(found) > SHOWN:  # the tables have their sizes
        bad = [name for name, layers in found.items() if not all(map(even, layers))]
        words = f"in {len(bad)} of {len(found)} stacks: {some(bad)}" if bad else "in none of the stacks"
        transposed = any("_transposed" in line["case"] for layers in found.values() for line in layers)
        return [f"Unequally many taps write to neighbours, a checkerboard, {words}."] if transposed else []
    sentences = []
    for name, layers in found.items():
        words = [f"{by(layers[0]['input_size'])} becomes {by(layers[-1]['output_size'])}"]
        fields = [line["receptive_field"]["size"] for line in layers if line.get("receptive_field")]
        if fields:
            words.append(f"an output of {len(fields)} layers sees {by(fields[-1])}")
        for fact in ("parameters", "multiplications"):
            words.append(f"{sum(line[fact] for line in layers):,} {fact}")
        prefix = f"{name}: " if name else ""
        sentences.append(f"{prefix}{', '.join(words)}.")
        uneven = [line["layer"].partition("@")[0] for line in layers if not even(line)]
        if uneven:
            sentences.append(f"{prefix}{some(uneven)}: unequally many taps write to neighbours, a checkerboard.")
    return sentences


def some(names: Sequence[str]) -> str:
    """Return the first names of many, and how many more there are.

    Example:
        >>> some(["a"] * 8)
        'a, a, a, a, a, a and 2 more'
    """
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def even(line: Record) -> bool:
    """Return whether equally many taps write to each output away from the borders; so for all but transposed layers.

    Along every axis the stride divides the window, and has no divisor in common with the dilation.

    Example:
        >>> even({"case": "up/k3_s2_p1_d1_g1_transposed/geometry/geometry"})
        False
    """
    match = re.search(r"/k([\dx]+)_s([\dx]+)_.*_d([\dx]+)_.*transposed", line["case"])
    if match is None:
        return True
    axes = [list(map(int, part.split("x"))) for part in match.groups()]
    dimensions = max(map(len, axes))
    windows, strides, dilations = (part * dimensions if len(part) == 1 else part for part in axes)
    return all(k % s == 0 and math.gcd(s, d) == 1 for k, s, d in zip(windows, strides, dilations, strict=True))


def stacks(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the layers of each stack whose sizes are recorded, by the variant's label."""
    found: dict[str, list[Record]] = {}
    for line in records:
        if "input_size" in line and "output_size" in line:
            found.setdefault(line["layer"].partition("@")[2], []).append(line)
    return found


def count(number: int, word: str) -> str:
    """Return a number of things.

    Example:
        >>> count(1, "case"), count(2_000, "case")
        ('1 case', '2,000 cases')
    """
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def by(size: Sequence[int]) -> str:
    """Return a size as `32×32`."""
    return "×".join(map(str, size))


def typical_ratio(records: Sequence[Record], formulation: str) -> float | None:
    """Return the geometric mean over problems of a contender's time relative to the reference's."""
    mine = [line for line in records if line["formulation"] == formulation and line["status"] not in BAD]
    ratios = [line["ratio"]["median"] for line in mine if "ratio" in line]
    return statistics.geometric_mean(ratios) if ratios else None
