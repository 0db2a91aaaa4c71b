"""Gather every window into a row of a matrix, then one matrix product: im2col.

    y[(n, p), o] = Σ_{(t,c)} patches[(n, p), (t, c)] · kernel[(t, c), o]

Cost: the direct multiplications, and the patches: the input Πk times over.
Reference: Chellapilla, Puri, Simard, High performance convolutional neural networks for document processing, 2006.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import (
    UNROLLED_TAPS,
    Formulation,
    accumulator,
    always,
    dynamic_tap_slice,
    pad_input,
    product,
    summed_first,
    tap_slice,
    tap_starts,
    taps,
)
from jconv.geometry import Geometry


def gather_patches(x: jax.Array, geometry: Geometry) -> jax.Array:
    """Return every window of `x`, `[N, *P, Πk, C]`: by slices, so that an inf stays where it is.

    Args:
        x: `[N, *L, C]`.
        geometry: Which windows.

    Returns:
        The windows, taps in row-major order.
    """
    padded = pad_input(x, geometry)
    starts = tap_starts(geometry)
    if len(starts) > UNROLLED_TAPS:
        slices = lax.map(lambda start: dynamic_tap_slice(padded, start, geometry), starts)
        return jnp.moveaxis(slices, 0, -2)
    return jnp.stack([tap_slice(padded, tap, geometry) for tap in taps(geometry)], axis=-2)


def conv_patches(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Gather the patches, then contract taps and channels in one `lax.dot_general`."""
    dtype = accumulator(x.dtype, preferred_element_type)
    known = all(isinstance(size, int) for size in geometry.output_size)  # sizes left open are no few
    if known and math.prod(geometry.output_size) < min(math.prod(geometry.window), UNROLLED_TAPS):
        y = _by_position(x, kernel, geometry, precision, dtype)
    else:
        rows = kernel.reshape(-1, *kernel.shape[-2:])
        windows = gather_patches(x, geometry)
        y = product(windows, rows, geometry.groups, precision=precision, preferred_element_type=dtype)
    return y.astype(preferred_element_type)


def _by_position(x: jax.Array, kernel: jax.Array, geometry: Geometry, precision: Any, dtype: Any) -> jax.Array:
    """Gather one window per output position where these are fewer than taps, as for a kernel's gradient."""
    batch, groups, axes = x.shape[0], geometry.groups, len(geometry.window)
    padded, kernel = summed_first(x, kernel, geometry)
    windows = []
    for position in np.ndindex(*geometry.output_size):
        steps = zip(geometry.stride, position, geometry.extent, geometry.dilation, strict=True)
        windows.append(padded[:, *(slice(s * p, s * p + extent, d) for s, p, extent, d in steps)])
    rows = jnp.stack(windows, axis=-2)  # [c, *k, G, P, N]
    rows = rows.reshape(*rows.shape[:-2], -1)
    summed = tuple(range(axes + 1))
    if groups == 1:
        dims = ((summed, summed), ((), ()))
        y = lax.dot_general(rows[..., 0, :], kernel[..., 0, :], dims, precision=precision, preferred_element_type=dtype)
    else:
        dims = ((summed, summed), ((axes + 1,), (axes + 1,)))
        y = lax.dot_general(rows, kernel, dims, precision=precision, preferred_element_type=dtype)
    y = jnp.transpose(y.reshape(groups, -1, batch, y.shape[-1]), (2, 1, 0, 3))  # [N, P, G, o]
    return y.reshape(batch, *geometry.output_size, -1)


def _cost(problem: Problem) -> Cost:
    g = problem.geometry
    padded = 0 if g.padded_size == g.input_size else problem.padded_elements
    # One tap at stride 1 is the input as it is.
    gathered = problem.batch * problem.positions * problem.taps * problem.in_channels
    kept = 0 if problem.taps == max(g.stride) == 1 else gathered
    return direct_cost(problem)._replace(intermediate_bytes=(padded + kept) * problem.itemsize)


PATCHES = Formulation("patches", "gather the windows, one matrix product (im2col)", conv_patches, always, _cost)
