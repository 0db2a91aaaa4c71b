"""One layer of a network's table: its keys, its rules, its geometry and its counts.

An entry is what a layer of a config is, and how often the layer occurs, and whether it has a bias and a norm. What
is left out has the default that a config's layer has; an int stands for all axes, two where neither size nor window is
a list. Checks collect everything wrong with an entry.
"""

import math
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

from jconv._modes import PADDING_MODES
from jconv.costs import Problem
from jconv.errors import GeometryError, suggestion
from jconv.geometry import PADDING_WORDS, conv_geometry, conv_transpose_geometry

LARGEST = 10**12
MOST_AXES = 8
LONGEST_NAME = 60
DEFAULTS: Mapping[str, Any] = {
    "stride": 1,
    "padding": "SAME",
    "dilation": 1,
    "groups": 1,
    "transposed": False,
    "output_padding": 0,
    "padding_mode": "zeros",
    "count": 1,
    "bias": False,
    "norm": False,
}
REQUIRED = ("name", "size", "in_channels", "out_channels", "window")
KEYS = (*REQUIRED, *DEFAULTS, "batch")


class Layer(TypedDict):
    """A layer as `read` returns it: every key is there, but for `batch`, which only some tables state."""

    name: str
    size: list[int]
    in_channels: int
    out_channels: int
    window: list[int]
    stride: int | list[int]
    padding: str | int | list[Any]
    dilation: int | list[int]
    groups: int
    transposed: bool
    output_padding: int | list[int]
    padding_mode: str
    count: int
    bias: bool
    norm: bool
    batch: NotRequired[int]


class Wrong(NamedTuple):
    """One thing wrong with an entry: the key it is about, or '' for the whole; the rule; what to do."""

    key: str
    reason: str
    remedy: str = ""


def check(data: Any) -> tuple[Layer | None, list[Wrong]]:
    """Return an entry with its defaults filled in, or everything that is wrong with it.

    Args:
        data: What a table says: keys and values, once it is right.

    Returns:
        The layer and no faults, or None and the faults.

    Example:
        >>> layer, faults = check({"name": "a", "size": 8, "in_channels": 4, "out_channels": 4, "window": 3})
        >>> layer["size"], layer["window"], layer["stride"], layer["padding"], faults
        ([8, 8], [3, 3], 1, 'SAME', [])
        >>> check({"name": "a", "size": [8], "in_channels": 4, "out_channels": 4, "window": [0]})[1][0].reason
        'must be an int, or a list of ints from 1 to 10**12; got [0]'
    """
    if not isinstance(data, dict):
        return None, [Wrong("", f"a layer must be keys and values; got {show(data)}", f"give {', '.join(REQUIRED)}")]
    faults = [
        Wrong(
            key,
            f"unknown key {show(key)}",
            f"{suggestion(key[:LONGEST_NAME], KEYS).strip()} allowed: {', '.join(KEYS)}".strip(),
        )
        for key in data
        if key not in KEYS
    ]
    faults += [Wrong("", f"the key {key!r} is missing", f"add '{key}'") for key in REQUIRED if key not in data]
    data = _per_axis(data)
    size = data.get("size")
    axes = len(size) if isinstance(size, list) else 0
    for key in KEYS:
        if key in data and (rule := _RULES[key](data[key], axes)):
            faults.append(Wrong(key, f"must be {rule}; got {show(data[key])}"))
    if faults:
        return None, faults
    full = {**DEFAULTS, **data}
    layer = cast(Layer, {key: full[key] for key in KEYS if key in full})
    if layer["output_padding"] != 0 and not layer["transposed"]:
        return None, [Wrong("output_padding", "must be 0 unless the layer is transposed", "add 'transposed: true'")]
    try:
        convolution(layer)
    except GeometryError as error:
        return None, [Wrong("", str(error))]
    return layer, []


def _per_axis(data: dict[str, Any]) -> dict[str, Any]:
    """Write size and window out, one int per space axis."""
    lists = [value for key in ("size", "window") if isinstance(value := data.get(key), list)]
    axes = len(lists[0]) if lists else 2
    if not 0 < axes <= MOST_AXES:
        return data
    return {
        key: [value] * axes if key in ("size", "window") and _is_int(value, 1) else value for key, value in data.items()
    }


