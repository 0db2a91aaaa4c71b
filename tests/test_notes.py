"""The worked examples of the lecture notes, as they should read, are literal tests."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

import jconv
from jconv.formulations.sparse import toeplitz_sparse

F = np.array([1.0, 2.0, 3.0], np.float32)
G = np.array([0.0, 1.0, 0.5], np.float32)


def image(values: list | np.ndarray) -> jax.Array:
    """Return a field of numbers as x of one channel."""
    return jnp.asarray(values, jnp.float32)[..., None]


def taps(values: list | np.ndarray) -> jax.Array:
    """Return a field of numbers as a kernel of one channel."""
    return jnp.asarray(values, jnp.float32)[..., None, None]


def whole(shape: tuple[int, ...], seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).integers(-4, 5, shape), jnp.float32)


@pytest.mark.parametrize(
    ("x", "kernel", "padding", "wanted"),
    [
        ((5,), (3,), 0, (3,)),
        ((5,), (3,), 1, (5,)),
        ((5, 5), (3, 3), 0, (3, 3)),
        ((5, 5), (3, 3), 1, (5, 5)),
    ],
)
def test_five_becomes_three_and_with_padding_stays_five(x, kernel, padding, wanted) -> None:
    y = jconv.conv(whole((*x, 1)), whole((*kernel, 1, 1)), padding=padding)
    assert y.shape == (*wanted, 1)
    np.testing.assert_array_equal(y, reference.conv(whole((*x, 1))[None], whole((*kernel, 1, 1)), padding=padding)[0])


@pytest.mark.parametrize(
    ("x", "kernel", "padding", "wanted"),
    [
        ((10, 32, 32, 3), (5, 5, 3, 1), 2, (10, 32, 32, 1)),  # 10×3×32×32 with one 5×5 filter
        ((7, 7, 3), (3, 3, 3, 128), 0, (5, 5, 128)),
        ((6, 6, 3), (3, 3, 3, 1), 0, (4, 4, 1)),
        ((6, 6, 3), (3, 3, 3, 9), 0, (4, 4, 9)),  # k filters, k channels
        ((8, 9, 200), (1, 1, 200, 1), 0, (8, 9, 1)),
    ],
)
def test_shapes_of_layers(x, kernel, padding, wanted) -> None:
    y = jconv.conv(whole(x), whole(kernel, 1), padding=padding)
    assert y.shape == wanted
    first, last = (0,) * (len(x) - 3), (len(x) - 3) * (-1,)
    for place in (first, last):  # One example is enough to hold the numbers.
        np.testing.assert_array_equal(
            y[place], reference.conv(np.asarray(whole(x))[place][None], whole(kernel, 1), padding=padding)[0]
        )


def test_a_one_by_one_convolution_is_a_product_at_each_pixel() -> None:
    x, kernel = whole((8, 9, 200)), whole((1, 1, 200, 1), 1)
    np.testing.assert_array_equal(jconv.conv(x, kernel), np.asarray(x) @ np.asarray(kernel)[0, 0])


def test_correlation_and_convolution_of_two_sequences() -> None:
    assert jconv.conv(image(F), taps(G)).ravel().tolist() == [3.5]
    full = jconv.convolve(image(F), taps(G), padding="FULL").ravel()
    assert full.tolist() == [0.0, 1.0, 2.5, 4.0, 1.5]
    np.testing.assert_array_equal(full, np.convolve(F, G))
    np.testing.assert_array_equal(
        jconv.conv(image(F), taps(G), padding="FULL").ravel(), np.correlate(F, G, mode="full")
    )


def test_convolution_commutes_and_correlation_does_not() -> None:
    def full(call, f, g):
        return call(image(f), taps(g), padding="FULL").ravel().tolist()

    assert full(jconv.convolve, F, G) == full(jconv.convolve, G, F)
    assert full(jconv.conv, F, G) == full(jconv.conv, G, F)[::-1] != full(jconv.conv, G, F)


def test_nine_patches_of_a_four_by_four_image() -> None:
    x, kernel = image(np.arange(1, 17).reshape(4, 4)), taps([[1, 2], [3, 4]])
    patches = jconv.patches(x, (2, 2))
    assert patches.shape == (3, 3, 2, 2, 1)
    columns = patches.reshape(9, 4).T
    assert columns.shape == (4, 9)
    assert columns[:, 0].tolist() == [1, 2, 5, 6]
    assert columns[:, 8].tolist() == [11, 12, 15, 16]
    y = jnp.array([1.0, 2.0, 3.0, 4.0]) @ columns
    assert y.reshape(3, 3).tolist() == [[44, 54, 64], [84, 94, 104], [124, 134, 144]]
    np.testing.assert_array_equal(jconv.conv(x, kernel)[..., 0], y.reshape(3, 3))


def test_the_matrix_of_a_three_by_three_kernel_on_four_by_four() -> None:
    w = np.arange(1, 10, dtype=np.float32).reshape(3, 3)
    matrix = np.asarray(jconv.toeplitz_matrix(taps(w), (4, 4)))
    wanted = np.zeros((4, 16), np.float32)
    wanted[0] = [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0, 0]
    wanted[1] = [0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0]
    wanted[2] = [0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0]
    wanted[3] = [0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9]
    np.testing.assert_array_equal(matrix, wanted)
    x = whole((4, 4, 1))
    y = jconv.conv(x, taps(w))
    np.testing.assert_array_equal(matrix @ x.ravel(), y.ravel())
    # The transpose restores the shape, not the values.
    back = jconv.conv_transpose(y, taps(w))
    assert back.shape == x.shape
    np.testing.assert_array_equal(matrix.T @ y.ravel(), back.ravel())
    assert not np.array_equal(back, x)
    assert not np.array_equal(matrix.T @ matrix, np.eye(16))


@pytest.mark.parametrize(("n", "m"), [(4, 3), (6, 5), (7, 2)])
def test_the_textbook_matrix_has_a_row_for_each_valid_place(n: int, m: int) -> None:
    kernel, x = whole((m, m, 1, 1)), whole((n, n, 1), 1)
    matrix = jconv.toeplitz_matrix(kernel, (n, n))
    assert matrix.shape == ((n - m + 1) ** 2, n**2)
    np.testing.assert_array_equal(matrix @ x.ravel(), jconv.conv(x, kernel).ravel())


def test_the_full_toeplitz_matrix_of_a_sequence() -> None:
    """(n+m−1)×n: column j is the kernel, begun at row j, when the kernel is flipped as in a convolution."""
    h, n = [1.0, 2.0, 3.0], 4
    matrix = jconv.toeplitz_matrix(taps(h[::-1]), n, padding="FULL")
    assert matrix.tolist() == [
        [1, 0, 0, 0],
        [2, 1, 0, 0],
        [3, 2, 1, 0],
        [0, 3, 2, 1],
        [0, 0, 3, 2],
        [0, 0, 0, 3],
    ]
    x = np.array([1.0, -2.0, 0.0, 4.0], np.float32)
    np.testing.assert_array_equal(matrix @ x, np.convolve(x, h))


def test_the_four_by_six_matrix_with_padding_and_its_transpose() -> None:
    """Input 4, padding 1, 3 taps: a 4×6 matrix on the padded input; without its outer columns, 4×4 on the input."""
    padded = jconv.toeplitz_matrix(taps([1.0, 2.0, 3.0]), 6)
    assert padded.tolist() == [
        [1, 2, 3, 0, 0, 0],
        [0, 1, 2, 3, 0, 0],
        [0, 0, 1, 2, 3, 0],
        [0, 0, 0, 1, 2, 3],
    ]
    x = jnp.array([5.0, -1.0, 2.0, 3.0])
    y = jconv.conv(x[:, None], taps([1.0, 2.0, 3.0]), padding=1).ravel()
    np.testing.assert_array_equal(padded @ jnp.pad(x, 1), y)
    inside = jconv.toeplitz_matrix(taps([1.0, 2.0, 3.0]), 4, padding=1)
    np.testing.assert_array_equal(padded[:, 1:-1], inside)
    full = jconv.conv_transpose(y[:, None], taps([1.0, 2.0, 3.0])).ravel()
    np.testing.assert_array_equal(padded.T @ y, full)
    np.testing.assert_array_equal(inside.T @ y, full[1:-1])
    np.testing.assert_array_equal(
        jconv.conv_transpose(y[:, None], taps([1.0, 2.0, 3.0]), padding=1).ravel(), full[1:-1]
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_transposed_convolution_places_and_adds(seed: int) -> None:
    """[a, b] with [x, y, z] at stride 2 is [ax, ay, az + bx, by, bz]."""
    a, b, x, y, z = (float(value) for value in np.random.default_rng(seed).integers(-9, 10, 5))
    got = jconv.conv_transpose(image([a, b]), taps([x, y, z]), stride=2).ravel()
    assert got.tolist() == [a * x, a * y, a * z + b * x, b * y, b * z]


@pytest.mark.parametrize(
    ("size", "window", "arguments", "wanted"),
    [
        (2, 3, {}, 4),
        (2, 3, {"stride": 2}, 5),
        (16, 3, {"stride": 2, "padding": 1, "output_padding": 1}, 32),
        (2, 3, {"stride": 2, "padding": 1}, 3),
        (2, 3, {"stride": 2, "padding": 1, "output_padding": 1}, 4),
    ],
)
def test_sizes_of_transposed_convolutions(size, window, arguments, wanted) -> None:
    """2→4 at stride 2, padding 1 and 3 taps needs the output padding: without it there are 3."""
    x, kernel = whole((1, size, size, 1)), whole((window, window, 1, 1), 1)
    y = jconv.conv_transpose(x, kernel, **arguments)
    assert y.shape == (1, wanted, wanted, 1)
    np.testing.assert_array_equal(y, reference.conv_transpose(x, kernel, **arguments))


def test_the_centred_correlation() -> None:
    """H[x, y] = Σ_{u,v} I[x+u, y+v] F[u, v], u and v from −1 to 1: SAME padding with F[0, 0] in the middle."""
    field = np.random.default_rng(0).integers(-4, 5, (6, 5))
    f = np.random.default_rng(1).integers(-4, 5, (3, 3))
    wanted = np.zeros((6, 5))
    for x, y, u, v in itertools.product(range(6), range(5), (-1, 0, 1), (-1, 0, 1)):
        if 0 <= x + u < 6 and 0 <= y + v < 5:
            wanted[x, y] += field[x + u, y + v] * f[u + 1, v + 1]
    np.testing.assert_array_equal(jconv.conv(image(field), taps(f), padding="SAME")[..., 0], wanted)


def test_two_stacked_three_by_three_see_five_by_five() -> None:
    first, second = whole((3, 3, 1, 1)), whole((3, 3, 1, 1), 1)
    x = whole((5, 5, 1), 2)

    def stack(x):
        return jconv.conv(jconv.conv(x, first), second)

    assert stack(x).shape == (1, 1, 1)
    # The one kernel that the two are: 5×5, the convolution of both.
    both = jconv.convolve(first[..., 0], jnp.asarray(second), padding="FULL")[..., None]
    assert both.shape == (5, 5, 1, 1)
    np.testing.assert_array_equal(stack(x), jconv.conv(x, both))
    seen = jax.grad(lambda x: jconv.conv(jconv.conv(x, jnp.ones((3, 3, 1, 1))), jnp.ones((3, 3, 1, 1))).sum())(x)
    assert np.count_nonzero(seen) == 25
    fields = [jconv.receptive_field([{"window": 3, "dilation": d} for d in (1, 2, 4)[:depth]]) for depth in (1, 2, 3)]
    assert [field.size for field in fields] == [3, 7, 15]
    assert jconv.receptive_field([{"window": 3}, {"window": 3}]).size == 5


@pytest.mark.parametrize(
    ("window", "stride", "inside"),
    [(2, 1, {2}), (3, 1, {3}), (2, 2, {1}), (3, 2, {1, 2}), (4, 2, {2}), (5, 2, {2, 3})],
)
def test_overlap(window: int, stride: int, inside: set[int]) -> None:
    """Even away from the border exactly when the stride divides the window; ones in, counts out."""
    counts = jconv.overlap(8, window, stride=stride)
    written = jconv.conv_transpose(jnp.ones((8, 1)), jnp.ones((window, 1, 1)), stride=stride).ravel()
    np.testing.assert_array_equal(counts, written)
    assert set(counts[window : len(counts) - window].tolist()) == inside
    assert (len(inside) == 1) == (window % stride == 0)
    both = jconv.overlap((8, 5), (window, window), stride=stride)
    np.testing.assert_array_equal(both, np.outer(counts, jconv.overlap(5, window, stride=stride)))


def test_dilation_that_shares_a_factor_with_the_stride_leaves_a_checkerboard() -> None:
    inner = {d: set(jconv.overlap(12, 4, stride=2, dilation=d)[8:-8].tolist()) for d in (1, 2, 3)}
    assert {d: len(counts) for d, counts in inner.items()} == {1: 1, 2: 2, 3: 1}


def test_the_circulant_is_the_convolution_on_the_torus() -> None:
    kernel, x = whole((3, 2, 2, 3)), whole((4, 5, 2), 1)
    matrix = jconv.circulant_matrix(kernel, (4, 5))
    assert matrix.shape == (60, 40)
    y = jconv.conv(x, kernel, padding="SAME", padding_mode="circular")
    np.testing.assert_array_equal(matrix @ x.ravel(), y.ravel())


def test_a_circulant_is_diagonal_in_the_fourier_basis() -> None:
    matrix = np.asarray(jconv.circulant_matrix(taps([1.0, 2.0, 3.0, 0.0, 0.0]), 5, padding=0), np.float64)
    assert matrix[0].tolist() == [1, 2, 3, 0, 0]
    np.testing.assert_array_equal(matrix[1:], [np.roll(matrix[0], shift) for shift in range(1, 5)])
    basis = np.exp(2j * math.pi * np.outer(np.arange(5), np.arange(5)) / 5) / math.sqrt(5)
    diagonal = basis.conj().T @ matrix @ basis
    np.testing.assert_allclose(diagonal, np.diag(np.fft.fft(matrix[:, 0])), atol=1e-12)


@pytest.mark.parametrize(
    "arguments",
    [{"stride": 2}, {"padding": "SAME", "dilation": 2}, {"stride": (2, 1), "padding": 1, "input_dilation": 2}],
)
def test_matrices_and_index_patterns_are_the_convolution(arguments) -> None:
    kernel, x = whole((3, 2, 2, 4)), whole((6, 7, 4), 1)
    y = jconv.conv(x, kernel, groups=2, **arguments)
    matrix = jconv.toeplitz_matrix(kernel, (6, 7), groups=2, **arguments)
    np.testing.assert_array_equal(matrix @ x.ravel(), y.ravel())
    triplets = toeplitz_sparse(kernel, jconv.conv_geometry(x.shape, kernel.shape, groups=2, **arguments))
    np.testing.assert_array_equal(triplets.todense(), matrix)
    assert triplets.nse == np.count_nonzero(jconv.toeplitz_matrix(jnp.ones_like(kernel), (6, 7), groups=2, **arguments))
    axes = [
        {key: value[axis] if isinstance(value, tuple) else value for key, value in arguments.items()} for axis in (0, 1)
    ]
    patterns = [
        np.asarray(jconv.index_pattern(n, k, **given), np.float32)
        for n, k, given in zip((6, 7), (3, 2), axes, strict=True)
    ]
    x_split, kernel_split = x.reshape(6, 7, 2, 2), kernel.reshape(3, 2, 2, 2, 2)
    summed = np.einsum("hwgc,hup,wvq,uvcgo->pqgo", x_split, *patterns, kernel_split)
    np.testing.assert_array_equal(summed.reshape(y.shape), y)


def test_the_textbook_count_of_a_layer() -> None:
    """32×32×3, 64 filters of 3×3, padding 1."""
    counted = jconv.cost((1, 32, 32, 3), (3, 3, 3, 64), padding=1)
    assert (counted.multiplications, counted.additions) == (1_769_472, 1_703_936)
    assert (counted.input_elements, counted.kernel_elements, counted.output_elements) == (3_072, 1_728, 65_536)


def test_a_separable_layer_costs_one_over_filters_plus_one_over_taps() -> None:
    """Depthwise K×K then 1×1 to M filters, over the standard layer: 1/M + 1/K²."""
    size, channels, filters, k = (1, 12, 12, 8), 8, 16, 3

    standard = jconv.cost(size, (k, k, channels, filters), padding="SAME").multiplications
    spatial = jconv.cost(size, (k, k, 1, channels), padding="SAME", groups=channels).multiplications
    pointwise = jconv.cost(size, (1, 1, channels, filters)).multiplications
    assert (spatial + pointwise) / standard == pytest.approx(1 / filters + 1 / k**2, rel=1e-12)
