"""The written rules, the first that fits; elsewhere XLA's own is the default.

They follow races of the formulations on layers of the networks in `jconv/lab/networks`, float32, batch 1 to 8, on 2
cores of an Intel Xeon with jax 0.10.2, those for kernel gradients of few channels races on an AMD EPYC; what comes of
them is recorded in `experiments/speed`. By what a problem looks like when it is lowered: a kernel's gradient is a
window as large as the image with few positions.
"""

import math
from dataclasses import replace

from jconv.costs import Problem
from jconv.formulations._base import UNROLLED_TAPS, open_sizes
from jconv.formulations._xla import unpadded
from jconv.formulations.col2im import COL2IM
from jconv.formulations.lanes import UNROLLED
from jconv.formulations.phases import MOST_PHASES, convolutions
from jconv.formulations.winograd import OUTPUTS, WINOGRAD
from jconv.geometry import Geometry
from jconv.selection._cuda import on_cuda

FEW_GROUPS = 16  # that are worth a turn of a loop each
FEW_POSITIONS = 64  # of a small image, or of a kernel's gradient, at most
MANY_CHANNELS = 64  # channels, at least, that are worth products of tiles, of patches and of large images
FEW_TILES, TILES = 32, 128  # for groups and volumes, and else: fewer do not pay the kernel's transform
KERNEL_PRODUCTS = 2**16  # of channels of a volume's kernel: from here its transform wants an image's tiles
CACHED_TILES = 2048  # tiles of few channels, at most: more pass through memory three times
LONG_SERIES = 64  # times a filter's length, above which a series is cut into tiles
LANES = 72  # products of input and output channels in a group, at most
FEW_OUTPUTS = 24  # outputs of one group of few channels, at most: XLA is at its best with 32
FEW_COLUMNS, SUMMED = 96, 196  # outputs of a pointwise kernel's gradient, at most; terms of its sums, at least
PAIRS, PAIRED_TAPS = 16, (81, 225)  # products of spectra, at most, and taps, at least: by up to four images, by more
ONE_IMAGE = ((8, 25), (16, 49), (32, 81))  # the same by one image
MANY_TAPS = 900  # that are worth spectra whatever else, for as many products as PAIRS
SCANNED = 2**18  # entries of the output's gradient over one or two inputs, below, that are worth blocks of rows
IN_CACHE = 2**15  # entries of a kernel's gradient, at most, that are added to again and again
SEVERAL_IMAGES = 4  # of a kernel's gradient, from here; an image's entries are its channels at the output's positions
HEAVY_IMAGE, HEAVY_IMAGES = 2**18, 2**19  # entries, at least: of one of few images, of all of several
SMALL_KERNEL = 9  # taps, at most, for which strides alone are worth blocks of rows
SMALL_POSITIONS = 1024  # positions of all images, at most, where only large kernels are worth a choice
SHARED_ENTRIES = 256  # of all inputs, at least, that share a kernel of several taps in one product
COLUMN_IMAGES = 8  # at least, and twice as many channels per group, whose columns pay
COLUMN_BYTES = 2**26  # of an image's columns to be added, at most: more leave the cache before they are
OUTPUTS_OF_COLUMNS = 4  # without zeros in between, at most
COLUMNS_PER_INPUT = 6  # for each input channel, at most, without zeros in between
DEEP_CHANNELS = 128  # channels of an image with zeros in between, at least: with fewer the weaving of the phases shows
WINDOW_ON_TPU, STRIDED_ON_TPU = 5, 196  # taps along an axis, and positions where there are strides, at most


RULED = ("cpu", "cuda", "tpu")
"""The platforms that have rules."""


