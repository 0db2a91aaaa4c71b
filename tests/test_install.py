"""`install()`: JAX's own convolution through jconv's choice, the same numbers, switched on and off without a trace."""

import json
import re
from pathlib import Path

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from flax import nnx
from jax import lax

import jconv
from jconv.errors import UnsupportedError

pytestmark = pytest.mark.versions

ROWS = [json.loads(line) for line in (Path(__file__).parent / "cases/params_jax.jsonl").read_text().splitlines()]
GRID = [row for row in ROWS if "dimension_numbers" in row and not row["test"].startswith("testConvTranspose")][::9]
DEPTHWISE = {"feature_group_count": 8, "dimension_numbers": ("NHWC", "HWIO", "NHWC")}


@pytest.fixture(autouse=True)
def _clean():
    yield
    jconv.uninstall()


def depthwise(x, kernel):
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", **DEPTHWISE)


def operands():
    rng = np.random.default_rng(0)
    shapes = (2, 6, 5, 8), (3, 3, 1, 8)
    return tuple(jnp.asarray(rng.integers(-4, 5, shape), jnp.float32) for shape in shapes)


def stock(function, *args):
    """Whether the lowered program holds XLA's convolution."""
    return "stablehlo.convolution" in jax.jit(function).lower(*args).as_text()


def test_on_off_and_in_a_block():
    x, kernel = operands()
    jitted = jax.jit(depthwise)
    before = jitted(x, kernel)
    assert stock(depthwise, x, kernel)
    jconv.install()
    assert not stock(depthwise, x, kernel)
    assert "convolution" not in jitted.lower(x, kernel).as_text()  # what was compiled before is compiled again
    np.testing.assert_array_equal(jitted(x, kernel), before)
    np.testing.assert_array_equal(depthwise(x, kernel), before)  # without jit
    with jconv.installed(False):
        assert stock(depthwise, x, kernel)
        with jconv.installed():
            assert not stock(depthwise, x, kernel)
    assert not stock(depthwise, x, kernel)
    assert stock(lambda x, k: jconv.conv(x, k, padding="SAME", groups=8, formulation="direct"), x, kernel)
    jconv.uninstall()
    assert stock(depthwise, x, kernel)
    with jconv.installed():
        assert not stock(depthwise, x, kernel)
    assert stock(depthwise, x, kernel)


def test_wrong_platform():
    with pytest.raises(UnsupportedError, match=r"install: platform must be one of cpu, cuda, .*got 'gpu'"):
        jconv.install("gpu")


@pytest.mark.parametrize("transform", ["jit", "grad", "vmap", "scan", "remat", "while", "cond"])
def test_under_transforms(transform):
    x, kernel = operands()

    def loss(kernel):
        return (depthwise(x, kernel) ** 2).sum() / 2

    def steps(kernel):
        return lax.scan(lambda k, _: (k - jax.grad(loss)(k) / 2**10, None), kernel, None, length=2)[0]

    function = {
        "jit": lambda k: depthwise(x, k),
        "grad": jax.grad(loss),
        "vmap": jax.vmap(jax.grad(loss)),
        "scan": steps,
        "remat": jax.grad(jax.checkpoint(loss)),
        "while": lambda k: lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] * 0 + loss(k)), (0, 0.0))[1],
        "cond": lambda k: lax.cond(k[0, 0, 0, 0] > 100, loss, lambda k: 2 * loss(k), k),
    }[transform]
    given = jnp.stack([kernel, -kernel]) if transform == "vmap" else kernel
    with jconv.installed(False):
        expected = jax.jit(function)(given)
    with jconv.installed():
        assert not stock(function, given) or transform in ("grad", "vmap", "scan", "remat")
        np.testing.assert_allclose(jax.jit(function)(given), expected, rtol=1e-6)


@pytest.mark.parametrize("row", GRID, ids=lambda row: row["name"])
def test_the_parameter_grid_of_jax(row):
    """Small integers, exact in float32: on and off agree exactly, forward and both gradients."""
    lhs_perm, rhs_perm = (
        ([spec.index(c) for c in new] for spec, new in zip(("NCHW", "OIHW"), row["dimension_numbers"][:2], strict=True))
        if len(row["lhs"]) == 4
        else (None, None)
    )
    rng = np.random.default_rng(1)
    lhs, rhs = (jnp.asarray(rng.integers(-3, 4, row[key]), jnp.float32) for key in ("lhs", "rhs"))
    if lhs_perm is not None:
        lhs, rhs = lhs.transpose(lhs_perm), rhs.transpose(rhs_perm)

    def convolve(lhs, rhs):
        return lax.conv_general_dilated(
            lhs, rhs, row["s"], [tuple(pad) for pad in row["pads"]], row["lhs_dilation"], row["rhs_dilation"],
            tuple(row["dimension_numbers"]), row["feature_group_count"], row["batch_group_count"],
        )  # fmt: skip

    def both(lhs, rhs):
        y, pull = jax.vjp(convolve, lhs, rhs)
        return y, *pull(jnp.ones_like(y))

    with jconv.installed(False):
        expected = jax.jit(both)(lhs, rhs)
    with jconv.installed():
        got = jax.jit(both)(lhs, rhs)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(np.round(a), b)


