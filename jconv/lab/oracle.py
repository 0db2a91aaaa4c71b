"""The convolution again, in NumPy float64: gathered windows and one einsum. No JAX, and nothing of jconv.

Every padding mode is a table of where each entry of the padded input comes from; -1 is a zero. So one index
of windows, [positions, taps] → entry of x, serves the convolution, both its gradients and the transposed one:

    conv               y[n,p,g,o] = Σ_{t,c} x[n, at(p,t), g,c] · kernel[t,c,g,o]
    by the input       dx[n,i,g,c] = Σ_{p,t: at(p,t)=i} Σ_o ct[n,p,g,o] · kernel[t,c,g,o]
    by the kernel      dk[t,c,g,o] = Σ_{n,p} x[n, at(p,t), g,c] · ct[n,p,g,o]
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

Ints = int | Sequence[int]
Padding = str | int | Sequence[int | Sequence[int]]
NUMPY_MODES: Mapping[str, Literal["wrap", "reflect", "edge"]] = {
    "circular": "wrap",
    "reflect": "reflect",
    "edge": "edge",
}


class Answer(NamedTuple):
    """A convolution's value and both cotangents, in float64."""

    output: np.ndarray
    x_gradient: np.ndarray
    kernel_gradient: np.ndarray


def conv(
    x: np.ndarray,
    kernel: np.ndarray,
    cotangent: np.ndarray | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    padding_mode: str = "zeros",
    dilation: Ints = 1,
    groups: int = 1,
    flip: bool = False,
) -> Answer:
    """Convolve, and pull a cotangent back to both operands.

    Args:
        x: `[batch, *space, in]`.
        kernel: `[*window, in/groups, out]`.
        cotangent: Of the output's shape; ones if None.
        stride: Steps between positions.
        padding: A word, an int, or an int or (low, high) pair per axis.
        padding_mode: zeros, circular, reflect or edge.
        dilation: Steps between taps.
        groups: Independent blocks of channels.
        flip: Whether to flip the kernel in space first.

    Returns:
        The output and the gradients.

    Example:
        >>> conv(np.arange(1.0, 4).reshape(1, 3, 1), np.array([0, 1, 0.5]).reshape(3, 1, 1)).output.item()
        3.5
    """
    space, window = x.shape[1:-1], kernel.shape[:-2]
    strides, dilations = _each(stride, len(space)), _each(dilation, len(space))
    extent = tuple(d * (k - 1) + 1 for d, k in zip(dilations, window, strict=True))
    pads = _pads(padding, space, extent, strides)
    positions = tuple(
        (size + sum(pad) - reach) // s + 1 for size, pad, reach, s in zip(space, pads, extent, strides, strict=True)
    )
    at = _windows(space, positions, window, strides, dilations, pads, padding_mode)
    weights = _flipped(kernel, flip)
    output = _output(x, weights, at, positions, groups)
    ct = np.ones_like(output) if cotangent is None else cotangent
    by_kernel = _flipped(_kernel_gradient(x, ct, at, kernel.shape, groups), flip)
    return Answer(output, _x_gradient(ct, weights, at, space, groups), by_kernel)


def conv_transpose(
    x: np.ndarray,
    kernel: np.ndarray,
    cotangent: np.ndarray | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    padding_mode: str = "zeros",
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    flip: bool = False,
) -> Answer:
    """Apply the adjoint of `conv` with the same kernel, and pull a cotangent back to both operands.

    Args:
        x: `[batch, *space, in]`.
        kernel: `[*window, out/groups, in]`, the kernel of the convolution it is the adjoint of.
        cotangent: Of the output's shape; ones if None.
        stride: Of that convolution.
        padding: Of that convolution; SAME gives in·stride, VALID is none.
        padding_mode: Of that convolution.
        output_padding: Entries more at the high end.
        dilation: Of that convolution.
        groups: Of that convolution.
        flip: Whether to flip the kernel in space first.

    Returns:
        The output and the gradients.

    Example:
        >>> a_b = np.array([10.0, 100.0]).reshape(1, 2, 1)
        >>> conv_transpose(a_b, np.array([1.0, 2, 3]).reshape(3, 1, 1), stride=2).output.ravel().tolist()
        [10.0, 20.0, 130.0, 200.0, 300.0]
    """
    space, window = x.shape[1:-1], kernel.shape[:-2]
    strides, dilations, more = (_each(value, len(space)) for value in (stride, dilation, output_padding))
    extent = tuple(d * (k - 1) + 1 for d, k in zip(dilations, window, strict=True))
    if isinstance(padding, str) and padding in ("SAME", "SAME_LOWER"):
        pads = [_halves(reach - s, padding) for reach, s in zip(extent, strides, strict=True)]
    else:
        pads = _pads(padding, space, extent, strides)
    size = tuple(
        (n - 1) * s + reach + rest - sum(pad)
        for n, s, reach, rest, pad in zip(space, strides, extent, more, pads, strict=True)
    )
    at = _windows(size, space, window, strides, dilations, pads, padding_mode)
    weights = _flipped(kernel, flip)
    output = _x_gradient(x, weights, at, size, groups)
    ct = np.ones_like(output) if cotangent is None else cotangent
    by_kernel = _flipped(_kernel_gradient(ct, x, at, kernel.shape, groups), flip)
    return Answer(output, _output(ct, weights, at, space, groups), by_kernel)


