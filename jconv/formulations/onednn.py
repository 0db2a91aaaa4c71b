"""oneDNN's convolution: a library that jaxlib carries for x86 processors, called in the place of a program.

    y = conv(x, kernel)                       products of the channels of a group, in registers
    y[g] = Σ_c x[g, c] ∗ kernel[c, g]         where a group has one output, its channels are groups of their own

XLA on CPU knows the call `__onednn$convolution`, and emits it only under a flag. Its configuration is the one that
XLA's own rewriter writes (`xla/service/cpu/onednn_contraction_rewriter.cc` and `onednn_config.proto` in openxla/xla).
It computes forward convolutions, of which the gradients are two. XLA's own convolution stands in where a program may
hold no call: exported, kept on disk by JAX's cache, cut into parts by XLA, or lowered for another device.
Cost: the direct multiplications; the kernel once more, in blocks, the padded input where it is padded first, and an
output for each channel of a group where these are computed apart.
"""

import concurrent.futures
import functools
import json
import platform as system
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jconv._compat import Program, keeps_programs
from jconv.costs import Cost, Problem, direct_cost
from jconv.formulations._base import Formulation, accumulator, open_sizes
from jconv.formulations._closed import closed
from jconv.formulations._xla import cropped, padded_first, xla_conv
from jconv.geometry import Geometry
from jconv.machine import features

TARGET = "__onednn$convolution"
FIRST_JAXLIB, LAST_JAXLIB = (0, 8, 1), (0, 12)
"""The first jaxlib whose call reads the configuration as it is written here, and the last that was seen to.

Another reading ends the process, so a newer jaxlib is taken up by hand: `tests/test_onednn.py` says how.
"""

MOST_ROWS, MOST_TAPS = 64, 2**14
"""Of a window over one channel, at most. Of 1200 drawn images 145 ended the process on a processor with AVX-512 and
without AMX, all with 134 rows or more, or with 64 of 12000; and so did one row of 45000 taps with a single output. Of
1700 with more channels, dilated windows or volumes none did, nor did any by AVX2."""


def _conv(
    x: jax.Array,
    kernel: jax.Array,
    *,
    geometry: Geometry,
    precision: Any,
    dtype: Any,
    platform: str,
    program: Program,
    **_: Any,
) -> jax.Array:
    """Call the library, or XLA's own convolution where it cannot be called."""
    problem = Problem(geometry, x.shape[0], x.shape[-1], kernel.shape[-1], jnp.dtype(x.dtype).name, platform)
    if not program.calls or _unsupported(problem) or accumulator(x.dtype, dtype) != x.dtype:
        return xla_conv(x, kernel, geometry, precision=precision, preferred_element_type=dtype)
    groups, depth = geometry.groups, kernel.shape[-2]
    if _is_computed_apart(groups, depth, kernel.shape[-1]):
        apart = replace(geometry, groups=groups * depth)
        kernel = kernel.swapaxes(-2, -1).reshape(*kernel.shape[:-2], 1, -1)
        y = _conv(x, kernel, geometry=apart, precision=precision, dtype=dtype, platform=platform, program=program)
        return y.reshape(*y.shape[:-1], groups, depth).sum(-1)
    if _must_pad_first(geometry):
        x, geometry = padded_first(x, geometry)
    x, pads = cropped(x, geometry)
    shape = x.shape[0], *geometry.output_size, kernel.shape[-1]
    if 0 in x.shape:
        return jnp.zeros(shape, dtype)
    return _custom_call(x, kernel, geometry, pads, shape).astype(dtype)


def _is_computed_apart(groups: int, depth: int, outputs: int) -> bool:
    """Whether each group's one output is summed over its channels, each convolved apart.

    So is a depthwise kernel's gradient over a batch: the library is at its best with one channel a group.
    """
    return 1 < groups == outputs and depth > 1


def _must_pad_first(geometry: Geometry) -> bool:
    """Whether the input must be padded before the call.

    The library knows no input dilation. For some dilated windows, and padding as wide as the window, it computes by a
    general product whose memory jaxlib 0.10 frees too early, which corrupts the process; padded first, by none.
    """
    wide = any(pad >= k for pads in (geometry.low, geometry.high) for pad, k in zip(pads, geometry.extent, strict=True))
    return wide or max(*geometry.input_dilation, *geometry.dilation) > 1


