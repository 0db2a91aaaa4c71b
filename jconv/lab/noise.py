"""How far two identical programs seem apart on this machine: below that, a difference is none. No JAX here.

    floor = exp(quantile₀.₉₅ |log ratio|) − 1   over trials of an A/A experiment

Each trial times two identical programs exactly as a run times its contenders. The result is kept in the user's
cache directory, in a file per machine, so that machines that share a home do not overwrite each other's.
"""

import contextlib
import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import platformdirs
import pydantic
from pydantic import BaseModel, ConfigDict, Field

from jconv import _timing, machine
from jconv._timing import Ratio

Contender = Callable[[], float]
TRIALS = 20
QUANTILE = 0.95


class Floor(NamedTuple):
    """The share below which a difference is none.

    Args:
        value: The share: 0.05 is 5 %.
        source: Where it comes from, in words.
    """

    value: float
    source: str

    def record(self) -> dict[str, float | str]:
        """Return it as a run's environment records it."""
        return {"floor": self.value, "source": self.source}


class Noise(BaseModel):
    """An A/A experiment's result, as it is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_version: Literal[1] = 1
    machine: dict[str, str | int]
    measured: str
    floor: Annotated[float, Field(ge=0)]
    ratios: Annotated[list[Ratio], Field(min_length=1)]

    def words(self) -> str:
        """Return the result as a sentence."""
        return (
            f"Two identical programs differ by up to {percent(self.floor)} here (in 95 % of {len(self.ratios)} trials, "
            f"{self.measured}): differences below that are no differences."
        )


def percent(share: float) -> str:
    """Return a share in words.

    Example:
        >>> percent(0.0712)
        '7.1 %'
    """
    return f"{100 * share:.2g} %"


def experiment(
    pair: Callable[[int], tuple[Contender, Contender]],
    trials: int = TRIALS,
    *,
    rounds: int = _timing.ROUNDS,
    seconds: float = _timing.SECONDS,
    precision: float | None = _timing.PRECISION,
    seed: int = 0,
    tell: Callable[[int], None] = lambda trial: None,
) -> Noise:
    """Time pairs of identical programs, and return how far they seem apart.

    Args:
        pair: Makes the two contenders of a trial, warm. Made anew, their placement in memory is part of the noise.
        trials: How many pairs.
        rounds: As for `_timing.measure`.
        seconds: As for `_timing.measure`.
        precision: As for `_timing.measure`.
        seed: Of the orders.
        tell: Is told each trial before it begins.

    Returns:
        The result.

    Raises:
        RuntimeError: If a contender fails.

    Example:
        >>> experiment(lambda trial: (lambda: 1.0, lambda: 1.0 + 0.01 * trial), trials=2).floor
        0.0095
    """
    ratios = []
    for trial in range(trials):
        tell(trial)
        found = _timing.measure(
            dict(zip("ab", pair(trial), strict=True)),
            rounds=rounds,
            seconds=seconds,
            rng=np.random.default_rng([seed, trial]),
            reference="a",
            precision=precision,
        )
        for samples in found.values():
            if samples.stopped.startswith("raised"):
                raise RuntimeError(f"A contender of the A/A experiment {samples.stopped}.")
        ratios.append(_timing.paired_ratio(found["b"].times, found["a"].times))
    apart = np.quantile(np.abs(np.log([ratio.median for ratio in ratios])), QUANTILE)
    return Noise(
        machine=machine.identity(),
        measured=time.strftime("%Y-%m-%d"),
        floor=round(float(np.expm1(apart)), 4),
        ratios=ratios,
    )


def path() -> Path:
    """Return where this machine's noise is kept.

    Example:
        >>> path().suffix
        '.json'
    """
    key = hashlib.sha256(json.dumps(machine.identity(), sort_keys=True).encode()).hexdigest()[:12]
    return Path(platformdirs.user_cache_dir("jconv")) / f"noise-{key}.json"


def keep(noise: Noise) -> Path:
    """Keep a result for later runs on this machine: the whole file, or the former one.

    Args:
        noise: The result.

    Returns:
        Where it is kept.

    Raises:
        OSError: If it cannot be written.

    Example:
        >>> where = keep(experiment(lambda trial: (lambda: 1.0, lambda: 1.0), 1))  # doctest: +SKIP
    """
    where = path()
    content = noise.model_dump(mode="json") | {"ratios": [ratio._asdict() for ratio in noise.ratios]}
    where.parent.mkdir(parents=True, exist_ok=True)
    draft = where.with_suffix(f".{os.getpid()}")
    try:
        _ = draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return draft.replace(where)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def kept() -> Noise | None:
    """Return this machine's noise, if it is known; a file that is not ours is ignored with a warning.

    Example:
        >>> noise = kept()  # None before the first `jconv doctor`
    """
    where = path()
    try:
        noise = Noise.model_validate_json(where.read_bytes())
        if noise.machine != machine.identity():
            raise ValueError(f"it is of another machine: {noise.machine}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, pydantic.ValidationError) else error
        warnings.warn(f"{where} is ignored: {reason}. Run `jconv doctor` to write it anew.", stacklevel=2)
        return None
    return noise


def floor() -> Floor:
    """Return the share below which a difference is none: the shipped one, or this machine's own if that is larger.

    Returns:
        The share, and where it comes from.

    Example:
        >>> floor().value >= 0.05
        True
    """
    return floor_of(kept())


def floor_of(noise: Noise | None) -> Floor:
    """Return the share below which a difference is none on a machine of this noise.

    Args:
        noise: An A/A experiment's result, or None if there was none.

    Returns:
        The share, and where it comes from.

    Example:
        >>> floor_of(None).value
        0.05
    """
    if noise is None:
        return Floor(_timing.FLOOR, "shipped; `jconv doctor` measures this machine's own")
    if noise.floor <= _timing.FLOOR:
        return Floor(_timing.FLOOR, f"shipped; this machine's own is {percent(noise.floor)} ({noise.measured})")
    return Floor(noise.floor, f"this machine's own, by `jconv doctor` ({noise.measured})")
