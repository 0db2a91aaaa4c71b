"""Split a strided or input-dilated convolution into stride-1 convolutions of sub-sampled signals: sub-pixel phases.

Output p = φ·q + r, φ = e/gcd(s, e), meets only the taps t with s·r + d·t − lo ≡ 0 (mod e), and there reads
input l = σ·q + l_t, σ = s/gcd(s, e), l_t = (s·r + d·t − lo)/e. With l = σ·m + ρ:

    y[φ·q + r] = Σ_ρ Σ_{t: l_t ≡ ρ mod σ} x[σ·(q + m_t) + ρ] · kernel[t],   m_t = (l_t − ρ)/σ

and each inner sum is a stride-1 convolution of x[ρ::σ], for its taps t and their m_t step evenly.
Cost: the valid multiplications; no inserted zero is ever multiplied. The program holds a convolution per phase, so
it grows with the product of the strides (`convolutions`).
Reference: Shi et al., Is the deconvolution layer the same as a convolutional layer?, 2016,
https://arxiv.org/abs/1609.07009.
"""

import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import (
    UNROLLED_TAPS,
    Formulation,
    accumulator,
    open_sizes,
    pad_input,
    product,
    shifted_sum,
)
from jconv.formulations._xla import conv_overhang
from jconv.geometry import Geometry

MOST_PHASES = 16
"""Above this many convolutions in one program, compilation costs more than zeros do: no rule takes more."""


class Part(NamedTuple):
    """One stride-1 convolution along one axis: which input entries, which taps, and how they meet."""

    entries: slice
    taps: slice
    input_size: int
    window: int
    dilation: int
    low: int


def axis_phases(geometry: Geometry, axis: int) -> list[tuple[int, list[Part]]]:
    """Return, for each output phase of one axis, its number of outputs and its parts.

    Args:
        geometry: How input and kernel are combined.
        axis: Which space axis.

    Returns:
        A (size, parts) pair per phase; no parts where no tap meets an input entry.
    """
    size, output_size = geometry.input_size[axis], geometry.output_size[axis]
    s, d, e = geometry.stride[axis], geometry.dilation[axis], geometry.input_dilation[axis]
    common = math.gcd(s, e)
    phases, sigma = min(e // common, output_size), s // common
    result = []
    for r in range(phases):
        met: dict[int, list[tuple[int, int]]] = {}  # ρ → its (t, m_t)
        for t in range(geometry.window[axis]):
            entry, hole = divmod(s * r + d * t - geometry.low[axis], e)
            if not hole:
                met.setdefault(entry % sigma, []).append((t, entry // sigma))
        parts = []
        for rho, pairs in met.items():
            rest = len(range(rho, size, sigma))
            if not rest:
                continue
            (first, m_first), (last, _) = pairs[0], pairs[-1]
            step, dilation = (pairs[1][0] - first, pairs[1][1] - m_first) if len(pairs) > 1 else (1, 1)
            parts.append(
                Part(slice(rho, size, sigma), slice(first, last + 1, step), rest, len(pairs), dilation, -m_first)
            )
        result.append((len(range(r, output_size, phases)), parts))
    return result


def convolutions(geometry: Geometry) -> int:
    """Return how many stride-1 convolutions the program holds: it grows with stride and input dilation."""
    return math.prod(sum(len(parts) for _, parts in axis_phases(geometry, a)) for a in range(len(geometry.window)))


def conv_phases(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Compute every output phase by its stride-1 convolutions, then interleave the phases axis by axis."""
    axes, dtype = len(geometry.window), accumulator(x.dtype, preferred_element_type)
    phases = [axis_phases(geometry, axis) for axis in range(axes)]
    one_channel = kernel.shape[-2] == 1 and x.shape[-1] == geometry.groups == kernel.shape[-1]
    elementwise = shifted_sum if math.prod(geometry.window) <= UNROLLED_TAPS else conv_overhang

    def outputs(chosen: tuple[tuple[int, list[Part]], ...]) -> jax.Array:
        axis = len(chosen)
        if axis == axes:
            return phase(chosen)
        return interleave([outputs((*chosen, each)) for each in phases[axis]], 1 + axis)

    def phase(chosen: tuple[tuple[int, list[Part]], ...]) -> jax.Array:
        sizes, parts = zip(*chosen, strict=True)
        total = jnp.zeros((x.shape[0], *sizes, kernel.shape[-1]), dtype)
        for part in itertools.product(*parts):
            flat = Geometry(
                input_size=tuple(p.input_size for p in part),
                window=tuple(p.window for p in part),
                output_size=sizes,
                stride=(1,) * axes,
                dilation=tuple(p.dilation for p in part),
                input_dilation=(1,) * axes,
                low=tuple(p.low for p in part),
                groups=geometry.groups,
            )
            met, rows = x[:, *(p.entries for p in part)], kernel[*(p.taps for p in part)]
            convolve = elementwise if one_channel else one_window if math.prod(sizes) == 1 else conv_overhang
            total += convolve(met, rows, flat, precision=precision, preferred_element_type=dtype)
        return total

    return outputs(()).astype(preferred_element_type)


def one_window(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Convolve to one output, as of a transposed kernel's gradient: one product over the whole window."""
    padded = pad_input(x, geometry)
    window = lax.slice(padded, (0,) * padded.ndim, padded.shape, (1, *geometry.dilation, 1))
    window = window.reshape(x.shape[0], -1, x.shape[-1])
    rows = kernel.reshape(-1, *kernel.shape[-2:])
    y = product(window, rows, geometry.groups, precision=precision, preferred_element_type=preferred_element_type)
    return y.reshape(x.shape[0], *geometry.output_size, -1)


def interleave(parts: list[jax.Array], axis: int) -> jax.Array:
    """Return the array whose entries r, r + φ, r + 2φ, … along `axis` are those of part r."""
    if len(parts) == 1:
        return parts[0]
    size = sum(part.shape[axis] for part in parts)
    longest = parts[0].shape[axis]
    rest = [[(0, 0)] * axis + [(0, longest - part.shape[axis])] + [(0, 0)] * (part.ndim - axis - 1) for part in parts]
    woven = jnp.stack([jnp.pad(part, pad) for part, pad in zip(parts, rest, strict=True)], axis=axis + 1)
    woven = woven.reshape(*woven.shape[:axis], -1, *woven.shape[axis + 2 :])
    return lax.slice_in_dim(woven, 0, size, axis=axis)


def _cost(problem: Problem) -> Cost:
    cost, g = direct_cost(problem), problem.geometry
    one_channel = problem.depth == problem.width == 1 and problem.taps <= UNROLLED_TAPS
    counts = (e // math.gcd(s, e) for s, e in zip(g.stride, g.input_dilation, strict=True))
    even = not any(size % count for size, count in zip(g.output_size, counts, strict=True))
    outputs = 0 if one_channel and even else cost.output_elements  # woven in the pass that adds, or after it
    return cost._replace(
        multiplications=cost.valid_multiplications,
        additions=cost.valid_multiplications,
        intermediate_bytes=(cost.input_elements + outputs) * problem.itemsize,
    )


PHASES = Formulation("phases", "stride-1 convolutions of sub-pixel phases", conv_phases, open_sizes, _cost)
