"""Two runs against each other: verdicts, statuses, machines, and what a gate may pass."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from jconv import _timing
from jconv._timing import Ratio
from jconv.errors import ConfigError
from jconv.lab import compare, record

MACHINE = {
    "processor": "abacus",
    "cores": 2,
    "system": "Linux x86_64",
    "platform": "cpu",
    "device": "cpu",
    "devices": 1,
    "jconv": "0.1.0",
    "jax": "0.10.2",
    "jaxlib": "0.10.2",
    "numpy": "2.1.0",
    "python": "3.11.7",
    "xla_flags": "",
    "noise_floor": {"floor": 0.05, "source": "shipped"},
}
PROBLEM = "layer/n1_i8c4_k3o4_s1_p1:1_d1_g1/forward"


def line(formulation: str, status: str = "ok", reason: str = "", **more) -> dict:
    case = f"{PROBLEM}/{formulation}"
    return {"case": case, "problem": PROBLEM, "formulation": formulation, "status": status, "reason": reason, **more}


def write(folder: Path, lines: list[dict], environment: dict | None = None, config: str = "") -> Path:
    folder.mkdir()
    (folder / record.RESULTS).touch()
    for one in lines:
        with (folder / record.RESULTS).open("a") as file:
            _ = file.write(record.encoded(one) + "\n")
    (folder / record.ENVIRONMENT).write_text(json.dumps(MACHINE | (environment or {})))
    if config:
        (folder / record.RESOLVED).write_text(config)
    return folder


def run(seed: int, speed: float = 1.0, pairs: int = 60, **times: float) -> list[dict]:
    """Return the records of formulations that take so many times direct's time, on a machine of such a speed."""
    rng = np.random.default_rng(seed)
    drift = np.exp(rng.normal(0, 0.05, pairs))
    samples = {
        name: (1e-3 * speed * drift * many * np.exp(rng.normal(0, 0.03, pairs))).tolist()
        for name, many in {"direct": 1.0, **times}.items()
    }
    lines = []
    for name, mine in samples.items():
        ratio = _timing.paired_ratio(mine, samples["direct"])._asdict()
        lines.append(line(name, samples_s=mine, seconds=float(np.median(mine)), ratio=ratio))
    del lines[0]["ratio"]
    return lines


def verdicts(comparison: compare.Comparison) -> dict[str, str]:
    return {pair.case.rpartition("/")[2]: pair.verdict for pair in comparison.pairs}


def text(comparison: compare.Comparison) -> str:
    return "\n".join(comparison.lines())


@pytest.fixture
def pair_of(tmp_path):
    def make(a, b, environment=None, configs=("", ""), **more) -> compare.Comparison:
        folders = write(tmp_path / "a", a, config=configs[0]), write(tmp_path / "b", b, environment, configs[1])
        return compare.compare(*folders, **more)

    return make


def test_a_run_is_the_same_as_itself(tmp_path):
    noisy = line("noisy", samples_s=[1.0, 2.0, 8.0], ratio={"median": 1.0, "low": 0.2, "high": 9.0, "pairs": 3})
    folder = write(tmp_path / "a", [*run(0, fft=2.0), noisy, line("einsum", "unsupported", "no")])
    comparison = compare.compare(folder, folder)
    assert verdicts(comparison) == {"direct": "SAME", "fft": "SAME", "noisy": "SAME", "einsum": ""}
    assert comparison.differences == comparison.only_a == comparison.only_b == comparison.status_changes() == []
    assert comparison.regressions(0.0) == []


def test_a_slower_machine_slows_seconds_and_not_ratios(pair_of):
    comparison = pair_of(run(0, fft=2.0, patches=1.0, shifts=1.0), run(1, speed=1.5, fft=2.0, patches=1.3, shifts=0.8))
    assert verdicts(comparison) == {"direct": "SLOWER", "fft": "SAME", "patches": "SLOWER", "shifts": "FASTER"}
    for pair, expected in zip(comparison.pairs, (1.5, 1.5, 1.95, 1.2), strict=True):
        assert pair.absolute is not None
        assert pair.absolute.low < expected < pair.absolute.high
    assert comparison.pairs[0].relative is None
    assert comparison.pairs[2].ratio == comparison.pairs[2].relative
    assert "1 FASTER, 1 SAME" in text(comparison)
    assert f"Judged by seconds, so perhaps by the machine's speed alone: {PROBLEM}/direct." in text(comparison)


