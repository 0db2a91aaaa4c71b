"""What a convolution costs before anything runs: operations, elements, bytes. No JAX.

    dense multiplications = N · C_out · (C_in/G) · Πk · ΠP
    valid multiplications = N · C_out · (C_in/G) · Π_i #{(p, t): tap t of output p meets an input entry}

The dense count is the textbook's; the valid count leaves out padding and the holes of input dilation, as XLA does.
"""

import functools
import itertools
import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import ml_dtypes  # noqa: F401  (teaches NumPy the name bfloat16)
import numpy as np

from jconv.errors import GeometryError
from jconv.geometry import Geometry


@dataclass(frozen=True, slots=True)
class Problem:
    """One convolution to compute: a geometry with its batch, channels, dtype and platform.

    Args:
        geometry: How input and kernel are combined.
        batch: N, the product of the batch axes.
        in_channels: C_in, of all groups.
        out_channels: C_out, of all groups.
        dtype: The operands' dtype, by name.
        platform: `cpu`, `cuda`, `rocm` or `tpu`.

    Example:
        >>> from jconv.geometry import conv_geometry
        >>> print(Problem(conv_geometry((1, 14, 14, 64), (3, 3, 64, 32), padding=1), 1, 64, 32))
        n1_i14x14c64_k3x3o32_s1x1_p1:1x1:1_d1x1_g1_float32
    """

    geometry: Geometry
    batch: int
    in_channels: int
    out_channels: int
    dtype: str = "float32"
    platform: str = "cpu"

    def __str__(self) -> str:
        """The canonical string: batch, input, kernel, stride, padding, dilation, groups, dtype."""
        g = self.geometry
        pads = "x".join(f"{low}:{high}" for low, high in zip(g.low, g.high, strict=True))
        holes = f"_e{_by(g.input_dilation)}" if max(g.input_dilation) > 1 else ""
        return (
            f"n{self.batch}_i{_by(g.input_size)}c{self.in_channels}_k{_by(g.window)}o{self.out_channels}"
            f"_s{_by(g.stride)}_p{pads}_d{_by(g.dilation)}{holes}_g{g.groups}_{self.dtype}"
        )

    @property
    def itemsize(self) -> int:
        """Bytes of one element of the operands."""
        return np.dtype(self.dtype).itemsize

    @property
    def depth(self) -> int:
        """C_in/G, the input channels that one output channel sees."""
        return self.in_channels // self.geometry.groups

    @property
    def width(self) -> int:
        """C_out/G, the output channels of one group."""
        return self.out_channels // self.geometry.groups

    @property
    def taps(self) -> int:
        """Πk, the number of taps."""
        return math.prod(self.geometry.window)

    @property
    def positions(self) -> int:
        """ΠP, the number of output positions."""
        return math.prod(self.geometry.output_size)

    @property
    def multiplications(self) -> int:
        """N · C_out · (C_in/G) · Πk · ΠP, the textbook's count."""
        return self.batch * self.positions * self.taps * self.depth * self.out_channels

    @property
    def x_shape(self) -> tuple[int, ...]:
        """`[N, *L, C_in]`."""
        return (self.batch, *self.geometry.input_size, self.in_channels)

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """`[*k, C_in/G, C_out]`."""
        return (*self.geometry.window, self.depth, self.out_channels)

    @property
    def y_shape(self) -> tuple[int, ...]:
        """`[N, *P, C_out]`."""
        return (self.batch, *self.geometry.output_size, self.out_channels)

    @property
    def padded_elements(self) -> int:
        """Elements of the dilated, padded input."""
        return self.batch * math.prod(self.geometry.padded_size) * self.in_channels


PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
"""By the names that JAX's lowering rules use."""
EXAMPLE = "n8_i56x56c96_k3x3o96_s1x1_p1:1x1:1_d1x1_g96_float32"
KEY = (
    "n batch, i input size, c its channels, k window, o output channels, s stride, p padding low:high, d dilation, "
    "e input dilation where there is one, g groups, dtype; sizes as 56x56, an int per space axis"
)
"""What the letters of a canonical string mean."""
_INT = r"[0-9]{1,15}"
_INTS = rf"{_INT}(?:x{_INT})*"
_PAD = rf"-?{_INT}:-?{_INT}"
_PARTS = (
    rf"n(?P<n>{_INT})",
    rf"i(?P<i>{_INTS})c(?P<c>{_INT})",
    rf"k(?P<k>{_INTS})o(?P<o>{_INT})",
    rf"s(?P<s>{_INTS})",
    rf"p(?P<p>{_PAD}(?:x{_PAD})*)",
    rf"d(?P<d>{_INTS})",
    rf"g(?P<g>{_INT})",
    r"(?P<dtype>[a-z]+[0-9]+)",
)
_HOLES = rf"e(?P<e>{_INTS})"