def rule(problem: Problem) -> tuple[str, str] | None:
    """Return a formulation for a problem and why, or None where no rule applies."""
    if problem.platform == "tpu":
        return _on_tpu(problem)
    if problem.platform == "cuda":
        return None if has_open_size(problem) else on_cuda(problem)
    if problem.platform != "cpu":
        return None
    g, depth = problem.geometry, problem.depth
    if has_open_size(problem):
        one_channel = g.groups > 1 and depth == 1 and problem.taps <= UNROLLED_TAPS
        return ("shifts", "one channel per group: each tap is elementwise") if one_channel else None
    if spectra_pay(problem):
        return "fft", "few channels, and a window that leaves little of the image: spectra do not grow with it"
    if is_kernel_gradient(problem):
        return _kernel_gradient(problem)
    if depth == 1 and (g.groups > 1 or (problem.out_channels <= FEW_OUTPUTS and not _small(problem))):
        return _depthwise(problem)
    if col2im_pays(problem):
        return "col2im", "zeros between the inputs, or few outputs: one product, and the columns added where they fall"
    if convolutions_apart := _apart(problem):
        return convolutions_apart
    if _few_channels(problem):
        return "lanes", "few channels: they do not fill a matrix product, and the outputs or groups fill the vectors"
    wide = min(depth, problem.width) >= 8
    if 1 < g.groups <= FEW_GROUPS and wide and problem.taps > 1 and not _small(problem):
        return "by_group", "few groups of many channels: one after another, each at the speed of a dense one"
    if winograd_pays(problem):
        return "winograd", "3×3 at stride 1: transformed tiles need a quarter of the products"
    if g.groups > 1 and problem.positions <= 196 and problem.taps <= UNROLLED_TAPS:
        return "shifts", "groups of small images: one batched product a tap"
    if len(g.window) == 1 and problem.taps > UNROLLED_TAPS:
        return _long_filter(g)
    if g.groups == 1 and max(g.input_dilation) == 1:
        return _dense(problem)
    return None


def _on_tpu(problem: Problem) -> tuple[str, str] | None:
    """By the TPU's compiler alone, v5e and v6e (`experiments/tpu`): nothing was timed there."""
    g = problem.geometry
    depthwise = 1 < g.groups == problem.in_channels == problem.out_channels
    if has_open_size(problem) or not depthwise or len(g.window) != 2 or problem.taps == 1:
        return None
    if max(g.window) > WINDOW_ON_TPU:
        return None
    if max(*g.dilation, *g.input_dilation) > 1 or (max(g.stride) > 1 and problem.positions > STRIDED_ON_TPU):
        return None
    return "shifts", "a small depthwise window: by the compiler's count it moves half the bytes or less"


def _dense(problem: Problem) -> tuple[str, str] | None:
    """One group, no zeros between the inputs."""
    g, depth, width = problem.geometry, problem.depth, problem.width
    if problem.taps == 1 and max(g.stride) == 1 and len(g.window) > 1:
        return None if depth <= 32 and _small(problem) else ("patches", "pointwise: it is a matrix product")
    if g.stride == g.window and problem.taps > 1 and max(g.dilation) == 1:
        if depth <= 4:
            return "space_to_depth", "patches of few channels that do not overlap: one matrix product"
        return "patches", "the windows do not overlap: it is a matrix product"
    if len(g.window) == 2 and 3 <= depth <= 4 and width <= 32 and min(g.stride) > 1 and max(g.extent) <= 3:
        return "space_to_depth", "a stem of few channels: a block of the stride has enough of them"
    if len(g.window) == 3 and 1 < problem.taps <= UNROLLED_TAPS:
        return "shifts", "XLA on cpu is slow on volumes: one product a tap"
    if (
        len(g.window) == 2
        and problem.taps > 1
        and problem.positions <= FEW_POSITIONS
        and depth >= 128
        and width >= MANY_CHANNELS
    ):
        return "patches", "a small image and a large kernel: one matrix product"
    if len(g.window) == 2 and problem.taps > 1 and unpadded(g):
        return "overhang", "XLA on cpu takes a slower way where there is no padding"
    return None


def _few_channels(problem: Problem) -> bool:
    """Whether a multiply-add per tap and channel pays: few in a program, for a handful of channels in each group."""
    g, depth, width = problem.geometry, problem.depth, problem.width
    if depth * width > LANES or problem.taps * depth > UNROLLED:
        return False
    if g.groups > 1:
        return True
    if problem.taps == 1 or _small(problem):
        return False
    return width <= FEW_OUTPUTS or len(g.window) == 3 or (width > 32 and problem.taps <= 9)


def has_open_size(problem: Problem) -> bool:
    """Whether `jax.export` leaves a size open: then nothing can be looked up or counted."""
    sizes = (problem.batch, problem.in_channels, problem.out_channels, problem.geometry.groups)
    return open_sizes(problem) is not None or not all(isinstance(size, int) for size in sizes)