@pytest.mark.parametrize("true", [0.7, 1.0, 1.2])
def test_intervals_hold_the_true_ratio(tmp_path, true):
    held = {"absolute": 0, "relative": 0}
    for seed in range(100):
        before, after = run(2 * seed, fft=2.0)[1], run(2 * seed + 1, fft=2.0 * true)[1]
        ratios = {
            "absolute": compare._absolute(before["samples_s"], after["samples_s"], 0.95, 1000, seed),
            "relative": compare._relative(before["ratio"], after["ratio"]),
        }
        for name, ratio in ratios.items():
            assert ratio is not None
            held[name] += ratio.low <= true <= ratio.high
    assert min(held.values()) >= 88, held


def test_the_relative_interval_follows_its_equation():
    a, b = Ratio(2.0, 1.0, 8.0, 20), Ratio(4.0, 2.0, 32.0, 10)
    found = compare._relative(a._asdict(), b._asdict())
    assert found is not None
    doubled = np.log2(found[:3])
    assert doubled == pytest.approx([1, 1 - np.hypot(1, 2), 1 + np.hypot(3, 1)])
    assert found.pairs == 10


def test_without_ratios_seconds_are_judged(pair_of):
    comparison = pair_of(run(0), run(1, speed=1.3))
    assert verdicts(comparison) == {"direct": "SLOWER"}
    assert "perhaps by the machine's speed alone" not in text(comparison)


def test_without_samples_ratios_are_judged(pair_of):
    ratio = {"median": 1.0, "low": 0.99, "high": 1.01, "pairs": 50}
    comparison = pair_of(
        [line("fft", ratio=ratio)], [line("fft", ratio=ratio | {"median": 2.0, "high": 2.1, "low": 1.9})]
    )
    assert verdicts(comparison) == {"fft": "SLOWER"}
    assert comparison.pairs[0].absolute is None


def test_the_larger_floor_of_both_runs_counts(pair_of):
    loud = {"noise_floor": {"floor": 0.5, "source": "this machine's own"}}
    comparison = pair_of(run(0, fft=2.0), run(1, fft=2.6), loud)
    assert comparison.floor == 0.5
    assert verdicts(comparison)["fft"] == "SAME"
    assert comparison.regressions(0.05) == []
    assert "differences below 50 % are none" in text(comparison)


def test_a_threshold_raises_the_floor(pair_of):
    assert verdicts(pair_of(run(0, fft=2.0), run(1, fft=2.6), threshold=0.5))["fft"] == "SAME"


def test_statuses_and_cases_that_changed_are_said(pair_of):
    comparison = pair_of(
        [line("direct"), line("fft", "mismatch"), line("einsum"), line("sparse", "unsupported", "no")],
        [line("direct"), line("fft"), line("einsum", "failed", "out of luck"), line("shifts")],
    )
    assert [(pair.a_status, pair.b_status) for pair in comparison.status_changes()] == [
        ("mismatch", "ok"),
        ("ok", "failed"),
    ]
    assert (comparison.only_a, comparison.only_b) == ([f"{PROBLEM}/sparse"], [f"{PROBLEM}/shifts"])
    assert f"{PROBLEM}/einsum: ok → failed: out of luck" in text(comparison)
    assert f"Only in A: {PROBLEM}/sparse." in text(comparison)
    many = comparison._replace(only_b=list("abcde"))
    assert "Only in B: a, b, c and 2 more." in text(many)
    assert "3 cases in both runs: none timed in both" in text(comparison)


def test_other_machines_seconds_are_refused_unless_forced(tmp_path):
    a = write(tmp_path / "a", run(0, fft=2.0))
    b = write(tmp_path / "b", run(1, speed=3.0, fft=2.6), {"processor": "quipu", "cores": 4})
    comparison = compare.compare(a, b)
    assert all(pair.absolute is None for pair in comparison.pairs)
    assert verdicts(comparison) == {"direct": "", "fft": "SLOWER"}
    refusal = "got processor abacus → quipu, cores 2 → 4. --force compares them all the same."
    assert f"Seconds are not compared: {refusal}" in text(comparison)
    with pytest.raises(ConfigError, match="must compare one machine; got processor abacus → quipu"):
        _ = comparison.regressions(0.05)
    forced = compare.compare(a, b, force=True)
    assert forced.refused == ""
    assert verdicts(forced) == {"direct": "SLOWER", "fft": "SLOWER"}
    assert len(forced.regressions(0.05)) == 2
    assert "Different processor: abacus → quipu." in text(forced)


@pytest.mark.parametrize("name", ["platform", "device", "devices", "processor", "cores", "system"])
def test_each_of_these_is_another_machine(pair_of, name):
    assert f"got {name} " in pair_of(run(0), run(1), {name: "other"}).refused


@pytest.mark.parametrize("name", ["jconv", "jax", "jaxlib", "numpy", "python", "xla_flags"])
def test_other_versions_are_flagged(pair_of, name):
    comparison = pair_of(run(0), run(1), {name: "other"})
    assert comparison.refused == ""
    assert f"Different {name}: {MACHINE[name]} → other." in text(comparison)


