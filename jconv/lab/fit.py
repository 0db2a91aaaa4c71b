"""How cost grows along an axis, and where two contenders' curves cross. No JAX here.

    seconds ≈ prefactor · value^exponent,   a straight line in logarithms: log t = log a + p·log v

Fitted by least squares to the medians. The interval is a bootstrap's over the raw samples of each value, so it knows
how times scatter, and not whether the curve is a power law: compare the exponent of the upper half for that.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jconv import _timing
from jconv._timing import Ratio
from jconv.errors import ConfigError

LEAST_VALUES = 3


class Fit(NamedTuple):
    """A power law.

    Args:
        exponent: The slope in logarithms.
        low: The lower end of its interval.
        high: The upper end.
        prefactor: The seconds at value 1, by the line.
        upper: The slope of the upper half of the values: the law that large problems follow.
        upper_low: The lower end of its interval.
        upper_high: The upper end.
    """

    exponent: float
    low: float
    high: float
    prefactor: float
    upper: float
    upper_low: float
    upper_high: float


class Crossover(NamedTuple):
    """Where one contender's curve passes under another's.

    Args:
        value: The axis' value, interpolated.
        low_neighbour: The largest measured value below at which `from_` certainly wins.
        high_neighbour: The smallest measured value above at which `to` certainly wins.
        from_: The contender that is faster below.
        to: The contender that is faster above.
    """

    value: float
    low_neighbour: float
    high_neighbour: float
    from_: str
    to: str


def exponent(
    values: Sequence[float],
    samples_per_value: Sequence[Sequence[float]],
    *,
    confidence: float = _timing.CONFIDENCE,
    resamples: int = _timing.RESAMPLES,
    seed: int = 0,
) -> Fit:
    """Fit a power law to times along an axis.

    Args:
        values: The axis' values, in any order.
        samples_per_value: The times at each.
        confidence: The coverage of the intervals.
        resamples: How many times the samples are drawn again.
        seed: Of the draws.

    Returns:
        The law of all values, and of their upper half.

    Raises:
        ConfigError: If there are fewer than three different values, or one has no times.

    Example:
        >>> fit = exponent([1, 2, 4], [[3.0], [12.0], [48.0]])
        >>> round(fit.exponent, 6), round(fit.prefactor, 6)
        (2.0, 3.0)
    """
    if len(set(values)) < LEAST_VALUES or not all(0 < value < math.inf for value in values):
        raise ConfigError(
            f"exponent: values must be {LEAST_VALUES} or more different positive numbers; got {list(values)}. "
            "Sweep the axis over more."
        )
    if len(samples_per_value) != len(values) or not all(
        len(times) and all(time > 0 for time in times) for times in samples_per_value
    ):
        raise ConfigError(
            "exponent: samples_per_value must hold positive times for each value; got "
            f"{[len(times) for times in samples_per_value]} times for {list(values)}. Leave out what was not timed."
        )
    order = np.argsort(values, kind="stable")
    u = np.log(np.asarray(values, dtype=np.float64)[order])
    logs = [np.log(samples_per_value[place]) for place in order]
    rng = np.random.default_rng(seed)
    drawn = np.stack([_timing.medians(times, resamples, rng) for times in logs], axis=1)
    w = np.array([np.median(times) for times in logs])
    # The upper half must span two different values.
    start = min(len(u) // 2, int(np.searchsorted(u, u[-1])) - 1)
    tail = (1 - confidence) / 2
    (p, low, high), (upper, upper_low, upper_high) = (
        (float(_slope(u[part], w[part])), *np.quantile(_slope(u[part], drawn[:, part]), [tail, 1 - tail]).tolist())
        for part in (slice(None), slice(start, None))
    )
    prefactor = math.exp(np.mean(w) - p * np.mean(u))
    return Fit(p, low, high, prefactor, upper, upper_low, upper_high)


def _slope(u: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return Σ(u−ū)w / Σ(u−ū)²."""
    centred = u - np.mean(u)
    return w @ centred / (centred @ centred)


def crossovers(
    values: Sequence[float], ratios: Sequence[Ratio], *, floor: float, names: tuple[str, str] = ("a", "b")
) -> list[Crossover]:
    """Return where the curves of two contenders cross.

    Between two values, both curves are straight lines in logarithms, and so is their ratio: they cross where it is 1,

        log v = log v₀ + (log v₁ − log v₀) · log r₀ / (log r₀ − log r₁).

    Only values with a certain verdict count: v₀ and v₁ are the nearest two at which opposite ones win. What lies
    between is SAME or UNSURE, so the crossing is known no better than to lie between its neighbours.

    Args:
        values: The axis' values, in any order.
        ratios: Of a's times to b's at each value.
        floor: The share below which a difference is none.
        names: Of a and b.

    Returns:
        The crossings, by rising value; none where nothing is certain.

    Example:
        >>> ratios = [Ratio(r, 0.9 * r, 1.1 * r, 50) for r in (0.25, 0.5, 2.0)]
        >>> crossovers([16, 32, 128], ratios, floor=0.05, names=("fft", "direct"))
        [Crossover(value=64.0, low_neighbour=32, high_neighbour=128, from_='fft', to='direct')]
    """
    winners = {"FASTER": names[0], "SLOWER": names[1]}
    found: list[Crossover] = []
    before: tuple[float, float, str] | None = None
    for value, ratio in sorted(zip(values, ratios, strict=True), key=lambda pair: pair[0]):
        winner = winners.get(_timing.verdict(ratio, floor))
        if winner is None:
            continue
        height = math.log(ratio.median)
        if before is not None and before[2] != winner:
            v, r = before[:2]
            share = r / (r - height)
            crossing = math.exp(math.log(v) + share * (math.log(value) - math.log(v)))
            found.append(Crossover(round(crossing, 10), v, value, before[2], winner))
        before = (value, height, winner)
    return found
