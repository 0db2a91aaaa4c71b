"""Configs: the shipped ones are right, and every mistake is shown where it stands."""

import subprocess
import sys
import typing

import pytest

from jconv.errors import ConfigError
from jconv.lab import assemble, config, loading, plan, schema
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
        _ = plan.plan(loading.validate(parse(text, "bad.yaml")))
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(loading.shipped_configs()))
def test_shipped_configs_validate_and_say_what_they_ask(name):
    path = loading.shipped_configs()[name]
    loaded = loading.load(path)
    assert loaded.settings.name == name
    assert plan.plan(loaded)
    first, _, header = path.read_text().partition("schema_version:")[0].partition("\n")
    assert first == "# yaml-language-server: $schema=schema.json"
    assert f"jconv run {name}" in header
    assert "Takes:" in header
    assert "Expected:" in header
    assert header.splitlines()[0].endswith("?")


def test_quickstart_is_shipped():
    assert "quickstart" in loading.shipped_configs()


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
            "      |               ^ Did you mean 'window'? allowed: name, in_channels, out_channels, window, size, "
            "batch, stride, padding, padding_mode, dilation, groups, transposed, output_padding",
            "bad.yaml:6:7: error: size: Input should be a valid integer; got 'two'",
            "    6 | size: two",
            "      |       ^",
            "bad.yaml:7:16: error: formulations.0: Input should be 'sliding', 'direct', 'onednn', 'overhang', "
            "'by_group', 'patches', 'col2im', 'shifts', 'lanes', 'row_scan', 'einsum', 'toeplitz', 'sparse', "
            "'circulant', 'fft', 'overlap_add', 'winograd', 'phases', 'space_to_depth' or 'auto'; got 'fftt'",
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
        ("rounds: 9", "^ Did you mean 'measure.rounds'? allowed: "),
        ("seconds: 9", "^ Did you mean 'measure.seconds' or 'limits.seconds'? allowed: "),
        ("stride: 2", "^ Did you mean 'layers.0.stride'? allowed: "),
        ("formulations: fft", "^ Is it a list? Write [fft]"),
        ("formulations: All", "^ Did you mean 'all'?"),
        ("size: 0", "error: size: Input should be greater than or equal to 1; got 0"),
        ("x: " + "[" * 40, "error: nested deeper than 30 levels"),
        ("size: 99999999999999999999", "error: size: the number is too large"),
        ("size: no", "error: size: Input should be a valid integer; got 'no'"),
        ("formulations: [fft, fft]", "error: formulations.1: 'fft' stands twice"),
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
        ("padding: same", "^ Did you mean 'SAME'?"),
        ("padding_mode: mirror", "layers.0.padding_mode: Input should be 'zeros', 'circular', 'reflect' or 'edge'"),
        ("stride: [1, x]", "layers.0.stride.1: Input should be a valid integer; got 'x'"),
        ("stride: 0", "layers.0.stride: Input should be"),
        ("groups: 3", "layers.0.groups: groups must split the channels evenly, 2 and 4; got 3"),
        ("padding: CAUSAL", "layers.0: a: conv: padding 'CAUSAL' must have one space axis"),
        ("output_padding: 1", "layers.0: a: output_padding must be 0 unless the layer is transposed"),
        ("window: [3]", "layers.0.window: the key 'window' stands twice"),
        ("name: ../evil", "layers.0.name: the key 'name' stands twice"),
    ],
)
def test_a_bad_layer_is_shown(entry, words):
    assert words in problems_of(GOOD.replace("out_channels: 4", f"out_channels: 4, {entry}"))


def test_all_mistakes_are_told_at_once_though_the_kind_is_one():
    wrong = GOOD.replace("photograph", "photograf").replace("out_channels: 4", "out_channels: 4, groups: 3")
    found = problems_of(wrong + "bacth: 2\n").splitlines()
    told = [line.partition(" error: ")[2].partition(";")[0] for line in found if " error: " in line]
    assert told == [
        "kind: kind must be one of photograph, agreement, timing, scaling, training, arithmetic, aot, gallery",
        "layers.0.groups: groups must split the channels evenly, 2 and 4",
        "bacth: unknown key 'bacth'",
    ]


