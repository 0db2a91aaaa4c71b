"""Sizes and padding agree with XLA and with cases of others; geometries are closed under differentiation."""

import math
from dataclasses import replace
from itertools import starmap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from cases import Case, load
from hypothesis import assume, given
from hypothesis import strategies as st
from jax import lax
from problems import PROBLEMS, Problem

import jconv
from jconv.errors import GeometryError
from jconv.geometry import Geometry, conv_geometry, conv_transpose_geometry, resolve_padding

WORDS_OF_LAX = ("VALID", "SAME", "SAME_LOWER")


@st.composite
def axes_of(draw: st.DrawFn) -> list[tuple[int, int, int, int, int]]:
    """Draw (size, window, stride, dilation, input dilation) per space axis."""
    small = st.integers(1, 4)
    axis = st.tuples(st.integers(1, 20), st.integers(1, 7), small, small, small)
    return draw(st.lists(axis, min_size=1, max_size=3))


def lax_shape(size, window, stride, pads, dilation, input_dilation) -> tuple[int, ...]:
    """Return the output size that `lax.conv_general_dilated` infers."""
    axes = "DHW"[: len(size)]
    shaped = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1, *size, 1), (*window, 1, 1))]
    out = jax.eval_shape(
        lambda x, k: lax.conv_general_dilated(
            x, k, stride, pads, input_dilation, dilation, (f"N{axes}C", f"{axes}IO", f"N{axes}C")
        ),
        *shaped,
    )
    return out.shape[1:-1]


@given(axes=axes_of(), word=st.sampled_from(WORDS_OF_LAX))
def test_padding_words_are_those_of_lax(axes: list[tuple[int, ...]], word: str) -> None:
    size, window, stride, dilation, _ = zip(*axes, strict=True)
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True)]
    wanted = tuple(tuple(pair) for pair in lax.padtype_to_pads(size, extent, stride, word))
    assert resolve_padding("conv", word, size, extent, stride) == wanted
    assert tuple(reference.word_pads(word, size, extent, stride)) == wanted


@given(axes=axes_of(), data=st.data())
def test_output_sizes_are_those_of_lax(axes: list[tuple[int, ...]], data: st.DataObject) -> None:
    size, window, stride, dilation, input_dilation = zip(*axes, strict=True)
    pad = st.integers(-3, 6)
    pads = [(data.draw(pad), data.draw(pad)) for _ in axes]
    arguments = {"stride": stride, "padding": pads, "dilation": dilation, "input_dilation": input_dilation}
    dilated = [e * (n - 1) + 1 for e, n in zip(input_dilation, size, strict=True)]
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True)]
    # XLA crops no more than there is.
    assume(all(min(low, 0) + min(high, 0) + n >= 0 for n, (low, high) in zip(dilated, pads, strict=True)))
    fits = [n + low + high >= k for n, k, (low, high) in zip(dilated, extent, pads, strict=True)]
    if not all(fits):
        with pytest.raises(GeometryError, match="window must fit the padded input"):
            _ = conv_geometry((1, *size, 1), (*window, 1, 1), **arguments)
        return
    geometry = conv_geometry((1, *size, 1), (*window, 1, 1), **arguments)
    assert geometry.output_size == lax_shape(size, window, stride, pads, dilation, input_dilation)
    # The derived high padding is the caller's, less the rest that the stride leaves.
    rests = [asked - high for (_, asked), high in zip(pads, geometry.high, strict=True)]
    assert all(0 <= rest < s for rest, s in zip(rests, stride, strict=True))
    exact = list(zip(geometry.low, geometry.high, strict=True))
    assert all(
        n + low + high == padded for n, (low, high), padded in zip(dilated, exact, geometry.padded_size, strict=True)
    )


