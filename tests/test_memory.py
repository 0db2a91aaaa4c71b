"""What `auto` keeps between input and output: bounded whatever the batch, and the numbers are the same."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import jconv
from jconv.costs import parse_problem
from jconv.formulations import FORMULATIONS, onednn
from jconv.selection import _memory, choose, compute, part, too_much

MIB = 2**20


def images(name, problem):
    return part(name, problem).batch


def shaped(*shape):
    return jax.ShapeDtypeStruct(shape, "float32")


def temporary(function, *operands):
    analysis = jax.jit(function).lower(*operands).compile().memory_analysis()
    assert analysis is not None
    return analysis.temp_size_in_bytes


TRANSPOSED = {"image": ((196, 196, 128), (2, 2, 64, 128)), "volume": ((24, 24, 16, 128), (2, 2, 2, 128, 128))}


@pytest.mark.parametrize("batch", [8, 32])
@pytest.mark.parametrize("shape, kernel", TRANSPOSED.values(), ids=TRANSPOSED)
def test_a_batch_of_transposed_layers_keeps_no_more_than_the_goal(shape, kernel, batch):
    def layer(formulation):
        return lambda x, k: jconv.conv_transpose(x, k, stride=2, formulation=formulation)

    operands = shaped(batch, *shape), shaped(*kernel)
    assert temporary(layer("auto"), *operands) <= 4 * temporary(layer("direct"), *operands) + 64 * MIB


def test_a_long_filter_keeps_no_more_than_the_goal():
    def layer(x, k):
        return jconv.conv(x, k, padding="CAUSAL", groups=64)

    assert temporary(layer, shaped(8, 8192, 64), shaped(8192, 1, 64)) <= 64 * MIB


IN_TURN = [
    "n6_i9x9c4_k3x3o6_s1x1_p1:1x1:1_d1x1_g1_float32",
    "n5_i11x8c4_k3x2o4_s2x1_p1:0x0:1_d1x2_g2_float32",
    "n4_i7c6_k3o6_s1_p1:1_d1_e2_g1_float32",
    "n1_i19x7c3_k3x3o4_s1x1_p2:1x0:0_d2x1_g1_float32",
    "n1_i31x5c4_k2x3o4_s3x1_p-1:4x1:1_d1x1_g4_float32",
    "n2_i10x6x5c2_k3x3x2o3_s1x1x1_p1:1x1:1x0:0_d1x1x1_g1_float32",
]


@pytest.mark.parametrize("most", [0, 2**26])
@pytest.mark.parametrize("text", IN_TURN)
@pytest.mark.parametrize("name", ["patches", "shifts", "fft", "winograd", "phases"])
def test_parts_in_turn_give_what_all_gives_at_once(monkeypatch, name, text, most):
    problem = parse_problem(text)
    if refusal := FORMULATIONS[name].unsupported(problem):
        pytest.skip(refusal)
    g, rng = problem.geometry, np.random.default_rng(0)
    x = jnp.asarray(rng.integers(-4, 5, problem.x_shape), jnp.float32)
    kernel = jnp.asarray(rng.integers(-4, 5, problem.kernel_shape), jnp.float32)
    for bound, value in (("WHOLE", 0), ("PART", 0), ("MOST_BYTES", most)):
        monkeypatch.setattr(_memory, bound, value)
    monkeypatch.setattr(_memory, "part", part.__wrapped__)
    some = _memory.part(name, problem)
    assert some.batch == 1
    if problem.batch == 1 or (most == 0 and max(g.input_dilation) == 1):
        assert some.geometry.output_size[0] == 4
        assert g.output_size[0] % 4  # so the last turn computes some rows again
    y = compute(name, problem, x, kernel, precision=None, preferred_element_type=jnp.float32)
    whole = FORMULATIONS["direct"].apply(x, kernel, g, precision=None, preferred_element_type=jnp.float32)
    np.testing.assert_allclose(y, whole, rtol=0, atol=1e-3)  # integers, and tiles and spectra to rounding


def test_so_many_images_at_once_as_stay_in_the_cache():
    small = parse_problem("n6_i28x28c64_k3x3o64_s1x1_p1:1x1:1_d1x1_g1_float32")
    large = parse_problem("n6_i112x112c64_k3x3o64_s1x1_p1:1x1:1_d1x1_g1_float32")
    gradient = parse_problem("n64_i112x112c6_k112x112o64_s1x1_p1:1x1:1_d1x1_g1_float32")
    assert images("winograd", small) == 6
    assert images("winograd", large) == 1
    assert images("direct", large) == 6
    assert images("row_scan", gradient) == 64
    many = replace(small, batch=10007)  # a prime
    assert 1 < images("winograd", many) < 60
    assert -many.batch % images("winograd", many) <= many.batch / 16
    middling = parse_problem("n6_i56x56c96_k3x3o96_s1x1_p1:1x1:1_d1x1_g1_float32")
    assert images("winograd", middling) in (2, 3)


@pytest.mark.versions
@pytest.mark.parametrize("layer", ["jconv", "lax"])
def test_devices_that_share_a_batch_take_turns_too(layer):
    mesh = Mesh(np.array(jax.devices()[:1]), ("b",))

    def convolve(x, kernel):
        if layer == "jconv":
            return jconv.conv(x, kernel, padding="SAME")
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    shared = jax.shard_map(convolve, mesh=mesh, in_specs=(P("b"), P()), out_specs=P("b"))
    with jconv.installed():
        text = jax.jit(shared).lower(shaped(4, 96, 96, 256), shaped(3, 3, 256, 256)).as_text()
    assert "stablehlo.while" in text


def test_accelerators_compute_all_images():
    large = parse_problem("n6_i112x112c64_k3x3o64_s1x1_p1:1x1:1_d1x1_g1_float32", platform="cuda")
    assert images("winograd", large) == 6
    assert too_much("patches", large) is None
    assert "would keep" in (too_much("patches", replace(large, batch=600)) or "")


def test_rows_of_an_image_that_is_too_large():
    image = parse_problem("n1_i2048x2048c64_k3x3o64_s1x1_p1:1x1:1_d1x1_g1_float32")
    some = part("patches", image).geometry
    assert some.output_size == (4, 2048)
    assert some.input_size == (6, 2048)
    assert (some.low, some.high) == ((0, 1), (0, 1))
    assert too_much("patches", image) is None
    several = part("winograd", parse_problem("n8_i138x138c256_k3x3o256_s1x1_p0:0x0:0_d1x1_g1_float32"))
    assert (several.batch, several.geometry.output_size) == (1, (20, 136))


def test_a_kernel_that_is_too_large_is_refused():
    wide = parse_problem("n8_i30x30c1024_k3x3o1024_s1x1_p0:0x0:0_d1x1_g1_float32")
    assert too_much("winograd", wide) == "it would keep 147 MiB between input and output"
    assert too_much("direct", wide) is None
    assert choose(wide).formulation == ("direct" if onednn.missing() else "onednn")


COUNTED = {
    "shifts": [
        "n4_i56x56c32_k3x3o32_s1x1_p1:1x1:1_d1x1_g32_float32",
        "n1_i28x28x28c32_k3x3x3o32_s1x1x1_p1:1x1:1x1:1_d1x1x1_g1_float32",
    ],
    "patches": [
        "n4_i56x56c32_k1x1o32_s1x1_p0:0x0:0_d1x1_g1_float32",
        "n4_i56x56c32_k3x3o32_s1x1_p1:1x1:1_d1x1_g1_float32",
    ],
    "phases": [
        "n4_i28x28c32_k3x3o32_s1x1_p2:1x2:1_d1x1_e2x2_g32_float32",
        "n4_i28x28c32_k3x3o32_s1x1_p2:2x2:2_d1x1_e2x2_g32_float32",
        "n4_i28x28c32_k2x2o32_s1x1_p1:1x1:1_d1x1_e2x2_g1_float32",
    ],
    "col2im": [
        "n4_i28x28c32_k3x3o32_s1x1_p2:2x2:2_d1x1_e2x2_g1_float32",
        "n4_i28x28c32_k2x2o32_s1x1_p1:1x1:1_d1x1_e2x2_g1_float32",
        "n2_i64x64c16_k17x17o2_s1x1_p8:8x8:8_d1x1_g1_float32",
    ],
    "lanes": [
        "n1_i128x128c1_k3x3o32_s1x1_p0:0x0:0_d1x1_g1_float32",
        "n4_i56x56c32_k3x3o32_s1x1_p1:1x1:1_d1x1_g8_float32",
    ],
}


@pytest.mark.parametrize("name, text", [(name, text) for name, texts in COUNTED.items() for text in texts])
def test_what_is_counted_is_what_the_compiler_takes(name, text):
    problem = parse_problem(text)
    g = problem.geometry

    def apply(x, kernel):
        return FORMULATIONS[name].apply(x, kernel, g, precision=None, preferred_element_type=jnp.float32)

    taken = temporary(apply, shaped(*problem.x_shape), shaped(*problem.kernel_shape))
    counted = FORMULATIONS[name].cost(problem).intermediate_bytes
    assert counted / 2 <= taken <= 2 * counted
