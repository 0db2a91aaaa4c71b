"""Bad input gives one clear sentence: a row per message, matched on its words."""

import jax.numpy as jnp
import pytest

import jconv

X = jnp.ones((1, 6, 5, 4))
K = jnp.ones((3, 2, 4, 8))

CONV = {
    "kernel rank": (X, K[0, 0], {}, "conv: kernel must have at least 3 axes"),
    "x rank": (X[0, 0], K, {}, "conv: x must have at least 3 axes"),
    "channels": (
        X[..., :3],
        K,
        {},
        r"conv: kernel must have in/groups = 3 channels .* kernel_shape=\(3, 2, 4, 8\).*NCHW",
    ),
    "groups": (X, K, {"groups": 3}, "conv: groups must split the channels of x and kernel evenly; got groups=3"),
    "groups zero": (X, K, {"groups": 0}, "conv: groups must be an int, .* at least 1; got groups=0"),
    "window": (X, K, {"dilation": 4}, "conv: window must fit the padded input; got a window that covers 9"),
    "cropped away": (X, K, {"padding": -3}, "conv: window must fit the padded input"),
    "stride zero": (X, K, {"stride": 0}, "conv: stride must be .* at least 1; got stride=0. Take 1 or more"),
    "stride negative": (X, K, {"stride": (1, -2)}, r"conv: stride must be .*; got stride=\(1, -2\)"),
    "stride count": (X, K, {"stride": (1, 1, 1)}, "conv: stride must be .* for 2 axes. Give 2 entries"),
    "stride float": (X, K, {"stride": 1.5}, "conv: stride must be an int, or one per space axis"),
    "dilation": (X, K, {"dilation": "2"}, "conv: dilation must be an int"),
    "padding word": (
        X,
        K,
        {"padding": "same"},
        "conv: padding must be one of .*; got padding='same'. Did you mean 'SAME'",
    ),
    "padding count": (X, K, {"padding": (1, 2, 3)}, "conv: padding must have one entry per space axis"),
    "padding pair": (X, K, {"padding": [(1, 2, 3), 0]}, r"conv: padding must be ints or \(low, high\) pairs"),
    "causal": (X, K, {"padding": "CAUSAL"}, "conv: padding 'CAUSAL' must have one space axis; got 2"),
    "mode": (X, K, {"padding_mode": "reflct"}, "conv: padding_mode must be one of .* Did you mean 'reflect'"),
    "reflect": (X, K, {"padding": 5, "padding_mode": "reflect"}, "conv: padding must be at most size − 1"),
    "formulation": (X, K, {"formulation": "patch"}, "conv: formulation must be one of .* Did you mean 'patches'"),
    "dtypes": (X, K.astype("bfloat16"), {}, "conv: x and kernel must have the same dtype; got float32 and bfloat16"),
    "bias shape": (
        X,
        K,
        {"bias": jnp.ones(3)},
        r"conv: bias must have one entry per output channel; got bias shape \(3,\)",
    ),
    "bias dtype": (X, K, {"bias": jnp.ones(8, "bfloat16")}, "conv: bias must have the dtype of x or of the result"),
    "booleans": (X > 0, K > 0, {}, "conv: x must be a numeric array; got dtype bool. Cast it"),
    "result narrower": (
        X,
        K,
        {"preferred_element_type": "bfloat16"},
        "conv: preferred_element_type must be of x's kind and no narrower, .*; got bfloat16 with x of float32",
    ),
    "result of another kind": (
        X,
        K,
        {"preferred_element_type": "int32", "formulation": "patches"},
        "conv: preferred_element_type must be of x's kind",
    ),
    "result without sign": (
        X.astype("int8"),
        K.astype("int8"),
        {"preferred_element_type": "uint8"},
        "conv: preferred_element_type must be of x's kind",
    ),
    "result unknown": (X, K, {"preferred_element_type": "float33"}, "conv: preferred_element_type must be a dtype"),
    "integers": (
        X.astype("int8"),
        K.astype("int8"),
        {"formulation": "fft"},
        "conv: formulation 'fft' cannot compute this",
    ),
}


@pytest.mark.parametrize(("x", "kernel", "arguments", "words"), CONV.values(), ids=CONV)
def test_conv(x, kernel, arguments, words):
    with pytest.raises(jconv.JconvError, match=words):
        jconv.conv(x, kernel, **arguments)


TRANSPOSE = {
    "channels": (jnp.ones((1, 4, 4, 3)), K, {}, "conv_transpose: kernel must have in = 3 channels in its last axis"),
    "output padding": (
        jnp.ones((1, 4, 4, 8)),
        K,
        {"stride": 2, "output_padding": 2},
        "conv_transpose: output_padding must be below the larger of stride and dilation; got output_padding=2",
    ),
    "crop": (jnp.ones((1, 2, 2, 8)), K, {"padding": 3}, "conv_transpose: padding must leave an output"),
    "bias": (jnp.ones((1, 4, 4, 8)), K, {"bias": jnp.ones(8)}, "conv_transpose: bias must have one entry per output"),
    "reflect": (
        jnp.ones((1, 2, 2, 8)),
        jnp.ones((5, 5, 4, 8)),
        {"padding": 2, "padding_mode": "reflect"},
        "conv_transpose: padding must be at most size − 1",
    ),
    "mode": (jnp.ones((1, 4, 4, 8)), K, {"padding_mode": "wrap"}, "conv_transpose: padding_mode must be one of"),
    "formulation": (jnp.ones((1, 4, 4, 8)), K, {"formulation": "ffft"}, "conv_transpose: formulation .*'fft'"),
}


