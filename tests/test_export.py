"""Exports, read back: nothing is lost, nothing runs, nothing breaks a table."""

import csv
import json
import re
import sys
from pathlib import Path

import pytest

from jconv.errors import ConfigError
from jconv.lab import export, record

HARD = "a, \"quoted\" | piped \\| line\nand = <b>more</b> & 'é'"
LINES = [
    {
        "case": "layer/a/forward/direct",
        "formulation": "direct",
        "status": "ok",
        "reason": "",
        "error": 1.25e-7,
        "repeatable": True,
        "multiplications": 2**70,
        "samples_s": [0.1, 0.25],
        "loss": [2.5, 1.0],
        "ratio": {"median": 1 / 3, "pairs": 20},
        "receptive_field": {"size": [3, 3], "inner": {"deep": -1}},
        "mixed": 1,
    },
    {
        "case": "-layer/a/forward/fft",
        "formulation": "fft",
        "status": "mismatch",
        "reason": HARD,
        "error": None,
        "nonfinite": ["error"],
    },
    {
        "case": "=cmd|' /C calc'!A0",
        "formulation": "fft",
        "status": "failed",
        "reason": "@SUM(A1)",
        "error": -3.0,
        "mixed": "+1",
    },
]
FLAT = {
    "case": "layer/a/forward/direct",
    "formulation": "direct",
    "status": "ok",
    "reason": "",
    "error": 1.25e-7,
    "repeatable": True,
    "multiplications": 2**70,
    "samples_s": [0.1, 0.25],
    "loss": [2.5, 1.0],
    "ratio.median": 1 / 3,
    "ratio.pairs": 20,
    "receptive_field.size": [3, 3],
    "receptive_field.inner.deep": -1,
    "mixed": 1,
}
NAMES = [*FLAT, "nonfinite"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / record.RESULTS).touch()
    for line in LINES:
        with (tmp_path / record.RESULTS).open("a") as file:
            _ = file.write(record.encoded(line) + "\n")
    return tmp_path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_markdown(path: Path) -> list[list[str]]:
    rows = [re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1] for line in path.read_text(encoding="utf-8").splitlines()]
    return [[cell.strip() for cell in row] for row in rows]


def test_records_are_flattened():
    assert export.flatten(LINES[0]) == FLAT


def test_csv_comes_back(folder):
    where = export.export(folder, "csv", samples=True)
    assert where == folder / "results.csv"
    rows = read_csv(where)
    assert list(rows[0]) == NAMES
    texts = {"case", "status", "reason"}
    for row, line in zip(rows, LINES, strict=True):
        flat = export.flatten(line)
        for name, cell in row.items():
            value = flat.get(name)
            if isinstance(value, str):
                assert cell == (f"'{value}" if value[:1] in tuple("=+-@") else value)
            else:
                assert name not in texts
                assert (json.loads(cell) if cell else None) == value


def test_no_cell_of_text_is_a_formula(folder):
    rows = read_csv(export.export(folder, "csv"))
    assert [row["case"][0] for row in rows] == ["l", "'", "'"]
    assert rows[2]["reason"] == "'@SUM(A1)"
    assert rows[2]["mixed"] == "'+1"
    assert rows[2]["error"] == "-3.0"


@pytest.mark.parametrize("format", ["csv", "md"])
def test_samples_are_left_out_unless_asked_for(folder, format):
    assert "samples_s" not in export.export(folder, format).read_text()
    assert "[0.1, 0.25]" in export.export(folder, format, samples=True).read_text()


def test_markdown_stays_a_table(folder):
    heading, rule, *rows = read_markdown(export.export(folder, "md"))
    assert heading == [name for name in NAMES if name != "samples_s"]
    assert set(rule) == {"---"}
    assert [len(row) for row in rows] == [len(heading)] * 3
    cells = dict(zip(heading, rows[0], strict=True))
    assert (cells["error"], cells["ratio.median"], cells["repeatable"]) == ("1.25e-07", "0.3333", "true")
    reason = rows[1][heading.index("reason")]
    assert reason == "a, \"quoted\" \\| piped \\\\\\| line and = &lt;b>more&lt;/b> &amp; 'é'"


def test_json_is_the_records(folder):
    assert json.loads(export.export(folder, "json").read_text()) == LINES


def test_parquet_comes_back(folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(export.export(folder, "parquet", tmp_path / "a.parquet"))
    assert table.column_names == NAMES
    for row, line in zip(table.to_pylist(), LINES, strict=True):
        flat = export.flatten(line)
        for name, value in row.items():
            if name in ("mixed", "multiplications") and value is not None:
                value = json.loads(value)
            assert value == flat.get(name)
    assert str(table.schema.field("error").type) == "double"
    assert str(table.schema.field("samples_s").type) in ("list<element: double>", "list<item: double>")


def test_parquet_without_its_library_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'jconv[data]'")):
        _ = export.export(folder, "parquet")
    assert not (folder / "results.parquet").exists()


@pytest.mark.parametrize("format", ["csv", "md", "parquet"])
def test_half_a_character_breaks_nothing(folder, format):
    if format == "parquet":
        _ = pytest.importorskip("pyarrow")
    with (folder / record.RESULTS).open("a") as file:
        _ = file.write('{"case": "\\ud800", "formulation": "", "status": ""}\n')
    assert b"\\ud800" in export.export(folder, format).read_bytes()


def test_what_cannot_be_exported_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"must be one of csv, md, json, parquet; got 'cvs'\. Did you mean 'csv'\?"):
        _ = export.export(folder, "cvs")
    with pytest.raises(ConfigError, match=r"RUN must be a run's folder; got .*: No such file"):
        _ = export.export(tmp_path / "absent", "csv")
    with pytest.raises(ConfigError, match=r"out must be a file that can be written; got .*: No such file"):
        _ = export.export(folder, "csv", tmp_path / "absent" / "a.csv")
    with pytest.raises(ConfigError, match=r"out must be a file that can be written; got .*: Is a directory"):
        _ = export.export(folder, "csv", tmp_path)
    with pytest.raises(ConfigError, match="must not be one of the run's own files"):
        _ = export.export(folder, "json", folder / "." / record.RESULTS)
    (folder / record.RESULTS).write_text("")
    with pytest.raises(ConfigError, match="it has no records yet"):
        _ = export.export(folder, "csv")
    (folder / record.RESULTS).write_text("[]\n")
    with pytest.raises(ConfigError, match=r"line 1 of results\.jsonl is no record"):
        _ = export.export(folder, "csv")
    (folder / record.RESULTS).write_text("{\n")
    with pytest.raises(ConfigError, match="must be a run's folder"):
        _ = export.export(folder, "csv")


@pytest.mark.parametrize("name", ["run.json", ".lock", "results.jsonl"])
def test_a_table_replaces_nothing_that_the_run_needs(tmp_path, name):
    (tmp_path / "results.jsonl").write_text('{"case": "a", "formulation": "fft", "status": "ok"}\n')
    with pytest.raises(ConfigError, match="must not be one of the run's own files"):
        _ = export.export(tmp_path, "json", tmp_path / name)
