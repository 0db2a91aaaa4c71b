"""Slide the window: one product per output position, the definition itself.

    y[n, p, o] = Σ_{t,c} window_p[n, t, c] · kernel[t, c, o],   window_p[n, t] = x[n, s·p + d·t − lo]

Cost: the direct multiplications, ΠP steps one after another. Hopeless forward, and the right way to see a kernel's
gradient: there the positions are few and the taps many. Dual to `shifts`, which makes one product per tap.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, accumulator, open_sizes, pad_input, product, strided_window
from jconv.geometry import Geometry


def conv_sliding(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Map one window after another to its output; a loop, never unrolled."""
    padded = pad_input(x, geometry)
    rows = kernel.reshape(-1, *kernel.shape[-2:])

    def output(start: jax.Array) -> jax.Array:
        window = strided_window(padded, start, geometry.extent, geometry.dilation)
        window = window.reshape(x.shape[0], rows.shape[0], x.shape[-1])
        return product(
            window,
            rows,
            geometry.groups,
            precision=precision,
            preferred_element_type=accumulator(x.dtype, preferred_element_type),
        )

    positions = np.indices(geometry.output_size).reshape(len(geometry.window), -1).T
    y = lax.map(output, (positions * np.array(geometry.stride)).astype(np.int32))  # [P, N, G·o]
    y = jnp.moveaxis(y, 0, 1).reshape(x.shape[0], *geometry.output_size, kernel.shape[-1])
    return y.astype(preferred_element_type)


def _cost(problem: Problem) -> Cost:
    window = problem.batch * problem.taps * problem.in_channels
    elements = problem.padded_elements + window
    return direct_cost(problem)._replace(intermediate_bytes=elements * problem.itemsize)


SLIDING = Formulation("sliding", "one product per output position", conv_sliding, open_sizes, _cost)
