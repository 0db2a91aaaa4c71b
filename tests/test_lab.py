"""What the laboratory holds to be true: the oracle against the loops, the tolerance rule, every transform."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference

from jconv.lab import agreement, experiment, images, loading, oracle, plan, programs
from jconv.lab.document import parse
from jconv.lab.runner import needs_float64
from jconv.lab.session import Session
from jconv.lab.truth import ARGUMENTS, Truth, truth

MODES = ("zeros", "circular", "reflect", "edge")
PROBLEMS = [
    ((2, 7, 6, 4), (3, 2, 2, 6), {"stride": (2, 1), "padding": ((1, 2), (0, 1)), "groups": 2}),
    ((1, 9, 8, 3), (3, 3, 1, 3), {"padding": "SAME", "dilation": (2, 1), "groups": 3}),
    ((1, 9, 8, 2), (4, 3, 2, 5), {"padding": "SAME_LOWER", "stride": (2, 3)}),
    ((2, 6, 5, 2), (3, 2, 2, 3), {"padding": "FULL", "flip": True}),
    ((1, 9, 2), (3, 2, 3), {"padding": "CAUSAL", "dilation": 2}),
    ((1, 8, 7, 2), (2, 3, 2, 3), {"padding": ((2, -1), (-1, 2)), "stride": 2}),
    ((1, 4, 5, 6, 2), (2, 3, 2, 2, 3), {"padding": 1}),
]


def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-4, 5, shape).astype(np.float64)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("x_shape", "kernel_shape", "arguments"), PROBLEMS)
def test_oracle_is_the_definition(rng, x_shape, kernel_shape, arguments, mode):
    x, kernel = draw(rng, x_shape), draw(rng, kernel_shape)
    expected = reference.conv(x, kernel, padding_mode=mode, **arguments)
    ct = draw(rng, expected.shape)
    answer = oracle.conv(x, kernel, ct, padding_mode=mode, **arguments)
    np.testing.assert_array_equal(answer.output, expected)
    by_x, by_kernel, _ = reference.conv_gradients(ct, x, kernel, padding_mode=mode, **arguments)
    np.testing.assert_array_equal(answer.x_gradient, by_x)
    np.testing.assert_array_equal(answer.kernel_gradient, by_kernel)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("x_shape", "kernel_shape", "arguments"),
    [
        ((2, 4, 3, 6), (3, 2, 2, 6), {"stride": (2, 1), "padding": 1, "groups": 2}),
        ((1, 4, 5, 3), (3, 4, 2, 3), {"padding": "SAME", "stride": 2}),
        ((1, 5, 4, 2), (3, 3, 2, 2), {"padding": ((1, 0), (0, 2)), "stride": 2, "output_padding": 1, "flip": True}),
        ((1, 5, 4, 2), (2, 3, 3, 2), {"dilation": (3, 2), "output_padding": (1, 0), "padding": "SAME_LOWER"}),
    ],
)
def test_oracle_transposed_is_the_definition(rng, x_shape, kernel_shape, arguments, mode):
    x, kernel = draw(rng, x_shape), draw(rng, kernel_shape)
    expected = reference.conv_transpose(x, kernel, padding_mode=mode, **arguments)
    answer = oracle.conv_transpose(x, kernel, padding_mode=mode, **arguments)
    np.testing.assert_array_equal(answer.output, expected)
    # Its gradients, by bilinearity: ⟨ct, T(x, k)⟩ changes by ⟨ct, T(dx, k)⟩ and ⟨ct, T(x, dk)⟩.
    ct, dx, dk = (draw(rng, shape) for shape in (expected.shape, x_shape, kernel_shape))
    answer = oracle.conv_transpose(x, kernel, ct, padding_mode=mode, **arguments)
    by_x = reference.conv_transpose(dx, kernel, padding_mode=mode, **arguments)
    by_kernel = reference.conv_transpose(x, dk, padding_mode=mode, **arguments)
    assert np.sum(answer.x_gradient * dx) == np.sum(ct * by_x)
    assert np.sum(answer.kernel_gradient * dk) == np.sum(ct * by_kernel)


def judged(
    value: np.ndarray, expected: np.ndarray, absolute: np.ndarray, terms: float, exact: bool = True, size: int = 16
):
    return agreement.compare([value], Truth([expected], [absolute], [terms]), exact=exact, size=size)


def test_tolerance_follows_its_rule():
    one = np.ones((1, 2, 2, 1))
    epsilon = float(np.finfo(np.float32).eps)
    found = judged(one.astype(np.float32), one, 5 * one, 9.0)
    assert found.tolerance == pytest.approx(epsilon * 3 * 5)
    assert judged(one.astype(np.float32), one, 5 * one, 9.0, exact=False).tolerance == pytest.approx(epsilon * 60)
    off = judged((one + 20 * epsilon).astype(np.float32), one, 5 * one, 9.0)
    assert not off.ok
    assert (off.max_ulps, off.rms_ulps) == (pytest.approx(20), pytest.approx(20))
    assert off.relative == pytest.approx(20 * epsilon)


def test_ulps_are_of_the_largest_true_value_in_its_own_dtype():
    expected = np.array([[3.0, 0.25]])
    value = expected.astype(np.float16) + np.float16(2**-9)
    found = judged(value, expected, expected, 1.0)
    assert found.max_ulps == pytest.approx(1.0)  # float16 steps by 2⁻⁹ between 2 and 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_entry_never_passes(bad):
    one = np.ones((1, 3, 3, 1))
    value = one.astype(np.float32)
    value[0, 1, 1, 0] = bad
    found = judged(value, one, one, 1.0)
    assert not found.ok
    two = agreement.compare(
        [one.astype(np.float32), value], Truth([one, one], [one, one], [1.0, 1.0]), exact=True, size=9
    )
    assert not two.ok
    assert not math.isfinite(two.error)


def test_wrong_shape_or_number_never_passes():
    one = np.ones((1, 3, 3, 1))
    assert not judged(np.ones((1, 3, 3), np.float32), one, one, 1.0).ok
    assert not agreement.compare([], Truth([one], [one], [1.0]), exact=True, size=9).ok


def test_photograph_is_cut_square_and_scaled():
    picture = images.photograph("photo", Path(), 24)
    assert picture.shape == (24, 24, 3)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() < 0.2 < 0.8 < picture.max() <= 1


def test_pictures_map_zero_to_grey(tmp_path: Path):
    images.write_picture(tmp_path / "a.png", np.array([[-2.0, 0.0, 2.0, np.nan]]), limit=2.0)
    with images.Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image).tolist() == [[0, 128, 255, 0]]


TRANSFORMS = tuple(ARGUMENTS)
LAYERS = """
  - {name: conv, window: [3, 2], in_channels: 4, out_channels: 2, groups: 2, stride: [2, 1], padding: [[1, 0], [0, 2]]}
  - {name: up, window: [3], in_channels: 2, out_channels: 3, stride: 2, padding: 1, transposed: true, size: 4}
