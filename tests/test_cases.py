"""Inputs and outputs that others wrote down, of every kind that jconv can express."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import Case, array, channels_last, load, tolerance

import jconv
from jconv.errors import GeometryError

FILES = ("burn", "jaxlibs", "onnx", "onnx_other", "tfjs", "webnn", "wpt")
CASES = [case for file in FILES for case in load(f"values_{file}")]
MODES = {"zeros": "zeros", "constant": "zeros", "reflect": "reflect", "reflection": "reflect", "edge": "edge",
         "wrap": "circular"}  # fmt: skip
ACTIVATIONS: dict[str | None, Callable[[jax.Array], jax.Array]] = {
    None: lambda y: y, "relu": jax.nn.relu, "relu6": jax.nn.relu6,
}  # fmt: skip

# What jconv does not express, and why.
SKIPPED = {
    "onnx/node/test_basic_deform_conv_without_padding": "deformable convolution, another map",
    "onnx/node/test_basic_deform_conv_with_padding": "deformable convolution, another map",
    "onnx/node/test_deform_conv_with_mask_bias": "deformable convolution, another map",
    "onnx/node/test_deform_conv_with_multiple_offset_groups": "deformable convolution, another map",
    "onnx/node/test_maxunpool_export_with_output_shape": "unpooling scatters to given indices, another map",
    "tfjs/avg_pool_3d/x=[1,1,1,1,1] f=[1,1,3] s=1 p=valid": "its output is empty, and jconv says so instead",
    "webnn-baseline/pad/pad symmetric mode 2D": "jconv reflects about the outer entry, not about the edge",
    "webnn-baseline/pad/pad symmetric mode 4D": "jconv reflects about the outer entry, not about the edge",
}


def function(case: Case) -> Callable[..., jax.Array]:
    """Return the case's call, of x and, for convolutions, kernel and bias."""
    act = ACTIVATIONS[case.get("act")]
    arguments: dict[str, Any] = {key: tuple(case[key]) for key in ("stride", "dilation") if key in case}
    arguments["padding"] = [tuple(pair) for pair in case["pads"]]
    if case["op"] in ("conv", "conv_transpose"):
        arguments |= {"groups": case["groups"], "padding_mode": MODES[case.get("pad_mode", "zeros")]}
        if case["op"] == "conv":
            return lambda x, w, b=None: act(jconv.conv(x, w, b, **arguments))
        arguments["output_padding"] = case.get("output_padding", 0)
        return lambda x, w, b=None: act(jconv.conv_transpose(x, w, b, **arguments))
    window = tuple(case["window"])
    arguments["ceil_mode"] = bool(case["ceil_mode"])
    if case["op"] == "max_pool":
        return lambda x: act(jconv.max_pool(x, window, **arguments))
    if case["op"] == "avg_pool":
        include = bool(case["count_include_pad"])
        return lambda x: act(jconv.avg_pool(x, window, count_include_pad=include, **arguments))
    # NNAPI takes the mean of the powers, not their sum.
    scale = math.prod(window) ** (-1 / case["p"]) if case.get("mean") else 1.0
    return lambda x: act(jconv.lp_pool(x, case["p"], window, **arguments) * scale)


def close(case: Case, got: jax.Array, wanted: np.ndarray) -> None:
    assert got.shape == wanted.shape
    wanted = wanted.astype(np.float64)
    allowed = tolerance(case) * (1 + np.abs(wanted)) + case.get("atol", 0.0)
    np.testing.assert_array_less(np.abs(np.asarray(got, np.float64) - wanted), allowed)


def named(ops: set[str]) -> list[Any]:
    chosen = [case for case in CASES if case["op"] in ops and case["name"] not in SKIPPED]
    return [pytest.param(case, id=case["name"]) for case in chosen]


MAPS = {"conv", "conv_transpose", "max_pool", "avg_pool", "lp_pool"}


@pytest.mark.parametrize("case", named(MAPS))
def test_value(case: Case) -> None:
    tensors = channels_last(case)
    call = function(case)
    operands = [tensors[key] for key in ("x", "w", "b") if key in tensors]
    if "y" in tensors:
        close(case, call(*operands), tensors["y"])
    wanted = [tensors.get(key) for key in ("gx", "gw", "gb")][: len(operands)]
    if all(gradient is None for gradient in wanted):
        assert "y" in tensors
        return
    y, pull = jax.vjp(call, *operands)
    got = pull(jnp.asarray(tensors["gy"]) if "gy" in tensors else jnp.ones_like(y))
    for gradient, expected in zip(got, wanted, strict=True):
        if expected is not None:
            close(case, gradient, expected)