def convolution(layer: Layer) -> Problem:
    """Return the convolution that a layer is, or, if it is transposed, the one it is the adjoint of.

    Both spend the same multiplications; a transposed layer's input is this convolution's output.

    Args:
        layer: The layer.

    Returns:
        The convolution.

    Raises:
        GeometryError: If the layer describes none.
    """
    ins, outs, groups, batch = layer["in_channels"], layer["out_channels"], layer["groups"], layer.get("batch", 1)
    transposed = layer["transposed"]
    summed, made = (outs, ins) if transposed else (ins, outs)  # channels of the convolution's input and output
    caller = "conv_transpose" if transposed else "conv"
    if summed % groups or made % groups:
        raise GeometryError(
            f"{caller}: groups must split the channels evenly; got groups={groups}, in_channels={ins}, "
            f"out_channels={outs}. Take a divisor of both."
        )
    x_shape, kernel_shape = (*layer["size"], ins), (*layer["window"], summed // groups, made)
    arguments: dict[str, Any] = {key: layer[key] for key in ("stride", "padding", "dilation", "groups")}
    if transposed:
        more = layer["output_padding"]
        geometry, _ = conv_transpose_geometry(x_shape, kernel_shape, output_padding=more, caller=caller, **arguments)
    else:
        geometry = conv_geometry(x_shape, kernel_shape, caller=caller, **arguments)
    if min(geometry.input_size) < 1 or min(geometry.output_size) < 1:
        raise GeometryError(f"{caller}: size must leave an output; got size={layer['size']}. Take a larger one.")
    return Problem(geometry, batch, summed, made)


def output_size(layer: Layer) -> tuple[int, ...]:
    """Return the space size of a layer's output.

    Example:
        >>> layer, _ = check(dict(name="up", size=[4], in_channels=2, out_channels=1, window=[2], stride=2,
        ...                       transposed=True))
        >>> output_size(layer)
        (8,)
    """
    geometry = convolution(layer).geometry
    return geometry.input_size if layer["transposed"] else geometry.output_size


def parameters(layer: Layer) -> int:
    """Return the parameters of one such layer: Πk · in/groups · out, its bias (out) and its norm (2 · out)."""
    per_channel = layer["bias"] + 2 * layer["norm"]
    return math.prod(convolution(layer).kernel_shape) + per_channel * layer["out_channels"]


def multiplications(layer: Layer) -> int:
    """Return the multiplications of one such layer, as papers count them: every tap at every position.

    The positions are the output's, or the input's if the layer is transposed: no zero between inputs is counted.
    """
    return convolution(layer).multiplications


def legal_names(names: Iterable[str]) -> list[str]:
    """Return names that a config accepts, all different.

    Args:
        names: Any texts.

    Returns:
        For each: letters, digits, `_`, `.` and `-`, the first a letter or digit; at most 60; numbered if repeated.

    Example:
        >>> legal_names(["onednn/conv/shapes_1d:2", "onednn/conv/shapes 1d:2", "_"])
        ['onednn-conv-shapes_1d-2', 'onednn-conv-shapes-1d-2', 'layer']
        >>> legal_names(["a", "a", "a-2"])
        ['a', 'a-2', 'a-2-2']
    """
    last: dict[str, int] = {}
    found = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name[:1000]).strip("_.-")[:LONGEST_NAME] or "layer"
        unique = plain
        while unique in last:
            last[plain] += 1
            unique = f"{plain[: LONGEST_NAME - len(str(last[plain])) - 1]}-{last[plain]}"
        last[unique] = 1
        found.append(unique)
    return found


def show(value: Any) -> str:
    """Return a value as an error quotes it: short, and without characters that a terminal obeys."""
    text = _SHORT.repr(value)
    return "".join(letter if letter.isprintable() else "·" for letter in text)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def _is_int(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST


def _int(least: int) -> Callable[[Any, int], str]:
    rule = f"an int from {least} to 10**12"
    return lambda value, axes: "" if _is_int(value, least) else rule


def _ints(least: int) -> Callable[[Any, int], str]:
    """Return the rule of an int for all space axes, or a list of one for each."""

    def rule(value: Any, axes: int) -> str:
        if _is_int(value, least):
            return ""
        entries = value if isinstance(value, list) else []
        if entries and len(entries) <= MOST_AXES and all(_is_int(entry, least) for entry in entries):
            if not axes or len(entries) == axes:
                return ""
            return f"an int, or a list of {axes} ints, one per axis of size"
        return f"an int, or a list of ints from {least} to 10**12"

    return rule


def _padding(value: Any, axes: int) -> str:
    if isinstance(value, str) and value in PADDING_WORDS:
        return ""
    if _is_int(value, -LARGEST):
        return ""
    pads = [entry if isinstance(entry, list) else [entry, entry] for entry in value] if isinstance(value, list) else []
    fits = all(len(pad) == 2 and all(_is_int(side, -LARGEST) for side in pad) for pad in pads)
    if pads and fits and len(pads) == (axes or len(pads)):
        return ""
    return f"one of {', '.join(PADDING_WORDS)}, an int, or an int or [low, high] per axis of size"


def _word(value: Any, axes: int) -> str:
    return "" if isinstance(value, str) and value.strip() else "a name"


def _mode(value: Any, axes: int) -> str:
    return "" if isinstance(value, str) and value in PADDING_MODES else f"one of {', '.join(PADDING_MODES)}"


def _truth(value: Any, axes: int) -> str:
    return "" if isinstance(value, bool) else "true or false"


_RULES: Mapping[str, Callable[[Any, int], str]] = {
    "name": _word,
    "size": _ints(1),
    "in_channels": _int(1),
    "out_channels": _int(1),
    "window": _ints(1),
    "stride": _ints(1),
    "padding": _padding,
    "dilation": _ints(1),
    "groups": _int(1),
    "transposed": _truth,
    "output_padding": _ints(0),
    "padding_mode": _mode,
    "count": _int(1),
    "bias": _truth,
    "norm": _truth,
    "batch": _int(1),
}
