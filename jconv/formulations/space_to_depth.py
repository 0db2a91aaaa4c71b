"""Fold a block of s input entries into the channels: a convolution of stride s becomes one of stride 1.

    y[n, q, o] = Σ_{τ, (ρ,c)} X[n, q + τ, (ρ, c)] · K[τ, (ρ, c), o],   X[n, m, (ρ, c)] = x[n, s·m + ρ − lo, c],
                                                                        K[τ, (ρ, c), o] = kernel[s·τ + ρ, c, o]

Where the stride is the window, as of patch embeddings, one matrix product is left. A stem of three channels gets twelve
and an even window. Dilation and input dilation are written out as zeros first. An inf or NaN spreads over the outputs
of the window rounded up: its new taps are zeros.
Cost: the direct multiplications, of the window rounded up to whole strides; the input and the kernel once more.
Reference: Shi et al., Is the deconvolution layer the same as a convolutional layer?, 2016,
https://arxiv.org/abs/1609.07009.
"""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, accumulator, open_sizes, pad_input, product
from jconv.formulations._xla import conv_overhang
from jconv.geometry import Geometry


def folded(geometry: Geometry) -> Geometry:
    """Return the geometry of the convolution of stride 1."""
    axes = len(geometry.window)
    window = tuple(-(-extent // s) for extent, s in zip(geometry.extent, geometry.stride, strict=True))
    size = tuple(p + k - 1 for p, k in zip(geometry.output_size, window, strict=True))
    one = (1,) * axes
    return replace(
        geometry, input_size=size, window=window, stride=one, dilation=one, input_dilation=one, low=(0,) * axes
    )


def conv_space_to_depth(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Fold input and kernel, then convolve at stride 1: one product where the window is one block."""
    dtype, flat = accumulator(x.dtype, preferred_element_type), folded(geometry)
    axes, groups, stride = len(geometry.window), geometry.groups, geometry.stride
    padded = pad_input(x, geometry)
    padded = padded.reshape(*padded.shape[:-1], groups, -1)
    zero = jnp.zeros((), kernel.dtype)
    kernel = lax.pad(kernel, zero, [*((0, 0, d - 1) for d in geometry.dilation), (0, 0, 0), (0, 0, 0)])
    x_folded = _fold(padded, 1, flat.input_size, stride)  # [N, *m, *ρ, G, c]
    x_folded = jnp.moveaxis(x_folded, -2, 1 + axes).reshape(x.shape[0], *flat.input_size, -1)  # [N, *m, G·ρ·c]
    kernel = _fold(kernel, 0, flat.window, stride)  # [*τ, *ρ, c, G·o]
    kernel = kernel.reshape(*flat.window, -1, kernel.shape[-1])
    if math.prod(flat.window) == 1:
        rows = kernel.reshape(1, *kernel.shape[-2:])
        y = product(x_folded[..., None, :], rows, groups, precision=precision, preferred_element_type=dtype)
    else:
        y = conv_overhang(x_folded, kernel, flat, precision=precision, preferred_element_type=dtype)
    return y.astype(preferred_element_type)


def _fold(array: jax.Array, start: int, blocks: tuple[int, ...], stride: tuple[int, ...]) -> jax.Array:
    """Split the axes from `start` into blocks of the stride: `[…, *l, …] → […, *m, *ρ, …]`, l = s·m + ρ."""
    axes = len(blocks)
    sizes = [block * s for block, s in zip(blocks, stride, strict=True)]
    config = [(0, 0, 0)] * array.ndim
    for axis, size in enumerate(sizes, start):
        config[axis] = (0, size - array.shape[axis], 0)
    array = lax.pad(array, jnp.zeros((), array.dtype), config)
    split = [part for pair in zip(blocks, stride, strict=True) for part in pair]
    array = array.reshape(*array.shape[:start], *split, *array.shape[start + axes :])
    order = [*range(start, start + 2 * axes, 2), *range(start + 1, start + 2 * axes, 2)]
    return jnp.transpose(array, (*range(start), *order, *range(start + 2 * axes, array.ndim)))


def _cost(problem: Problem) -> Cost:
    g = problem.geometry
    block = math.prod(g.stride)
    flat = folded(g)
    entries = problem.batch * math.prod(flat.input_size) * block * problem.in_channels
    taps = math.prod(flat.window) * block
    kernel = taps * problem.depth * problem.out_channels
    products = problem.batch * problem.positions * kernel
    return direct_cost(problem)._replace(
        multiplications=products, additions=products, intermediate_bytes=(entries + kernel) * problem.itemsize
    )


SPACE_TO_DEPTH = Formulation(
    "space_to_depth", "fold blocks of the stride into channels", conv_space_to_depth, open_sizes, _cost, local=False
)
