"""`install()`: every convolution of JAX through jconv's choice, without a changed line in the model.

JAX lowers `lax.conv_general_dilated` to XLA by a rule per platform, after differentiation and batching, inside loops
too. The rule put here in its place asks the selection about each convolution as it is then, and emits the program of
the formulation it names. Flax, Equinox and Haiku all end in that primitive.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
from jax import lax
from jax.interpreters import mlir

from jconv._auto import problem_of
from jconv._compat import Setting, program, stock_lowerings
from jconv._lax import to_channels_last, to_layout
from jconv.costs import PLATFORMS, Problem
from jconv.errors import UnsupportedError, suggestion
from jconv.geometry import conv_geometry
from jconv.selection import compute, taken

_installed: Setting = Setting(False)
_stock = stock_lowerings(lax.conv_general_dilated_p)
_replaced: set[str] = set()
_DEFAULT = ("cpu", "cuda")
"""Where rules were timed; those of TPUs follow their compiler's count alone."""


def install(*platforms: str) -> None:
    """Lower every convolution of JAX through jconv's choice, until `uninstall()`.

    Models need no changed line: what is compiled from now on, also by functions that were compiled before, takes the
    formulation that `jconv.explain` names. What the choice leaves to XLA stays its own convolution, on CPU channels
    last. `with installed(False):` switches it off for a block, `jconv.conv(…, formulation="direct")` for a call.

    On x86 it calls oneDNN where that pays. JAX cannot write a program with such a call to disk, so there is none while
    its persistent compilation cache is on (`jax_compilation_cache_dir`). What you serialize yourself, compile under
    `installed(False)`.

    Results are those of XLA to rounding. Where `fft` is taken, for large windows and long filters, and `winograd`, for
    3×3 windows of many channels, errors are as they state them, and one inf or NaN spreads over its example or tile;
    `space_to_depth`, for stems where there is no oneDNN, lets it spread by a stride. A program that XLA cuts into parts
    for several devices keeps XLA's own convolution.

    Args:
        *platforms: Of "cpu", "cuda", "rocm", "tpu"; by default "cpu" and "cuda", which have measured rules.

    Raises:
        UnsupportedError: If there is no such platform.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jax import lax
        >>> install()
        >>> y = lax.conv(jnp.ones((1, 4, 8, 8)), jnp.ones((4, 4, 3, 3)), (1, 1), "SAME")
        >>> uninstall()
    """
    _replace(platforms or _DEFAULT)
    _installed.set(True)


def uninstall() -> None:
    """Lower convolutions as JAX does without jconv; in a `with installed():` block from its end on.

    Example:
        >>> uninstall()
    """
    _installed.set(False)


@contextmanager
def installed(on: bool = True) -> Iterator[None]:
    """Lower convolutions through jconv's choice in this block and thread, or with False as JAX does.

    On the platforms that `install` was ever given in this process, or on cpu and cuda if it never was.

    Args:
        on: Which.

    Yields:
        Nothing.

    Raises:
        UnsupportedError: If it is neither.

    Example:
        >>> import jax.numpy as jnp
        >>> from jax import lax
        >>> with installed():
        ...     lax.conv(jnp.ones((1, 4, 8, 8)), jnp.ones((4, 4, 3, 3)), (1, 1), "SAME").shape
        (1, 4, 8, 8)
    """
    if not isinstance(on, bool):
        raise UnsupportedError(f"installed: on must be True or False; got {on!r}. Platforms are named to install().")
    if on and not _replaced:
        _replace(_DEFAULT)
    with _installed(on):
        yield


def _replace(platforms: tuple[str, ...]) -> None:
    """Put our rule before the stock one; it stays, and passes on to the stock one wherever it is switched off."""
    for platform in platforms:
        if platform not in PLATFORMS:
            hint = " JAX's gpu is cuda or rocm here." if platform == "gpu" else suggestion(str(platform), PLATFORMS)
            raise UnsupportedError(f"install: platform must be one of {', '.join(PLATFORMS)}; got {platform!r}.{hint}")
        if platform not in _replaced:
            mlir.register_lowering(lax.conv_general_dilated_p, _rule(platform), platform=platform)
            _replaced.add(platform)


def _rule(platform: str) -> Any:
    stock = _stock.get(platform, _stock[None])

    def lower(ctx: Any, lhs: Any, rhs: Any, **params: Any) -> Any:
        lhs_aval, rhs_aval = ctx.avals_in
        if not _installed.value or not _ours(lhs_aval, rhs_aval, ctx.avals_out[0], params["out_sharding"]):
            return stock(ctx, lhs, rhs, **params)
        problem = _posed(lhs_aval, rhs_aval, platform, params)
        name = taken(problem, program(ctx))
        if name == "direct" and _as_xla_has_it(params, platform):
            return stock(ctx, lhs, rhs, **params)

        def convolve(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
            x, kernel = _channels_last(lhs, rhs, params)
            wanted = params["preferred_element_type"]
            dtype = lhs.dtype if wanted is None else wanted
            y = compute(name, problem, x, kernel, precision=params["precision"], preferred_element_type=dtype)
            return to_layout(y, params["dimension_numbers"])

        return mlir.lower_fun(convolve, multiple_results=False)(ctx, lhs, rhs)

    return lower


def _ours(lhs: Any, rhs: Any, out: Any, sharding: Any) -> bool:
    """Whether a convolution is one that formulations compute: space axes, known sizes, nothing empty, real."""
    sizes = (*lhs.shape, *rhs.shape, *out.shape)
    known = all(isinstance(size, int) and size > 0 for size in sizes)
    complex_ = jax.numpy.issubdtype(lhs.dtype, jax.numpy.complexfloating)
    return lhs.ndim > 2 and known and not complex_ and sharding is None and lhs.dtype == rhs.dtype


def _as_xla_has_it(params: dict[str, Any], platform: str) -> bool:
    """Whether XLA's own needs no help: on CPU channels last, and no cropping, which it gets wrong.

    Other layouts, as of gradients, XLA on CPU turns to channels last itself, but not in the body of a loop: there it
    computes them many times slower (`experiments/speed`, four steps in a scan).
    """
    axes = range(len(params["window_strides"]))
    last = len(axes) + 1
    image, kernel = (0, last, *(axis + 1 for axis in axes)), (last, last - 1, *axes)
    cropped = any(pad < 0 for pair in params["padding"] for pad in pair)
    layout, batches = params["dimension_numbers"], params["batch_group_count"]
    return not cropped and (platform != "cpu" or (batches == 1 and layout == (image, kernel, image)))


def _channels_last(lhs: jax.Array, rhs: jax.Array, params: dict[str, Any]) -> tuple[jax.Array, jax.Array]:
    groups = params["feature_group_count"], params["batch_group_count"]
    return to_channels_last(lhs, rhs, params["dimension_numbers"], *groups)[:2]


def _posed(lhs: Any, rhs: Any, platform: str, params: dict[str, Any]) -> Problem:
    """Return what the primitive means, channels last."""
    x, kernel = jax.eval_shape(lambda lhs, rhs: _channels_last(lhs, rhs, params), lhs, rhs)
    geometry = conv_geometry(
        x.shape,
        kernel.shape,
        stride=tuple(params["window_strides"]),
        padding=[(int(low), int(high)) for low, high in params["padding"]],
        input_dilation=tuple(params["lhs_dilation"]),
        dilation=tuple(params["rhs_dilation"]),
        groups=max(params["feature_group_count"], params["batch_group_count"]),
    )
    return problem_of(x, kernel, geometry, platform)
