"""How much a formulation may keep between input and output, and images one after another where it would keep more."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jconv.costs import Problem
from jconv.formulations import FORMULATIONS
from jconv.selection._rules import has_open_size, is_kernel_gradient

MOST_BYTES = 2**26
"""What one image may keep unasked, 64 MiB, and four times its arrays."""

WHOLE, PART = 2**25, 2**24  # bytes: what the images keep, at most, and some of them where all would keep more


def too_much(name: str, problem: Problem) -> str | None:
    """Return why a formulation would take too much memory for one image alone, or None."""
    if name == "direct" or has_open_size(problem):
        return None
    least = problem if is_kernel_gradient(problem) else replace(problem, batch=1)
    cost = FORMULATIONS[name].cost(least)
    if cost.intermediate_bytes <= MOST_BYTES + 4 * cost.bytes:
        return None
    return f"it would keep {cost.intermediate_bytes / 2**20:,.0f} MiB between input and output"


def images_at_once(name: str, problem: Problem) -> int:
    """Return of how many images a formulation is given at once, a divisor of the batch.

    All, or so many that what they keep stays in the cache: arrays above 32 MiB go back to the system after every call,
    and come anew page by page; that took half the time of tiles and spectra of large images. A kernel's gradient sums
    over the layer's images, and is not cut.
    """
    if name == "direct" or problem.batch == 1 or has_open_size(problem) or is_kernel_gradient(problem):
        return problem.batch
    one, two = (FORMULATIONS[name].cost(replace(problem, batch=images)).intermediate_bytes for images in (1, 2))
    each, kernel = two - one, 2 * one - two

    def fit(images: int, most: int) -> bool:
        return images * each <= most and images * each + kernel <= MOST_BYTES

    if fit(problem.batch, WHOLE):
        return problem.batch
    divisors = (images for images in range(problem.batch - 1, 1, -1) if problem.batch % images == 0)
    return next((images for images in divisors if fit(images, PART)), 1)


def compute(
    name: str, problem: Problem, x: jax.Array, kernel: jax.Array, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Compute a problem by a formulation, all images at once, or as many as its memory allows.

    Args:
        name: The formulation's.
        problem: The convolution.
        x: `[N, *L, G·c]`.
        kernel: `[*k, c, G·o]`.
        precision: As a formulation's.
        preferred_element_type: The same.

    Returns:
        `[N, *P, G·o]`.
    """

    def some(images: jax.Array) -> jax.Array:
        settings: dict[str, Any] = {"precision": precision, "preferred_element_type": preferred_element_type}
        return FORMULATIONS[name].apply(images, kernel, problem.geometry, **settings)

    at_once = images_at_once(name, problem)
    if at_once == problem.batch:
        return some(x)
    shape = (problem.batch, *problem.geometry.output_size, problem.out_channels)

    def put(part: jax.Array, y: jax.Array) -> jax.Array:
        images = lax.dynamic_slice_in_dim(x, part * at_once, at_once)
        return lax.dynamic_update_slice_in_dim(y, some(images), part * at_once, axis=0)

    return lax.fori_loop(0, problem.batch // at_once, put, jnp.zeros(shape, preferred_element_type))
