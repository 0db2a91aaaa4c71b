"""The record that makes a formulation, and the few moves that several of them share."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jconv.costs import Cost, Problem
from jconv.geometry import Geometry

UNROLLED_TAPS = 128  # above this many, programs scan over taps: unrolled they compile for minutes
MATRIX_BYTES = 2**28  # a matrix above 256 MiB is refused: it is for seeing, not for computing


class Apply(Protocol):
    """Compute the convolution, without bias."""

    def __call__(
        self, x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
    ) -> jax.Array:
        """Return `[N, *P, G·o]` from x `[N, *L, G·c]` and kernel `[*k, c, G·o]`, in `preferred_element_type`."""
        ...


class Formulation(NamedTuple):
    """One way to compute a convolution.

    Attributes:
        name: Its name in the table.
        summary: One line for tables.
        apply: The computation: pure and traceable.
        unsupported: Why a problem cannot be computed, or None.
        cost: What `apply` spends.
        error_bound: A bound on the error of any output, from x, kernel and geometry; None where small integers in
            float32 give exact results.
        local: Whether an inf or NaN of the input reaches only the outputs whose window covers it.
        calls_library: Whether it calls a library of the device: no program does that is exported, kept or cut up.
    """

    name: str
    summary: str
    apply: Apply
    unsupported: Callable[[Problem], str | None]
    cost: Callable[[Problem], Cost]
    error_bound: Callable[[ArrayLike, ArrayLike, Geometry], float] | None = None
    local: bool = True
    calls_library: bool = False

    @property
    def exact(self) -> bool:
        """Whether small integers in float32 give exact results."""
        return self.error_bound is None


def always(problem: Problem) -> None:
    """Refuse nothing."""


def open_sizes(problem: Problem) -> str | None:
    """Return that space sizes are symbolic, as `jax.export` leaves them open, or None."""
    sizes = (*problem.geometry.input_size, *problem.geometry.output_size)
    if all(isinstance(size, int) for size in sizes):
        return None
    return f"its program is written for known space sizes, got {', '.join(map(str, problem.geometry.input_size))}"


def too_large(what: str, size: int, problem: Problem, index_bytes: int = 0) -> str | None:
    """Return why a matrix of `size` stored entries passes the bound, or None."""
    total = size * (problem.itemsize + index_bytes)
    if total <= MATRIX_BYTES:
        return None
    return f"{what} would take {total / 2**20:,.0f} MiB, above the bound of {MATRIX_BYTES / 2**20:.0f} MiB"


def accumulator(dtype: jax.typing.DTypeLike, preferred: Any = None) -> np.dtype:
    """Return the dtype that sums are kept in: at least float32 for floats, int32 for integers, and `preferred`."""
    dtype, wanted = jnp.dtype(dtype), jnp.dtype(dtype if preferred is None else preferred)
    for kind, least in ((jnp.floating, "float32"), (jnp.integer, "int32"), (jnp.complexfloating, "complex64")):
        if jnp.issubdtype(dtype, kind):
            wide = wanted if jnp.issubdtype(wanted, kind) and wanted.itemsize > dtype.itemsize else dtype
            return wide if wide.itemsize >= jnp.dtype(least).itemsize else jnp.dtype(least)
    return dtype


def pad_input(x: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the dilated, padded (or cropped) input that the windows cover exactly, `[N, *padded_size, C]`."""
    holes = (e - 1 for e in geometry.input_dilation)
    config = [(0, 0, 0), *zip(geometry.low, geometry.high, holes, strict=True), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def summed_first(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> tuple[jax.Array, jax.Array]:
    """Lay out what is summed first: x `[c, *padded, G, N]` and kernel `[c, *k, G, o]`.

    A kernel's gradient has its operands so before they are called x and kernel. It is padded last, for XLA moves no
    transpose past padding: those that cancel would be done.
    """
    x = jnp.moveaxis(x.reshape(*x.shape[:-1], geometry.groups, -1), (-1, 0), (0, -1))
    holes = (e - 1 for e in geometry.input_dilation)
    space = zip(geometry.low, geometry.high, holes, strict=True)
    padded = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *space, (0, 0, 0), (0, 0, 0)])
    kernel = jnp.moveaxis(kernel, -2, 0)
    return padded, kernel.reshape(*kernel.shape[:-1], geometry.groups, -1)


def taps(geometry: Geometry) -> Iterator[tuple[int, ...]]:
    """Yield every tap t of the window, last axis fastest."""
    return itertools.product(*map(range, geometry.window))


def tap_slice(padded: jax.Array, tap: tuple[int, ...], geometry: Geometry) -> jax.Array:
    """Return what tap t meets: padded[:, s·p + d·t], `[N, *P, C]`."""
    start = [d * t for d, t in zip(geometry.dilation, tap, strict=True)]
    stop = [a + span for a, span in zip(start, geometry.span, strict=True)]
    batch, channels = padded.shape[0], padded.shape[-1]
    return lax.slice(padded, (0, *start, 0), (batch, *stop, channels), (1, *geometry.stride, 1))


