"""What `auto` keeps between input and output: bounded whatever the batch, and the numbers are the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jconv
from jconv.costs import parse_problem
from jconv.formulations import FORMULATIONS
from jconv.selection import _memory, compute, images_at_once, too_much

MIB = 2**20


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


@pytest.mark.parametrize(
    "problem",
    [
        "n6_i9x9c4_k3x3o6_s1x1_p1:1x1:1_d1x1_g1_float32",
        "n5_i9x8c4_k3x2o4_s2x1_p1:0x0:1_d1x2_g2_float32",
        "n4_i7c6_k3o6_s1_p1:1_d1_e2_g1_float32",
    ],
)
@pytest.mark.parametrize("name", ["patches", "shifts", "fft", "winograd", "col2im", "phases", "row_scan"])
def test_images_in_turn_give_what_all_give_at_once(monkeypatch, name, problem):
    problem = parse_problem(problem)
    if refusal := FORMULATIONS[name].unsupported(problem):
        pytest.skip(refusal)
    g, rng = problem.geometry, np.random.default_rng(0)
    x = jnp.asarray(rng.integers(-4, 5, (problem.batch, *g.input_size, problem.in_channels)), jnp.float32)
    kernel = jnp.asarray(rng.integers(-4, 5, (*g.window, problem.depth, problem.out_channels)), jnp.float32)
    monkeypatch.setattr(_memory, "WHOLE", 0)
    assert images_at_once(name, problem) < problem.batch
    y = compute(name, problem, x, kernel, precision=None, preferred_element_type=jnp.float32)
    whole = FORMULATIONS["direct"].apply(x, kernel, g, precision=None, preferred_element_type=jnp.float32)
    np.testing.assert_allclose(y, whole, rtol=0, atol=1e-3)  # integers, and tiles and spectra to rounding


def test_so_many_images_at_once_as_stay_in_the_cache():
    small = parse_problem("n6_i28x28c64_k3x3o64_s1x1_p1:1x1:1_d1x1_g1_float32")
    large = parse_problem("n6_i112x112c64_k3x3o64_s1x1_p1:1x1:1_d1x1_g1_float32")
    gradient = parse_problem("n64_i112x112c6_k112x112o64_s1x1_p1:1x1:1_d1x1_g1_float32")
    assert images_at_once("winograd", small) == 6
    assert images_at_once("winograd", large) == 1
    assert images_at_once("direct", large) == 6
    assert images_at_once("row_scan", gradient) == 64
    middling = parse_problem("n6_i56x56c96_k3x3o96_s1x1_p1:1x1:1_d1x1_g1_float32")
    assert images_at_once("winograd", middling) in (2, 3)


def test_more_than_one_image_may_keep_is_refused():
    image = "n1_i2048x2048c64_k3x3o64_s1x1_p1:1x1:1_d1x1_g1_float32"
    assert too_much("patches", parse_problem(image)) == "it would keep 10,242 MiB between input and output"
    assert too_much("direct", parse_problem(image)) is None
    assert too_much("patches", parse_problem(image.replace("2048x2048", "64x64").replace("n1", "n4096"))) is None


COUNTED = {
    "shifts": [
        "n4_i56x56c32_k3x3o32_s1x1_p1:1x1:1_d1x1_g32_float32",
        "n1_i28x28x28c32_k3x3x3o32_s1x1x1_p1:1x1:1x1:1_d1x1x1_g1_float32",
    ],
    "patches": [
        "n4_i56x56c32_k1x1o32_s1x1_p0:0x0:0_d1x1_g1_float32",
        "n4_i56x56c32_k3x3o32_s1x1_p1:1x1:1_d1x1_g1_float32",
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

    x = shaped(problem.batch, *g.input_size, problem.in_channels)
    taken = temporary(apply, x, shaped(*g.window, problem.depth, problem.out_channels))
    counted = FORMULATIONS[name].cost(problem).intermediate_bytes
    assert counted / 2 <= taken <= 2 * counted
