"""A run's records as a table for other programs: csv, md, json, parquet. No JAX here.

Nested fields become columns such as `ratio.median`; lists become JSON text where a cell holds text only. What a
record lacks is empty.
"""

import csv
import importlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jconv.errors import ConfigError, suggestion
from jconv.lab import record

SAMPLES = "samples_s"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Text that begins so is a formula to a spreadsheet, and may run a command."""

Row = Mapping[str, Any]


def export(folder: Path, format: str, out: Path | None = None, *, samples: bool = False) -> Path:
    r"""Write a run's records as a file for other programs.

    Args:
        folder: The run's folder.
        format: One of csv, md, json, parquet.
        out: The file; by default `results.<format>` in the folder.
        samples: Keep the raw samples in csv and md too, as JSON text. The others always do.

    Returns:
        The file.

    Raises:
        ConfigError: If the format is unknown or lacks its library, or a file cannot be read or written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "results.jsonl").write_text(
        ...     '{"case": "a", "formulation": "fft", "status": "ok", "ratio": {"median": 0.5}}\n')
        >>> print(export(folder, "csv").read_text())
        case,formulation,status,ratio.median
        a,fft,ok,0.5
    """
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise ConfigError(f"export: format must be one of {known}; got {format!r}.{suggestion(format, FORMATS)}")
    out = out or folder / f"results.{format}"
    own = (record.RESULTS, record.ENVIRONMENT, record.RESOLVED, record.REPORT, record.RUN, record.LOCK)
    if out.resolve() in [(folder / name).resolve() for name in own]:
        raise ConfigError(f"export: out must not be one of the run's own files; got {out}. Name another file.")
    records = list(record.read(folder))
    if not records:
        raise record.no_run(folder, "it has no records yet")
    if format in ("csv", "md") and not samples:
        records = [{key: value for key, value in line.items() if key != SAMPLES} for line in records]
    try:
        _ = out.write_bytes(FORMATS[format](records))
    except OSError as error:
        raise ConfigError(f"export: out must be a file that can be written; got {out}: {error.strerror}.") from None
    return out


def flatten(nested: Row, prefix: str = "") -> dict[str, Any]:
    """Return a record without nested fields.

    Args:
        nested: The record.
        prefix: Of the names.

    Returns:
        Its values by path.

    Example:
        >>> flatten({"case": "a", "ratio": {"median": 1.0, "pairs": 20}})
        {'case': 'a', 'ratio.median': 1.0, 'ratio.pairs': 20}
    """
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _table(records: Sequence[Row]) -> tuple[list[str], Iterator[list[Any]]]:
    """Return the names of the columns, in the order they first appear, and the rows."""
    rows = [flatten(line) for line in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, ([row.get(name) for name in names] for row in rows)


def _csv(records: Sequence[Row]) -> bytes:
    names, rows = _table(records)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_harmless(name) for name in names])
    writer.writerows([_harmless(value) if isinstance(value, str) else _text(value) for value in row] for row in rows)
    return file.getvalue().encode("utf-8", "backslashreplace")


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _markdown(records: Sequence[Row]) -> bytes:
    names, rows = _table(records)
    cells = [[_cell(value) for value in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in [[_cell(name) for name in names], ["---"] * len(names), *cells]]
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def _cell(value: Any) -> str:
    """Return what Markdown shows as the value: numbers to four figures, for people; text without its markup."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = _text(value).replace("&", "&amp;").replace("<", "&lt;").replace("\\", "\\\\").replace("|", "\\|")
    return " ".join(text.split())


def _json(records: Sequence[Row]) -> bytes:
    return (json.dumps(records, indent=1) + "\n").encode()


def _parquet(records: Sequence[Row]) -> bytes:
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError(
            "export: format='parquet' must have pyarrow; got none installed. Run pip install 'jconv[data]'."
        ) from None
    names, rows = _table(records)
    columns = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        try:
            columns[name] = arrow.array(values)
        # Of more than one type, or no integer of 64 bits, or no Unicode: its JSON says it all.
        except (arrow.ArrowException, OverflowError, UnicodeError):
            columns[name] = arrow.array([None if value is None else json.dumps(value) for value in values])
    sink = io.BytesIO()
    parquet.write_table(arrow.table(columns), sink)
    return sink.getvalue()


FORMATS: Mapping[str, Callable[[Sequence[Row]], bytes]] = MappingProxyType(
    {"csv": _csv, "md": _markdown, "json": _json, "parquet": _parquet}
)
