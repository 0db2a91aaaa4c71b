"""What a caller writes for strides, sizes and padding, as tuples of ints: one per space axis. No JAX."""

import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Integral, Number
from typing import Any, Literal

import numpy as np

from jconv.errors import GeometryError, suggestion

Ints = int | Sequence[int] | np.ndarray
PaddingWord = Literal["VALID", "SAME", "SAME_LOWER", "FULL", "CAUSAL"]
Padding = PaddingWord | str | int | Sequence[int | Sequence[int]] | np.ndarray
Pads = tuple[tuple[int, int], ...]

_MOST = 2**31 - 1  # no array is that long, and XLA counts no further
PADDING_WORDS = ("VALID", "SAME", "SAME_LOWER", "FULL", "CAUSAL")


def entries_of(value: Any) -> list[Any] | None:
    """Return the entries of a sequence or an array, or None where `value` is a single thing."""
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes, Mapping, Set)):
        return None
    try:
        return list(value)
    except TypeError:  # an array without axes
        return None


def axes_of(*values: Any) -> int:
    """Return the number of space axes that arguments name: their most entries, 1 where all are single things."""
    return max(1, *(len(entries_of(value) or ()) for value in values))


def per_axis(caller: str, name: str, value: Ints, axes: int, least: int = 1) -> tuple[int, ...]:
    """Return one int per axis, each at least `least`, or raise: `value` is one for all axes, or one for each."""
    found = entries_of(value)
    entries = [value] * axes if found is None else found
    rule = f"{caller}: {name} must be an int, or one per space axis, at least {least}"
    try:
        ints = tuple(map(_int, entries))
    except TypeError:
        raise GeometryError(f"{rule}; got {name}={value!r}. Write 2, or (2, 1).") from None
    if len(ints) != axes:
        raise GeometryError(f"{rule}; got {name}={value!r} for {axes} axes. Give {axes} entries.")
    if any(entry < least for entry in ints):
        raise GeometryError(f"{rule}; got {name}={value!r}. Take {least} or more.")
    return ints


def one_int(caller: str, name: str, value: Any, least: int = 1) -> int:
    """Return one int that is at least `least`, or raise."""
    try:
        number = _int(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise GeometryError(f"{caller}: {name} must be an int, at least {least}; got {name}={value!r}. Write {least}.")
    return number


def sizes_of(caller: str, name: str, shape: Any) -> tuple[Any, ...]:
    """Return a shape as a tuple, or raise; the symbolic sizes of `jax.export`, which are no numbers, pass."""
    sizes = entries_of(shape)
    if sizes is None or not all(_is_size(size) for size in sizes):
        got = f"{name}={shape!r}" if isinstance(shape, (tuple, list)) else type(shape).__name__  # no whole array
        raise GeometryError(
            f"{caller}: {name} must be a sequence of ints, at least 0; got {got}. The shape of an array is x.shape."
        )
    return tuple(int(size) if isinstance(size, Integral) else size for size in sizes)


def resolve_padding(
    caller: str, padding: Padding, size: Sequence[int], extent: Sequence[int], stride: Sequence[int]
) -> Pads:
    """Return the (low, high) pairs that a padding word, int or sequence stands for.

    Args:
        caller: The name that errors carry.
        padding: The word, int, or an int or (low, high) pair per axis.
        size: The input's size, dilated.
        extent: The window's extent, dilated.
        stride: The stride.

    Returns:
        One (low, high) pair per axis.

    Raises:
        GeometryError: If it is no padding.
    """
    if isinstance(padding, str):
        if padding not in PADDING_WORDS:
            raise GeometryError(
                f"{caller}: padding must be one of {', '.join(PADDING_WORDS)}, an int, or an int or (low, high) pair "
                f"per space axis; got padding={padding!r}.{suggestion(padding.upper(), PADDING_WORDS)}"
            )
        if padding == "CAUSAL" and len(size) != 1:
            raise GeometryError(
                f"{caller}: padding 'CAUSAL' must have one space axis; got {len(size)}. Give (low, high) pairs instead."
            )
        return tuple(_word(padding, n, k, s) for n, k, s in zip(size, extent, stride, strict=True))
    found = entries_of(padding)
    entries = [padding] * len(size) if found is None else found
    if len(entries) != len(size):
        raise GeometryError(
            f"{caller}: padding must have one entry per space axis; got padding={padding} for {len(size)} axes. "
            "Write [(low, high), …] for uneven padding."
        )
    return tuple(_pair(caller, entry) for entry in entries)


def _word(word: str, size: int, extent: int, stride: int) -> tuple[int, int]:
    if word == "VALID":
        return 0, 0
    if word == "FULL":
        return extent - 1, extent - 1
    if word == "CAUSAL":
        return extent - 1, 0
    output = -(-size // stride)
    return _split(max((output - 1) * stride + extent - size, 0), word)


def halves(total: int, word: str) -> tuple[int, int]:
    """Split a total padding in two, the odd one at the high end for SAME; a negative total goes there whole."""
    return (0, total) if total < 0 else _split(total, word)


def _split(total: int, word: str) -> tuple[int, int]:
    half = total // 2  # nothing is compared: it may be symbolic
    return (half, total - half) if word == "SAME" else (total - half, half)


def _pair(caller: str, entry: Any) -> tuple[int, int]:
    try:
        low, high = (entry, entry) if (pair := entries_of(entry)) is None else pair
        return _int(low), _int(high)
    except (TypeError, ValueError):
        raise GeometryError(
            f"{caller}: padding must be ints or (low, high) pairs of ints; got {entry!r}. Write 1, or (1, 2)."
        ) from None


def _int(value: Any) -> int:
    """Return an int of Python, NumPy or JAX; True is none, and none is larger than XLA's."""
    if isinstance(value, bool):
        raise TypeError("a bool is no size")
    number = operator.index(value)
    if abs(number) > _MOST:
        raise TypeError("too large")
    return number


def _is_size(value: Any) -> bool:
    if isinstance(value, Number):
        return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0
    return value is not None and not isinstance(value, Iterable)
