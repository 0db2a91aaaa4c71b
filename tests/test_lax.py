"""`jconv.conv_general_dilated` is lax's: layouts, batch groups, dilations, empty shapes, gradients."""

import functools

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from stated import clean, needs

import jconv
from jconv.formulations import FORMULATIONS

pytestmark = pytest.mark.versions

LAYOUTS = [("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC"), ("HNCW", "IHOW", "CWNH"), ("CHWN", "OHWI", "NHWC")]


def laid_out(array, now, then):
    """Transpose between layout strings."""
    return jnp.transpose(array, [now.index(letter) for letter in then])


def integers(shape, seed=0):
    """Small integers as float32."""
    return jnp.asarray(np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32))


ARGUMENTS = {
    "strides": {"window_strides": (2, 1), "padding": [(1, 0), (-1, 2)], "rhs_dilation": (1, 2)},
    "words": {"window_strides": (1, 2), "padding": "SAME"},
    "lower": {"window_strides": (2, 2), "padding": "SAME_LOWER"},
    "dilated": {"window_strides": (2, 3), "padding": [(2, 1), (0, 3)], "lhs_dilation": (2, 3)},
    "groups": {"window_strides": (1, 1), "padding": "VALID", "feature_group_count": 2},
    "batch groups": {"window_strides": (1, 1), "padding": "VALID", "batch_group_count": 2},
}


@pytest.mark.parametrize("layout", LAYOUTS, ids="-".join)
@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_equal_to_lax(layout, arguments):
    groups = arguments.get("feature_group_count", 1)
    lhs = laid_out(integers((4, 6, 7, 8)), "NCHW", layout[0])
    rhs = laid_out(integers((4, 6 // groups, 3, 2), 1), "OIHW", layout[1])
    arguments = arguments | {"dimension_numbers": layout}
    got, pull = jax.vjp(lambda a, b: jconv.conv_general_dilated(a, b, **arguments), lhs, rhs)
    wanted, wanted_pull = jax.vjp(lambda a, b: lax.conv_general_dilated(a, b, **arguments), lhs, rhs)
    np.testing.assert_array_equal(got, wanted)
    ct = integers(wanted.shape, 2)
    jax.tree.map(np.testing.assert_array_equal, pull(ct), wanted_pull(ct))


@pytest.mark.parametrize("name", ["auto", *FORMULATIONS])
def test_default_layout_and_flax(name):
    needs(name)
    by_name = functools.partial(jconv.conv_general_dilated, formulation=name)
    stock = flax.linen.Conv(3, (3, 2), strides=2, kernel_dilation=(1, 2))
    x = integers((2, 8, 9, 4))
    parameters = jax.tree.map(jnp.round, stock.init(jax.random.key(0), x))
    injected = flax.linen.Conv(3, (3, 2), strides=2, kernel_dilation=(1, 2), conv_general_dilated=by_name)
    got = np.asarray(injected.apply(parameters, x))
    np.testing.assert_array_equal(clean(name, got), stock.apply(parameters, x))


def test_empty_follows_lax():
    for shape in [(0, 3, 8, 8), (2, 3, 2, 8)]:
        lhs, rhs = jnp.ones(shape), jnp.ones((4, 3, 3, 3))
        wanted = lax.conv_general_dilated(lhs, rhs, (1, 1), "VALID")
        got = jconv.conv_general_dilated(lhs, rhs, (1, 1), "VALID")
        assert got.shape == wanted.shape
        assert got.dtype == wanted.dtype


def test_padding_modes_and_element_type():
    lhs, rhs = integers((2, 3, 8, 8)), integers((4, 3, 3, 3), 1)
    around = jconv.conv_general_dilated(lhs, rhs, (1, 1), "SAME", padding_mode="circular")
    padded = jnp.pad(lhs, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="wrap")
    np.testing.assert_array_equal(around, lax.conv_general_dilated(padded, rhs, (1, 1), "VALID"))
    small = (lhs.astype("int8"), rhs.astype("int8"), (1, 1), "SAME")
    assert jconv.conv_general_dilated(*small).dtype == lax.conv_general_dilated(*small).dtype == "int8"
    wide = jconv.conv_general_dilated(*small, preferred_element_type=jnp.int32)
    np.testing.assert_array_equal(wide, lax.conv_general_dilated(*small, preferred_element_type=jnp.int32))


@pytest.mark.parametrize("mode", ["zeros", "circular"])
@pytest.mark.parametrize("count", [3])
def test_wrong_batch_groups(mode, count):
    with pytest.raises(jconv.GeometryError, match="arguments must be ones that lax accepts"):
        jconv.conv_general_dilated(
            jnp.ones((4, 4, 6)), jnp.ones((3, 4, 3)), (1,), [(1, 1)], batch_group_count=count, padding_mode=mode
        )


def test_words_in_lower_case_as_lax_takes_them():
    lhs, rhs = integers((2, 3, 8, 8)), integers((4, 3, 3, 3), 1)
    wanted = lax.conv_general_dilated(lhs, rhs, (1, 1), "same")
    np.testing.assert_array_equal(jconv.conv_general_dilated(lhs, rhs, (1, 1), "same"), wanted)
