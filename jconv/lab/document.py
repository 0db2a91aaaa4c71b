"""A YAML file with the place of every value, so that errors can point at what is wrong.

Scalars follow YAML 1.2: `1e-1` is a number, `no` is text. Tags, aliases, duplicate keys and numbers with leading
zeros are refused, so a file means what it shows and runs no code.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from jconv.errors import ConfigError

KeyPath = tuple[str | int, ...]
DEEPEST = 30


class Place(NamedTuple):
    """A line and column, counted from 1."""

    line: int
    column: int


class Fault(NamedTuple):
    """One thing wrong: where, what, and what to do about it."""

    place: Place
    path: KeyPath
    reason: str
    remedy: str = ""


class Document(NamedTuple):
    """What a YAML file says, and where.

    Args:
        name: The file's name, as errors show it.
        text: The file's text.
        data: Its content: dicts, lists and scalars.
        keys: The place of each key, by path.
        values: The place of each value, by path; the root's is `()`.
    """

    name: str
    text: str
    data: Any
    keys: dict[KeyPath, Place]
    values: dict[KeyPath, Place]

    def error(self, faults: Iterable[Fault]) -> ConfigError:
        """Return one error that lists all faults, each with its line quoted and a caret below it."""
        lines = self.text.splitlines() or [""]
        parts = []
        for place, path, reason, remedy in sorted(faults, key=lambda problem: problem.place):
            dotted = ".".join(map(str, path))
            quoted = lines[min(place.line, len(lines)) - 1]
            parts.append(
                f"{self.name}:{place.line}:{place.column}: error: {dotted + ': ' if dotted else ''}{reason}\n"
                f"{place.line:>5} | {quoted}\n"
                f"      | {' ' * (place.column - 1)}^ {remedy}".rstrip()
            )
        return ConfigError("\n".join(parts))


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def read(path: Path) -> Document:
    """Read a YAML file.

    Args:
        path: The file.

    Returns:
        The document.

    Raises:
        ConfigError: If it cannot be read, or is not YAML as described above.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: config must be UTF-8 text; this file is not. Is it a YAML file?") from None
    except OSError as error:
        raise ConfigError(f"{path}: config must be a file that can be read; {error.strerror}.") from None
    return parse(text, str(path))


def parse(text: str, name: str = "<text>") -> Document:
    r"""Parse YAML text.

    Args:
        text: The text.
        name: What errors call it.

    Returns:
        The document.

    Raises:
        ConfigError: If it is not YAML as described above.

    Example:
        >>> parse("rate: 1e-1\nanswer: no").data
        {'rate': 0.1, 'answer': 'no'}
    """
    document = Document(name, text, None, {}, {})
    faults: list[Fault] = []
    try:
        refused = _refused(text)
        node = yaml.compose(text, Loader=_Loader) if not refused else None
    except yaml.reader.ReaderError as error:
        raise ConfigError(f"{name}: config must be YAML text; {error.reason} at character {error.position}.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(mark) if mark else Place(1, 1)
        raise document.error([Fault(place, (), f"not YAML: {error.problem or error.context}")]) from None
    if refused:
        raise document.error(refused)
    if node is None:
        raise document.error([Fault(Place(1, 1), (), "the file is empty", "start with 'schema_version: 1'")])
    data = _convert(node, (), document, faults)
    if faults:
        raise document.error(faults)
    return document._replace(data=data)


def _refused(text: str) -> list[Fault]:
    """Return the tags, aliases and excessive nesting of a text, found before anything is built from them."""
    faults, depth = [], 0
    for event in yaml.parse(text, Loader=_Loader):
        place = _place(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            faults.append(Fault(place, (), "aliases are refused", "write the value out"))
        elif getattr(event, "tag", None):
            faults.append(Fault(place, (), f"the tag {event.tag} is refused", "write a plain value"))
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return [*faults, Fault(place, (), f"nested deeper than {DEEPEST} levels", "flatten the file")]
    return faults


def _convert(node: yaml.Node, path: KeyPath, document: Document, faults: list[Fault]) -> Any:
    """Turn a node into plain data, and note where each part stands."""
    place = _place(node.start_mark)
    document.values[path] = place
    if isinstance(node, yaml.SequenceNode):
        return [_convert(item, (*path, i), document, faults) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, path, faults)
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        where = _place(key_node.start_mark)
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None:
            faults.append(Fault(where, path, "a key must be a word", "quote it, or remove the brackets"))
            continue
        if key in data:
            first = document.keys[(*path, key)]
            faults.append(Fault(where, (*path, key), f"the key {key!r} stands twice", f"first on line {first.line}"))
            continue
        document.keys[(*path, key)] = where
        data[key] = _convert(value_node, (*path, key), document, faults)
    return data


def _scalar(node: yaml.ScalarNode, path: KeyPath, faults: list[Fault]) -> Any:
    text, kind = node.value, node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        digits = text.lstrip("+-")
        if len(digits) > 1 and digits[0] == "0" and digits.isdigit():
            remedy = f"write {digits.lstrip('0') or '0'}, or quote it"
            faults.append(Fault(_place(node.start_mark), path, f"{text} starts with a zero", remedy))
            return 0
        if len(digits) > 18:
            faults.append(Fault(_place(node.start_mark), path, "the number is too large", "take at most 18 digits"))
            return 0
        return int(text, 0)
    if kind == "float":
        return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    return text


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)
