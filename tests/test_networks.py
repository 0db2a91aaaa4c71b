"""The tables of published networks: what the papers print, counts by another way, and layers that fit each other."""

import math
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from jconv.costs import direct_cost
from jconv.errors import ConfigError
from jconv.lab import networks
from jconv.lab.networks import entries
from jconv.receptive import Layer as Field
from jconv.receptive import receptive_field

FOLDER = Path(networks.__file__).parent
# Parameters as published, None where only rounded figures or none are; then multiply-adds as printed.
PUBLISHED: dict[str, tuple[int | None, list[str]]] = {
    "alexnet": (60_965_224, ["724e6", "0.72e9"]),
    "convnext_tiny": (28_589_128, ["4.456e9", "4.5e9"]),
    "dcgan": (3_576_704 + 2_765_568, []),
    "efficientnet_b0": (5_288_548, ["0.386e9", "0.39e9"]),
    "long_filter": (None, []),
    "mobilenet_v2": (3_504_872, ["0.301e9", "3.0e8"]),
    "mobilenet_v3_large": (5_483_032, ["0.217e9"]),
    "replknet_31b": (None, []),
    "resnet50": (25_557_032, ["4.089e9", "4.1e9"]),
    "resnext50_32x4d": (25_028_904, ["4.23e9", "4.2e9"]),
    "unet": (None, []),
    "unet3d": (19_069_955, []),
    "wavenet": (None, []),
}
# What stands between layers: an input's channels and size, and what pools, joins and products make it of.
BETWEEN = {
    "resnet50": {(64, 56, 56): [(64, 112, 112)]},
    "resnext50_32x4d": {(64, 56, 56): [(64, 112, 112)]},
    "alexnet": {(96, 27, 27): [(96, 55, 55)], (256, 13, 13): [(256, 27, 27)]},
    "wavenet": {(64, 16000): [(128, 16000)]},
    "unet": {
        (64, 284, 284): [(64, 568, 568)],
        (128, 140, 140): [(128, 280, 280)],
        (256, 68, 68): [(256, 136, 136)],
        (512, 32, 32): [(512, 64, 64)],
        (1024, 56, 56): [(512, 64, 64), (512, 56, 56)],
        (512, 104, 104): [(256, 136, 136), (256, 104, 104)],
        (256, 200, 200): [(128, 280, 280), (128, 200, 200)],
        (128, 392, 392): [(64, 568, 568), (64, 392, 392)],
    },
    "unet3d": {
        (64, 64, 64, 56): [(64, 128, 128, 112)],
        (128, 30, 30, 26): [(128, 60, 60, 52)],
        (256, 13, 13, 11): [(256, 26, 26, 22)],
        (768, 18, 18, 14): [(256, 26, 26, 22), (512, 18, 18, 14)],
        (384, 28, 28, 20): [(128, 60, 60, 52), (256, 28, 28, 20)],
        (192, 48, 48, 32): [(64, 128, 128, 112), (128, 48, 48, 32)],
    },
}
ENDS = {
    "alexnet": (256, 13, 13),
    "convnext_tiny": (768, 7, 7),
    "dcgan": (1, 1, 1),
    "efficientnet_b0": (1280, 7, 7),
    "long_filter": (64, 8192),
    "mobilenet_v2": (1280, 7, 7),
    "mobilenet_v3_large": (960, 7, 7),
    "replknet_31b": (1024, 7, 7),
    "resnet50": (2048, 7, 7),
    "resnext50_32x4d": (2048, 7, 7),
    "unet": (2, 388, 388),
    "unet3d": (3, 44, 44, 28),
    "wavenet": (256, 16000),
}


def table(name):
    return networks.read(name, Path("nowhere"))


def rounds_to(count: int, printed: str) -> bool:
    """Return whether a count is as printed, to half a unit of the last digit."""
    number = Decimal(printed)
    return abs(count - number) * 2 <= Decimal(1).scaleb(int(number.as_tuple().exponent))


def by_hand(name):
    """Count a table with plain arithmetic on what the file says: no geometry, no padding words but by their meaning."""
    raw = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    parameters, multiplications = 0, 0
    for row in raw["layers"]:
        taps, stride, dilation = math.prod(row["window"]), row.get("stride", 1), row.get("dilation", 1)
        kernel = taps * row["in_channels"] * row["out_channels"] // row.get("groups", 1)
        positions = 1
        for size, window in zip(row["size"], row["window"], strict=True):
            padding = row.get("padding", "SAME")
            if row.get("transposed"):
                positions *= size
            elif padding in ("SAME", "CAUSAL"):
                positions *= math.ceil(size / stride)
            else:
                total = 0 if padding == "VALID" else 2 * padding
                positions *= (size + total - dilation * (window - 1) - 1) // stride + 1
        extra = row.get("bias", False) + 2 * row.get("norm", False)
        parameters += row.get("count", 1) * (kernel + extra * row["out_channels"])
        multiplications += row.get("count", 1) * kernel * positions
    other = raw.get("other", [])
    return (
        parameters + sum(row["parameters"] for row in other),
        multiplications + sum(row["macs"] for row in other),
    )


def shapes(layer):
    return (layer["in_channels"], *layer["size"]), (layer["out_channels"], *entries.output_size(layer))


def test_every_table_is_held():
    assert networks.names() == sorted(PUBLISHED) == sorted(ENDS)
    assert [table(name).name for name in networks.names()] == networks.names()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_totals(name):
    network, (parameters, macs) = table(name), PUBLISHED[name]
    found = networks.total(network)
    if parameters is not None:
        assert found.parameters == parameters == network.published["parameters"]
    for printed in macs:
        assert rounds_to(found.multiplications, printed), (found, printed)
    if macs:
        assert any(network.published["macs"] == Decimal(printed) for printed in macs)
    elif name != "replknet_31b":
        assert network.published["macs"] is None
    assert network.published["note"]
    assert network.source


