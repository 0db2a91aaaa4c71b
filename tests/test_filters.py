"""Filters: values by hand, and what they do to pictures whose answer is known."""

# Filters are NumPy arrays, and conv takes them, though its annotations say jax.Array.
# pyright: reportArgumentType=false

import jax.numpy as jnp
import numpy as np
import pytest

from jconv._conv import conv, convolve
from jconv.errors import GeometryError
from jconv.filters import box, gaussian, laplacian, per_channel, sharpen, sobel


def test_values_by_hand():
    np.testing.assert_array_equal(sobel(0)[..., 0, 0], [[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    np.testing.assert_array_equal(sobel(1)[..., 0, 0], [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    np.testing.assert_array_equal(laplacian()[..., 0, 0], [[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    np.testing.assert_array_equal(laplacian(1)[..., 0, 0], [1, -2, 1])
    np.testing.assert_array_equal(sharpen()[..., 0, 0], [[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    np.testing.assert_array_equal(box(2)[..., 0, 0], [[0.25, 0.25], [0.25, 0.25]])
    np.testing.assert_array_equal(box(4, axes=1)[..., 0, 0], [0.25] * 4)
    # e^{-1/2} = 0.60653: (0.60653, 1, 0.60653) / 2.21306
    np.testing.assert_allclose(gaussian(3, 1, axes=1)[..., 0, 0], [0.274069, 0.451863, 0.274069], atol=1e-6)
    np.testing.assert_allclose(gaussian((1, 2), (1.0, 9.0))[..., 0, 0], [[0.5, 0.5]])
    np.testing.assert_array_equal(gaussian((4, 3), 0.01)[..., 0, 0], np.outer([0, 0.5, 0.5, 0], [0, 1, 0]))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_sums_shapes_and_dtypes(axes):
    for kernel, total in (
        (sobel(axis=axes - 1, axes=axes), 0),
        (laplacian(axes), 0),
        (sharpen(axes), 1),
        (box(3, axes), 1),
        (gaussian(3, 0.7, axes), 1),
    ):
        assert kernel.shape == (3,) * axes + (1, 1)
        assert kernel.dtype == np.float32
        assert abs(kernel.sum() - total) < 1e-6


def test_a_slope_an_edge_and_a_paraboloid():
    row, column = np.meshgrid(np.arange(6.0), np.arange(5.0), indexing="ij")
    slope = jnp.asarray(2 * column + 3 * row, jnp.float32)[..., None]
    np.testing.assert_array_equal(conv(slope, sobel(1)), np.full((4, 3, 1), 16))  # 2 · 2 apart · 4 of smoothing
    np.testing.assert_array_equal(conv(slope, sobel(0)), np.full((4, 3, 1), 24))
    np.testing.assert_array_equal(convolve(slope, sobel(0)), np.full((4, 3, 1), -24))
    np.testing.assert_array_equal(conv(slope, sharpen()), slope[1:-1, 1:-1])
    np.testing.assert_allclose(conv(slope, gaussian(3, 0.8)), slope[1:-1, 1:-1], rtol=1e-5)
    bowl = jnp.asarray(row**2 + 2 * column**2, jnp.float32)[..., None]
    np.testing.assert_array_equal(conv(bowl, laplacian()), np.full((4, 3, 1), 6))


def test_every_channel_of_a_picture_by_itself(rng):
    rgb = jnp.asarray(rng.integers(0, 256, (6, 7, 3)), jnp.float32)
    y = conv(rgb, per_channel(laplacian(), 3), groups=3)
    for channel in range(3):
        alone = conv(rgb[..., channel : channel + 1], laplacian())
        np.testing.assert_array_equal(y[..., channel : channel + 1], alone)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sobel(axis=2), r"sobel: axis must be in 0 … 1; got axis=2"),
        (lambda: sobel(axis=-1), r"sobel: axis must be an int, at least 0"),
        (lambda: sobel(axes=0), r"sobel: axes must be an int, at least 1"),
        (lambda: laplacian(0), r"laplacian: axes must be an int, at least 1"),
        (lambda: sharpen(0), r"sharpen: axes must be an int, at least 1"),
        (lambda: box(0), r"box: size must be an int, or one per space axis, at least 1; got size=0"),
        (lambda: box(()), r"box: size must be an int, or one per space axis"),
        (lambda: box(3.0), r"box: size must be an int.*got size=3.0"),  # pyright: ignore[reportArgumentType]
        (lambda: gaussian((3, 0), 1.0), r"gaussian: size must be an int.*at least 1; got size=\(3, 0\)"),
        (lambda: gaussian(3, 0.0), r"gaussian: sigma must be positive"),
        (lambda: gaussian(3, (1.0, 1.0, 1.0)), r"gaussian: sigma must be positive, one or one per space axis"),
        (lambda: per_channel(np.ones((3, 3)), 3), r"per_channel: kernel must be \[\*window, 1, 1\].*None"),
        (lambda: per_channel(np.ones((3, 3, 2, 1)), 3), r"per_channel: kernel must be"),
        (lambda: gaussian(3.5, 1.0), r"gaussian: size must be an int.*got size=3.5"),  # pyright: ignore
        (lambda: gaussian(3, -1.0), r"gaussian: sigma must be positive.*got sigma=-1.0"),
        (lambda: gaussian(3, float("nan")), r"gaussian: sigma must be positive"),
        (lambda: gaussian(3, None), r"gaussian: sigma must be positive.*got sigma=None"),  # pyright: ignore
        (lambda: gaussian(3, [1.0, "a"]), r"gaussian: sigma must be positive"),  # pyright: ignore
        (lambda: gaussian(3, True), r"gaussian: sigma must be positive.*got sigma=True"),
        (lambda: gaussian(3, 1.0, axes=2.0), r"gaussian: axes must be an int"),  # pyright: ignore
        (lambda: box(True), r"box: size must be an int.*got size=True"),
        (lambda: box(3, axes=None), r"box: axes must be an int"),  # pyright: ignore
        (lambda: sobel(0.5), r"sobel: axis must be an int.*got axis=0.5"),  # pyright: ignore
        (lambda: sobel("x"), r"sobel: axis must be an int"),  # pyright: ignore
        (lambda: laplacian(1.5), r"laplacian: axes must be an int"),  # pyright: ignore
        (lambda: sharpen("2"), r"sharpen: axes must be an int"),  # pyright: ignore
        (lambda: per_channel(sobel(), 2.5), r"per_channel: channels must be an int.*got channels=2.5"),  # pyright: ignore
        (lambda: per_channel(sobel(), 0), r"per_channel: channels must be an int, at least 1"),
    ],
)
def test_errors(call, words):
    with pytest.raises(GeometryError, match=words):
        call()


def test_arrays_of_sizes_and_extreme_bells():
    assert gaussian(np.array([3, 5]), np.array([1.0, 2.0])).shape == (3, 5, 1, 1)
    assert box(np.int64(3), axes=np.int64(1)).shape == (3, 1, 1)
    np.testing.assert_array_equal(gaussian(3, 1e-300, axes=1).ravel(), [0, 1, 0])
    np.testing.assert_array_equal(gaussian(4, 1e-300, axes=1).ravel(), [0, 0.5, 0.5, 0])
    np.testing.assert_array_equal(gaussian(4, 1e300, axes=1).ravel(), [0.25] * 4)
