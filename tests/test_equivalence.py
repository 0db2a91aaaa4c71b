"""Every formulation computes every problem exactly as the reference does, or refuses it for its size."""

import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest
import reference
from hypothesis import given, settings
from problems import MODES, PROBLEMS, WORDS, Problem, problem

import jconv
from jconv.costs import Problem as Costed
from jconv.errors import UnsupportedError
from jconv.formulations import FORMULATIONS
from jconv.formulations._closed import flip_exchange
from jconv.geometry import Geometry, conv_geometry, conv_transpose_geometry
from jconv.selection import choose

MAY_REFUSE = {"toeplitz", "circulant", "sparse", "winograd"}
LIBRARY = "onednn"  # what it refuses depends on jaxlib and processor: tests/test_onednn.py
NAMES = [*FORMULATIONS, "auto"]

# Layers of real networks: none is computed here, only refused or not.
LARGE = {
    "3x3 64→64 on 56x56": problem((56, 56), (3, 3), (64, 64), batch=1, padding="SAME"),
    "7x7 stride 2 on 224x224": problem((224, 224), (7, 7), (3, 64), batch=1, stride=(2, 2), padding="SAME"),
    "depthwise 3x3 on 112x112": problem((112, 112), (3, 3), (32, 32), batch=1, groups=32, padding="SAME"),
    "3x3 on 512x768": problem((512, 768), (3, 3), (1, 1), batch=1, padding="SAME"),
    "1-D, 25 taps, 16000": problem((16000,), (25,), (1, 8), batch=1, padding="SAME"),
    "3-D 3x3x3 on 16x56x56": problem((16, 56, 56), (3, 3, 3), (4, 8), batch=1, padding="SAME"),
}
# Which of LARGE each refuses; the others refuse none.
REFUSED = {
    "toeplitz": set(LARGE),
    "circulant": set(LARGE),
    "sparse": {"3x3 64→64 on 56x56", "7x7 stride 2 on 224x224", "3-D 3x3x3 on 16x56x56"},
    "winograd": {"7x7 stride 2 on 224x224", "1-D, 25 taps, 16000"},
}

TRANSPOSED = [
    problem((5,), (3,), (2, 3), stride=(2,)),
    problem((4, 3), (3, 2), (3, 2), stride=(2, 3), padding="SAME"),
    problem((4, 3), (2, 5), (3, 2), stride=(3, 1), padding="SAME_LOWER", dilation=(1, 2)),
    problem((4, 5), (3, 3), (4, 6), stride=(1, 2), padding="FULL", groups=2),
    problem((6,), (4,), (2, 1), stride=(3,), padding="CAUSAL", dilation=(2,)),
    problem((4, 3), (3, 4), (3, 3), stride=(2, 3), padding=((1, 0), (2, 1)), groups=3, flip=True),
    problem((4, 3), (3, 2), (2, 2), stride=(2, 1), padding=((-1, -2), (0, -1)), dilation=(1, 3)),
    problem((2, 3, 1), (2, 1, 3), (2, 1), stride=(1, 2, 3), padding=((1, 0), (0, 0), (1, 2))),
    problem((6, 5), (3, 3), (1, 1), stride=(2, 1), padding=((1, 1), (2, 1)), padding_mode="circular"),
    problem((6, 5), (3, 2), (2, 2), stride=(3, 2), padding="SAME", padding_mode="reflect", flip=True),
    problem((5, 6), (3, 3), (2, 4), padding=((1, 2), (0, 1)), padding_mode="edge", groups=2, dilation=(2, 1)),
    problem((4,), (3,), (2, 2), stride=(2,), padding=((1, 1),), padding_mode="circular"),
]
OUTPUT_PADDING = [0, 1, (1, 0), 0, 2, (1, 2), (0, 2), (0, 1, 2), 0, (2, 1), (1, 0), 1]
TRANSPOSED_CASES = [
    pytest.param(case, more, id=f"{case}-more{more}") for case, more in zip(TRANSPOSED, OUTPUT_PADDING, strict=True)
]


@functools.lru_cache(maxsize=256)
def expected(case: Problem) -> np.ndarray:
    return reference.conv(*case.operands(), **case.arguments)


