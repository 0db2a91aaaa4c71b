"""The definition of a convolution and its relatives, in NumPy loops: the oracle, which shares nothing with jconv.

Every function takes arrays `[N, *space, C]` and kernels `[*window, in/groups, out]` with any number of space axes, and
computes in int64, float64 or complex128. A convolution is a set of terms (p, t, i), an output position, a tap and an
input position each; forward reads x at i and adds at p, the gradients read at p and add at i or t.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

Ints = int | Sequence[int]
Pads = list[tuple[int, int]]
Position = tuple[int, ...]


def conv(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Ints = 1,
    padding: str | int | Sequence = "VALID",
    padding_mode: str = "zeros",
    dilation: Ints = 1,
    input_dilation: Ints = 1,
    groups: int = 1,
    flip: bool = False,
) -> np.ndarray:
    """Return y[n, p, o] = Σ x[n, i, c] kernel[t, c, o] over the terms (p, t, i)."""
    x, kernel = wide(x), turned(wide(kernel), flip)
    window = kernel.shape[:-2]
    output_size, terms = _terms(
        x.shape[1:-1], window, stride, padding, padding_mode, dilation, input_dilation, len(window)
    )
    y = np.zeros((len(x), *output_size, groups, kernel.shape[-1] // groups), np.result_type(x, kernel))
    x, kernel = _split(x, groups), _split(kernel, groups)
    for p, t, i in terms:
        y[:, *p] += np.einsum("ngc,cgo->ngo", x[:, *i], kernel[t])
    y = y.reshape(*y.shape[:-2], y.shape[-2] * y.shape[-1])
    return y if bias is None else y + wide(bias)


def conv_gradients(
    ct: ArrayLike,
    x: ArrayLike,
    kernel: ArrayLike,
    *,
    stride: Ints = 1,
    padding: str | int | Sequence = "VALID",
    padding_mode: str = "zeros",
    dilation: Ints = 1,
    input_dilation: Ints = 1,
    groups: int = 1,
    flip: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the derivatives of Σ ct · (conv(x, kernel) + bias) by x, kernel and bias, never conjugated."""
    ct, x, kernel = wide(ct), wide(x), turned(wide(kernel), flip)
    window = kernel.shape[:-2]
    output_size, terms = _terms(
        x.shape[1:-1], window, stride, padding, padding_mode, dilation, input_dilation, len(window)
    )
    if ct.shape[1:-1] != output_size:
        raise ValueError(f"ct has the positions {ct.shape[1:-1]}, the convolution {output_size}")
    dtype = np.result_type(ct, x, kernel)
    ctg, xg, kg = _split(ct, groups), _split(x, groups), _split(kernel, groups)
    dx, dk = np.zeros(xg.shape, dtype), np.zeros(kg.shape, dtype)
    for p, t, i in terms:
        dx[:, *i] += np.einsum("ngo,cgo->ngc", ctg[:, *p], kg[t])
        dk[t] += np.einsum("ngc,ngo->cgo", xg[:, *i], ctg[:, *p])
    return dx.reshape(x.shape), turned(dk.reshape(kernel.shape), flip), ct.sum(axis=tuple(range(ct.ndim - 1)))


def conv_transpose(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Ints = 1,
    padding: str | int | Sequence = "VALID",
    padding_mode: str = "zeros",
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    flip: bool = False,
) -> np.ndarray:
    """Return the adjoint of `conv` with the same kernel [*window, out/groups, in]: every x[n, p] is scattered.

    The scattered field has (in−1)·s + d(k−1) + 1 + output_padding entries; padding crops it, or, in the other padding
    modes, adds its border back to where padding would have copied it from.
    """
    x, kernel = wide(x), turned(wide(kernel), flip)
    window = kernel.shape[:-2]
    axes = len(window)
    stride_, dilation_, more = _each(stride, axes), _each(dilation, axes), _each(output_padding, axes)
    extent = [d * (k - 1) + 1 for d, k in zip(dilation_, window, strict=True)]
    pads = transpose_pads(padding, extent, stride_)
    sizes = zip(x.shape[1:-1], stride_, extent, more, pads, strict=True)
    size = [(n - 1) * s + k + rest - low - high for n, s, k, rest, (low, high) in sizes]
    _, terms = _terms(size, window, stride, pads, padding_mode, dilation, 1, axes, x.shape[1:-1])
    y = np.zeros((len(x), *size, groups, kernel.shape[-2]), np.result_type(x, kernel))
    x, kernel = _split(x, groups), _split(kernel, groups)
    for p, t, i in terms:
        y[:, *i] += np.einsum("ngo,cgo->ngc", x[:, *p], kernel[t])
    y = y.reshape(*y.shape[:-2], y.shape[-2] * y.shape[-1])
    return y if bias is None else y + wide(bias)


