"""Multiply transformed tiles: m outputs of an r-tap filter from m+r−1 products instead of m·r.

    Y = Aᵀ[ (G·kernel) ⊙ (Bᵀ·tile) ]            one axis; every axis in turn for more

The matrices evaluate polynomials at the points a₀ … a₍ₙ₋₂₎ and ∞, n = m+r−1, and interpolate:

    Aᵀ[i, j] = aⱼⁱ      G[j, t] = aⱼᵗ / Π_{l≠j}(aⱼ − a_l)      Bᵀ[j] = coefficients of Π_{l≠j}(x − a_l)

with the last column of Aᵀ and the last row of G (0 … 0 1), and the last row of Bᵀ those of Π(x − a_l). Dilated taps are
neighbours among every d-th entry; a stride takes every s-th output.
Cost: multiplications of the definition divided by m·r/(m+r−1) per axis, and the tiles: the input ((m+r−1)/m)ᵈ times.
Accuracy: |error| ≤ 4 · eps · Π κ(m, r) · ‖x‖₂ · ‖kernel‖₂ (`error_bound`), κ = max|Aᵀ| · ‖|G|‖₂ · ‖|Bᵀ|‖₂; in practice
a few times that of a plain sum. One inf or NaN spreads over its tile.
Reference: Winograd, Arithmetic complexity of computations, 1980; Lavin, Gray, Fast algorithms for convolutional neural
networks, 2015, https://arxiv.org/abs/1509.09308.
"""

import math
from fractions import Fraction
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, accumulator, open_sizes, pad_input, spectral_error_bound
from jconv.geometry import Geometry

POINTS = (0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2))
OUTPUTS = {1: 1, 2: 3, 3: 4, 4: 3, 5: 2}
"""m for each window r: more outputs a tile save more products and lose more digits."""

Matrix = tuple[tuple[float, ...], ...]


@cache
def matrices(m: int, r: int) -> tuple[Matrix, Matrix, Matrix]:
    """Return Aᵀ `[m, n]`, G `[n, r]` and Bᵀ `[n, n]` for m outputs of r taps, n = m+r−1.

    Args:
        m: Outputs a tile.
        r: Taps.

    Returns:
        The three matrices, from exact fractions.

    Example:
        >>> matrices(2, 3)[0]
        ((1.0, 1.0, 1.0, 0.0), (0.0, 1.0, -1.0, 1.0))
    """
    n = m + r - 1
    points = [Fraction(point) for point in POINTS[: n - 1]]
    others = [[b for b in points if b != a] for a in points]
    last = (Fraction(0),) * (n - 1) + (Fraction(1),)
    at = [[a**i for a in points] + [Fraction(i == m - 1)] for i in range(m)]
    g = [[a**t / math.prod(a - b for b in rest) for t in range(r)] for a, rest in zip(points, others, strict=True)]
    bt = [_coefficients(rest, n) for rest in (*others, points)]
    floats = lambda rows: tuple(tuple(map(float, row)) for row in rows)  # noqa: E731
    return floats(at), floats([*g, last[-r:]]), floats(bt)


