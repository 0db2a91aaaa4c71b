"""The variants of a config: the product of `sweep`, the lists of `zip` side by side, without `exclude`."""

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from jconv.errors import suggestion
from jconv.lab.assemble import find_path, put, without
from jconv.lab.document import Document, Fault, KeyPath, error

CONTROLS = ("sweep", "zip", "exclude")
MOST_VARIANTS = 10_000
MOST_VALUES = 2_000_000  # of all variants together: each is held and checked
_RANGE = {"start", "end", "multiplier"}

Axis = tuple[list[str], list[dict[str, Document]]]


class Variant(NamedTuple):
    """One point of a sweep.

    Args:
        values: What the sweep sets, by the shortest name that tells its keys apart.
        document: The config with these values, without the sweep.
    """

    values: Mapping[str, Any]
    document: Document

    @property
    def label(self) -> str:
        """`key=value,key=value`, in letters a case string can hold; empty without a sweep."""
        return ",".join(f"{key}={_word(value)}" for key, value in self.values.items())


def variants(document: Document) -> list[Variant]:
    r"""Return the variants that `sweep`, `zip` and `exclude` make of a config; one without them.

    Args:
        document: The merged document.

    Returns:
        The variants, the last key of the sweep moving fastest.

    Raises:
        ConfigError: If the sweep is wrong, or makes too many variants.

    Example:
        >>> from jconv.lab.document import parse
        >>> text = "size: 8\nsweep: {size: [16, 32], window: {start: 1, end: 2, multiplier: 2}}"
        >>> [variant.label for variant in variants(parse(text))]
        ['size=16,window=1', 'size=16,window=2', 'size=32,window=1', 'size=32,window=2']
    """
    if not isinstance(document.data, dict) or not any(name in document.data for name in CONTROLS):
        return [Variant({}, document)]
    axes = _axes(document)  # each a list of points, each point {path: value path}
    total = 1
    for _, points in axes:
        total *= len(points)
    if total > MOST_VARIANTS:
        where = document.place(("sweep",))
        raise error([Fault(where, ("sweep",), f"{total:,} variants are too many", f"at most {MOST_VARIANTS:,}")])
    values = len(document.values)
    if total * values > MOST_VALUES:
        reason = f"{total:,} variants of a config of {values:,} values are too many"
        raise error([Fault(document.place(("sweep",)), ("sweep",), reason, f"at most {MOST_VALUES:,} values in all")])
    excluded = _excluded(document, [text for texts, _ in axes for text in texts])
    names = _short([text for texts, _ in axes for text in texts])
    plain = without(document, CONTROLS)
    found, labels = [], set()
    for combination in itertools.product(*(points for _, points in axes)):
        chosen = {text: one for point in combination for text, one in point.items()}
        data = {text: one.data for text, one in chosen.items()}
        if any(all(_allows(value, data[text]) for text, value in rule.items()) for rule in excluded):
            continue
        made = plain
        for text, one in chosen.items():
            place = one.values[()]
            made = put(made, find_path(made, text, place), one, place)
        variant = Variant({names[text]: value for text, value in data.items()}, made)
        if variant.label in labels:
            place = document.place(("sweep",) if "sweep" in document.data else ("zip",))
            raise error([Fault(place, (), f"two variants read {variant.label}", "give each value once")])
        labels.add(variant.label)
        found.append(variant)
    if not found:
        raise error([Fault(document.place(("exclude",)), ("exclude",), "no variant is left", "exclude fewer")])
    return found


