"""Every transform of JAX, on every formulation and on `auto`: the same numbers as XLA's own convolution.

The data are small integers in float32, so equality is exact; what states an error is rounded first.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from jax import export, lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from problems import PROBLEMS as PROBLEM_LIST
from stated import NAMES, clean, needs

import jconv

pytestmark = pytest.mark.versions

# x shape, kernel shape, arguments: a dense, a grouped and strided, and a depthwise problem with input dilation.
PROBLEMS = {
    "dense": ((2, 6, 5, 2), (3, 2, 2, 3), {"padding": [(1, 0), (-1, 2)]}),
    "grouped": ((2, 9, 4), (3, 2, 6), {"stride": 2, "groups": 2, "padding": "SAME", "dilation": 2}),
    "depthwise": ((1, 4, 3, 3), (2, 3, 1, 6), {"groups": 3, "padding": "FULL", "input_dilation": 2}),
}


def integers(shape, seed):
    """Integers in [-3, 3] as float32."""
    return jnp.asarray(np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32))


def operands(problem):
    """Return x, kernel and the arguments."""
    x_shape, kernel_shape, arguments = PROBLEMS[problem]
    return integers(x_shape, 1), integers(kernel_shape, 2), arguments


def lax_conv(x, kernel, *, stride=1, padding="VALID", dilation=1, input_dilation=1, groups=1):
    """The yardstick: lax itself, of any rank, with padding resolved by jconv's geometry (tested elsewhere)."""
    g = jconv.conv_geometry(
        x.shape, kernel.shape, stride=stride, padding=padding, dilation=dilation, input_dilation=input_dilation,
        groups=groups,
    )  # fmt: skip
    axes = "123"[: len(g.window)]
    return lax.conv_general_dilated(
        x, kernel, g.stride, list(zip(g.low, g.high, strict=True)), g.input_dilation, g.dilation,
        (f"N{axes}C", f"{axes}IO", f"N{axes}C"), g.groups,
    )  # fmt: skip


def same(name, got, wanted):
    """Equal trees, exactly; those of formulations that state an error after rounding."""
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(clean(name, a), np.asarray(b)), got, wanted)


WANTED = {}


def once(*key, compute):
    """Return what XLA's own convolution gives: computed once for all formulations."""
    if key not in WANTED:
        WANTED[key] = jax.tree.map(np.asarray, jax.device_get(compute()))
    return WANTED[key]


def pair(name, problem):
    """Return x, kernel, the formulation as a function of both, and lax as one."""
    needs(name)
    x, kernel, arguments = operands(problem)
    return (
        x,
        kernel,
        functools.partial(jconv.conv, formulation=name, **arguments),
        functools.partial(lax_conv, **arguments),
    )


def loss(f, x, kernel):
    """A loss that is cubic in x and kernel together, so that its second derivatives are not zero."""
    y = f(x, kernel)
    return (y * y).sum() / 2 + y.sum()


def gradients(f):
    """Return the gradients of the loss by x and kernel."""
    return jax.grad(functools.partial(loss, f), (0, 1))


both = pytest.mark.parametrize("problem", PROBLEMS)
every = pytest.mark.parametrize("name", NAMES)


@every
@both
def test_jit_and_gradients(name, problem):
    x, kernel, f, g = pair(name, problem)
    same(name, jax.jit(f)(x, kernel), once("forward", problem, compute=lambda: g(x, kernel)))
    same(name, jax.jit(gradients(f))(x, kernel), once("gradients", problem, compute=lambda: gradients(g)(x, kernel)))


@every
@both
def test_forward_mode_and_second_order(name, problem):
    x, kernel, f, g = pair(name, problem)
    tangents = integers(x.shape, 3), integers(kernel.shape, 4)

    def programs(f):
        jvp = jax.jvp(f, (x, kernel), tangents)
        hvp = jax.jvp(lambda k: jax.grad(functools.partial(loss, f), 1)(x, k), (kernel,), tangents[1:])
        return jvp, hvp

    wanted = once("second", problem, compute=jax.jit(lambda: programs(g)))
    same(name, jax.jit(lambda: programs(f))(), wanted)


@every
@both
def test_hessian_and_jacfwd(name, problem):
    _, kernel_shape, arguments = PROBLEMS[problem]
    _, _, f, g = pair(name, problem)
    groups = arguments.get("groups", 1)
    axes = len(kernel_shape) - 2
    x = integers((1, *(3, 2)[:axes], kernel_shape[-2] * groups), 5)
    kernel = integers((*(2, 1)[:axes], kernel_shape[-2], groups), 6)

    def programs(f):
        return jax.hessian(lambda k: loss(f, x, k))(kernel), jax.jacfwd(f)(x, kernel)

    same(name, jax.jit(lambda: programs(f))(), once("hessian", problem, compute=jax.jit(lambda: programs(g))))


