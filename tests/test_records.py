"""A run's directory: strict lines, one writer, going on after any kill, and a disk that refuses."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from jconv.errors import ConfigError
from jconv.lab import record

CASES = ["a/1", "a/2", "b/1"]
RESOLVED = {"name": "small", "size": 3}


def create(path: Path, resume: bool = False, cases: list[str] = CASES, **changed: object) -> record.Directory:
    return record.create(path, "small", RESOLVED | changed, cases, resume)


def line(case: str, **more: object) -> dict:
    return {"case": case, "formulation": "direct", "status": "ok", **more}


def test_records_have_no_nan_tokens(tmp_path):
    directory = create(tmp_path / "run")
    directory.append(line("a/1", error=math.nan, samples_s=[1.0, math.inf], ratio={"low": -math.inf}))
    directory.append(line("a/2", error=0.5))
    directory.close()
    text = (tmp_path / "run" / record.RESULTS).read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    first, second = (json.loads(one) for one in text.splitlines())
    assert first["nonfinite"] == ["error", "samples_s.1", "ratio.low"]
    assert (first["error"], first["samples_s"], first["ratio"]) == (None, [1.0, None], {"low": None})
    assert "nonfinite" not in second


def test_a_used_folder_is_refused_without_resume(tmp_path):
    create(tmp_path / "run").close()
    with pytest.raises(ConfigError, match=r"must be new or empty; got .*add --resume to go on"):
        _ = create(tmp_path / "run")


def test_two_runs_into_one_folder_are_refused(tmp_path):
    first = create(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"must be no other run's; .* is being written by one"):
        _ = create(tmp_path / "run", resume=True)
    first.close()
    create(tmp_path / "run", resume=True).close()


@pytest.mark.parametrize("torn", ["", "{", '{"case": "b/1", "formulation": "direct", "status": "ok"}', "\u20ac"])
def test_resume_knows_what_is_done_and_cuts_a_torn_line(tmp_path, torn):
    directory = create(tmp_path / "run")
    directory.append(line("a/1"))
    directory.append(line("a/2"))
    directory.close()
    results = tmp_path / "run" / record.RESULTS
    whole = results.read_bytes()
    results.write_bytes(whole + torn.encode()[: len(torn.encode()) or None])
    again = create(tmp_path / "run", resume=True)
    assert again.finished == {"a/1", "a/2"}
    assert results.read_bytes() == whole
    again.append(line("b/1"))
    again.close()
    assert [one["case"] for one in record.read(tmp_path / "run")] == CASES


def test_no_case_is_recorded_twice(tmp_path):
    directory = create(tmp_path / "run")
    directory.append(line("a/1"))
    with pytest.raises(ConfigError, match="a case must be recorded once; got a/1 again"):
        directory.append(line("a/1"))
    directory.close()
    assert len(list(record.read(tmp_path / "run"))) == 1


def test_resume_needs_the_same_config_cases_and_versions(tmp_path):
    create(tmp_path / "run").close()
    with pytest.raises(ConfigError, match="must be given the config of"):
        _ = create(tmp_path / "run", resume=True, size=4)
    with pytest.raises(ConfigError, match="must be given the config of"):
        _ = create(tmp_path / "run", resume=True, cases=CASES[:2])
    made = json.loads((tmp_path / "run" / record.RUN).read_text())
    made["versions"]["jax"] = "0.0.1"
    (tmp_path / "run" / record.RUN).write_text(json.dumps(made))
    with pytest.raises(ConfigError, match=r"changed: jax 0\.0\.1 → "):
        _ = create(tmp_path / "run", resume=True)
    (tmp_path / "run" / record.RUN).write_text("{")
    with pytest.raises(ConfigError, match=r"must find a readable run\.json"):
        _ = create(tmp_path / "run", resume=True)


def test_resume_of_nothing_begins(tmp_path):
    create(tmp_path / "new", resume=True).close()
    assert (tmp_path / "new" / record.RUN).exists()


def test_resume_after_a_kill_before_anything_was_recorded_begins_again(tmp_path):
    create(tmp_path / "run").close()
    (tmp_path / "run" / record.RUN).unlink()
    (tmp_path / "run" / record.RESOLVED).write_text("half a con")
    create(tmp_path / "run", resume=True).close()
    assert "size: 3" in (tmp_path / "run" / record.RESOLVED).read_text()


def test_records_of_nobody_knows_what_are_not_gone_on_with(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / record.RESULTS).write_text('{"case": "x", "formulation": "f", "status": "ok"}\n')
    with pytest.raises(ConfigError, match=r"must find run\.json"):
        _ = create(tmp_path / "run", resume=True)


@pytest.mark.parametrize("name", [record.RESULTS, record.ENVIRONMENT])
def test_a_disk_that_is_full_ends_the_run_with_a_message(tmp_path, name):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    directory = create(tmp_path / "run")
    (tmp_path / "run" / record.RESULTS).unlink()
    (tmp_path / "run" / record.RESULTS).symlink_to(full)
    (tmp_path / "run" / f".{record.ENVIRONMENT}.new").symlink_to(full)
    with pytest.raises(ConfigError, match=r"must be a folder that can be written; got .*: No space left on device"):
        if name == record.RESULTS:
            directory.append(line("a/1"))
        else:
            directory.write(name, "{}")
    directory.close()


def test_a_file_that_is_no_record_is_said(tmp_path):
    (tmp_path / record.RESULTS).write_text('{"case": "a", "formulation": "f", "status": "ok"}\n{"case": "b"}\n')
    with pytest.raises(ConfigError, match=r"line 2 of results\.jsonl is no record"):
        _ = list(record.read(tmp_path))
    (tmp_path / record.RESULTS).write_bytes(b"\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"line 1 of results\.jsonl is no record"):
        _ = list(record.read(tmp_path))


def test_records_torn_inside_a_letter_are_read_and_a_doubled_line_is_said(tmp_path):
    whole = '{"case": "a", "formulation": "f", "status": "ok", "reason": "√"}\n'.encode()
    for cut in range(len(whole)):
        (tmp_path / record.RESULTS).write_bytes(whole + whole.replace(b'"a"', b'"b"')[:cut])
        assert [one["case"] for one in record.read(tmp_path)] == ["a"]
    (tmp_path / record.RESULTS).write_bytes(whole + whole)
    with pytest.raises(ConfigError, match=r"line 2 of results\.jsonl records a again"):
        _ = list(record.read(tmp_path))
    for odd in (b'{"case": ["a"], "formulation": "f", "status": "ok"}', b"[" * 100_000, b"", b"\0" * 99, b"\x1b[31m"):
        (tmp_path / record.RESULTS).write_bytes(whole + odd + b"\n")
        with pytest.raises(ConfigError, match=r"line 2 of results\.jsonl is no record") as caught:
            _ = list(record.read(tmp_path))
        assert str(caught.value).isprintable()


def test_resume_needs_the_same_machine(tmp_path, monkeypatch):
    create(tmp_path / "run").close()
    monkeypatch.setattr(record.machine, "processor", lambda: "abacus")
    with pytest.raises(ConfigError, match=r"must run on the machine .* changed: processor .* → abacus"):
        _ = create(tmp_path / "run", resume=True)


@pytest.mark.parametrize("name", [record.RESULTS, record.RUN, record.RESOLVED, record.PICTURES, record.LOCK])
def test_a_folder_or_a_file_in_the_place_of_another_is_one_message(tmp_path, name):
    create(tmp_path / "run").close()
    path = tmp_path / "run" / name
    if path.is_dir():
        path.rmdir()
        path.write_text("")
    else:
        path.unlink()
        path.mkdir()
    if name != record.RESOLVED:  # that is only written at the beginning
        with pytest.raises(ConfigError):
            _ = create(tmp_path / "run", resume=True)
        return
    (tmp_path / "run" / record.RUN).unlink()
    with pytest.raises(ConfigError, match="Is a directory"):
        _ = create(tmp_path / "run", resume=True)


@pytest.mark.parametrize(("script", "words", "kept"), [("summary", [], "summary"), ("gpu", ["summary"], "gpu/summary")])
def test_a_studys_summary_is_of_its_records(script, words, kept):
    speed = Path(__file__).parent.parent / "experiments" / "speed"
    ran = subprocess.run(
        [sys.executable, str(speed / f"{script}.py"), *words], capture_output=True, text=True, timeout=120, check=True
    )
    assert ran.stdout == (speed / f"{kept}.txt").read_text(encoding="utf-8")
