"""Cases that differ in one number only: how time and error grow with it, and where curves cross. No JAX here."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jconv import _timing
from jconv._timing import Ratio
from jconv.costs import parse_problem
from jconv.errors import GeometryError
from jconv.lab import fit
from jconv.lab.config import PEERS, REFERENCE
from jconv.lab.fit import Crossover, Fit

Record = Mapping[str, Any]
NO_AXES = ("seed", "rounds", "seconds", "precision", "slow", "confidence", "resamples", "floor", "memory_mib")
"""Numbers that a sweep may change without changing the problem."""
NO_FORMULATIONS = ("auto", *PEERS)
"""They win by another's means, or outside the library, so no curve of theirs is a winner's."""


class Family(NamedTuple):
    """Cases of one layer along one axis.

    Args:
        layer: Its name, and what else of a sweep stays fixed.
        axis: What grows, such as `channels`.
        transform: The transform.
        dtype: The dtype.
        curves: By contender, its records by rising value of the axis.
    """

    layer: str
    axis: str
    transform: str
    dtype: str
    curves: Mapping[str, list[Record]]

    def value(self, line: Record) -> float:
        """Return a record's place on the axis."""
        return _numbers(line)[self.axis]

    def values(self) -> list[float]:
        """Return all places on the axis, rising."""
        return sorted({self.value(line) for lines in self.curves.values() for line in lines})


def families(records: Sequence[Record], fact: str) -> list[Family]:
    """Return the families of three values or more, of the records that state a fact.

    Args:
        records: The records.
        fact: Such as `seconds`.

    Returns:
        The families, in the order of the records.

    Example:
        >>> line = {"layer": "a", "dtype": "float32", "transform": "forward", "formulation": "fft", "seconds": 1.0}
        >>> [family] = families([line | {"layer": f"a@size={n}", "variant": {"size": n}} for n in (8, 2, 4)], "seconds")
        >>> family.layer, family.axis, family.values()
        ('a', 'size', [2, 4, 8])
    """
    groups: dict[tuple[str, ...], list[Record]] = {}
    for line in records:
        if line.get(fact) is None:
            continue
        numbers = _numbers(line)
        for axis, value in numbers.items():
            if axis in NO_AXES or not _positive(value):
                continue
            rest = [f"{name}={other}" for name, other in numbers.items() if name != axis]
            name = line["layer"].partition("@")[0].removesuffix(f"-{line.get('axis')}-{line.get('value')}")
            key = (", ".join([name, *rest]), axis, line["transform"], line["dtype"])
            groups.setdefault(key, []).append(line)
    found = []
    for (layer, axis, transform, dtype), lines in groups.items():
        names = dict.fromkeys(line["formulation"] for line in lines)
        curves = {
            name: sorted((line for line in lines if line["formulation"] == name), key=lambda one: _numbers(one)[axis])
            for name in names
        }
        family = Family(layer, axis, transform, dtype, curves)
        if len(family.values()) >= fit.LEAST_VALUES:
            found.append(family)
    return found


def summing(family: Family) -> bool | None:
    """Return whether sums have more products further along the axis; None where that is not known."""
    counts = {terms(line) for lines in family.curves.values() for line in lines}
    return None if None in counts else len(counts) > 1


def _numbers(line: Record) -> dict[str, Any]:
    """Return what a sweep or a scaling experiment set for a record, by name."""
    return {**(line.get("variant") or {}), **({line["axis"]: line["value"]} if "axis" in line else {})}


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def laws(family: Family) -> dict[str, Fit]:
    """Return the power law of each contender that was timed at three values or more.

    Args:
        family: The family.

    Returns:
        The laws by contender.
    """
    found = {}
    for name, lines in family.curves.items():
        timed = [line for line in lines if line.get("samples_s")]
        values = [family.value(line) for line in timed]
        if len(set(values)) >= fit.LEAST_VALUES:
            found[name] = fit.exponent(values, [line["samples_s"] for line in timed])
    return found


def slopes(family: Family, fact: str) -> dict[str, float]:
    """Return the exponent with which a figure grows along the axis, by contender; zeros have no logarithm.

    Args:
        family: The family.
        fact: Such as `rms_ulps`.

    Returns:
        The exponents of the contenders with three positive figures or more.
    """
    found = {}
    for name, lines in family.curves.items():
        stated = [line for line in lines if (line.get(fact) or 0) > 0]
        values = [family.value(line) for line in stated]
        if len(set(values)) >= fit.LEAST_VALUES:
            found[name] = fit.exponent(values, [[line[fact]] for line in stated], resamples=1).exponent
    return found


def crossings(family: Family, floor: float) -> list[Crossover]:
    """Return where contenders cross the reference, and where the fastest changes.

    Args:
        family: The family.
        floor: The share below which a difference is none.

    Returns:
        The crossings, by rising value.
    """
    names = [name for name in family.curves if name not in NO_FORMULATIONS]
    best = [min(names, key=lambda name: _seconds(family, name, value), default="") for value in family.values()]
    pairs = [(name, REFERENCE) for name in names if name != REFERENCE and REFERENCE in names]
    for before, after in itertools.pairwise(best):
        if before != after and REFERENCE not in (before, after):
            pairs.append((before, after))
    found: list[Crossover] = []
    for a, b in dict.fromkeys(pairs):
        values, ratios = _ratios(family, a, b)
        found += fit.crossovers(values, ratios, floor=floor, names=(a, b))
    return sorted(set(found), key=lambda one: one.value)


def _seconds(family: Family, name: str, value: float) -> float:
    return min((line["seconds"] for line in family.curves[name] if family.value(line) == value), default=float("inf"))


def _ratios(family: Family, a: str, b: str) -> tuple[list[float], list[Ratio]]:
    """Return the values at which both were timed, and the ratios of a's times to b's there."""
    others = {family.value(line): line for line in family.curves[b]}
    values, ratios = [], []
    for line in family.curves[a]:
        other = others.get(family.value(line))
        if other is None or not line.get("samples_s") or not other.get("samples_s"):
            continue
        values.append(family.value(line))
        known = line.get("ratio") if b == REFERENCE else None
        ratios.append(Ratio(**known) if known else _timing.paired_ratio(line["samples_s"], other["samples_s"]))
    return values, ratios


def terms(line: Record) -> int | None:
    """Return how many products each sum of a record's result has, or None where that is not one number.

    Args:
        line: The record.

    Returns:
        The number of products.

    Example:
        >>> terms({"problem": "a/n1_i8x8c4_k3x3o2_s1x1_p1:1x1:1_d1x1_g1_float32_zeros/forward", "transform": "forward"})
        36
    """
    parts = line["problem"].split("/")
    if len(parts) < 2 or "transposed" in parts[1]:
        return None
    try:
        problem = parse_problem(parts[1])
    except GeometryError:
        return None
    return {
        "forward": problem.taps * problem.depth,
        "vmap": problem.taps * problem.depth,
        "input_gradient": problem.taps * problem.width,
        "kernel_gradient": problem.batch * problem.positions,
        "per_example_gradients": problem.positions,
    }.get(line["transform"])
