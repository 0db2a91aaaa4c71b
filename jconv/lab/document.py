"""A YAML file with the place of every value, so that errors can point at what is wrong.

Scalars follow YAML 1.2: `1e-1` is a number, `no` is text. Tags, aliases, duplicate keys and numbers with leading
zeros are refused, so a file means what it shows and runs no code.
"""

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from jconv.errors import ConfigError

KeyPath = tuple[str | int, ...]
DEEPEST = 30
LARGEST = 2**20  # bytes of a config
MOST_FAULTS = 100  # that one error lists
WIDEST = 160  # characters of a line that an error quotes


@functools.lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    return text.splitlines()


class Source(NamedTuple):
    """A text and the name that errors call it by."""

    name: str
    text: str

    @property
    def lines(self) -> list[str]:
        """The text, line by line."""
        return _lines(self.text)


class Place(NamedTuple):
    """A line and column of a source, counted from 1."""

    source: Source
    line: int
    column: int


class Fault(NamedTuple):
    """One thing wrong: where, what, and what to do about it."""

    place: Place
    path: KeyPath
    reason: str
    remedy: str = ""


class Document(NamedTuple):
    """What a config says, and where: one YAML file, or several merged.

    Args:
        data: Its content: dicts, lists and scalars.
        keys: The place of each key, by path.
        values: The place of each value, by path; the root's is `()`.
    """

    data: Any
    keys: Mapping[KeyPath, Place]
    values: Mapping[KeyPath, Place]

    def place(self, path: KeyPath) -> Place:
        """Return the place of a value, or of the nearest thing around it that the file has."""
        while path not in self.values:
            path = path[:-1]
        return self.values[path]


def error(faults: Iterable[Fault]) -> ConfigError:
    """Return one error that lists the faults, each with its line quoted and a caret below it; of many, the first."""
    ordered = sorted(dict.fromkeys(faults), key=lambda fault: (fault.place.source.name, fault.place[1:]))
    parts = list(dict.fromkeys(map(_shown, ordered[:MOST_FAULTS])))
    left = len(ordered) - MOST_FAULTS
    return ConfigError("\n".join([*parts, *([f"… and {left:,} errors more"] if left > 0 else [])]))


def _shown(fault: Fault) -> str:
    place, path, reason, remedy = fault
    dotted = printable(".".join(map(str, path)))
    before, quoted = _quoted(place)
    return (
        f"{place.source.name}:{place.line}:{place.column}: error: {dotted + ': ' if dotted else ''}{reason}\n"
        f"{place.line:>5} | {quoted}\n"
        f"      | {before}^ {remedy}"
    ).rstrip()


def _quoted(place: Place) -> tuple[str, str]:
    """Return blanks as wide as what stands before a place, and its line; of a long line the part around it."""
    lines = place.source.lines or [""]
    line = lines[min(place.line, len(lines)) - 1]
    start = max(0, min(place.column - 1 - WIDEST // 2, len(line) - WIDEST))
    cut = printable(line[start : start + WIDEST])
    more = "…" if start else ""
    blanks = (
        "\t" if letter == "\t" else " " * (1 + (unicodedata.east_asian_width(letter) in "WF"))
        for letter in cut[: place.column - 1 - start]
    )
    return " " * len(more) + "".join(blanks), more + cut + ("…" if start + WIDEST < len(line) else "")


def printable(text: str) -> str:
    r"""Return a text without the characters that a terminal obeys.

    Example:
        >>> printable("a\x1b[31mb")
        'a·[31mb'
    """
    return "".join(letter if letter.isprintable() or letter == "\t" else "·" for letter in text)


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


def is_file(path: Path) -> bool:
    """Return whether there is such a file; a name that can be none, or a folder that cannot be searched, has none.

    Example:
        >>> is_file(Path("a" * 300))
        False
    """
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, for the loader above: it quotes text that either version of YAML takes for a number."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value out wherever it stands."""
        return True


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *_Loader.yaml_implicit_resolvers.get(first, [])]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
}


