"""Depthwise, separable and local convolutions, each against the definition in loops, on small integers exactly."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from jconv._conv import conv
from jconv.errors import GeometryError, UnsupportedError
from jconv.ops import depthwise_conv, local_conv, separable_conv, separate, spatially_separable_conv

ARGUMENTS = [
    {},
    {"padding": 1, "flip": True},
    {"stride": 2, "padding": "SAME"},
    {"stride": (1, 3), "padding": [(2, 0), (1, 3)], "dilation": (2, 1)},
    {"padding": "SAME_LOWER", "padding_mode": "circular"},
    {"padding": [(1, 2), (0, 1)], "padding_mode": "reflect", "stride": (2, 1)},
    {"padding": "FULL", "padding_mode": "edge", "dilation": (1, 2)},
    {"padding": [(-1, 0), (2, -1)], "input_dilation": (2, 3)},
]


def ints(rng, *shape):
    return rng.integers(-4, 5, shape).astype(np.float32)


def equal(actual, expected):
    np.testing.assert_array_equal(np.asarray(actual), expected)


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise(rng, arguments, multiplier):
    x, kernel, bias = ints(rng, 2, 6, 7, 3), ints(rng, 2, 3, 1, 3 * multiplier), ints(rng, 3 * multiplier)
    y = depthwise_conv(x, kernel, bias, **arguments)
    for out in range(3 * multiplier):  # filters c·M … c·M + M − 1 see channel c alone
        c = out // multiplier
        alone = reference.conv(x[..., c : c + 1], kernel[..., out : out + 1], bias[out : out + 1], **arguments)
        equal(y[..., out : out + 1], alone)


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_separable_is_the_product_kernel(rng, arguments):
    x, depthwise, pointwise = ints(rng, 2, 6, 7, 3), ints(rng, 2, 3, 1, 6), ints(rng, 1, 1, 6, 5)
    bias = ints(rng, 5)
    product = np.einsum("ijcm,cmo->ijco", depthwise.reshape(2, 3, 3, 2), pointwise.reshape(3, 2, 5))
    y = separable_conv(x, depthwise, pointwise, bias, **arguments)
    equal(y, reference.conv(x, product, bias, **arguments))


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("groups", [1, 2])
def test_spatially_separable_is_the_product_kernel(rng, arguments, groups):
    x, bias = ints(rng, 2, 6, 7, 4), ints(rng, 6)
    factors = [ints(rng, 2, 2, 4 // groups, 6), ints(rng, 3, 2, 4 // groups, 6)]
    product = np.einsum("irco,jrco->ijco", *factors)
    y = spatially_separable_conv(x, factors, bias, groups=groups, **arguments)
    equal(y, reference.conv(x, product, bias, groups=groups, **arguments))


def test_spatially_separable_in_three_dimensions(rng):
    x, factors = ints(rng, 1, 5, 4, 6, 2), [ints(rng, k, 2, 2, 3) for k in (3, 2, 4)]
    product = np.einsum("irco,jrco,krco->ijkco", *factors)
    equal(spatially_separable_conv(x, factors, stride=(1, 2, 1)), reference.conv(x, product, stride=(1, 2, 1)))


def test_separate_is_the_singular_value_decomposition(rng):
    kernel = rng.standard_normal((3, 5, 2, 4)).astype(np.float32)
    for rank in (1, 2, 3):
        factors, error = separate(kernel, rank)
        assert [f.shape for f in factors] == [(3, rank, 2, 4), (5, rank, 2, 4)]
        approximation = np.einsum("irco,jrco->ijco", *map(np.asarray, factors))
        missed = 0.0
        for c, o in itertools.product(range(2), range(4)):
            missed += (np.linalg.svd(kernel[:, :, c, o].astype(float), compute_uv=False)[rank:] ** 2).sum()
        np.testing.assert_allclose(((approximation - kernel) ** 2).sum(), missed, rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(error, np.sqrt(missed / (kernel.astype(float) ** 2).sum()), rtol=1e-4, atol=1e-6)
    x = ints(rng, 1, 6, 7, 2)
    exact = spatially_separable_conv(x, separate(kernel, 3)[0], padding="SAME")
    np.testing.assert_allclose(exact, conv(x, kernel, padding="SAME"), rtol=1e-4, atol=1e-4)


def test_separate_zeros_complex_and_low_precision(rng):
    factors, error = separate(np.zeros((3, 3, 1, 1), np.float32), 1)
    assert float(error) == 0
    assert not np.einsum("irco,jrco->ijco", *factors).any()
    column, row = rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))
    kernel = np.multiply.outer(column, row)[..., None, None].astype(np.complex64)
    (first, second), error = separate(kernel, 1)
    np.testing.assert_allclose(np.einsum("irco,jrco->ijco", first, second), kernel, atol=1e-5)
    assert float(error) < 1e-5
    (first, _), _ = separate(jnp.ones((2, 2, 1, 1), jnp.bfloat16), 1)
    assert first.dtype == jnp.bfloat16


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("groups", [1, 2])
def test_local_is_another_convolution_at_each_position(rng, arguments, groups):
    x = ints(rng, 2, 6, 7, 4)
    shape = conv(x, ints(rng, 2, 3, 4 // groups, 6), groups=groups, **arguments).shape
    kernel, bias = ints(rng, *shape[1:3], 2, 3, 4 // groups, 6), ints(rng, *shape[1:])
    y = local_conv(x, kernel, bias, groups=groups, **arguments)
    assert y.shape == shape
    for p in itertools.product(*map(range, shape[1:3])):
        alone = reference.conv(x, kernel[p], bias[p], groups=groups, **arguments)
        equal(y[:, *p], alone[:, *p])


def test_local_with_one_kernel_everywhere_is_conv(rng):
    x, kernel, bias = ints(rng, 3, 5, 9, 2), ints(rng, 3, 2, 4), ints(rng, 4)
    tied = np.broadcast_to(kernel, (7, *kernel.shape))
    equal(local_conv(x, tied, bias), reference.conv(x.reshape(15, 9, 2), kernel, bias).reshape(3, 5, 7, 4))
    equal(local_conv(x[0, 0], tied), reference.conv(x[0, :1], kernel)[0])


def test_gradients_are_those_of_the_product_kernel(rng):
    x, weights = ints(rng, 1, 6, 5, 2), ints(rng, 1, 4, 4, 3)
    factors = [ints(rng, 3, 2, 2, 3), ints(rng, 2, 2, 2, 3)]
    gradients = jax.grad(lambda f: (spatially_separable_conv(x, f) * weights).sum())(factors)
    _, by_kernel, _ = reference.conv_gradients(weights, x, np.einsum("irco,jrco->ijco", *factors))
    equal(gradients[0], np.einsum("ijco,jrco->irco", by_kernel, factors[1]))
    equal(gradients[1], np.einsum("ijco,irco->jrco", by_kernel, factors[0]))
    depthwise, pointwise = ints(rng, 3, 2, 1, 2), ints(rng, 1, 1, 2, 3)
    by_depthwise, by_pointwise = jax.grad(lambda d, p: (separable_conv(x, d, p) * weights).sum(), argnums=(0, 1))(
        depthwise, pointwise
    )
    product = depthwise[:, :, 0, :, None] * pointwise
    _, by_kernel, _ = reference.conv_gradients(weights, x, product)
    equal(by_depthwise[:, :, 0], np.einsum("ijco,co->ijc", by_kernel, pointwise[0, 0]))
    equal(by_pointwise[0, 0], np.einsum("ijco,ijc->co", by_kernel, depthwise[:, :, 0]))
    kernel = ints(rng, 4, 4, 3, 2, 2, 3)
    by_kernel = jax.grad(lambda k: (local_conv(x, k) * weights).sum())(kernel)
    for p in itertools.product(range(4), range(4)):
        patch = x[0, p[0] : p[0] + 3, p[1] : p[1] + 2]
        equal(by_kernel[p], patch[..., None] * weights[0][p])


def test_jit_and_vmap(rng):
    x = ints(rng, 4, 6, 7, 2)
    calls = [
        (depthwise_conv, (ints(rng, 3, 2, 1, 4),)),
        (separable_conv, (ints(rng, 3, 2, 1, 4), ints(rng, 1, 1, 4, 3))),
        (spatially_separable_conv, ([ints(rng, 3, 1, 2, 3), ints(rng, 2, 1, 2, 3)],)),
        (local_conv, (ints(rng, 4, 6, 3, 2, 2, 3),)),
    ]
    for function, kernels in calls:
        y = function(x, *kernels)
        equal(jax.jit(function)(x, *kernels), y)
        equal(jax.vmap(lambda x, f=function, k=kernels: f(x, *k))(x), y)
        equal(function(x[0], *kernels), y[0])


def test_dtypes(rng):
    x8, kernel8 = rng.integers(-99, 99, (2, 5, 6, 2)).astype(np.int8), np.full((3, 3, 1, 2), 99, np.int8)
    wide = reference.conv(x8.astype(int), kernel8.astype(int), groups=2)
    point = np.full((1, 1, 2, 2), 2, np.int8)
    expected = {
        "depthwise": (depthwise_conv(x8, kernel8), wide),
        "separable": (separable_conv(x8, kernel8, point), 2 * wide.sum(-1, keepdims=True).repeat(2, -1)),
        "local": (local_conv(x8, np.broadcast_to(kernel8, (3, 4, *kernel8.shape)), groups=2), wide),
    }
    for y, wanted in expected.values():
        assert y.dtype == jnp.int32
        equal(y, wanted)
    x16 = jnp.asarray(x8, jnp.bfloat16)
    local = jnp.ones((3, 4, 3, 3, 2, 2), jnp.bfloat16)
    assert local_conv(x16, local).dtype == jnp.bfloat16
    assert local_conv(x16, local, preferred_element_type=jnp.float32).dtype == jnp.float32
    assert separable_conv(x16, jnp.ones((3, 3, 1, 2), jnp.bfloat16), jnp.ones((1, 1, 2, 1), jnp.bfloat16)).dtype == (
        jnp.bfloat16
    )


def test_local_sums_in_a_wider_result():
    with jax.enable_x64(True):
        x, kernel = jnp.full((3, 2), 1 + 2.0**-20, jnp.float32), jnp.full((2, 2, 2, 1), 1 + 2.0**-20, jnp.float32)
        y = local_conv(x, kernel, preferred_element_type="float64")
        np.testing.assert_allclose(y, np.full((2, 1), 4 * (1 + 2.0**-20) ** 2), rtol=1e-14)


def test_empty_batch():
    x = jnp.zeros((0, 5, 2))
    assert depthwise_conv(x, jnp.ones((2, 1, 2))).shape == (0, 4, 2)
    assert separable_conv(x, jnp.ones((2, 1, 2)), jnp.ones((1, 2, 3))).shape == (0, 4, 3)
    assert local_conv(x, jnp.ones((4, 2, 2, 3))).shape == (0, 4, 3)
    images, factor = jnp.zeros((0, 5, 5, 2)), jnp.ones((2, 1, 2, 3))
    assert spatially_separable_conv(images, [factor, factor]).shape == (0, 4, 4, 3)


def test_an_inf_stays_where_it_is():
    x = jnp.ones((6, 1)).at[4].set(jnp.inf)
    y = local_conv(x, jnp.ones((5, 2, 1, 1)))
    equal(np.isfinite(y).ravel(), [True, True, True, False, False])


X = jnp.ones((1, 5, 5, 2))
FACTOR = jnp.ones((2, 1, 2, 3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: depthwise_conv(X, jnp.ones((3, 3, 2, 2))), GeometryError, r"depthwise_conv: kernel must be.*Keras"),
        (lambda: depthwise_conv(X, jnp.ones((3, 3, 1, 3))), GeometryError, r"depthwise_conv: kernel must be"),
        (lambda: depthwise_conv(X, jnp.ones((1, 2))), GeometryError, r"depthwise_conv: kernel must be"),
        (
            lambda: separable_conv(X, jnp.ones((3, 3, 1, 2)), jnp.ones((2, 3))),
            GeometryError,
            r"separable_conv: pointwise_kernel must be.*matrix\[None, None\]",
        ),
        (
            lambda: separable_conv(X, jnp.ones((3, 3, 1, 2)), jnp.ones((1, 1, 2, 3), "bfloat16")),
            GeometryError,
            r"separable_conv: x and pointwise_kernel must have the same dtype; got float32 and bfloat16",
        ),
        (lambda: spatially_separable_conv(X, [FACTOR]), GeometryError, r"factors must be two or more"),
        (lambda: spatially_separable_conv(X, [FACTOR, FACTOR[..., :2]]), GeometryError, r"factors must be two or more"),
        (
            lambda: spatially_separable_conv(X, [FACTOR.astype("int8")] * 2),
            GeometryError,
            r"spatially_separable_conv: x and factors must have the same dtype",
        ),
        (
            lambda: spatially_separable_conv(X[:, :1], [FACTOR, FACTOR]),
            GeometryError,
            r"spatially_separable_conv: window must fit",
        ),
        (
            lambda: separate(jnp.ones((3, 3, 3, 1, 1)), 1),
            UnsupportedError,
            r"separate: kernel must have two space axes",
        ),
        (lambda: separate(jnp.ones((3, 3, 1, 1), "int32"), 1), UnsupportedError, r"separate: kernel must be floating"),
        (lambda: separate(jnp.ones((3, 2, 1, 1)), 3), GeometryError, r"separate: rank must be in 1 … min\(window\)"),
        (lambda: separate(jnp.ones((3, 2, 1, 1)), 0), GeometryError, r"separate: rank must be"),
        (lambda: local_conv(X, jnp.ones((3, 3, 2, 4, 1))), GeometryError, r"local_conv: kernel must be.*even"),
        (
            lambda: local_conv(X, jnp.ones((3, 2, 3, 3, 2, 4))),
            GeometryError,
            r"local_conv: kernel must have a window for each of the \(3, 3\) output positions; got \(3, 2\)",
        ),
        (lambda: local_conv(X, jnp.ones((3, 3, 3, 3, 2, 4), "int8")), GeometryError, r"must have the same dtype"),
        (
            lambda: local_conv(X, jnp.ones((3, 3, 3, 3, 2, 4)), jnp.ones(3)),
            GeometryError,
            r"local_conv: bias must have one entry per output channel; .*output_size, out",
        ),
        (
            lambda: local_conv(X, jnp.ones((3, 3, 3, 3, 2, 4)), padding_mode="wrap"),
            GeometryError,
            r"local_conv: padding_mode must be one of",
        ),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
