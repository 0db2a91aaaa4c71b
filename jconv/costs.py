"""What a convolution costs before anything runs: operations, elements, bytes. No JAX.

    dense multiplications = N · C_out · (C_in/G) · Πk · ΠP
    valid multiplications = N · C_out · (C_in/G) · Π_i #{(p, t): tap t of output p meets an input entry}

The dense count is the textbook's; the valid count leaves out padding and the holes of input dilation, as XLA does.
"""

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
    def padded_elements(self) -> int:
        """Elements of the dilated, padded input."""
        return self.batch * math.prod(self.geometry.padded_size) * self.in_channels


_CANONICAL = re.compile(
    r"n(?P<n>\d+)_i(?P<i>[\dx]+)c(?P<c>\d+)_k(?P<k>[\dx]+)o(?P<o>\d+)_s(?P<s>[\dx]+)_p(?P<p>[-\dx:]+)"
    r"_d(?P<d>[\dx]+)(?:_e(?P<e>[\dx]+))?_g(?P<g>\d+)_(?P<dtype>[a-z]+\d+)(?:_.*)?"
)


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
    match = _CANONICAL.fullmatch(text)
    try:
        assert match is not None
        size, window, stride, dilation = (_ints(match[key]) for key in "iksd")
        holes = _ints(match["e"]) if match["e"] else (1,) * len(size)
        pads = [tuple(map(int, pair.split(":"))) for pair in match["p"].split("x")]
        outputs = []
        for (low, high), n, k, s, d, e in zip(pads, size, window, stride, dilation, holes, strict=True):
            assert min(n, k, s, d, e) > 0
            rest = e * (n - 1) + 1 + low + high - (d * (k - 1) + 1)
            assert rest >= 0
            outputs.append(rest // s + 1)
        channels, out, groups = int(match["c"]), int(match["o"]), int(match["g"])
        assert groups and channels % groups == 0 and out % groups == 0
        _ = np.dtype(match["dtype"])
    except (AssertionError, ValueError, TypeError):
        raise GeometryError(
            f"explain: problem must be a canonical string such as "
            f"n8_i56x56c96_k3x3o96_s1x1_p1:1x1:1_d1x1_g96_float32; got {text!r}. `jconv check` prints them."
        ) from None
    low = tuple(pad[0] for pad in pads)
    geometry = Geometry(size, window, tuple(outputs), stride, dilation, holes, low, groups)
    return Problem(geometry, int(match["n"]), channels, out, match["dtype"], platform)


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
    g, depth = problem.geometry, problem.depth
    x = problem.batch * math.prod(g.input_size) * problem.in_channels
    kernel = problem.taps * depth * problem.out_channels
    y = problem.batch * problem.positions * problem.out_channels
    terms = problem.taps * depth
    return Cost(
        multiplications=y * terms,
        additions=y * max(terms - 1, 0) + y * bias,
        valid_multiplications=problem.batch * problem.out_channels * depth * _valid_taps(g),
        parameters=kernel + problem.out_channels * bias,
        input_elements=x,
        kernel_elements=kernel,
        output_elements=y,
        bytes=(x + kernel + y) * problem.itemsize,
    )


def _valid_taps(geometry: Geometry) -> int:
    """Π_i V_i, V_i = #{(p, t): e divides s·p + d·t − lo, and the quotient lies in [0, L)}."""
    count = 1
    for axis in range(len(geometry.window)):
        size, e = geometry.input_size[axis], geometry.input_dilation[axis]
        starts = geometry.stride[axis] * np.arange(geometry.output_size[axis]) - geometry.low[axis]
        offsets = geometry.dilation[axis] * np.arange(geometry.window[axis])
        few, many = sorted((starts, offsets), key=len)
        valid = 0
        for one in few:
            entry, hole = np.divmod(one + many, e)
            valid += int(np.sum((hole == 0) & (entry >= 0) & (entry < size)))
        count *= valid
    return count


def _by(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))