@every
@both
def test_vmap(name, problem):
    x, kernel, f, g = pair(name, problem)
    xs, kernels = integers((3, *x.shape), 7), integers((2, *kernel.shape), 8)
    over_x = jax.vmap(f, (0, None))
    over_kernel = jax.vmap(f, (None, 0))

    def programs(f):
        over_both = jax.vmap(f, (0, -1), out_axes=1)(xs[:2], jnp.moveaxis(kernels, 0, -1))
        nested = jax.vmap(jax.vmap(f, (None, 0)), (0, None))(xs, kernels)
        return over_both, nested

    def wanted():
        pairs = zip(xs[:2], kernels, strict=True)
        return (  # names of their own: Python 3.13.0 takes a comprehension's for those around it
            jnp.stack([g(image, kernel) for image in xs]),
            jnp.stack([g(x, window) for window in kernels]),
            jnp.stack([g(image, window) for image, window in pairs], 1),
            jnp.stack([jnp.stack([g(image, window) for window in kernels]) for image in xs]),
        )

    got = jax.jit(over_x)(xs, kernel), jax.jit(over_kernel)(x, kernels), *jax.jit(lambda: programs(f))()
    same(name, got, once("vmap", problem, compute=wanted))


@every
@both
def test_vmapped_kernel_gradients(name, problem):
    x, kernel, f, g = pair(name, problem)
    kernels, xs = integers((2, *kernel.shape), 9), integers((2, *x.shape), 10)

    def gradient(f):
        return jax.grad(lambda k, x: loss(f, x, k))

    def wanted():
        return jnp.stack([gradient(g)(kernel, x) for kernel, x in zip(kernels, xs, strict=True)])

    got = jax.jit(jax.vmap(gradient(f)))(kernels, xs)
    same(name, got, once("vmapped gradients", problem, compute=wanted))


@every
@both
def test_control_flow(name, problem):
    x, kernel, f, g = pair(name, problem)
    kernels = integers((2, *kernel.shape), 11)

    def in_scan(f):
        def step(total, kernel):
            return total + jax.checkpoint(f)(x, kernel).sum(), None

        return lambda kernels: lax.scan(step, jnp.zeros(()), kernels)[0]

    def in_cond(f):
        return lambda kernel: lax.cond(kernel.sum() > -1e9, lambda k: f(x, k).sum(), lambda k: k.sum(), kernel)

    def in_while(f):
        return lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, s[1] + f(x, kernel).sum()), (0, jnp.zeros(())))

    def wanted():
        return jax.grad(in_scan(g))(kernels), jax.grad(in_cond(g))(kernel), 2 * g(x, kernel).sum()

    got = jax.jit(jax.grad(in_scan(f)))(kernels), jax.jit(jax.grad(in_cond(f)))(kernel)
    same(name, (*got, jax.jit(lambda: in_while(f))()[1]), once("control flow", problem, compute=wanted))


@every
@both
def test_shard_map_gradients(name, problem):
    """Data parallel: x over the mesh, the kernel replicated. Its gradient must be the sum over the mesh."""
    needs(name)
    if name in ("fft", "overlap_add") and jax.__version_info__ < (0, 8):
        pytest.skip("JAX before 0.8 cannot differentiate its own FFT in shard_map")
    x_shape, kernel_shape, arguments = PROBLEMS[problem]
    x, kernel = integers((4, *x_shape[1:]), 12), integers(kernel_shape, 13)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    f = functools.partial(jconv.conv, formulation=name, **arguments)

    @functools.partial(jax.shard_map, mesh=mesh, in_specs=(P("data"), P()), out_specs=P())
    def total(x, kernel):
        return lax.psum(loss(f, x, kernel), "data")

    got = jax.jit(jax.grad(total, (0, 1)))(x, kernel)
    g = functools.partial(lax_conv, **arguments)
    same(name, got, once("shard_map", problem, compute=lambda: gradients(g)(x, kernel)))


