"""Pooling against its definition in loops, and against PyTorch's numbers worked out by hand."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from jconv.errors import GeometryError, UnsupportedError
from jconv.ops import avg_pool, lp_pool, max_pool

# window, stride, (low, high) pairs, dilation, size: every axis different, strides with a rest, uneven padding.
CASES = [
    ((2,), None, [(0, 0)], 1, (7,)),
    ((3,), (2,), [(1, 2)], 1, (8,)),
    ((3,), (2,), [(2, 0)], (2,), (9,)),
    ((2, 3), None, [(0, 1), (1, 0)], 1, (5, 7)),
    ((3, 2), (2, 1), [(1, 1), (0, 1)], (1, 2), (6, 5)),
    ((2, 2), 3, [(0, 0), (1, 1)], 2, (8, 7)),
    ((2, 1, 3), (1, 2, 2), [(1, 0), (0, 0), (1, 1)], 1, (3, 4, 5)),
    ((1, 2), (3, 3), [(0, 0), (0, 0)], 1, (4, 5)),
]


def loops(x, kind, window, stride, pads, dilation, ceil_mode, include=True, p=1.0):
    """Pool `[N, *space, C]` by the definition, one output and one tap after the other."""
    axes = len(window)
    stride = window if stride is None else np.broadcast_to(stride, axes)
    dilation = np.broadcast_to(dilation, axes)
    sizes = []
    for i in range(axes):
        n, (low, high) = x.shape[1 + i], pads[i]
        places = (n + low + high - dilation[i] * (window[i] - 1) - 1) / stride[i] + 1
        count = math.ceil(places) if ceil_mode else math.floor(places)
        if ceil_mode and (count - 1) * stride[i] >= n + low:
            count -= 1
        sizes.append(count)
    y = np.zeros((len(x), *sizes, x.shape[-1]))
    for out in itertools.product(*map(range, sizes)):
        seen, counted = [], 0
        for tap in itertools.product(*map(range, window)):
            place = [stride[i] * out[i] + dilation[i] * tap[i] - pads[i][0] for i in range(axes)]
            counted += all(place[i] < x.shape[1 + i] + pads[i][1] for i in range(axes))
            if all(0 <= place[i] < x.shape[1 + i] for i in range(axes)):
                seen.append(x[:, *place])
        if kind == "max":
            y[:, *out] = np.max(seen, axis=0)
        elif kind == "avg":
            y[:, *out] = np.sum(seen, axis=0) / (counted if include else len(seen))
        else:
            y[:, *out] = np.sum(np.abs(seen) ** p, axis=0) ** (1 / p)
    return y


def numbers(rng, size, dtype=np.float32):
    return rng.integers(-9, 10, (2, *size, 3)).astype(dtype)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("window", "stride", "pads", "dilation", "size"), CASES)
def test_the_definition(rng, window, stride, pads, dilation, size, ceil_mode):
    x = numbers(rng, size)
    arguments = {"stride": stride, "padding": pads, "dilation": dilation, "ceil_mode": ceil_mode}
    plan = (window, stride, pads, dilation, ceil_mode)
    np.testing.assert_array_equal(max_pool(x, window, **arguments), loops(x, "max", *plan))
    for include in (True, False):
        y = avg_pool(x, window, count_include_pad=include, **arguments)
        np.testing.assert_allclose(y, loops(x, "avg", *plan, include=include), rtol=1e-6, atol=1e-6)
    for p in (1, 2, 2.5):
        np.testing.assert_allclose(lp_pool(x, p, window, **arguments), loops(x, "lp", *plan, p=p), rtol=1e-5)


@pytest.mark.parametrize(("window", "stride", "pads", "dilation", "size"), CASES)
def test_the_gradients(rng, window, stride, pads, dilation, size):
    # Entries all different and far apart: no ties, so central differences of the loops are the derivatives.
    x = rng.permutation(np.prod((1, *size, 2))).reshape(1, *size, 2).astype(np.float64) + 1
    arguments = {"stride": stride, "padding": pads, "dilation": dilation, "ceil_mode": True}
    plan = (window, stride, pads, dilation, True)
    pools = {
        "max": lambda x: max_pool(x, window, **arguments),
        "avg": lambda x: avg_pool(x, window, count_include_pad=False, **arguments),
        "lp": lambda x: lp_pool(x, 3, window, **arguments),
    }
    for kind, pool in pools.items():
        weights = rng.integers(1, 5, pool(jnp.asarray(x, jnp.float32)).shape)

        def loss(x, kind=kind, weights=weights):
            return (loops(x, kind, *plan, include=False, p=3) * weights).sum()

        gradient = jax.grad(lambda x, pool=pool, w=weights: (pool(x) * w.astype(np.float32)).sum())(
            jnp.asarray(x, jnp.float32)
        )
        for place in rng.integers(0, x.shape, (6, x.ndim)):
            step = np.zeros_like(x)
            step[tuple(place)] = 1e-4
            expected = (loss(x + step) - loss(x - step)) / 2e-4
            np.testing.assert_allclose(gradient[tuple(place)], expected, rtol=1e-3, atol=1e-3)


def test_transforms_agree(rng):
    x = jnp.asarray(numbers(rng, (6, 5)))
    for pool in (
        lambda x: max_pool(x, (2, 3), stride=1, dilation=2, padding=1),
        lambda x: avg_pool(x, (2, 3), ceil_mode=True, padding=1, count_include_pad=False),
        lambda x: lp_pool(x, 2, (2, 3)),
    ):
        y = pool(x)
        np.testing.assert_allclose(jax.jit(pool)(x), y, rtol=1e-6)
        np.testing.assert_allclose(jax.vmap(pool)(x), y, rtol=1e-6)
        np.testing.assert_allclose(pool(x[0]), y[0], rtol=1e-6)
        np.testing.assert_allclose(pool(x[None])[0], y, rtol=1e-6)
        tangent = jax.jvp(pool, (x,), (x,))[1]
        np.testing.assert_allclose(
            jax.vjp(pool, x)[1](y)[0].ravel() @ x.ravel(), tangent.ravel() @ y.ravel(), rtol=1e-5
        )
        assert np.isfinite(jax.hessian(lambda x, pool=pool: (pool(x) ** 2).sum())(x[0])).all()


@pytest.mark.parametrize(
    ("stride", "pads", "dilation"), [(1, (1, 1), 1), (1, (2, 0), 1), (2, (3, 3), 3), (1, (2, 2), 2)]
)
@pytest.mark.parametrize("values", [[-np.inf] * 5, [np.nan] * 5, [np.nan, 1, np.nan, 1, np.nan], [2, -np.inf, 2, 2, 2]])
def test_no_gradient_of_a_tie_falls_on_padding(values, stride, pads, dilation):
    x = jnp.asarray(values, jnp.float32)[:, None]
    y, back = jax.vjp(lambda x: max_pool(x, (3,), stride=stride, padding=[pads], dilation=dilation), x)
    ct = jnp.arange(1.0, len(y) + 1)[:, None]
    assert back(ct)[0].sum() == ct.sum()
    if not np.isnan(values).any():  # to the first of the largest
        p, t = np.indices((len(y), 3))
        place = stride * p + dilation * t - pads[0]
        inside = (place >= 0) & (place < 5)
        entries = np.where(inside, np.asarray(values)[np.clip(place, 0, 4)], -np.inf)
        first = np.argmax(inside & (entries == entries.max(axis=1, keepdims=True)), axis=1)
        wanted = np.bincount(place[np.arange(len(y)), first], weights=ct.ravel(), minlength=5)
        np.testing.assert_array_equal(back(ct)[0].ravel(), wanted)


def test_ceil_mode_drops_one_window_at_most(rng):
    x = numbers(rng, (7,))
    for window, stride, pads in [((1,), 5, (3, 4)), ((1,), 1, (3, 4)), ((2,), 2, (0, 4)), ((3,), 7, (0, 9))]:
        arguments = {"stride": stride, "padding": [pads], "ceil_mode": True}
        wanted = reference.avg_pool(x, window, **arguments)
        np.testing.assert_allclose(avg_pool(x, window, **arguments), wanted, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "bool", "bfloat16", "float16"])
def test_max_keeps_the_dtype_and_padding_never_wins(dtype):
    x = jnp.array([[0], [0], [1]]).astype(dtype) if dtype in ("bool", "uint8") else jnp.array([[-7], [-5], [-6]], dtype)
    y = max_pool(x, (2,), stride=1, padding=1)
    assert y.dtype == x.dtype
    expected = [0, 0, 1, 1] if dtype in ("bool", "uint8") else [-7, -5, -5, -6]
    assert y.ravel().astype("int32").tolist() == expected


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e4m3b11fnuz", "float8_e5m2", "int4", "uint2"])
@pytest.mark.parametrize("more", [{}, {"padding": 1, "stride": 1}, {"dilation": 2, "stride": 1}])
def test_short_dtypes(dtype, more):
    """Some have no infinity to start from, some lie several to a byte."""
    x = jnp.array([[1], [-2], [1], [-1], [0], [1]]).astype(dtype)
    wanted = reference.max_pool(np.asarray(x.astype("float32"))[None], (2,), **more)[0]
    np.testing.assert_array_equal(max_pool(x, (2,), **more).astype("float32"), wanted)
    if jnp.issubdtype(dtype, jnp.floating):
        gradient = jax.grad(lambda x: max_pool(x, (2,), **more).astype("float32").sum())(x)
        assert gradient.astype("float32").sum() == len(wanted)


def test_low_precision_accumulates_in_float32():
    x = jnp.ones((4096, 1), jnp.bfloat16)
    y = avg_pool(x, (4096,))
    assert y.dtype == jnp.bfloat16
    assert float(y[0, 0]) == 1.0  # a bfloat16 sum stops at 256
    assert float(lp_pool(x, 1, (4096,))[0, 0]) == 4096.0


def test_nan_and_inf_stay_local():
    x = jnp.array([[1.0], [jnp.nan], [3.0], [4.0], [jnp.inf], [6.0]])
    np.testing.assert_array_equal(max_pool(x, (2,)).ravel(), [np.nan, 4, np.inf])
    np.testing.assert_array_equal(avg_pool(x, (2,)).ravel(), [np.nan, 3.5, np.inf])
    np.testing.assert_array_equal(lp_pool(x, 1, (2,)).ravel(), [np.nan, 7, np.inf])


def test_ties_give_the_gradient_to_the_first():
    x = jnp.array([[2.0], [2.0], [2.0], [1.0]])
    assert jax.grad(lambda x: max_pool(x, (2,)).sum())(x).ravel().tolist() == [1, 0, 1, 0]
    assert jax.grad(lambda x: max_pool(x, (2,), dilation=2).sum())(x).ravel().tolist() == [1, 0, 0, 0]
    assert jax.grad(lambda x: max_pool(x, (2,), dilation=2, stride=1).sum())(x).ravel().tolist() == [1, 1, 0, 0]


def test_the_norm_of_zeros_has_gradient_zero():
    assert jax.grad(lambda x: lp_pool(x, 2, (2,)).sum())(jnp.zeros((4, 1))).ravel().tolist() == [0, 0, 0, 0]


def test_words_and_numbers_of_padding(rng):
    x = numbers(rng, (7, 6))
    same = max_pool(x, (3, 2), stride=2, padding="SAME")
    np.testing.assert_array_equal(same, max_pool(x, (3, 2), stride=2, padding=[(1, 1), (0, 0)]))
    assert same.shape == (2, 4, 3, 3)
    np.testing.assert_array_equal(max_pool(x, (3, 2), padding=1), max_pool(x, (3, 2), padding=[(1, 1), (1, 1)]))
    lower = max_pool(x, (2, 2), stride=1, padding="SAME_LOWER")
    np.testing.assert_array_equal(lower, max_pool(x, (2, 2), stride=1, padding=[(1, 0), (1, 0)]))


def test_pytorch_drops_a_window_that_starts_in_the_padding():
    # torch.nn.functional.max_pool1d(arange(5), 2, 2, padding=1, ceil_mode=True) has 3 outputs, not 4.
    x = jnp.arange(5.0)[:, None]
    assert max_pool(x, (2,), stride=2, padding=1, ceil_mode=True).ravel().tolist() == [0, 2, 4]
    # And avg_pool1d(ones(4), 3, 2, padding=1, ceil_mode=True): the overhang of the last window is not counted.
    y = avg_pool(jnp.ones((4, 1)), (3,), stride=2, padding=1, ceil_mode=True).ravel()
    np.testing.assert_allclose(y, [2 / 3, 1, 0.5], rtol=1e-6)


def test_a_window_larger_than_the_input_in_ceil_mode():
    assert max_pool(jnp.array([[3.0], [5.0]]), (3,), stride=2, ceil_mode=True).tolist() == [[5.0]]
    with pytest.raises(GeometryError, match="window must fit"):
        max_pool(jnp.array([[3.0], [5.0]]), (3,), stride=2)


def test_empty_batch_and_channels():
    for shape in ((0, 4, 3), (2, 4, 0)):
        for pool in (max_pool, avg_pool, lambda x, window: lp_pool(x, 2, window)):
            assert pool(jnp.zeros(shape), (2,)).shape == (shape[0], 2, shape[2])


def test_complex_input():
    x = jnp.array([[3 + 4j], [0j], [1j], [1 + 0j]])
    assert avg_pool(x, (2,)).ravel().tolist() == [1.5 + 2j, 0.5 + 0.5j]
    y = lp_pool(x, 1, (2,))
    assert y.dtype == jnp.float32
    assert y.ravel().tolist() == [5, 2]


X = jnp.ones((1, 4, 4, 1))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: max_pool(X, 2),  # pyright: ignore[reportArgumentType]
            GeometryError,
            r"max_pool: window must be a sequence of ints, one per space axis",
        ),
        (lambda: max_pool(X, ()), GeometryError, r"max_pool: window must be a sequence"),
        (
            lambda: max_pool(X, (0, 2)),
            GeometryError,
            r"max_pool: window must be an int, .* at least 1; got window=\(0, 2\)",
        ),
        (lambda: max_pool(X, (2, 2), stride=0), GeometryError, r"max_pool: stride must be an int"),
        (lambda: max_pool(X, (2, 2), dilation=(1, -1)), GeometryError, r"max_pool: dilation must be an int"),
        (lambda: max_pool(X, (2, 2, 2, 2)), GeometryError, r"max_pool: x must have at least 5 axes"),
        (lambda: max_pool(X, (2, 2), padding=-1), GeometryError, r"padding must not be negative.*Slice x"),
        (lambda: max_pool(X, (2, 2), padding=2), GeometryError, r"each window must see an entry of x.*Pad less"),
        (lambda: max_pool(X[:, :1], (2, 1), padding=[(1, 1), (0, 0)], dilation=2), GeometryError, r"must see an entry"),
        (lambda: max_pool(X, (2, 2), padding="same"), GeometryError, r"padding must be one of.*Did you mean 'SAME'"),
        (lambda: max_pool(X.astype("complex64"), (2, 2)), UnsupportedError, r"max_pool: x must be ordered"),
        (lambda: avg_pool(X.astype("int32"), (2, 2)), UnsupportedError, r"avg_pool: x must be floating.*astype"),
        (lambda: avg_pool(X, (5, 2)), GeometryError, r"avg_pool: window must fit the padded input"),
        (
            lambda: avg_pool(X, (2, 2), padding=2, count_include_pad=False),
            GeometryError,
            r"avg_pool: each window must see an entry",
        ),
        (lambda: lp_pool(X, 0.5, (2, 2)), GeometryError, r"lp_pool: p must be finite and at least 1"),
        (lambda: lp_pool(X, float("inf"), (2, 2)), GeometryError, r"lp_pool: p must be finite.*max_pool"),
        (lambda: lp_pool(X, (2, 2), 2), GeometryError, r"lp_pool: p must be finite.*got p=\(2, 2\)"),  # pyright: ignore
        (lambda: max_pool(X, (2.0, 2)), GeometryError, r"max_pool: window must be an int"),  # pyright: ignore
        (lambda: max_pool(X, "22"), GeometryError, r"max_pool: window must be a sequence of ints"),  # pyright: ignore
        (lambda: max_pool(X, (True, 2)), GeometryError, r"max_pool: window must be an int"),
        (lambda: max_pool(X, np.int64(2)), GeometryError, r"max_pool: window must be a sequence"),  # pyright: ignore
        (lambda: max_pool(None, (2, 2)), GeometryError, r"max_pool: x must be a numeric array"),  # pyright: ignore
        (lambda: avg_pool("x", (2, 2)), GeometryError, r"avg_pool: x must be a numeric array"),  # pyright: ignore
        (lambda: lp_pool(X, -1, (2, 2)), GeometryError, r"lp_pool: p must be finite.*got p=-1"),
        (lambda: lp_pool(X, float("nan"), (2, 2)), GeometryError, r"lp_pool: p must be finite"),
        (lambda: lp_pool(X, "2", (2, 2)), GeometryError, r"lp_pool: p must be finite.*got p='2'"),  # pyright: ignore
        (lambda: lp_pool(X, 2j, (2, 2)), GeometryError, r"lp_pool: p must be finite.*got p=2j"),  # pyright: ignore
        (lambda: lp_pool(X.astype("int8"), 2, (2, 2)), UnsupportedError, r"lp_pool: x must be floating"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
