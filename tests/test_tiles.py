"""What is computed part by part: tiles that reach into the next, and blocks of a window's rows."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

import jconv
from jconv.costs import Problem
from jconv.formulations import FORMULATIONS, row_scan
from jconv.formulations.overlap_add import tile_size

CASES = {
    "series": ((1, 700, 2), (9, 2, 3), {"stride": 3, "dilation": 4, "padding": [(5, 2)]}),
    "picture": ((2, 71, 50, 2), (5, 3, 1, 4), {"groups": 2, "padding": "SAME", "stride": (1, 2)}),
    "one axis in tiles": ((1, 90, 7, 1), (4, 4, 1, 1), {"padding": 1}),
}


@pytest.mark.parametrize(("x_shape", "kernel_shape", "arguments"), CASES.values(), ids=CASES)
def test_tiles_add_up(x_shape, kernel_shape, arguments):
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.integers(-3, 4, shape).astype(np.float32)) for shape in (x_shape, kernel_shape))
    geometry = jconv.conv_geometry(x.shape, kernel.shape, **arguments)
    tiles = [-(-size // m) for size, (_, m) in zip(geometry.padded_size, tile_size(geometry), strict=True)]
    assert max(tiles) >= 3
    convolve = jax.jit(lambda x, kernel: jconv.conv(x, kernel, formulation="overlap_add", **arguments))
    y, pull = jax.vjp(convolve, x, kernel)
    np.testing.assert_array_equal(np.round(y), reference.conv(np.asarray(x), np.asarray(kernel), **arguments))
    ct = rng.integers(-2, 3, y.shape).astype(np.float32)
    dx, dk, _ = reference.conv_gradients(ct, np.asarray(x), np.asarray(kernel), **arguments)
    got = pull(jnp.asarray(ct))
    np.testing.assert_array_equal(np.round(got[0]), dx)
    np.testing.assert_array_equal(np.round(got[1]), dk)


BLOCKS = {
    "a gradient's": ((4, 30, 12, 2), (28, 10, 2, 3), {}),
    "stride, dilation": ((2, 33, 9, 1), (14, 4, 1, 3), {"dilation": 2, "stride": (3, 1), "padding": [(2, 3), (0, 1)]}),
    "groups, zeros between": ((2, 9, 7, 4), (8, 3, 2, 6), {"groups": 2, "input_dilation": 2, "padding": 1}),
    "series": ((3, 40, 2), (33, 2, 1), {}),
    "volume": ((2, 9, 5, 4, 1), (7, 4, 3, 1, 2), {}),
    "more positions than are unrolled": ((2, 20, 11, 1), (11, 4, 1, 2), {}),
}


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize(("x_shape", "kernel_shape", "arguments"), BLOCKS.values(), ids=BLOCKS)
def test_blocks_of_rows_add_up(x_shape, kernel_shape, arguments, most, monkeypatch):
    """Whatever is left over of the rows; an inf that only the outputs of some blocks meet stays with them."""
    geometry = jconv.conv_geometry(x_shape, kernel_shape, **arguments)
    problem = Problem(geometry, x_shape[0], x_shape[-1], kernel_shape[-1])
    monkeypatch.setattr(row_scan, "LEAST_SUM", 1)
    one = math.prod(kernel_shape[1:-1]) * geometry.groups * problem.positions * problem.batch * problem.itemsize
    monkeypatch.setattr(row_scan, "BLOCK", most * one)
    assert row_scan.rows_at_once(problem) == most
    rng = np.random.default_rng(0)
    x, kernel = (rng.integers(-3, 4, shape).astype(np.float32) for shape in (x_shape, kernel_shape))
    x[0, -1] = np.inf
    dtype = jnp.dtype("float32")
    y = FORMULATIONS["row_scan"].apply(x, kernel, geometry, precision=None, preferred_element_type=dtype)
    with np.errstate(invalid="ignore"):  # an inf times a zero
        expected = reference.conv(x, kernel, **arguments)
    assert np.isfinite(expected).any()
    np.testing.assert_array_equal(y, expected)
