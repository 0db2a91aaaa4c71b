"""What `auto` takes: what `explain` says is what is lowered, within its bounds."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jconv
from jconv._compat import Program
from jconv.costs import parse_problem
from jconv.formulations._xla import xla_conv
from jconv.selection import choose

pytestmark = pytest.mark.versions


def shaped(*shape, dtype="float32"):
    return jax.ShapeDtypeStruct(shape, dtype)


CASES = {
    "dense": ((2, 8, 8, 4), (3, 3, 4, 4), {"padding": "SAME"}, "direct", 1),
    "unpadded": ((2, 18, 18, 4), (3, 3, 4, 4), {}, "overhang", 1),
    "tiles": ((2, 32, 32, 64), (3, 3, 64, 64), {"padding": "SAME"}, "winograd", 0),
    "long series": ((1, 10000, 1), (129, 1, 1), {}, "overlap_add", 0),
    "depthwise": ((2, 8, 8, 4), (3, 3, 1, 8), {"groups": 4}, "shifts", 0),
    "dilated input": ((2, 8, 8, 32), (5, 5, 16, 32), {"input_dilation": 2, "groups": 2}, "phases", 4),
    "many phases": ((2, 8, 8, 32), (16, 16, 16, 32), {"input_dilation": 16, "groups": 2}, "by_group", 1),
    "image filter": ((1, 64, 64, 1), (5, 5, 1, 1), {"padding": "SAME"}, "shifts", 0),
    "small image filter": ((1, 32, 32, 1), (5, 5, 1, 1), {"padding": "SAME"}, "direct", 1),
    "large image filter": ((1, 64, 64, 1), (15, 15, 1, 1), {"padding": "SAME"}, "fft", 0),
    "few channels": ((1, 64, 64, 3), (3, 3, 3, 16), {"padding": "SAME"}, "lanes", 0),
    "stem": ((1, 64, 64, 3), (3, 3, 3, 32), {"stride": 2, "padding": 1}, "space_to_depth", 1),
    "large kernel": ((1, 7, 7, 128), (3, 3, 128, 64), {"padding": 1}, "patches", 0),
    "deep dilated input": ((1, 16, 16, 256), (4, 4, 256, 8), {"input_dilation": 2}, "col2im", 0),
    "large deep dilated input": ((1, 256, 256, 128), (2, 2, 128, 128), {"input_dilation": 2}, "phases", 4),
    "few outputs": ((1, 64, 64, 32), (3, 3, 32, 1), {"padding": "SAME"}, "col2im", 0),
    "volume": ((1, 6, 6, 6, 16), (3, 3, 3, 16, 16), {}, "shifts", 0),
    "dilated volume": ((1, 7, 7, 7, 8), (2, 2, 2, 8, 16), {"input_dilation": 2}, "col2im", 0),
    "grouped volume": ((1, 6, 6, 6, 32), (2, 2, 2, 16, 32), {"input_dilation": 2, "groups": 2}, "phases", 8),
    "few groups": ((1, 40, 40, 32), (3, 3, 16, 32), {"groups": 2}, "by_group", 1),
    "filter longer than its series": ((1, 40, 4), (129, 1, 4), {"groups": 4, "padding": "SAME"}, "direct", 1),
}


@pytest.fixture
def no_library(monkeypatch):
    """A jaxlib without oneDNN: what the programs' rules say."""
    monkeypatch.setattr("jconv.formulations.onednn.missing", lambda: "this test has none")


@pytest.mark.usefixtures("no_library")
@pytest.mark.parametrize(("x", "kernel", "arguments", "name", "convolutions"), CASES.values(), ids=CASES)
def test_what_is_explained_is_lowered(x, kernel, arguments, name, convolutions):
    explanation = jconv.explain(shaped(*x), shaped(*kernel), platform="cpu", **arguments)
    assert explanation.formulation == name
    program = jax.jit(lambda x, k: jconv.conv(x, k, **arguments)).lower(shaped(*x), shaped(*kernel)).as_text()
    assert program.count("stablehlo.convolution") == convolutions
    assert jconv.explain(shaped(*x), shaped(*kernel), platform="tpu", **arguments).formulation == "direct"