def plain(case: Problem) -> tuple[jax.Array, jax.Array, Geometry]:
    """Return x, kernel and geometry as a formulation sees them: borders other than zeros are part of x."""
    x, kernel, _ = case.operands()
    padding = case.padding
    if case.padding_mode != "zeros":
        pads = (
            reference.word_pads(padding, case.dilated_size, case.extent, case.stride)
            if isinstance(padding, str)
            else padding
        )
        dilated = np.zeros((len(x), *case.dilated_size, case.in_channels), x.dtype)
        dilated[:, *(slice(None, None, e) for e in case.input_dilation)] = x
        x, padding = reference.pad(dilated, pads, case.padding_mode), "VALID"
    input_dilation = case.input_dilation if case.padding_mode == "zeros" else 1
    arguments = {"stride": case.stride, "dilation": case.dilation, "groups": case.groups}
    geometry = conv_geometry(x.shape, kernel.shape, padding=padding, input_dilation=input_dilation, **arguments)
    return jnp.asarray(x), jnp.asarray(kernel), geometry


def reason(name: str, case: Problem) -> str | None:
    """Return why the formulation refuses the problem, or None."""
    x, _, geometry = plain(case)
    costed = Costed(geometry, len(x), case.in_channels, case.out_channels, "float32", jax.default_backend())
    return None if name == "auto" else FORMULATIONS[name].unsupported(costed)


def stated_bound(name: str, x: jax.Array, kernel: jax.Array, geometry: Geometry) -> Callable[[], float] | None:
    """Return the bound on the error that the formulation, or what auto takes, states; None where it is exact."""
    if name == "auto":
        name = choose(Costed(geometry, len(x), x.shape[-1], kernel.shape[-1], "float32", jax.default_backend()))[0]
    bound = FORMULATIONS[name].error_bound
    return None if bound is None else lambda: bound(x, kernel, geometry)


def compare(got: jax.Array, wanted: np.ndarray, bound: Callable[[], float] | None) -> None:
    """Hold the result against the reference: exactly, or after rounding where the formulation is not exact."""
    assert got.shape == wanted.shape
    assert got.dtype == np.float32
    y = np.asarray(got, np.float64)
    if bound is None:
        np.testing.assert_array_equal(y, wanted)
        return
    np.testing.assert_array_equal(np.round(y), wanted)
    assert np.abs(y - wanted).max() <= bound()


def check(name: str, case: Problem) -> None:
    operands = case.operands()
    call = jax.jit(functools.partial(jconv.conv, **case.arguments, formulation=name))
    refusal = reason(name, case)
    if refusal is not None:
        assert name in {*MAY_REFUSE, LIBRARY}
        with pytest.raises(UnsupportedError) as raised:
            call(*operands)
        assert refusal in str(raised.value)
        return
    compare(call(*operands), expected(case), stated_bound(name, *plain(case)))