def parse_problem(text: str, platform: str = "cpu") -> Problem:
    """Return the problem that a canonical string says; words after the dtype are not part of it.

    Args:
        text: What `str(problem)` gives.
        platform: Where it is to run.

    Returns:
        The problem.

    Raises:
        GeometryError: If it is no canonical string.

    Example:
        >>> text = "n8_i56x56c96_k3x3o96_s1x1_p1:1x1:1_d1x1_g96_float32"
        >>> str(parse_problem(text)) == text
        True
    """
    words = text.split("_")
    holes = re.fullmatch(_HOLES, words[6]) if len(words) > 6 else None
    if holes:
        del words[6]
    parts: dict[str, str] = {}
    for pattern, example, word in itertools.zip_longest(_PARTS, EXAMPLE.split("_"), words[: len(_PARTS)], fillvalue=""):
        match = re.fullmatch(pattern, word)
        if match is None:
            raise _no_problem(text, f"{word!r} must be like {example}" if word else f"a part like {example} is missing")
        parts |= match.groupdict()
    size, window, stride, dilation = (_ints(parts[key]) for key in "iksd")
    inserted = _ints(holes["e"]) if holes else (1,) * len(size)
    pads = [tuple(map(int, pair.split(":"))) for pair in parts["p"].split("x")]
    if len({len(size), len(window), len(stride), len(pads), len(dilation), len(inserted)}) > 1:
        raise _no_problem(text, "i, k, s, p, d and e have different numbers of space axes")
    if min(*size, *window, *stride, *dilation, *inserted) < 1:
        raise _no_problem(text, "sizes, strides and dilations are at least 1")
    channels, out, groups = int(parts["c"]), int(parts["o"]), int(parts["g"])
    if not groups or channels % groups or out % groups:
        raise _no_problem(text, f"{groups} groups do not split {channels} and {out} channels evenly")
    try:
        _ = np.dtype(parts["dtype"])
    except TypeError:
        raise _no_problem(text, f"{parts['dtype']!r} is no dtype") from None
    low, high = zip(*pads, strict=True)
    axes = zip(size, window, stride, low, high, dilation, inserted, strict=True)
    rest = [(e * (n - 1) + 1 + lo + hi - (d * (k - 1) + 1), s) for n, k, s, lo, hi, d, e in axes]
    if any(more < 0 for more, _ in rest):
        raise _no_problem(text, "the window is larger than the padded input")
    outputs = tuple(more // s + 1 for more, s in rest)
    geometry = Geometry(size, window, outputs, stride, dilation, inserted, low, groups)
    return Problem(geometry, int(parts["n"]), channels, out, parts["dtype"], platform)


def _no_problem(text: str, reason: str) -> GeometryError:
    return GeometryError(
        f"explain: problem must be a canonical string; got {text!r}: {reason}.\nSuch as {EXAMPLE}: {KEY}.\n"
        "`jconv check CONFIG` prints those of a config."
    )


def _ints(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x")))


class Cost(NamedTuple):
    """What a computation spends; real operations, elements and bytes.

    Attributes:
        multiplications: Multiplications done, over every tap, padding included.
        additions: Additions done, bias included.
        valid_multiplications: Multiplications whose input entry exists: neither padding nor inserted zero.
        parameters: Elements of kernel and bias.
        input_elements: Elements of x.
        kernel_elements: Elements of the kernel.
        output_elements: Elements of the output.
        bytes: Bytes of x, kernel and output together, all at the operands' dtype.
        intermediate_bytes: Bytes of the largest set of arrays that stand between them.
    """

    multiplications: int
    additions: int
    valid_multiplications: int
    parameters: int
    input_elements: int
    kernel_elements: int
    output_elements: int
    bytes: int
    intermediate_bytes: int = 0


def direct_cost(problem: Problem, bias: bool = False) -> Cost:
    """Return the cost of a convolution done by its definition.

    Args:
        problem: The convolution.
        bias: Whether a bias is added.

    Returns:
        Its cost, without intermediates.

    Example:
        >>> from jconv.geometry import conv_geometry
        >>> cost = direct_cost(Problem(conv_geometry((1, 32, 32, 3), (3, 3, 3, 64), padding=1), 1, 3, 64))
        >>> cost.multiplications, cost.additions
        (1769472, 1703936)
    """
    x, kernel, y = map(math.prod, (problem.x_shape, problem.kernel_shape, problem.y_shape))
    terms = problem.taps * problem.depth
    return Cost(
        multiplications=problem.multiplications,
        additions=y * max(terms - 1, 0) + y * bias,
        valid_multiplications=problem.batch * problem.out_channels * problem.depth * _valid_taps(problem.geometry),
        parameters=kernel + problem.out_channels * bias,
        input_elements=x,
        kernel_elements=kernel,
        output_elements=y,
        bytes=(x + kernel + y) * problem.itemsize,
    )


@functools.lru_cache(maxsize=256)
def _valid_taps(geometry: Geometry) -> int:
    """Π_i V_i, V_i = #{(p, t): e divides s·p + d·t − lo, and the quotient lies in [0, L)}."""
    count = 1
    for axis in range(len(geometry.window)):
        size, e, low = geometry.input_size[axis], geometry.input_dilation[axis], geometry.low[axis]
        outputs, taps = geometry.output_size[axis], geometry.window[axis]
        many, few = sorted(((outputs, geometry.stride[axis]), (taps, geometry.dilation[axis])), reverse=True)
        count *= sum(_met(*many, few[1] * one - low, e, e * (size - 1)) for one in range(few[0]))
    return count


def _met(n: int, step: int, start: int, e: int, last: int) -> int:
    """Return #{x in [0, n): e divides step·x + start, which lies in [0, last]}."""
    common = math.gcd(step, e)
    if start % common:
        return 0
    every = e // common
    first = -start // common * pow(step // common, -1, every) % every  # the least x ≥ 0 that e divides at
    low, high = max(0, -(start // step)), min(n - 1, (last - start) // step)
    return max(0, (high - first) // every - (low - 1 - first) // every)


def _by(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))
