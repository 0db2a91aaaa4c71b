r"""What changed from one run, A, to another, B: times, statuses, the machine. No JAX here.

Two runs are hours or machines apart, so seconds differ by more than the code. Where a case has its ratio to direct in
both runs, the verdict is on the ratio of ratios, in which the machine's speed cancels:

    relative = (t_B / direct_B) / (t_A / direct_A),   absolute = median t_B / median t_A

The absolute ratio's interval is a bootstrap's over the raw samples of both; the relative one's joins the intervals of
both ratios: with r = log ratio, l and h its ends,

    low = r_B − r_A − √((r_B − l_B)² + (h_A − r_A)²),   high likewise

References:
    Zou, Donner, Construction of confidence limits about effect measures, 2008, https://doi.org/10.1002/sim.3095
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import yaml
from rich import box
from rich.table import Table
from rich.text import Text

from jconv import _timing
from jconv._timing import Ratio, Verdict
from jconv.errors import ConfigError
from jconv.lab import record, summary
from jconv.lab.noise import percent

MACHINE = ("processor", "cores", "system", "platform", "device", "devices")
"""What must be equal for seconds to be comparable."""
VERSIONS = ("jconv", "jax", "jaxlib", "numpy", "python", "xla_flags", "thread_settings")
"""What may have changed on purpose, but must be known."""
ORDER = ("SLOWER", "FASTER", "UNSURE", "SAME", "")
SHOWN = 3
STYLES = {"SLOWER": "red", "FASTER": "green", "UNSURE": "yellow"}


class Difference(NamedTuple):
    """Something that both runs state, and differently.

    Args:
        name: Of a field of `env.json`, or `config.<field>` of the resolved config.
        a: What A says.
        b: What B says.
        machine: Whether seconds are therefore not comparable.
    """

    name: str
    a: Any
    b: Any
    machine: bool


class Pair(NamedTuple):
    """One case in both runs.

    Args:
        case: Its name.
        a_status: Its status in A.
        b_status: Its status in B.
        reason: B's reason for it.
        absolute: B's seconds ÷ A's; None where not timed, or refused.
        relative: B's ratio to direct ÷ A's; None where a run lacks it.
        verdict: On B against A; "" where there is nothing to judge.
    """

    case: str
    a_status: str
    b_status: str
    reason: str
    absolute: Ratio | None
    relative: Ratio | None
    verdict: Verdict | Literal[""]

    @property
    def ratio(self) -> Ratio | None:
        """The ratio that the verdict is on."""
        return self.relative or self.absolute


class Comparison(NamedTuple):
    """Two runs, compared.

    Args:
        a: A's folder.
        b: B's folder.
        pairs: The cases of both, in A's order.
        only_a: The names of the cases that B lacks.
        only_b: The names of the cases that A lacks.
        differences: Between machines, versions and settings.
        floor: The share below which a difference is none.
        refused: Why seconds are not compared, or "".
    """

    a: Path
    b: Path
    pairs: list[Pair]
    only_a: list[str]
    only_b: list[str]
    differences: list[Difference]
    floor: float
    refused: str

    def status_changes(self) -> list[Pair]:
        """Return the cases whose status changed."""
        return [pair for pair in self.pairs if pair.a_status != pair.b_status]

    def regressions(self, share: float) -> list[Pair]:
        """Return the cases that are slower in B by more than a share with their whole interval.

        A share below the floor is raised to it: this machine cannot tell so little.

        Args:
            share: 0.05 is 5 %.

        Returns:
            The slower cases.

        Raises:
            ConfigError: If seconds are refused, or nothing was timed in both: what compares nothing must not pass.
        """
        if self.refused:
            raise ConfigError(f"compare: --fail-on-slower must compare one machine; {self.refused}")
        timed = [(pair, pair.ratio) for pair in self.pairs if pair.ratio]
        if not timed:
            raise ConfigError(
                f"compare: --fail-on-slower must find a case that both runs timed; got none in {self.a} and {self.b}. "
                "Run the same config twice."
            )
        return [pair for pair, ratio in timed if _timing.verdict(ratio, max(share, self.floor)) == "SLOWER"]

    def lines(self) -> list[str]:
        """Return what changed, in sentences, the most important first."""
        counts = Counter(pair.verdict for pair in self.pairs if pair.verdict)
        verdicts = ", ".join(f"{counts[word]} {word}" for word in ORDER if counts[word]) or "none timed in both"
        both = summary.count(len(self.pairs), "case")
        found = [
            f"{both} in both runs: {verdicts}; differences below {percent(self.floor)} are none.",
            "Judged by the ratio to direct where both have it, for it cancels the machine's drift; else by seconds.",
        ]
        if not self.pairs:
            found = ["No case is in both runs, so nothing is compared. Run the same config twice."]
        moved = [pair.case for pair in self.pairs if not pair.relative and pair.verdict in ("SLOWER", "FASTER")]
        if moved and any(pair.relative for pair in self.pairs):
            found.append(
                f"Judged by seconds, so perhaps by the machine's speed alone: {_some(moved)}. "
                "Where direct itself changed, the ratios to it change too."
            )
        if self.refused:
            found.append(f"Seconds are not compared: {self.refused}")
        found += [f"Different {d.name}: {d.a} → {d.b}." for d in self.differences]
        for pair in self.status_changes():
            found.append(f"{pair.case}: {pair.a_status} → {pair.b_status}{pair.reason and f': {pair.reason}'}")
        for name, cases in (("A", self.only_a), ("B", self.only_b)):
            if cases:
                found.append(f"Only in {name}: {_some(cases)}.")
        return found


def compare(
    a_folder: Path,
    b_folder: Path,
    *,
    threshold: float = _timing.FLOOR,
    force: bool = False,
    confidence: float = _timing.CONFIDENCE,
    resamples: int = _timing.RESAMPLES,
    seed: int = 0,
) -> Comparison:
    r"""Compare two runs case by case.

    Args:
        a_folder: The former run's folder.
        b_folder: The later run's.
        threshold: The share below which a difference is none; the noise of either run's machine may raise it.
        force: Compare seconds even across machines.
        confidence: The coverage of the absolute ratios' intervals; the relative ones keep that of their runs.
        resamples: How many times the samples are drawn again.
        seed: Of the draws.

    Returns:
        What changed.

    Raises:
        ConfigError: If a folder holds no run.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "results.jsonl").write_text('{"case": "a", "formulation": "fft", "status": "ok"}\n')
        >>> _ = (folder / "env.json").write_text('{"processor": "abacus"}')
        >>> compare(folder, folder).pairs[0].b_status
        'ok'
    """
    a, a_env, a_floor = _load(a_folder, "A")
    b, b_env, b_floor = _load(b_folder, "B")
    differences = _differences(a_env, b_env)
    other = [f"{d.name} {d.a} → {d.b}" for d in differences if d.machine]
    refused = f"got {', '.join(other)}. --force compares them all the same." if other and not force else ""
    floor = max(threshold, a_floor, b_floor)
    pairs = []
    for case in (name for name in a if name in b):
        before, after = a[case], b[case]
        times, later = before.get("samples_s"), after.get("samples_s")
        relative = _relative(before.get("ratio"), after.get("ratio"))
        absolute = None
        if times and later and not refused:
            absolute = _absolute(times, later, confidence, resamples, seed)
        verdict: Verdict | Literal[""] = ""
        if ratio := relative or absolute:
            # The very same samples are no second measurement, however much they scatter.
            verdict = "SAME" if times and times == later else _timing.verdict(ratio, floor)
        statuses = before["status"], after["status"]
        pairs.append(Pair(case, *statuses, after.get("reason", ""), absolute, relative, verdict))
    only_a, only_b = [name for name in a if name not in b], [name for name in b if name not in a]
    return Comparison(a_folder, b_folder, pairs, only_a, only_b, differences, floor, refused)


def table(comparison: Comparison) -> Table:
    """Return a table with a row per case of both runs: slower ones first, then faster, unsure, same, untimed.

    Args:
        comparison: The comparison.

    Returns:
        The table.

    Example:
        >>> table(Comparison(Path("a"), Path("b"), [], [], [], [], 0.05, "")).row_count
        0
    """
    made = Table(box=box.SIMPLE_HEAD, title=f"{comparison.b} against {comparison.a}", title_justify="left")
    for heading in ("case", "status"):
        made.add_column(heading, overflow="fold")
    for heading in ("B ÷ A, as\nratio to direct", "B ÷ A,\nin seconds"):
        made.add_column(heading, justify="right")
    names = _names([pair.case for pair in comparison.pairs])
    made.add_column("verdict")
    for pair in sorted(comparison.pairs, key=lambda pair: ORDER.index(pair.verdict)):
        status = pair.b_status if pair.a_status == pair.b_status else f"{pair.a_status} → {pair.b_status}"
        verdict = Text(pair.verdict, style=STYLES.get(pair.verdict, ""))
        made.add_row(Text(names[pair.case]), Text(status), _interval(pair.relative), _interval(pair.absolute), verdict)
    return made


def share(text: str) -> float:
    """Return the share that `5%` or `0.05` means.

    Args:
        text: What the user wrote.

    Returns:
        The share.

    Raises:
        ConfigError: If it is neither.

    Example:
        >>> share("5%"), share("0.05")
        (0.05, 0.05)
    """
    try:
        number = text.strip().removesuffix("%")
        found = float(number) / 100 if number != text.strip() else float(number)
        # A bare 5 may mean 5 % or five times as long.
        if not 0 <= found < math.inf or (found >= 1 and number == text.strip()):
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"compare: --fail-on-slower must be a percentage, or a share below 1; got {text!r}. Write 5% or 0.05."
        ) from None
    return found


def _load(folder: Path, name: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any], float]:
    """Return a run's records by case, its environment with the plain settings of its config, and its noise floor."""
    try:
        records = {line["case"]: line for line in record.read(folder)}
        environment = record.environment(folder)
        config = folder / record.RESOLVED
        settings = yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else {}
        plain = {f"config.{key}": value for key, value in settings.items() if isinstance(value, str | int | float)}
        floor = environment.get("noise_floor", {}).get("floor", 0.0)
        return records, environment | plain, float(floor)
    except ConfigError as error:
        raise ConfigError(f"compare: {name}: {error}") from None
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ConfigError(f"compare: {name}: {record.no_run(folder, str(error))}") from None


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Difference]:
    settings = [name for name in {**a, **b} if name.startswith("config.") and name != "config.name"]
    names: Sequence[str] = [*MACHINE, *VERSIONS, *settings]
    return [Difference(n, a.get(n), b.get(n), n in MACHINE) for n in names if (a.get(n) or None) != (b.get(n) or None)]