def is_kernel_gradient(problem: Problem) -> bool:
    """Whether it looks like a kernel's gradient: few positions and many taps."""
    return problem.positions <= FEW_POSITIONS and problem.taps > problem.positions


def _small_input(problem: Problem) -> bool:
    """Whether few input entries share the kernel, which a product lays out again where it has several taps."""
    entries = problem.batch * math.prod(problem.geometry.input_size)
    return entries < (SHARED_ENTRIES if problem.taps > 1 else SHARED_ENTRIES // 4)


def _small(problem: Problem) -> bool:
    """Whether a call is over before anything pays."""
    return problem.batch * problem.positions <= SMALL_POSITIONS


def _apart(problem: Problem) -> tuple[str, str] | None:
    """Zeros between the inputs, where the convolutions that leave them out pay."""
    g = problem.geometry
    if max(g.input_dilation) == 1 or convolutions(g) > MOST_PHASES:
        return None
    if g.groups > 1 and _few_channels(problem):
        return None
    if g.groups > 1 or (problem.in_channels >= DEEP_CHANNELS and not _small_input(problem)) or len(g.window) == 3:
        return "phases", "XLA on cpu multiplies by the zeros of input dilation"
    return None


def col2im_pays(problem: Problem) -> bool:
    """Whether one product per input entry pays: for zeros between the inputs, or few outputs."""
    g, depth, width = problem.geometry, problem.depth, problem.width
    if max(g.stride) > 1 or depth < 8 or is_kernel_gradient(problem):
        return False
    if COL2IM.cost(replace(problem, batch=1)).intermediate_bytes > COLUMN_BYTES:
        return False
    if max(g.input_dilation) > 1:
        if g.groups == 1:
            return not _small_input(problem)
        return problem.batch >= COLUMN_IMAGES and depth >= 2 * COLUMN_IMAGES
    few = width <= OUTPUTS_OF_COLUMNS and problem.taps * width <= COLUMNS_PER_INPUT * depth
    return few and g.groups == 1 and problem.taps > 1 and not _small(problem)


def spectra_pay(problem: Problem) -> bool:
    """Whether few channels under a window that leaves little of the image are worth spectra, as of a kernel's gradient.

    Inputs and outputs each have a spectrum, and each pair of them a product. Of a gradient the positions are the
    layer's taps.
    """
    g, pairs = problem.geometry, problem.batch * problem.out_channels
    steps = max(*g.stride, *g.input_dilation)
    if len(g.window) != 2 or g.groups > 1 or steps > 1 or problem.taps < 4 * problem.positions:
        return False
    if problem.positions >= MANY_TAPS:
        return pairs <= PAIRS
    if max(g.dilation) > 1 or problem.out_channels > 4 * problem.batch:
        return False
    if problem.depth == 1:
        return any(pairs <= most and problem.positions >= least for most, least in ONE_IMAGE)
    return pairs <= PAIRS and problem.positions >= PAIRED_TAPS[problem.depth > SEVERAL_IMAGES]


def winograd_pays(problem: Problem) -> bool:
    """Whether tiles of Winograd's pay: enough of them for the kernel's transform, and few enough for the cache."""
    g = problem.geometry
    if (
        WINOGRAD.unsupported(problem)
        or g.window[-2:] != (3, 3)
        or max(g.window) > 3
        or max(*g.stride, *g.dilation, *g.input_dilation) > 1
    ):
        return False
    depth, width = problem.depth, problem.width
    tiles = problem.batch * math.prod(g.output_size[:-2]) * math.prod(-(-p // OUTPUTS[3]) for p in g.output_size[-2:])
    if len(g.window) == 3:
        return tiles >= (FEW_TILES if depth * width < KERNEL_PRODUCTS else TILES)
    if g.groups > 1:
        return min(depth, width) >= 8 and tiles >= FEW_TILES
    return (
        min(depth, width) >= MANY_CHANNELS
        and tiles >= TILES
        and (min(depth, width) > MANY_CHANNELS or tiles <= CACHED_TILES)
    )


def _kernel_gradient(problem: Problem) -> tuple[str, str] | None:
    """Few positions and many taps, as of a gradient by the kernel."""
    g = problem.geometry
    if len(g.window) == 1:
        long = g.groups > 1 and problem.taps > 8 * UNROLLED_TAPS and problem.positions > 16
        return ("fft", "a long filter's gradient: spectra") if long else None
    if max(g.input_dilation) > 1 and convolutions(g) <= MOST_PHASES:
        return "phases", "XLA on cpu multiplies by the zeros of input dilation"
    depth, outputs = problem.depth, problem.batch * problem.positions * problem.out_channels  # depth: the layer's batch
    if g.groups == problem.out_channels > 1 and problem.positions > 25:
        return "fft", "a depthwise kernel of many taps, or its gradient: spectra do not grow with them"
    if 1 < g.groups <= FEW_GROUPS and problem.out_channels >= 8 * g.groups and problem.taps * depth > SMALL_POSITIONS:
        return "by_group", "the gradient of few groups: one after another, each at the speed of a dense one"
    if g.groups > 1 and depth == 1 < problem.width and outputs <= IN_CACHE:
        return "shifts", "the gradient of small groups by one image: each of its entries meets every tap"
    if g.groups > 1:
        return "row_scan", "the gradient of a grouped kernel: block after block of rows"
    return _dense_kernel_gradient(problem)


def _dense_kernel_gradient(problem: Problem) -> tuple[str, str] | None:
    """A gradient by a kernel of one group: its batch is the layer's inputs, its channels are the layer's batch."""
    g, inputs, outputs = problem.geometry, problem.batch, problem.out_channels
    if problem.positions == 1:
        few = len(g.window) > 1 and inputs >= MANY_CHANNELS and outputs <= min(FEW_COLUMNS, inputs // 2)
        if few and problem.taps * problem.depth >= SUMMED:
            return "row_scan", "the gradient of a pointwise kernel of few outputs: they are the product's left side"
        return "patches", "the gradient of a pointwise kernel: it is a matrix product"
    if max(g.dilation) > 1 and inputs >= 128 and problem.taps <= FEW_POSITIONS:
        return "patches", "the gradient of a strided kernel: one matrix product"
    if _scan_pays(problem):
        return "row_scan", "the gradient of few outputs by one or two images: block after block of rows"
    if len(g.window) == 3 or (min(inputs, outputs) >= MANY_CHANNELS // 2 and _heavy(problem)):
        return "row_scan", "the gradient of a kernel: block after block of rows, one product each"
    return None


def few_outputs(problem: Problem) -> bool:
    """Whether it is, in a plane, of few outputs by one or two images, as a kernel's gradient: XLA is slow on them."""
    g = problem.geometry
    few = g.groups == 1 and problem.depth <= 2 and problem.out_channels <= FEW_OUTPUTS
    return few and len(g.window) == 2 and problem.taps > problem.positions


def _scan_pays(problem: Problem) -> bool:
    """Whether blocks of rows pay for few outputs: not for small images, nor where few inputs meet very many taps."""
    inputs, outputs, taps = problem.batch, problem.out_channels, problem.taps
    seldom = inputs <= 2 and outputs > 1 and max(problem.geometry.dilation) == 1 and taps * outputs >= SCANNED
    return few_outputs(problem) and taps >= 256 and not seldom


def _heavy(problem: Problem) -> bool:
    """Whether the images of a kernel's gradient leave the cache, or one alone is read in strides."""
    entries = problem.batch * problem.taps
    if problem.depth >= SEVERAL_IMAGES:
        return entries * problem.depth >= HEAVY_IMAGES
    return entries >= HEAVY_IMAGE or (max(problem.geometry.dilation) > 1 and problem.positions <= SMALL_KERNEL)


def _long_filter(geometry: Geometry) -> tuple[str, str]:
    """Many taps: spectra, of the whole or of tiles."""
    if len(geometry.window) == 1 and geometry.input_size[0] > LONG_SERIES * geometry.extent[0]:
        return "overlap_add", "a long filter on a far longer series: spectra of tiles stay in the cache"
    return "fft", "many taps: spectra do not grow with them"


def _depthwise(problem: Problem) -> tuple[str, str] | None:
    """One channel per group."""
    g = problem.geometry
    if problem.taps > UNROLLED_TAPS:
        return _long_filter(g)
    if max(*g.stride, *g.input_dilation) > 1 and convolutions(g) <= MOST_PHASES and problem.out_channels == g.groups:
        return "phases", "one channel per group: multiply-adds of the taps that meet"
    return "shifts", "one channel per group: each tap is elementwise"
