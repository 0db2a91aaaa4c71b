"""Multiply the spectra of tiles and add where their outputs overlap: the FFT for images much larger than the window.

    y = Σ_i shift_{m·i}( F⁻¹( F(x_i) · F(w̃) ) ),   x_i the i-th tile of m entries, w̃ as for `fft`

A tile of m entries and a window of extent k reach m+k−1 outputs, so a transform of n ≥ m+k−1 holds them; n is the
next good size from 2·k, at least 256 along a series and 32 along an image's axes, whatever the image: its working set
stays in the cache.
Cost: log(n) instead of log(image) butterflies, on n/m times as many entries; no transform larger than n.
Accuracy: as of `fft`, of one tile: an inf or NaN spreads over the outputs that its tile reaches.
Reference: Stockham, High-speed convolution and correlation, 1966; Oppenheim, Schafer, Discrete-time signal
processing, 1989, section 8.7.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from jconv.costs import Cost, Problem
from jconv.formulations._base import Formulation, accumulator, at_strides, pad_input
from jconv.formulations._spectra import circular_correlation, spectral_cost, spectral_error_bound, spectral_refusal
from jconv.geometry import Geometry

LEAST_TILE = {1: 256}
"""n is at least this, by the number of space axes; 32 for two and more."""


def tile_size(geometry: Geometry, real: bool = True) -> tuple[tuple[int, int], ...]:
    """Return n and m per axis: the transform's size and the entries of a tile."""
    import scipy.fft

    sizes = []
    for padded, extent in zip(geometry.padded_size, geometry.extent, strict=True):
        least = min(max(2 * extent, LEAST_TILE.get(len(geometry.window), 32)), padded + extent - 1)
        n = int(scipy.fft.next_fast_len(least, real=real))  # pyright: ignore
        sizes.append((n, n - extent + 1))
    return tuple(sizes)


def conv_overlap_add(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Cut the input into tiles, convolve each on its torus, add what reaches into the tile before."""
    del precision  # the product of spectra runs at HIGHEST: what is lost there is lost everywhere
    dtype = accumulator(x.dtype, preferred_element_type)
    sizes = tile_size(geometry, real=not jnp.issubdtype(dtype, jnp.complexfloating))
    axes = len(sizes)
    counts = [-(-size // m) for size, (_, m) in zip(geometry.padded_size, sizes, strict=True)]
    x = pad_input(x, geometry).astype(dtype)
    for axis, (count, (_, m)) in enumerate(zip(counts, sizes, strict=True)):  # [N, *T, *m, C]
        place = 1 + 2 * axis
        x = jnp.pad(x, [(0, count * m - x.shape[a] if a == place else 0) for a in range(x.ndim)])
        x = x.reshape(*x.shape[:place], count, m, *x.shape[place + 1 :])
    x = jnp.transpose(x, (0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1))
    torus = tuple(n for n, _ in sizes)
    y = circular_correlation(x.reshape(-1, *x.shape[1 + axes :]), kernel.astype(dtype), geometry, torus)
    y = y.reshape(*x.shape[: 1 + axes], *y.shape[1:])  # [N, *T, *n, G·o]
    for axis, (n, m) in enumerate(sizes):
        reach, tile = n - m, 1 + axis
        entries = tile + axes
        own = lax.slice_in_dim(y, 0, m, axis=entries)
        if counts[axis] > 1 and reach:
            back = lax.slice_in_dim(y, m, n, axis=entries)  # outputs −reach … −1: the last of the tile before
            back = lax.slice_in_dim(back, 1, counts[axis], axis=tile)
            config = [(0, 0, 0)] * y.ndim
            config[tile], config[entries] = (0, 1, 0), (m - reach, 0, 0)
            own += lax.pad(back, jnp.zeros((), dtype), config)
        y = own
    y = jnp.transpose(y, (0, *(a for axis in range(axes) for a in (1 + axis, 1 + axes + axis)), y.ndim - 1))
    y = y.reshape(x.shape[0], *(count * m for count, (_, m) in zip(counts, sizes, strict=True)), -1)
    return at_strides(y, geometry).astype(preferred_element_type)


def error_bound(x: ArrayLike, kernel: ArrayLike, geometry: Geometry) -> float:
    """Return a bound on |computed − exact| of any output: that of one transform, and one more addition an axis.

    Args:
        x: `[N, *L, G·c]`.
        kernel: `[*k, c, G·o]`.
        geometry: How they are combined.

    Returns:
        2ᵈ · 4 · eps · log2(Πn) · ‖x‖₂ · ‖kernel‖₂, from the largest norms as `spectral_error_bound` takes them.
    """
    tiles = 2 ** len(geometry.window)
    return tiles * spectral_error_bound(x, kernel, geometry, math.prod(n for n, _ in tile_size(geometry)))


def _cost(problem: Problem) -> Cost:
    sizes = tile_size(problem.geometry)
    tiles = math.prod(-(-padded // m) for padded, (_, m) in zip(problem.geometry.padded_size, sizes, strict=True))
    return spectral_cost(problem, math.prod(n for n, _ in sizes), tiles)


OVERLAP_ADD = Formulation(
    "overlap_add", "multiply spectra of tiles", conv_overlap_add, spectral_refusal, _cost, error_bound, local=False
)
