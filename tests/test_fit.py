"""Fitted exponents and crossovers, on power laws whose truth is known."""

import numpy as np
import pytest

from jconv import _timing
from jconv._timing import Ratio
from jconv.errors import ConfigError
from jconv.lab import fit

TRIALS = 200
VALUES = (16, 32, 64, 128, 256)


def noisy(rng: np.random.Generator, seconds, samples: int = 20, noise: float = 0.05) -> list[list[float]]:
    """Return samples of each time, with log-normal noise and 2 % of spikes."""
    spikes = np.where(rng.random((len(seconds), samples)) < 0.02, 3.0, 1.0)
    times = np.asarray(seconds)[:, None] * spikes * np.exp(rng.normal(0, noise, (len(seconds), samples)))
    return times.tolist()


@pytest.mark.parametrize("true", [0.0, 1.0, 2.37])
def test_the_true_exponent_lies_in_the_interval(true):
    held, upper = 0, 0
    for seed in range(TRIALS):
        rng = np.random.default_rng([seed, 1])
        found = fit.exponent(VALUES, noisy(rng, 1e-6 * np.power(VALUES, true)), seed=seed)
        assert found.low <= found.exponent <= found.high
        assert found.exponent == pytest.approx(true, abs=0.1)
        assert found.prefactor == pytest.approx(1e-6, rel=0.3)
        held += found.low <= true <= found.high
        upper += found.upper_low <= true <= found.upper_high
    assert held >= 0.9 * TRIALS
    assert upper >= 0.9 * TRIALS


def test_the_upper_half_shows_what_large_problems_follow(rng):
    seconds = 1e-3 + 1e-8 * np.power(VALUES, 2.0)  # an overhead hides the square of small problems
    found = fit.exponent(VALUES, noisy(rng, seconds))
    assert found.exponent < 0.2 < found.upper_low
    assert found.upper_high - found.upper_low > found.high - found.low


def test_order_does_not_matter(rng):
    samples = noisy(rng, 1e-6 * np.power(VALUES, 1.5))
    shuffled = rng.permutation(len(VALUES))
    assert fit.exponent([VALUES[i] for i in shuffled], [samples[i] for i in shuffled]) == fit.exponent(VALUES, samples)


def test_values_may_repeat_and_the_upper_half_still_spans_two():
    found = fit.exponent([1, 2, 4, 4, 4, 4], [[1.0], [2.0], *([[4.0]] * 4)])
    assert found.exponent == pytest.approx(1)
    assert found.upper == pytest.approx(1)


@pytest.mark.parametrize("values", [[], [1, 2], [1, 1, 2, 2], [0, 1, 2], [-1, 1, 2], [1, 2, np.inf]])
def test_too_few_values_are_refused(values):
    with pytest.raises(ConfigError, match=r"values must be 3 or more different positive numbers; got "):
        _ = fit.exponent(values, [[1.0]] * len(values))


@pytest.mark.parametrize("samples", [[[1.0]] * 2, [[1.0], [], [1.0]], [[1.0], [0.0], [1.0]]])
def test_values_without_times_are_refused(samples):
    with pytest.raises(ConfigError, match="must hold positive times for each value"):
        _ = fit.exponent([1, 2, 4], samples)


def ratios(rng: np.random.Generator, a, b) -> list[Ratio]:
    return [_timing.paired_ratio(x, y) for x, y in zip(noisy(rng, a), noisy(rng, b), strict=True)]


def test_a_crossing_is_found_near_its_place():
    # 1e-6·v² and 64e-6·v cross at 64.
    a, b = 1e-6 * np.power(VALUES, 2.0), 64e-6 * np.array(VALUES)
    for seed in range(50):
        (found,) = fit.crossovers(
            VALUES, ratios(np.random.default_rng(seed), a, b), floor=0.05, names=("shifts", "fft")
        )
        assert (found.from_, found.to) == ("shifts", "fft")
        assert (found.low_neighbour, found.high_neighbour) == (32, 128)
        assert found.value == pytest.approx(64, rel=0.1)


@pytest.mark.parametrize("times", [1.0, 1.03, 1.5])
def test_no_crossing_where_there_is_none(times):
    a = 1e-6 * np.power(VALUES, 1.5)
    for seed in range(TRIALS):
        assert fit.crossovers(VALUES, ratios(np.random.default_rng(seed), a, times * a), floor=0.05) == []


def certain(*medians: float) -> list[Ratio]:
    return [Ratio(median, median, median, 50) for median in medians]


def test_curves_may_cross_more_than_once_and_touch():
    found = fit.crossovers([4, 1, 2, 8], certain(2.0, 2.0, 0.5, 0.25), floor=0.05)
    assert [(c.low_neighbour, c.high_neighbour, c.from_, c.to) for c in found] == [
        (1, 2, "b", "a"),
        (2, 4, "a", "b"),
        (4, 8, "b", "a"),
    ]
    assert [c.value for c in fit.crossovers([1, 8], certain(0.5, 4.0), floor=0.05)] == [2.0]
    assert fit.crossovers([1, 2, 4], certain(0.5, 1.0, 0.5), floor=0.05) == []
    assert fit.crossovers([1, 2], [Ratio(0.5, 0.4, 1.2, 50), *certain(2.0)], floor=0.05) == []
    assert fit.crossovers([], [], floor=0.05) == []
