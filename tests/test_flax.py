"""The layers of `jconv.nnx` and `jconv.linen` against Flax's own: same parameters, same numbers; holes filled."""

import functools
import inspect
from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from flax import nnx
from stated import needs

import jconv
import jconv.linen
import jconv.nnx
from jconv.errors import GeometryError, JconvError, UnsupportedError
from jconv.formulations import FORMULATIONS

pytestmark = pytest.mark.versions

Case = tuple[tuple[int, ...], tuple[int, int], dict[str, Any]]


def case(sizes: tuple[int, ...], features: tuple[int, int], kernel_size: Any, **arguments: Any) -> Case:
    """Batch and space sizes, in and out features, what both constructors take. No two axes of one size."""
    return sizes, features, {"kernel_size": kernel_size, **arguments}


CONV = {
    "SAME, strides, groups": case((2, 7, 9), (4, 6), (3, 4), strides=(2, 3), feature_group_count=2),
    "same in small letters": case((7,), (3, 4), 4, padding="same"),
    "SAME, 3-D": case((2, 4, 6, 7), (2, 3), (2, 3, 4), strides=2),
    "input dilation": case((2, 5, 7), (2, 3), (3, 4), input_dilation=(2, 3), strides=(1, 2), padding=((2, 1), (0, 3))),
    "VALID, dilation": case((2, 9, 8), (2, 3), (3, 2), padding="VALID", kernel_dilation=(2, 3)),
    "VALID, None": case((6, 5), (2, 3), (3,), padding="VALID", strides=None, input_dilation=None),
    "CIRCULAR, even": case((2, 7, 9), (3, 4), (4, 3), padding="CIRCULAR", kernel_dilation=(1, 2)),
    "CIRCULAR, wider than x": case((5,), (2, 3), 5, padding="CIRCULAR", kernel_dilation=3),
    "CIRCULAR, 3-D": case((4, 5, 6), (2, 4), (2, 3, 2), padding="CIRCULAR", strides=(2, 1, 3), feature_group_count=2),
    "REFLECT": case((2, 7, 9), (3, 4), (4, 3), padding="REFLECT", strides=(2, 1), kernel_dilation=2),
    "CAUSAL": case((2, 3, 11), (4, 5), (3,), padding="CAUSAL", kernel_dilation=2, strides=2),
    "int": case((3, 2, 5, 6), (2, 4), (3, 2), padding=2),
    "sequence": case((2, 5, 6), (2, 4), (3, 2), padding=[1, (2, 0)]),
    "negative, no bias": case((7, 9), (2, 3), (3, 4), padding=((-1, 0), (2, -2)), use_bias=False),
    "mask": case((8,), (3, 4), (3,), mask=np.tril(np.ones((3, 3, 4), np.float32))),
}
TRANSPOSE = {
    "SAME": case((2, 4, 5), (3, 4), (4, 3), strides=(2, 1)),
    "SAME, window below stride": case((2, 4), (2, 3), 2, strides=3),
    "SAME, 3-D": case((2, 3, 4, 5), (1, 2), (2, 3, 4), strides=2),
    "VALID, dilation": case((4, 5), (2, 3), (3, 2), padding="VALID", strides=2, kernel_dilation=2),
    "VALID, window below stride": case((2, 4), (2, 3), 2, padding="VALID", strides=4),
    "CIRCULAR, even": case((2, 5, 6), (2, 3), (4, 2), padding="CIRCULAR", strides=(1, 1)),
    "CIRCULAR, odd rest": case((2, 3, 4, 5), (2, 3), (3, 5), padding="CIRCULAR", strides=(2, 2)),
    "CIRCULAR, window below stride": case((2, 4), (2, 3), 2, padding="CIRCULAR", strides=3),
    "CIRCULAR, twice around": case((2, 3), (2, 3), 5, padding="CIRCULAR", kernel_dilation=4),
    "sequence, no bias": case((5, 6), (2, 4), (3, 2), padding=[1, (0, 2)], use_bias=False, strides=3),
}


def integers(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).integers(-4, 5, shape), jnp.float32)