def _output(x: np.ndarray, kernel: np.ndarray, at: np.ndarray, positions: tuple[int, ...], groups: int) -> np.ndarray:
    gathered = _gather(x, at, groups)
    y = np.einsum("nptgc,tcgo->npgo", gathered, _taps(kernel, groups), optimize=True)
    return y.reshape(len(x), *positions, kernel.shape[-1])


def _x_gradient(ct: np.ndarray, kernel: np.ndarray, at: np.ndarray, space: Sequence[int], groups: int) -> np.ndarray:
    taps = _taps(kernel, groups)
    ct = ct.reshape(len(ct), len(at), groups, -1).astype(np.float64)
    spread = np.einsum("npgo,tcgo->ptngc", ct, taps, optimize=True)
    channels = groups * taps.shape[1]
    total = np.zeros((int(np.prod(space)) + 1, len(ct), channels))
    np.add.at(total, at.ravel(), spread.reshape(at.size, len(ct), channels))
    return np.moveaxis(total[:-1], 1, 0).reshape(len(ct), *space, channels)


def _kernel_gradient(
    x: np.ndarray, ct: np.ndarray, at: np.ndarray, kernel_shape: Sequence[int], groups: int
) -> np.ndarray:
    ct = ct.reshape(len(ct), len(at), groups, -1).astype(np.float64)
    return np.einsum("nptgc,npgo->tcgo", _gather(x, at, groups), ct, optimize=True).reshape(kernel_shape)


def _gather(x: np.ndarray, at: np.ndarray, groups: int) -> np.ndarray:
    """Return [batch, positions, taps, groups, in/groups]; the last entry of the flat input is the border's zero."""
    flat = x.reshape(len(x), -1, x.shape[-1]).astype(np.float64)
    flat = np.concatenate([flat, np.zeros((len(x), 1, x.shape[-1]))], axis=1)
    return flat[:, at].reshape(len(x), *at.shape, groups, -1)


def _taps(kernel: np.ndarray, groups: int) -> np.ndarray:
    """Return [taps, in/groups, groups, out/groups]."""
    return kernel.astype(np.float64).reshape(-1, kernel.shape[-2], groups, kernel.shape[-1] // groups)


def _windows(
    space: Sequence[int],
    positions: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    pads: Sequence[tuple[int, int]],
    mode: str,
) -> np.ndarray:
    """Return which entry of the flat input each tap of each position reads, [positions, taps]; -1 is a zero."""
    at = np.zeros((1, 1), dtype=np.int64)
    for size, count, k, s, d, pad in zip(space, positions, window, stride, dilation, pads, strict=True):
        source = _sources(size, pad, mode)
        along = source[s * np.arange(count)[:, None] + d * np.arange(k)]
        mixed = at[:, None, :, None] * size + along[None, :, None, :]
        zero = (at[:, None, :, None] < 0) | (along[None, :, None, :] < 0)
        at = np.where(zero, -1, mixed).reshape(len(at) * count, -1)
    return at


def _sources(size: int, pad: tuple[int, int], mode: str) -> np.ndarray:
    """Return where each entry of a padded axis comes from; a negative pad crops what the other side padded."""
    low, high = pad
    widths = (max(low, 0), max(high, 0))
    if mode == "zeros":
        padded = np.pad(np.arange(size), widths, constant_values=-1)
    else:
        padded = np.pad(np.arange(size), widths, mode=NUMPY_MODES[mode])
    return padded[max(-low, 0) : len(padded) - max(-high, 0)]


def _pads(
    padding: Padding, space: Sequence[int], extent: Sequence[int], stride: Sequence[int]
) -> list[tuple[int, int]]:
    """Return (low, high) per axis. Resolved here once more: an oracle fed jconv's own pads would repeat its slips."""
    if isinstance(padding, str):
        return [_word(padding, size, reach, s) for size, reach, s in zip(space, extent, stride, strict=True)]
    entries = [padding] * len(space) if isinstance(padding, int) else padding
    return [(entry, entry) if isinstance(entry, int) else (entry[0], entry[1]) for entry in entries]


def _word(word: str, size: int, extent: int, stride: int) -> tuple[int, int]:
    if word in ("SAME", "SAME_LOWER"):
        return _halves(max((-(-size // stride) - 1) * stride + extent - size, 0), word)
    return {"VALID": (0, 0), "FULL": (extent - 1, extent - 1), "CAUSAL": (extent - 1, 0)}[word]


def _halves(total: int, word: str) -> tuple[int, int]:
    if total < 0:
        return 0, total
    small = total // 2
    return (small, total - small) if word == "SAME" else (total - small, small)


def _each(value: Ints, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _flipped(kernel: np.ndarray, flip: bool) -> np.ndarray:
    return np.flip(kernel, axis=tuple(range(kernel.ndim - 2))) if flip else kernel