def test_a_wrong_kind_is_told_beside_a_wrong_sweep():
    found = problems_of(GOOD.replace("photograph", "photograf") + "sweep: {size: 5}\n")
    assert "kind must be one of" in found and "sweep.size must be a list" in found.replace(
        "sweep.size: ", "sweep.size "
    )


def test_groups_of_a_scaling_split_the_channels_that_it_sets():
    text = """
schema_version: 1
kind: scaling
name: a
layer: {name: a, in_channels: 1, out_channels: 1, window: 3, size: 8, groups: 8}
axis: channels
values: [8, 16, 32]
"""
    assert len(plan.plan(loading.validate(parse(text, "good.yaml")))) == 3
    assert "groups must split the channels evenly" in problems_of(text.replace("[8,", "[9,"))


def test_names_cannot_leave_the_folder():
    found = problems_of(GOOD.replace("name: a,", "name: ../a,"))
    assert "layers.0.name: String should match pattern" in found
    assert "^ letters, digits, '.', '_' and '-' only, a letter or digit first" in found


def test_a_shipped_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "quickstart").mkdir()
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert loading.find("quickstart").name == "quickstart.yaml"
    with pytest.raises(ConfigError, match="got the folder mine"):
        _ = loading.find("mine")


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


TIMING = """\
schema_version: 1
kind: timing
name: swept
formulations: [direct, shifts]
layers:
  - {name: a, window: 3, in_channels: 2, out_channels: 4}
  - {name: b, window: 3, in_channels: 2, out_channels: 4}
"""


def planned(text: str, *overrides: str) -> list[plan.Problem]:
    return plan.plan(loading.validate(assemble.overridden(parse(text, "own.yaml"), overrides)))


def test_overrides_change_what_they_name():
    problems = planned(TIMING, "layers[name=b].stride=2", "layers.0.window=[1, 5]", "measure.rounds=7", "batch=3")
    a, b = (problem.canonical for problem in problems)
    assert a.startswith("n3_i32x32c2_k1x5o4_s1x1_")
    assert b.startswith("n3_i32x32c2_k3x3o4_s2x2_")
    assert {problem.settings.measure.rounds for problem in problems} == {7}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("batch", "<override 1>:1:1: error: an override must read key=value"),
        ("batch=two", "<override 1>:1:7: error: batch: Input should be a valid integer; got 'two'"),
        ("bacth=2", "<override 1>:1:1: error: bacth: unknown key 'bacth'"),
        ("bacth=2", "^ Did you mean 'batch'?"),
        ("layers[name=c].stride=2", "<override 1>:1:1: error: layers[name=c].stride: no entries have name=c"),
        ("layers.7.stride=2", "<override 1>:1:1: error: layers.7.stride: there is no layers.7: layers is a list of 2"),
        ("name.x=2", "there is no name.x: name is 'swept'"),
        ("batch=[1", "<override 1>:1:9: error: not YAML"),
        ("batch=!!int 1", "error: the tag tag:yaml.org,2002:int is refused"),
        ("=2", "error: : '' is no key"),
        ("a b=2", "'a b' is no key"),
        (
            "kind=tming",
            "kind must be one of photograph, agreement, timing, scaling, training, arithmetic, aot, gallery; "
            "got 'tming'",
        ),
        ("limits.isolate=cases", "Did you mean 'case'?"),
    ],
)
def test_a_bad_override_is_shown(override, words):
    with pytest.raises(ConfigError) as caught:
        _ = planned(TIMING, override)
    assert words in str(caught.value)


