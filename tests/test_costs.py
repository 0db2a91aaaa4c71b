"""What a convolution costs: the textbook's numbers, XLA's own counts, and counting one by one."""

import itertools
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from jconv._cost import cost, explain
from jconv.costs import Problem, direct_cost, parse_problem
from jconv.errors import GeometryError, UnsupportedError
from jconv.formulations import FORMULATIONS
from jconv.geometry import conv_geometry


def test_the_textbook():
    # 32×32×3, 64 filters of 3×3, padding 1: 65,536 outputs of 27 products and 26 sums each.
    found = cost((32, 32, 3), (3, 3, 3, 64), padding=1)
    assert found.multiplications == 1_769_472
    assert found.additions == 1_703_936
    assert (found.input_elements, found.kernel_elements, found.output_elements) == (3072, 1728, 65536)
    assert found.parameters == 1728
    assert found.bytes == 4 * (3072 + 1728 + 65536)
    with_bias = cost((32, 32, 3), (3, 3, 3, 64), padding=1, bias=True)
    assert (with_bias.additions, with_bias.parameters) == (1_703_936 + 65_536, 1728 + 64)
    assert with_bias.multiplications == found.multiplications


@pytest.mark.parametrize(
    ("x_shape", "kernel_shape", "arguments", "dense", "valid"),
    [
        # Twice the multiplications is what XLA counts as flops, for the taps that meet an input entry.
        ((1, 16, 16, 4), (3, 3, 4, 8), {"padding": "SAME"}, 147_456, 135_424),
        ((1, 16, 16, 4), (3, 3, 4, 8), {}, 112_896, 112_896),
        ((1, 16, 16, 4), (3, 3, 4, 8), {"padding": 1, "input_dilation": 2}, 553_536, 135_424),
        ((8, 32, 32, 16), (3, 3, 16, 32), {"padding": "SAME"}, 75_497_472, 72_384_512),
    ],
)
def test_dense_and_valid_flop(x_shape, kernel_shape, arguments, dense, valid):
    found = cost(x_shape, kernel_shape, **arguments)
    assert (2 * found.multiplications, 2 * found.valid_multiplications) == (dense, valid)