@pytest.mark.parametrize("name", PUBLISHED)
def test_counted_by_other_ways(name):
    network = table(name)
    assert networks.total(network) == by_hand(name)
    kernels = multiplications = 0
    for layer in network.layers:
        cost = direct_cost(entries.convolution(layer))
        kernels += layer["count"] * cost.parameters
        multiplications += layer["count"] * cost.multiplications
    assert multiplications + sum(row["macs"] for row in network.other) == networks.total(network).multiplications
    vectors = sum(
        layer["count"] * layer["out_channels"] * (layer["bias"] + 2 * layer["norm"]) for layer in network.layers
    )
    assert kernels + vectors + sum(row["parameters"] for row in network.other) == networks.total(network).parameters


@pytest.mark.parametrize("name", PUBLISHED)
def test_layers_fit_each_other(name):
    layers, between = table(name).layers, BETWEEN.get(name, {})
    known = {shapes(layers[0])[0]}
    used = set()
    for layer in layers:
        given, made = shapes(layer)
        pooled = set(given[1:]) == {1} and any(given[0] == other[0] for other in known)
        made_of = between.get(given, ())
        assert given in known or pooled or (made_of and known.issuperset(made_of)), layer
        known.add(made)
        used |= {given, *made_of}
    # A gate's output scales features of as many channels; every other output is read, or is the last.
    gates = {
        shape for shape in known if set(shape[1:]) == {1} and any(shape[0] == other[0] for other in known - {shape})
    }
    assert known - used - gates <= {ENDS[name]}
    assert ENDS[name] in known


@pytest.mark.parametrize("name", PUBLISHED)
def test_layers_are_distinct_and_left_to_defaults(name):
    raw = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    read = table(name)
    alike = Counter(repr({key: layer[key] for key in layer if key not in ("name", "count")}) for layer in read.layers)
    assert max(alike.values()) == 1
    for row, layer in zip(raw["layers"], read.layers, strict=True):
        assert row["name"] == layer["name"]
        assert {key: layer[key] for key in row} == row
        assert tuple(layer) == entries.KEYS[:-1]
        for key, default in entries.DEFAULTS.items():
            assert key == "padding" or row.get(key) is None or row[key] != default, (row, key)


@pytest.mark.parametrize("name", PUBLISHED)
def test_tables_begin_with_their_citation(name):
    text = (FOLDER / f"{name}.yaml").read_text()
    head = text[: text.index("\nname:")]
    assert all(line.startswith("# ") for line in head.splitlines())
    assert name == "alexnet" or "arXiv:" in head


def test_dcgan_halves():
    layers = table("dcgan").layers
    halves = {
        half: sum(entries.parameters(layer) for layer in layers if layer["name"].startswith(half))
        for half in ("generator", "discriminator")
    }
    assert halves == {"generator": 3_576_704, "discriminator": 2_765_568}
    generator = [layer for layer in layers if layer["transposed"]]
    assert [entries.output_size(layer) for layer in generator] == [(n, n) for n in (4, 8, 16, 32, 64)]


def test_replknet_with_and_without_its_small_windows():
    network = table("replknet_31b")
    found = networks.total(network)
    assert rounds_to(found.parameters, "79.5e6")
    large = [layer for layer in network.layers if layer["groups"] > 1 and layer["window"][0] > 5]
    assert [(layer["window"], layer["out_channels"], layer["count"]) for layer in large] == [
        ([31, 31], 128, 2),
        ([29, 29], 256, 2),
        ([27, 27], 512, 18),
        ([13, 13], 1024, 2),
    ]
    # In training a 5×5 window and its norm stand beside each.
    beside = sum(layer["count"] * layer["out_channels"] * (25 + 2) for layer in large)
    assert rounds_to(found.parameters + beside, "79.86e6")
    assert found.multiplications // 10**8 == 153
    assert entries.parameters(large[0]) == 128 * 31 * 31 + 2 * 128


def test_unet_is_the_figure():
    network = table("unet")
    assert sum(layer["count"] for layer in network.layers) == 23
    sizes = [layer["size"][0] for layer in network.layers]
    assert sizes[:10] == [572, 570, 284, 282, 140, 138, 68, 66, 32, 30]
    assert sizes[10:] == [28, 56, 54, 52, 104, 102, 100, 200, 198, 196, 392, 390, 388]
    assert networks.total(network).parameters == 31_030_658


def test_wavenet_sees_what_its_dilations_say():
    layers = [layer for layer in table("wavenet").layers if layer["padding"] == "CAUSAL"]
    stack = [Field(window=2, dilation=layer["dilation"]) for layer in layers for _ in range(layer["count"])]
    assert len(stack) == 31
    assert receptive_field(stack).size == 3 * 1023 + 2


def test_long_filter_is_as_long_as_its_input():
    (layer,) = table("long_filter").layers
    assert layer["window"] == layer["size"] == list(entries.output_size(layer)) == [8192]
    assert networks.total(table("long_filter")) == (64 * 8192, 64 * 8192**2)


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match=r"layers: a network must be one of alexnet, .* got 'resnet5'\. Did you mean"):
        _ = networks.read("resnet5", Path())


def test_reading_needs_no_jax():
    program = (
        "import sys; from pathlib import Path; from jconv.lab import networks; networks.total(networks.read('unet3d', "
        "Path())); print('jax' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"
