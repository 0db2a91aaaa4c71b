"""Padding arrays with what lies beyond the border: zeros, the torus, the mirror, or the edge repeated."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import lax

from jconv._modes import PADDING_MODES, check_padding_mode
from jconv.geometry import Geometry, Padding, Pads, resolve_padding


def pad_first(caller: str, x: jax.Array, padding: Padding, mode: str, geometry: Geometry) -> tuple[jax.Array, Geometry]:
    """Dilate and pad `x` where the border is not of zeros, so that formulations see zeros only.

    Args:
        caller: The name that errors carry.
        x: `[*batch, *space, channels]`.
        padding: As for `conv`.
        mode: zeros, circular, reflect or edge.
        geometry: The convolution's geometry with zeros.

    Returns:
        `[*batch, *padded, channels]`, and the geometry of the same outputs over it; with zeros both as they were.

    Raises:
        GeometryError: If the mode cannot pad this.
    """
    if mode == "zeros":
        return x, geometry
    axes = len(geometry.window)
    lead = x.ndim - axes - 1
    holes = [(0, 0, 0)] * lead + [(0, 0, e - 1) for e in geometry.input_dilation] + [(0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), holes)
    size = x.shape[lead:-1]
    pads = resolve_padding(caller, padding, size, geometry.extent, geometry.stride)
    check_padding_mode(caller, mode, size, pads)
    x = pad(x, pads, mode)
    return x, replace(geometry, input_size=x.shape[lead:-1], input_dilation=(1,) * axes, low=(0,) * axes)


def pad(x: jax.Array, pads: Pads, mode: str) -> jax.Array:
    """Pad the space axes of `x` by (low, high) pairs; negative padding crops, by slicing.

    Args:
        x: `[*batch, *space, channels]`.
        pads: One pair per space axis.
        mode: zeros, circular, reflect or edge.

    Returns:
        `[*batch, *(low + space + high), channels]`.
    """
    first = x.ndim - 1 - len(pads)
    grow = [(0, 0)] * first + [(max(low, 0), max(high, 0)) for low, high in pads] + [(0, 0)]
    x = jnp.pad(x, grow, mode=PADDING_MODES[mode])
    for axis, (low, high) in enumerate(pads, start=first):
        x = lax.slice_in_dim(x, max(-low, 0), x.shape[axis] - max(-high, 0), axis=axis)
    return x
