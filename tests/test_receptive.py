"""Receptive fields by probing a stack of layers, overlap by scattering; neither shares a formula with jconv."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from jconv.errors import GeometryError
from jconv.receptive import Layer, ReceptiveField, overlap, receptive_field


def test_stacked_three_by_threes():
    sizes = [receptive_field([Layer((3, 3), dilation=d) for d in (1, 2, 4)[:n]]).size for n in (1, 2, 3)]
    assert sizes == [(3, 3), (7, 7), (15, 15)]
    assert receptive_field([Layer(3), Layer(3)]).size == 5
    assert receptive_field([]) == ReceptiveField(1, 1, 0, 0.0)


def test_the_centre_takes_dilation_into_account():
    # A defect elsewhere: without dilation in it, the centre is off by 3 at k = 3, d = 4.
    assert receptive_field([Layer(3, dilation=4)]).centre == 4.0
    assert receptive_field([Layer(3, dilation=4, padding=4)]).centre == 0.0


def probed(layers, output):
    """Return the first and last input that an output sees, following it down through every tap."""
    places = {output}
    for window, stride, dilation, (low, _) in reversed(layers):
        places = {stride * p + dilation * t - low for p in places for t in range(window)}
    return min(places), max(places)


@pytest.mark.parametrize("seed", range(20))
def test_a_stack_probed(seed):
    rng = np.random.default_rng(seed)
    layers = [
        (int(k), int(s), int(d), (int(low), int(high)))
        for k, s, d, low, high in rng.integers([1, 1, 1, -1, 0], [5, 4, 4, 4, 3], (4, 5))
    ]
    field = receptive_field(Layer(k, s, d, [pad]) for k, s, d, pad in layers)
    first, last = probed(layers, 0)
    assert field.start == (first,)
    assert field.size == (last - first + 1,)
    assert field.centre == ((first + last) / 2,)
    assert field.jump == (probed(layers, 1)[0] - first,)


def test_layers_as_mappings_and_per_axis():
    field = receptive_field(
        [{"window": (3, 5), "stride": (1, 2), "padding": [1, (2, 1)]}, {"window": 3, "dilation": 2}]
    )
    assert field == ReceptiveField((7, 13), (1, 2), (-1, -2), (2.0, 4.0))


@pytest.mark.parametrize(("word", "low"), [("VALID", 0), ("SAME", 1), ("SAME_LOWER", 2), ("FULL", 3), ("CAUSAL", 3)])
def test_padding_words(word, low):
    assert receptive_field([Layer(4, padding=word)]).start == -low


def scattered(size, k, s, d, low, high, more):
    """Scatter ones, tap by tap, crop, and lengthen the high end first."""
    full = np.zeros((size - 1) * s + d * (k - 1) + 1 + more, int)
    for p in range(size):
        for t in range(k):
            full[s * p + d * t] += 1
    return full[low : len(full) - high]


def test_overlap_against_scattering():
    for k, s, d, low, high in itertools.product((1, 2, 3, 5), (1, 2, 3), (1, 2, 3), (0, 1), (0, 2)):
        for more in range(max(s, d)):
            if (wanted := scattered(6, k, s, d, low, high, more)).size:
                counts = overlap((6,), (k,), stride=s, dilation=d, padding=[(low, high)], output_padding=more)
                np.testing.assert_array_equal(counts, wanted)


def test_even_exactly_when_the_stride_divides_the_window_and_shares_nothing_with_the_dilation():
    for k, s, d in itertools.product(range(1, 6), repeat=3):
        extent = d * (k - 1) + 1
        counts = overlap(12 * s + 4 * extent, k, stride=s, dilation=d)
        inside = counts[extent:-extent]
        assert len(inside) > 2 * s * extent
        even = s == 1 or (k % s == 0 and math.gcd(s, d) == 1)
        assert (inside.min() == inside.max()) == even, (k, s, d)


@pytest.mark.parametrize(
    ("window", "stride", "inside"),
    [
        (2, 1, [2, 2]),
        (3, 1, [3, 3]),
        (2, 2, [1, 1]),
        (3, 2, [1, 2]),
        (4, 2, [2, 2]),
        (5, 2, [2, 3]),
        (5, 3, [1, 2, 2]),
    ],
)
def test_overlap_of_the_notes(window, stride, inside):
    counts = overlap(20, window, stride=stride)[window:-window].tolist()
    period = len(inside)
    turns = [counts[i : i + period] for i in range(0, len(counts) - period + 1, period)]
    assert len(turns) > 3
    assert all(turn == turns[0] for turn in turns)
    assert sorted(turns[0]) == sorted(inside)


def test_two_axes_are_the_product_of_one():
    counts = overlap((5, 4), (3, 2), stride=2, padding=[1, 0], dilation=(1, 3))
    column, row = overlap(5, 3, stride=2, padding=1), overlap(4, 2, stride=2, dilation=3)
    np.testing.assert_array_equal(counts, column[:, None] * row)
    assert overlap((5, 4), 3, stride=2, padding="SAME").shape == (10, 8)
    assert np.issubdtype(counts.dtype, np.integer)


def test_every_argument_names_the_axes():
    wanted = overlap((4, 4), (3, 3), padding=[(1, 0), (0, 1)])
    np.testing.assert_array_equal(overlap(4, 3, padding=[(1, 0), (0, 1)]), wanted)
    size: Any = np.array([4, 4])
    pads: Any = np.array([[1, 0], [0, 1]])
    stride: Any = np.array([1, 2])
    np.testing.assert_array_equal(overlap(size, 3, padding=pads), wanted)
    assert overlap(4, 3, stride=2, output_padding=(1, 0)).shape == (10, 9)
    assert overlap(4, 3, stride=stride).shape == (6, 9)
    layer = Layer(np.array([3, 5]), np.int64(2), padding=np.array([1, 2]))  # pyright: ignore
    assert receptive_field([layer]) == receptive_field([Layer((3, 5), 2, padding=(1, 2))])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: receptive_field([Layer((3, 3)), Layer((3,))]),
            r"must agree on the number of space axes; got \[1, 2\]",
        ),
        (
            lambda: receptive_field([(3, 1)]),  # pyright: ignore[reportArgumentType]
            r"layers must be Layers, or mappings with a window",
        ),
        (lambda: receptive_field([{"stride": 2}]), r"layers must be Layers, or mappings with a window"),
        (lambda: receptive_field([{"window": 3, "strides": 2}]), r"keys must be among.*Did you mean 'stride'\?"),
        (lambda: receptive_field([Layer(3, stride=2, padding="SAME")]), r"SAME word at a stride above 1"),
        (lambda: receptive_field([Layer(3, stride=0)]), r"receptive_field: stride must be an int"),
        (
            lambda: receptive_field([Layer(0)]),
            r"receptive_field: window must be an int, .* at least 1; got window=0",
        ),
        (lambda: receptive_field([Layer((3, 3), padding="CAUSAL")]), r"'CAUSAL' must have one space axis"),
        (lambda: overlap(4, 3, stride=0), r"overlap: stride must be an int"),
        (lambda: overlap((4, 4, 4), (3, 3)), r"overlap: window must be an int, .* for 3 axes"),
        (lambda: overlap(4.5, 3), r"overlap: input_size must be an int.*got input_size=4.5"),  # pyright: ignore
        (lambda: overlap("4", 3), r"overlap: input_size must be an int"),  # pyright: ignore
        (lambda: overlap(None, 3), r"overlap: input_size must be an int"),  # pyright: ignore
        (lambda: overlap(-4, 3), r"overlap: input_size must be an int"),
        (lambda: receptive_field(None), r"layers must be a sequence of Layers; got None"),  # pyright: ignore
        (lambda: receptive_field(3), r"layers must be a sequence of Layers; got 3"),  # pyright: ignore
        (lambda: receptive_field(Layer(3)), r"layers must be a sequence of Layers; got Layer"),  # pyright: ignore
        (lambda: receptive_field([Layer(3.5)]), r"receptive_field: window must be an int"),  # pyright: ignore
        (
            lambda: receptive_field([Layer(3, np.array([1, 2]), padding="SAME")]),  # pyright: ignore
            r"SAME word at a stride above 1",
        ),
        (lambda: overlap(4, 3, padding=9), r"overlap: padding must leave an output"),
    ],
)
def test_errors(call, words):
    with pytest.raises(GeometryError, match=words):
        call()
