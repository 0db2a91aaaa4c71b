"""A user's own table as JSON lines: one layer a line, in our keys or in those of a benchmark's list."""

import json
from typing import Any

from jconv.errors import ConfigError
from jconv.lab.networks.entries import Layer, Wrong, check, legal_names, show
from jconv.lab.networks.rows import check_row, is_row

MOST_FAULTS = 20
QUOTED = 100


def read_lines(name: str, text: str) -> list[Layer]:
    r"""Return the layers of a text of JSON lines; empty lines are passed over.

    Args:
        name: The file's name, as errors show it.
        text: The file's text.

    Returns:
        The layers, in the file's order, with legal names that are all different.

    Raises:
        ConfigError: If a line is no layer; the message lists the first 20 that are not.

    Example:
        >>> line = '{"name": "a/b", "size": [8, 8], "in_channels": 3, "out_channels": 4, "window": [3, 3]}'
        >>> [layer["name"] for layer in read_lines("own.jsonl", line + "\n" + line)]
        ['a-b', 'a-b-2']
    """
    layers: list[Layer] = []
    reports: list[str] = []
    count = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        layer, faults = _layer(line)
        if layer is not None:
            layers.append(layer)
        count += len(faults)
        reports += [_report(name, number, line, fault) for fault in faults[: MOST_FAULTS - len(reports)]]
    if count > len(reports):
        reports.append(f"{name}: error: … and {count - len(reports)} more")
    if reports:
        raise ConfigError("\n".join(reports))
    if not layers:
        raise ConfigError(f"{name}: error: the file holds no layer. Give one JSON object a line.")
    for layer, legal in zip(layers, legal_names(layer["name"] for layer in layers), strict=True):
        layer["name"] = legal
    return layers


def _layer(line: str) -> tuple[Layer | None, list[Wrong]]:
    try:
        data = json.loads(line, object_pairs_hook=_once)
    except _TwiceError as error:
        return None, [Wrong("", f"the key {show(error.args[0])} stands twice", "keep one")]
    except json.JSONDecodeError as error:
        remedy = 'give one object a line, such as {"name": …}'
        return None, [Wrong("", f"not JSON: {error.msg} at column {error.colno}", remedy)]
    except ValueError:
        return None, [Wrong("", "a number has too many digits", "take at most 12")]
    except RecursionError:
        return None, [Wrong("", "nested too deeply", "flatten the line")]
    return check_row(data) if is_row(data) else check(data)


class _TwiceError(Exception):
    """A key stands twice in an object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(key)
        found[key] = value
    return found


def _report(name: str, number: int, line: str, fault: Wrong) -> str:
    """Return a fault as errors in YAML are shown, but for the column, which a line of JSON does not tell."""
    plain = "".join(letter if letter.isprintable() else "·" for letter in line[: QUOTED + 1])
    quoted = plain if len(plain) <= QUOTED else plain[:QUOTED] + "…"
    key = f"{fault.key}: " if fault.key else ""
    remedy = f"\n      | {fault.remedy}" if fault.remedy else ""
    return f"{name}:{number}: error: {key}{fault.reason}\n{number:>5} | {quoted}{remedy}"