"""


def problems(**settings: object) -> list[plan.Problem]:
    words = {"schema_version": 1, "kind": "agreement", "name": "small", "size": 5, "batch": 2, "networks": 3}
    text = "".join(f"{key}: {value}\n" for key, value in (words | settings).items() if value is not None)
    return plan.plan(loading.validate(parse(text)))


def finite_difference(transform: str, convolve, given: dict[str, Any]) -> list[np.ndarray]:
    """Say a transform again, from outputs alone: by bilinearity each gradient is a sum of outputs."""

    def kernel_gradient(x, kernel, ct):
        basis = np.eye(kernel.size).reshape(kernel.size, *kernel.shape)
        return np.array([np.sum(ct * convolve(x, one)) for one in basis]).reshape(kernel.shape)

    def input_gradient(x, kernel, ct):
        basis = np.eye(x.size).reshape(x.size, *x.shape)
        return np.array([np.sum(ct * convolve(one, kernel)) for one in basis]).reshape(x.shape)

    x, k, ct = (given.get(name, np.empty(0)) for name in ("x", "kernel", "cotangent"))
    match transform:
        case "forward":
            return [convolve(x, k)]
        case "input_gradient":
            return [input_gradient(x, k, ct)]
        case "kernel_gradient":
            return [kernel_gradient(x, k, ct)]
        case "gradients":
            return [input_gradient(x, k, ct), kernel_gradient(x, k, ct)]
        case "forward_backward":
            return [convolve(x, k), input_gradient(x, k, ct), kernel_gradient(x, k, ct)]
        case "jvp":
            dx, dk = given["x_tangent"], given["kernel_tangent"]
            return [convolve(x, k), convolve(x + dx, k + dk) - convolve(x, k) - convolve(dx, dk)]
        case "vmap":
            return [np.array([convolve(x, one) for one in given["kernels"]])]
        case "vmapped_kernels":
            return [np.array([kernel_gradient(x, one, convolve(x, one)) for one in given["kernels"]])]
        case "ensemble":
            pairs = zip(given["xs"], given["kernels"], strict=True)
            return [np.array([kernel_gradient(x, one, convolve(x, one)) for x, one in pairs])]
        case "per_example_gradients":
            return [np.array([kernel_gradient(x[i : i + 1], k, ct[i : i + 1]) for i in range(len(x))])]
    for _ in range(4):
        k = k - given["rate"] * kernel_gradient(x, k, convolve(x, k))
    return [k]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_truth_is_the_derivative_of_the_loops(transform):
    for problem in problems(layers=LAYERS, transforms=[transform], formulations=["direct"], dtypes=["float64"]):
        call = problem.call
        assert call is not None
        with needs_float64([problem]):
            given = programs.draw(problem, call, 3)
        judge = oracle.conv_transpose if call.transposed else oracle.conv
        loops = reference.conv_transpose if call.transposed else reference.conv

        def convolve(x, kernel, loops=loops, call=call):
            return loops(x, kernel, **call.arguments)

        found = truth(transform, lambda x, k, ct=None, judge=judge, call=call: judge(x, k, ct, **call.arguments), given)
        expected = finite_difference(transform, convolve, given)
        for one, other in zip(found.values, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
        assert all(np.all(np.abs(v) <= a * (1 + 1e-12)) for v, a in zip(found.values, found.absolute, strict=True))


def run(problem: plan.Problem, contender: str, folder: Path) -> dict:
    return Session(Path(), folder).prepare(problem, contender).line


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_transform_agrees_and_a_slip_of_a_thousandth_does_not(transform, tmp_path, monkeypatch):
    planned = problems(layers=LAYERS, transforms=[transform], formulations=["direct", "shifts"])
    for problem in planned:
        line = run(problem, "shifts", tmp_path)
        assert line["status"] == "ok", line
        assert line["repeatable"] is True
        assert 0 < line["error"] < line["tolerance"]
    right = programs.convolution

    def slipped(call, formulation, precision):
        f = right(call, formulation, precision)
        return lambda x, kernel: f(x, kernel) * 1.001

    monkeypatch.setattr(programs, "convolution", slipped)
    for problem in planned:
        line = run(problem, "shifts", tmp_path)
        assert line["status"] == "mismatch", line
        assert "above its tolerance of" in line["reason"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_every_dtype_agrees(dtype, tmp_path):
    planned = problems(layers=LAYERS, transforms=["gradients", "scan"], formulations=["patches"], dtypes=[dtype])
    with needs_float64(planned):
        for problem in planned:
            line = run(problem, "patches", tmp_path)
            assert line["status"] == "ok", line
            assert line["dtype"] == dtype


def test_integers_are_exact(tmp_path):
    (problem, _) = problems(layers=LAYERS, values="integers", formulations=["shifts"])
    assert run(problem, "shifts", tmp_path)["error"] == 0


def test_a_crash_is_a_failure_in_one_line(tmp_path, monkeypatch):
    def crash(call, formulation, precision):
        raise RuntimeError("out of luck\nand more")

    monkeypatch.setattr(programs, "convolution", crash)
    problem = problems(layers=LAYERS, formulations=["shifts"])[0]
    line = run(problem, "shifts", tmp_path)
    assert (line["status"], line["reason"]) == ("failed", "RuntimeError: out of luck")

    def full(call, formulation, precision):
        raise MemoryError

    monkeypatch.setattr(programs, "convolution", full)
    assert run(problem, "shifts", tmp_path)["status"] == "out_of_memory"


def test_what_is_mostly_zero_proves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(
        programs, "draw", lambda *_: {"x": np.zeros((2, 5, 5, 4), "f"), "kernel": np.ones((3, 2, 2, 2), "f")}
    )
    problem = problems(layers=LAYERS, formulations=["shifts"])[0]
    assert run(problem, "shifts", tmp_path)["status"] == "mistrusted"


def test_direct_is_the_judge_where_numpy_would_take_too_long(tmp_path, monkeypatch):
    from jconv.lab import bench

    problem = problems(layers=LAYERS, transforms=["gradients"], formulations=["fft"])[0]
    small = run(problem, "fft", tmp_path)
    monkeypatch.setattr(bench, "MOST_PRODUCTS", 1)
    large = run(problem, "fft", tmp_path)
    assert (small["checked_against"], large["checked_against"]) == ("float64 oracle", "direct")
    assert large["status"] == "ok"
    assert large["tolerance"] == pytest.approx(small["tolerance"], rel=1e-5)


@pytest.mark.parametrize("window", [2, 3, 4, 5])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2)])
def test_overlap_is_even_inside_exactly_where_the_rule_says(window, stride, dilation, tmp_path):
    layers = (
        f"\n  - {{name: up, window: [{window}], stride: {stride}, dilation: {dilation}, "
        "transposed: true, channels: 2}\n"
        "  - {name: conv, window: [3], padding: SAME}\n"
    )
    up, conv = problems(kind="arithmetic", size=16, layers=layers, batch=None, networks=None)
    line = run(up, "geometry", tmp_path)
    even = stride == 1 or (window % stride == 0 and math.gcd(stride, dilation) == 1)
    assert line["overlap_even"] == even
    assert (len(line["overlap_inside"]) == 1) == even
    assert line["output_size"] == [15 * stride + dilation * (window - 1) + 1]
    assert (line["parameters"], line["multiplications"]) == (2 * window, 2 * window * 16)
    after = run(conv, "geometry", tmp_path)
    assert after["input_size"] == after["output_size"] == line["output_size"]
    assert "receptive_field" not in after  # what a transposed layer sees depends on the place


def test_a_stack_adds_up_to_its_receptive_field(tmp_path):
    layers = "".join(f"\n  - {{name: d{d}, window: 3, dilation: {d}, padding: SAME}}" for d in (1, 2, 4))
    found = [
        run(p, "geometry", tmp_path)
        for p in problems(kind="arithmetic", size=20, layers=layers, batch=None, networks=None)
    ]
    assert [line["receptive_field"]["size"] for line in found] == [[3, 3], [7, 7], [15, 15]]
    assert [line["receptive_field"]["jump"] for line in found] == [[1, 1]] * 3


def broken(f, kind: str):
    import jax.numpy as jnp

    breaks = {
        "flip": lambda x, k: f(x, jnp.flip(k, (0, 1))),
        "group": lambda x, k: f(x, k).at[..., :2].set(0),
        "shift": lambda x, k: jnp.roll(f(x, k), 1, axis=1),
        "zero": lambda x, k: 0 * f(x, k),
        "half": lambda x, k: f(x, k) / 2,
        "nan": lambda x, k: f(x, k).at[0, 0, 0, 0].set(jnp.nan),
        "narrow": lambda x, k: f(x, k).astype(jnp.float8_e4m3fn),
    }
    return breaks[kind]


@pytest.mark.parametrize("kind", ["flip", "group", "shift", "zero", "half", "nan", "narrow"])
def test_a_broken_formulation_never_passes_in_half_precision_either(kind, tmp_path, monkeypatch):
    # 1,600 products in bfloat16: the tolerance is larger than any result.
    layer = "{name: a, window: [5, 5], in_channels: 64, out_channels: 4, size: [6, 6]}"
    (problem,) = problems(layers=f"[{layer}]", formulations=["patches"], dtypes=["bfloat16"])
    sound = run(problem, "patches", tmp_path)
    assert sound["status"] == "ok", sound
    assert sound["tolerance"] > sound["error"] / sound["relative"]
    right = programs.convolution
    monkeypatch.setattr(programs, "convolution", lambda *given: broken(right(*given), kind))
    line = run(problem, "patches", tmp_path)
    assert line["status"] == ("mismatch" if kind in ("nan", "narrow") else "mistrusted"), line


def test_a_result_in_fewer_bits_than_asked_for_never_passes(tmp_path, monkeypatch):
    import jax.numpy as jnp

    (problem, _) = problems(layers=LAYERS, formulations=["shifts"])
    right = programs.convolution
    monkeypatch.setattr(programs, "convolution", lambda *given: lambda x, k: right(*given)(x, k).astype(jnp.bfloat16))
    line = run(problem, "shifts", tmp_path)
    assert (line["status"], line["reason"]) == ("mismatch", "the result is bfloat16, which does not hold float32")


def test_a_sweep_may_change_how_cases_are_isolated(tmp_path):
    config = {
        "schema_version": 1,
        "kind": "agreement",
        "name": "limits",
        "formulations": ["direct"],
        "layers": [{"name": "a", "window": 3, "in_channels": 2, "out_channels": 2, "size": 6}],
        "sweep": {"limits.seconds": [0.001, 100.0]},
        "limits": {"isolate": "case"},
    }
    short, long = experiment.run(config, out=tmp_path / "out")
    assert (short["status"], long["status"]) == ("timeout", "ok")


def test_a_long_sweep_has_files_of_names_that_fit(tmp_path):
    filters = [[{"name": f"f{i}{j}", "kernel": [[1.0, 2.0]]} for j in range(9)] for i in range(2)]
    config = {"schema_version": 1, "kind": "photograph", "name": "long", "size": 8, "gradient": False}
    config |= {"formulations": ["direct"], "sweep": {"filters": filters}, "measure": {"rounds": 3, "seconds": 0.01}}
    results = experiment.run(config, out=tmp_path / "out", only="f00@*")
    assert {line["status"] for line in results} == {"ok"}
    assert "(the file is missing)" not in (tmp_path / "out" / "report.html").read_text()


def test_a_notebook_shows_a_run_that_cannot_be_written(tmp_path, monkeypatch):
    stack = {"layers": [{"name": "a", "window": 3}], "size": 9, "name": "a", "kind": "arithmetic", "schema_version": 1}
    results = experiment.run(stack, out=tmp_path / "out")
    monkeypatch.setattr(experiment.Results, "report", lambda self: pytest.fail("it was written"))
    assert "jconv report" in results._repr_html_()


def test_a_child_that_hangs_while_others_are_timed_is_ended_at_once(tmp_path, monkeypatch):
    from jconv.lab import session

    class Hanging:
        closed = 0

        def __init__(self, limits):
            pass

        def ask(self, question):
            if "case" in question:
                return {"line": {"case": question["case"]}, "timed": True}
            raise session.Ended("timeout", "it took over 1 s")

        def close(self):
            Hanging.closed += 1

    monkeypatch.setattr(session, "Child", Hanging)
    problem = problems(layers=LAYERS, formulations=["shifts"])[0]
    case = session.Isolated(Path(), tmp_path, problem.settings.limits).prepare(problem, "shifts")
    assert case.run is not None
    with pytest.raises(session.Ended):
        _ = case.run()
    assert Hanging.closed == 1
