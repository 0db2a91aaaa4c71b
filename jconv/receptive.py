"""What an output sees, and how often: receptive fields through a stack of layers, overlap of transposed ones.

Through one layer of window k, stride s, dilation d and low padding lo, a receptive field of size r, jump j (input
steps between neighbouring outputs) and start (the first input that output 0 sees; negative in the padding) becomes

    r' = r + (k−1)·d·j        start' = start − lo·j        j' = j·s

Only Python integers and NumPy here.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from jconv._arguments import axes_of, entries_of, per_axis
from jconv.errors import GeometryError, suggestion
from jconv.geometry import Geometry, Ints, Padding, conv_geometry, conv_transpose_geometry

_ENDLESS = 2**60


class Layer(NamedTuple):
    """One layer of a stack: a convolution or a pooling.

    Args:
        window: The number of taps, an int or one per space axis.
        stride: Steps between outputs.
        dilation: Steps between taps.
        padding: A word, an int, or an int or (low, high) pair per axis. SAME at a stride above 1 depends on the
            input's size, so it must be given as pairs there.
    """

    window: Ints
    stride: Ints = 1
    dilation: Ints = 1
    padding: Padding = 0


class ReceptiveField(NamedTuple):
    """What one output sees of the input: ints, or tuples with one entry per space axis.

    Args:
        size: The inputs along the field, from the first to the last; dilation may leave gaps between them.
        jump: The input steps between the fields of neighbouring outputs.
        start: The first input that output 0 sees; negative in the padding.
        centre: The middle of output 0's field.
    """

    size: int | tuple[int, ...]
    jump: int | tuple[int, ...]
    start: int | tuple[int, ...]
    centre: float | tuple[float, ...]


def receptive_field(layers: Iterable[Layer | Mapping[str, object]]) -> ReceptiveField:
    """Return what one output of a stack of layers sees of its input.

    Args:
        layers: From the input to the output, `Layer`s or mappings with their fields; each has ints, or one entry per
            space axis.

    Returns:
        Ints where all layers have plain ints, else tuples with one entry per space axis.

    Raises:
        GeometryError: If a layer is none, or the layers disagree on the number of axes.

    Example:
        >>> receptive_field([Layer(3), Layer(3)]).size
        5
        >>> receptive_field([{"window": 7, "stride": 2, "padding": 3}, {"window": 3, "stride": 2, "padding": 1}])
        ReceptiveField(size=11, jump=4, start=-5, centre=0.0)

    References:
        Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks, 2019,
        https://distill.pub/2019/computing-receptive-fields
    """
    listed = entries_of(layers)
    if listed is None or isinstance(layers, Layer):
        raise GeometryError(
            f"receptive_field: layers must be a sequence of Layers; got {layers!r}. Write [Layer(3, stride=2)], "
            "on a command line [{window: 3, stride: 2}]."
        )
    stack = [_layer(layer) for layer in listed]
    axes = {axes_of(*layer) for layer in stack if any(entries_of(value) is not None for value in layer)}
    if len(axes) > 1:
        raise GeometryError(
            f"receptive_field: layers must agree on the number of space axes; got {sorted(axes)}. "
            "Plain ints fit any number."
        )
    count = max(axes, default=1)
    geometries = [_geometry(layer, count) for layer in stack]
    fields = [_one_axis(geometries, axis) for axis in range(count)]
    if not axes:
        return fields[0]
    return ReceptiveField(*zip(*fields, strict=True))


def overlap(
    input_size: Ints,
    window: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    output_padding: Ints = 0,
    dilation: Ints = 1,
) -> np.ndarray:
    """Return how many taps write to each output of a transposed convolution.

    Along each axis it is #{(p, t): s·p + d·t − lo = q}; over several axes the product. Away from the borders it is
    even exactly when the stride divides the window and gcd(stride, dilation) = 1: else a checkerboard shows.

    Args:
        input_size: The size of the transposed convolution's input, an int or one per space axis.
        window: The number of taps.
        stride: Output steps between inputs.
        padding: As `conv_transpose` takes it: it crops the output.
        output_padding: Outputs more at the high end.
        dilation: Output steps between taps.

    Returns:
        `[*output_size]`, integers.

    Raises:
        GeometryError: If the arguments describe no transposed convolution.

    Example:
        >>> overlap(4, 3, stride=2).tolist()
        [1, 1, 2, 1, 2, 1, 2, 1, 1]
        >>> overlap(4, 4, stride=2).tolist()
        [1, 1, 2, 2, 2, 2, 2, 2, 1, 1]

    References:
        Odena, Dumoulin and Olah, Deconvolution and checkerboard artifacts, 2016,
        https://distill.pub/2016/deconv-checkerboard
    """
    axes = axes_of(input_size, window, stride, padding, output_padding, dilation)
    size = per_axis("overlap", "input_size", input_size, axes, least=0)
    window = per_axis("overlap", "window", window, axes)
    # The geometry of the convolution that reads what the transposed one writes.
    forward, _ = conv_transpose_geometry(
        (*size, 1),
        (*window, 1, 1),
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        caller="overlap",
    )
    counts = []
    for axis, length in enumerate(forward.input_size):
        p = np.arange(forward.output_size[axis])[:, None]
        place = forward.stride[axis] * p + forward.dilation[axis] * np.arange(forward.window[axis]) - forward.low[axis]
        counts.append(np.bincount(place[(place >= 0) & (place < length)], minlength=length))
    return reduce(np.multiply.outer, counts)


def _layer(layer: Layer | Mapping[str, object]) -> Layer:
    if isinstance(layer, Layer):
        return layer
    if not isinstance(layer, Mapping) or "window" not in layer:
        raise GeometryError(
            f"receptive_field: layers must be Layers, or mappings with a window; got {layer!r}. "
            "Write Layer(3, stride=2), on a command line {window: 3, stride: 2}."
        )
    for key in layer:
        if key not in Layer._fields:
            raise GeometryError(
                f"receptive_field: a layer's keys must be among {', '.join(Layer._fields)}; got {key!r}."
                f"{suggestion(key, Layer._fields)}"
            )
    return Layer(**layer)  # pyright: ignore[reportArgumentType]


def _one_axis(stack: Sequence[Geometry], axis: int) -> ReceptiveField:
    size, jump, start = 1, 1, 0
    for layer in stack:
        size += (layer.extent[axis] - 1) * jump
        start -= layer.low[axis] * jump
        jump *= layer.stride[axis]
    return ReceptiveField(size, jump, start, start + (size - 1) / 2)


def _geometry(layer: Layer, axes: int) -> Geometry:
    """Return the layer's geometry on an input larger than any."""
    window = per_axis("receptive_field", "window", layer.window, axes)
    stride = per_axis("receptive_field", "stride", layer.stride, axes)
    if isinstance(layer.padding, str) and layer.padding in ("SAME", "SAME_LOWER") and max(stride) > 1:
        raise GeometryError(
            f"receptive_field: padding must not be a SAME word at a stride above 1, where it depends on the input's "
            f"size; got padding={layer.padding!r}, stride={layer.stride}. Give (low, high) pairs."
        )
    return conv_geometry(
        (*(_ENDLESS,) * axes, 1),
        (*window, 1, 1),
        stride=stride,
        padding=layer.padding,
        dilation=layer.dilation,
        caller="receptive_field",
    )