def shifted_sum(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Convolve where each group has one channel in and out: a multiply-add per tap, unrolled; no product at all."""
    del precision
    dtype = accumulator(x.dtype, preferred_element_type)
    padded = pad_input(x, geometry).astype(dtype)
    rows = ((tap, lax.expand_dims(kernel[*tap, 0].astype(dtype), range(x.ndim - 1))) for tap in taps(geometry))
    terms = (tap_slice(padded, tap, geometry) * row for tap, row in rows)
    return sum(terms, start=jnp.zeros((), dtype)).astype(preferred_element_type)


def tap_starts(geometry: Geometry) -> np.ndarray:
    """Return d·t for every tap, `[Πk, axes]`, for the programs that scan over taps."""
    return np.array(list(taps(geometry)), np.int32) * np.array(geometry.dilation, np.int32)


def dynamic_tap_slice(padded: jax.Array, start: jax.Array, geometry: Geometry) -> jax.Array:
    """Do as `tap_slice`, for a start that is traced."""
    return strided_window(padded, start, geometry.span, geometry.stride)


def at_strides(y: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the outputs at s·p of a convolution that was computed at every position."""
    return y[:, *(slice(0, span, s) for span, s in zip(geometry.span, geometry.stride, strict=True))]


def strided_window(padded: jax.Array, start: jax.Array, span: Sequence[int], step: tuple[int, ...]) -> jax.Array:
    """Return padded[:, start : start + span : step], for a traced start."""
    zero = jnp.zeros((), start.dtype)
    begin = (zero, *(start[axis] for axis in range(len(span))), zero)
    block = lax.dynamic_slice(padded, begin, (padded.shape[0], *span, padded.shape[-1]))
    return lax.slice(block, (0,) * block.ndim, block.shape, (1, *step, 1))


def product(
    windows: jax.Array, kernel: jax.Array, groups: int, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Multiply windows by the kernel, group by group, in one `dot_general`.

    y[…, g, o] = Σ_{t,c} windows[…, t, g, c] · kernel[t, c, g, o]

    Args:
        windows: `[*lead, T, G·c]`.
        kernel: `[T, c, G·o]`.
        groups: G.
        precision: As `lax.dot_general`'s.
        preferred_element_type: The dtype of sums and result.

    Returns:
        `[*lead, G·o]`.
    """
    lead = windows.ndim - 2
    if groups == 1:
        dims = (((lead, lead + 1), (0, 1)), ((), ()))
        return lax.dot_general(
            windows, kernel, dims, precision=precision, preferred_element_type=preferred_element_type
        )
    windows = windows.reshape(*windows.shape[:-1], groups, -1)
    kernel = kernel.reshape(*kernel.shape[:-1], groups, -1)
    dims = (((lead, lead + 2), (0, 1)), ((lead + 1,), (2,)))
    y = lax.dot_general(windows, kernel, dims, precision=precision, preferred_element_type=preferred_element_type)
    y = jnp.moveaxis(y, 0, -2)
    return y.reshape(*y.shape[:-2], -1)


def gather_matrix(rows: jax.Array, index: jax.Array, groups: int) -> jax.Array:
    """Lay the taps of a kernel into a matrix per group: M[g, p, o, l, c] = rows[index[p, l], c, g, o].

    Args:
        rows: `[R, c, G·o]`, the values a cell can take.
        index: `[P, L]`, which of them it takes.
        groups: G.

    Returns:
        `[G, P, o, L, c]`.
    """
    split = rows.reshape(*rows.shape[:2], groups, -1)
    return jnp.transpose(split[index], (3, 0, 4, 1, 2))


def block_diagonal(blocks: jax.Array) -> jax.Array:
    """Put the matrices of all groups into one, `[G, P, o, L, c] → [P·G·o, L·G·c]`."""
    groups = blocks.shape[0]
    same = jnp.eye(groups, dtype=bool)[:, :, None, None, None, None]
    spread = jnp.where(same, blocks[:, None], 0)  # [G, G', P, o, L, c]
    matrix = jnp.transpose(spread, (2, 0, 3, 4, 1, 5))
    rows = matrix.shape[0] * matrix.shape[1] * matrix.shape[2]
    return matrix.reshape(rows, math.prod(matrix.shape[3:]))


def matrix_vector(blocks: jax.Array, x: jax.Array, *, precision: Any, preferred_element_type: Any) -> jax.Array:
    """Multiply the matrix of each group with its channels: `[G, P, o, L, c] × [N, L, G·c] → [N, P, G·o]`."""
    groups, positions, out = blocks.shape[:3]
    x = x.reshape(x.shape[0], -1, groups, blocks.shape[-1])
    dims = (((1, 3), (3, 4)), ((2,), (0,)))
    y = lax.dot_general(x, blocks, dims, precision=precision, preferred_element_type=preferred_element_type)
    return jnp.transpose(y, (1, 2, 0, 3)).reshape(y.shape[1], positions, groups * out)


def periodic_kernel(kernel: jax.Array, dilation: tuple[int, ...], size: tuple[int, ...]) -> jax.Array:
    """Lay the taps around a torus: w[m] = Σ kernel[t] over the taps with d·t ≡ m (mod size).

    Args:
        kernel: `[*k, c, o]`.
        dilation: d; negative lays the taps backwards.
        size: The torus.

    Returns:
        `[*size, c, o]`.
    """
    for axis, (d, around) in enumerate(zip(dilation, size, strict=True)):
        place = (d * np.arange(kernel.shape[axis])) % around
        laid = jnp.zeros((*kernel.shape[:axis], around, *kernel.shape[axis + 1 :]), kernel.dtype)
        kernel = laid.at[(slice(None),) * axis + (place,)].add(kernel)
    return kernel