def _coefficients(roots: list[Fraction], length: int) -> list[Fraction]:
    """Return the coefficients of Π(x − root), lowest first."""
    found = [Fraction(1)]
    for root in roots:
        found = [a - root * b for a, b in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found + [Fraction(0)] * (length - len(found))


def combine(parts: list[jax.Array], weights: tuple[float, ...]) -> jax.Array:
    """Return Σ weight · part as adds and subtracts: a matrix product would round to TF32 or bfloat16 on the way."""
    used = [(part, weight) for part, weight in zip(parts, weights, strict=True) if weight]
    (first, weight), *others = used
    total = first if weight == 1 else weight * first
    for part, weight in others:
        term = part if abs(weight) == 1 else abs(weight) * part
        total = total + term if weight > 0 else total - term
    return total


def conv_winograd(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Transform tiles and kernel axis by axis, multiply channels at full precision, transform back."""
    del precision  # products of transformed tiles run at HIGHEST: what is lost there is lost everywhere
    dtype, groups, axes = accumulator(x.dtype, preferred_element_type), geometry.groups, len(geometry.window)
    x = _split_by_dilation(pad_input(x, geometry).astype(dtype), geometry.dilation)
    sizes = [(OUTPUTS[r], r) for r in geometry.window]
    tiles = [-(-max(size - r + 1, 1) // m) for (m, r), size in zip(sizes, x.shape[1:-1], strict=True)]
    ends = [max(m * t + r - 1 - size, 0) for (m, r), t, size in zip(sizes, tiles, x.shape[1:-1], strict=True)]
    x = jnp.pad(x, [(0, 0), *((0, end) for end in ends), (0, 0)])

    kernel = kernel.astype(dtype)
    for axis, ((m, r), t) in enumerate(zip(sizes, tiles, strict=True)):
        # x [*α, N, *tiles, *space, C]: entry i of every tile, for i < m+r−1
        _, g, bt = matrices(m, r)
        place = 2 * axis + 1
        cut = [lax.slice_in_dim(x, i, i + m * (t - 1) + 1, m, axis=place) for i in range(m + r - 1)]
        x = jnp.stack([combine(cut, row) for row in bt], axis=axis)
        taps = [lax.index_in_dim(kernel, i, axis, keepdims=False) for i in range(r)]
        kernel = jnp.stack([combine(taps, row) for row in g], axis=axis)

    x = x.reshape(*x.shape[:-1], groups, -1)  # [*α, N, *T, G, c]
    kernel = kernel.reshape(*kernel.shape[:-1], groups, -1)  # [*α, c, G, o]
    points = tuple(range(axes))
    dims = (((x.ndim - 1,), (axes,)), ((*points, x.ndim - 2), (*points, axes + 1)))
    y = lax.dot_general(x, kernel, dims, precision=lax.Precision.HIGHEST)  # [*α, G, N, *T, o]
    y = jnp.moveaxis(y, axes, -2)
    y = y.reshape(*y.shape[:-2], -1)  # [*α, N, *T, G·o]

    for axis, (m, r) in reversed(list(enumerate(sizes))):
        place = 2 * axis + 1
        parts = [lax.index_in_dim(y, i, axis, keepdims=False) for i in range(m + r - 1)]
        y = jnp.stack([combine(parts, row) for row in matrices(m, r)[0]], axis=place + 1)
        y = y.reshape(*y.shape[:place], -1, *y.shape[place + 2 :])
    y = _join_by_dilation(y, geometry.dilation)
    wanted = (slice(0, s * (p - 1) + 1, s) for s, p in zip(geometry.stride, geometry.output_size, strict=True))
    return y[:, *wanted].astype(preferred_element_type)


def _split_by_dilation(x: jax.Array, dilation: tuple[int, ...]) -> jax.Array:
    """Put every d-th entry of an axis into an example of its own: there the taps are neighbours."""
    for axis, d in enumerate(dilation, 1):
        if d > 1:
            x = jnp.pad(x, [(0, -size % d if a == axis else 0) for a, size in enumerate(x.shape)])
            x = jnp.moveaxis(x.reshape(*x.shape[:axis], -1, d, *x.shape[axis + 1 :]), axis + 1, 1)
            x = x.reshape(-1, *x.shape[2:])
    return x


def _join_by_dilation(y: jax.Array, dilation: tuple[int, ...]) -> jax.Array:
    """Undo `_split_by_dilation`."""
    for axis, d in reversed(list(enumerate(dilation, 1))):
        if d > 1:
            y = jnp.moveaxis(y.reshape(-1, d, *y.shape[1:]), 1, axis + 1)
            y = y.reshape(*y.shape[:axis], -1, *y.shape[axis + 2 :])
    return y


def error_bound(x: ArrayLike, kernel: ArrayLike, geometry: Geometry) -> float:
    """Return a bound on |computed − exact| of any output, from the norms of the matrices without their signs.

    Args:
        x: `[N, *L, G·c]`.
        kernel: `[*k, c, G·o]`.
        geometry: How they are combined.

    Returns:
        4 · eps · Π κ(m, r) · ‖x‖₂ · ‖kernel‖₂, from the largest norms of one example's group and one output's kernel.
    """
    growth = 1.0
    for r in geometry.window:
        at, g, bt = (np.abs(matrix) for matrix in matrices(OUTPUTS[r], r))
        growth *= float(at.max() * np.linalg.norm(g, 2) * np.linalg.norm(bt, 2))
    return growth * spectral_error_bound(x, kernel, geometry, 2)


def _unsupported(problem: Problem) -> str | None:
    longest = max(problem.geometry.window)
    if longest > max(OUTPUTS):
        return f"a tile for {longest} taps has points whose powers cost float32 its digits; it has windows of 1 to 5"
    if jnp.issubdtype(problem.dtype, jnp.integer):
        return f"its transforms are fractions, got dtype {problem.dtype}"
    return open_sizes(problem)


def _cost(problem: Problem) -> Cost:
    g = problem.geometry
    sizes = [(OUTPUTS.get(r, 1), r) for r in g.window]
    every = (padded - extent + 1 for padded, extent in zip(g.padded_size, g.extent, strict=True))
    points = math.prod((m + r - 1) * -(-p // m) for (m, r), p in zip(sizes, every, strict=True))
    products = problem.batch * points * problem.in_channels // g.groups * problem.out_channels
    elements = problem.batch * points * (problem.in_channels + problem.out_channels)
    kernels = math.prod(m + r - 1 for m, r in sizes) * problem.in_channels // g.groups * problem.out_channels
    return direct_cost(problem)._replace(
        multiplications=products,
        additions=products,
        intermediate_bytes=(elements + kernels + problem.padded_elements) * max(problem.itemsize, 4),
    )


WINOGRAD = Formulation(
    "winograd", "multiply transformed tiles", conv_winograd, _unsupported, _cost, error_bound, local=False
)
