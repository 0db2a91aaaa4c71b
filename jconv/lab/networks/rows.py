"""One row of a benchmark's list of shapes, as an entry of ours.

A row states `mb` batch, `g` groups, `ic` `oc` channels, `i` `o` `k` input, output and window, `s` `d` stride and
dilation, `pl` `pr` padding, as oneDNN's benchdnn does; ConvBench adds `bias` and `n_used`. Whether it is transposed
only its name tells. A negative `pr` is input that no window reaches, or output padding if transposed.
"""

from typing import Any

from jconv.lab.networks.entries import Layer, Wrong, check, output_size, show

CHANNELS = ("mb", "g", "ic", "oc")
AXES = ("i", "o", "k", "s", "d", "pl", "pr")
# What of a row an entry's rule is about.
SOURCES = {
    "batch": "mb",
    "groups": "g",
    "in_channels": "ic",
    "out_channels": "oc",
    "size": "i",
    "window": "k",
    "stride": "s",
    "dilation": "d",
    "padding": "pl, pr",
    "output_padding": "pr",
    "count": "n_used",
}


def is_row(data: Any) -> bool:
    """Return whether a line is such a row, and no entry of ours."""
    return isinstance(data, dict) and "size" not in data and ("ic" in data or "mb" in data)


def check_row(row: dict[str, Any]) -> tuple[Layer | None, list[Wrong]]:
    """Return a row as a layer, or everything that is wrong with it.

    Args:
        row: Keys and values, for which `is_row` holds.

    Returns:
        The layer and no faults, or None and the faults.

    Example:
        >>> row = {"name": "conv/1", "mb": 2, "g": 1, "ic": 3, "oc": 8, "i": [9], "o": [5], "k": [3], "s": [2],
        ...        "d": [1], "pl": [1], "pr": [1]}
        >>> check_row(row)[0]["padding"]
        [[1, 1]]
        >>> check_row({**row, "o": [4]})[1][0].reason
        'must be the output size of the row, [5]; got [4]'
    """
    if "oc" not in row and "g" not in row:
        reason = "a pool is no convolution: the row has no oc and no g"
        return None, [Wrong("", reason, "remove the line; a table lists convolutions")]
    keys = ("name", *CHANNELS, *AXES)
    faults = [Wrong("", f"the key {key!r} is missing", f"add '{key}'") for key in keys if key not in row]
    axes = len(row["i"]) if isinstance(row.get("i"), list) else 0
    for key in AXES:
        value = row.get(key, [])
        whole = isinstance(value, list) and all(isinstance(n, int) and not isinstance(n, bool) for n in value)
        if not whole or (key in row and len(value) != axes):
            faults.append(Wrong(key, f"must be a list of ints, as long as i; got {show(value)}"))
    if row.get("padding", "SAME_UPPER") != "SAME_UPPER":
        faults.append(Wrong("padding", f"must be SAME_UPPER where it is given; got {show(row['padding'])}"))
    if faults:
        return None, faults
    layer, faults = check(_entry(row))
    if layer is None:
        return None, [fault._replace(key=SOURCES.get(fault.key, fault.key)) for fault in faults]
    if list(output_size(layer)) != row["o"]:
        reason = f"must be the output size of the row, {list(output_size(layer))}; got {show(row['o'])}"
        return None, [Wrong("o", reason, "if the layer is transposed, its name must have '/deconv/' in it")]
    return layer, []


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    transposed = isinstance(row["name"], str) and "/deconv/" in row["name"]
    entry = {
        "name": row["name"],
        "size": row["i"],
        "in_channels": row["ic"],
        "out_channels": row["oc"],
        "window": row["k"],
        "stride": _one(row["s"]),
        "padding": [[low, max(high, 0)] for low, high in zip(row["pl"], row["pr"], strict=True)],
        "dilation": _one(row["d"]),
        "groups": row["g"],
        "transposed": transposed,
        "count": row.get("n_used", 1),
        "bias": row.get("bias", False),
        "batch": row["mb"],
    }
    if transposed:
        entry["output_padding"] = _one([max(-high, 0) for high in row["pr"]])
    return entry


def _one(values: list[int]) -> int | list[int]:
    return values[0] if values and min(values) == max(values) else values