def max_pool(
    x: np.ndarray, window: Ints, *, stride: Ints | None = None, padding: str | int | Sequence = "VALID",
    dilation: Ints = 1, ceil_mode: bool = False,
) -> np.ndarray:  # fmt: skip
    """Return the greatest value of each window; padding is never the greatest."""
    return _pool(x, window, stride, padding, dilation, ceil_mode, lambda values, _: values.max(axis=0))


def avg_pool(
    x: np.ndarray, window: Ints, *, stride: Ints | None = None, padding: str | int | Sequence = "VALID",
    dilation: Ints = 1, ceil_mode: bool = False, count_include_pad: bool = True,
) -> np.ndarray:  # fmt: skip
    """Return each window's sum, divided by the entries of the padded input, or of the input alone, in it."""

    def mean(values: np.ndarray, padded: int) -> np.ndarray:
        return values.sum(axis=0) / (padded if count_include_pad else len(values))

    return _pool(x, window, stride, padding, dilation, ceil_mode, mean)


def lp_pool(
    x: np.ndarray, p: float, window: Ints, *, stride: Ints | None = None, padding: str | int | Sequence = "VALID",
    dilation: Ints = 1, ceil_mode: bool = False,
) -> np.ndarray:  # fmt: skip
    """Return (Σ |x|^p)^(1/p) of each window."""
    return _pool(
        x, window, stride, padding, dilation, ceil_mode,
        lambda values, _: (np.abs(values).astype(np.float64) ** p).sum(axis=0) ** (1 / p),
    )  # fmt: skip


def pad(x: np.ndarray, pads: Sequence[tuple[int, int]], mode: str = "zeros") -> np.ndarray:
    """Return x `[N, *space, C]` with a border of the given mode; negative pads crop."""
    sources = [source_of(n, low, high, mode) for n, (low, high) in zip(x.shape[1:-1], pads, strict=True)]
    y = np.zeros((len(x), *map(len, sources), x.shape[-1]), x.dtype)
    for p in product(*(range(len(source)) for source in sources)):
        i = tuple(source[q] for source, q in zip(sources, p, strict=True))
        if None not in i:
            y[:, *p] = x[:, *i]
    return y


def source_of(size: int, low: int, high: int, mode: str) -> list[int | None]:
    """Return, for each entry of one padded axis, the input entry it copies; None is a zero."""
    entries = range(-low, size + high)
    if mode == "zeros":
        return [i if 0 <= i < size else None for i in entries]
    if mode == "circular":
        return [i % size for i in entries]
    if mode == "reflect":
        return [-i if i < 0 else 2 * (size - 1) - i if i >= size else i for i in entries]
    if mode == "edge":
        return [min(max(i, 0), size - 1) for i in entries]
    raise ValueError(f"no padding mode {mode!r}")


def word_pads(word: str, size: Sequence[int], extent: Sequence[int], stride: Sequence[int]) -> Pads:
    """Return the pads that a padding word stands for on a dilated input."""
    if word == "VALID":
        return [(0, 0) for _ in size]
    if word == "FULL":
        return [(k - 1, k - 1) for k in extent]
    if word == "CAUSAL":
        return [(k - 1, 0) for k in extent]
    if word in ("SAME", "SAME_LOWER"):
        pads = []
        for n, k, s in zip(size, extent, stride, strict=True):
            positions = (n + s - 1) // s
            missing = max(s * (positions - 1) + k - n, 0)
            pads.append(_halves(missing, word))
        return pads
    raise ValueError(f"no padding word {word!r}")


def transpose_pads(padding: str | int | Sequence, extent: Sequence[int], stride: Sequence[int]) -> Pads:
    """Return the pads of a transposed convolution; SAME leaves in · stride entries."""
    if padding in ("SAME", "SAME_LOWER"):
        # Fewer taps than stride: the entries that no tap reaches stand at the high end.
        return [_halves(k - s, padding) if k >= s else (0, k - s) for k, s in zip(extent, stride, strict=True)]
    return _pads(padding, [1] * len(extent), extent, stride)


