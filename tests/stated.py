"""What a formulation states of itself, for the tests that hold it to that: what it refuses, and how exact it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jconv
from jconv.costs import Problem
from jconv.formulations import FORMULATIONS, onednn

NAMES = ("auto", *FORMULATIONS)
INEXACT = frozenset(name for name, formulation in FORMULATIONS.items() if not formulation.exact)


def needs(name: str) -> None:
    """Skip a test of the library that jaxlib carries where it carries none."""
    if name == "onednn" and (why := onednn.missing()):
        pytest.skip(f"onednn: {why}")


def refusal(name: str, x: jax.Array, kernel: jax.Array, **arguments: object) -> str | None:
    """Return why a formulation refuses a convolution, or None."""
    if name == "auto":
        return None
    geometry = jconv.conv_geometry(x.shape, kernel.shape, **arguments)  # pyright: ignore[reportArgumentType]
    batch = int(np.prod(x.shape[: x.ndim - len(geometry.window) - 1]))
    problem = Problem(geometry, batch, x.shape[-1], kernel.shape[-1], jnp.dtype(x.dtype).name, jax.default_backend())
    return FORMULATIONS[name].unsupported(problem)


def clean(name: str, array: object) -> np.ndarray:
    """Return a result of integer data, rounded where the formulation, or what auto may take, is not exact."""
    value = np.asarray(array)
    return np.round(value) if name == "auto" or name in INEXACT else value
