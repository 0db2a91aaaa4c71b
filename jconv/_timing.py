r"""Timing by interleaved rounds, and paired statistics of what was timed.

Contenders measured one after the other differ by the machine's drift more often than by their code. So each
round runs every contender once, in a new random order, and a ratio compares only times of the same round:

    ratio = exp(median_i(log t_i − log r_i)),   t_i, r_i of round i

with a percentile bootstrap interval. Nothing is dropped as an outlier. No JAX here: a contender is any function
that does its work and returns how long that took, so it may as well ask a child process.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

ROUNDS = 200
"""The most rounds. Ratios that scatter by 15 % then still have an interval of ±2.6 %."""
SECONDS = 1.0
"""What one contender may spend."""
SAMPLE = 0.002
"""The least length of a sample in seconds: shorter programs run several times for one, for what wakes their threads
and reads the clock scatters by a good part of a millisecond."""
MOST_CALLS = 1000
"""The most calls for one sample."""
PRECISION = 0.04
"""The interval's width, relative to the ratio, that is enough: ±2 %, so that 0 % and 10 % both clear the floor."""
FLOOR = 0.05
"""Differences below this share are none, even on a quiet machine: identical programs differ by their placement."""
CONFIDENCE = 0.95
"""The coverage of the intervals."""
RESAMPLES = 1000
"""How often the rounds are drawn again."""
FIRST_CHECK = 10
"""The round after which precision is first asked for: the interval then is the 2nd to the 9th of ten ratios."""
FEW = 6
"""With fewer pairs than this no interval of a median covers 95 %: all of n pairs span it with 1 − 2^(1−n)."""
COARSE = 1.0
"""The floor of so few pairs: what takes more than twice the time is slower, even if measured once."""

Verdict = Literal["FASTER", "SLOWER", "SAME", "UNSURE"]


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


class Samples(NamedTuple):
    """What was measured of one contender.

    Args:
        times: In seconds; the i-th is of the i-th round.
        stopped: Why there are no more: "precise", "rounds", "seconds", "one sample: …" or "raised: …".
    """

    times: list[float]
    stopped: str


def timed(
    call: Callable[[], object], clock: Callable[[], float] = time.perf_counter, calls: int = 1
) -> Callable[[], float]:
    """Return a contender that runs `call` in this process.

    Args:
        call: Returns when its work is done.
        clock: Returns the time in seconds.
        calls: How often it runs for one sample (see `calls_for`).

    Returns:
        A function that runs it and returns the seconds that one call took.

    Example:
        >>> ticks = iter([2.0, 5.0])
        >>> timed(lambda: None, lambda: next(ticks))()
        3.0
    """

    def contender() -> float:
        start = clock()
        for _ in range(calls):
            _ = call()
        return (clock() - start) / calls

    return contender