@pytest.mark.parametrize(("x", "kernel", "arguments", "words"), TRANSPOSE.values(), ids=TRANSPOSE)
def test_conv_transpose(x, kernel, arguments, words):
    with pytest.raises(jconv.JconvError, match=words):
        jconv.conv_transpose(x, kernel, **arguments)


def test_a_refused_matrix_names_its_size():
    x, kernel = jnp.ones((1, 200, 200, 3)), jnp.ones((3, 3, 3, 8))
    for name in ("toeplitz", "circulant"):
        with pytest.raises(
            jconv.UnsupportedError, match=r"its dense matrix would take [\d,]+ MiB, above the bound of 256"
        ):
            jconv.conv(x, kernel, formulation=name)
    with pytest.raises(jconv.UnsupportedError, match=r"its stored entries would take [\d,]+ MiB"):
        jconv.conv(x, jnp.ones((7, 7, 3, 64)), formulation="sparse")
    with pytest.raises(jconv.UnsupportedError, match="toeplitz_matrix: the matrix must take at most 256 MiB"):
        jconv.toeplitz_matrix(kernel, (200, 200))
    with pytest.raises(jconv.UnsupportedError, match="circulant_matrix: the matrix must take at most 256 MiB"):
        jconv.circulant_matrix(kernel, (200, 200))


def test_general_dilated_reports_what_lax_reports():
    with pytest.raises(jconv.GeometryError, match="conv_general_dilated: arguments must be ones that lax accepts"):
        jconv.conv_general_dilated(jnp.ones((1, 3, 8, 8)), jnp.ones((4, 2, 3, 3)), (1, 1), "SAME")
    with pytest.raises(jconv.GeometryError, match="conv_general_dilated: lhs and rhs must have the same dtype"):
        jconv.conv_general_dilated(jnp.ones((1, 3, 8, 8)), jnp.ones((4, 3, 3, 3), "bfloat16"), (1, 1), "SAME")


def test_general_dilated_knows_the_words_of_lax_only():
    with pytest.raises(jconv.GeometryError, match=r"conv_general_dilated: arguments must be .*CAUSAL"):
        jconv.conv_general_dilated(jnp.ones((1, 3, 8)), jnp.ones((4, 3, 3)), (1,), "CAUSAL")
    with pytest.raises(jconv.GeometryError, match="conv_general_dilated: lhs must be a numeric array; got str"):
        jconv.conv_general_dilated("image.png", jnp.ones((4, 3, 3)), (1,), "SAME")  # pyright: ignore


@pytest.mark.parametrize("name", ["direct", "patches", "sparse"])
@pytest.mark.parametrize(
    "dtypes",
    [("int8", "int16"), ("uint8", "int16"), ("int8", "float32"), ("float16", "bfloat16"), ("bfloat16", "float32")],
)
def test_a_result_that_holds_x_is_computed(name, dtypes):
    """What lax takes, every formulation takes."""
    x, kernel = X.astype(dtypes[0]), K.astype(dtypes[0])
    y = jconv.conv(x, kernel, preferred_element_type=dtypes[1], formulation=name)
    assert y.dtype == dtypes[1]
    assert (y == 24).all()


def test_an_unknown_formulation_on_an_empty_batch():
    with pytest.raises(jconv.UnsupportedError, match="conv: formulation must be one of"):
        jconv.conv(X[:0], K, formulation="patchez")


@pytest.mark.parametrize("wrong", ["image.png", None, object()])
def test_what_is_no_array(wrong):
    with pytest.raises(jconv.GeometryError, match="conv: x must be a numeric array; got"):
        jconv.conv(wrong, K)
    with pytest.raises(jconv.GeometryError, match="conv: kernel must be a numeric array; got"):
        jconv.conv(X, wrong)


def test_an_image_of_integers_is_to_become_floating():
    with pytest.raises(jconv.GeometryError, match=r"got uint8 and float32. Cast one, as in x.astype\(kernel.dtype\)"):
        jconv.conv(X.astype("uint8"), K)


@pytest.mark.parametrize("builder", ["toeplitz_matrix", "circulant_matrix"])
@pytest.mark.parametrize("size", [(5,), 5.0, -5])
def test_matrices_want_a_size_for_each_axis(builder, size):
    with pytest.raises(jconv.GeometryError, match=f"{builder}: input_size must be an int, or one per space axis"):
        getattr(jconv, builder)(K, size)


def test_an_index_pattern_has_one_axis():
    with pytest.raises(jconv.GeometryError, match="index_pattern: window must be an int"):
        jconv.index_pattern(5, (3,))  # pyright: ignore[reportArgumentType]


def test_patches_wants_to_know_its_axes():
    with pytest.raises(jconv.GeometryError, match="patches: window must have one int per space axis"):
        jconv.patches(X, 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(jconv.GeometryError, match="patches: x must have at least 2 axes"):
        jconv.patches(jnp.float32(1), (2,))


def test_general_dilated_places_nothing():
    with pytest.raises(jconv.GeometryError, match="conv_general_dilated: out_sharding must be None"):
        jconv.conv_general_dilated(jnp.ones((0, 3, 8, 8)), jnp.ones((4, 3, 3, 3)), (1, 1), "SAME", out_sharding="x")


def test_cost_knows_its_formulations():
    with pytest.raises(jconv.UnsupportedError, match=r"cost: formulation must be one of .* Did you mean 'shifts'"):
        jconv.cost((8, 8, 3), (3, 3, 3, 4), formulation="shift")


def test_every_error_is_a_value_error():
    for error in (jconv.GeometryError, jconv.UnsupportedError, jconv.ConfigError):
        assert issubclass(error, jconv.JconvError)
        assert issubclass(error, ValueError)


def test_an_unknown_name_of_the_package():
    with pytest.raises(AttributeError, match="module 'jconv' has no attribute 'convolution'"):
        _ = jconv.convolution
