"""Bad input gives one clear sentence: a row per message, matched on its words."""

import jax
import jax.numpy as jnp
import numpy as np
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
    "groups zero": (X, K, {"groups": 0}, "conv: groups must be an int, at least 1; got groups=0"),
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
    "stride huge": (X, K, {"stride": 10**30}, "conv: stride must be an int"),
    "stride bool": (X, K, {"stride": True}, "conv: stride must be an int, .*; got stride=True"),
    "stride set": (X, K, {"stride": {1, 2}}, "conv: stride must be an int"),
    "groups bool": (X, K, {"groups": True}, "conv: groups must be an int, at least 1; got groups=True"),
    "groups sequence": (X, K, {"groups": (1,)}, r"conv: groups must be an int, at least 1; got groups=\(1,\)"),
    "padding bool": (X, K, {"padding": True}, "conv: padding must be ints .* got True"),
    "padding float": (X, K, {"padding": np.array([1.0, 2.0])}, "conv: padding must be ints"),
    "dtype without zero": (
        X.astype("float8_e8m0fnu"),
        K.astype("float8_e8m0fnu"),
        {},
        "conv: x must have a dtype that can hold sums; got float8_e8m0fnu",
    ),
    "keys": (jax.random.split(jax.random.key(0), X.shape), K, {}, "conv: x must be a numeric array; got dtype key"),
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


D = jnp.ones((3, 2, 1, 4))
OPS = {
    "conv": lambda **given: jconv.conv(X, K, **given),
    "conv_transpose": lambda **given: jconv.conv_transpose(jnp.ones((1, 4, 4, 8)), K, **given),
    "depthwise_conv": lambda **given: jconv.depthwise_conv(X, D, **given),
    "separable_conv": lambda **given: jconv.separable_conv(X, D, jnp.ones((1, 1, 4, 8)), **given),
    "spatially_separable_conv": lambda **given: jconv.spatially_separable_conv(
        X, [jnp.ones((3, 1, 4, 8)), jnp.ones((2, 1, 4, 8))], **given
    ),
    "local_conv": lambda **given: jconv.local_conv(X, jnp.ones((4, 4, *K.shape)), **given),
    "conv_general_dilated": lambda **given: jconv.conv_general_dilated(
        jnp.moveaxis(X, -1, 1), K.transpose(3, 2, 0, 1), (1, 1), "VALID", **given
    ),
}


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("wrong", ["hi", "HIGH", 7, ("high", "bad"), ("high", None), {}])
def test_an_unknown_precision(name, wrong):
    with pytest.raises(jconv.GeometryError, match=f"^{name}: precision must be None, 'default', 'high', 'highest', "):
        OPS[name](precision=wrong)


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize(
    "precision", ["highest", ["high", "default"], jax.lax.Precision.HIGH, jax.lax.DotAlgorithmPreset.F32_F32_F32]
)
def test_every_precision_of_lax(name, precision):
    np.testing.assert_allclose(OPS[name](precision=precision), OPS[name]())


@pytest.mark.parametrize("name", OPS)
def test_errors_carry_the_name_of_the_function(name):
    wrong = {"preferred_element_type": "int8", "padding_mode": "wrap"}
    if name != "local_conv":
        wrong["formulation"] = "patch"
    if name != "conv_general_dilated":
        wrong |= {"stride": 0, "dilation": 0, "bias": jnp.ones(3)}
    for argument, value in wrong.items():
        with pytest.raises(jconv.JconvError, match=f"^{name}: "):
            OPS[name](**{argument: value})