def calls_for(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> int:
    """Return how many calls one sample needs: enough for `SAMPLE` seconds, judged by the fastest of three.

    Args:
        call: The work, warm.
        clock: Returns the time in seconds.

    Returns:
        The number, 1 for any call of that length.

    Example:
        >>> ticks = iter([0.0, 0.001, 1.0, 1.0006, 2.0, 2.0007])
        >>> calls_for(lambda: None, lambda: next(ticks))
        4
    """
    once = timed(call, clock)
    shortest = once()
    if shortest < 20 * SAMPLE:  # a long call is not made again
        shortest = min(shortest, once(), once())
    return math.ceil(max(1.0, min(SAMPLE / max(shortest, 1e-9), MOST_CALLS)))


def measure(
    contenders: Mapping[str, Callable[[], float]],
    *,
    rounds: int,
    seconds: float,
    rng: np.random.Generator,
    reference: str | None = None,
    precision: float | None = None,
    confidence: float = CONFIDENCE,
    slow: float = 20.0,
    least: int = 3,
) -> dict[str, Samples]:
    """Run every contender once a round, in random order, until each has what it needs.

    Who leaves never comes back, so samples of two contenders pair by position. A contender leaves

    * "precise": its ratio to the reference is known to `precision`. The reference leaves after the last of them.
    * "seconds": it has spent its budget, and has `least` samples.
    * "rounds": there are no more.
    * "one sample: …": its first call took longer than `slow`.
    * "raised: …": its call raised, or returned no positive time. The others go on.

    Precision is asked for after 10 rounds, then 12, 15, 18, … a fifth later each time: often enough to spend at
    most a fifth too much, rarely enough that an interval narrow by luck is seldom met. Not never: in simulation, of
    the intervals of 95 % that end a measurement, 92 % hold the true ratio.

    Args:
        contenders: Functions by name, already warm; each does its work and returns the seconds it took.
        rounds: The most samples of each.
        seconds: The budget of each.
        rng: Draws the orders.
        reference: Whom ratios refer to.
        precision: The width of a ratio's interval, relative to the ratio, that is enough; None never is.
        confidence: The coverage of that interval.
        slow: The seconds after which a first call is the last.
        least: The fewest samples of a contender that is neither slow nor raises.

    Returns:
        The samples by name, in the order of the contenders.

    Example:
        >>> found = measure({"a": lambda: 2.0}, rounds=4, seconds=9.0, rng=np.random.default_rng(0))
        >>> found["a"]
        Samples(times=[2.0, 2.0, 2.0, 2.0], stopped='rounds')
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    stopped: dict[str, str] = {}
    spent = dict.fromkeys(contenders, 0.0)
    check = max(FIRST_CHECK, least)
    for count in range(1, rounds + 1):
        active = [name for name in contenders if name not in stopped]
        if not active:
            break
        for position in rng.permutation(len(active)):
            name = active[position]
            try:
                elapsed = _positive(contenders[name]())
            except Exception as error:  # its end, not the others'
                line = str(error).strip().partition("\n")[0]
                stopped[name] = f"raised: {type(error).__name__}: {line}".rstrip(": ")
                continue
            times[name].append(elapsed)
            spent[name] += elapsed
            if count == 1 and elapsed > slow:
                stopped[name] = f"one sample: a call took over {slow:g} s"
            elif count >= least and spent[name] >= seconds:
                stopped[name] = "seconds"
        if precision is not None and reference in active and count >= check:
            check = math.ceil(1.2 * count)
            for name in active:
                if name not in (reference, *stopped) and _width(times[name], times[reference], confidence) <= precision:
                    stopped[name] = "precise"
        others = [stopped.get(name) for name in contenders if name != reference]
        if reference in active and None not in others and "precise" in others:
            _ = stopped.setdefault(reference, "precise")
    return {name: Samples(times[name], stopped.get(name, "rounds")) for name in contenders}


def _positive(elapsed: float) -> float:
    if not 0 < elapsed < math.inf:
        raise ValueError(f"a contender must return a positive time; got {elapsed!r}")
    return float(elapsed)


def _width(samples: Sequence[float], reference: Sequence[float], confidence: float) -> float:
    if len(samples) > len(reference):  # the reference raised in this round
        return math.inf
    ratio = paired_ratio(samples, reference, confidence=confidence)
    return (ratio.high - ratio.low) / ratio.median


def paired_ratio(
    samples: Sequence[float],
    reference: Sequence[float],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
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
    drawn = medians(logs, resamples, np.random.default_rng(seed))
    return ratio_of_logs(float(np.median(logs)), drawn, confidence, pairs)


def medians(values: Sequence[float] | np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    r"""Return the bootstrap medians of some values, without drawing each value again.

    With the values sorted, drawing is choosing places ⌊nU⌋. The median of n draws stands at the place of the middle
    one of n uniforms, and that is a beta variate; for an even n it is the mean of the two at the middle:

        U₍ₘ₎ ~ Beta(m, n−m+1),   1 − U₍ₘ₊₁₎ = (1 − U₍ₘ₎)·W^(1/(n−m)),   m = ⌈n/2⌉, W uniform

    Args:
        values: The values.
        resamples: How many medians.
        rng: Draws them.

    Returns:
        `[resamples]`.

    Example:
        >>> medians([3.0, 3.0, 3.0], 4, np.random.default_rng(0))
        array([3., 3., 3., 3.])

    References:
        David, Nagaraja, Order Statistics, 2003, sections 2.1 and 2.5.
    """
    ordered = np.sort(values)
    n = len(ordered)
    m = (n + 1) // 2
    lower = rng.beta(m, n - m + 1, resamples)
    places = [lower]
    if n % 2 == 0:
        places.append(1 - (1 - lower) * rng.random(resamples) ** (1 / (n - m)))
    # A beta variate may round to 1.
    return np.mean([ordered[np.minimum((n * u).astype(int), n - 1)] for u in places], axis=0)


def ratio_of_logs(median: float, drawn: np.ndarray, confidence: float, pairs: int) -> Ratio:
    """Return the ratio whose logarithm is `median`, with the percentile interval of the logarithms drawn.

    Args:
        median: The logarithm.
        drawn: Its bootstrap draws.
        confidence: The coverage of the interval.
        pairs: How many samples stand behind it.

    Returns:
        The ratio.

    Example:
        >>> ratio_of_logs(0.0, np.array([0.0, 0.0]), 0.95, 10)
        Ratio(median=1.0, low=1.0, high=1.0, pairs=10)
    """
    tail = (1 - confidence) / 2
    # exp(log(2)) is 2 less a rounding: ten digits are more than any clock has.
    middle, low, high = np.round(np.exp([median, *np.quantile(drawn, [tail, 1 - tail])]), 10).tolist()
    return Ratio(middle, low, high, pairs)


def verdict(ratio: Ratio, floor: float) -> Verdict:
    """Say what a ratio shows on a machine where differences below `floor` are none.

        low > 1 + floor                               SLOWER
        high < 1/(1 + floor)                          FASTER
        1/(1 + floor) ≤ low and high ≤ 1 + floor      SAME
        anything else                                 UNSURE

    Fewer than six pairs have no interval of 95 %: they are never SAME, and differ only beyond a factor of two.

    Args:
        ratio: The ratio.
        floor: The share below which a difference is none.

    Returns:
        The verdict on the contender, against the reference.

    Example:
        >>> verdict(Ratio(0.5, 0.4, 0.6, 50), floor=0.05)
        'FASTER'
        >>> verdict(Ratio(1.0, 0.9, 1.2, 50), floor=0.05)
        'UNSURE'
    """
    few = ratio.pairs < FEW
    most = 1 + (max(floor, COARSE) if few else floor)
    if ratio.low > most:
        return "SLOWER"
    if ratio.high < 1 / most:
        return "FASTER"
    return "SAME" if not few and 1 / most <= ratio.low and ratio.high <= most else "UNSURE"
