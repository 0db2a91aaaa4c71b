"""The library that jaxlib carries: where it is called, and where another program stands in for it.

A new jaxlib fails `test_this_jaxlib_is_known`. Then raise `LAST_JAXLIB` in `jconv/formulations/onednn.py` to it, run
`pytest tests/test_onednn.py tests/test_equivalence.py -k onednn`, and keep it if they pass: a changed configuration
ends the process there, and not in a user's.
"""

import functools
import platform
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np
import pytest
from jax import export, lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import jconv
from jconv._compat import Program
from jconv.formulations import onednn
from jconv.selection import choose

pytestmark = pytest.mark.versions

X86 = platform.machine().lower() in ("x86_64", "amd64")
carried = pytest.mark.skipif(not X86 or jaxlib.version.__version_info__ < (0, 8, 1), reason="this jaxlib has no oneDNN")
NAME = "__onednn$convolution"

CASES = {
    "dense": ((2, 32, 32, 64), (3, 3, 64, 64), {"padding": "SAME"}),
    "tiles over 64 MiB": ((1, 30, 30, 1024), (3, 3, 1024, 1024), {}),
    "unpadded": ((1, 64, 64, 32), (3, 3, 32, 32), {}),
    "stem": ((1, 64, 64, 3), (7, 7, 3, 32), {"stride": 2, "padding": 3}),
    "patches": ((1, 64, 64, 32), (2, 2, 32, 32), {"stride": 2}),
    "depthwise": ((1, 40, 40, 192), (3, 3, 1, 192), {"groups": 192, "padding": 1}),
    "strided depthwise": ((1, 96, 96, 256), (3, 3, 1, 256), {"groups": 256, "padding": 1, "stride": 2}),
    "large window": ((1, 28, 28, 8), (27, 27, 1, 8), {"groups": 8, "padding": 13}),
    "groups": ((1, 14, 14, 64), (3, 3, 8, 64), {"groups": 8, "padding": 1}),
    "groups, dilated input": ((1, 14, 14, 64), (3, 3, 8, 64), {"groups": 8, "padding": 1, "input_dilation": 2}),
    "volume": ((1, 12, 12, 12, 32), (3, 3, 3, 32, 32), {"padding": 1}),
    "depthwise series": ((8, 1024, 256), (4, 1, 256), {"groups": 256, "padding": "CAUSAL"}),
    "depthwise gradient": ((1, 30, 30, 32), (28, 28, 1, 32), {"groups": 32}),
    "depthwise gradient of a batch": ((1, 30, 30, 64), (28, 28, 8, 8), {"groups": 8}),
}
LEFT = {
    "small": ((1, 8, 8, 16), (3, 3, 16, 16), {"padding": 1}),
    "small depthwise": ((1, 14, 14, 64), (3, 3, 1, 64), {"groups": 64, "padding": 1}),
    "pointwise": ((1, 56, 56, 64), (1, 1, 64, 64), {}),
    "deep and wide": ((1, 56, 56, 256), (3, 3, 256, 256), {"padding": 1}),
    "dilated input": ((1, 14, 14, 64), (3, 3, 64, 64), {"padding": 1, "input_dilation": 2}),
    "series": ((1, 4000, 64), (3, 64, 64), {"padding": 1}),
    "long depthwise series": ((1, 4096, 16), (1025, 1, 16), {"groups": 16}),
    "image filter": ((1, 512, 512, 1), (7, 7, 1, 1), {"padding": 3}),
    "dense gradient": ((64, 58, 58, 1), (56, 56, 1, 64), {}),
    "large outputs": ((2, 224, 224, 16), (1, 1, 16, 96), {}),
}


def shaped(*shape, dtype="float32"):
    return jax.ShapeDtypeStruct(shape, dtype)


def forget():
    """Have jconv look for the library again."""
    onednn._other_machine.cache_clear()
    onednn._refused_here.cache_clear()


def text(f, *operands):
    return jax.jit(f).lower(*operands).as_text()


@carried
@pytest.mark.parametrize(("x", "kernel", "arguments"), CASES.values(), ids=CASES)
def test_it_is_called(x, kernel, arguments):
    explanation = jconv.explain(shaped(*x), shaped(*kernel), platform="cpu", **arguments)
    assert explanation.formulation == "onednn"
    assert "oneDNN" in explanation.reason
    assert text(functools.partial(jconv.conv, **arguments), shaped(*x), shaped(*kernel)).count(NAME) == 1


@pytest.mark.parametrize(("x", "kernel", "arguments"), LEFT.values(), ids=LEFT)
def test_it_is_not_called(x, kernel, arguments):
    assert jconv.explain(shaped(*x), shaped(*kernel), platform="cpu", **arguments).formulation != "onednn"
    assert jconv.explain(shaped(*x), shaped(*kernel), platform="tpu", **arguments).formulation != "onednn"
    assert NAME not in text(functools.partial(jconv.conv, **arguments), shaped(*x), shaped(*kernel))