@pytest.mark.parametrize("name", [name for name in OPS if name != "conv_general_dilated"])
def test_arrays_of_ints_are_ints(name):
    if name == "local_conv":
        given = jconv.local_conv(X, jnp.ones((6, 3, *K.shape)), stride=np.array([1, 2]), padding=np.array([[1, 1]] * 2))
        wanted = jconv.local_conv(X, jnp.ones((6, 3, *K.shape)), stride=(1, 2), padding=1)
    else:
        given = OPS[name](stride=np.array([1, 2]), padding=[np.array([1, 0]), np.int64(1)], dilation=jnp.array([1, 1]))
        wanted = OPS[name](stride=(1, 2), padding=[(1, 0), 1])
    np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"formulation": "patch"}, "formulation must be one of"),
        ({"padding_mode": "wrap"}, "padding_mode must be one of"),
        ({"precision": "hi"}, "precision must be None"),
        ({"window_strides": (0, 1)}, "window_strides must be an int"),
        ({"rhs_dilation": (1.0, 1.0)}, "rhs_dilation must be an int"),
        ({"batch_group_count": 1.0}, "batch_group_count must be an int, at least 1"),
        ({"feature_group_count": None}, "feature_group_count must be an int, at least 1"),
    ],
)
@pytest.mark.parametrize("batch", [0, 2])
def test_general_dilated_checks_empty_operands_too(batch, given, words):
    arguments = {"window_strides": (1, 1), "padding": "VALID", **given}
    with pytest.raises(jconv.JconvError, match=f"^conv_general_dilated: {words}"):
        jconv.conv_general_dilated(jnp.ones((batch, 3, 8, 8)), jnp.ones((4, 3, 3, 3)), **arguments)


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jconv.index_pattern(5.0, 3), "index_pattern: input_size must be an int, at least 0"),
        (lambda: jconv.index_pattern("5", 3), "index_pattern: input_size must be an int"),
        (lambda: jconv.index_pattern(-5, 3), "index_pattern: input_size must be an int"),
        (lambda: jconv.index_pattern(True, 1), "index_pattern: input_size must be an int"),
        (lambda: jconv.index_pattern(5, 0), "index_pattern: window must be an int, at least 1"),
        (lambda: jconv.index_pattern(5, True), "index_pattern: window must be an int"),
        (lambda: jconv.toeplitz_matrix(None, 5), "toeplitz_matrix: kernel must be a numeric array; got NoneType"),
        (lambda: jconv.toeplitz_matrix(K > 0, 5), "toeplitz_matrix: kernel must be a numeric array; got dtype bool"),
        (lambda: jconv.toeplitz_matrix(K, True), "toeplitz_matrix: input_size must be an int"),
        (lambda: jconv.toeplitz_matrix(K, 5, groups=None), "toeplitz_matrix: groups must be an int, at least 1"),
        (lambda: jconv.toeplitz_matrix(K, 5, groups=(2,)), "toeplitz_matrix: groups must be an int, at least 1"),
        (lambda: jconv.circulant_matrix(None, 5), "circulant_matrix: kernel must be a numeric array"),
        (lambda: jconv.circulant_matrix(K, 5, groups="2"), "circulant_matrix: groups must be an int"),
        (lambda: jconv.patches(None, (2, 2)), "patches: x must be a numeric array"),
        (lambda: jconv.patches(X, None), "patches: window must have one int per space axis"),
        (lambda: jconv.patches(X, "22"), "patches: window must have one int per space axis"),
        (lambda: jconv.patches(X, ()), "patches: window must have one int per space axis"),
        (lambda: jconv.patches(X, np.int64(2)), "patches: window must have one int per space axis"),
        (lambda: jconv.patches(X, (True, True)), "patches: window must be an int"),
        (lambda: jconv.patches(X, (2, 0)), "patches: window must be an int, .* at least 1"),
        (lambda: jconv.conv_geometry(None, K.shape), "conv: x_shape must be a sequence of ints"),
        (lambda: jconv.conv_geometry((1, 6.0, 5, 4), K.shape), "conv: x_shape must be a sequence of ints"),
        (lambda: jconv.conv_transpose_geometry((6, 8), (3, -4, 8)), "conv_transpose: kernel_shape must be a sequence"),
        (lambda: jconv.separate(None, 1), "separate: kernel must be a numeric array"),
        (lambda: jconv.separate(K, 1.5), "separate: rank must be an int, at least 1"),
        (lambda: jconv.separable_conv(X, K, K), "separable_conv: depthwise_kernel must be"),
        (lambda: jconv.spatially_separable_conv(X, None), "spatially_separable_conv: factors must be two or more"),
    ],
)
def test_sizes_that_are_none(call, words):
    with pytest.raises(jconv.GeometryError, match=words):
        call()


def test_matrices_and_patches_of_nothing():
    assert jconv.toeplitz_matrix(K[:, :, :0], (6, 5)).shape == (4 * 4 * 8, 0)
    assert jconv.toeplitz_matrix(K[..., :0], (6, 5)).shape == (0, 6 * 5 * 4)
    assert jconv.circulant_matrix(K[:, :, :0], (6, 5)).shape == (6 * 5 * 8, 0)
    assert jconv.patches(X[..., :0], (3, 2)).shape == (1, 4, 4, 3, 2, 0)
    assert jconv.patches(X[:, :0], (1, 2), padding=1).shape == (1, 2, 6, 1, 2, 4)
    np.testing.assert_array_equal(jconv.patches(X, np.array([3, 2])), jconv.patches(X, (3, 2)))


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
