"""How far a result may stand from float64, by a rule. No JAX here.

    tolerance = ε · √terms · scale,   scale = max Σ|x||k|,   terms = the most products in one sum

ε is the dtype's; Σ|x||k| is the same convolution of absolute values, so it knows cancellation; √terms is how
rounding errors of a sum grow when their signs are random. A transform mixes all entries through log₂(size)
stages, so a formulation that is not exact on integers gets that factor more. NaN is never within tolerance.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import ml_dtypes
import numpy as np

from jconv.lab.truth import Truth

FEW = 0.1
"""A comparison proves little when a smaller share than this of the true values differs from zero."""


class Agreement(NamedTuple):
    """A result against the truth; of several outputs, the one that uses most of its tolerance.

    Args:
        error: The largest absolute difference; infinite or NaN if the result is.
        tolerance: What the rule allows.
        max_ulps: The error in units of the last place of the largest true value.
        rms_ulps: The root mean square of all differences, in the same units.
        relative: The error relative to the largest true value.
        ok: Whether shapes and values of all outputs agree.
        reason: What is wrong, or nothing.
    """

    error: float
    tolerance: float
    max_ulps: float
    rms_ulps: float
    relative: float
    ok: bool
    reason: str = ""


def compare(values: Sequence[np.ndarray], truth: Truth, *, exact: bool, size: int) -> Agreement:
    """Compare the outputs of a program with the truth.

    Args:
        values: The outputs, in their own dtype.
        truth: What they should be.
        exact: Whether the formulation is exact on small integers.
        size: The number of entries a transform would mix.

    Returns:
        How they agree.

    Example:
        >>> one = np.ones((1, 2, 2, 1))
        >>> truth = Truth([one], [one], [1.0])
        >>> compare([one.astype("float32")], truth, exact=True, size=4).ok
        True
        >>> compare([np.full((1, 2, 2, 1), np.nan, "float32")], truth, exact=True, size=4).ok
        False
    """
    if len(values) != len(truth.values):
        return _apart(f"{len(values)} outputs, not {len(truth.values)}")
    found = [
        _one(value, expected, absolute, terms, 1.0 if exact else max(math.log2(size), 1.0))
        for value, expected, absolute, terms in zip(values, *truth, strict=True)
    ]
    worst = max(found, key=_share)
    bad = [one.reason for one in found if not one.ok]
    return worst._replace(ok=not bad, reason="; ".join(bad))


def _one(value: np.ndarray, expected: np.ndarray, absolute: np.ndarray, terms: float, mixing: float) -> Agreement:
    if value.shape != expected.shape:
        return _apart(f"the result has shape {value.shape}, not {expected.shape}")
    epsilon = float(ml_dtypes.finfo(value.dtype).eps)
    scale, largest = (float(np.max(np.abs(array), initial=0.0)) for array in (absolute, expected))
    tolerance = epsilon * math.sqrt(terms) * scale * mixing
    difference = np.abs(value.astype(np.float64) - expected)
    error = float(np.max(difference, initial=0.0))
    # The spacing of the dtype at the largest true value; at zero, epsilon itself.
    ulp = epsilon * 2.0 ** math.floor(math.log2(largest)) if largest else epsilon
    rms = float(np.sqrt(np.mean(np.square(difference)))) if difference.size else 0.0
    ok = error <= tolerance
    reason = "" if ok else f"the result is off by {error:.3g}, above its tolerance of {tolerance:.3g}"
    return Agreement(error, tolerance, error / ulp, rms / ulp, error / (largest or 1.0), ok, reason)


def _apart(reason: str) -> Agreement:
    return Agreement(math.inf, 0.0, math.inf, math.inf, math.inf, ok=False, reason=reason)


def _share(one: Agreement) -> float:
    if not math.isfinite(one.error):
        return math.inf
    return one.error / one.tolerance if one.tolerance else math.inf if one.error else 0.0


def mostly_zero(truth: Truth) -> bool:
    """Return whether so few true values differ from zero that agreement proves little."""
    count = sum(np.count_nonzero(values) for values in truth.values)
    return bool(count < FEW * sum(values.size for values in truth.values))
