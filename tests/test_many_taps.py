"""Above `UNROLLED_TAPS` the programs are loops: the same numbers, and a program that does not grow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from stated import clean, refusal

import jconv
from jconv.formulations import FORMULATIONS
from jconv.formulations._base import UNROLLED_TAPS


def draw(*shapes):
    rng = np.random.default_rng(0)
    return tuple(jnp.asarray(rng.integers(-3, 4, shape).astype(np.float32)) for shape in shapes)


@pytest.mark.parametrize("name", ["auto", *FORMULATIONS])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_large_windows(name, groups):
    arguments = {"stride": (2, 1), "padding": "SAME", "groups": groups}
    x, kernel = draw((2, 9, 11, 4), (12, 11, 4 // groups, 4))
    assert kernel.shape[0] * kernel.shape[1] > UNROLLED_TAPS
    if (why := refusal(name, x, kernel, **arguments)) is not None:
        pytest.skip(why)
    y, pull = jax.vjp(lambda x, kernel: jconv.conv(x, kernel, formulation=name, **arguments), x, kernel)
    np.testing.assert_array_equal(clean(name, y), reference.conv(np.asarray(x), np.asarray(kernel), **arguments))
    (ct,) = draw(y.shape)
    dx, dk, _ = reference.conv_gradients(np.asarray(ct), np.asarray(x), np.asarray(kernel), **arguments)
    got = pull(ct)
    np.testing.assert_array_equal(clean(name, got[0]), dx)
    np.testing.assert_array_equal(clean(name, got[1]), dk)


def test_columns_between_zeros_are_added_in_turn():
    """Input dilation leaves some block of the window short; an inf stays where its windows are."""
    arguments = {"input_dilation": (2, 3), "padding": ((8, 8), (30, 40)), "dilation": (1, 2)}
    x, kernel = draw((2, 5, 7, 2), (21, 41, 2, 3))
    y = jconv.conv(x, kernel, formulation="col2im", **arguments)
    np.testing.assert_array_equal(y, reference.conv(np.asarray(x), np.asarray(kernel), **arguments))
    poisoned = np.isfinite(
        jconv.conv(x.at[0, 4, 0, 0].set(jnp.inf), jnp.abs(kernel) + 1, formulation="col2im", **arguments)
    )
    wanted = np.isfinite(
        jconv.conv(x.at[0, 4, 0, 0].set(jnp.inf), jnp.abs(kernel) + 1, formulation="shifts", **arguments)
    )
    np.testing.assert_array_equal(poisoned, wanted)


@pytest.mark.parametrize("name", ["sliding", "shifts", "patches", "col2im"])
def test_the_program_does_not_grow(name):
    def lines(taps):
        x, kernel = draw((1, 4000, 1), (taps, 1, 1))
        # Many taps, and as many positions for sliding.
        program = jax.jit(lambda x, kernel: jconv.conv(x, kernel, formulation=name)).lower(x, kernel)
        return len(program.as_text().splitlines())

    assert lines(3000) == lines(1000)
