"""Every dtype, empty arrays, and infinities that stay where they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from stated import INEXACT, NAMES, clean, refusal

import jconv
from jconv.formulations import FORMULATIONS

SHAPES = ((2, 7, 6, 4), (3, 2, 2, 6))
ARGUMENTS = {"stride": (2, 1), "padding": [(1, 2), (0, 1)], "groups": 2}
every = pytest.mark.parametrize("name", NAMES)
any_dtype = pytest.mark.parametrize("name", [name for name in NAMES if name != "onednn"])


def wanted(x, kernel):
    """The oracle's answer."""
    return reference.conv(np.asarray(x), np.asarray(kernel), **ARGUMENTS)


def draw(dtype, high=5, seed=0):
    """Small integers in any dtype."""
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.integers(-high + 1, high, shape)).astype(dtype) for shape in SHAPES)


@any_dtype
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int8", "int16", "int32", "uint8"])
def test_small_integers_are_exact(name, dtype):
    x, kernel = draw(dtype, high=3)
    if name in INEXACT and jnp.issubdtype(dtype, jnp.integer):
        with pytest.raises(jconv.UnsupportedError, match=r"are not integers|are fractions"):
            jconv.conv(x, kernel, formulation=name, **ARGUMENTS)
        return
    y = jconv.conv(x, kernel, formulation=name, **ARGUMENTS)
    short = dtype in ("int8", "int16", "uint8")
    assert y.dtype == ("int32" if short else dtype)
    exact = wanted(x.astype("int32"), kernel.astype("int32"))
    np.testing.assert_array_equal(clean(name, np.asarray(y, np.float64)), exact)


@any_dtype
@pytest.mark.parametrize("dtype", ["int4", "uint4", "int2", "uint2"])
def test_several_integers_to_a_byte(name, dtype):
    x, kernel = draw(dtype, high=2)
    if name in INEXACT:
        pytest.skip("it refuses integers, tested above")
    y = jconv.conv(x, kernel, formulation=name, **ARGUMENTS)
    assert y.dtype == "int32"
    np.testing.assert_array_equal(y, wanted(x.astype("int32"), kernel.astype("int32")))


@any_dtype
@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_short_floats(name, dtype):
    x, kernel = draw(dtype, high=3)
    exact = wanted(x.astype("float32"), kernel.astype("float32"))
    y = jconv.conv(x, kernel, formulation=name, preferred_element_type="float32", **ARGUMENTS)
    np.testing.assert_array_equal(np.round(y), exact)
    y = jconv.conv(x, kernel, formulation=name, **ARGUMENTS)
    assert y.dtype == dtype
    if name not in INEXACT:  # summed in float32, then rounded once
        np.testing.assert_array_equal(y.astype("float32"), jnp.float32(exact).astype(dtype).astype("float32"))


@any_dtype
def test_int8_does_not_wrap(name):
    x, kernel = jnp.full((1, 9, 2), 100, jnp.int8), jnp.full((9, 2, 1), 100, jnp.int8)
    if name in INEXACT:
        pytest.skip("it refuses integers, tested above")
    assert jconv.conv(x, kernel, formulation=name).item() == 100 * 100 * 18


@any_dtype
def test_double_and_complex(name):
    with jax.enable_x64(True):
        rng = np.random.default_rng(1)
        x, kernel = (jnp.asarray(rng.normal(size=shape)) for shape in SHAPES)
        y = jconv.conv(x, kernel, formulation=name, **ARGUMENTS)
        assert y.dtype == "float64"
        np.testing.assert_allclose(y, wanted(x, kernel), rtol=0, atol=1e-13 * 50)
    x, kernel = draw("float32", seed=2)
    x, kernel = jax.lax.complex(x, x[::-1]), jax.lax.complex(kernel, -kernel[::-1])
    y = jconv.conv(x, kernel, formulation=name, **ARGUMENTS)
    geometry = jconv.conv_geometry(x.shape, kernel.shape, **ARGUMENTS)
    bound = None if name == "auto" else FORMULATIONS[name].error_bound
    np.testing.assert_allclose(y, wanted(x, kernel), rtol=0, atol=bound(x, kernel, geometry) if bound else 0)


@any_dtype
def test_preferred_element_type_and_sums_of_half_precision(name):
    # 2049 ones do not fit a bfloat16 sum, nor 4096 of them a float16 one: the sum must run in float32.
    for dtype, taps in (("bfloat16", 257), ("float16", 2049)):
        x, kernel = jnp.ones((taps, 1), dtype), jnp.ones((taps, 1, 1), dtype)
        if (why := refusal(name, x, kernel)) is not None:
            pytest.skip(why)
        y = jconv.conv(x, kernel, formulation=name, preferred_element_type="float32")
        assert y.dtype == "float32"
        np.testing.assert_allclose(y.ravel(), [taps], rtol=1e-6)


@any_dtype
def test_one_half_precision_into_the_other(name):
    x, kernel = draw("bfloat16", high=3)

    def run(x, kernel):
        return jconv.conv(x, kernel, formulation=name, preferred_element_type="float16", **ARGUMENTS)

    y, back = jax.vjp(run, x, kernel)
    assert y.dtype == "float16"
    np.testing.assert_allclose(np.asarray(y, np.float64), wanted(x.astype("int32"), kernel.astype("int32")), atol=0.02)
    assert [gradient.dtype for gradient in back(y)] == ["bfloat16", "bfloat16"]


