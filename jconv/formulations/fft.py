r"""Multiply spectra: the discrete Fourier transform diagonalises the circulant.

    y = F⁻¹( F(x) · F(w̃) ),   w̃[−d·t mod n] = kernel[t],   outputs at s·p

Cost: transforms of every channel at a good size n, and a product of channels per frequency; stride saves nothing.
Accuracy: |error| ≤ 4 · eps · log2(Πn) · ‖x‖₂ · ‖kernel‖₂ (`error_bound`). One inf or NaN spreads over its example.
Reference: Cooley, Tukey, An algorithm for the machine calculation of complex Fourier series, 1965; Mathieu, Henaff,
LeCun, Fast training of convolutional networks through FFTs, 2014, https://arxiv.org/abs/1312.5851.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jconv.costs import Cost, Problem
from jconv.formulations._base import Formulation, accumulator, at_strides, pad_input
from jconv.formulations._spectra import circular_correlation, spectral_cost, spectral_error_bound, spectral_refusal
from jconv.geometry import Geometry


def transform_size(geometry: Geometry, real: bool = True) -> tuple[int, ...]:
    """Return the good FFT size at or above the padded input, per axis."""
    import scipy.fft  # a quarter of a second that only this formulation needs

    return tuple(int(scipy.fft.next_fast_len(size, real=real)) for size in geometry.padded_size)  # pyright: ignore


def conv_fft(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Transform, multiply channel by channel at full precision, transform back, and take every stride-th output."""
    del precision  # the product of spectra runs at HIGHEST: what is lost there is lost everywhere
    dtype = accumulator(x.dtype, preferred_element_type)
    size = transform_size(geometry, real=not jnp.issubdtype(dtype, jnp.complexfloating))
    y = circular_correlation(pad_input(x, geometry).astype(dtype), kernel.astype(dtype), geometry, size)
    return at_strides(y, geometry).astype(preferred_element_type)


def error_bound(x: ArrayLike, kernel: ArrayLike, geometry: Geometry) -> float:
    """Return a bound on |computed − exact| of any output: 4 · eps · log2(Πn) · ‖x‖₂ · ‖kernel‖₂.

    Args:
        x: `[N, *L, G·c]`.
        kernel: `[*k, c, G·o]`.
        geometry: How they are combined.

    Returns:
        The bound, from the largest norms of one example's group and one output channel's kernel.
    """
    return spectral_error_bound(x, kernel, geometry, math.prod(transform_size(geometry)))


def _cost(problem: Problem) -> Cost:
    return spectral_cost(problem, math.prod(transform_size(problem.geometry)))


FFT = Formulation(
    "fft", "multiply spectra at a good FFT size", conv_fft, spectral_refusal, _cost, error_bound, local=False
)
