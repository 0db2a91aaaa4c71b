"""Configs that nobody would write: each is one short message, or means what it says."""

import numpy as np
import pytest

from jconv.errors import ConfigError
from jconv.lab import document, experiment, loading, plan, record
from jconv.lab.document import parse

STACK = "schema_version: 1\nkind: arithmetic\nname: good\nsize: 9\nlayers: [{name: a, window: 3}]\n"


def problems_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _ = plan.plan(loading.validate(parse(text, "bad.yaml")))
    return str(caught.value)


def test_many_errors_on_one_long_line_are_a_short_message():
    entries = ", ".join(f"{{name: a{i}, windo: 3}}" for i in range(2000))
    text = problems_of(f"{{schema_version: 1, kind: timing, name: a, layers: [{entries}]}}")
    assert len(text) < 100_000
    assert "errors more" in text
    assert max(map(len, text.splitlines())) < 400


def test_the_part_of_a_long_line_around_an_error_is_quoted():
    text = problems_of(f"{{schema_version: 1, kind: arithmetic, name: {'a' * 500}, seed: x}}")
    *_, quoted, caret = text.splitlines()
    assert quoted[caret.index("^")] == "x"


@pytest.mark.parametrize(("name", "wider"), [("日本語", 3), ("a\tb", 0)])
def test_the_caret_stands_below_its_place_after_wide_letters_and_tabs(name, wider):
    before = f'{{schema_version: 1, kind: arithmetic, size: 9, name: "{name}", layers: [{{name: x, '
    text = problems_of(before + "w: 1}]}")
    caret = next(line for line in text.splitlines() if "^ allowed" in line)
    blanks = caret.partition("| ")[2].partition("^")[0]
    assert len(blanks) == len(before) + wider
    assert blanks.count("\t") == name.count("\t")


def test_a_terminal_obeys_no_key():
    text = problems_of(STACK + '"\\e[31m": 1\n')
    assert "\x1b" not in text


def test_a_long_value_is_quoted_in_part():
    text = problems_of(STACK + f"seed: [{', '.join(map(str, range(5000)))}]\n")
    assert max(map(len, text.splitlines())) < 400


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
def test_a_filter_has_finite_numbers(number):
    text = "schema_version: 1\nkind: photograph\nname: a\nfilters: [{name: a, kernel: [[%s]]}]\n"
    assert "filters.0.kernel.0.0: Input should be a finite number" in problems_of(text % number)


@pytest.mark.parametrize("override", ["extends=base.yaml", "extends=[]"])
def test_extends_is_no_override(override):
    with pytest.raises(ConfigError, match="<override 1>:1:1: error: extends: must stand in a config's file"):
        _ = experiment.planned({**parse(STACK).data}, [override])


def test_extends_is_not_swept():
    assert "extends cannot be swept" in problems_of(STACK + "sweep: {extends: [a, b]}\n")


@pytest.mark.parametrize("key", ["a." * 3000 + "b", "layers." + "9" * 5000 + ".window", "a" * 5000])
def test_an_endless_key_is_one_message(key):
    with pytest.raises(ConfigError):
        _ = experiment.planned(parse(STACK).data, [f"{key}=1"])


@pytest.mark.parametrize("text", ["extends: %s.yaml\n" % ("a" * 300), "extends: loop.yaml\n"])
def test_a_name_that_can_be_no_file_is_said(text, tmp_path):
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"own.yaml:1:10: error: extends: there is no file"):
        _ = experiment.planned(tmp_path / "own.yaml")
    with pytest.raises(ConfigError, match="config must be"):
        _ = experiment.planned("a" * 300)
    with pytest.raises(ConfigError, match="input must be an image file"):
        _ = experiment.run("quickstart", f"input={'a' * 300}", out=tmp_path / "out")


@pytest.mark.parametrize(
    "text", ["08", "1e-1", "0o17", "no", "12:30", "1_000", "~", "012", "yes", "2026-01-01", "=", ""]
)
@pytest.mark.parametrize("kind", ["value", "key"])
def test_what_is_dumped_is_read_as_the_same(text, kind):
    data = {"a": text} if kind == "value" else {text: 1}
    assert parse(document.dump(data)).data == data


def test_a_layer_named_as_a_number_can_be_run_again(tmp_path):
    shared = [3, 3]  # twice in a dict is no alias in a file
    layers = [{"name": "08", "window": shared}, {"name": "1e5", "window": shared}]
    config = {"schema_version": 1, "kind": "arithmetic", "name": "1e-1", "size": 9, "layers": layers}
    results = experiment.run(config, out=tmp_path / "out")
    assert [line["layer"] for line in results] == ["01-08", "02-1e5"]
    _, problems = experiment.planned(tmp_path / "out" / record.RESOLVED)
    assert [problem.case("geometry") for problem in problems] == [line["case"] for line in results]


def test_a_dict_of_no_plain_values_is_said():
    with pytest.raises(ConfigError, match="config must hold maps, lists, text and numbers; got int64"):
        _ = experiment.planned({**parse(STACK).data, "size": np.int64(9)})
    circle: dict[str, object] = {}
    circle["a"] = circle
    with pytest.raises(ConfigError, match="what holds itself"):
        _ = experiment.planned(circle)


def test_many_variants_of_a_large_config_are_refused_before_they_are_made():
    layers = ", ".join(f"{{name: a{i}, window: 3}}" for i in range(300))
    text = f"schema_version: 1\nkind: arithmetic\nname: a\nsize: 99\nlayers: [{layers}]\n"
    text += f"sweep: {{channels: {list(range(1, 101))}, seed: {list(range(100))}}}\n"
    assert "10,000 variants of a config of 1,109 values are too many" in problems_of(text)