@pytest.mark.usefixtures("no_library")
def test_integers_take_what_computes_them():
    x, kernel = (8, 14, 14, 256), (3, 3, 8, 256)
    taken = [
        jconv.explain(shaped(*x, dtype=dtype), shaped(*kernel, dtype=dtype), padding=1, groups=32, platform="cpu")
        for dtype in ("float32", "int32")
    ]
    assert [explanation.formulation for explanation in taken] == ["winograd", "shifts"]


def test_an_overhang_pads_what_has_no_padding():
    def text(**arguments):
        convolve = functools.partial(jconv.conv, formulation="overhang", **arguments)
        return jax.jit(convolve).lower(jnp.ones((1, 8, 8, 4)), jnp.ones((3, 3, 4, 4))).as_text()

    assert "pad = [[0, 1], [0, 0]]" in text()
    assert "pad = [[1, 1], [1, 1]]" in text(padding=1)


def test_on_a_tpu_small_depthwise_windows_are_shifts():
    """What the compiler's study says; the kernel's gradient stays XLA's own."""
    x, kernel = shaped(8, 28, 28, 192), shaped(3, 3, 1, 192)
    explanation = jconv.explain(x, kernel, padding=1, groups=192, platform="tpu")
    assert (explanation.formulation, "compiler" in explanation.reason) == ("shifts", True)

    def taken(size, window, **more):
        arrays = shaped(8, size, size, 192), shaped(window, window, 1, 192)
        return jconv.explain(*arrays, padding=window // 2, groups=192, platform="tpu", **more).formulation

    assert (taken(28, 5), taken(28, 7)) == ("shifts", "direct")
    assert (taken(28, 3, stride=2), taken(56, 3, stride=2)) == ("shifts", "direct")
    assert taken(28, 3, dilation=2) == "direct"
    assert jconv.explain(x, kernel, padding=1, groups=192, platform="cuda").formulation == "direct"

    def gradients(x, kernel):
        return jax.grad(lambda x, kernel: jconv.conv(x, kernel, padding=1, groups=192).sum(), (0, 1))(x, kernel)

    text = export.export(jax.jit(gradients), platforms=["tpu"])(x, kernel).mlir_module()
    assert text.count("stablehlo.convolution") == 1


FEW = {  # the name says inputs → outputs and images of the layer, whose kernel's gradient it is
    "1 → 1, one image, 3×3": ("n1_i128x128c1_k128x128o1_s1x1_p1:1x1:1_d1x1_g1", "row_scan", "row_scan"),
    "1 → 1, one image, 5×5": ("n1_i128x128c1_k128x128o1_s1x1_p2:2x2:2_d1x1_g1", "fft", "fft"),
    "1 → 8, one image, 5×5": ("n1_i128x128c1_k128x128o8_s1x1_p2:2x2:2_d1x1_g1", "row_scan", "row_scan"),
    "1 → 3, one large image, 3×3": ("n1_i512x512c1_k512x512o3_s1x1_p1:1x1:1_d1x1_g1", "direct", "direct"),
    "1 → 3, one small image, 3×3": ("n1_i14x14c1_k14x14o3_s1x1_p1:1x1:1_d1x1_g1", "direct", "direct"),
    "8 → 8, two images, 3×3": ("n8_i56x56c2_k56x56o8_s1x1_p1:1x1:1_d1x1_g1", "row_scan", "row_scan"),
    "8 → 8, four images, 3×3": ("n8_i56x56c4_k56x56o8_s1x1_p1:1x1:1_d1x1_g1", "direct", "direct"),
    "8 → 8, one image, 7×7": ("n8_i56x56c1_k56x56o8_s1x1_p3:3x3:3_d1x1_g1", "onednn", "row_scan"),
    "3 → 16, strided, 5×5": ("n3_i128x128c1_k64x64o16_s1x1_p2:1x2:1_d2x2_g1", "onednn", "row_scan"),
    "3 → 32, strided, 5×5": ("n3_i128x128c1_k64x64o32_s1x1_p2:1x2:1_d2x2_g1", "direct", "direct"),
    "3 → 32, one image, 7×7": ("n3_i64x64c1_k64x64o32_s1x1_p3:3x3:3_d1x1_g1", "direct", "direct"),
    "3 → 32, strided, 7×7": ("n3_i128x128c1_k64x64o32_s1x1_p3:2x3:2_d2x2_g1", "onednn", "direct"),
    "1 → 1, 32 images, 7×7": ("n1_i56x56c32_k56x56o1_s1x1_p3:3x3:3_d1x1_g1", "direct", "direct"),
    "8 → 16, 8 images, 7×7": ("n8_i56x56c8_k56x56o16_s1x1_p3:3x3:3_d1x1_g1", "onednn", "direct"),
    "3 → 3, four images, 9×9": ("n3_i64x64c4_k64x64o3_s1x1_p4:4x4:4_d1x1_g1", "fft", "fft"),
    "3 → 3, 8 images, 9×9": ("n3_i64x64c8_k64x64o3_s1x1_p4:4x4:4_d1x1_g1", "direct", "direct"),
    "1 → 3, strided, 31×31": ("n1_i128x128c1_k64x64o3_s1x1_p15:14x15:14_d2x2_g1", "fft", "fft"),
}


@pytest.mark.parametrize(("text", "with_library", "name"), FEW.values(), ids=FEW)
def test_kernel_gradients_of_few_channels(text, with_library, name, monkeypatch):
    problem = parse_problem(f"{text}_float32", "cpu")
    monkeypatch.setattr("jconv.formulations.onednn.missing", lambda: None)
    assert choose(problem).formulation == with_library
    monkeypatch.setattr("jconv.formulations.onednn.missing", lambda: "this test has none")
    assert choose(problem).formulation == name


CUDA = {
    "pointwise": ("n8_i56x56c64_k1x1o256_s1x1_p0:0x0:0_d1x1_g1", "patches"),
    "pointwise, its kernel": ("n64_i56x56c8_k56x56o256_s1x1_p0:0x0:0_d1x1_g1", "patches"),
    "pointwise, strided": ("n8_i56x56c64_k1x1o256_s2x2_p0:-1x0:-1_d1x1_g1", "direct"),
    "dense": ("n8_i28x28c128_k3x3o128_s1x1_p1:1x1:1_d1x1_g1", "direct"),
    "dense, strided, its input": ("n8_i14x14c128_k3x3o128_s1x1_p1:2x1:2_d1x1_e2x2_g1", "direct"),
    "transposed": ("n8_i52x52c512_k2x2o256_s1x1_p1:1x1:1_d1x1_e2x2_g1", "col2im"),
    "picture, its gradient": ("n8_i112x112c16_k3x3o3_s1x1_p2:1x2:1_d1x1_e2x2_g1", "col2im"),
    "stem, its kernel": ("n3_i224x224c8_k112x112o32_s1x1_p0:1x0:1_d2x2_g1", "patches"),
    "grouped": ("n8_i14x14c512_k3x3o512_s1x1_p1:1x1:1_d1x1_g32", "direct"),
    "depthwise": ("n8_i28x28c192_k3x3o192_s1x1_p1:1x1:1_d1x1_g192", "direct"),
    "depthwise, small": ("n8_i7x7c960_k3x3o960_s1x1_p1:1x1:1_d1x1_g960", "shifts"),
    "depthwise, strided": ("n8_i28x28c240_k3x3o240_s2x2_p0:1x0:1_d1x1_g240", "shifts"),
    "depthwise, its input": ("n8_i7x7c672_k5x5o672_s1x1_p2:3x2:3_d1x1_e2x2_g672", "phases"),
    "depthwise, its kernel": ("n1_i28x28c1536_k28x28o192_s1x1_p1:1x1:1_d1x1_g192", "direct"),
    "large": ("n8_i14x14c512_k27x27o512_s1x1_p13:13x13:13_d1x1_g512", "fft"),
    "large, its kernel": ("n1_i14x14c4096_k14x14o512_s1x1_p13:13x13:13_d1x1_g512", "fft"),
    "not so large": ("n8_i7x7c1024_k13x13o1024_s1x1_p6:6x6:6_d1x1_g1024", "direct"),
    "long filter": ("n8_i8192c64_k8192o64_s1_p8191:0_d1_g64", "fft"),
    "far taps": ("n8_i16000c64_k2o128_s1_p256:0_d256_g1", "patches"),
    "near taps": ("n8_i16000c64_k2o128_s1_p2:0_d2_g1", "direct"),
    "far taps, their kernel": ("n64_i16000c8_k16000o128_s4_p4:0_d1_g1", "patches"),
    "volume": ("n8_i28x28x20c384_k3x3x3o128_s1x1x1_p0:0x0:0x0:0_d1x1x1_g1", "direct"),
}


@pytest.mark.parametrize(("text", "name"), CUDA.values(), ids=CUDA)
def test_on_cuda_what_was_faster_than_cudnn_is_taken(text, name):
    for dtype in ("float32", "bfloat16"):
        assert choose(parse_problem(f"{text}_{dtype}", "cuda")).formulation == name
        assert choose(parse_problem(f"{text}_{dtype}", "rocm")).formulation == "direct"
    assert choose(parse_problem(f"{text}_float16", "cuda")).formulation == "direct"  # nothing was measured


def test_an_inputs_gradient_is_a_convolution_with_a_flipped_kernel_off_the_cpu():
    """XLA's GPU compiler knows an input's gradient by the flip, which must come last."""

    def gradient(x, kernel):
        return jax.grad(lambda x: jconv.conv(x, kernel, stride=2, padding=1).sum())(x)

    text = jax.jit(gradient).trace(shaped(8, 14, 14, 64), shaped(3, 3, 64, 32)).lower(lowering_platforms=("cuda",))
    lines = text.as_text().splitlines()
    (operand,) = [line.split("(%")[1].split(")")[0].split(", ")[1] for line in lines if "stablehlo.convolution" in line]
    (made,) = [line for line in lines if line.strip().startswith(f"{operand} =")]
    assert "reverse" in made or "flip" in made


def test_no_groups_of_the_batch_where_a_window_outgrows_its_image():
    """They are what cuDNN refuses for an input's gradient, as of a 13×13 window on 7×7 pictures."""

    def gradient(x, kernel):
        return jax.grad(lambda x: jconv.conv(x, kernel, padding=6, groups=32).sum())(x)

    text = jax.jit(gradient).trace(shaped(8, 7, 7, 32), shaped(13, 13, 1, 32)).lower(lowering_platforms=("cuda",))
    assert "batch_group_count = 1 : i64, feature_group_count = 32" in text.as_text()


def test_a_grouped_kernels_gradient_is_written_as_lax_writes_it_off_the_cpu():
    """Groups of the batch, which the compilers of accelerators know, and not of the channels."""

    def gradient(x, kernel):
        return jax.grad(lambda kernel: jconv.conv(x, kernel, groups=64, padding=1).sum())(kernel)

    x, kernel = shaped(8, 14, 14, 64), shaped(3, 3, 1, 64)
    text = export.export(jax.jit(gradient), platforms=["tpu"])(x, kernel).mlir_module()
    assert "batch_group_count = 64" in text


@pytest.mark.parametrize(("groups", "depth", "out", "batch"), [(4, 1, 1, 3), (4, 2, 3, 2), (8, 1, 2, 1)])
def test_groups_of_the_batch_are_the_same_sums(rng, groups, depth, out, batch):
    x = jnp.asarray(rng.integers(-3, 4, (depth, 9, 8, groups * batch)), jnp.float32)
    kernel = jnp.asarray(rng.integers(-3, 4, (6, 7, batch, groups * out)), jnp.float32)
    geometry = jconv.conv_geometry(x.shape, kernel.shape, padding=[(1, 0), (0, 2)], groups=groups)
    by_channels, by_batch = (
        xla_conv(x, kernel, geometry, precision=None, preferred_element_type=x.dtype, batch_groups=on)
        for on in (False, True)
    )
    np.testing.assert_array_equal(by_channels, by_batch)


@pytest.mark.parametrize(
    ("x", "kernel", "arguments"),
    [
        ((32, 32, 64), (3, 3, 64, 64), {"padding": "SAME"}),
        ((28, 28, 128), (1, 1, 128, 64), {}),
        ((1000, 32), (3, 32, 32), {}),
        ((28, 28, 64), (3, 3, 1, 64), {"groups": 64}),
        ((14, 14, 64), (4, 4, 64, 32), {"input_dilation": 2}),
        ((14, 14, 64), (3, 3, 8, 64), {"groups": 8}),
    ],
    ids=str,
)
def test_a_batch_left_open_is_exported_with_its_gradients(x, kernel, arguments, rng):
    def both(x, kernel):
        return jax.vjp(lambda x, kernel: jconv.conv(x, kernel, **arguments), x, kernel)[1]

    def gradients(x, kernel, ct):
        return both(x, kernel)(ct)

    y = jax.eval_shape(functools.partial(jconv.conv, **arguments), shaped(2, *x), shaped(*kernel)).shape[1:]
    (n,) = export.symbolic_shape("n")
    exported = export.export(jax.jit(gradients))(shaped(n, *x), shaped(*kernel), shaped(n, *y))
    shapes = (2, *x), kernel, (2, *y)
    arrays = [jnp.asarray(rng.integers(-4, 5, shape), jnp.float32) for shape in shapes]
    for one, other in zip(exported.call(*arrays), gradients(*arrays), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-2)


def test_what_xla_cuts_into_parts_keeps_its_own_convolution():
    problem = parse_problem("n8_i32x32c64_k3x3o64_s1x1_p1:1x1:1_d1x1_g64_float32")
    assert choose(problem).formulation != "direct"
    assert choose(problem, Program(whole=False, calls=False)).formulation == "direct"
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(AxisType.Auto,) * 2)
    x = jax.device_put(jnp.ones((8, 8, 8, 16)), NamedSharding(mesh, P(None, "a")))

    def gradient(x, kernel):
        return jax.grad(lambda kernel: jconv.conv(x, kernel, input_dilation=2, groups=2, padding=1).sum())(kernel)

    text = jax.jit(gradient).lower(x, jnp.ones((3, 3, 8, 8))).as_text()
    assert text.count("stablehlo.convolution") == 1  # a call of oneDNN, or blocks of rows without it, hold none


