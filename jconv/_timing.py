"""Timing by interleaved rounds, and paired statistics of what was timed.

Contenders measured one after the other differ by the machine's drift more often than by their code. So each
round runs every contender once, in a new random order, and a ratio compares only times of the same round.
Nothing is dropped as an outlier. No JAX here: a contender is any function that returns when its work is done.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

LEAST_SAMPLES = 3


class Ratio(NamedTuple):
    """How many times the reference's time a contender takes, with its interval.

    Args:
        median: The median of the paired ratios; above 1 is slower than the reference.
        low: The lower end of the bootstrap interval.
        high: The upper end.
        pairs: How many rounds both took part in.
    """

    median: float
    low: float
    high: float
    pairs: int


def measure(
    contenders: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    seconds: float,
    rng: np.random.Generator,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time every contender once a round, in random order, and return the raw samples.

    A contender leaves once it has spent `seconds` and has `LEAST_SAMPLES` samples, so its i-th sample is always
    of the i-th round, and samples of two contenders pair by position.

    Args:
        contenders: Functions by name, already warm, each returning when its work is done.
        rounds: The most samples of each.
        seconds: The budget of each.
        rng: Draws the orders.
        clock: Returns the time in seconds.

    Returns:
        The samples in seconds, by name.

    Example:
        >>> samples = measure({"a": lambda: None}, rounds=4, seconds=1.0, rng=np.random.default_rng(0))
        >>> len(samples["a"])
        4
    """
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    spent = dict.fromkeys(contenders, 0.0)
    names = list(contenders)
    for _ in range(rounds):
        for position in rng.permutation(len(names)):
            name = names[position]
            start = clock()
            contenders[name]()
            elapsed = clock() - start
            samples[name].append(elapsed)
            spent[name] += elapsed
        names = [name for name in names if not _done(spent[name], len(samples[name]), seconds)]
        if not names:
            break
    return samples


def _done(spent: float, count: int, seconds: float) -> bool:
    return spent >= seconds and count >= LEAST_SAMPLES


def paired_ratio(
    samples: Sequence[float],
    reference: Sequence[float],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Ratio:
    """Return the median ratio of times measured in the same rounds, with a percentile bootstrap interval.

    Args:
        samples: The contender's times, one per round.
        reference: The reference's; only rounds that both have are compared.
        confidence: The coverage of the interval.
        resamples: How many times the rounds are drawn again.
        seed: Of the draws.

    Returns:
        The ratio.

    Raises:
        ValueError: If there is no common round, or a time is not positive.

    Example:
        >>> paired_ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
        Ratio(median=2.0, low=2.0, high=2.0, pairs=3)
    """
    pairs = min(len(samples), len(reference))
    times = np.array([samples[:pairs], reference[:pairs]], dtype=np.float64)
    if not pairs or not np.all(times > 0):
        raise ValueError(
            f"paired_ratio: samples must share a round with reference, and be positive; got {list(samples)} and "
            f"{list(reference)}. Time both in the same call of measure."
        )
    logs = np.log(times[0]) - np.log(times[1])
    drawn = np.random.default_rng(seed).integers(pairs, size=(resamples, pairs))
    medians = np.median(logs[drawn], axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(medians, [tail, 1 - tail])
    # exp(log(2)) is 2 less a rounding: ten digits are more than any clock has.
    median, low, high = (float(np.round(np.exp(value), 10)) for value in (np.median(logs), low, high))
    return Ratio(median, low, high, pairs)
