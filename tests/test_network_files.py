"""A user's own tables: JSON lines in our keys, other people's lists as they are, YAML, and everything that is wrong."""

import json
import math
import os
import random
import re

import cases
import pytest

from jconv.costs import direct_cost
from jconv.errors import ConfigError
from jconv.geometry import conv_geometry
from jconv.lab import networks
from jconv.lab.networks import entries

OURS = {"name": "a", "size": [8, 7], "in_channels": 4, "out_channels": 6, "window": [3, 2]}
ROW = {"name": "conv/1", "mb": 2, "g": 1, "ic": 3, "oc": 8, "i": [9], "o": [5], "k": [3], "s": [2], "d": [1]}
ROW |= {"pl": [1], "pr": [1]}
LEGAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


def own(tmp_path, *rows, name="own.jsonl"):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    _ = (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    return networks.read(name, tmp_path)


def refused(tmp_path, *rows, name="own.jsonl"):
    with pytest.raises(ConfigError) as error:
        _ = own(tmp_path, *rows, name=name)
    return str(error.value)


@pytest.mark.parametrize("name", ["shapes_onednn_conv", "shapes_onednn_deconv", "shapes_convbench"])
def test_lists_of_others_as_they_are(name, pytestconfig):
    rows = cases.load(name)
    network = networks.read(f"cases/{name}.jsonl", pytestconfig.rootpath / "tests")
    assert network.name == name
    assert (network.published, network.other) == ({}, ())
    assert all(LEGAL.fullmatch(layer["name"]) for layer in network.layers)
    assert len({layer["name"] for layer in network.layers}) == len(rows)
    for row, layer in zip(rows, network.layers, strict=True):
        assert list(entries.output_size(layer)) == row["o"], row
        assert entries.multiplications(layer) == row["mac"], row
        assert layer["transposed"] == ("deconv" in name)
        assert (layer.get("batch"), layer["in_channels"], layer["out_channels"]) == (row["mb"], row["ic"], row["oc"])
        if row.get("padding") == "SAME_UPPER":
            same = conv_geometry((*row["i"], 1), (*row["k"], 1, 1), stride=row["s"], padding="SAME", dilation=row["d"])
            assert same.low == entries.convolution(layer).geometry.low
            assert list(same.output_size) == row["o"]


def test_some_lists_have_what_is_rare():
    assert any(min(row["pr"]) < 0 for row in cases.load("shapes_onednn_conv"))
    assert any(min(row["pr"]) < 0 for row in cases.load("shapes_onednn_deconv"))
    assert any("padding" in row for row in cases.load("shapes_convbench"))


def test_an_int_stands_for_all_axes(tmp_path):
    (tmp_path / "own.yaml").write_text(
        "layers:\n  - {name: a, size: [9], in_channels: 1, out_channels: 1, window: 3}\n"
        "  - {name: b, size: 9, in_channels: 1, out_channels: 1, window: [3, 3, 3]}\n"
        "  - {name: c, size: 9, in_channels: 1, out_channels: 1, window: 3}\n"
    )
    layers = networks.read("own.yaml", tmp_path).layers
    assert [(layer["size"], layer["window"]) for layer in layers] == [
        ([9], [3]),
        ([9] * 3, [3] * 3),
        ([9] * 2, [3] * 2),
    ]


def test_a_wrong_list_is_blamed_alone(tmp_path):
    text = refused(tmp_path, OURS | {"size": [], "window": 3})
    assert text.count("error:") == 1 and "got []" in text


def test_pools_are_refused(pytestconfig):
    with pytest.raises(ConfigError) as error:
        _ = networks.read("cases/shapes_onednn_pool.jsonl", pytestconfig.rootpath / "tests")
    text = str(error.value)
    assert text.count("a pool is no convolution") == 20
    assert text.endswith("jsonl: error: … and 145 more")


def test_a_row_becomes_a_layer(tmp_path):
    row = ROW | {"name": "x/deconv/1", "i": [4], "o": [9], "pr": [-1], "pl": [0], "k": [2], "bias": True, "n_used": 3}
    (layer,) = own(tmp_path, row).layers
    assert layer == {
        "name": "x-deconv-1",
        "size": [4],
        "in_channels": 3,
        "out_channels": 8,
        "window": [2],
        "stride": 2,
        "padding": [[0, 0]],
        "dilation": 1,
        "groups": 1,
        "transposed": True,
        "output_padding": 1,
        "padding_mode": "zeros",
        "count": 3,
        "bias": True,
        "norm": False,
        "batch": 2,
    }
    assert entries.parameters(layer) == 2 * 3 * 8 + 8


def test_both_forms_and_empty_lines_in_one_file(tmp_path):
    network = own(tmp_path, OURS, "", ROW, "  ", OURS | {"batch": 5}, name="My table!.jsonl")
    assert network.name == "My-table"
    assert [(layer["name"], layer.get("batch")) for layer in network.layers] == [("a", None), ("conv-1", 2), ("a-2", 5)]


@pytest.mark.parametrize("name", networks.names())
def test_a_table_survives_the_way_through_json_lines(name, tmp_path):
    network = networks.read(name, tmp_path)
    again = own(tmp_path, *network.layers)
    assert again.layers == network.layers


def test_a_byte_order_mark_and_windows_line_ends_are_nothing_wrong(tmp_path):
    _ = (tmp_path / "own.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(OURS).encode() + b"\r\n")
    assert networks.read("own.jsonl", tmp_path).layers[0]["name"] == "a"


def test_names():
    many = entries.legal_names(["é" * 70, "x" * 80, "x" * 80, "x" * 60, "../../etc", "-", "a\nb", "CON", ""])
    assert many == ["layer", "x" * 60, "x" * 58 + "-2", "x" * 58 + "-3", "etc", "layer-2", "a-b", "CON", "layer-3"]
    assert len(set(entries.legal_names(["a"] * 1000))) == 1000
    assert all(LEGAL.fullmatch(name) for name in many)


def test_counts_are_those_of_the_definition(tmp_path):
    (layer,) = own(
        tmp_path, OURS | {"padding": [[1, 2], 0], "stride": [1, 2], "groups": 2, "bias": True, "batch": 3}
    ).layers
    assert entries.output_size(layer) == (9, 3)
    assert entries.parameters(layer) == 3 * 2 * 2 * 6 + 6
    assert entries.multiplications(layer) == 3 * 27 * 3 * 2 * 2 * 6
    up = own(tmp_path, OURS | {"stride": 2, "transposed": True, "output_padding": [1, 0], "padding": 0}).layers[0]
    assert entries.output_size(up) == (18, 14)
    assert entries.multiplications(up) == 56 * 6 * 4 * 6 == direct_cost(entries.convolution(up)).multiplications


WRONG = [
    ("{", "not JSON: "),
    ("[1, 2]", r"a layer must be keys and values; got \[1, 2\]"),
    ("3", "a layer must be keys and values; got 3"),
    ('{"name": "a", "name": "b"}', "the key 'name' stands twice"),
    ('{"size": ' + "9" * 5000 + "}", "a number has too many digits"),
    ("[" * 100_000, "nested too deeply|not JSON"),
    ({"name": "a"}, "the key 'size' is missing"),
    (OURS | {"windw": [1]}, r"windw: unknown key 'windw'\n.*\n.*Did you mean 'window'\? allowed: name, size"),
    (OURS | {"size": 0}, r"size: must be an int, or a list of ints from 1 to 10\*\*12; got 0"),
    (OURS | {"size": [8, 0]}, r"size: must be an int, or a list of ints from 1 .*; got \[8, 0\]"),
    (OURS | {"size": []}, "size: must be an int, or a list of ints"),
    (OURS | {"size": [2] * 9, "window": [2] * 9}, "size: must be an int, or a list of ints"),
    (OURS | {"window": [3]}, "window: must be an int, or a list of 2 ints, one per axis of size; got"),
    (OURS | {"in_channels": 3.0}, r"in_channels: must be an int from 1 to 10\*\*12; got 3.0"),
    (OURS | {"in_channels": True}, "in_channels: must be an int"),
    (OURS | {"in_channels": 10**13}, "in_channels: must be an int"),
    (OURS | {"in_channels": float("inf")}, "in_channels: must be an int.*; got inf"),
    (OURS | {"stride": [1, "2"]}, "stride: must be an int, or a list of ints"),
    (OURS | {"dilation": 0}, "dilation: must be an int, or a list of"),
    (OURS | {"padding": "SMAE"}, "padding: must be one of VALID, SAME.*; got 'SMAE'"),
    (OURS | {"padding": [[1, 2, 3], 1]}, "padding: must be one of"),
    (OURS | {"padding": [1]}, "padding: must be one of"),
    (OURS | {"padding": "CAUSAL"}, "padding 'CAUSAL' must have one space axis"),
    (OURS | {"padding_mode": "wrap"}, "padding_mode: must be one of zeros, circular, reflect, edge; got 'wrap'"),
    (OURS | {"transposed": 1}, "transposed: must be true or false; got 1"),
    (OURS | {"output_padding": 1}, "output_padding: must be 0 unless the layer is transposed"),
    (OURS | {"transposed": True, "output_padding": 1}, "output_padding must be below the larger of stride"),
    (OURS | {"groups": 3}, "conv: groups must split the channels evenly; got groups=3"),
    (OURS | {"window": [9, 9], "padding": 0}, "conv: window must fit the padded input"),
    (OURS | {"transposed": True, "padding": 9}, "conv_transpose: padding must leave an output"),
    (OURS | {"name": ""}, "name: must be a name; got ''"),
    (OURS | {"name": 3}, "name: must be a name; got 3"),
    (OURS | {"count": 0}, "count: must be an int from 1"),
    (ROW | {"o": [4]}, r"o: must be the output size of the row, \[5\]; got \[4\]\n.*\n.*'/deconv/'"),
    (ROW | {"pl": [0.5]}, r"pl: must be a list of ints, as long as i; got \[0.5\]"),
    (ROW | {"pl": [1, 1]}, "pl: must be a list of ints, as long as i"),
    (ROW | {"i": 5}, "i: must be a list of ints"),
    (ROW | {"ic": "3"}, "ic: must be an int from 1"),
    (ROW | {"s": [0]}, "s: must be an int, or a list of"),
    (ROW | {"n_used": 0}, "n_used: must be an int"),
    (ROW | {"padding": "SAME_LOWER"}, "padding: must be SAME_UPPER where it is given; got 'SAME_LOWER'"),
    (ROW | {"name": None}, "name: must be a name; got None"),
    ({key: ROW[key] for key in ROW if key != "k"}, "the key 'k' is missing"),
]


@pytest.mark.parametrize(("row", "message"), WRONG)
def test_wrong_lines(row, message, tmp_path):
    text = refused(tmp_path, OURS, "", row)
    assert re.match(rf"own\.jsonl:3: error: (.*: )?({message})", text), text
    assert "\n    3 | " in text
    assert max(map(len, text.splitlines())) < 400


def test_all_at_once_but_no_more_than_twenty(tmp_path):
    text = refused(tmp_path, OURS | {"window": 0, "count": -1}, OURS, OURS | {"size": None})
    assert [line[:12] for line in text.splitlines() if "error:" in line] == [
        "own.jsonl:1:",
        "own.jsonl:1:",
        "own.jsonl:3:",
    ]
    text = refused(tmp_path, *[{"name": "a"}] * 30)
    assert text.count(": error: the key") == 20
    assert text.endswith("own.jsonl: error: … and 100 more")


def test_a_quoted_line_cannot_steer_a_terminal(tmp_path):
    text = refused(tmp_path, '{"name": "\x1b[2J\\u001b[2J", "size": 3}')
    assert "\x1b" not in text


def test_a_layer_too_large_to_run_is_still_read_and_counted(tmp_path):
    network = own(tmp_path, OURS | {"in_channels": 4_294_967_311, "size": [134_217_732, 7]})
    assert networks.total(network).parameters == 6 * 4_294_967_311 * 6


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("none.jsonl", r"a network's file must exist, beside the config; got 'none.jsonl'"),
        ("folder.yaml", "must exist"),
        ("pipe.jsonl", "must exist"),
        ("x" * 300 + ".jsonl", "must be readable|must exist"),
        ("a\0b.jsonl", "must exist|must be readable"),
        ("own.csv", r"must be one of alexnet, .*, or a file that ends in .yaml or .yml or .jsonl; got 'own.csv'"),
        ("", "must be one of"),
        ("empty.jsonl", "empty.jsonl: error: the file holds no layer"),
        ("latin.jsonl", "latin.jsonl:2: error: a table must be UTF-8 text"),
        ("large.jsonl", "large.jsonl: error: a table must have at most 20,000,000 bytes"),
        ("large.yaml", "large.yaml: error: a table must have at most 1,000,000 bytes.*JSON lines"),
    ],
)
def test_wrong_files(word, message, tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    _ = (tmp_path / "empty.jsonl").write_text("\n\n")
    _ = (tmp_path / "latin.jsonl").write_bytes(json.dumps(OURS).encode() + b"\n\xe9")
    for name, size in (("large.jsonl", 20_000_001), ("large.yaml", 1_000_001)):
        with (tmp_path / name).open("wb") as file:
            _ = file.truncate(size)
    with pytest.raises(ConfigError, match=message):
        _ = networks.read(word, tmp_path)


def test_a_table_in_yaml(tmp_path):
    text = "name: mine\nother:\n  - {name: fc, parameters: 10, macs: 5}\nlayers:\n  - " + json.dumps(
        OURS | {"count": 2}
    )
    network = own(tmp_path, text, name="own.yml")
    assert network.name == "mine"
    assert networks.total(network) == (2 * 6 * 4 * 6 + 10, 2 * 56 * 6 * 4 * 6 + 5)
    assert own(tmp_path, f"layers: [{json.dumps(OURS)}]", name="own.yaml").name == "own"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "own.yaml:1:1: error: a table must be keys and values"),
        ("name: a", "own.yaml:1:1: error: layers: a table must list its layers"),
        ("layers: []", "own.yaml:1:9: error: layers: a table must list its layers"),
        ("layers: 3", "own.yaml:1:9: error: layers: a table must list its layers"),
        ("layers:\n  - 3", "own.yaml:2:5: error: layers.0: a layer must be keys and values; got 3"),
        ("layers:\n  - {name: a, sise: [3]}", r"own.yaml:2:15: error: layers.0.sise: unknown key 'sise'"),
        ("layers:\n  - {name: a, size: x}", r"own.yaml:2:21: error: layers.0.size: must be an int, or a list of ints"),
        ("layer: []", r"own.yaml:1:1: error: layer: unknown key 'layer'\n.*\n.*Did you mean 'layers'\?"),
        ("name: 3\nlayers: []", "own.yaml:1:7: error: name: must be text; got 3"),
        ("published: {params: 1}", "own.yaml:1:12: error: published: must have the keys parameters, macs, note"),
        ("published:", "published: must have the keys"),
        ("published: {macs: 1.5}", "published.macs: must be an int or null; got 1.5"),
        ("published: {note: 1}", "published.note: must be text; got 1"),
        ("other: 3", "other: must be a list; got 3"),
        ("other: [{name: a}]", "other.0: must have a name and the ints parameters and macs"),
        ("other: [{name: a, macs: 1, parameters: -1}]", "other.0: must have a name"),
        ("a: [", "own.yaml:1:5: error: not YAML"),
        ("", "own.yaml:1:1: error: the file is empty"),
        ("layers:\n" + "  - {}\n" * 30, "… and 130 more"),
        ("layers: !!python/object:os.system {}", "the tag .* is refused"),
    ],
)
def test_wrong_tables(text, message, tmp_path):
    found = refused(tmp_path, text, name="own.yaml")
    assert re.search(message, found), found
    assert found.count(" error: ") <= 21


