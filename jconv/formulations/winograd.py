"""Multiply transformed tiles: m outputs of an r-tap filter from m+r−1 products instead of m·r.

    Y = Aᵀ[ (G·kernel) ⊙ (Bᵀ·tile) ]            one axis; for two, the Kronecker products Aᵀ⊗Aᵀ, G⊗G, Bᵀ⊗Bᵀ

The matrices evaluate polynomials at the points a₀ … a₍ₙ₋₂₎ and ∞, n = m+r−1, and interpolate:

    Aᵀ[i, j] = aⱼⁱ      G[j, t] = aⱼᵗ / Π_{l≠j}(aⱼ − a_l)      Bᵀ[j] = coefficients of Π_{l≠j}(x − a_l)

with the last column of Aᵀ and the last row of G (0 … 0 1), and the last row of Bᵀ those of Π(x − a_l). Tiles have the
last two axes; over the taps of the others the products are summed, as `shifts` does. Dilated taps are neighbours among
every d-th entry; a stride takes every s-th output.
Cost: multiplications of the definition divided by m·r/(m+r−1) per tiled axis, and the tiles: the input ((m+r−1)/m)²
times.
Accuracy: |error| ≤ 4 · eps · Π κ(m, r) · ‖x‖₂ · ‖kernel‖₂ (`error_bound`), κ = max|Aᵀ| · ‖|G|‖₂ · ‖|Bᵀ|‖₂; in practice
a few times that of a plain sum. One inf or NaN spreads over its tile.
Reference: Winograd, Arithmetic complexity of computations, 1980; Lavin, Gray, Fast algorithms for convolutional neural
networks, 2015, https://arxiv.org/abs/1509.09308.
"""

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, accumulator, open_sizes, pad_input
from jconv.formulations._spectra import spectral_error_bound
from jconv.geometry import Geometry

POINTS = (0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2))
OUTPUTS = {1: 1, 2: 3, 3: 4, 4: 3, 5: 2}
"""m for each window r: more outputs a tile save more products and lose more digits."""
TILED = 2
"""The axes that tiles have, the last ones: over three, transforms are as large as what they save."""

Matrix = tuple[tuple[float, ...], ...]


@functools.cache
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