@carried
@pytest.mark.parametrize(
    "case", ["depthwise gradient of a batch", "depthwise series", "groups, dilated input", "strided depthwise", "stem"]
)
def test_it_computes_what_lax_does(case, rng):
    x, kernel, arguments = CASES[case]
    x, kernel = (jnp.asarray(rng.integers(-3, 4, shape), jnp.float32) for shape in (x, kernel))
    y, wanted = (jconv.conv(x, kernel, formulation=name, **arguments) for name in ("onednn", "direct"))
    np.testing.assert_array_equal(y, wanted)


@carried
def test_what_it_computes_wrongly_is_refused(rng):
    """One channel at unequal strides: jaxlib 0.10's call reads what it does not own, here 62 of 96 outputs."""
    x, kernel = (jnp.asarray(rng.integers(-3, 4, shape), jnp.float32) for shape in ((1, 8, 5, 1), (3, 5, 1, 16)))
    with pytest.raises(jconv.UnsupportedError, match="one channel at unequal strides"):
        jconv.conv(x, kernel, stride=(1, 2), padding=((0, 0), (1, 1)), formulation="onednn")
    jconv.conv(x, kernel, stride=2, padding=((0, 0), (1, 1)), formulation="onednn")


@carried
def test_what_ends_the_process_is_refused(rng):
    """One channel and 134 rows of taps, or more: on an EPYC with AVX-512 the library cannot make its program."""
    x, kernel = (jnp.asarray(rng.integers(-3, 4, (1, *size, 1)), jnp.float32) for size in ((262, 262), (256, 256)))
    kernel = kernel.reshape(256, 256, 1, 1)
    with pytest.raises(jconv.UnsupportedError, match="over 64 rows or 16384 taps"):
        jconv.conv(x, kernel, formulation="onednn")
    with pytest.raises(jconv.UnsupportedError, match="over 64 rows or 16384 taps"):
        jconv.conv(jnp.ones((1, 60000, 1)), jnp.ones((60000, 1, 17)), formulation="onednn")
    np.testing.assert_array_equal(np.rint(jconv.conv(x, kernel)), jconv.conv(x, kernel, formulation="direct"))
    for window in ((64, 70), (2, 2000)):
        kernel = jnp.asarray(rng.integers(-3, 4, (*window, 1, 1)), jnp.float32)
        x = jnp.asarray(rng.integers(-3, 4, (1, window[0] + 6, window[1] + 6, 1)), jnp.float32)
        y, wanted = (jconv.conv(x, kernel, formulation=name) for name in ("onednn", "direct"))
        np.testing.assert_array_equal(y, wanted)


@carried
def test_gradients_and_vmap_call_it_too():
    x, kernel = shaped(2, 48, 48, 64), shaped(3, 3, 1, 64)
    convolve = functools.partial(jconv.conv, groups=64, padding=1)

    def loss(x, kernel):
        return (convolve(x, kernel) ** 2).sum()

    assert text(jax.grad(loss, (0, 1)), x, kernel).count(NAME) == 3
    many = shaped(4, 3, 3, 1, 64)
    assert text(jax.vmap(convolve, (None, 0)), x, many).count(NAME) == 1


