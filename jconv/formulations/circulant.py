"""The convolution on a torus as a dense doubly block circulant matrix; the wanted outputs are cut out.

    C[(q, o), (m, c)] = w[(m − q) mod M, c, o],   w the kernel dilated and laid around the torus of size M

On the padded input the window never wraps, so rows s·p of C give the convolution; with circular padding and
stride 1, C on the input itself is the operator.
Cost: (ΠM)² · C_in · C_out products; an inf times a zero spreads as NaN.
Reference: Gray, Toeplitz and circulant matrices: a review, 2006, https://doi.org/10.1561/0100000006.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import (
    Formulation,
    accumulator,
    at_strides,
    gather_matrix,
    matrix_vector,
    open_sizes,
    pad_input,
    periodic_kernel,
    too_large,
)
from jconv.geometry import Geometry


def circulant_blocks(kernel: jax.Array, size: tuple[int, ...], geometry: Geometry, low: tuple[int, ...]) -> jax.Array:
    """Return the matrix of each group, `[G, ΠM, o, ΠM, c]`.

    Args:
        kernel: `[*k, c, G·o]`.
        size: M, the torus.
        geometry: For dilation and groups.
        low: Where the first tap of output 0 stands: at input −low.

    Returns:
        The matrices, their rows and columns split.
    """
    rows = periodic_kernel(kernel, geometry.dilation, size).reshape(-1, *kernel.shape[-2:])
    flat = jnp.zeros((1, 1), int)
    for around, lo in zip(size, low, strict=True):
        step = (jnp.arange(around)[None, :] - jnp.arange(around)[:, None] + lo) % around
        flat = (flat[:, None, :, None] * around + step[None, :, None, :]).reshape(len(flat) * around, -1)
    return gather_matrix(rows, flat, geometry.groups)


def conv_circulant(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Build the circulant of the padded torus, multiply, and take every stride-th output."""
    dtype = accumulator(x.dtype, preferred_element_type)
    size = geometry.padded_size
    blocks = circulant_blocks(kernel, size, geometry, (0,) * len(size))
    padded = pad_input(x, geometry).reshape(x.shape[0], -1)
    y = matrix_vector(blocks, padded, precision=precision, preferred_element_type=dtype)
    y = y.reshape(x.shape[0], *size, -1)
    return at_strides(y, geometry).astype(preferred_element_type)


def _entries(problem: Problem) -> int:
    around = math.prod(problem.geometry.padded_size)
    return around**2 * problem.depth * problem.out_channels


def _unsupported(problem: Problem) -> str | None:
    return open_sizes(problem) or too_large("its dense matrix", _entries(problem), problem)


def _cost(problem: Problem) -> Cost:
    products = problem.batch * _entries(problem)
    elements = _entries(problem) + problem.padded_elements
    return direct_cost(problem)._replace(
        multiplications=products, additions=products, intermediate_bytes=elements * problem.itemsize
    )


CIRCULANT = Formulation(
    "circulant", "dense doubly block circulant matrix on the torus", conv_circulant, _unsupported, _cost, local=False
)