def test_a_sweep_is_a_product_and_a_zip_goes_side_by_side():
    text = TIMING + (
        "sweep: {batch: [1, 8], 'layers[name=a].window': {start: 1, end: 4, multiplier: 2}}\n"
        "zip: {layers.1.in_channels: [2, 4], layers.1.out_channels: [6, 8]}\n"
        "exclude: {batch: 8, layers.1.in_channels: 4}\n"
    )
    names = [problem.layer for problem in planned(text)]
    assert len(names) == len(set(names)) == 2 * (3 * 2 + 3)
    assert names[0] == "a@batch=1,window=1,in_channels=2,out_channels=6"
    last = planned(text)[-1]
    assert last.facts["variant"] == {"batch": 8, "window": 4, "in_channels": 2, "out_channels": 6}
    assert last.canonical.startswith("n8_i32x32c2_k3x3o6_")
    assert planned(text)[-2].canonical.startswith("n8_i32x32c2_k4x4o4_")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sweep: {batch: 3}", "own.yaml:8:16: error: sweep.batch: must be a list of values or a range"),
        ("sweep: {batch: []}", "error: sweep.batch: must be a list of values or a range"),
        ("sweep: {batch: {start: 1, end: 9}}", "error: sweep.batch: must be a list of values or a range"),
        ("sweep: {batch: {start: 1, end: 9, multiplier: 1}}", "a range needs 0 < start ≤ end and multiplier > 1"),
        ("sweep: {batch: [1, two]}", "own.yaml:8:20: error: batch: Input should be a valid integer; got 'two'"),
        ("sweep: {bacth: [1, 2]}", "unknown key 'bacth'"),
        ("sweep: {name: [a, b]}", "name cannot be swept"),
        ("sweep: {batch: [2, 2]}", "two variants read batch=2"),
        ("zip: {batch: [1, 2], size: [8, 9, 10]}", "lists zipped together must be equally long; got [2, 3] values"),
        ("zip: [3]", "error: zip.0: must map keys to lists of values"),
        ("sweep: {batch: [1]}\nexclude: {size: 3}", "own.yaml:9:17: error: exclude.size: size is not swept"),
        ("sweep: {batch: [1]}\nexclude: {batch: 1}", "no variant is left"),
        ("sweep: {batch: [1, 2]}\nzip: {batch: [1, 2]}", "batch is swept twice"),
        (
            "sweep: {"
            + ", ".join(f"{k}: {{start: 1, end: 1e12, multiplier: 1.1}}" for k in ("batch", "size", "seed"))
            + "}",
            "variants are too many",
        ),
    ],
)
def test_a_bad_sweep_is_shown(line, words):
    with pytest.raises(ConfigError) as caught:
        _ = planned(TIMING + line + "\n")
    assert words in str(caught.value)


def test_extends_merges_and_keeps_places(tmp_path):
    (tmp_path / "base.yaml").write_text(
        TIMING.replace("name: swept", "name: base") + "measure: {rounds: 9, slow: 1.5}\n"
    )
    own = tmp_path / "own.yaml"
    own.write_text("extends: [base.yaml]\nname: own\nmeasure: {rounds: 5}\n")
    loaded = loading.load(own, ["measure.seconds=0.5"])
    measure = loaded.settings.measure
    assert (loaded.settings.name, measure.rounds, measure.slow, measure.seconds) == ("own", 5, 1.5, 0.5)
    assert "extends" not in loaded.resolved()
    (tmp_path / "base.yaml").write_text(TIMING.replace("window: 3", "window: x"))
    with pytest.raises(ConfigError, match=r"base\.yaml:6:23: error: layers\.0\.window: "):
        _ = loading.load(own)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("extends: gone.yaml", "own.yaml:1:10: error: extends: there is no file gone.yaml"),
        ("extends: ../up.yaml", "error: extends: ../up.yaml lies outside the folder of the config"),
        ("extends: /etc/passwd", "lies outside the folder of the config"),
        ("extends: own.yaml", "own.yaml extends itself, in a circle"),
        ("extends: [other.yaml]", "own.yaml extends itself, in a circle"),
        ("extends: [3]", "error: extends.0: must name a YAML file"),
        ("extends: quickstar.yaml", "there is no file quickstar.yaml"),
    ],
)
def test_a_bad_extends_is_shown(tmp_path, text, words):
    (tmp_path / "up.yaml").write_text(TIMING)
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "own.yaml").write_text(text + "\n")
    (folder / "other.yaml").write_text("extends: own.yaml\n")
    with pytest.raises(ConfigError) as caught:
        _ = loading.load(folder / "own.yaml")
    assert words in str(caught.value)


