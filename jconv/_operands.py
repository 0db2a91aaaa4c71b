"""The operands of a convolution, checked at the door: arrays, their dtype and the result's, precision, bias."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jconv.errors import GeometryError, suggestion
from jconv.formulations._base import accumulator

UNPACKED = {"int2": jnp.int8, "int4": jnp.int8, "uint2": jnp.uint8, "uint4": jnp.uint8}
PRECISIONS = ("default", "high", "highest")


def arrays(caller: str, **operands: ArrayLike) -> list[jax.Array]:
    """Return the operands as arrays of one numeric dtype; nothing is promoted behind the caller's back.

    Args:
        caller: The name that errors carry.
        **operands: x, then what it is convolved with, by the names that the caller's caller knows.

    Returns:
        The arrays, in that order.

    Raises:
        GeometryError: If one is no numeric array, or has another dtype than x.
    """
    found = {name: array(caller, name, value) for name, value in operands.items()}
    (first, x), *others = found.items()
    for name, other in others:
        if x.dtype == other.dtype:
            continue
        cast, to = name, first
        if jnp.issubdtype(other.dtype, jnp.inexact) and not jnp.issubdtype(x.dtype, jnp.inexact):
            cast, to = to, cast  # an image of integers becomes floating; a kernel made integer would be ruined
        raise GeometryError(
            f"{caller}: {first} and {name} must have the same dtype; got {x.dtype} and {other.dtype}. "
            f"Cast one, as in {cast}.astype({to}.dtype)."
        )
    return list(found.values())


def array(caller: str, name: str, value: ArrayLike, *, booleans: bool = False) -> jax.Array:
    """Return what a caller gave as an array of numbers, those of 2 and 4 bits as int8 or uint8.

    Args:
        caller: The name that errors carry.
        name: The argument's name.
        value: What it is.
        booleans: Whether Booleans pass for numbers; some formulations would count what is true, some would not.

    Returns:
        The array.

    Raises:
        GeometryError: If it is no array of numbers.
    """
    try:
        found = jnp.asarray(value)
    except (TypeError, ValueError) as error:
        got = f"{type(value).__name__}{f' of {value.dtype}' if isinstance(value, np.ndarray) else ''}"
        raise GeometryError(f"{caller}: {name} must be a numeric array; got {got}. Make it a jax.Array.") from error
    if not (jnp.issubdtype(found.dtype, jnp.number) or (booleans and found.dtype == jnp.bool_)):
        raise GeometryError(
            f"{caller}: {name} must be a numeric array; got dtype {found.dtype}. Cast it, as in "
            f"{name}.astype(jnp.int8)."
        )
    short = found.dtype.name
    if short in ("float8_e8m0fnu", "float4_e2m1fn"):  # no zero to pad with; several to a byte
        raise GeometryError(
            f"{caller}: {name} must have a dtype that can hold sums; got {short}. Cast it, as in "
            f"{name}.astype(jnp.float8_e5m2)."
        )
    # XLA's CPU aborts where integers of several to a byte are laid side by side.
    return found.astype(UNPACKED.get(short, found.dtype))


def checked_precision(caller: str, precision: Any) -> Any:
    """Return a precision that lax knows, hashable.

    Args:
        caller: The name that errors carry.
        precision: As for `lax.dot_general`; a list stands for a tuple.

    Returns:
        The precision.

    Raises:
        GeometryError: If lax knows no such precision.
    """
    precision = tuple(precision) if isinstance(precision, list) else precision
    try:
        _try_precision(precision)
    except (TypeError, ValueError) as error:
        raise GeometryError(
            f"{caller}: precision must be None, {', '.join(map(repr, PRECISIONS))}, a jax.lax.Precision, a pair of "
            f"these, or a jax.lax.DotAlgorithmPreset; got precision={precision!r}."
            f"{suggestion(str(precision).lower(), PRECISIONS) or ' None is the default.'}"
        ) from error
    return precision


@functools.cache
def _try_precision(precision: Any) -> None:
    """Ask lax, which is the authority, once."""
    jax.eval_shape(lambda a: lax.dot(a, a, precision=precision), jax.ShapeDtypeStruct((1,), jnp.float32))


def result_dtype(caller: str, x: jax.Array, preferred: Any) -> jnp.dtype:
    """Return `preferred_element_type`, else int32 for 8- and 16-bit integers, else x's.

    Args:
        caller: The name that errors carry.
        x: The input.
        preferred: What the caller asks for, or None.

    Returns:
        The dtype of the result.

    Raises:
        GeometryError: If x's dtype does not fit into it: the rule is lax's own.
    """
    if preferred is None:
        return accumulator(x.dtype) if jnp.issubdtype(x.dtype, jnp.integer) else jnp.dtype(x.dtype)
    try:
        dtype = jnp.dtype(preferred)
    except TypeError as error:
        raise GeometryError(
            f"{caller}: preferred_element_type must be a dtype; got {preferred!r}. Write jnp.float32."
        ) from error
    kinds = (jnp.signedinteger, jnp.integer, jnp.floating, jnp.complexfloating)
    same = all(jnp.issubdtype(dtype, kind) for kind in kinds if jnp.issubdtype(x.dtype, kind))
    floated = jnp.issubdtype(x.dtype, jnp.integer) and jnp.issubdtype(dtype, jnp.floating)
    if dtype.itemsize < x.dtype.itemsize or not (same or floated):
        raise GeometryError(
            f"{caller}: preferred_element_type must be of x's kind and no narrower, or floating where x has "
            f"integers; got {dtype} with x of {x.dtype}. Cast the result instead."
        )
    return dtype


def add_bias(
    caller: str, y: jax.Array, bias: ArrayLike | None, dtype: Any, positions: tuple[int, ...] = ()
) -> jax.Array:
    """Return y + bias, in y's dtype.

    Args:
        caller: The name that errors carry.
        y: `[*batch, *space, out]`.
        bias: `[out]`, or None.
        dtype: Of x; the bias has it or y's.
        positions: Where each output position may have a bias of its own, the positions: `[*positions, out]` fits too.

    Returns:
        y's shape.

    Raises:
        GeometryError: If the bias has another shape or dtype.
    """
    if bias is None:
        return y
    bias = array(caller, "bias", bias)
    out = y.shape[-1]
    if bias.shape not in ((out,), (*positions, out)):
        raise GeometryError(
            f"{caller}: bias must have one entry per output channel; got bias shape {bias.shape} for {out} output "
            f"channels. Reshape it to [out]{' or [*output_size, out]' if positions else ''}."
        )
    if bias.dtype not in (dtype, y.dtype):
        raise GeometryError(
            f"{caller}: bias must have the dtype of x or of the result; got {bias.dtype} with x of {dtype}. "
            "Cast it, as in bias.astype(x.dtype)."
        )
    return y + lax.expand_dims(bias.astype(y.dtype), range(y.ndim - bias.ndim))