@every
def test_explicit_sharding(name):
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Explicit,))
    x, kernel, f, g = pair(name, "dense")
    if name == "sparse" and jax.__version_info__ < (0, 8):
        pytest.skip("JAX before 0.8 cannot scatter under explicit sharding")
    wanted = once("explicit", compute=lambda: (g(x, kernel), gradients(g)(x, kernel)))
    with jax.set_mesh(mesh):
        x = jax.device_put(x, NamedSharding(mesh, P("data")))
        kernel = jax.device_put(kernel, NamedSharding(mesh, P()))
        y = jax.jit(f)(x, kernel)
        assert jax.typeof(y).sharding.spec[0] == "data"
        got = y, jax.jit(gradients(f))(x, kernel)
    same(name, jax.device_get(got), wanted)


@every
@both
def test_export(name, problem):
    x, kernel, f, g = pair(name, problem)
    exported = export.export(jax.jit(gradients(f)), platforms=("cpu", "cuda", "tpu"))(x, kernel)
    assert exported.platforms == ("cpu", "cuda", "tpu")
    wanted = once("gradients", problem, compute=lambda: gradients(g)(x, kernel))
    same(name, exported.call(x, kernel), wanted)


@pytest.mark.parametrize("name", ["auto", "direct", "patches", "shifts"])
@pytest.mark.parametrize("mode", ["zeros", "edge"])
def test_export_with_sizes_left_open(name, mode):
    x, kernel, arguments = integers((3, 9, 2), 17), integers((3, 2, 3), 18), {"padding": 1, "padding_mode": mode}
    f = functools.partial(jconv.conv, kernel=kernel, formulation=name, **arguments)
    batch, size = export.symbolic_shape("n, h", constraints=["h >= 3"])
    exported = export.export(jax.jit(f))(jax.ShapeDtypeStruct((batch, size, 2), jnp.float32))
    same(name, exported.call(x), jconv.conv(x, kernel, **arguments))


@pytest.mark.parametrize("name", ["auto", "direct", "patches", "shifts", "einsum"])
@pytest.mark.parametrize("padding", ["SAME", "SAME_LOWER", "FULL", "VALID", [(1, 2), (-1, 0)]])
def test_export_with_strides_and_sizes_left_open(name, padding):
    """The pads of SAME, and what strides leave over, depend on sizes that the program does not know."""
    x, kernel = integers((3, 9, 8, 4), 19), integers((3, 2, 2, 6), 20)
    f = functools.partial(jconv.conv, formulation=name, padding=padding, stride=2, groups=2)
    g = functools.partial(jconv.conv_transpose, formulation=name, padding=1, stride=2, groups=2)
    batch, *size = export.symbolic_shape("n, h, w", constraints=["h >= 5", "w >= 5"])
    open_x = jax.ShapeDtypeStruct((batch, *size, 4), jnp.float32)
    for function, weight in ((f, kernel), (g, kernel[..., :4])):
        y, back = export.export(jax.jit(functools.partial(value_and_pull, function)))(open_x, weight).call(x, weight)
        wanted = value_and_pull(function, x, weight)
        np.testing.assert_array_equal(y, wanted[0])
        np.testing.assert_array_equal(back, wanted[1])


def value_and_pull(function, x, weight):
    y, back = jax.vjp(function, x, weight)
    return y, back(y)[0]


def test_what_needs_known_sizes_says_so():
    x, kernel = integers((3, 9, 2), 17), integers((3, 2, 3), 18)
    open_x = jax.ShapeDtypeStruct((*export.symbolic_shape("n, h", constraints=["h >= 3"]), 2), jnp.float32)
    for name in ("sliding", "toeplitz", "sparse", "circulant", "fft", "phases", "winograd", "row_scan"):
        f = functools.partial(jconv.conv, kernel=kernel, formulation=name)
        with pytest.raises(jconv.UnsupportedError, match=f"formulation '{name}' cannot .* known space sizes, got h"):
            export.export(jax.jit(f))(open_x)
        batch = jax.ShapeDtypeStruct((*export.symbolic_shape("n"), 9, 2), jnp.float32)
        same(name, export.export(jax.jit(f))(batch).call(x), jconv.conv(x, kernel))
    for pool in (jconv.max_pool, jconv.avg_pool):
        with pytest.raises(jconv.UnsupportedError, match="pool: x must have space sizes that are known"):
            export.export(jax.jit(functools.partial(pool, window=(2,))))(open_x)
        f = jax.jit(functools.partial(pool, window=(2,), padding=1))
        np.testing.assert_array_equal(export.export(f)(batch).call(x), f(x))


COMPILED = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: COMPILED.append(event) if event.endswith("backend_compile_duration") else None
)


