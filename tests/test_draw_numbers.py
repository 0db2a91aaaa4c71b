"""What pictures draw as lines, bars and images, against NumPy, SciPy and the reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy import ndimage, signal

import jconv
from jconv import draw
from tests import reference


def points(axes: Axes) -> list[dict[int, float]]:
    """Return the height of each set of stems, by the sample it stands at."""
    return [{round(place): value for place, value in zip(*drawn(line), strict=True)} for line in axes.lines]


def drawn(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def image(axes: Axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def test_flip_turns_the_second_sequence_round():
    box, ramp = np.ones(4), np.array([1, 0.75, 0.5, 0.25])
    sums = np.convolve(box, ramp)
    picture = draw.flip(4)
    x, h = points(picture.figure(0).axes[1])
    assert (x, h) == (dict(enumerate(box)), dict(enumerate(ramp)))
    for n in range(len(sums)):
        _, above, _, below = picture.figure(n + 1).axes
        x, h = points(above)
        assert x == dict(enumerate(box))
        assert h == {n - m: value for m, value in enumerate(ramp)}
        assert sum(x.get(m, 0) * value for m, value in h.items()) == pytest.approx(sums[n])
        whole, done = points(below)
        assert whole == pytest.approx(dict(enumerate(sums)))
        assert done == pytest.approx(dict(enumerate(sums[: n + 1])))
        assert [text.get_text() for text in below.texts] == [f"{sums[n]:.2f}"]


def test_flip_shades_the_area_that_is_the_integral():
    """y(t) = ∫ 1 − u/4 du over the part of 0 … 4 where 0 ≤ t − u ≤ 4."""

    def y(t: np.ndarray | float) -> np.ndarray:
        low, high = np.clip(np.subtract(t, 4), 0, 4), np.clip(t, 0, 4)
        return (high - high**2 / 8) - (low - low**2 / 8)

    for t in range(1, 8):
        above, _, below, _ = draw.flip(4).figure(t).axes
        _, g = above.lines
        place, height = drawn(g)
        np.testing.assert_allclose(height[1:], 1 - (t - place[1:]) / 4, atol=1e-6)
        (shaded,) = above.collections
        across, up = np.asarray(shaded.get_paths()[0].vertices).T
        area = abs(np.dot(across, np.roll(up, 1)) - np.dot(up, np.roll(across, 1))) / 2
        assert area == pytest.approx(y(t), abs=0.05)
        whole, done, end = below.lines
        times, values = drawn(whole)
        np.testing.assert_allclose(values, y(times), atol=0.05)
        assert drawn(done)[0].max() == pytest.approx(t, abs=0.05)
        assert drawn(end)[1] == pytest.approx(y(t), abs=0.05)


def test_filters_are_scipys(rng):
    picture = rng.random((12, 10)).astype(np.float32)
    laplacian = ndimage.laplace(picture, mode="nearest")
    wanted = {
        "the picture": picture,
        "Gaussian, σ = 2": ndimage.gaussian_filter(picture, 2, mode="nearest", truncate=2),
        "sharpen": picture - laplacian,
        "Sobel, vertical edges": ndimage.sobel(picture, axis=1, mode="nearest"),
        "Sobel, horizontal edges": ndimage.sobel(picture, axis=0, mode="nearest"),
        "Laplacian": laplacian,
    }
    places = {axes.get_title(): axes for axes in draw.filters(picture).figure().axes}
    assert list(places) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(image(places[name]), values, atol=1e-5, err_msg=name)
        low, high = places[name].images[0].get_clim()
        signed = values.min() < -0.5 and name != "sharpen"  # zero is the middle of grey
        assert (low, high) == ((pytest.approx(-high), pytest.approx(abs(values).max())) if signed else (0, 1)), name


def test_effective_is_the_mean_size_of_the_gradients():
    """The gradient of a stack's one output is its kernels convolved, the second's taps 2 outputs of 2 inputs apart."""
    layers = [jconv.Layer(3, stride=2), jconv.Layer(2, dilation=2)]
    firsts, seconds = (
        np.asarray(jax.random.normal(key, (5, layer.window, layer.window, 1, 1)))[..., 0, 0]
        for key, layer in zip(jax.random.split(jax.random.key(0), 2), layers, strict=True)
    )
    found = np.zeros((7, 7))
    for first, second in zip(firsts, seconds, strict=True):
        spread = np.zeros((5, 5))
        spread[::4, ::4] = second
        found += abs(signal.convolve2d(first, spread)) / 5
    picture = draw.effective(layers, networks=5)
    field, row = picture.figure().axes
    np.testing.assert_allclose(image(field), found, rtol=1e-4)
    place, share = drawn(row.lines[0])
    np.testing.assert_array_equal(place, range(-3, 4))
    np.testing.assert_allclose(share, found[3] / found.max(), rtol=1e-4)
    assert f"{np.mean(found > 0.0455 * found.max()):.0%} of them move it by more than 4.55 % of" in picture.text


@pytest.mark.parametrize(("window", "stride"), [(3, 2), (4, 2), (2, 3)])
def test_a_picture_is_scaled_up_by_a_mean(window, stride, rng):
    picture = rng.random((5, 4)).astype(np.float32)
    ones = np.ones((window, window, 1, 1))
    sums = reference.conv_transpose(picture[None, ..., None], ones, stride=stride)[0, ..., 0]
    scaled = image(draw.checkerboard(window, stride, size=3, picture=picture).figure().axes[2])
    np.testing.assert_allclose(scaled, sums * stride**2 / window**2, rtol=1e-5)
    assert scaled.sum() / picture.sum() == pytest.approx(stride**2)  # as bright as it was


@pytest.mark.parametrize(
    ("window", "stride", "size", "word"),
    [(3, 2, 5, "uneven"), (4, 2, 5, "even"), (2, 2, 5, "even"), (5, 1, 2, "border only")],
)
def test_the_title_and_the_text_have_one_word(window, stride, size, word):
    picture = draw.checkerboard(window, stride, size=size)
    assert [text.get_text() for text in picture.figure().texts] == [f"window {window}, stride {stride}: {word}"]
    assert f". The overlap is {word}" in picture.text


def test_explanation_draws_what_each_formulation_keeps():
    x, kernel = jax.ShapeDtypeStruct((2, 9, 8, 4), jnp.float32), jax.ShapeDtypeStruct((3, 3, 4, 5), jnp.float32)
    kept = {"fft": 3 * 2**20, "direct": 0, "patches": 2**19}
    explained = jconv.explain(x, kernel)
    explained = explained._replace(formulation="fft", intermediate_bytes=kept, refusals={"winograd": "no"})
    picture = draw.explanation(explained)
    figure = picture.figure()
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["direct", "patches", "fft", "winograd"]
    widths = [bar.get_width() for bar in axes.patches]  # pyright: ignore[reportAttributeAccessIssue]
    assert widths == [0, 0.5, 3, 0]
    assert [text.get_text().strip() for text in axes.texts] == ["0 B", "512 KiB", "3 MiB  ← auto", "cannot"]
    sizes = [text.get_text() for text in figure.texts]
    assert sizes[2::3] == ["576 · 2.25 KiB", "180 · 720 B", "420 · 1.64 KiB"]  # 2·9·8·4, 3·3·4·5, 2·7·6·5
    assert picture.text.endswith("auto takes fft, which keeps 3 MiB in between.")