@given(axes=axes_of(), word=st.sampled_from(["VALID", "SAME", "SAME_LOWER", "FULL"]), groups=st.sampled_from([1, 2, 6]))
def test_gradients_are_involutions(axes: list[tuple[int, ...]], word: str, groups: int) -> None:
    size, window, stride, dilation, input_dilation = zip(*axes, strict=True)
    dilated = [e * (n - 1) + 1 for e, n in zip(input_dilation, size, strict=True)]
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True)]
    assume(word != "VALID" or all(k <= n for k, n in zip(extent, dilated, strict=True)))
    geometry = conv_geometry(
        (1, *size, 6), (*window, 6 // groups, 6), stride=stride, padding=word, dilation=dilation,
        input_dilation=input_dilation, groups=groups,
    )  # fmt: skip
    by_input, by_kernel = geometry.input_gradient(), geometry.kernel_gradient()
    assert by_input.input_gradient() == geometry
    assert by_kernel.kernel_gradient() == geometry
    assert (by_input.input_size, by_input.output_size) == (geometry.output_size, geometry.input_size)
    assert (by_input.stride, by_input.input_dilation) == (geometry.input_dilation, geometry.stride)
    assert (by_kernel.window, by_kernel.output_size) == (geometry.output_size, geometry.window)
    assert (by_kernel.stride, by_kernel.dilation) == (geometry.dilation, geometry.stride)
    # The same input, output and tap meet in all three; the kernel of the derivative by the input is flipped.
    meets = triples(geometry)
    assert [
        {(q, i, k - 1 - t) for i, q, t in found} for found, k in zip(triples(by_input), window, strict=True)
    ] == meets
    assert [{(i, t, q) for i, q, t in found} for found in triples(by_kernel)] == meets
    assert by_input.groups == by_kernel.groups == groups


def triples(geometry: Geometry) -> list[set[tuple[int, int, int]]]:
    """Return, per axis, which input i, output p and tap t meet: e·i = s·p + d·t − lo."""
    found = []
    for axis, (n, k, p) in enumerate(zip(geometry.input_size, geometry.window, geometry.output_size, strict=True)):
        s, d, e = geometry.stride[axis], geometry.dilation[axis], geometry.input_dilation[axis]
        entry = {e * i: i for i in range(n)}
        places = ((s * q + d * t - geometry.low[axis], q, t) for q in range(p) for t in range(k))
        found.append({(entry[place], q, t) for place, q, t in places if place in entry})
    return found


@pytest.mark.parametrize("case", PROBLEMS[::3], ids=str)
def test_gradients_by_their_geometries_are_those_of_the_reference(case: Problem) -> None:
    """The derivative by x and by the kernel, each computed as one more convolution by `direct`."""
    if case.padding_mode != "zeros":
        case = replace(case, padding_mode="zeros")
    case = replace(case, flip=False)
    x, kernel, _ = case.operands()
    arguments = {key: value for key, value in case.arguments.items() if key not in ("padding_mode", "flip")}
    geometry = conv_geometry(x.shape, kernel.shape, **arguments)
    rng = np.random.default_rng(3)
    ct = rng.integers(-4, 4, (len(x), *geometry.output_size, case.out_channels)).astype(np.float32)
    dx, dk, _ = reference.conv_gradients(ct, x, kernel, **arguments)
    groups = case.groups
    flipped = reference.turned(kernel, True)
    flipped = flipped.reshape(*flipped.shape[:-1], groups, case.out_channels // groups)
    flipped = np.swapaxes(flipped, -3, -1).reshape(*case.window, case.out_channels // groups, case.in_channels)
    np.testing.assert_array_equal(direct(ct, flipped, geometry.input_gradient()), dx)

    def batch_to_channels(array: np.ndarray) -> np.ndarray:
        """[N, *, G·c] → [c, *, G·N]."""
        split = array.reshape(*array.shape[:-1], groups, array.shape[-1] // groups)
        moved = np.moveaxis(split, (0, -1), (-1, 0))
        return moved.reshape(*moved.shape[:-2], groups * len(array))

    moved = np.moveaxis(batch_to_channels(ct), 0, -1)  # [*P, G·N, o] → the kernel [*P, N, G·o]
    moved = moved.reshape(*geometry.output_size, groups, len(x), case.out_channels // groups)
    moved = np.swapaxes(moved, -3, -2).reshape(*geometry.output_size, len(x), case.out_channels)
    got = direct(batch_to_channels(x), moved, geometry.kernel_gradient())  # [c, *k, G·o]
    np.testing.assert_array_equal(np.moveaxis(got, 0, -2), dk)


def direct(x: np.ndarray, kernel: np.ndarray, geometry: Geometry) -> np.ndarray:
    apply = jconv.FORMULATIONS["direct"].apply
    return np.asarray(apply(x, kernel, geometry, precision=None, preferred_element_type=jnp.dtype("float32")))


@pytest.mark.parametrize("case", [case for case in PROBLEMS if case.padding_mode == "zeros"][::2], ids=str)
def test_the_reference_is_lax(case: Problem) -> None:
    """The oracle itself, forward and backward, against XLA: it resolves words and crops by its own rules."""
    x, kernel, bias = case.operands()
    axes = "DHW"[: len(case.size)]
    pads = case.padding
    if isinstance(pads, str):
        pads = lax.padtype_to_pads(case.dilated_size, case.extent, case.stride, pads) if pads in WORDS_OF_LAX else (
            [(k - 1, k - 1 if pads == "FULL" else 0) for k in case.extent]
        )  # fmt: skip
    # XLA reads past its buffer on some negative paddings: crop by slices.
    cropped = [
        (max(-(low // e), 0), max(-(high // e), 0)) for (low, high), e in zip(pads, case.input_dilation, strict=True)
    ]
    pads = [
        (low + e * a, high + e * b) for (low, high), e, (a, b) in zip(pads, case.input_dilation, cropped, strict=True)
    ]
    inside = tuple(slice(a, n - b) for n, (a, b) in zip(case.size, cropped, strict=True))

    def call(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
        kernel = jnp.flip(kernel, range(kernel.ndim - 2)) if case.flip else kernel
        y = lax.conv_general_dilated(
            x[:, *inside], kernel, case.stride, pads, case.input_dilation, case.dilation,
            (f"N{axes}C", f"{axes}IO", f"N{axes}C"), case.groups,
        )  # fmt: skip
        return y + lax.broadcast(bias, y.shape[:-1])

    y, pull = jax.vjp(jax.jit(call), x, kernel, bias)
    np.testing.assert_array_equal(y, reference.conv(x, kernel, bias, **case.arguments))
    ct = np.random.default_rng(4).integers(-4, 4, y.shape).astype(np.float32)
    for got, wanted in zip(pull(ct), reference.conv_gradients(ct, x, kernel, **case.arguments), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_transposed_maps_the_output_back() -> None:
    geometry = conv_geometry((1, 32, 9, 1), (3, 2, 1, 1), stride=2, padding=((1, 1), (0, 0)))
    assert (geometry.input_size, geometry.output_size) == ((32, 9), (16, 4))
    assert geometry.transposed().input_size == (16, 4)
    assert geometry.transposed().output_size == (32, 9)
    assert geometry.transposed() == geometry.input_gradient()
    assert geometry.transposed((0, 1)).output_size == (32, 10)
    with pytest.raises(GeometryError, match="output_padding must be an int"):
        _ = geometry.transposed(-1)


@given(axes=axes_of(), data=st.data())
def test_transposed_geometry_is_that_of_the_convolution(axes: list[tuple[int, ...]], data: st.DataObject) -> None:
    size, window, stride, dilation, _ = zip(*axes, strict=True)
    more = [data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
    forward, pads = conv_transpose_geometry(
        (1, *size, 1), (*window, 1, 1), stride=stride, dilation=dilation, output_padding=more
    )
    assert pads == ((0, 0),) * len(axes)
    assert forward.output_size == size
    assert forward.input_size == tuple(starmap(
        lambda n, s, k, d, rest: (n - 1) * s + d * (k - 1) + rest + 1,
        zip(size, stride, window, dilation, more, strict=True),
    ))  # fmt: skip
    assert forward.input_gradient().output_size == forward.input_size


@given(axes=axes_of(), word=st.sampled_from(["SAME", "SAME_LOWER"]))
def test_transposed_words_give_size_times_stride(axes: list[tuple[int, ...]], word: str) -> None:
    size, window, stride, dilation, _ = zip(*axes, strict=True)
    forward, pads = conv_transpose_geometry(
        (1, *size, 1), (*window, 1, 1), stride=stride, dilation=dilation, padding=word
    )
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True)]
    assert forward.input_size == tuple(n * s for n, s in zip(size, stride, strict=True))
    assert list(pads) == reference.transpose_pads(word, extent, stride)


def sizes(row: Case, kernel: str = "conv") -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of x and kernel of a row of shapes."""
    depth = (row["ic"] // row["g"], row["oc"]) if kernel == "conv" else (row["oc"] // row["g"], row["ic"])
    return (row["mb"], *row["i"], row["ic"]), (*row["k"], *depth)


def test_arithmetic_of_the_guide() -> None:
    rows = load("arith_conv_arithmetic")
    assert len(rows) == 619
    for row in rows:
        shapes, arguments = ((row["i"], 1), (row["k"], 1, 1)), {"stride": row["s"], "padding": row["p"]}
        if row["op"] == "conv":
            assert conv_geometry(*shapes, dilation=row["d"], **arguments).output_size == (row["o"],), row["name"]
            continue
        forward, _ = conv_transpose_geometry(*shapes, dilation=row["d"], output_padding=row["a"], **arguments)
        assert forward.input_size == (row["o"],), row["name"]
        assert forward.input_gradient().output_size == (row["o"],), row["name"]


@pytest.mark.parametrize("name", ["shapes_onednn_conv", "shapes_convbench"])
def test_shapes_of_networks(name: str) -> None:
    for row in load(name):
        pads = list(zip(row["pl"], row["pr"], strict=True))
        arguments = {"stride": row["s"], "dilation": row["d"], "groups": row["g"]}
        word = row.get("padding")
        geometry = conv_geometry(*sizes(row), padding="SAME" if word == "SAME_UPPER" else pads, **arguments)
        assert geometry.output_size == tuple(row["o"]), row["name"]
        assert geometry.groups == row["g"]


def test_shapes_of_transposed_networks() -> None:
    for row in load("shapes_onednn_deconv"):
        # A negative high padding is output padding, where that is allowed to be so large.
        pads = list(zip(row["pl"], row["pr"], strict=True))
        forward, _ = conv_transpose_geometry(
            *sizes(row, "conv_transpose"), stride=row["s"], dilation=row["d"], groups=row["g"], padding=pads
        )
        assert forward.input_size == tuple(row["o"]), row["name"]


def test_shapes_of_pools() -> None:
    rows = [row for row in load("shapes_onednn_pool") if math.prod(row["i"]) * row["mb"] * row["ic"] < 2**40]
    for row in rows:
        pads = list(zip(row["pl"], row["pr"], strict=True))
        geometry = conv_geometry((1, *row["i"], 1), (*row["k"], 1, 1), stride=row["s"], dilation=row["d"], padding=pads)
        assert geometry.output_size == tuple(row["o"]), row["name"]


def test_shapes_of_the_tests_of_jax() -> None:
    """Forward rows; the transposed ones have pads of a forward convolution or words, and are resolved there."""
    seen = set()
    for row in load("params_jax"):
        lhs, rhs = row["lhs"], row["rhs"]
        if row["test"].startswith("testConvTranspose"):
            continue
        if 0 in (*lhs, *rhs) or row["batch_group_count"] > 1:
            continue  # Without entries no convolution; batch groups are of lax's signature alone.
        x, kernel = (lhs[0], *lhs[2:], lhs[1]), (*rhs[2:], rhs[1], rhs[0])
        arguments = {"stride": row["s"], "dilation": row["rhs_dilation"], "input_dilation": row["lhs_dilation"]}
        arguments["padding"] = row["padding"] if isinstance(row["padding"], str) else row["pads"]
        if 0 in row["out"]:  # Where lax returns an empty array, jconv says that the window does not fit.
            with pytest.raises(GeometryError, match="window must fit"):
                _ = conv_geometry(x, kernel, groups=row["feature_group_count"], **arguments)
            continue
        geometry = conv_geometry(x, kernel, groups=row["feature_group_count"], **arguments)
        assert (lhs[0], rhs[0], *geometry.output_size) == tuple(row["out"]), row["name"]
        seen.add(row["test"])
    assert len(seen) >= 4


def test_shapes_of_the_tests_of_torch() -> None:
    for row in load("params_torch_opinfo"):
        x, w = row["x"], row["w"]
        size, window = x[-row["nd"] :], w[2:]
        channels = x[-row["nd"] - 1]
        arguments = {"stride": row["s"], "dilation": row["d"], "groups": row["g"]}
        padding = row["padding"].upper() if isinstance(row["padding"], str) else row["padding"]
        kernel = (*window, w[1], w[0])  # O I, and for the transposed I O: the first stands last in both.
        if row["op"] == "conv":
            found = conv_geometry((*size, channels), kernel, padding=padding, **arguments).output_size
        else:
            forward, _ = conv_transpose_geometry(
                (*size, channels), kernel, padding=padding, output_padding=row["output_padding"], **arguments
            )
            found = forward.input_size
        assert found == tuple(row["y_shape"][-row["nd"] :]), row["name"]