class Net(nnx.Module):
    """A stem, a depthwise block, a strided and a transposed convolution."""

    def __init__(self, rngs):
        self.stem = nnx.Conv(3, 8, (3, 3), strides=2, rngs=rngs)
        self.depthwise = nnx.Conv(8, 8, (3, 3), feature_group_count=8, rngs=rngs)
        self.down = nnx.Conv(8, 16, (3, 3), strides=2, rngs=rngs)
        self.up = nnx.ConvTranspose(16, 4, (2, 2), strides=(2, 2), rngs=rngs)

    def __call__(self, x):
        """Compute."""
        return self.up(self.down(nnx.relu(self.depthwise(nnx.relu(self.stem(x))))))


class Linen(flax.linen.Module):
    """The same with Linen."""

    @flax.linen.compact
    def __call__(self, x):
        """Compute."""
        x = flax.linen.Conv(8, (3, 3), strides=2)(x)
        return flax.linen.Conv(8, (3, 3), feature_group_count=8, padding="CIRCULAR")(x).sum()


def test_flax_models_are_the_same():
    x = jax.random.normal(jax.random.key(0), (2, 16, 16, 3))
    graph, state = nnx.split(Net(nnx.Rngs(0)))
    step = jax.jit(jax.value_and_grad(lambda state: (nnx.merge(graph, state)(x) ** 2).mean()))
    linen = Linen()
    params = linen.init(jax.random.key(1), x)
    other = jax.jit(jax.value_and_grad(lambda params: linen.apply(params, x)))
    expected = step(state), other(params)
    with jconv.installed():
        got = step(state), other(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), got, expected)


def test_what_xla_gets_wrong_is_right():
    """Negative low padding, and high padding no larger: XLA reads outside its buffer (openxla/xla#48713, #48715)."""
    rng = np.random.default_rng(3)
    for low, high in ((-1, 1), (-2, 1), (-3, 2), (-1, -2)):
        x = rng.integers(-4, 5, (1, 9, 8, 17)).astype(np.float32)
        kernel = rng.integers(-4, 5, (3, 3, 17, 18)).astype(np.float32)
        pads = ((low, high), (0, 0))
        wanted = reference.conv(x, kernel, None, padding=pads)
        with jconv.installed():
            y = jax.jit(
                lambda x, k, pads=pads: lax.conv_general_dilated(
                    x, k, (1, 1), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
            )(x, kernel)
        np.testing.assert_array_equal(y, wanted)


def test_one_inf_stays_local_in_patches():
    x = jnp.ones((1, 6, 6, 1)).at[0, 3, 3, 0].set(jnp.inf)
    found = jconv.patches(x, (3, 3))
    assert int(jnp.isinf(found).sum()) == 9
    assert not jnp.isnan(found).any()


def test_complex_operands_and_open_sizes():
    x, kernel = operands()
    a, b = jax.lax.complex(x, x[::-1]), jax.lax.complex(kernel, -kernel[::-1])
    expected = depthwise(a, b)
    with jconv.installed():
        np.testing.assert_array_equal(jax.jit(depthwise)(a, b), expected)
        shape = jax.export.symbolic_shape("n, 6, 5, 8")
        exported = jax.export.export(jax.jit(depthwise))(jax.ShapeDtypeStruct(shape, jnp.float32), kernel)
    np.testing.assert_array_equal(exported.call(x, kernel), depthwise(x, kernel))


def test_gradients_in_a_loop_have_the_layout_that_xla_is_fast_with():
    x, kernel = jnp.ones((1, 6, 6, 4)), jnp.ones((3, 3, 4, 4))

    def loss(x, kernel):
        return jnp.sum(lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))

    def descend(x, kernel):
        def step(both, _):
            return jax.grad(loss, (0, 1))(*both), None

        return lax.scan(step, (x, kernel), None, length=2)[0]

    layouts = {}
    for on in (False, True):
        with jconv.installed(on):
            text = jax.jit(descend).lower(x, kernel).as_text()
        layouts[on] = re.findall(r"dim_numbers = (\[.*?\]x\[.*?\]->\[.*?\])", text)
    assert len(layouts[True]) == len(layouts[False]) == 2
    assert set(layouts[True]) == {"[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"}
    assert set(layouts[False]) != set(layouts[True])


def test_other_platforms_keep_the_layout_of_what_is_left_to_xla():
    def convolve(x, kernel):
        return lax.conv(x, kernel, (1, 1), "SAME")

    operands = jnp.ones((1, 4, 6, 6)), jnp.ones((4, 4, 3, 3))
    jconv.install("cpu", "cuda")
    layouts = {}
    for platform in ("cpu", "cuda"):
        text = jax.jit(convolve).trace(*operands).lower(lowering_platforms=(platform,)).as_text()
        layouts[platform] = re.findall(r"dim_numbers = (\[.*?\]x\[.*?\]->\[.*?\])", text)
    assert layouts["cpu"] == ["[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"]
    assert layouts["cuda"] == ["[b, f, 0, 1]x[o, i, 0, 1]->[b, f, 0, 1]"]
