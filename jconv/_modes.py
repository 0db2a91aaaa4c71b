"""What may lie beyond the border, and where it cannot; no JAX.

```
zeros        0 0 | a b c d | 0 0
circular     c d | a b c d | a b
reflect      c b | a b c d | c b
edge         a a | a b c d | d d
```
"""

from jconv.errors import GeometryError, suggestion
from jconv.geometry import Pads

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
