"""The statistics of timing, on synthetic programs: who leaves the rounds when, and how often a verdict is right."""

from collections import Counter

import numpy as np
import pytest

from jconv import _timing
from jconv._timing import Ratio

TRIALS = 200


class Clock:
    """A clock that moves only when a contender works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def program(self, name: str, seconds: float):
        """Return a contender that takes so long."""

        def work() -> None:
            self.now += seconds
            self.log.append(name)

        return _timing.timed(work, self)


class Machine:
    """A machine with log-normal noise of 5 %, a drift, and 2 % of calls that take three times as long."""

    def __init__(self, seed: int, noise: float = 0.05, drift: float = 0.01) -> None:
        self.rng = np.random.default_rng([7, seed])
        self.noise, self.drift, self.now, self.speed = noise, drift, 0.0, 0.0

    def program(self, seconds: float):
        """Return a contender that would take so long on a quiet machine."""

        def work() -> None:
            self.speed += self.rng.normal(0, self.drift)
            spike = 3.0 if self.rng.random() < 0.02 else 1.0
            self.now += seconds * spike * np.exp(self.speed + self.rng.normal(0, self.noise))

        return _timing.timed(work, lambda: self.now)


def run(contenders, *, rounds=20, seconds=1e9, reference=None, precision=None, **more):
    rng = np.random.default_rng(0)
    return _timing.measure(
        contenders, rounds=rounds, seconds=seconds, rng=rng, reference=reference, precision=precision, **more
    )


def trial(seed: int, times: float, **machine: float) -> tuple[str, Ratio]:
    """Return the verdict at the shipped settings on a program that takes `times` as long as another."""
    on = Machine(seed, **machine)
    found = _timing.measure(
        {"reference": on.program(1e-3), "other": on.program(1e-3 * times)},
        rounds=_timing.ROUNDS,
        seconds=_timing.SECONDS,
        rng=np.random.default_rng(seed),
        reference="reference",
        precision=_timing.PRECISION,
    )
    ratio = _timing.paired_ratio(found["other"].times, found["reference"].times)
    return _timing.verdict(ratio, _timing.FLOOR), ratio


def test_rounds_are_interleaved_in_random_order():
    clock = Clock()
    found = run({name: clock.program(name, 1.0) for name in "abc"}, rounds=50)
    rounds = ["".join(clock.log[i : i + 3]) for i in range(0, 150, 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len(set(rounds)) == 6
    assert found == {name: _timing.Samples([1.0] * 50, "rounds") for name in "abc"}


def test_who_has_spent_its_seconds_leaves_and_the_others_go_on():
    clock = Clock()
    programs = {"slow": 1.0, "endless": 19.0, "fast": 0.01}
    found = run({name: clock.program(name, seconds) for name, seconds in programs.items()}, seconds=2.0)
    assert {name: (len(times), why) for name, (times, why) in found.items()} == {
        "slow": (3, "seconds"),
        "endless": (3, "seconds"),
        "fast": (20, "rounds"),
    }


def test_a_first_call_that_takes_too_long_is_the_only_one():
    clock = Clock()
    found = run({"slow": clock.program("slow", 21.0), "fast": clock.program("fast", 1.0)}, rounds=5)
    assert found["slow"] == ([21.0], "one sample: a call took over 20 s")
    assert found["fast"] == ([1.0] * 5, "rounds")


def test_only_a_first_call_ends_by_being_slow():
    lasted = iter([1.0, 25.0, 1.0, 1.0])
    assert run({"hiccup": lambda: next(lasted)}, rounds=4)["hiccup"] == ([1.0, 25.0, 1.0, 1.0], "rounds")


def test_an_exception_ends_its_contender_and_keeps_all_samples():
    lasted = iter([1.0, 2.0])

    def breaks() -> float:
        for seconds in lasted:
            return seconds
        raise RuntimeError("out of luck\nand more")

    found = run({"breaks": breaks, "other": lambda: 1.0}, rounds=5)
    assert found == {"breaks": ([1.0, 2.0], "raised: RuntimeError: out of luck"), "other": ([1.0] * 5, "rounds")}


@pytest.mark.parametrize("time", [0.0, -1.0, np.nan, np.inf])
def test_a_time_that_is_none_ends_its_contender(time):
    found = run({"odd": lambda: time, "other": lambda: 1.0}, rounds=5, reference="other", precision=0.5)
    assert found["odd"].times == []
    assert found["odd"].stopped.startswith("raised: ValueError: a contender must return a positive time; got ")
    assert found["other"] == ([1.0] * 5, "rounds")


def test_an_interrupt_is_no_contenders_failure():
    def interrupted() -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _ = run({"a": interrupted})


def test_who_is_precise_leaves_and_the_reference_stays_for_the_others():
    rng = np.random.default_rng(3)
    contenders = {
        "reference": lambda: 1.0,
        "steady": lambda: 2.0,
        "noisy": lambda: float(np.exp(rng.normal(0, 0.05))),
    }
    found = run(contenders, rounds=500, reference="reference", precision=0.04)
    counts = {name: len(samples.times) for name, samples in found.items()}
    assert {samples.stopped for samples in found.values()} == {"precise"}
    assert counts["steady"] == 10 < counts["noisy"] == counts["reference"] < 500
    ratio = _timing.paired_ratio(found["noisy"].times, found["reference"].times)
    assert ratio.high - ratio.low <= 0.04 * ratio.median


def test_a_reference_that_fails_leaves_nobody_precise():
    lasted = iter([1.0] * 9)
    found = run({"other": lambda: 1.0, "reference": lambda: next(lasted)}, reference="reference", precision=1e-9)
    assert found == {"other": ([1.0] * 20, "rounds"), "reference": ([1.0] * 9, "raised: StopIteration")}


def test_a_reference_that_nobody_needs_is_timed_for_itself():
    def breaks() -> float:
        raise RuntimeError

    found = run({"other": breaks, "reference": lambda: 1.0}, reference="reference", precision=1e-9)
    assert found == {"other": ([], "raised: RuntimeError"), "reference": ([1.0] * 20, "rounds")}


@pytest.mark.parametrize("reference", ["alone", "absent"])
def test_without_another_nobody_is_precise(reference):
    assert run({"alone": lambda: 1.0}, reference=reference, precision=1.0)["alone"].stopped == "rounds"


def test_nothing_to_measure():
    assert run({}) == {}


def test_paired_ratio_cancels_a_common_drift():
    rng = np.random.default_rng(1)
    drift = np.exp(np.cumsum(rng.normal(0, 0.3, 40)))
    noise = np.exp(rng.normal(0, 0.02, (2, 40)))
    ratio = _timing.paired_ratio(list(1.5 * drift * noise[0]), list(drift * noise[1]))
    assert 1.45 < ratio.low <= ratio.median <= ratio.high < 1.55


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    for pairs in (10, 31):
        times = np.exp(rng.normal(0, 0.1, (TRIALS, 2, pairs)))
        ratios = [_timing.paired_ratio(list(a), list(b)) for a, b in times]
        assert sum(ratio.low <= 1 <= ratio.high for ratio in ratios) >= 0.9 * TRIALS


def test_ratio_of_nothing_is_refused():
    with pytest.raises(ValueError, match="must share a round"):
        _ = _timing.paired_ratio([], [1.0])


@pytest.mark.parametrize("count", [1, 2, 3, 8, 21])
def test_medians_are_those_of_drawing_every_value_again(rng, count):
    values = np.exp(rng.normal(size=count))
    slow = np.median(values[rng.integers(count, size=(20_000, count))], axis=1)
    fast = _timing.medians(values, 20_000, rng)
    # Two empirical distributions of 20,000 draws differ by more than 0.02 once in a thousand times.
    every = np.union1d(slow, fast)
    below = [np.searchsorted(np.sort(drawn), every + 1e-12) / 20_000 for drawn in (slow, fast)]
    assert np.max(np.abs(below[0] - below[1])) < 0.02
    assert fast.min() >= values.min() and fast.max() <= values.max()


@pytest.mark.parametrize(
    ("low", "high", "pairs", "expected"),
    [
        (1.051, 1.2, 50, "SLOWER"),
        (1.05, 1.2, 50, "UNSURE"),
        (0.96, 1.05, 50, "SAME"),
        (0.95, 1.05, 50, "UNSURE"),
        (1 / 1.05, 1 / 1.05, 50, "SAME"),
        (0.8, 0.952, 50, "FASTER"),
        (0.5, 2.0, 50, "UNSURE"),
        (1.0, 1.0, 5, "UNSURE"),
        (1.9, 1.9, 1, "UNSURE"),
        (2.1, 2.1, 1, "SLOWER"),
        (0.4, 0.49, 5, "FASTER"),
    ],
)
def test_verdict_follows_its_rule(low, high, pairs, expected):
    assert _timing.verdict(Ratio((low + high) / 2, low, high, pairs), 0.05) == expected


def test_identical_programs_are_the_same():
    verdicts = Counter(trial(seed, 1.0)[0] for seed in range(TRIALS))
    assert verdicts["SAME"] >= 0.95 * TRIALS, verdicts


@pytest.mark.parametrize(("times", "expected"), [(1.1, "SLOWER"), (1 / 1.1, "FASTER")])
def test_a_true_tenth_is_found(times, expected):
    verdicts = Counter(trial(1000 + seed, times)[0] for seed in range(TRIALS))
    assert verdicts[expected] >= 0.95 * TRIALS, verdicts


def test_a_true_fiftieth_is_never_found_the_wrong_way():
    verdicts = Counter(trial(2000 + seed, 1.02)[0] for seed in range(TRIALS))
    assert verdicts["FASTER"] == 0, verdicts


def test_a_noisy_machine_is_unsure_rather_than_wrong():
    found = [trial(3000 + seed, 1.0, noise=0.3) for seed in range(50)]
    assert not {verdict for verdict, _ in found} & {"FASTER", "SLOWER"}
    assert {ratio.pairs for _, ratio in found} == {_timing.ROUNDS}


@pytest.mark.parametrize(("seconds", "calls"), [(1e-4, 20), (1.9e-3, 2), (2e-3, 1), (5.0, 1), (1e-9, 1000)])
def test_short_programs_run_several_times_for_one_sample(seconds: float, calls: int) -> None:
    clock = Clock()

    def work() -> None:
        clock.now += seconds
        clock.log.append("work")

    assert _timing.calls_for(work, clock) == calls
    assert len(clock.log) == (3 if seconds < 1 else 1)
    clock.log.clear()
    assert _timing.timed(work, clock, calls)() == pytest.approx(seconds, rel=1e-3)
    assert len(clock.log) == calls
