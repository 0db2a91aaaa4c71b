"""What lies beyond the border: zeros, the torus, the mirror, or the edge repeated.

```
zeros        0 0 | a b c d | 0 0
circular     c d | a b c d | a b
reflect      c b | a b c d | c b
edge         a a | a b c d | d d
```
"""

import jax
import jax.numpy as jnp
from jax import lax

from jconv.errors import GeometryError, suggestion
from jconv.geometry import Geometry, Padding, Pads, resolve_padding

PADDING_MODES = {"zeros": "constant", "circular": "wrap", "reflect": "reflect", "edge": "edge"}


def check_padding_mode(caller: str, mode: str, size: tuple[int, ...], pads: Pads) -> None:
    """Raise unless `mode` is a padding mode that can pad `size` by `pads`.

    Args:
        caller: The name that errors carry.
        mode: zeros, circular, reflect or edge.
        size: The space sizes of what is padded.
        pads: (low, high) per space axis.

    Raises:
        GeometryError: If the mode is unknown, or there is too little to copy from.
    """
    if not isinstance(mode, str) or mode not in PADDING_MODES:
        raise GeometryError(
            f"{caller}: padding_mode must be one of {', '.join(PADDING_MODES)}; got padding_mode={mode!r}."
            f"{suggestion(str(mode).lower(), PADDING_MODES) or ' Zeros are the default.'}"
        )
    for axis, (n, pad) in enumerate(zip(size, pads, strict=True)):
        if mode == "reflect" and max(pad) > max(n - 1, 0):
            raise GeometryError(
                f"{caller}: padding must be at most size − 1 where it reflects; got padding={pad} on size {n} along "
                f"space axis {axis}. Pad less, or take padding_mode='edge'."
            )
        if mode != "zeros" and n == 0 and max(pad) > 0:
            raise GeometryError(
                f"{caller}: padding_mode {mode!r} must have something to copy; got size 0 along space axis {axis}. "
                "Take padding_mode='zeros'."
            )


def pad_first(caller: str, x: jax.Array, padding: Padding, mode: str, geometry: Geometry) -> jax.Array:
    """Dilate and pad `x` as a convolution asks that pads with anything but zeros; what remains is VALID.

    Args:
        caller: The name that errors carry.
        x: `[*batch, *space, channels]`.
        padding: As for `conv`.
        mode: circular, reflect or edge.
        geometry: The convolution's geometry with zeros.

    Returns:
        `[*batch, *padded, channels]`.

    Raises:
        GeometryError: If the mode cannot pad this.
    """
    lead = x.ndim - len(geometry.window) - 1
    holes = [(0, 0, 0)] * lead + [(0, 0, e - 1) for e in geometry.input_dilation] + [(0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), holes)
    size = x.shape[lead:-1]
    pads = resolve_padding(caller, padding, size, geometry.extent, geometry.stride)
    check_padding_mode(caller, mode, size, pads)
    return pad(x, pads, mode)


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
