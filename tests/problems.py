"""Convolutions to compute in every way: a fixed list, drawn once from a seed, and a Hypothesis strategy for more."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

Pads = tuple[tuple[int, int], ...]

WORDS = ("VALID", "SAME", "SAME_LOWER", "FULL", "CAUSAL")
MODES = ("zeros", "circular", "reflect", "edge")
# Products of output positions and taps: more would only make the reference slow.
MOST_TERMS = 1500
MOST_POSITIONS = 160


@dataclass(frozen=True)
class Problem:
    """One convolution's arguments, an entry per space axis, and the shapes of its operands."""

    batch: int
    size: tuple[int, ...]
    in_channels: int
    out_channels: int
    window: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | Pads
    padding_mode: str
    dilation: tuple[int, ...]
    input_dilation: tuple[int, ...]
    groups: int
    flip: bool

    def __str__(self) -> str:
        """Return what a test is called by; only what is not the default is named."""
        sides = ["x".join(map(str, side)) for side in (self.size, self.window)]
        words = [f"n{self.batch}", f"{sides[0]}x{self.in_channels}", f"k{sides[1]}", f"o{self.out_channels}"]
        for letter, values in (("s", self.stride), ("d", self.dilation), ("e", self.input_dilation)):
            words += [letter + "x".join(map(str, values))] if max(values) > 1 else []
        pads = self.padding if isinstance(self.padding, str) else "p" + "x".join(f"{a}.{b}" for a, b in self.padding)
        words += [pads] if pads != "VALID" else []
        words += [self.padding_mode] if self.padding_mode != "zeros" else []
        words += [f"g{self.groups}"] if self.groups > 1 else []
        words += ["flip"] if self.flip else []
        return "-".join(words)

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `conv`."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "padding_mode": self.padding_mode,
            "dilation": self.dilation,
            "input_dilation": self.input_dilation,
            "groups": self.groups,
            "flip": self.flip,
        }

    @property
    def extent(self) -> tuple[int, ...]:
        """What the dilated window covers."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.window, strict=True))

    @property
    def dilated_size(self) -> tuple[int, ...]:
        """The size of the dilated input."""
        return tuple(e * (n - 1) + 1 for e, n in zip(self.input_dilation, self.size, strict=True))

    @property
    def is_small(self) -> bool:
        """Whether the window fits and the reference is quick."""
        total = {"FULL": 2, "CAUSAL": 1}
        positions = []
        for axis, (n, k, s) in enumerate(zip(self.dilated_size, self.extent, self.stride, strict=True)):
            if self.padding in ("SAME", "SAME_LOWER"):
                positions.append(-(-n // s))
                continue
            more = total.get(self.padding, 0) * (k - 1) if isinstance(self.padding, str) else sum(self.padding[axis])
            positions.append((n + more - k) // s + 1)
        terms = prod(positions) * prod(self.window)
        return min(positions) >= 1 and prod(positions) <= MOST_POSITIONS and terms <= MOST_TERMS

    def operands(self, low: int = -4, high: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x, kernel and bias of small integers in float32, whose sums are exact in any order."""
        rng = np.random.default_rng(prod((*self.size, *self.window)) + 7 * self.in_channels + 31 * self.out_channels)
        kernel_shape = (*self.window, self.in_channels // self.groups, self.out_channels)
        shapes = (self.batch, *self.size, self.in_channels), kernel_shape, (self.out_channels,)
        x, kernel, bias = (rng.integers(low, high, shape, endpoint=True).astype(np.float32) for shape in shapes)
        return x, kernel, bias


Pick = Callable[[str, list], Any]


def build(pick: Pick) -> Problem:
    """Make a problem by choices; `pick(what, options)` makes each."""
    axes = pick("axes", [1, 2, 2, 2, 3])
    sizes = {1: list(range(1, 34)), 2: list(range(1, 12)), 3: list(range(1, 7))}[axes]
    size = []
    for _ in range(axes):  # Each axis another size, so that a swapped axis is seen.
        size.append(pick("size", [n for n in sizes if n not in size]))
    window = tuple(pick("window", {1: [1, 2, 3, 4, 5, 7], 2: [1, 2, 3, 3, 4, 5], 3: [1, 2, 3]}[axes]) for _ in size)
    kind = pick("channels", ["one", "dense", "dense", "grouped", "depthwise", "multiplier"])
    if kind == "one":
        channels, out, groups = 1, 1, 1
    elif kind == "dense":
        channels, out, groups = pick("in", [2, 3, 5, 33]), pick("out", [1, 2, 4, 7, 33]), 1
    elif kind == "grouped":
        groups = pick("groups", [2, 3])
        channels, out = groups * pick("in", [2, 3]), groups * pick("out", [1, 2, 4])
    else:
        groups = channels = pick("groups", [2, 3, 5])
        out = groups * (pick("multiplier", [2, 3]) if kind == "multiplier" else 1)
    steps = [1, 1, 1, 2, 3]
    stride, dilation = (tuple(pick(name, steps) for _ in size) for name in ("stride", "dilation"))
    mode = pick("mode", ["zeros", "zeros", "zeros", "zeros", "circular", "reflect", "edge"])
    input_dilation = tuple(pick("input_dilation", [*steps, 1, 1]) for _ in size)
    words = [word for word in WORDS if word != "CAUSAL" or axes == 1]
    padding = pick("padding", [*words, "pairs", "pairs", "pairs", "negative"])
    if padding in ("pairs", "negative"):
        ends = [-2, -1, 0, 1] if padding == "negative" else [0, 1, 2, 3]
        padding = tuple((pick("low", ends), pick("high", ends)) for _ in size)
    return Problem(
        pick("batch", [1, 1, 2, 3]), tuple(size), channels, out, window, stride, padding, mode, dilation,
        input_dilation, groups, pick("flip", [False, False, True]),
    )  # fmt: skip


def is_defined(problem: Problem) -> bool:
    """Whether the problem is small and its border can be made: a reflection is narrower than x, a turn no wider."""
    if not problem.is_small:
        return False
    if isinstance(problem.padding, str):
        widest = problem.extent
    else:
        widest = tuple(max(pair) for pair in problem.padding)
        if any(
            n + min(low, 0) + min(high, 0) < 1 for n, (low, high) in zip(problem.size, problem.padding, strict=True)
        ):
            return False
    if problem.padding_mode == "zeros" or problem.padding == "VALID":
        return True
    return all(w < n for w, n in zip(widest, problem.size, strict=True))


def _drawn(count: int) -> list[Problem]:
    generator = random.Random(20)
    drawn: dict[str, Problem] = {}
    while len(drawn) < count:
        problem = build(lambda _, options: generator.choice(options))
        if is_defined(problem):
            drawn[str(problem)] = problem
    return list(drawn.values())


def problem(
    size: tuple[int, ...], window: tuple[int, ...], channels: tuple[int, int] = (2, 3), **given: Any
) -> Problem:
    """Return the problem with the given arguments, and the defaults of `conv` elsewhere."""
    ones = (1,) * len(size)
    defaults = {
        "batch": 2, "stride": ones, "padding": "VALID", "padding_mode": "zeros", "dilation": ones,
        "input_dilation": ones, "groups": 1, "flip": False,
    }  # fmt: skip
    return Problem(size=size, window=window, in_channels=channels[0], out_channels=channels[1], **(defaults | given))


# What a random draw meets too seldom.
NAMED = [
    problem((7,), (3,), padding="CAUSAL", dilation=(2,)),
    problem((5, 8), (3, 2), padding="SAME_LOWER", stride=(2, 3), dilation=(2, 1)),
    problem((9, 6), (4, 3), padding="SAME", stride=(3, 2), flip=True),
    problem((6, 5), (3, 4), padding=((-1, 2), (3, -2)), stride=(2, 1), input_dilation=(3, 2), dilation=(1, 3)),
    problem((4, 5), (2, 3), (33, 33), padding=((0, 1), (2, 1)), groups=33),
    problem((6, 7), (3, 2), (5, 15), padding="FULL", groups=5, stride=(1, 2)),
    problem((8, 6), (3, 3), padding="SAME", padding_mode="circular"),
    problem((8, 7), (3, 5), padding="SAME", padding_mode="reflect", stride=(2, 1)),
    problem((5, 6), (4, 3), padding="SAME_LOWER", padding_mode="edge", dilation=(1, 2)),
    problem((8, 7), (3, 2), padding=((1, 2), (2, 0)), padding_mode="circular", stride=(3, 1), flip=True),
    problem((9,), (3,), padding="FULL", padding_mode="circular", stride=(2,)),
    problem((4, 5, 3), (2, 3, 1), padding=((1, 0), (0, 2), (1, 1)), padding_mode="reflect"),
    problem((1, 2), (1, 1), (3, 2)),
    problem((4,), (7,), padding=((5, 2),), stride=(3,)),
    problem((3, 4), (2, 2), padding=((4, 5), (0, 6))),  # Windows wholly in the padding.
    problem((13, 14), (12, 11), (1, 2), padding="SAME", batch=1),  # Enough taps for programs that loop over them.
    # One output in each phase.
    problem((3, 4), (6, 8), (2, 4), padding=((1, 1), (1, 1)), input_dilation=(2, 2), groups=2),
    problem((2, 6, 3), (2, 1, 3), (4, 6), padding="SAME", stride=(2, 3, 1), groups=2, input_dilation=(2, 1, 3)),
]
PROBLEMS = [*NAMED, *_drawn(61 - len(NAMED))]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Draw a problem."""
    return draw(st.builds(build, st.just(lambda _, options: draw(st.sampled_from(options)))).filter(is_defined))