def _custom_call(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, pads: list[tuple[int, int]], shape: tuple[int, ...]
) -> jax.Array:
    axes = len(pads)
    if axes == 1:  # a row of an image: a series has the general product
        row = replace(
            geometry, window=(1, *geometry.window), stride=(1, *geometry.stride), dilation=(1, *geometry.dilation)
        )
        y = _custom_call(x[:, None], kernel[None], row, [(0, 0), *pads], (shape[0], 1, *shape[1:]))
        return y[:, 0]
    dilation = [d if k > 1 else 1 for d, k in zip(geometry.dilation, geometry.window, strict=True)]
    image = {"batch_dim": 0, "feature_dim": axes + 1, "spatial_dims": list(range(1, axes + 1))}
    window = {"input_feature_dim": axes, "output_feature_dim": axes + 1, "spatial_dims": list(range(axes))}
    config = {
        "dims": axes + 2,
        "input": {"data": image},
        "kernel": {"filter": window},
        "output": {"data": image},
        "window": {
            "strides": geometry.stride,
            "pad_left": [low for low, _ in pads],
            "pad_right": [high for _, high in pads],
            "window_dilations": dilation,
        },
        "feature_groups": geometry.groups,
    }
    call = jax.ffi.ffi_call(
        TARGET,
        jax.ShapeDtypeStruct(shape, x.dtype),
        custom_call_api_version=2,
        legacy_backend_config=json.dumps({"onednn_conv_config": config}),
    )
    return call(x, kernel)


def _unsupported(problem: Problem) -> str | None:
    if problem.platform != "cpu":
        return f"it is a library for processors, got platform {problem.platform}"
    if problem.dtype != "float32":
        return f"it is called for float32, got dtype {problem.dtype}"
    if len(problem.geometry.window) > 3:
        return f"it knows up to 3 space axes, got {len(problem.geometry.window)}"
    if len(problem.geometry.window) == 3 and problem.geometry.groups > 1:
        return "in volumes it computes groups by a general product, whose memory jaxlib 0.10 frees too early"
    if problem.in_channels == 1 and len(set(problem.geometry.stride)) > 1:
        return "for one channel at unequal strides jaxlib 0.10's reads what it does not own"
    g = problem.geometry
    long = problem.taps > MOST_TAPS or (len(g.window) == 2 and g.window[0] > MOST_ROWS)
    if problem.in_channels == 1 and len(g.window) <= 2 and min(g.dilation) == 1 and long:
        return (
            f"for one channel and over {MOST_ROWS} rows or {MOST_TAPS} taps its program may be too long, which ends "
            "the process"
        )
    return open_sizes(problem) or missing()


def missing() -> str | None:
    """Return why this process cannot call the library, or None."""
    if (why := _other_machine()) or keeps_programs():  # then nothing is called, nor a trial written to disk
        return why
    return _refused_here()


@functools.cache
def _other_machine() -> str | None:
    import jaxlib.version

    version = tuple(jaxlib.version.__version_info__[:3])
    if system.machine().lower() not in ("x86_64", "amd64"):
        return f"jaxlib carries it for x86 processors, this is {system.machine()}"
    if "avx2" not in features():
        return "it is called on processors with AVX2"
    if version < FIRST_JAXLIB or version[:2] > LAST_JAXLIB:
        first, last = (".".join(map(str, numbers)) for numbers in (FIRST_JAXLIB, LAST_JAXLIB))
        return f"jaxlib {first} to {last} are known to take the call, this is {'.'.join(map(str, version))}"
    return None


@functools.cache
def _refused_here() -> str | None:
    """Call it once, on a small convolution, in a thread that no context of the caller reaches."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(_call_once).result()


def _call_once() -> str | None:
    geometry = Geometry((5,), (2,), (2,), (2,), (1,), (1,), (0,))
    x, kernel = np.arange(5, dtype=np.float32).reshape(1, 5, 1), np.ones((2, 1, 1), np.float32)
    try:
        here = jax.sharding.SingleDeviceSharding(jax.local_devices(backend="cpu")[0])
        call = jax.jit(lambda x, kernel: _custom_call(x, kernel, geometry, [(0, 0)], (1, 2, 1)), in_shardings=here)
        with jax.transfer_guard("allow"), jax.disable_jit(False):
            y = np.asarray(call.lower(x, kernel).compile()(x, kernel)).ravel()
    except RuntimeError as error:  # no such call, or no such device
        return f"this process cannot call it: {error}"
    return None if np.array_equal(y, [1, 5]) else f"it computed {y} where 1, 5 is right"


def _cost(problem: Problem) -> Cost:
    cost = direct_cost(problem)
    padded = problem.padded_elements if _must_pad_first(problem.geometry) else 0
    apart = _is_computed_apart(problem.geometry.groups, problem.depth, problem.out_channels)
    sums = problem.depth * cost.output_elements if apart else 0
    return cost._replace(intermediate_bytes=(cost.kernel_elements + padded + sums) * problem.itemsize)


_bind = closed("conv_onednn", _conv)


def conv_onednn(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, *, precision: Any, preferred_element_type: Any
) -> jax.Array:
    """Bind the call, closed under every transform."""
    return _bind(x, kernel, geometry=geometry, precision=precision, dtype=preferred_element_type)


ONEDNN = Formulation(
    "onednn", "a call of the library that jaxlib carries", conv_onednn, _unsupported, _cost, calls_library=True
)
