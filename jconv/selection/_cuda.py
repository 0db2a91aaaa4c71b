"""The written rules for NVIDIA's GPUs, where XLA's own convolution is cuDNN's.

They follow races on an H100, batch 8, float32 (multiplied as TF32) and bfloat16, by the kernels' own time; what they
saw is in `experiments/speed/gpu`. Dense and grouped layers, and volumes that are not transposed, are left to cuDNN.
"""

from jconv.costs import Problem
from jconv.formulations.phases import MOST_PHASES, convolutions

RACED = ("float32", "bfloat16")
FEW_POSITIONS = 64  # of an image whose depthwise windows are one short kernel, at most
LARGE = 169  # taps, and positions, above which spectra pay: 13×13 does not, 27×27 does
WIDE_STEPS = 16  # between the taps of a series, from which cuDNN is slow
WIDE_GRADIENT_STEPS = 4  # the same, of its kernel's gradient
FEW_CHANNELS = 4  # of pictures, at most
SHORT_WINDOW = 25  # taps of a depthwise kernel, at most
FEW_TAPS = 25  # of a kernel whose gradient is a product of patches, at most


def on_cuda(problem: Problem) -> tuple[str, str] | None:
    """Return a formulation for a problem and why, or None for cuDNN."""
    g = problem.geometry
    if problem.dtype not in RACED:
        return None
    holes, steps = max(g.input_dilation) > 1, max(*g.stride, *g.dilation)
    if min(problem.taps, problem.positions) > LARGE and g.groups == problem.out_channels > 1:
        return "fft", "a depthwise kernel of many taps, or its gradient: spectra do not grow with them"
    if g.groups > 1:
        depthwise = g.groups == problem.in_channels == problem.out_channels
        return _depthwise(problem) if depthwise and problem.taps <= SHORT_WINDOW else None
    if 1 in (problem.taps, problem.positions) and steps == 1 and not holes:
        return "patches", "pointwise: a matrix product, whose kernel needs no other layout"
    gradient = problem.taps > problem.positions
    if holes and not gradient and max(g.stride) == 1 and problem.taps > 1 and _columns_pay(problem):
        return "col2im", "zeros between the inputs: one product, and the columns added where they fall"
    if len(g.window) == 1 and (g.stride[0] >= WIDE_GRADIENT_STEPS if gradient else g.dilation[0] >= WIDE_STEPS):
        return "patches", "taps of a series that stand far apart: one matrix product"
    few = problem.batch <= FEW_CHANNELS and problem.positions <= FEW_TAPS
    if gradient and few and not holes and len(g.window) == 2:
        return "patches", "the gradient of a kernel of few channels: one matrix product"
    return None


def _depthwise(problem: Problem) -> tuple[str, str] | None:
    """One channel per group, few taps."""
    g = problem.geometry
    if max(g.input_dilation) > 1:
        if convolutions(g) > MOST_PHASES:
            return None
        return "phases", "one channel per group and zeros between: multiply-adds of the taps that meet"
    if max(g.stride) > 1 or (problem.taps <= 9 and problem.positions <= FEW_POSITIONS):
        return "shifts", "one channel per group: one kernel of multiply-adds"
    return None


def _columns_pay(problem: Problem) -> bool:
    """Whether the columns of an input entry tile the output, or are few."""
    g = problem.geometry
    tiles = all(k % e == 0 for k, e in zip(g.window, g.input_dilation, strict=True))
    return tiles or problem.width <= FEW_CHANNELS
