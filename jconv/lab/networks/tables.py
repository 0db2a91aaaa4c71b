"""A network's table in YAML: its layers, what it has besides, and what was published of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jconv.errors import suggestion
from jconv.lab.document import Document, Fault, KeyPath, error, parse
from jconv.lab.networks.entries import Layer, Wrong, check, legal_names, show

MOST_FAULTS = 20
ROOT = ("name", "source", "published", "layers", "other")


class Network(NamedTuple):
    """The layers of a network.

    Attributes:
        name: Its name.
        layers: The distinct convolutions, in order; `count` says how often each occurs.
        published: `parameters` and `macs` as published, or None where nothing is, and a `note`; empty if not stated.
        other: What is no convolution: `name`, `parameters` and `macs` of each.
        source: Where the definition is from.
    """

    name: str
    layers: tuple[Layer, ...]
    published: dict[str, Any]
    other: tuple[dict[str, Any], ...]
    source: str = ""


def read_table(name: str, text: str) -> Network:
    r"""Return the network that a text of YAML describes.

    Args:
        name: The file's name, as errors show it.
        text: The file's text.

    Returns:
        The network.

    Raises:
        ConfigError: If anything is wrong with it; the message lists the first 20 faults.

    Example:
        >>> layer = "{name: a, size: [8, 8], in_channels: 3, out_channels: 4, window: [3, 3]}"
        >>> network = read_table("own.yaml", f"name: own\nlayers:\n  - {layer}")
        >>> network.name, network.layers[0]["padding"]
        ('own', 'SAME')
    """
    document = parse(text, name)
    data = document.data
    if not isinstance(data, dict):
        raise error([Fault(document.values[()], (), "a table must be keys and values", "start with 'layers:'")])
    layers: list[Layer] = []
    faults = [*_root_faults(document), *_layers(document, layers)]
    if len(faults) > MOST_FAULTS:
        last = faults[MOST_FAULTS - 1]
        more = f"… and {len(faults) - MOST_FAULTS} more"
        faults = [*faults[:MOST_FAULTS], Fault(last.place, (), more)]
    if faults:
        raise error(faults)
    for layer, legal in zip(layers, legal_names(layer["name"] for layer in layers), strict=True):
        layer["name"] = legal
    (label,) = legal_names([data.get("name") or Path(name).stem])
    return Network(
        label, tuple(layers), data.get("published", {}), tuple(data.get("other", ())), data.get("source", "")
    )


def _layers(document: Document, layers: list[Layer]) -> Iterator[Fault]:
    """Append the layers that are right, and yield what is wrong with the others."""
    entries = document.data.get("layers")
    if not isinstance(entries, list) or not entries:
        place = document.place(("layers",))
        yield Fault(place, ("layers",), "a table must list its layers", "add 'layers:' and '- {name: …}' lines")
        return
    for i, entry in enumerate(entries):
        layer, faults = check(entry)
        if layer is not None:
            layers.append(layer)
        for fault in faults:
            yield _placed(document, ("layers", i), fault)


def _root_faults(document: Document) -> Iterator[Fault]:
    data = document.data
    for key in data:
        if key not in ROOT:
            remedy = f"{suggestion(key, ROOT).strip()} allowed: {', '.join(ROOT)}".strip()
            yield Fault(document.keys[key,], (key,), f"unknown key {show(key)}", remedy)
    for key in ("name", "source"):
        if not isinstance(data.get(key, ""), str):
            yield _placed(document, (), Wrong(key, f"must be text; got {show(data[key])}"))
    published = data.get("published", {})
    if not isinstance(published, dict) or set(published) - {"parameters", "macs", "note"}:
        yield _placed(document, (), Wrong("published", "must have the keys parameters, macs, note, and no other"))
    else:
        for key in ("parameters", "macs"):
            if not _is_count(published.get(key, 0)) and published[key] is not None:
                yield _placed(
                    document, ("published",), Wrong(key, f"must be an int or null; got {show(published[key])}")
                )
        if not isinstance(published.get("note", ""), str):
            yield _placed(document, ("published",), Wrong("note", f"must be text; got {show(published['note'])}"))
    other = data.get("other", [])
    if not isinstance(other, list):
        yield _placed(document, (), Wrong("other", f"must be a list; got {show(other)}"))
        return
    for i, entry in enumerate(other):
        fits = isinstance(entry, dict) and set(entry) == {"name", "parameters", "macs"}
        if not fits or not (isinstance(entry["name"], str) and all(map(_is_count, list(entry.values())[1:]))):
            yield Fault(document.values["other", i], ("other", i), "must have a name and the ints parameters and macs")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _placed(document: Document, path: KeyPath, fault: Wrong) -> Fault:
    """Put a fault where it stands: at the value it is about, or at the key if that is unknown."""
    where = (*path, fault.key) if fault.key else path
    places = document.keys if fault.reason.startswith("unknown key") else document.values
    return Fault(places.get(where) or document.values[path], where, fault.reason, fault.remedy)
