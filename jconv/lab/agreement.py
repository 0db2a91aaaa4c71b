"""How far a result may stand from float64, by a rule. No JAX here.

    tolerance = ε · √terms · scale,   scale = max Σ|x||k|,   terms = the most products in one sum

ε is the dtype's; Σ|x||k| is the same convolution of absolute values, so it knows cancellation; √terms is how
rounding errors of a sum grow when their signs are random. A transform mixes all entries through log₂(size)
stages, so a formulation that is not exact on integers gets that factor more. NaN is never within tolerance.
"""

import math
from typing import NamedTuple

import numpy as np

FEW = 0.1
"""A comparison proves little when a smaller share than this of the true values differs from zero."""


class Agreement(NamedTuple):
    """A result against its oracle.

    Args:
        error: The largest absolute difference; infinite or NaN if the result is.
        tolerance: What the rule allows.
        epsilons: The error in units of ε · scale.
        ok: Whether shape and values agree.
    """

    error: float
    tolerance: float
    epsilons: float
    ok: bool


def compare(
    value: np.ndarray, expected: np.ndarray, absolute: np.ndarray, terms: np.ndarray, *, exact: bool, size: int
) -> Agreement:
    """Compare a result with the oracle's.

    Args:
        value: The result, in its own dtype.
        expected: The oracle's, float64.
        absolute: The oracle's on absolute values.
        terms: The oracle's on ones: the number of products in each sum.
        exact: Whether the formulation is exact on small integers.
        size: The number of entries a transform would mix.

    Returns:
        How they agree.

    Example:
        >>> one = np.ones((1, 2, 2, 1))
        >>> compare(one.astype("float32"), one, one, one, exact=True, size=4).ok
        True
        >>> compare(np.full((1, 2, 2, 1), np.nan, "float32"), one, one, one, exact=True, size=4).ok
        False
    """
    epsilon = float(np.finfo(value.dtype).eps)
    scale = float(np.max(absolute, initial=0.0))
    most = float(np.max(terms, initial=1.0))
    tolerance = epsilon * math.sqrt(most) * scale * (1.0 if exact else max(math.log2(size), 1.0))
    if value.shape != expected.shape:
        return Agreement(math.inf, tolerance, math.inf, ok=False)
    error = float(np.max(np.abs(value.astype(np.float64) - expected), initial=0.0))
    return Agreement(error, tolerance, error / (epsilon * scale) if scale else error, ok=error <= tolerance)


def mostly_zero(expected: np.ndarray) -> bool:
    """Return whether so few true values differ from zero that agreement proves little."""
    return bool(np.count_nonzero(expected) < FEW * expected.size)
