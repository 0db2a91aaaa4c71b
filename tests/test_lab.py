"""The laboratory's parts: the oracle against the loops, the tolerance rule, the statistics, the records, the runner."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import reference

from jconv import _timing
from jconv.errors import ConfigError
from jconv.lab import agreement, config, images, oracle, plan, record, runner, summary
from jconv.lab.document import parse

MODES = ("zeros", "circular", "reflect", "edge")
PROBLEMS = [
    ((2, 7, 6, 4), (3, 2, 2, 6), {"stride": (2, 1), "padding": ((1, 2), (0, 1)), "groups": 2}),
    ((1, 9, 8, 3), (3, 3, 1, 3), {"padding": "SAME", "dilation": (2, 1), "groups": 3}),
    ((1, 9, 8, 2), (4, 3, 2, 5), {"padding": "SAME_LOWER", "stride": (2, 3)}),
    ((2, 6, 5, 2), (3, 2, 2, 3), {"padding": "FULL", "flip": True}),
    ((1, 9, 2), (3, 2, 3), {"padding": "CAUSAL", "dilation": 2}),
    ((1, 8, 7, 2), (2, 3, 2, 3), {"padding": ((2, -1), (-1, 2)), "stride": 2}),
    ((1, 4, 5, 6, 2), (2, 3, 2, 2, 3), {"padding": 1}),
]


def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-4, 5, shape).astype(np.float64)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("x_shape", "kernel_shape", "arguments"), PROBLEMS)
def test_oracle_is_the_definition(rng, x_shape, kernel_shape, arguments, mode):
    x, kernel = draw(rng, x_shape), draw(rng, kernel_shape)
    expected = reference.conv(x, kernel, padding_mode=mode, **arguments)
    ct = draw(rng, expected.shape)
    answer = oracle.conv(x, kernel, ct, padding_mode=mode, **arguments)
    np.testing.assert_array_equal(answer.output, expected)
    by_x, by_kernel, _ = reference.conv_gradients(ct, x, kernel, padding_mode=mode, **arguments)
    np.testing.assert_array_equal(answer.x_gradient, by_x)
    np.testing.assert_array_equal(answer.kernel_gradient, by_kernel)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("x_shape", "kernel_shape", "arguments"),
    [
        ((2, 4, 3, 6), (3, 2, 2, 6), {"stride": (2, 1), "padding": 1, "groups": 2}),
        ((1, 4, 5, 3), (3, 4, 2, 3), {"padding": "SAME", "stride": 2}),
        ((1, 5, 4, 2), (3, 3, 2, 2), {"padding": ((1, 0), (0, 2)), "stride": 2, "output_padding": 1, "flip": True}),
        ((1, 5, 4, 2), (2, 3, 3, 2), {"dilation": (3, 2), "output_padding": (1, 0), "padding": "SAME_LOWER"}),
    ],
)
def test_oracle_transposed_is_the_definition(rng, x_shape, kernel_shape, arguments, mode):
    x, kernel = draw(rng, x_shape), draw(rng, kernel_shape)
    expected = reference.conv_transpose(x, kernel, padding_mode=mode, **arguments)
    answer = oracle.conv_transpose(x, kernel, padding_mode=mode, **arguments)
    np.testing.assert_array_equal(answer.output, expected)
    # Its gradients, by bilinearity: ⟨ct, T(x, k)⟩ changes by ⟨ct, T(dx, k)⟩ and ⟨ct, T(x, dk)⟩.
    ct, dx, dk = (draw(rng, shape) for shape in (expected.shape, x_shape, kernel_shape))
    answer = oracle.conv_transpose(x, kernel, ct, padding_mode=mode, **arguments)
    by_x = reference.conv_transpose(dx, kernel, padding_mode=mode, **arguments)
    by_kernel = reference.conv_transpose(x, dk, padding_mode=mode, **arguments)
    assert np.sum(answer.x_gradient * dx) == np.sum(ct * by_x)
    assert np.sum(answer.kernel_gradient * dk) == np.sum(ct * by_kernel)


def test_tolerance_follows_its_rule():
    one = np.ones((1, 2, 2, 1))
    epsilon = float(np.finfo(np.float32).eps)
    terms, absolute = 9 * one, 5 * one
    found = agreement.compare(one.astype(np.float32), one, absolute, terms, exact=True, size=16)
    assert found.tolerance == pytest.approx(epsilon * 3 * 5)
    assert agreement.compare(
        one.astype(np.float32), one, absolute, terms, exact=False, size=16
    ).tolerance == pytest.approx(epsilon * 3 * 5 * 4)
    off = (one + 20 * epsilon).astype(np.float32)
    assert not agreement.compare(off, one, absolute, terms, exact=True, size=16).ok


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_entry_never_passes(bad):
    one = np.ones((1, 3, 3, 1))
    value = one.astype(np.float32)
    value[0, 1, 1, 0] = bad
    assert not agreement.compare(value, one, one, one, exact=True, size=9).ok


def test_wrong_shape_never_passes():
    one = np.ones((1, 3, 3, 1))
    assert not agreement.compare(np.ones((1, 3, 3), np.float32), one, one, one, exact=True, size=9).ok


class Clock:
    """A clock that moves only when a contender works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def work(self, seconds: float, log: list[str], name: str) -> None:
        """Let time pass."""
        self.now += seconds
        log.append(name)