def dump(data: Mapping[str, Any]) -> str:
    r"""Return plain data as a text that `parse` reads as the same.

    Args:
        data: Maps, lists, text, numbers, true, false and null.

    Returns:
        YAML.

    Raises:
        ConfigError: If it holds anything else.

    Example:
        >>> parse(dump({"name": "08", "rate": 1e-9})).data
        {'name': '08', 'rate': 1e-09}
    """
    try:
        return yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    except (yaml.representer.RepresenterError, RecursionError) as wrong:
        what = f"{type(wrong.args[1]).__name__} {wrong.args[1]!r}" if len(wrong.args) > 1 else "what holds itself"
        raise ConfigError(f"jconv: config must hold maps, lists, text and numbers; got {what[:80]}.") from None


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
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"{path}: config must be smaller than {LARGEST // 2**20} MiB. Is it a YAML file?")
        text = path.read_text(encoding="utf-8")
    except ConfigError:
        raise
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: config must be UTF-8 text; this file is not. Is it a YAML file?") from None
    except (OSError, ValueError) as reason:
        words = reason.strerror if isinstance(reason, OSError) else str(reason)
        raise ConfigError(f"{path}: config must be a file that can be read; {words}.") from None
    return parse(text, str(path))


def parse(text: str, name: str = "<text>", shown: str | None = None) -> Document:
    r"""Parse YAML text.

    Args:
        text: The text.
        name: What errors call it.
        shown: What errors quote, line by line; the text itself by default.

    Returns:
        The document.

    Raises:
        ConfigError: If it is not YAML as described above.

    Example:
        >>> parse("rate: 1e-1\nanswer: no").data
        {'rate': 0.1, 'answer': 'no'}
    """
    source = Source(name, text if shown is None else shown)
    try:
        refused = _refused(text, source)
        node = yaml.compose(text, Loader=_Loader) if not refused else None
    except yaml.reader.ReaderError as wrong:
        raise ConfigError(f"{name}: config must be YAML text; {wrong.reason} at character {wrong.position}.") from None
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        place = _place(source, mark) if mark else Place(source, 1, 1)
        raise error([Fault(place, (), f"not YAML: {wrong.problem or wrong.context}")]) from None
    if refused:
        raise error(refused)
    if node is None:
        raise error([Fault(Place(source, 1, 1), (), "the file is empty")])
    reader = _Reader(source)
    data = reader.convert(node, ())
    if reader.faults:
        raise error(reader.faults)
    return Document(data, reader.keys, reader.values)


def _refused(text: str, source: Source) -> list[Fault]:
    """Return the tags, aliases and excessive nesting of a text, found before anything is built from them."""
    faults, depth = [], 0
    for event in yaml.parse(text, Loader=_Loader):
        place = _place(source, event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            faults.append(Fault(place, (), "aliases are refused", "write the value out"))
        elif getattr(event, "tag", None):
            faults.append(Fault(place, (), f"the tag {event.tag} is refused", "write a plain value"))
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return [*faults, Fault(place, (), f"nested deeper than {DEEPEST} levels", "flatten the file")]
    return faults


class _Reader:
    """Turns nodes into plain data, and notes where each part stands and what is wrong."""

    def __init__(self, source: Source):
        self._source = source
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}
        self.faults: list[Fault] = []

    def convert(self, node: yaml.Node, path: KeyPath) -> Any:
        """Return the data of a node."""
        place = self.values[path] = _place(self._source, node.start_mark)
        if isinstance(node, yaml.SequenceNode):
            return [self.convert(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            value, reason, remedy = _scalar(node)
            if reason:
                self.faults.append(Fault(place, path, reason, remedy))
            return value
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = _place(self._source, key_node.start_mark)
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                self.faults.append(Fault(where, path, "a key must be a word", "quote it, or remove the brackets"))
            elif key in data:
                first = f"first on line {self.keys[(*path, key)].line}"
                self.faults.append(Fault(where, (*path, key), f"the key {key!r} stands twice", first))
            else:
                self.keys[(*path, key)] = where
                data[key] = self.convert(value_node, (*path, key))
        return data


def _scalar(node: yaml.ScalarNode) -> tuple[Any, str, str]:
    """Return a scalar's value, and what is wrong with it with the remedy, or nothing."""
    text, kind = node.value, node.tag.rpartition(":")[2]
    if kind == "null":
        return None, "", ""
    if kind == "bool":
        return text.lower() == "true", "", ""
    if kind == "int":
        digits = text.lstrip("+-")
        if len(digits) > 1 and digits[0] == "0" and digits.isdigit():
            return 0, f"{text} starts with a zero", f"write {digits.lstrip('0') or '0'}, or quote it"
        if len(digits) > 18:
            return 0, "the number is too large", "take at most 18 digits"
        return int(text, 0), "", ""
    if kind == "float":
        return float(re.sub(r"\.(?=inf|nan)", "", text.lower())), "", ""
    return text, "", ""


def _place(source: Source, mark: yaml.Mark) -> Place:
    return Place(source, mark.line + 1, mark.column + 1)