def test_a_link_out_of_the_folder_is_followed_and_refused(tmp_path):
    (tmp_path / "secret.yaml").write_text(TIMING)
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (folder / "own.yaml").write_text("extends: link.yaml\n")
    with pytest.raises(ConfigError, match="lies outside the folder"):
        _ = loading.load(folder / "own.yaml")


def test_a_shipped_config_can_be_extended_by_name(tmp_path):
    (tmp_path / "own.yaml").write_text("extends: quickstart\nname: mine\nsize: 40\n")
    loaded = loading.load(tmp_path / "own.yaml")
    assert loaded.settings.name == "mine"
    assert len(plan.plan(loaded)) == 20


def test_resolved_means_the_same(tmp_path):
    text = TIMING + "sweep: {batch: [1, 8], layers.0.window: [1, 3]}\n"
    loaded = loading.validate(parse(text))
    import yaml

    (tmp_path / "again.yaml").write_text(yaml.safe_dump(loaded.resolved()))
    again = loading.load(tmp_path / "again.yaml")
    assert [p.cases() for p in plan.plan(again)] == [p.cases() for p in plan.plan(loaded)]
    assert again.resolved() == loaded.resolved()


def test_the_schema_beside_the_configs_is_that_of_the_models():
    path = loading.shipped_configs()["quickstart"].with_name("schema.json")
    assert path.read_text() == schema.text()


KINDS = {
    "agreement": "layers: resnet50\ntransforms: [forward, jvp]\ndtypes: [float32, bfloat16]",
    "timing": "layers: unet3d\npeers: [torch]",
    "scaling": "axis: channels\nvalues: [4, 8, 16]\n"
    "layer: {name: a, window: 3, in_channels: 4, out_channels: 4, groups: 4}",
    "training": "model: lenet\nseeds: [0, 1]",
    "arithmetic": "size: 32\nlayers: [{name: a, window: 3}, {name: b, window: 2, stride: 2, transposed: true}]",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_plans_distinct_cases(kind):
    problems = planned(f"schema_version: 1\nkind: {kind}\nname: x\n{KINDS[kind]}\n")
    cases = [case for problem in problems for case in problem.cases()]
    assert cases
    assert len(set(cases)) == len(cases)
    assert all(" " not in case for case in cases)


def test_scaling_keeps_a_depthwise_layer_depthwise():
    problems = planned(f"schema_version: 1\nkind: scaling\nname: x\n{KINDS['scaling']}\n")
    assert [p.call.convolution.geometry.groups for p in problems if p.call] == [4, 8, 16]
    assert [p.facts["value"] for p in problems] == [4, 8, 16]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("resnet5", "layers: a network must be one of"),
        ("resnet5", "Did you mean 'resnet50'?"),
        ("gone.jsonl", "gone.jsonl"),
    ],
)
def test_a_network_that_is_none_is_shown_where_it_is_named(layers, words):
    text = f"schema_version: 1\nkind: timing\nname: x\nlayers: {layers}\n"
    with pytest.raises(ConfigError) as caught:
        _ = planned(text)
    assert str(caught.value).startswith("own.yaml:4:9: error: layers: ")
    assert words in str(caught.value)


def test_a_one_dimensional_layer_needs_no_more_words_than_a_square_one():
    text = TIMING.replace(
        "window: 3, in_channels: 2, out_channels: 4", "window: [5], in_channels: 2, out_channels: 4, padding: CAUSAL", 1
    )
    one, two = planned(text)
    assert one.canonical == "n1_i32c2_k5o4_s1_p4:0_d1_g1_float32_zeros"
    assert two.canonical == "n1_i32x32c2_k3x3o4_s1x1_p1:1x1:1_d1x1_g1_float32_zeros"


def test_reflection_wider_than_the_picture_needs_no_jax_to_be_refused():
    text = TIMING.replace("out_channels: 4}", "out_channels: 4, size: 2, padding: 3, padding_mode: reflect}", 1)
    with pytest.raises(
        ConfigError, match=r"own\.yaml:6:5: error: layers\.0: a: conv: padding must be at most size − 1"
    ):
        _ = planned(text)