@pytest.mark.parametrize("case", named({"pad"}))
def test_padding(case: Case) -> None:
    """Padding is a convolution with one tap of 1; a constant border is one of zeros, moved."""
    x, y = array(case["x"]).astype(np.float32), array(case["y"])
    tap = np.ones((1,) * (x.ndim + 2), np.float32)
    pads = [tuple(pair) for pair in case["pads"]]
    value = np.float32(case["value"] or 0)
    got = jconv.conv((x - value)[..., None], tap, padding=pads, padding_mode=MODES[case["mode"]])[..., 0] + value
    close(case, got, y)


def test_the_circular_transposed_convolution_of_flax() -> None:
    """Flax wraps the full output around in · stride entries; its kernel is flipped and [*window, in, out]."""
    (case,) = [case for case in CASES if case["op"] == "conv_transpose_circular"]
    x, w, y = (array(case[key]) for key in ("x", "w", "y"))
    (stride,) = case["stride"]
    pads = [(0, w.shape[0] - stride)]
    got = jconv.conv_transpose(x, w.swapaxes(-2, -1), stride=stride, padding=pads, padding_mode="circular", flip=True)
    np.testing.assert_array_equal(got, y)


@pytest.mark.parametrize("case", named({"Col2Im"}))
def test_columns_to_image(case: Case) -> None:
    """ONNX Col2Im adds patches up: the adjoint of cutting them out."""
    columns, size, window = (array(tensor) for tensor in case["inputs"])
    (image,) = (array(tensor) for tensor in case["outputs"])
    size, window = size.tolist(), window.tolist()
    axes, attributes = len(size), case["attrs"]
    flat_pads = attributes.get("pads", [0] * (2 * axes))
    cut = functools.partial(
        jconv.patches, window=window, stride=attributes.get("strides", 1),
        padding=list(zip(flat_pads[:axes], flat_pads[axes:], strict=True)), dilation=attributes.get("dilations", 1),
    )  # fmt: skip
    x = jax.ShapeDtypeStruct((1, *size, image.shape[1]), jnp.float32)
    positions = jax.eval_shape(cut, x).shape[1 : 1 + axes]
    given = columns.reshape(1, image.shape[1], *window, *positions)  # ONNX: channel, tap, position.
    order = (0, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes), 1)
    (got,) = jax.linear_transpose(cut, x)(jnp.asarray(given.transpose(order), jnp.float32))
    np.testing.assert_array_equal(np.moveaxis(np.asarray(got), -1, 1), image)


@pytest.mark.parametrize("case", named({"QLinearConv"}))
def test_quantised(case: Case) -> None:
    """ONNX QLinearConv: integers less their zero points, convolved, scaled, rounded and clipped."""
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = (array(tensor) for tensor in case["inputs"])
    (wanted,) = (array(tensor) for tensor in case["outputs"])
    x = np.moveaxis(x.astype(np.int32) - x_zero.astype(np.int32), 1, -1)
    w = np.moveaxis(w.astype(np.int32) - w_zero.astype(np.int32), (0, 1), (-1, -2))
    y = np.asarray(jconv.conv(x, w)) * (x_scale * w_scale / y_scale)
    got = np.clip(np.round(y) + y_zero, 0, 255)
    np.testing.assert_array_equal(np.moveaxis(got, -1, 1), wanted)


def test_the_skipped_are_those_that_cannot_be_expressed() -> None:
    tested = MAPS | {"pad", "conv_transpose_circular", "Col2Im", "QLinearConv"}
    refused = set()
    for case in CASES:
        if case["op"] not in tested or (case["op"] == "pad" and case["mode"] not in MODES):
            refused.add(case["name"])
        elif case["op"] in MAPS:
            tensors = channels_last(case)
            try:
                _ = jax.eval_shape(function(case), *(tensors[key] for key in ("x", "w", "b") if key in tensors))
            except GeometryError:
                refused.add(case["name"])
    assert refused == set(SKIPPED)
    assert all(SKIPPED.values())