def test_other_settings_are_flagged(pair_of):
    configs = "name: a\nprecision: highest\nlayers: [1]\n", "name: b\nprecision: default\nlayers: [2]\n"
    comparison = pair_of(run(0), run(1), configs=configs)
    assert comparison.differences == [("config.precision", "highest", "default", False)]


def test_only_a_whole_interval_beyond_the_share_is_a_regression(pair_of):
    comparison = pair_of(run(0, fft=2.0, shifts=1.0), run(1, fft=2.6, shifts=1.0))
    assert [pair.case for pair in comparison.regressions(0.05)] == [f"{PROBLEM}/fft"]
    assert [pair.case for pair in comparison.regressions(0.2)] == [f"{PROBLEM}/fft"]
    assert comparison.regressions(0.3) == []
    assert comparison.regressions(0.001) == comparison.regressions(0.05)


def test_a_gate_that_compares_nothing_does_not_pass(pair_of):
    with pytest.raises(ConfigError, match="must find a case that both runs timed"):
        _ = pair_of([line("direct")], [line("direct")]).regressions(0.05)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("5%", 0.05), (" 5 % ", 0.05), ("0.05", 0.05), ("0", 0.0), ("150%", 1.5), ("0.5%", 0.005), (".5", 0.5)],
)
def test_shares_are_read(written, expected):
    assert compare.share(written) == pytest.approx(expected)


@pytest.mark.parametrize("written", ["5", "1", "-5%", "-0.1", "nan", "nan%", "inf", "inf%", "five", "", "%", "5%%"])
def test_what_is_no_share_is_refused(written):
    with pytest.raises(ConfigError, match="must be a percentage, or a share below 1; got "):
        _ = compare.share(written)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("results.jsonl", None),
        ("env.json", None),
        ("results.jsonl", "{\n"),
        ("results.jsonl", "[1]\n"),
        ("results.jsonl", '{"case": "a"}\n'),
        ("env.json", "{"),
        ("env.json", "[]"),
        ("env.json", '{"noise_floor": 1}'),
        ("config.resolved.yaml", "a: ["),
        ("config.resolved.yaml", "- 1"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, file, content):
    a, b = write(tmp_path / "a", run(0)), write(tmp_path / "b", run(1))
    (b / file).unlink(missing_ok=True)
    if content is not None:
        (b / file).write_text(content)
    with pytest.raises(ConfigError, match=r"(?s)compare: B: RUN must be a run's folder; got .*/b: "):
        _ = compare.compare(a, b)


def test_a_case_that_two_share_in_words_is_named_by_its_whole_string(pair_of):
    lines = [{**line("fft"), "case": f"a/n{n}_i8c1_k3o1/forward/fft"} for n in (1, 2)]
    comparison = pair_of([*lines, line("fft")], [*lines, line("fft")])
    console = Console(width=160, force_terminal=False)
    with console.capture() as capture:
        console.print(compare.table(comparison))
    assert all(f"a/n{n}_i8c1_k3o1/forward/fft" in capture.get() for n in (1, 2))
    assert "· forward · fft" in capture.get()


def test_runs_that_share_no_case_are_said_to(pair_of):
    comparison = pair_of([line("fft")], [line("direct")])
    assert comparison.lines()[0] == "No case is in both runs, so nothing is compared. Run the same config twice."


def test_the_table_shows_the_worst_first(pair_of):
    comparison = pair_of(
        [*run(0, fft=2.0, shifts=1.0), line("[bold]", "ok")], [*run(1, fft=1.0, shifts=1.3), line("[bold]", "failed")]
    )
    console = Console(width=160, force_terminal=False)
    with console.capture() as capture:
        console.print(compare.table(comparison))
    rows = [row for row in capture.get().splitlines() if " · forward · " in row]
    assert [row.split(" · ")[-1].split()[0] for row in rows] == ["shifts", "fft", "direct", "[bold]"]
    assert "ok → failed" in rows[3]
    assert rows[0].rstrip().endswith("SLOWER")
    assert "1.3" in rows[0]


def test_other_thread_settings_are_flagged(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    for folder, threads in ((a, {}), (b, {"thread_settings": "NPROC=1"})):
        folder.mkdir()
        (folder / "results.jsonl").write_text('{"case": "x", "formulation": "f", "status": "ok"}\n')
        (folder / "env.json").write_text(json.dumps({"processor": "abacus", **threads}))
    assert "Different thread_settings: None → NPROC=1." in compare.compare(a, b).lines()
    (a / "env.json").write_text('{"processor": "abacus", "thread_settings": ""}')
    assert not compare.compare(a, a).differences
