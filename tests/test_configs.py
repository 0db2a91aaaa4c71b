"""Configs: the shipped ones are right, and every mistake is shown where it stands."""

import subprocess
import sys
import typing

import pytest

from jconv.errors import ConfigError
from jconv.lab import config, plan
from jconv.lab.document import parse

GOOD = """\
schema_version: 1
kind: photograph
name: good
layers:
  - {name: a, window: [3, 3], in_channels: 2, out_channels: 4}
"""


def problems_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        document = parse(text, "bad.yaml")
        plan.plan(config.validate(document), document)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(config.shipped_configs()))
def test_shipped_configs_validate_and_say_what_they_ask(name):
    path = config.shipped_configs()[name]
    settings, document = config.load(path)
    assert settings.name == name
    assert plan.plan(settings, document)
    header = document.text.partition("schema_version")[0]
    assert f"jconv run {name}" in header
    assert "Takes:" in header
    assert "Expected:" in header
    assert header.splitlines()[0].endswith("?")


def test_quickstart_is_shipped():
    assert "quickstart" in config.shipped_configs()


def test_names_are_those_of_the_table():
    from jconv.formulations import FORMULATIONS

    assert typing.get_args(config.FormulationName) == (*FORMULATIONS, "auto")


def test_configs_and_plans_need_no_jax():
    code = "import sys, jconv.lab.plan, jconv.lab.record, jconv.lab.report; assert 'jax' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stderr


def test_all_errors_come_at_once_each_at_its_place():
    text = GOOD.replace("window: [3, 3]", "windw: [3, 3]") + "size: two\nformulations: [fftt]\nmeasure: {rounds: 1}\n"
    assert problems_of(text) == "\n".join(
        [
            "bad.yaml:5:5: error: layers.0.window: the key 'window' is missing",
            "    5 |   - {name: a, windw: [3, 3], in_channels: 2, out_channels: 4}",
            "      |     ^ add 'window: …'",
            "bad.yaml:5:15: error: layers.0.windw: unknown key 'windw'",
            "    5 |   - {name: a, windw: [3, 3], in_channels: 2, out_channels: 4}",
            "      |               ^ Did you mean 'window'? allowed: name, window, in_channels, out_channels, stride, "
            "padding, padding_mode, dilation, groups, transposed, output_padding, size",
            "bad.yaml:6:7: error: size: Input should be a valid integer; got 'two'",
            "    6 | size: two",
            "      |       ^",
            "bad.yaml:7:16: error: formulations.0: Input should be 'sliding', 'direct', 'patches', 'shifts', 'einsum', "
            "'toeplitz', 'sparse', 'circulant', 'fft', 'phases' or 'auto'; got 'fftt'",
            "    7 | formulations: [fftt]",
            "      |                ^ Did you mean 'fft'?",
            "bad.yaml:8:19: error: measure.rounds: Input should be greater than or equal to 3; got 1",
            "    8 | measure: {rounds: 1}",
            "      |                   ^",
        ]
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("size: 012", "bad.yaml:6:7: error: size: 012 starts with a zero"),
        ("size: !!int 12", "bad.yaml:6:7: error: the tag tag:yaml.org,2002:int is refused"),
        ("x: &a [1]\ny: *a", "bad.yaml:7:4: error: aliases are refused"),
        ("name: again", "bad.yaml:6:1: error: name: the key 'name' stands twice"),
        ("size: '12'", "error: size: Input should be a valid integer; got '12'"),
        ("size: true", "error: size: Input should be a valid integer; got True"),
        ("size: 0", "error: size: Input should be greater than or equal to 1; got 0"),
        ("x: " + "[" * 40, "error: nested deeper than 30 levels"),
        ("size: 99999999999999999999", "error: size: the number is too large"),
        ("size: no", "error: size: Input should be a valid integer; got 'no'"),
        ("formulations: [fft, fft]", "error: formulations: a formulation stands twice"),
        ("filters: [{name: a, kernel: [[1]]}]", "error: layers.0.name: the name 'a' stands twice"),
        ("filters: [{name: b, kernel: [[1], [1, 2]]}]", "error: filters.0: b: kernel must have rows of one length"),
        ("measure: {seconds: .nan}", "error: measure.seconds: Input should be"),
    ],
)
def test_a_bad_line_is_shown(line, words):
    assert words in problems_of(GOOD + line + "\n")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("padding: SAM", "layers.0.padding: Input should be 'VALID', 'SAME', 'SAME_LOWER', 'FULL' or 'CAUSAL' or"),
        ("padding: SAM", "^ Did you mean 'SAME'?"),
        ("padding_mode: mirror", "layers.0.padding_mode: Input should be 'zeros', 'circular', 'reflect' or 'edge'"),
        ("stride: [1, x]", "layers.0.stride.1: Input should be a valid integer; got 'x'"),
        ("stride: 0", "layers.0.stride: Input should be"),
        ("groups: 3", "layers.0: a: groups must split the channels evenly; got groups=3"),
        ("padding: CAUSAL", "layers.0: a: conv: padding 'CAUSAL' must have one space axis"),
        ("output_padding: 1", "layers.0: a: output_padding must be 0 unless the layer is transposed"),
        ("window: [3]", "layers.0.window: the key 'window' stands twice"),
        ("name: ../evil", "layers.0.name: the key 'name' stands twice"),
    ],
)
def test_a_bad_layer_is_shown(entry, words):
    assert words in problems_of(GOOD.replace("out_channels: 4", f"out_channels: 4, {entry}"))


def test_names_cannot_leave_the_folder():
    assert "layers.0.name: String should match pattern" in problems_of(GOOD.replace("name: a,", "name: ../a,"))


def test_a_shipped_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "quickstart").mkdir()
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert config.find("quickstart").name == "quickstart.yaml"
    with pytest.raises(ConfigError, match="got the folder mine"):
        _ = config.find("mine")


def test_nothing_to_run_is_said():
    assert "nothing to run" in problems_of(GOOD.partition("layers")[0])


def test_not_a_map_is_said():
    assert "a config must be keys and values" in problems_of("- 1\n- 2\n")


def test_yaml_means_what_it_shows():
    data = parse("a: 1e-1\nb: no\nc: 12:30\nd: 1_000\ne: 0x10\nf: ~\ng: -.inf\nh: 'on'\n").data
    assert data == {
        "a": 0.1,
        "b": "no",
        "c": "12:30",
        "d": "1_000",
        "e": 16,
        "f": None,
        "g": float("-inf"),
        "h": "on",
    }
