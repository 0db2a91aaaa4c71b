"""How far a result may stand from float64, by a rule. No JAX here.

    tolerance = ε · √terms · scale,   scale = max Σ|x||k|,   terms = the most products in one sum

ε is the dtype's; Σ|x||k| is the same convolution of absolute values, so it knows cancellation; √terms is how
rounding errors of a sum grow when their signs are random. A transform mixes all entries through log₂(size)
stages, so a formulation that is not exact on integers gets that factor more. NaN is never within tolerance.

Of half precision and many terms the tolerance may be larger than the result itself, and then zeros would pass: what
is within tolerance, but off by more than a tenth of the result in the mean (RMS), proves little.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt

from jconv.lab.truth import Truth

FEW = 0.1
"""A comparison proves little when a smaller share than this of the true values differs from zero."""
FAR = 0.1
"""It proves little when the RMS error is a larger share than this of the true values' RMS."""


class Agreement(NamedTuple):
    """A result against the truth; of several outputs, the one that uses most of its tolerance.

    Args:
        error: The largest absolute difference; infinite or NaN if the result is.
        tolerance: What the rule allows.
        max_ulps: The error in units of the last place of the largest true value.
        rms_ulps: The root mean square of all differences, in the same units.
        relative: The error relative to the largest true value.
        ok: Whether shapes and values of all outputs agree.
        reason: What is wrong; if nothing is, why that proves little, or nothing.
    """

    error: float
    tolerance: float
    max_ulps: float
    rms_ulps: float
    relative: float
    ok: bool
    reason: str = ""


def compare(
    values: Sequence[np.ndarray], truth: Truth, *, exact: bool, size: int, dtype: str | None = None
) -> Agreement:
    """Compare the outputs of a program with the truth.

    Args:
        values: The outputs, in their own dtype.
        truth: What they should be.
        exact: Whether the formulation is exact on small integers.
        size: The number of entries a transform would mix.
        dtype: What the outputs should be, or hold; by default what they are.

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
        _one(value, expected, absolute, terms, 1.0 if exact else max(math.log2(size), 1.0), dtype or value.dtype)
        for value, expected, absolute, terms in zip(values, *truth, strict=True)
    ]
    worst = max(found, key=_share)
    bad = [one.reason for one in found if not one.ok] or [one.reason for one in found if one.reason][:1]
    return worst._replace(ok=all(one.ok for one in found), reason="; ".join(bad))


def _one(
    value: np.ndarray, expected: np.ndarray, absolute: np.ndarray, terms: float, mixing: float, dtype: npt.DTypeLike
) -> Agreement:
    if value.shape != expected.shape:
        return _apart(f"the result has shape {value.shape}, not {expected.shape}")
    epsilon = float(ml_dtypes.finfo(dtype).eps)
    if ml_dtypes.finfo(value.dtype).eps > epsilon:
        return _apart(f"the result is {value.dtype}, which does not hold {dtype}")
    scale, largest = (float(np.max(np.abs(array), initial=0.0)) for array in (absolute, expected))
    tolerance = epsilon * math.sqrt(terms) * scale * mixing
    difference = np.abs(value.astype(np.float64) - expected)
    error = float(np.max(difference, initial=0.0))
    # The spacing of the dtype at the largest true value; at zero, epsilon itself.
    ulp = epsilon * 2.0 ** math.floor(math.log2(largest)) if largest else epsilon
    rms, rms_true = (float(np.sqrt(np.mean(np.square(a)))) if a.size else 0.0 for a in (difference, expected))
    ok = error <= tolerance
    reason = "" if ok else f"the result is off by {error:.3g}, above its tolerance of {tolerance:.3g}"
    if ok and rms > FAR * rms_true:
        reason = f"the result is within its tolerance, but off by {rms:.3g} (RMS) where {rms_true:.3g} is true"
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