def _axes(document: Document) -> list[Axis]:
    """Return the sweep's axes: the paths that move together, and the points they take."""
    faults: list[Fault] = []
    axes: list[Axis] = []
    for name in ("sweep", "zip"):
        groups = document.data.get(name)
        if groups is None:
            continue
        listed = isinstance(groups, list)
        for i, group in enumerate(groups if listed else [groups]):
            where: KeyPath = (name, i) if listed else (name,)
            if not isinstance(group, dict) or (listed and name == "sweep"):
                faults.append(Fault(document.place(where), where, "must map keys to lists of values"))
                continue
            lists = {text: _points(document, (*where, text), faults) for text in group}
            if name == "sweep":
                axes += [([text], [{text: one} for one in points]) for text, points in lists.items()]
                continue
            lengths = {len(points) for points in lists.values()}
            if len(lengths) > 1:
                reason = f"lists zipped together must be equally long; got {sorted(lengths)} values"
                faults.append(Fault(document.place(where), where, reason))
            axes.append((list(lists), [dict(zip(lists, row, strict=False)) for row in zip(*lists.values())]))  # noqa: B905
    texts = [text for texts, _ in axes for text in texts]
    twice = next((text for text in texts if texts.count(text) > 1), None)
    if twice:
        faults.append(Fault(document.place(("zip",)), ("zip",), f"{twice} is swept twice", "sweep it once"))
    for text in texts:
        if text.split(".")[0] in (*CONTROLS, "extends", "kind", "schema_version", "name"):
            faults.append(Fault(document.place(()), (), f"{text} cannot be swept"))
    if faults:
        raise error(faults)
    return axes


def _points(document: Document, path: KeyPath, faults: list[Fault]) -> list[Document]:
    """Return the values that one key of a sweep takes, each with its places."""
    data: Any = document.data
    for step in path:
        data = data[step]
    place = document.place(path)
    if isinstance(data, dict) and set(data) == _RANGE:
        start, end, multiplier = data["start"], data["end"], data["multiplier"]
        numbers = all(isinstance(n, int | float) and not isinstance(n, bool) for n in (start, end, multiplier))
        if numbers and 0 < start <= end and multiplier > 1 and end < float("inf"):
            whole = isinstance(start, int) and isinstance(end, int)
            values, value = [], float(start)
            while value <= end * (1 + 1e-9) and len(values) < 1000:
                values.append(round(value) if whole else value)
                value *= multiplier
            return [Document(value, {}, {(): place}) for value in dict.fromkeys(values)]
        faults.append(Fault(place, path, "a range needs 0 < start ≤ end and multiplier > 1; got " + json.dumps(data)))
    elif isinstance(data, list) and data:
        cut = len(path) + 1
        return [
            Document(
                value,
                {at[cut:]: p for at, p in document.keys.items() if at[:cut] == (*path, i) and len(at) > cut},
                {at[cut:]: p for at, p in document.values.items() if at[:cut] == (*path, i)},
            )
            for i, value in enumerate(data)
        ]
    else:
        remedy = "write [1, 2, 4], or {start: 1, end: 4, multiplier: 2}"
        faults.append(Fault(place, path, "must be a list of values or a range", remedy))
    return []


def _excluded(document: Document, texts: list[str]) -> list[dict[str, Any]]:
    """Return the combinations to leave out: for each swept key a value, or a list of them."""
    rules = document.data.get("exclude")
    if rules is None:
        return []
    faults, found = [], []
    for i, rule in enumerate(rules if isinstance(rules, list) else [rules]):
        where: KeyPath = ("exclude", i) if isinstance(rules, list) else ("exclude",)
        if not isinstance(rule, dict) or not rule:
            faults.append(Fault(document.place(where), where, "must map swept keys to values"))
            continue
        for text in rule:
            if text not in texts:
                remedy = suggestion(text, texts).strip() or f"swept: {', '.join(texts) or 'nothing'}"
                faults.append(Fault(document.place((*where, text)), (*where, text), f"{text} is not swept", remedy))
        found.append(rule)
    if faults:
        raise error(faults)
    return found


def _allows(rule: Any, value: Any) -> bool:
    return rule == value or (isinstance(rule, list) and value in rule)


def _short(texts: list[str]) -> dict[str, str]:
    """Return the last part of each path where that tells them apart, else the whole path."""
    last = [text.rpartition(".")[2] for text in texts]
    return {text: end if last.count(end) == 1 else text for text, end in zip(texts, last, strict=True)}


def _word(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, int) for one in value):
        value = "x".join(map(str, value))
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^A-Za-z0-9_.:+-]+", "-", text)