def wide(x: ArrayLike) -> np.ndarray:
    """Return x in the widest type of its kind."""
    kinds = {"b": np.int64, "i": np.int64, "u": np.int64, "f": np.float64, "c": np.complex128}
    return np.asarray(x).astype(kinds[np.asarray(x).dtype.kind])


def turned(kernel: np.ndarray, flip: bool) -> np.ndarray:
    """Return the kernel, flipped along every window axis if asked."""
    return kernel[(slice(None, None, -1),) * (kernel.ndim - 2)] if flip else kernel


def _terms(
    size: Sequence[int],
    window: Sequence[int],
    stride: Ints,
    padding: str | int | Sequence,
    mode: str,
    dilation: Ints,
    input_dilation: Ints,
    axes: int,
    output_size: Sequence[int] | None = None,
) -> tuple[Position, Iterator[tuple[Position, Position, Position]]]:
    """Return the output size and every term (p, t, i) that is no product with a zero of padding or dilation."""
    stride, dilation, input_dilation = _each(stride, axes), _each(dilation, axes), _each(input_dilation, axes)
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True)]
    dilated = [e * (n - 1) + 1 for e, n in zip(input_dilation, size, strict=True)]
    pads = _pads(padding, dilated, extent, stride)
    sources = [
        [None if i is None or i % e else i // e for i in source_of(n, low, high, mode)]
        for n, e, (low, high) in zip(dilated, input_dilation, pads, strict=True)
    ]
    if output_size is None:
        output_size = [(len(source) - k) // s + 1 for source, k, s in zip(sources, extent, stride, strict=True)]

    def terms() -> Iterator[tuple[Position, Position, Position]]:
        for p in product(*map(range, output_size)):
            for t in product(*map(range, window)):
                places = zip(sources, p, t, stride, dilation, strict=True)
                i = tuple(source[s * q + d * u] for source, q, u, s, d in places)
                if None not in i:
                    yield p, t, tuple(j for j in i if j is not None)

    return tuple(output_size), terms()


def _pool(x, window, stride, padding, dilation, ceil_mode, reduce) -> np.ndarray:
    """Apply `reduce(values [taps, N, C], entries of the padded input)` to each window."""
    axes = x.ndim - 2
    window, dilation = _each(window, axes), _each(dilation, axes)
    stride = window if stride is None else _each(stride, axes)
    size = x.shape[1:-1]
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True)]
    pads = _pads(padding, size, extent, stride)
    output_size = []
    for n, k, s, (low, high) in zip(size, extent, stride, pads, strict=True):
        rest = n + low + high - k
        positions = (-(-rest // s) if ceil_mode else rest // s) + 1
        # In ceil mode a window may pass the high end, but must begin before the high padding.
        output_size.append(positions - 1 if ceil_mode and (positions - 1) * s >= n + low else positions)
    y = np.zeros((len(x), *output_size, x.shape[-1]), np.result_type(x, np.float64))
    for p in product(*map(range, output_size)):
        values, padded = [], 0
        for t in product(*map(range, window)):
            places = zip(p, t, stride, dilation, pads, strict=True)
            i = tuple(s * q + d * u - low for q, u, s, d, (low, _) in places)
            padded += all(j < n + high for j, n, (_, high) in zip(i, size, pads, strict=True))
            if all(0 <= j < n for j, n in zip(i, size, strict=True)):
                values.append(x[:, *i])
        y[:, *p] = reduce(np.array(values), padded)
    return y


def _pads(padding: str | int | Sequence, size: Sequence[int], extent: Sequence[int], stride: Sequence[int]) -> Pads:
    if isinstance(padding, str):
        return word_pads(padding, size, extent, stride)
    entries = [padding] * len(size) if isinstance(padding, int) else padding
    return [(entry, entry) if isinstance(entry, int) else (entry[0], entry[1]) for entry in entries]


def _halves(total: int, word: str) -> tuple[int, int]:
    return (total // 2, total - total // 2) if word == "SAME" else (total - total // 2, total // 2)


def _each(value: Ints, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _split(array: np.ndarray, groups: int) -> np.ndarray:
    """Give the last axis's groups an axis of their own."""
    return array.reshape(*array.shape[:-1], groups, array.shape[-1] // groups)