@every
@both
def test_second_call_compiles_nothing(name, problem):
    x, kernel, f, _ = pair(name, problem)
    before = len(COMPILED)
    first = f(x, kernel)
    after = len(COMPILED)
    second = f(x, kernel)
    assert len(COMPILED) == after
    same("direct", second, first)
    # The listener does hear compilations: a new shape is one.
    f(integers((3, *x.shape[1:]), 20), kernel)
    assert len(COMPILED) > after >= before


@every
def test_named_formulations_show_their_program(name):
    """What a named formulation computes stands in its jaxpr; only `auto` decides later."""
    x, kernel, f, _ = pair(name, "dense")
    text = str(jax.make_jaxpr(f)(x, kernel))
    marks = {
        "auto": "conv_auto", "onednn": "conv_onednn", "direct": "conv_stock", "overhang": "conv_stock",
        "by_group": "conv_stock", "phases": "conv_stock", "space_to_depth": "conv_stock",
        "fft": "fft", "overlap_add": "fft", "sparse": "scatter-add", "lanes": "mul",
    }  # fmt: skip
    assert marks.get(name, "dot_general") in text
    assert (name == "auto") == ("conv_auto" in text)


def test_linear_transpose_and_adjoint():
    """⟨conv(x, k), y⟩ = ⟨x, conv_transpose(y, k)⟩, and JAX's own transpose of `auto` is it."""
    x, kernel = integers((2, 7, 6, 4), 14), integers((3, 2, 2, 6), 15)
    arguments = {"stride": 2, "groups": 2, "padding": [(1, 2), (0, 1)], "dilation": (1, 2)}
    y = jconv.conv(x, kernel, **arguments)
    ct = integers(y.shape, 16)
    rest = tuple(
        (n + low + high - (d * (k - 1) + 1)) % 2
        for n, (low, high), d, k in zip((7, 6), [(1, 2), (0, 1)], (1, 2), (3, 2), strict=True)
    )
    back = jconv.conv_transpose(ct, kernel, output_padding=rest, **arguments)
    assert back.shape == x.shape
    assert (y * ct).sum() == (x * back).sum()
    (transposed,) = jax.linear_transpose(lambda x: jconv.conv(x, kernel, **arguments), x)(ct)
    np.testing.assert_array_equal(transposed, back)


@pytest.mark.parametrize("name", ["auto", "direct"])
@pytest.mark.parametrize("case", PROBLEM_LIST, ids=str)
def test_gradients_of_every_problem(name, case):
    """By x, kernel and bias, against loops that scatter."""
    x, kernel, bias = (jnp.asarray(operand, jnp.float32) for operand in case.operands())
    f = jax.jit(functools.partial(jconv.conv, formulation=name, **case.arguments))
    y = f(x, kernel, bias)
    ct = integers(y.shape, 21)
    got = jax.jit(lambda ct: jax.vjp(f, x, kernel, bias)[1](ct))(ct)
    wanted = reference.conv_gradients(*map(np.asarray, (ct, x, kernel)), **case.arguments)
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def equations(jaxpr):
    """Yield every equation of a jaxpr, nested ones too."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


@both
def test_phases_multiply_no_inserted_zero(problem):
    x, kernel, arguments = operands(problem)
    arguments = arguments | {"stride": 3, "input_dilation": 2, "padding": 1}
    f = functools.partial(jconv.conv, formulation="phases", **arguments)
    found = [e for e in equations(jax.make_jaxpr(f)(x, kernel).jaxpr) if e.primitive.name == "conv_stock"]
    assert found
    for equation in found:
        assert set(equation.params["lhs_dilation"]) == {1}
        assert set(equation.params["window_strides"]) == {1}


def test_patches_never_convolve():
    x, kernel, f, _ = pair("patches", "dense")
    names = [e.primitive.name for e in equations(jax.make_jaxpr(f)(x, kernel).jaxpr)]
    assert not {"conv_general_dilated", "conv_stock"} & set(names)
    assert names.count("dot_general") == 1


@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "edge"])
def test_conv_transpose_in_shard_map(mode):
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    x, kernel = integers((2, 6, 4), 30), integers((3, 2, 4), 31)
    f = functools.partial(jconv.conv_transpose, padding=1, padding_mode=mode, stride=2)
    sharded = jax.shard_map(lambda x: f(x, kernel), mesh=mesh, in_specs=P("data"), out_specs=P("data"))
    np.testing.assert_array_equal(sharded(x), f(x, kernel))