def _absolute(before: Sequence[float], after: Sequence[float], confidence: float, resamples: int, seed: int) -> Ratio:
    """Return the ratio of the medians of samples that share no rounds, with its bootstrap interval."""
    a, b, rng = np.log(before), np.log(after), np.random.default_rng(seed)
    drawn = _timing.medians(b, resamples, rng) - _timing.medians(a, resamples, rng)
    return _timing.ratio_of_logs(float(np.median(b) - np.median(a)), drawn, confidence, min(len(a), len(b)))


def _relative(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Ratio | None:
    """Return the ratio of ratios, with the interval of the equation above."""
    if not before or not after:
        return None
    (a, a_low, a_high), (b, b_low, b_high) = (
        [math.log(ratio[end]) for end in ("median", "low", "high")] for ratio in (before, after)
    )
    below, above = math.hypot(b - b_low, a_high - a), math.hypot(b_high - b, a - a_low)
    middle, low, high = np.round(np.exp([b - a, b - a - below, b - a + above]), 10).tolist()
    return Ratio(middle, low, high, min(before["pairs"], after["pairs"]))


def _interval(ratio: Ratio | None) -> str:
    return "" if ratio is None else f"{ratio.median:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _names(cases: Sequence[str]) -> dict[str, str]:
    """Return a case's layer, transform and formulation in words; all of its string where another has the same."""
    words = {}
    for case in cases:
        layer, *middle, transform, formulation = case.split("/") if case.count("/") > 1 else (case, "", "")
        words[case] = f"{layer} · {transform} · {formulation}" if middle else case
    counts = Counter(words.values())
    return {case: word if counts[word] == 1 else case for case, word in words.items()}


def _some(cases: Sequence[str]) -> str:
    return ", ".join(cases[:SHOWN]) + (f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else "")
