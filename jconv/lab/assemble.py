"""One config from several texts: `extends` and `key=value` overrides.

Maps merge, everything else is replaced, and each value keeps the place it came from, so that an error found later
points at the file, line and column, or at `<override 1>`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jconv.errors import ConfigError, suggestion
from jconv.lab.document import DEEPEST, Document, Fault, KeyPath, Place, Source, error, is_file, parse, read

_SEGMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*|[0-9]{1,9})((?:\[[^\[\]]*\])*)")


def load(path: Path, overrides: Sequence[str] = (), shipped: Mapping[str, Path] | None = None) -> Document:
    """Read a config, what it extends, and apply overrides.

    Args:
        path: The YAML file.
        overrides: `key=value` texts; later ones win.
        shipped: Configs by name, which `extends` may name too.

    Returns:
        The merged document, without `extends`.

    Raises:
        ConfigError: If a file cannot be read, an `extends` leaves the config's folder or goes in circles, or an
            override names no place.
    """
    return overridden(_extended(path, path.resolve().parent, (), shipped or {}), overrides)


def overridden(document: Document, overrides: Sequence[str]) -> Document:
    """Apply `key=value` texts to a document; later ones win.

    Args:
        document: The document.
        overrides: The texts.

    Returns:
        The changed document.

    Raises:
        ConfigError: If one names no place, or is not YAML.

    Example:
        >>> overridden(parse("layers: [{name: a}]"), ["layers[name=a].stride=2"]).data
        {'layers': [{'name': 'a', 'stride': 2}]}
    """
    for i, text in enumerate(overrides, start=1):
        document = _override(document, text, f"<override {i}>")
    return document


def _extended(path: Path, root: Path, above: tuple[Path, ...], shipped: Mapping[str, Path]) -> Document:
    document = read(path)
    if not isinstance(document.data, dict) or "extends" not in document.data:
        return document
    bases = document.data["extends"]
    names = bases if isinstance(bases, list) else [bases]
    base: Document | None = None
    for i, name in enumerate(names):
        where: KeyPath = ("extends", i) if isinstance(bases, list) else ("extends",)

        def fault(reason: str, remedy: str = "", where: KeyPath = where) -> ConfigError:
            return error([Fault(document.place(where), where, reason, remedy)])

        if not isinstance(name, str) or not name or "\0" in name:
            raise fault("must name a YAML file", "a path relative to this file")
        try:
            target = (path.parent / name).resolve() if name not in shipped else shipped[name].resolve()
        except (OSError, RuntimeError):  # links in a circle
            raise fault(f"there is no file {name}") from None
        if name not in shipped and not target.is_relative_to(root):
            raise fault(f"{name} lies outside the folder of the config", "copy it beside the config")
        if not is_file(target):
            raise fault(f"there is no file {name}", suggestion(name, shipped).strip())
        if target in (path.resolve(), *above):
            raise fault(f"{name} extends itself, in a circle")
        part = _extended(target, root, (*above, path.resolve()), {} if name in shipped else shipped)
        base = part if base is None else merge(base, part)
    merged = document if base is None else merge(base, document)
    return without(merged, ["extends"])


def merge(base: Document, over: Document) -> Document:
    """Lay one document over another: maps merge, everything else is replaced.

    Args:
        base: The document below.
        over: The document above.

    Returns:
        Both.

    Example:
        >>> merge(parse("a: {b: 1, c: [1, 2]}"), parse("a: {c: [3]}")).data
        {'a': {'b': 1, 'c': [3]}}
    """
    keys, values = dict(base.keys), dict(base.values)

    def join(below: Any, above: Any, path: KeyPath) -> Any:
        if isinstance(below, dict) and isinstance(above, dict):
            both = {key: join(below[key], above[key], (*path, key)) for key in below.keys() & above.keys()}
            return {key: both.get(key, above.get(key, below.get(key))) for key in (*below, *above)}
        for places in (keys, values):
            for place in [place for place in places if place[: len(path)] == path and len(place) > len(path)]:
                del places[place]
        return above

    data = join(base.data, over.data, ())
    return Document(data, keys | dict(over.keys), values | dict(over.values))


def without(document: Document, names: Iterable[str]) -> Document:
    """Return a document without some of its top-level keys."""
    names = set(names)
    data = {key: value for key, value in document.data.items() if key not in names}
    keys, values = (
        {path: place for path, place in places.items() if not path or path[0] not in names}
        for places in (document.keys, document.values)
    )
    return Document(data, keys, values)


def _override(document: Document, text: str, name: str) -> Document:
    key, equals, value = text.partition("=")
    while equals and key.count("[") > key.count("]"):  # the = of a selector, as in layers[name=conv1].stride
        more, equals, value = value.partition("=")
        key = f"{key}={more}"
    start = Place(Source(name, text), 1, 1)
    if not equals:
        raise error([Fault(start, (), "an override must read key=value", "as in measure.rounds=20")])
    blank = " " * (len(key) + 1)  # so that columns count from the start of the override
    given = parse(blank + (value or "''"), name, shown=text)
    return put(document, find_path(document, key, start), given, start)


def find_path(document: Document, text: str, place: Place) -> KeyPath:
    """Return the path that a text such as `layers[name=conv1].stride` or `layers.0.stride` stands for.

    Args:
        document: Where entries are looked for.
        text: The path.
        place: Where the text stands, for errors.

    Returns:
        The path.

    Raises:
        ConfigError: If it is no path, or selects no entry.

    Example:
        >>> document = parse("layers: [{name: a}, {name: b}]")
        >>> find_path(document, "layers[name=b].stride", document.place(()))
        ('layers', 1, 'stride')
    """

    def fault(reason: str, remedy: str) -> ConfigError:
        return error([Fault(place, (), f"{text}: {reason}", remedy)])

    path: KeyPath = ()
    here: Any = document.data
    pieces = re.split(r"\.(?![^\[]*\])", text)
    if len(pieces) > DEEPEST:
        raise error([Fault(place, (), f"{len(pieces)} keys, one in the other", f"at most {DEEPEST}")])
    for piece in pieces:
        match = _SEGMENT.fullmatch(piece)
        if not match:
            raise fault(f"{piece!r} is no key", "write key.key=value, or key[name=word].key=value")
        word = match[1]
        step: str | int = int(word) if word.isdigit() and isinstance(here, list) else word
        path, here = (*path, step), _at(here, step)
        for selector in re.findall(r"\[([^\[\]]*)\]", match[2]):
            wanted, _, value = selector.partition("=")
            entries = here if isinstance(here, list) else []
            found = [
                i
                for i, entry in enumerate(entries)
                if isinstance(entry, dict) and wanted in entry and str(entry[wanted]) == value
            ]
            if len(found) != 1:
                known = [str(entry[wanted]) for entry in entries if isinstance(entry, dict) and wanted in entry]
                raise fault(
                    f"{len(found) or 'no'} entries have {selector}",
                    suggestion(value, known).strip() or f"known: {', '.join(known) or 'none'}",
                )
            path, here = (*path, found[0]), here[found[0]]
    return path


def _at(data: Any, step: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(str(step))
    return data[step] if isinstance(data, list) and isinstance(step, int) and step < len(data) else None


def put(document: Document, path: KeyPath, given: Document, place: Place) -> Document:
    """Return a document with a value set; maps on the way are made, lists are not.

    Args:
        document: The document.
        path: Where to.
        given: The value, with its places.
        place: Where the path was written, for errors and as the place of new keys.

    Returns:
        The changed document.

    Raises:
        ConfigError: If the way leads through a scalar, or past the end of a list.
    """
    keys, values = (
        {at: where for at, where in places.items() if at[: len(path)] != path}
        for places in (document.keys, document.values)
    )

    def changed(data: Any, rest: KeyPath, here: KeyPath) -> Any:
        if not rest:
            return given.data
        step, *_ = rest
        if isinstance(data, list) and isinstance(step, int) and step < len(data):
            inner = changed(data[step], rest[1:], (*here, step))
            return [*data[:step], inner, *data[step + 1 :]]
        if (not isinstance(data, dict) and data is not None) or isinstance(step, int):
            dotted = ".".join(map(str, (*here, step)))
            what = f"a list of {len(data)}" if isinstance(data, list) else f"{data!r}"
            raise error([Fault(place, path, f"there is no {dotted}: {'.'.join(map(str, here))} is {what}")])
        data = data or {}
        keys.setdefault((*here, step), place)
        values.setdefault((*here, step), place)
        return {**data, step: changed(data.get(step), rest[1:], (*here, step))}

    data = changed(document.data, path, ())
    if path:
        keys[path] = place
    keys |= {(*path, *at): where for at, where in given.keys.items()}
    values |= {(*path, *at): where for at, where in given.values.items()}
    return Document(data, keys, values)