@any_dtype
def test_gradients_of_half_precision_have_its_dtype(name):
    x, kernel = draw("bfloat16", high=3, seed=3)

    def total(x, kernel):
        return jconv.conv(x, kernel, formulation=name, preferred_element_type="float32", **ARGUMENTS).sum()

    gx, gk = jax.grad(total, (0, 1))(x, kernel)
    assert gx.dtype == gk.dtype == "bfloat16"
    ones = np.ones(jax.eval_shape(lambda: jconv.conv(x, kernel, **ARGUMENTS)).shape)
    back = reference.conv_gradients(ones, np.asarray(x, np.float64), np.asarray(kernel, np.float64), **ARGUMENTS)
    tolerance = 2.0**-8  # one rounding to bfloat16
    np.testing.assert_allclose(np.asarray(gx, np.float64), back[0], rtol=tolerance, atol=1e-3)
    np.testing.assert_allclose(np.asarray(gk, np.float64), back[1], rtol=tolerance, atol=1e-3)


@every
def test_empty_batch_and_channels(name):
    empty_batch = jconv.conv(jnp.ones((0, 7, 6, 4)), jnp.ones((3, 2, 2, 6)), formulation=name, groups=2)
    assert empty_batch.shape == (0, 5, 5, 6)
    no_inputs = jconv.conv(jnp.ones((2, 7, 0)), jnp.ones((3, 0, 6)), jnp.ones(6), formulation=name)
    np.testing.assert_array_equal(no_inputs, np.ones((2, 5, 6)))
    assert jconv.conv(jnp.ones((2, 7, 4)), jnp.ones((3, 4, 0)), formulation=name).shape == (2, 5, 0)
    gradient = jax.grad(lambda k: jconv.conv(jnp.ones((0, 7, 4)), k, formulation=name).sum())(jnp.ones((3, 4, 5)))
    np.testing.assert_array_equal(gradient, np.zeros((3, 4, 5)))
    assert jconv.conv_transpose(jnp.ones((0, 7, 6)), jnp.ones((3, 2, 6)), formulation=name).shape == (0, 9, 2)


@every
@pytest.mark.parametrize("poison", [np.inf, -np.inf, np.nan])
def test_one_inf_stays_local(name, poison):
    x, kernel = jnp.ones((1, 9, 8, 1)), jnp.ones((3, 3, 1, 1))
    stride = 2 if name == "space_to_depth" else 1  # at stride 1 it folds nothing
    y = np.asarray(jconv.conv(x.at[0, 4, 3, 0].set(poison), kernel, stride=stride, formulation=name))[0, ..., 0]
    touched = np.zeros((7, 6), bool)
    touched[2:5, 1:4] = True
    touched = touched[::stride, ::stride]
    if name != "auto" and not FORMULATIONS[name].local:
        # The formulations that multiply by structural zeros say so: there the inf does spread.
        assert not np.isfinite(y[touched]).any()
        assert not np.isfinite(y).all(where=~touched)
        return
    assert np.isnan(y[touched]).all() if np.isnan(poison) else (y[touched] == poison).all()
    np.testing.assert_array_equal(y[~touched], 9)


@every
def test_accuracy_on_normal_data(name):
    """Against float64: every sum of n products in float32 errs by at most n·eps·Σ|x·k|; others by their own bound."""
    rng = np.random.default_rng(4)
    x, kernel = (jnp.asarray(rng.normal(size=shape).astype(np.float32)) for shape in ((1, 19, 17, 8), (5, 4, 8, 3)))
    y = jconv.conv(x, kernel, formulation=name, precision="highest")
    x64, kernel64 = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    error = np.abs(np.asarray(y, np.float64) - reference.conv(x64, kernel64))
    assert np.isfinite(error).all()
    if name in INEXACT:
        bound = FORMULATIONS[name].error_bound
        assert bound is not None
        assert error.max() <= bound(x, kernel, jconv.conv_geometry(x.shape, kernel.shape))
    else:
        magnitude = reference.conv(np.abs(x64), np.abs(kernel64))
        assert (error <= 160 * np.finfo(np.float32).eps * magnitude).all()


@every
def test_a_wider_result_is_summed_in_it(name):
    with jax.enable_x64(True):
        x, kernel = jnp.full((1, 3, 2), 2**30, jnp.int32), jnp.full((2, 1, 2), 4, jnp.int32)
        if name not in INEXACT and name != "onednn":
            y = jconv.conv(x, kernel, groups=2, preferred_element_type="int64", formulation=name)
            np.testing.assert_array_equal(y, np.full((1, 2, 2), 2**33))
        x, kernel = jnp.full((1, 3, 2), 1 + 2.0**-20, jnp.float32), jnp.full((2, 2, 2), 1 + 2.0**-20, jnp.float32)
        y = jconv.conv(x, kernel, preferred_element_type="float64", formulation=name)
        np.testing.assert_allclose(y, np.full((1, 2, 2), 4 * (1 + 2.0**-20) ** 2), rtol=1e-14)


def test_fft_refuses_the_shortest_integers():
    with pytest.raises(jconv.UnsupportedError, match="roots of unity are not integers, got dtype int8"):
        jconv.conv(jnp.ones((5, 1), "int4"), jnp.ones((2, 1, 1), "int4"), formulation="fft")


def test_without_jit_and_with_debugging():
    x, kernel = draw("float32")
    y = jconv.conv(x, kernel, **ARGUMENTS)
    with jax.disable_jit():
        np.testing.assert_array_equal(jconv.conv(x, kernel, **ARGUMENTS), y)
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        jconv.conv(jnp.full_like(x, jnp.inf), jnp.zeros_like(kernel), **ARGUMENTS)


def test_a_mapped_axis_of_size_zero():
    x, kernel = jnp.zeros((0, 2, 6, 5, 4)), jnp.zeros((0, 3, 2, 4, 3))
    assert jax.vmap(jconv.conv)(x, kernel).shape == (0, 2, 4, 4, 3)