def mutated_values(rng):
    """Return one of our entries or a row, with a few values exchanged or gone."""
    row = dict(rng.choice([OURS, ROW, OURS | {"padding": [[1, 2], 0], "transposed": True}, ROW | {"name": "/deconv/"}]))
    odd = [0, -1, 1, 2, 10**12, 10**13, 1.5, True, None, "x", "SAME", [], {}, [1], [2, 2], [[1, 2], 0], [0, "2"], [[0]]]
    for _ in range(rng.randint(1, 3)):
        row[rng.choice([*row, *entries.KEYS])] = rng.choice(odd)
        if rng.random() < 0.1:
            _ = row.popitem()
    return json.dumps(row)


def mutated_text(rng, text):
    """Return a text with a few characters exchanged for what parsers mind."""
    pieces = ["", "-", "0", "9" * 20, "null", "{}", "[]", '"', ":", ",", "\n", "\\u0000", "1e999", "true", "é"]
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(pieces) + text[at + rng.randint(0, 3) :]
    return text


def test_mutated_files_are_read_or_refused_with_a_message(tmp_path):
    rng = random.Random(0)
    table = f"layers:\n  - {json.dumps(OURS)}\nother: [{{name: a, macs: 1, parameters: 1}}]\npublished: {{macs: 3}}"
    read = 0
    for trial in range(900):
        suffix = ("yaml", "jsonl", "jsonl")[trial % 3]
        text = (
            mutated_values(rng) if trial % 3 == 2 else mutated_text(rng, table if suffix == "yaml" else json.dumps(ROW))
        )
        try:
            layers = own(tmp_path, text, name=f"own.{suffix}").layers
        except ConfigError as error:
            assert f"own.{suffix}" in str(error)
        else:
            read += 1
            assert all(math.prod(entries.output_size(layer)) > 0 for layer in layers)
    assert 50 < read < 850