def test_explanation_in_words():
    large = jconv.explain(shaped(1, 150, 150, 3), shaped(3, 3, 3, 32), platform="cpu", padding=1, input_dilation=2)
    assert set(large.refusals) - {"onednn"} == {"toeplitz", "circulant"}  # an older jaxlib has no oneDNN
    text = str(large)
    assert "auto takes direct on cpu: the default: no rule applies" in text
    assert "toeplitz       cannot: its dense matrix would take" in text
    assert re.search(r"^  patches +\d+\.\d{3} MiB between", text, re.M)
    images = shaped(8, 102, 102, 256)
    assert "takes winograd on cpu, 1 of 8 images at a time: 3×3" in str(
        jconv.explain(images, shaped(3, 3, 256, 256), platform="cpu")
    )
    assert jconv.explain(jnp.ones((0, 7, 4)), jnp.ones((3, 4, 5))).problem.platform == "cpu"


def test_what_cannot_be_explained():
    with pytest.raises(jconv.UnsupportedError, match=r"explain: platform must be one of cpu, .*; got platform='gpu'"):
        jconv.explain(shaped(8, 8, 1), shaped(3, 3, 1, 1), platform="gpu")
    with pytest.raises(jconv.GeometryError, match=r"explain: x and kernel must be arrays, .*; got tuple and tuple"):
        jconv.explain((8, 8, 1), (3, 3, 1, 1))


def test_a_rule_whose_formulation_refuses_gives_way(monkeypatch):
    monkeypatch.setattr("jconv.selection._choose.onednn_rule", lambda problem: None)
    monkeypatch.setattr("jconv.selection._choose.rule", lambda problem: ("toeplitz", "for the test"))
    geometry = jconv.conv_geometry((300, 300, 3), (3, 3, 3, 8))
    choice = choose(jconv.Problem(geometry, 1, 3, 8))
    assert choice.formulation == "direct"
    assert "toeplitz cannot: its dense matrix" in choice.reason