@carried
def test_what_is_exported_or_cut_into_parts_calls_nothing(rng):
    x, kernel, arguments = CASES["groups"]
    x, kernel = (jnp.asarray(rng.integers(-3, 4, shape), jnp.float32) for shape in ((8, *x[1:]), kernel))
    wanted = jconv.conv(x, kernel, formulation="direct", **arguments)
    for name in ("auto", "onednn"):
        convolve = functools.partial(jconv.conv, formulation=name, **arguments)
        exported = export.export(jax.jit(convolve))(x, kernel)
        assert NAME not in exported.mlir_module()
        np.testing.assert_array_equal(exported.call(x, kernel), wanted)

        mesh = jax.make_mesh((8,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
        parts = jax.device_put(x, NamedSharding(mesh, P("batch")))
        assert NAME not in text(convolve, parts, kernel)
        np.testing.assert_array_equal(jax.jit(convolve)(parts, kernel), wanted)
        np.testing.assert_array_equal(convolve(parts, kernel), wanted)

        each = jax.shard_map(convolve, mesh=mesh, in_specs=(P("batch"), P()), out_specs=P("batch"))
        assert text(each, x, kernel).count(NAME) == 1
        np.testing.assert_array_equal(jax.jit(each)(x, kernel), wanted)
    problem = jconv.Problem(jconv.conv_geometry(x.shape, kernel.shape, **arguments), 8, 64, 64)
    assert choose(problem, Program(whole=True, calls=False)).formulation != "onednn"


@carried
def test_installed_models_call_it_unless_exported(rng):
    x, kernel = (jnp.asarray(rng.integers(-3, 4, shape), jnp.float32) for shape in CASES["groups"][:2])

    def model(x, kernel):
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=8)

    wanted = model(x, kernel)
    with jconv.installed():
        assert NAME in text(model, x, kernel)
        np.testing.assert_array_equal(jax.jit(model)(x, kernel), wanted)
        assert NAME not in export.export(jax.jit(model))(x, kernel).mlir_module()


@carried
def test_what_jax_keeps_on_disk_calls_nothing(tmp_path):
    x, kernel, arguments = CASES["groups"]
    config: Any = jax.config
    before = config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    try:
        for on in (True, False):
            jax.config.update("jax_enable_compilation_cache", on)
            assert (NAME in text(functools.partial(jconv.conv, **arguments), shaped(*x), shaped(*kernel))) == (not on)
            name = jconv.explain(shaped(*x), shaped(*kernel), platform="cpu", **arguments).formulation
            assert (name == "onednn") == (not on)
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
        jax.config.update("jax_enable_compilation_cache", False)


MANY_CALLS = """
import functools, jax, jax.numpy as jnp, jconv
for x, kernel, arguments in [
    ((1, 6, 6, 48), (5, 3, 1, 48), {"groups": 48, "dilation": 2, "padding": [(9, 9), (4, 4)]}),
    ((1, 2, 2, 960), (1, 1, 1, 960), {"groups": 960, "dilation": 2, "padding": 1}),
    ((1, 2, 2, 640), (1, 1, 32, 20), {"groups": 20, "dilation": 2, "padding": 1}),
]:
    x, kernel = jnp.arange(float(jnp.zeros(x).size)).reshape(x) % 7, jnp.ones(kernel)
    wanted = jconv.conv(x, kernel, formulation="direct", **arguments)
    call = jax.jit(functools.partial(jconv.conv, formulation="onednn", **arguments))
    assert all((call(x, kernel) == wanted).all() for _ in range(300))
"""


@carried
def test_wide_padding_corrupts_nothing():
    """What jaxlib 0.10 loses its memory by within some hundred calls, in a process that may crash or hang."""
    child = subprocess.run([sys.executable, "-c", MANY_CALLS], capture_output=True, text=True, timeout=120, check=False)
    assert child.returncode == 0, child.stderr


@carried
def test_it_is_tried_in_any_context():
    x, kernel = jnp.ones((1, 5, 1)), jnp.ones((2, 1, 1))
    mesh = jax.make_mesh((2,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    for context in (jax.disable_jit(), jax.set_mesh(mesh), jax.transfer_guard("disallow")):
        forget()
        with context:
            assert jconv.conv(x, kernel, formulation="onednn").shape == (1, 4, 1)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8", "complex64"])
def test_other_dtypes_are_refused_in_words(dtype):
    with pytest.raises(jconv.UnsupportedError, match=f"onednn' cannot .*called for float32, got dtype {dtype}"):
        jconv.conv(jnp.ones((5, 1), dtype), jnp.ones((2, 1, 1), dtype), formulation="onednn")


def test_volumes_in_groups_are_refused_in_words():
    with pytest.raises(jconv.UnsupportedError, match="in volumes it computes groups by a general product"):
        jconv.conv(jnp.ones((3, 3, 3, 2)), jnp.ones((2, 2, 2, 1, 2)), groups=2, formulation="onednn")


@carried
def test_this_jaxlib_is_known():
    assert onednn.missing() is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("jaxlib.version.__version_info__", (0, 7, 2), r"jaxlib 0.8.1 to 0.12 are known .*, this is 0.7.2"),
        ("jaxlib.version.__version_info__", (99, 0, 0), r"known to take the call, this is 99.0.0"),
        ("jconv.formulations.onednn.features", lambda: {"sse4_1"}, "processors with AVX2"),
        ("platform.machine", lambda: "aarch64", "for x86 processors, this is aarch64"),
        ("jconv.formulations.onednn.TARGET", "__onednn$nothing", "this process cannot call it: .*nothing"),
        (
            "jconv.formulations.onednn._custom_call",
            lambda x, *rest: x[:, ::3],
            r"it computed \[0. 3.\] where 1, 5 is right",
        ),
    ],
)
def test_where_it_is_missing_auto_takes_another(name, value, words, monkeypatch):
    if not X86 and "platform" not in name:
        pytest.skip("on other processors it is missing already")
    if "onednn" in name and jaxlib.version.__version_info__ < (0, 8, 1):
        pytest.skip("this jaxlib has no oneDNN")
    forget()
    monkeypatch.setattr(name, value)
    try:
        problem = jconv.Problem(jconv.conv_geometry((1, 14, 14, 64), (3, 3, 8, 64), padding=1, groups=8), 1, 64, 64)
        assert choose(problem).formulation == "shifts"
        with pytest.raises(jconv.UnsupportedError, match=words):
            jconv.conv(jnp.ones((5, 1)), jnp.ones((2, 1, 1)), formulation="onednn")
    finally:
        forget()
