"""What `fft` and `overlap_add` share: the circulant diagonalised, its refusal, its cost and its error."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import accumulator, open_sizes, periodic_kernel
from jconv.geometry import Geometry


def circular_correlation(x: jax.Array, kernel: jax.Array, geometry: Geometry, size: tuple[int, ...]) -> jax.Array:
    """Correlate on a torus by multiplying spectra, at full precision.

    y = F⁻¹( F(x) · F(w̃) ),   w̃[−d·t mod n] = kernel[t]

    Args:
        x: `[N, *l, G·c]` with l ≤ n; zeros follow.
        kernel: `[*k, c, G·o]`, of x's dtype.
        geometry: Its dilation and groups.
        size: n, the torus.

    Returns:
        `[N, *n, G·o]`.
    """
    real = not jnp.issubdtype(x.dtype, jnp.complexfloating)
    axes, groups = tuple(range(1, 1 + len(size))), geometry.groups
    forward, back = (jnp.fft.rfftn, jnp.fft.irfftn) if real else (jnp.fft.fftn, jnp.fft.ifftn)
    # Taps at −d·t make the circular convolution a correlation, for complex kernels too: nothing is conjugated.
    around = periodic_kernel(kernel, tuple(-d for d in geometry.dilation), size)
    kernel_hat = forward(around, s=size, axes=tuple(range(len(size))))  # [*F, c, G·o]
    x_hat = forward(x, s=size, axes=axes)  # [N, *F, G·c]
    x_hat = x_hat.reshape(*x_hat.shape[:-1], groups, -1)
    kernel_hat = kernel_hat.reshape(*kernel_hat.shape[:-1], groups, -1)
    frequencies = tuple(axis - 1 for axis in axes)
    dims = (((x_hat.ndim - 1,), (len(size),)), ((*axes, len(size) + 1), (*frequencies, len(size) + 1)))
    y_hat = lax.dot_general(x_hat, kernel_hat, dims, precision=lax.Precision.HIGHEST)  # [*F, G, N, o]
    y_hat = jnp.moveaxis(y_hat, -2, 0).reshape(x.shape[0], *y_hat.shape[: len(size)], -1)
    return back(y_hat, s=size, axes=axes)


def spectral_refusal(problem: Problem) -> str | None:
    """Return why spectra cannot be multiplied, or None."""
    if jnp.issubdtype(problem.dtype, jnp.integer):  # NumPy's kind would miss int4
        return f"its roots of unity are not integers, got dtype {problem.dtype}"
    return open_sizes(problem)


def spectral_error_bound(x: ArrayLike, kernel: ArrayLike, geometry: Geometry, size: int) -> float:
    """Return 4 · eps · log2(size) · ‖x‖₂ · ‖kernel‖₂, by the largest norms of one example's group and one output.

    Args:
        x: `[N, *L, G·c]`.
        kernel: `[*k, c, G·o]`.
        geometry: Its groups.
        size: How many entries a transform mixes.

    Returns:
        The bound.
    """
    x, kernel = np.asarray(x), np.asarray(kernel)
    eps = float(jnp.finfo(accumulator(x.dtype)).eps)
    x64, kernel64 = x.astype(complex), kernel.astype(complex)
    examples = x64.reshape(x64.shape[0], -1, geometry.groups, x64.shape[-1] // geometry.groups)
    x_norm = np.sqrt((np.abs(examples) ** 2).sum(axis=(1, 3)).max())
    kernel_norm = np.sqrt((np.abs(kernel64.reshape(-1, kernel64.shape[-1])) ** 2).sum(axis=0).max())
    return 4 * eps * math.log2(max(size, 2)) * float(x_norm) * float(kernel_norm)


def spectral_cost(problem: Problem, size: int, tiles: int = 1) -> Cost:
    """Return what transforms of `size` entries cost, of every channel of every tile, and their products.

    Args:
        problem: The convolution.
        size: How many entries a transform mixes.
        tiles: Into how many parts an example is cut.

    Returns:
        The cost: 5·n·log2(n) real operations a complex transform, half of it for a real one, 4 products a complex one.
    """
    images = problem.batch * tiles * (problem.in_channels + problem.out_channels)
    kernels = problem.depth * problem.out_channels
    butterflies = int(2.5 * size * math.log2(max(size, 2)) * (images + kernels) / 2)
    products = 4 * (size // 2 + 1) * problem.batch * tiles * kernels
    return direct_cost(problem)._replace(
        multiplications=butterflies + products,
        additions=butterflies + products,
        intermediate_bytes=size * (images + kernels) * max(problem.itemsize, 4),
    )