@pytest.mark.parametrize("case", PROBLEMS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_formulation_computes_every_problem(name: str, case: Problem) -> None:
    check(name, case)


@settings(max_examples=12)
@given(case=problems.problems())
@pytest.mark.parametrize("name", NAMES)
def test_every_formulation_computes_what_hypothesis_draws(name: str, case: Problem) -> None:
    check(name, case)


def test_the_problems_cover_the_contract() -> None:
    assert len(PROBLEMS) >= 60
    assert {len(case.size) for case in PROBLEMS} == {1, 2, 3}
    assert all(len(set(case.size)) == len(case.size) for case in PROBLEMS)
    for name in ("stride", "dilation", "input_dilation"):
        assert {step for case in PROBLEMS for step in getattr(case, name)} == {1, 2, 3}
    assert {case.padding_mode for case in PROBLEMS} == set(MODES)
    assert {case.padding for case in PROBLEMS if isinstance(case.padding, str)} == set(WORDS)
    pairs = [pair for case in PROBLEMS if not isinstance(case.padding, str) for pair in case.padding]
    assert any(low != high for low, high in pairs)
    assert any(low < 0 for low, _ in pairs)
    assert any(high < 0 for _, high in pairs)
    assert {1, 33} <= {case.in_channels for case in PROBLEMS} & {case.out_channels for case in PROBLEMS}
    grouped = [case for case in PROBLEMS if case.groups > 1]
    assert any(case.groups == case.in_channels == case.out_channels for case in grouped)
    assert any(case.groups == case.in_channels < case.out_channels for case in grouped)
    assert any(case.groups < case.in_channels for case in grouped)
    assert {case.flip for case in PROBLEMS} == {False, True}


def test_matrices_refuse_their_size_and_winograd_long_windows(
    record_property: Callable[[str, object], None],
) -> None:
    """The table of refusals is a property of this test, which `conftest.py` prints when all have run."""
    names = [name for name in FORMULATIONS if name != LIBRARY]
    small = {(name, str(case)) for name in names for case in PROBLEMS if reason(name, case) is not None}
    refused: dict[str, set[str]] = {}
    for name, (label, case) in itertools.product(names, LARGE.items()):
        words = reason(name, case)
        if words is not None:
            refused.setdefault(name, set()).add(label)
            record_property("refusal", f"{name:10} {label:26} {words}")
    # 33 channels to 33 on a dilated torus: 256 MiB are passed.
    long = {("winograd", str(case)) for case in PROBLEMS if max(case.window) > 5}
    assert small == long | {("circulant", "n2-6x10x33-k2x1-o33-s2x1-d2x2-e3x1-p2.0x3.2-reflect-flip")}
    assert refused == REFUSED
    assert set(refused) == MAY_REFUSE


@pytest.mark.parametrize("name", sorted(MAY_REFUSE))
def test_a_refusal_is_raised_with_its_reason(name: str) -> None:
    case = LARGE["1-D, 25 taps, 16000" if name == "winograd" else "3-D 3x3x3 on 16x56x56"]
    words = reason(name, case)
    assert words is not None
    x, kernel, _ = case.operands()
    with pytest.raises(UnsupportedError) as raised:
        jconv.conv(x, kernel, padding="SAME", formulation=name)
    assert words in str(raised.value)


@pytest.mark.parametrize(("case", "more"), TRANSPOSED_CASES)
@pytest.mark.parametrize("name", NAMES)
def test_every_formulation_transposes(name: str, case: Problem, more: int | tuple[int, ...]) -> None:
    arguments = {key: value for key, value in case.arguments.items() if key != "input_dilation"}
    arguments["output_padding"] = more
    x, kernel, _ = case.operands()
    kernel = kernel.reshape(*case.window, case.out_channels // case.groups, case.in_channels)
    bias = np.arange(case.out_channels, dtype=np.float32) - 1
    y = jax.jit(functools.partial(jconv.conv_transpose, **arguments, formulation=name))(x, kernel, bias)
    wanted = reference.conv_transpose(x, kernel, bias, **arguments)

    def bound() -> Callable[[], float] | None:
        pads = case.padding if case.padding_mode == "zeros" else "VALID"
        geometry, _ = conv_transpose_geometry(
            x.shape, kernel.shape, stride=case.stride, padding=pads, output_padding=more, dilation=case.dilation,
            groups=case.groups,
        )  # fmt: skip
        exchanged = flip_exchange(jnp.asarray(kernel), case.groups)
        # Folding a border back adds what at most all its copies hold.
        copies = 1 if case.padding_mode == "zeros" else 3 ** len(case.size)
        stated = stated_bound(name, jnp.asarray(x), exchanged, geometry.input_gradient())
        return None if stated is None else lambda: copies * stated()

    compare(y, wanted, bound())


@pytest.mark.parametrize(("case", "more"), TRANSPOSED_CASES)
def test_the_reference_transposes_its_own_convolution(case: Problem, more: int | tuple[int, ...]) -> None:
    """⟨conv(a, k), x⟩ = ⟨a, conv_transpose(x, k)⟩, where conv reaches all of a's positions that x has."""
    x, kernel, _ = case.operands()
    kernel = kernel.reshape(*case.window, case.in_channels // case.groups, case.out_channels)
    ct = np.random.default_rng(1).integers(-4, 4, (len(x), *case.size, case.out_channels)).astype(np.float64)
    arguments = {key: value for key, value in case.arguments.items() if key != "input_dilation"}
    y = reference.conv_transpose(ct, kernel, **arguments, output_padding=more)
    pads = reference.transpose_pads(case.padding, case.extent, case.stride)
    a = np.random.default_rng(2).integers(-4, 4, y.shape).astype(np.float64)
    forward = reference.conv(a, kernel, **{**arguments, "padding": pads})
    seen = forward[:, *(slice(n) for n in case.size)]  # More positions fit where output_padding reaches the stride.
    assert (seen * ct).sum() == (a * y).sum()
