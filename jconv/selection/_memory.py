"""How much a formulation may keep between input and output, and the parts computed in turn where it is more."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jconv.costs import Problem
from jconv.formulations import FORMULATIONS
from jconv.selection._rules import has_open_size, is_kernel_gradient

MOST_BYTES = 2**26
"""What may be kept unasked, 64 MiB, and four times the arrays of what cannot be cut to rows."""

WHOLE, PART = 2**25, 2**24  # bytes: what is kept of all images, at most, and of some where all would keep more
MOST_AGAIN = 16  # of so many images one, at most, is computed again so that all turns are the same
ROWS = 4  # of an image, or a multiple: a row of Winograd's tiles


def too_much(name: str, problem: Problem) -> str | None:
    """Return why a formulation would take too much memory, or None."""
    if name == "direct" or has_open_size(problem):
        return None
    cost = FORMULATIONS[name].cost(part(name, problem))
    arrays = 0 if _has_rows(problem) else cost.bytes
    if cost.intermediate_bytes <= MOST_BYTES + 4 * arrays:
        return None
    return f"it would keep {cost.intermediate_bytes / 2**20:,.0f} MiB between input and output"


@functools.lru_cache(maxsize=4096)
def part(name: str, problem: Problem) -> Problem:
    """Return what a formulation is given at once: a problem, or on CPU some of its images, or rows of one image.

    So much that what it keeps stays in the cache: arrays above 32 MiB go back to the system after every call and come
    anew page by page (`experiments/speed`, `floors.jsonl`). One image after another uses the same memory again, and may
    keep more.
    """
    if name == "direct" or not _has_images(problem):
        return problem

    def kept(some: Problem) -> int:
        return FORMULATIONS[name].cost(some).intermediate_bytes

    def by_image(some: Problem) -> int:
        one, two = (kept(replace(some, batch=count)) for count in (1, 2))
        return two - one

    image, batch, size = replace(problem, batch=1), problem.batch, problem.geometry.output_size[0]
    each = by_image(problem)
    room = MOST_BYTES - (kept(image) - each)  # besides what is kept of the kernel, whatever the images
    if batch * each <= min(WHOLE, room):
        return problem
    most = min(PART, room) // max(each, 1)
    if batch > 1 and most > 0:
        counts = (-(-batch // turns) for turns in range(-(-batch // most), batch + 1))
        return replace(problem, batch=next(count for count in counts if -batch % count <= batch // MOST_AGAIN))
    if each <= min(MOST_BYTES if batch > 1 else WHOLE, room) or not _has_rows(problem):
        return image
    counts = (-(-size // (turns * ROWS)) * ROWS for turns in range(2, size + 1))
    rows = [_rows(image, count) for count in dict.fromkeys(counts) if count < size]

    def with_copies(some: Problem) -> int:
        """Return the bytes kept, with the rows' result and, of several images, one image and its result."""
        own, whole = FORMULATIONS[name].cost(some), FORMULATIONS[name].cost(image)
        copied = own.output_elements + (whole.input_elements + whole.output_elements if batch > 1 else 0)
        return own.intermediate_bytes + copied * problem.itemsize

    fit = (some for some in rows if with_copies(some) <= MOST_BYTES and by_image(some) <= WHOLE)
    return next(fit, rows[-1] if rows else image)


def _rows(image: Problem, count: int) -> Problem:
    """Return the convolution that computes so many rows of an image's output, from rows that are padded already."""
    g = image.geometry
    window = g.stride[0] * (count - 1) + g.extent[0]
    sizes = {"input_size": (window, *g.input_size[1:]), "output_size": (count, *g.output_size[1:])}
    return replace(image, geometry=replace(g, **sizes, low=(0, *g.low[1:])))


def _has_images(problem: Problem) -> bool:
    """Whether images can take turns: not those of a kernel's gradient, which are sums over the layer's images."""
    return problem.platform == "cpu" and not has_open_size(problem) and not is_kernel_gradient(problem)


def _has_rows(problem: Problem) -> bool:
    """Whether rows of an image can: not where zeros stand between the inputs."""
    return _has_images(problem) and max(problem.geometry.input_dilation) == 1


def compute(
    name: str, problem: Problem, x: jax.Array, kernel: jax.Array, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Compute a problem by a formulation, at once or part after part.

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
    some, g = part(name, problem), problem.geometry

    def blank(images: int) -> jax.Array:
        """Return an array to write the results into, which varies over devices in `shard_map` as they do."""
        entry = (x[(0,) * x.ndim] + kernel[(0,) * kernel.ndim]).astype(preferred_element_type)
        return jnp.broadcast_to(entry, (images, *g.output_size, problem.out_channels))

    def apply(x: jax.Array) -> jax.Array:
        settings: dict[str, Any] = {"precision": precision, "preferred_element_type": preferred_element_type}
        return FORMULATIONS[name].apply(x, kernel, some.geometry, **settings)

    def by_rows(x: jax.Array) -> jax.Array:
        padded = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (g.low[0], g.high[0], 0), *[(0, 0, 0)] * (x.ndim - 2)])
        rows = some.geometry.input_size[0], some.geometry.output_size[0]
        return _in_turn(apply, padded, blank(x.shape[0]), 1, *rows, g.stride[0])

    images = apply if some.geometry == g else by_rows
    if some.batch == problem.batch:
        return images(x)
    return _in_turn(images, x, blank(problem.batch), 0, some.batch, some.batch, 1)


def _in_turn(
    function: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    y: jax.Array,
    axis: int,
    entries: int,
    results: int,
    step: int,
) -> jax.Array:
    """Give a function so many entries of x along an axis after others, `step` of them further for each result in y.

    Slices do not reach beyond the end: the last turn starts earlier, in x and y alike, and computes some results again.
    So x must end with what its last result reads: `Geometry.high` sees to it.
    """

    def put(turn: jax.Array, y: jax.Array) -> jax.Array:
        place = turn * results
        some = lax.dynamic_slice_in_dim(x, step * place, entries, axis)
        return lax.dynamic_update_slice_in_dim(y, function(some), place, axis)

    return lax.fori_loop(0, -(-y.shape[axis] // results), put, y)