def test_rounds_are_interleaved_in_random_order():
    clock, log = Clock(), []
    contenders = {name: lambda name=name: clock.work(1.0, log, name) for name in "abc"}
    samples = _timing.measure(contenders, rounds=50, seconds=1e9, rng=np.random.default_rng(0), clock=clock)
    rounds = ["".join(log[i : i + 3]) for i in range(0, 150, 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len(set(rounds)) == 6
    assert samples == {name: [1.0] * 50 for name in "abc"}


def test_a_slow_contender_leaves_and_the_others_go_on():
    clock, log = Clock(), []
    contenders = {
        "slow": lambda: clock.work(1.0, log, "slow"),
        "endless": lambda: clock.work(50.0, log, "endless"),
        "fast": lambda: clock.work(0.01, log, "fast"),
    }
    samples = _timing.measure(contenders, rounds=20, seconds=2.0, rng=np.random.default_rng(0), clock=clock)
    assert {name: len(times) for name, times in samples.items()} == {"slow": 3, "endless": 3, "fast": 20}


def test_paired_ratio_cancels_a_common_drift():
    rng = np.random.default_rng(1)
    drift = np.exp(np.cumsum(rng.normal(0, 0.3, 40)))
    noise = np.exp(rng.normal(0, 0.02, (2, 40)))
    ratio = _timing.paired_ratio(list(1.5 * drift * noise[0]), list(drift * noise[1]))
    assert 1.45 < ratio.low <= ratio.median <= ratio.high < 1.55


def test_the_same_program_is_rarely_called_different():
    rng = np.random.default_rng(2)
    times = np.exp(rng.normal(0, 0.1, (200, 2, 30)))
    ratios = [_timing.paired_ratio(list(a), list(b), resamples=400) for a, b in times]
    assert sum(ratio.low <= 1 <= ratio.high for ratio in ratios) >= 180


def test_ratio_of_nothing_is_refused():
    with pytest.raises(ValueError, match="must share a round"):
        _timing.paired_ratio([], [1.0])


def test_records_have_no_nan_tokens(tmp_path: Path):
    (tmp_path / record.RESULTS).touch()
    record.append(tmp_path, {"case": "a", "error": math.nan, "tolerance": math.inf, "samples": [1.0]})
    record.append(tmp_path, {"case": "b", "error": 0.5})
    lines = (tmp_path / record.RESULTS).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"case": "a", "error": None, "tolerance": None, "samples": [1.0], "nonfinite": ["error", "tolerance"]},
        {"case": "b", "error": 0.5},
    ]


def test_photograph_is_cut_square_and_scaled():
    picture = images.photograph("photo", Path(), 24)
    assert picture.shape == (24, 24, 3)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() < 0.2 < 0.8 < picture.max() <= 1


def test_pictures_map_zero_to_grey(tmp_path: Path):
    images.write_picture(tmp_path / "a.png", np.array([[-2.0, 0.0, 2.0, np.nan]]), limit=2.0)
    with images.Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image).tolist() == [[0, 128, 255, 0]]


TEXT = """
schema_version: 1
kind: photograph
name: tiny
size: 8
formulations: [direct, patches]
measure: {rounds: 3, seconds: 0.001}
filters: [{name: edge, kernel: [[1, -1]]}]
"""


def planned(text: str) -> tuple[config.Config, list[plan.Problem]]:
    document = parse(text)
    settings = config.validate(document)
    return settings, plan.plan(settings, document)


def test_a_wrong_formulation_is_a_mismatch_and_a_crash_is_a_failure(tmp_path: Path, monkeypatch):
    settings, (problem,) = planned(TEXT)
    (tmp_path / record.PICTURES).mkdir()
    right = runner.photograph.program

    def sabotaged(problem, formulation, precision):
        function = right(problem, formulation, precision)
        if formulation == "patches":
            return lambda x, kernel: function(x, kernel) * 1.0001
        return function

    monkeypatch.setattr(runner.photograph, "program", sabotaged)
    picture = images.photograph("photo", Path(), 8)
    direct, patches = runner.run_problem(settings, problem, picture, tmp_path, lambda case: None)
    assert (direct["status"], patches["status"]) == ("ok", "mismatch")
    assert "forward is off by" in patches["reason"]
    assert "1 of 2 cases are wrong" in summary.verdict([direct, patches])[0]

    def crashing(problem, formulation, precision):
        def crash(x, kernel):
            raise RuntimeError("out of luck\nand more")

        return crash if formulation == "patches" else right(problem, formulation, precision)

    monkeypatch.setattr(runner.photograph, "program", crashing)
    direct, patches = runner.run_problem(settings, problem, picture, tmp_path, lambda case: None)
    assert (direct["status"], patches["status"]) == ("ok", "failed")
    assert patches["reason"] == "RuntimeError: out of luck"


def test_a_black_picture_proves_nothing(tmp_path: Path):
    settings, (problem,) = planned(TEXT)
    (tmp_path / record.PICTURES).mkdir()
    lines = runner.run_problem(settings, problem, np.zeros((8, 8, 3), np.float32), tmp_path, lambda case: None)
    assert {line["status"] for line in lines} == {"mistrusted"}


def test_what_jconv_refuses_is_a_config_error():
    text = TEXT.replace("[[1, -1]]", "[[1, 2, 3]]").replace("]]}]", "]], padding: 9, padding_mode: reflect}]")
    document = parse(text, "bad.yaml")
    settings = config.validate(document)
    with pytest.raises(ConfigError, match=r"bad\.yaml:8:11: error: filters\.0: edge: .*reflects"):
        runner.check(plan.plan(settings, document), document)
