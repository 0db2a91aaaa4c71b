"""Where a call of oneDNN pays: the rule for `onednn`, measured as those of `_rules.py` are.

A call lays out the kernel before it computes anything; so small problems are left to programs, and pointwise layers,
which are one matrix product already.
"""

from jconv.costs import Problem
from jconv.formulations._xla import unpadded
from jconv.selection._memory import too_much
from jconv.selection._rules import (
    col2im_pays,
    few_outputs,
    has_open_size,
    is_kernel_gradient,
    spectra_pay,
    winograd_pays,
)

INPUTS, IMAGES = 16, 8  # channels per group, or images, of the layer, at least, for a gradient by a kernel
WIDE = 16  # outputs of one group, at most, of a series' gradient: more fill XLA's products
LONG_TAPS = 1024  # of a series, at most: more are worth spectra
WINDOW = 25  # taps, at least, of windows that pay with less work
STEM, STRIDED_STEM = 49, 24  # taps of a kernel whose gradient it is worth, at least; with strides, of few outputs
POSITIONS = 192  # of all images, at least, that pay for laying out a dense kernel; more where windows do not overlap
TILED = 256  # channels, at least, for which tiles of Winograd's save more than the call does
WORK_GRADIENT, WORK_GROUPED, WORK_DENSE = 2**17, 2**18, 2**22  # multiplications, at least
WORK_SMALL_WINDOW, WORK_WINDOW = 2**21, 2**19  # the same, of one channel per group: below WINDOW taps, and from there


def onednn_rule(problem: Problem) -> str | None:
    """Return why a problem is given to oneDNN, or None where a program is as fast."""
    if problem.platform != "cpu" or has_open_size(problem) or col2im_pays(problem) or spectra_pay(problem):
        return None
    g = problem.geometry
    depth, width, work = problem.depth, problem.width, problem.multiplications
    if g.groups == 1:
        if len(g.window) == 1:
            return None
        return "oneDNN's blocked products are faster than XLA's" if _dense_pays(problem) else None
    if is_kernel_gradient(problem):
        enough = width == 1 or problem.batch >= INPUTS or depth >= IMAGES
        wide = len(g.window) == 1 and width > WIDE
        pays = enough and not wide and work >= WORK_GRADIENT and max(g.input_dilation) == 1
        return "a large window, or a gradient, by groups: oneDNN keeps sums in registers" if pays else None
    if len(g.window) == 1 and problem.taps > LONG_TAPS:
        return None
    if depth == 1:
        least = WORK_SMALL_WINDOW if problem.taps < WINDOW else WORK_WINDOW
        pays = work >= least * max(g.stride) and max(g.input_dilation) == 1
        return "one channel per group: oneDNN keeps the taps in registers" if pays else None
    return "groups: oneDNN multiplies their small matrices in registers" if work >= WORK_GROUPED else None


def _dense_pays(problem: Problem) -> bool:
    """Whether one group of enough work pays: no zeros between the inputs, and no matrix product already."""
    g, depth, width = problem.geometry, problem.depth, problem.width
    if max(g.input_dilation) > 1:
        return False
    strided = max(g.dilation) > 1  # as a gradient is where the layer has strides
    if few_outputs(problem):
        return problem.positions >= (STRIDED_STEM if strided else STEM)
    if problem.taps > problem.positions and depth >= IMAGES and problem.batch * width < 2 * depth:
        return False  # many images of few channels: XLA's products are long
    if is_kernel_gradient(problem):
        return (strided or depth > 1) and len(g.window) == 2 and problem.positions >= STEM
    if depth == 1 or (problem.taps == 1 and max(g.stride) == 1):
        return False
    if len(g.window) == 2 and min(depth, width) >= TILED and winograd_pays(problem):
        return bool(too_much("winograd", problem))
    least = POSITIONS
    if g.stride == g.window and unpadded(g):
        least *= 4 if depth > 4 else 64
    return problem.batch * problem.positions >= least and problem.multiplications >= WORK_DENSE