@pytest.mark.parametrize(("taps", "outputs"), [(3, 64), (5, 7), (1, 2), (7, 128)])
def test_depthwise_separable_over_standard(taps, outputs):
    channels, size = 6, (14, 10)
    standard = cost((*size, channels), (taps, taps, channels, outputs), padding="SAME")
    depthwise = cost((*size, channels), (taps, taps, 1, channels), padding="SAME", groups=channels)
    pointwise = cost((*size, channels), (1, 1, channels, outputs))
    separable = depthwise.multiplications + pointwise.multiplications
    assert Fraction(separable, standard.multiplications) == Fraction(1, outputs) + Fraction(1, taps**2)
    weights = depthwise.parameters + pointwise.parameters
    assert Fraction(weights, standard.parameters) == Fraction(1, outputs) + Fraction(1, taps**2)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize(
    "arguments",
    [
        {"stride": (2, 1), "padding": [(1, 2), (0, 3)]},
        {"stride": 3, "padding": [(-1, 0), (2, -2)], "dilation": (1, 2)},
        {"padding": "FULL", "input_dilation": (3, 2), "dilation": 2},
    ],
)
def test_counted_one_by_one(arguments, groups):
    shape, kernel_shape = (2, 3, 6, 7, 4), (2, 3, 4 // groups, 8)
    geometry = conv_geometry(shape, kernel_shape, groups=groups, **arguments)
    dense = valid = 0
    for p in itertools.product(*map(range, geometry.output_size)):
        for t in itertools.product(*map(range, geometry.window)):
            dense += 1
            places = [geometry.stride[i] * p[i] + geometry.dilation[i] * t[i] - geometry.low[i] for i in range(2)]
            valid += all(
                place % e == 0 and 0 <= place // e < n
                for place, e, n in zip(places, geometry.input_dilation, geometry.input_size, strict=True)
            )
    found = cost(shape, kernel_shape, groups=groups, **arguments)
    per_tap = 6 * 8 * (4 // groups)  # batch, out, in/groups
    assert (found.multiplications, found.valid_multiplications) == (dense * per_tap, valid * per_tap)
    assert 0 < found.valid_multiplications < found.multiplications


def test_one_by_one_convolution_of_200_channels():
    found = cost((9, 8, 200), (1, 1, 200, 1))
    assert (found.multiplications, found.additions, found.parameters) == (72 * 200, 72 * 199, 200)


def test_bytes_follow_the_dtype():
    wide, half = (cost((8, 8, 4), (3, 3, 4, 4), dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert wide.bytes == 2 * half.bytes
    assert cost((8, 8, 4), (3, 3, 4, 4), dtype="complex64").bytes == 2 * wide.bytes


@pytest.mark.parametrize("name", FORMULATIONS)
def test_every_formulation_counts(name):
    arguments: dict[str, Any] = {"stride": 2, "padding": 1}
    found = cost((2, 9, 8, 4), (3, 3, 4, 6), formulation=name, **arguments)
    direct = direct_cost(Problem(conv_geometry((2, 9, 8, 4), (3, 3, 4, 6), **arguments), 2, 4, 6))
    same = ("parameters", "input_elements", "kernel_elements", "output_elements", "bytes")
    assert [getattr(found, field) for field in same] == [getattr(direct, field) for field in same]
    assert all(isinstance(count, int) and count >= 0 for count in found)
    assert found.multiplications > 0


def test_patches_keep_the_windows():
    # 14×14 outputs of 3×3×8 entries, and the padded input, in float32.
    found = cost((14, 14, 8), (3, 3, 8, 4), padding=1, formulation="patches")
    assert found.intermediate_bytes == 4 * (14 * 14 * 9 * 8 + 16 * 16 * 8)


def test_errors():
    with pytest.raises(UnsupportedError, match=r"cost: formulation must be one of.*Did you mean 'patches'"):
        cost((8, 8, 1), (3, 3, 1, 1), formulation="patch")
    with pytest.raises(GeometryError, match=r"cost: kernel must have in/groups"):
        cost((8, 8, 2), (3, 3, 1, 1))
    with pytest.raises(GeometryError, match=r"cost: x_shape must be a sequence of ints, at least 0; got .*x\.shape"):
        cost(np.ones((8, 8, 1)), np.ones((3, 3, 1, 1)))  # pyright: ignore[reportArgumentType]
    with pytest.raises(GeometryError, match="cost: dtype must be a dtype; got 'float33'"):
        cost((8, 8, 1), (3, 3, 1, 1), dtype="float33")
    for shape in ((-1, 6, 5, 4), (1, 6.0, 5, 4), (1, -6, 5, 4), (True, 6, 5, 4), "abc", 5, None):
        with pytest.raises(GeometryError, match=r"cost: x_shape must be a sequence of ints, at least 0; got"):
            cost(shape, (3, 2, 4, 8))  # pyright: ignore
    with pytest.raises(GeometryError, match=r"cost: kernel_shape must be a sequence of ints, at least 0; got"):
        cost((1, 6, 5, 4), (3, 2, 4, -8))
    with pytest.raises(UnsupportedError, match=r"cost: formulation must be one of"):
        cost((8, 8, 1), (3, 3, 1, 1), formulation=[])  # pyright: ignore
    with pytest.raises(GeometryError, match=r"explain: x and kernel must have the same dtype; got float32 and int8"):
        explain(np.ones((5, 1), np.float32), np.ones((3, 1, 1), np.int8))


def test_a_bias_is_there_or_not():
    shapes = (8, 8, 1), (3, 3, 1, 2)
    assert cost(*shapes, bias=1) == cost(*shapes, bias=True)  # pyright: ignore
    assert cost(*shapes, bias=None) == cost(*shapes)  # pyright: ignore
    arrays: list[Any] = [np.array(shape) for shape in shapes]
    assert cost(*arrays) == cost(*shapes)
    assert isinstance(cost(*arrays).multiplications, int)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a part like n8 is missing"),
        ("n8_i56x56", "'i56x56' must be like i56x56c96"),
        ("n1_i8c2_k3o2_s1_p1_d1_g1_float32", "'p1' must be like p1:1x1:1"),
        ("n1_i8c2_k3o2_s1_p1:1_d1_e2_float32", "'float32' must be like g96"),
        ("n1_i8c2_k3x3o2_s1_p1:1_d1_g1_float32", "i, k, s, p, d and e have different numbers of space axes"),
        ("n1_i8c2_k3o2_s0_p1:1_d1_g1_float32", "sizes, strides and dilations are at least 1"),
        ("n1_i8c3_k3o2_s1_p1:1_d1_g2_float32", "2 groups do not split 3 and 2 channels evenly"),
        ("n1_i8c2_k3o2_s1_p1:1_d1_g0_float32", "0 groups do not split 2 and 2 channels evenly"),
        ("n1_i8c2_k3o2_s1_p1:1_d1_g1_float33", "'float33' is no dtype"),
        ("n1_i8c2_k9o2_s1_p0:0_d1_g1_float32", "the window is larger than the padded input"),
        (f"n{'9' * 5000}_i8c2_k3o2_s1_p1:1_d1_g1_float32", "must be like n8"),
    ],
)
def test_what_is_wrong_with_a_canonical_string_is_said(text, words):
    with pytest.raises(GeometryError, match=re.escape(words)):
        parse_problem(text)


def test_a_canonical_string_is_read_as_it_was_written():
    for text in ("n0_i8c2_k3o4_s2_p-1:2_d2_e3_g2_bfloat16", "n2_i9x9c2_k3x1o4_s2x1_p0:0x0:-1_d2x1_g1_float32"):
        assert str(parse_problem(f"{text}_edge_flipped")) == text


@pytest.mark.parametrize("seed", range(40))
def test_valid_taps_are_those_that_meet_an_entry(seed):
    rng = np.random.default_rng(seed)
    size, k, s, d, e = (int(rng.integers(1, most)) for most in (9, 5, 5, 5, 5))
    low, high = (int(pad) for pad in rng.integers(-2, 6, 2))
    rest = e * (size - 1) + 1 + low + high - (d * (k - 1) + 1)
    if rest < 0:
        pytest.skip("the window is larger than the padded input")
    problem = parse_problem(f"n1_i{size}c1_k{k}o1_s{s}_p{low}:{high}_d{d}_e{e}_g1_float32")
    places = [s * p + d * t - low for p in range(rest // s + 1) for t in range(k)]
    met = sum(place % e == 0 and 0 <= place <= e * (size - 1) for place in places)
    assert direct_cost(problem).valid_multiplications == met


def test_large_sizes_are_counted_at_once():
    problem = parse_problem("n1_i100000000000x100000c1_k1x50000o1_s1x1_p0:0x0:0_d1x1_g1_float32")
    assert direct_cost(problem).valid_multiplications == problem.multiplications == 10**11 * 50001 * 50000
