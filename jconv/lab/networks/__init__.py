"""The layers of published networks, and of a user's own, as problems to name in a config. No JAX here.

`resnet50` and the like are tables of YAML beside this file, written from the papers that define the networks and held
to their published totals by a test. A user's own table is YAML of the same form, or JSON lines: one layer a line, or
the rows of oneDNN's and ConvBench's lists of shapes as they are.
"""

from pathlib import Path
from typing import NamedTuple

from jconv.errors import ConfigError, suggestion
from jconv.lab.networks import entries
from jconv.lab.networks.entries import Layer as Layer
from jconv.lab.networks.lines import read_lines
from jconv.lab.networks.tables import Network as Network
from jconv.lab.networks.tables import read_table

SUFFIXES = (".yaml", ".yml", ".jsonl")
LARGEST_LINES = 20_000_000
LARGEST_TABLE = 1_000_000  # YAML is read a hundred times more slowly than JSON.

_FOLDER = Path(__file__).resolve().parent


class Total(NamedTuple):
    """What a network has and spends, in the terms papers print."""

    parameters: int
    multiplications: int


def names() -> list[str]:
    """Return the names of the networks that come with jconv.

    Example:
        >>> "resnet50" in names()
        True
    """
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def read(word: str, folder: Path) -> Network:
    """Return a network by its name, or a user's own from a file.

    Args:
        word: One of `names()`, or a path to a `.yaml` or `.jsonl` file.
        folder: What the path is relative to.

    Returns:
        The network.

    Raises:
        ConfigError: If there is none, or anything is wrong with it.

    Example:
        >>> network = read("resnet50", Path())
        >>> network.layers[0]["name"], network.layers[0]["stride"]
        ('conv1', 2)
    """
    if word in names():
        path = _FOLDER / f"{word}.yaml"
        return read_table(path.name, path.read_text(encoding="utf-8"))
    suffix = Path(word).suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(
            f"layers: a network must be one of {', '.join(names())}, or a file that ends in "
            f"{' or '.join(SUFFIXES)}; got {entries.show(word)}.{suggestion(word[:60], names())}"
        )
    text = _text(word, folder / word, LARGEST_LINES if suffix == ".jsonl" else LARGEST_TABLE)
    if suffix != ".jsonl":
        return read_table(word, text)
    (label,) = entries.legal_names([Path(word).stem])
    return Network(label, tuple(read_lines(word, text)), {}, ())


def total(network: Network) -> Total:
    """Return the parameters and multiplications of a network, each layer as often as it occurs.

    Example:
        >>> total(read("resnet50", Path())).parameters
        25557032
    """
    rows = [(entries.parameters(layer), entries.multiplications(layer), layer["count"]) for layer in network.layers]
    return Total(
        sum(each * count for each, _, count in rows) + sum(entry["parameters"] for entry in network.other),
        sum(each * count for _, each, count in rows) + sum(entry["macs"] for entry in network.other),
    )


def _text(word: str, path: Path, largest: int) -> str:
    """Return a file's text; only of a plain file, UTF-8, and not too large."""
    try:
        data = None
        if path.is_file():
            with path.open("rb") as file:
                data = file.read(largest + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"layers: a network's file must be readable; got {entries.show(word)}: {reason}.") from None
    if data is None:
        raise ConfigError(f"layers: a network's file must exist, beside the config; got {entries.show(word)}.")
    if len(data) > largest:
        raise ConfigError(
            f"{word}: error: a table must have at most {largest:,} bytes; this file has more. "
            "Split it, or write JSON lines instead of YAML."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{word}:{line}: error: a table must be UTF-8 text; this line is not. Save it so.") from None