def tile_sizes(window: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return m and r of each tiled axis."""
    return [(OUTPUTS.get(r, 1), r) for r in window[-TILED:]]


def _coefficients(roots: list[Fraction], length: int) -> list[Fraction]:
    """Return the coefficients of Π(x − root), lowest first."""
    found = [Fraction(1)]
    for root in roots:
        found = [a - root * b for a, b in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found + [Fraction(0)] * (length - len(found))


def kronecker(matrix: Callable[[int, int], Matrix], sizes: list[tuple[int, int]]) -> np.ndarray:
    """Return one matrix that does to all tiled axes at once what `matrix(m, r)` does to each."""
    return functools.reduce(np.kron, [np.array(matrix(*size), np.float64) for size in sizes])


def conv_winograd(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Gather tiles, then products at full precision: tiles, kernel, channels for each tap of the rest, and back."""
    del precision  # what is lost in a transform is lost everywhere
    dtype, groups = accumulator(x.dtype, preferred_element_type), geometry.groups
    product = functools.partial(lax.dot_general, precision=lax.Precision.HIGHEST)
    transform = functools.partial(product, dimension_numbers=(((1,), (0,)), ((), ())))
    sizes = tile_sizes(geometry.window)
    rest, tiled = len(geometry.window) - len(sizes), len(sizes)
    at, g, bt = (jnp.asarray(kronecker(lambda m, r, i=i: matrices(m, r)[i], sizes), dtype) for i in range(3))

    x = _split_by_dilation(pad_input(x, geometry).astype(dtype), geometry.dilation, rest)
    lead, space = x.shape[: 1 + rest], x.shape[1 + rest : -1]
    tiles = [-(-max(size - r + 1, 1) // m) for (m, r), size in zip(sizes, space, strict=True)]
    ends = [max(m * t + r - 1 - size, 0) for (m, r), t, size in zip(sizes, tiles, space, strict=True)]
    x = jnp.pad(x, [(0, 0)] * len(lead) + [(0, end) for end in ends] + [(0, 0)])
    for axis, ((m, r), t) in enumerate(zip(sizes, tiles, strict=True)):  # entry i of every tile, [*n, N, *D, *T, C]
        place = len(lead) + 2 * axis
        cut = [lax.slice_in_dim(x, i, i + m * (t - 1) + 1, m, axis=place) for i in range(m + r - 1)]
        x = jnp.stack(cut, axis=axis)

    # Points of evaluation first: x [n, N, *D, T, G, c] and kernel [n, *k', c, G, o], k' the window of the rest.
    points, batch, many = len(bt), lead[0], math.prod(tiles)
    x = x.reshape(points, *x.shape[tiled:])  # step by step: the batch may be sharded
    x = transform(bt, x.reshape(points, batch, -1)).reshape(points, *lead, many, groups, -1)
    taps = tuple(range(rest))
    kernel = jnp.moveaxis(kernel, taps, tuple(tiled + tap for tap in taps))
    kernel = transform(g, kernel.reshape(g.shape[1], -1).astype(dtype))
    kernel = kernel.reshape(points, *geometry.window[:rest], x.shape[-1], groups, -1)
    y: Any = 0
    for tap in np.ndindex(*geometry.window[:rest]):
        starts = [d * t for d, t in zip(geometry.dilation, tap, strict=False)]
        spans = zip(starts, geometry.span, geometry.stride, strict=False)
        met = x[:, :, *(slice(start, start + span, s) for start, span, s in spans)]
        met, row = met.reshape(points, batch, -1, groups, x.shape[-1]), kernel[:, *tap]
        if groups == 1:  # [n, N, D·T, c] × [n, c, o]
            y += product(met[:, :, :, 0], row[:, :, 0], (((3,), (1,)), ((0,), (0,))))
        else:
            y += jnp.moveaxis(product(met, row, (((4,), (1,)), ((0, 3), (0, 2)))), 1, 3)
    y = transform(at, y.reshape(points, batch, -1))  # [Πm, N, P'·T·G·o]

    lead = (lead[0], *geometry.output_size[:rest])
    y = y.reshape(len(at), *lead, *tiles, -1)
    y = y.reshape(*(m for m, _ in sizes), *y.shape[1:])
    before = tuple(range(tiled, tiled + len(lead)))
    pairs = (a for axis in range(tiled) for a in (tiled + len(lead) + axis, axis))
    y = jnp.transpose(y, (*before, *pairs, y.ndim - 1))
    for axis in range(tiled):
        place = len(lead) + axis
        y = y.reshape(*y.shape[:place], -1, *y.shape[place + 2 :])
    y = _join_by_dilation(y, geometry.dilation, rest)
    spans = zip(geometry.span[rest:], geometry.stride[rest:], strict=True)
    y = y[*(slice(None) for _ in lead), *(slice(0, span, s) for span, s in spans)]
    return y.astype(preferred_element_type)


def _split_by_dilation(x: jax.Array, dilation: tuple[int, ...], rest: int) -> jax.Array:
    """Put every d-th entry of a tiled axis into an example of its own: there the taps are neighbours."""
    for axis, d in list(enumerate(dilation, 1))[rest:]:
        if d > 1:
            x = jnp.pad(x, [(0, -size % d if a == axis else 0) for a, size in enumerate(x.shape)])
            x = jnp.moveaxis(x.reshape(*x.shape[:axis], -1, d, *x.shape[axis + 1 :]), axis + 1, 1)
            x = x.reshape(-1, *x.shape[2:])
    return x


def _join_by_dilation(y: jax.Array, dilation: tuple[int, ...], rest: int) -> jax.Array:
    """Undo `_split_by_dilation`."""
    for axis, d in reversed(list(enumerate(dilation, 1))[rest:]):
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
    for size in tile_sizes(geometry.window):
        at, g, bt = (np.abs(matrix) for matrix in matrices(*size))
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
    sizes = tile_sizes(g.window)
    rest = len(g.window) - len(sizes)
    every = (padded - extent + 1 for padded, extent in zip(g.padded_size[rest:], g.extent[rest:], strict=True))
    points = problem.batch * math.prod((m + r - 1) * -(-p // m) for (m, r), p in zip(sizes, every, strict=True))
    outputs, depth = math.prod(g.output_size[:rest]), problem.depth
    products = points * outputs * math.prod(g.window[:rest]) * depth * problem.out_channels
    elements = points * (math.prod(g.padded_size[:rest]) * problem.in_channels + outputs * problem.out_channels)
    kernels = math.prod(g.window[:rest]) * math.prod(m + r - 1 for m, r in sizes) * depth * problem.out_channels
    return direct_cost(problem)._replace(
        multiplications=products,
        additions=products,
        intermediate_bytes=(elements + kernels + problem.padded_elements) * max(problem.itemsize, 4),
    )


WINOGRAD = Formulation(
    "winograd", "multiply transformed tiles", conv_winograd, _unsupported, _cost, error_bound, local=False
)
