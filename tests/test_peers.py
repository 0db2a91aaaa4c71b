"""PyTorch as a contender computes the same, in every geometry it takes, forward and gradients."""

import importlib.util
import sys
from pathlib import Path

import pytest

from jconv.lab import loading, plan
from jconv.lab.document import parse
from jconv.lab.runner import needs_float64
from jconv.lab.session import Session

LAYERS = [
    "window: [3, 2], stride: [2, 1], padding: 1, groups: 2",
    "window: [3, 3], padding: SAME, stride: 2",
    "window: [3, 3], padding: [[1, 2], [0, 1]], dilation: [1, 2]",
    "window: [3, 3], padding: [[-1, 1], [2, -2]]",
    "window: [5], padding: CAUSAL, dilation: 2",
    "window: [2, 3, 2], padding: 1, stride: [1, 2, 1]",
    "window: [3, 3], groups: 4, padding: SAME_LOWER",
    "window: [4, 4], stride: 2, padding: 1, transposed: true",
    "window: [3, 3], stride: 2, padding: 1, output_padding: 1, transposed: true, groups: 2",
    "window: [3, 3], stride: 2, padding: [[1, 0], [0, 2]], transposed: true",
    "window: [2, 2], stride: 3, padding: SAME, transposed: true",
    "window: [3], stride: 2, dilation: 2, padding: [[0, -1]], transposed: true",
]
TRANSFORMS = ["forward", "input_gradient", "kernel_gradient", "gradients", "forward_backward"]


def problems(layer: str, transforms: list[str], **more: object) -> list[plan.Problem]:
    text = (
        "schema_version: 1\nkind: timing\nname: peers\nformulations: [direct]\npeers: [torch]\nsize: 7\nbatch: 2\n"
        f"transforms: [{', '.join(transforms)}]\n" + "".join(f"{key}: {value}\n" for key, value in more.items())
    )
    text += f"layers: [{{name: a, in_channels: 4, out_channels: 4, {layer}}}]\n"
    return plan.plan(loading.validate(parse(text)))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("layer", LAYERS)
def test_torch_agrees_with_float64(layer, tmp_path):
    session = Session(Path(), tmp_path)
    for problem in problems(layer, TRANSFORMS):
        case = session.prepare(problem, "torch")
        assert case.line["status"] == "ok", case.line
        assert case.line["checked_against"] == "float64 oracle"
        assert case.run is not None
        assert case.run() > 0


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize(
    ("layer", "transform", "words"),
    [
        ("window: [3, 3]", "scan", "no scan program is written for it"),
        ("window: [3, 3], padding_mode: edge", "forward", "padding_mode must be zeros; got edge"),
        ("window: [1, 1, 1, 1]", "forward", "it has up to 3 space axes; got 4"),
    ],
)
def test_what_torch_cannot_is_refused_with_its_reason(layer, transform, words, tmp_path):
    (problem,) = problems(layer, [transform])
    line = Session(Path(), tmp_path).prepare(problem, "torch").line
    assert (line["status"], line["reason"]) == ("unsupported", f"the torch contender cannot compute this: {words}")


def test_without_torch_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (problem,) = problems("window: [3, 3]", ["forward"])
    line = Session(Path(), tmp_path).prepare(problem, "torch").line
    assert line["status"] == "unsupported"
    assert line["reason"] == "torch is not installed. pip install 'jconv[peers]' brings it."


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_torch_is_judged_by_the_problems_dtype(dtype, tmp_path):
    planned = problems("window: [3, 3]", ["forward", "gradients"], dtypes=f"[{dtype}]")
    with needs_float64(planned):
        for problem in planned:
            line = Session(Path(), tmp_path).prepare(problem, "torch").line
            assert line["status"] == "ok", line
