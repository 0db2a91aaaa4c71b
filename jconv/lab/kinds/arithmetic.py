"""Sizes, receptive fields and overlap through a stack of layers: arithmetic, no arrays."""

import math
from pathlib import Path
from typing import Any, NamedTuple

from jconv.costs import Problem as Convolution
from jconv.costs import direct_cost
from jconv.errors import GeometryError
from jconv.geometry import Geometry, conv_geometry, conv_transpose_geometry
from jconv.lab.bench import Prepared
from jconv.lab.config import Arithmetic, StackLayer
from jconv.lab.plan import Problem
from jconv.receptive import Layer, overlap, receptive_field


class Stack(NamedTuple):
    """A stack up to the layer that is asked about: what enters each layer, and each layer's geometry."""

    problem: Problem
    layers: list[StackLayer]
    geometries: list[Geometry]
    channels: list[int]


def open_bench(problem: Problem, source: Path, folder: Path) -> Stack:
    """Follow a size through the layers, up to the problem's.

    Args:
        problem: The problem; its entry is the layer's number.
        source: Unused here.
        folder: Unused here.

    Returns:
        The stack so far.
    """
    settings = problem.settings
    assert isinstance(settings, Arithmetic)
    layers = list(settings.layers[: problem.entry + 1])
    lists = [
        ints for layer in layers for ints in (layer.window, layer.stride, layer.dilation) if isinstance(ints, list)
    ]
    axes = len(settings.size) if isinstance(settings.size, list) else max(map(len, lists), default=2)
    size: tuple[int, ...] = tuple(settings.size) if isinstance(settings.size, list) else (settings.size,) * axes
    geometries, channels = [], [settings.channels]
    for layer in layers:
        geometries.append(_geometry(layer, size, axes))
        # A transposed convolution's geometry is the one it is the adjoint of, from its output to its input.
        size = geometries[-1].input_size if layer.transposed else geometries[-1].output_size
        channels.append(layer.channels or channels[-1])
    return Stack(problem, layers, geometries, channels)


def prepare(stack: Stack, contender: str) -> Prepared:
    """Return the facts of the stack's last layer.

    Args:
        stack: The stack.
        contender: Unused: there is one way to count.

    Returns:
        Sizes, receptive field, overlap, parameters and multiplications.
    """
    layer, geometry = stack.layers[-1], stack.geometries[-1]
    ins, outs = stack.channels[-2:]
    entering, leaving = geometry.input_size, geometry.output_size
    if layer.transposed:
        entering, leaving = leaving, entering
    if ins % layer.groups or outs % layer.groups:
        raise GeometryError(f"groups must split the channels evenly; got groups={layer.groups} on {ins} to {outs}.")
    over, kept = (outs, ins) if layer.transposed else (ins, outs)
    computed = geometry.input_gradient() if layer.transposed else geometry
    cost = direct_cost(Convolution(computed, 1, ins, outs))
    parameters = math.prod(geometry.window) * over // layer.groups * kept
    line: dict[str, Any] = {
        "input_size": list(entering),
        "output_size": list(leaving),
        "in_channels": ins,
        "out_channels": outs,
        "parameters": parameters,
        # A transposed convolution multiplies each input by each tap: no inserted zero counts.
        "multiplications": parameters * math.prod(entering) if layer.transposed else cost.multiplications,
    }
    if layer.transposed:
        line |= _overlap(geometry)
    if not any(one.transposed for one in stack.layers):
        layers = [
            Layer(g.window, g.stride, g.dilation, [(lo, max(hi, 0)) for lo, hi in zip(g.low, g.high, strict=True)])
            for g in stack.geometries
        ]
        field = receptive_field(layers)
        line["receptive_field"] = {key: list(value) for key, value in field._asdict().items()}  # pyright: ignore
    return Prepared(line)


def _overlap(geometry: Geometry) -> dict[str, Any]:
    """Return how many taps write to each output, and whether that is even away from the border."""
    counts = overlap(
        geometry.output_size,
        geometry.window,
        stride=geometry.stride,
        padding=[(low, _high(geometry, axis)) for axis, low in enumerate(geometry.low)],
        dilation=geometry.dilation,
    )
    found: dict[str, Any] = {
        "overlap": sorted(set(counts.ravel().tolist())),
        "overlap_first_row": counts[(0,) * (counts.ndim - 1)].tolist()[:64],
    }
    inside = counts[
        tuple(slice(extent - 1, size - extent + 1) for extent, size in zip(geometry.extent, counts.shape, strict=True))
    ]
    if inside.size:
        found |= {
            "overlap_inside": sorted(set(inside.ravel().tolist())),
            "overlap_even": bool(inside.min() == inside.max()),
        }
    return found


def _high(geometry: Geometry, axis: int) -> int:
    """The high padding that gives exactly the stored sizes, whatever output padding asked for them."""
    p, s, extent = geometry.output_size[axis], geometry.stride[axis], geometry.extent[axis]
    return (p - 1) * s + extent - geometry.low[axis] - geometry.input_size[axis]


def _geometry(layer: StackLayer, size: tuple[int, ...], axes: int) -> Geometry:
    window = tuple(layer.window) if isinstance(layer.window, list) else (layer.window,) * axes
    arguments: dict[str, Any] = {name: _tuples(getattr(layer, name)) for name in ("stride", "padding", "dilation")}
    if layer.transposed:
        more = _tuples(layer.output_padding)
        return conv_transpose_geometry((*size, 1), (*window, 1, 1), output_padding=more, **arguments)[0]
    return conv_geometry((*size, 1), (*window, 1, 1), **arguments)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