def draw(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    return integers(10, *shape).astype(dtype)


# Initializers that compile nothing, and draw what float32 adds exactly.
INIT: dict[str, Any] = {"kernel_init": draw, "bias_init": draw}
BUILD: dict[str, Any] = {**INIT, "rngs": nnx.Rngs(0)}
Conv = functools.partial(jconv.nnx.Conv, **BUILD)
Transpose = functools.partial(jconv.nnx.ConvTranspose, **BUILD)


def value_and_gradients(apply: Any, variables: Any, x: jax.Array) -> Any:
    """Return the gradients of Σ y² by the parameters and x, and y."""

    def loss(variables: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = apply(variables, x)
        return (y * y).sum(), y

    return jax.jit(jax.grad(loss, (0, 1), has_aux=True))(variables, x)


def same(ours: Any, theirs: Any) -> None:
    """Assert equal trees: structure, dtypes, shapes and every number."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a, b)


def nnx_pair(name: str, case: Case, **more: Any) -> tuple[Any, Any, jax.Array]:
    """Return Flax's layer with integer parameters, ours with its state, and an integer input."""
    sizes, (into, out), arguments = case
    ours, theirs = (getattr(module, name)(into, out, **BUILD, **arguments, **more) for module in (jconv.nnx, nnx))
    nnx.update(theirs, jax.tree.map(jnp.negative, nnx.state(theirs)))
    nnx.update(ours, nnx.state(theirs))
    return ours, theirs, integers(1, *sizes, into)


def outputs(name: str, case: Case, **more: Any) -> list[list[jax.Array]]:
    """Return what our layers, NNX and Linen, and Flax's give on the same parameters and input."""
    ours, theirs, x = nnx_pair(name, case, **more)
    variables = {"params": nnx.to_pure_dict(nnx.state(theirs))}
    both = [(ours, getattr(jconv.linen, name)), (theirs, getattr(flax.linen, name))]
    build = {"features": case[1][1], **case[2], **more}
    return jax.jit(lambda x: [[layer(x), linen(**build).apply(variables, x)] for layer, linen in both])(x)


@pytest.mark.parametrize("case", CONV.values(), ids=CONV)
def test_conv_is_flax(case: Case) -> None:
    same(*outputs("Conv", case))


@pytest.mark.parametrize("transpose_kernel", [False, True])
@pytest.mark.parametrize("case", TRANSPOSE.values(), ids=TRANSPOSE)
def test_conv_transpose_is_flax(case: Case, transpose_kernel: bool) -> None:
    same(*outputs("ConvTranspose", case, transpose_kernel=transpose_kernel))


@pytest.mark.parametrize(
    ("name", "case"),
    [("Conv", CONV[key]) for key in ("SAME, strides, groups", "CIRCULAR, wider than x", "REFLECT", "CAUSAL", "mask")]
    + [("ConvTranspose", TRANSPOSE[key]) for key in ("SAME", "VALID, window below stride", "CIRCULAR, odd rest")],
)
def test_gradients_are_flax(name: str, case: Case) -> None:
    ours, theirs, x = nnx_pair(name, case)
    (mine, state), (flaxs, _) = nnx.split(ours), nnx.split(theirs)
    same(*(value_and_gradients(lambda s, x, d=d: nnx.merge(d, s)(x), state, x) for d in (mine, flaxs)))


@pytest.mark.parametrize(
    ("name", "case"),
    [("Conv", CONV[key]) for key in ("SAME, strides, groups", "input dilation", "negative, no bias", "mask")]
    + [("ConvTranspose", TRANSPOSE[key]) for key in ("SAME", "VALID, dilation")]
    + [("ConvTranspose", case((2, 5, 6), (3, 2), 4, padding="CIRCULAR", transpose_kernel=True))],
)
def test_linen_is_flax(name: str, case: Case) -> None:
    sizes, (into, out), arguments = case
    x = integers(1, *sizes, into)
    ours, theirs = (getattr(module, name)(out, **INIT, **arguments) for module in (jconv.linen, flax.linen))
    variables = theirs.init(jax.random.key(0), x)
    same(ours.init(jax.random.key(0), x), variables)
    same(*(value_and_gradients(layer.apply, variables, x) for layer in (ours, theirs)))


@pytest.mark.parametrize("name", ["Conv", "ConvTranspose"])
def test_the_same_keys_draw_the_same_parameters(name: str) -> None:
    theirs, ours = (getattr(module, name)(3, 4, (2, 3), rngs=nnx.Rngs(5)) for module in (nnx, jconv.nnx))
    same(nnx.to_pure_dict(nnx.state(ours)), nnx.to_pure_dict(nnx.state(theirs)))
    linen = [getattr(module, name)(4, (2, 3)) for module in (flax.linen, jconv.linen)]
    same(*(layer.init(jax.random.key(5), integers(1, 5, 6, 3)) for layer in linen))
    # And a state of ours loads into Flax's.
    theirs, ours = (getattr(module, name)(3, 4, (2, 3), **BUILD) for module in (nnx, jconv.nnx))
    nnx.update(ours, jax.tree.map(jnp.negative, nnx.state(ours)))
    nnx.update(theirs, nnx.state(ours))
    same(ours(integers(1, 2, 5, 6, 3)), theirs(integers(1, 2, 5, 6, 3)))


@pytest.mark.parametrize(("ours", "theirs"), [(jconv.nnx, nnx), (jconv.linen, flax.linen)])
@pytest.mark.parametrize("name", ["Conv", "ConvTranspose"])
def test_constructors_are_flax_and_more(ours: Any, theirs: Any, name: str) -> None:
    """Every argument of Flax is ours, with its default; but `conv_general_dilated`, which `formulation` replaces."""
    mine, flaxs = (inspect.signature(getattr(module, name).__init__).parameters for module in (ours, theirs))
    wanted = [key for key in flaxs if not key.startswith("conv_general_dilated")]
    assert set(wanted) <= set(mine)
    assert mine["formulation"].default == "auto"
    assert all(mine[key].default == flaxs[key].default for key in wanted if not key.endswith("_init"))
    positional = [key for key in wanted if flaxs[key].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert [key for key in mine if key in positional] == positional


@pytest.mark.parametrize("formulation", ["auto", "patches"])
@pytest.mark.parametrize("key", ["SAME, strides, groups", "input dilation", "CIRCULAR, even", "VALID, None"])
def test_injected_into_flax(key: str, formulation: str) -> None:
    function = functools.partial(jconv.conv_general_dilated, formulation=formulation)
    _, (into, out), arguments = CONV[key]
    _, theirs, x = nnx_pair("Conv", CONV[key])
    injected = nnx.Conv(into, out, **BUILD, conv_general_dilated=function, **arguments)
    nnx.update(injected, nnx.state(theirs))
    same(injected(x), theirs(x))
    variables = {"params": nnx.to_pure_dict(nnx.state(theirs))}
    same(flax.linen.Conv(out, conv_general_dilated=function, **arguments).apply(variables, x), theirs(x))


def kernel_and_bias(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])


@pytest.mark.parametrize(
    ("padding", "more", "pads", "mode"),
    [
        ("SAME_LOWER", {"strides": (2, 1)}, [(2, 1), (1, 1)], "zeros"),
        ("EDGE", {}, [(1, 2), (1, 1)], "edge"),
        ("edge", {"kernel_dilation": 2}, [(3, 3), (2, 2)], "edge"),
        ("FULL", {}, [(3, 3), (2, 2)], "zeros"),
        ("SAME", {"input_dilation": (2, 1)}, [(1, 2), (1, 1)], "zeros"),
        ("CIRCULAR", {"input_dilation": (1, 3)}, [(1, 2), (1, 1)], "circular"),
    ],
)
def test_paddings_beyond_flax(padding: str, more: dict, pads: list, mode: str) -> None:
    x = integers(1, 2, 5, 6, 3)
    layer = Conv(3, 4, (4, 3), padding=padding, **more)
    names = {"strides": "stride", "kernel_dilation": "dilation", "input_dilation": "input_dilation"}
    more = {"padding": pads, "padding_mode": mode} | {names[key]: value for key, value in more.items()}
    np.testing.assert_array_equal(layer(x), reference.conv(np.asarray(x), *kernel_and_bias(layer), **more))


@pytest.mark.parametrize(
    ("arguments", "pads"),
    [
        # Pads of the input dilated by the stride, worked out by hand: window 4 at stride 3, then 3 at stride 1.
        ({"padding": "SAME_LOWER"}, [(2, 3), (1, 1)]),
        ({"padding": "SAME", "output_padding": (2, 0)}, [(3, 4), (1, 1)]),
        ({"padding": 1, "output_padding": (1, 0), "feature_group_count": 2}, [(1, 2), (1, 1)]),
        ({"padding": "VALID", "output_padding": (2, 0), "feature_group_count": 2}, [(3, 5), (2, 2)]),
    ],
)
@pytest.mark.parametrize("transpose_kernel", [False, True])
def test_transpose_beyond_flax(arguments: dict, pads: list, transpose_kernel: bool) -> None:
    """Flax's transposed convolution is the convolution of the dilated input; a transposed kernel is turned first."""
    x = integers(1, 2, 5, 6, 4)
    layer = Transpose(4, 6, (4, 3), (3, 1), transpose_kernel=transpose_kernel, **arguments)
    groups = arguments.get("feature_group_count", 1)
    kernel, bias = kernel_and_bias(layer)
    assert kernel.shape == ((4, 3, 6 // groups, 4) if transpose_kernel else (4, 3, 4 // groups, 6))
    if transpose_kernel:
        blocks = np.split(kernel[::-1, ::-1], groups, axis=-1)
        kernel = np.concatenate([block.swapaxes(-1, -2) for block in blocks], axis=-1)
    wanted = reference.conv(np.asarray(x), kernel, bias, padding=pads, input_dilation=(3, 1), groups=groups)
    np.testing.assert_array_equal(layer(x), wanted)
    variables = {"params": nnx.to_pure_dict(nnx.state(layer))}
    build = {"kernel_size": (4, 3), "strides": (3, 1), "transpose_kernel": transpose_kernel, **arguments}
    np.testing.assert_array_equal(jconv.linen.ConvTranspose(6, **build).apply(variables, x), wanted)


@pytest.mark.parametrize("padding", ["REFLECT", "EDGE"])
def test_transposed_border_is_the_adjoint(padding: str) -> None:
    build: dict[str, Any] = {"padding": padding, "use_bias": False, "feature_group_count": 2}
    forward = Conv(4, 6, (4, 3), (2, 3), **build)
    backward = Transpose(6, 4, (4, 3), (2, 3), transpose_kernel=True, **build)
    nnx.update(backward, nnx.state(forward))
    a, b = integers(1, 2, 8, 9, 4), integers(2, 2, 4, 3, 6)
    (by_a,) = jax.linear_transpose(forward, a)(b)
    np.testing.assert_array_equal(backward(b), by_a)


@pytest.mark.parametrize(("window", "stride"), [(5, 2), (2, 3)])
@pytest.mark.parametrize("transpose_kernel", [False, True])
def test_causal_transpose_sees_no_future(window: int, stride: int, transpose_kernel: bool) -> None:
    layer = Transpose(2, 3, window, stride, padding="CAUSAL", transpose_kernel=transpose_kernel)
    x = integers(1, 6, 2)
    kernel, bias = kernel_and_bias(layer)
    if transpose_kernel:
        kernel = kernel[::-1].swapaxes(-1, -2)
    build = {"padding": [(window - 1, stride - 1)], "input_dilation": stride}
    wanted = reference.conv(np.asarray(x)[None], kernel, bias, **build)[0]
    assert wanted.shape == (6 * stride, 3)
    np.testing.assert_array_equal(layer(x), wanted)
    np.testing.assert_array_equal(layer(x.at[4:].add(7.0))[: 4 * stride], wanted[: 4 * stride])


def test_depthwise_and_separable_are_composed_flax_layers() -> None:
    x = integers(1, 2, 7, 9, 3)
    ours = jconv.nnx.SeparableConv(3, 4, (3, 4), (2, 1), channel_multiplier=2, padding="CIRCULAR", **BUILD)
    arguments = {"padding": "CIRCULAR", "feature_group_count": 3, "use_bias": False}
    depthwise = nnx.Conv(3, 6, (3, 4), (2, 1), **BUILD, **arguments)
    pointwise = nnx.Conv(6, 4, (1, 1), **BUILD)
    nnx.update(depthwise, nnx.state(ours.depthwise))
    nnx.update(pointwise, nnx.state(ours.pointwise))
    assert set(nnx.to_pure_dict(nnx.state(ours))["depthwise"]) == {"kernel"}
    wanted = pointwise(depthwise(x))
    same(ours(x), wanted)
    linen = jconv.linen.SeparableConv(4, (3, 4), (2, 1), channel_multiplier=2, padding="CIRCULAR")
    variables = {"params": nnx.to_pure_dict(nnx.state(ours))}
    assert jax.tree.map(jnp.shape, linen.init(jax.random.key(0), x)) == jax.tree.map(jnp.shape, variables)
    same(linen.apply(variables, x), wanted)
    linen = jconv.linen.DepthwiseConv(6, (3, 4), (2, 1), padding="CIRCULAR", use_bias=False)
    same(linen.apply({"params": variables["params"]["depthwise"]}, x), depthwise(x))


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_every_formulation_in_a_layer(formulation: str) -> None:
    needs(formulation)
    for name, strides in (("Conv", 2), ("ConvTranspose", 2)):
        ours, theirs, x = nnx_pair(name, case((2, 6), (2, 3), 3, strides=strides))
        ours.formulation = formulation
        np.testing.assert_allclose(ours(x), theirs(x), rtol=0, atol=0 if FORMULATIONS[formulation].exact else 1e-3)


@pytest.mark.parametrize("name", ["Conv", "ConvTranspose"])
def test_dtypes_are_flax(name: str) -> None:
    half = {"dtype": jnp.bfloat16, "param_dtype": jnp.bfloat16}
    ours, theirs, x = nnx_pair(name, case((2, 6), (2, 3), 3, **half))
    same(ours(x), theirs(x))
    assert ours(x).dtype == jnp.bfloat16
    same(ours(jnp.asarray(x, jnp.int8)), theirs(jnp.asarray(x, jnp.int8)))
    half |= {"use_bias": False, "preferred_element_type": jnp.float32}
    wide = getattr(jconv.nnx, name)(2, 3, 3, **BUILD, **half)
    assert wide(x).dtype == jnp.float32
    linen = getattr(jconv.linen, name)(3, 3, **half)
    assert linen.apply({"params": nnx.to_pure_dict(nnx.state(wide))}, x).dtype == jnp.float32

    def doubled(arrays: tuple, dtype: Any = None) -> tuple:
        return tuple(a * 2 for a in arrays)

    plain = nnx_pair(name, case((2, 6), (2, 3), 3, promote_dtype=doubled))
    same(plain[0](x), plain[1](x))


def test_transforms_and_metadata() -> None:
    @nnx.vmap(in_axes=0, out_axes=0)
    def ensemble(key: jax.Array) -> jconv.nnx.Conv:
        return jconv.nnx.Conv(2, 3, 3, rngs=nnx.Rngs(key), formulation="shifts", kernel_metadata={"owner": "us"})

    layers, x = ensemble(jax.random.split(jax.random.key(0), 4)), integers(1, 2, 6, 2)
    assert (layers.kernel.shape, layers.kernel.owner) == ((4, 3, 2, 3), "us")
    together = nnx.vmap(lambda layer, x: layer(x), in_axes=(0, None))(layers, x)
    definition, state = nnx.split(layers)
    last = nnx.merge(definition, jax.tree.map(lambda a: a[-1], state))
    np.testing.assert_allclose(together[-1], last(x), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: Conv(3, 4, (3,), padding="CIRCLAR")(x), "Did you mean 'CIRCULAR'"),
        (lambda x: Conv(3, 4, (3,), formulation="patch")(x), "Did you mean 'patches'"),
        (lambda x: Conv(3, 4, (3,), feature_group_count=2), "Conv: feature_group_count must"),
        (lambda x: jconv.nnx.DepthwiseConv(3, 4, (3,), **BUILD), "DepthwiseConv: feature_group_count must"),
        (lambda x: Conv(3, 4, (0,)), "Conv: kernel_size must"),
        (lambda x: Conv(3, 4, (3,), mask=jnp.ones((3, 3)))(x), "Conv: mask must"),
        (lambda x: Conv(3, 4, (3, 3, 3))(x), "Conv: inputs must have at least 4 axes"),
        (lambda x: Conv(3, 4, (3,), strides=(1, 2))(x), "Conv: strides must"),
        (lambda x: Conv(5, 4, (3,))(x), "Conv: inputs must have the layer's in_features=5 .*; got shape"),
        (lambda x: Transpose(5, 4, (3,))(x), "ConvTranspose: inputs must have the layer's in_features=5"),
        (lambda x: Conv(3, 4, (9,), (1,), padding="REFLECT")(x[:, :3]), "at most size − 1"),
        (lambda x: Transpose(3, 4, (3,), padding="FULL")(x), "padding 'FULL' must have"),
        (lambda x: Transpose(3, 4, (3, 3), padding="CAUSAL")(x), "must have one space"),
        (lambda x: Transpose(3, 4, (3,), 2, padding="EDGE", output_padding=1)(x), "output_padding must be 0"),
        (lambda x: Transpose(3, 4, (3,), 2, output_padding=2)(x), "output_padding must be"),
        (lambda x: jconv.linen.DepthwiseConv(4, (3,), feature_group_count=2).init(jax.random.key(0), x), "left out"),
        (lambda x: jconv.linen.Conv(4, (3,), feature_group_count=2).init(jax.random.key(0), x), "count must split"),
    ],
)
def test_errors_teach(call: Any, words: str) -> None:
    with pytest.raises(UnsupportedError if "patches" in words else GeometryError, match=words):
        call(integers(1, 2, 5, 3))


@pytest.mark.parametrize("name", ["Conv", "ConvTranspose", "DepthwiseConv", "SeparableConv"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kernel_size": "33"}, "kernel_size must be an int, or one per space axis, at least 1; got kernel_size='33'"),
        ({"kernel_size": None}, "kernel_size must be an int"),
        ({"kernel_size": (3, -1)}, "kernel_size must be an int"),
        ({"kernel_size": ()}, "kernel_size must be an int"),
        ({"features": 0}, "out_features must be an int, at least 1; got out_features=0"),
        ({"features": -8}, "out_features must be an int"),
        ({"features": 8.0}, "out_features must be an int"),
        ({"features": None}, "out_features must be an int"),
        ({"strides": "2"}, "strides must be an int"),
        ({"strides": (1, 2, 3)}, "strides must be an int"),
        ({"mask": "m"}, "mask must be a numeric array; got str"),
        ({"mask": 1.0}, "mask must have the kernel's shape"),
        ({"precision": "hi"}, "precision must be None"),
        ({"formulation": "patch"}, "formulation must be one of .* Did you mean 'patches'"),
        ({"feature_group_count": 2.0}, "feature_group_count must be an int, at least 1"),
        ({"feature_group_count": 0}, "feature_group_count must be an int, at least 1"),
        ({"channel_multiplier": 0}, "channel_multiplier must be an int, at least 1"),
        ({"channel_multiplier": 1.5}, "channel_multiplier must be an int, at least 1"),
        ({"inputs": None}, "inputs must be a numeric array; got NoneType"),
        ({"inputs": 1.0}, "inputs must be "),
        ({"inputs": jnp.ones(4)}, "inputs must be "),
    ],
)
def test_wrong_arguments_of_layers(name: str, given: dict, words: str) -> None:
    (argument,) = given
    if (argument == "feature_group_count" and "Conv" not in (name, name.removesuffix("Transpose"))) or (
        argument == "channel_multiplier" and name != "SeparableConv"
    ):
        pytest.skip("no argument of this layer")
    rest = {"kernel_size": (3, 3), **given}
    features, inputs = rest.pop("features", 8), rest.pop("inputs", jnp.ones((2, 6, 5, 4)))
    with pytest.raises(JconvError, match=words):
        getattr(jconv.nnx, name)(4, features, rngs=nnx.Rngs(0), **rest)(inputs)
    with pytest.raises(JconvError, match=words):
        getattr(jconv.linen, name)(features, **rest).init_with_output(jax.random.key(0), inputs)


def test_arrays_of_ints_make_layers() -> None:
    inputs: Any = jnp.ones((2, 6, 5, 4))
    eight: Any = np.int64(8)
    given: dict[str, Any] = {"kernel_size": np.array([3, 2]), "strides": np.array([1, 2])}
    assert jconv.nnx.Conv(4, eight, rngs=nnx.Rngs(0), **given)(inputs).shape == (2, 6, 3, 8)
    for layer in (jconv.linen.Conv, jconv.linen.SeparableConv):
        assert layer(8, **given).init_with_output(jax.random.key(0), inputs)[0].shape == (2, 6, 3, 8)
