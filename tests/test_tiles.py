"""Images of many tiles: what reaches from one tile into the next, forward and backward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

import jconv
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
