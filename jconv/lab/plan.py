"""From a config to its problems and cases: shapes and geometries, before any array exists. No JAX here."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from jconv._modes import check_padding_mode
from jconv.costs import Problem as Convolution
from jconv.errors import ConfigError, GeometryError
from jconv.geometry import Geometry, conv_geometry, conv_transpose_geometry, resolve_padding
from jconv.lab import drawing, networks
from jconv.lab.config import (
    Agreement,
    Aot,
    Arithmetic,
    Experiment,
    Filter,
    Gallery,
    Layer,
    Photograph,
    Scaling,
    StackLayer,
    Timing,
    Training,
)
from jconv.lab.document import Fault, KeyPath, error
from jconv.lab.loading import Loaded, Variant

GEOMETRY, DRAWING = "geometry", "drawing"


class Call(NamedTuple):
    """One convolution, as it is asked for.

    Args:
        x_shape: `[batch, *space, in]`.
        kernel_shape: `[*window, in/groups, out]`, or `[*window, out/groups, in]` if transposed.
        transposed: Whether it is a transposed convolution.
        flip: Whether the kernel is flipped.
        arguments: The keyword arguments of `jconv.conv`, or of `jconv.conv_transpose`.
        convolution: Its geometry, batch and channels, as its cost and its choice are asked for.
    """

    x_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...]
    transposed: bool
    flip: bool
    arguments: Mapping[str, Any]
    convolution: Convolution

    @property
    def multiplications(self) -> int:
        """The definition's multiplications, padding included; no inserted zero of a transposed convolution counts."""
        convolution = self.convolution
        positions = math.prod(self.x_shape[1:-1]) if self.transposed else convolution.positions
        return convolution.batch * positions * convolution.taps * convolution.depth * convolution.out_channels

    @property
    def array_bytes(self) -> int:
        """Bytes of x, kernel and output together."""
        convolution = self.convolution
        output = convolution.batch * convolution.positions * convolution.out_channels
        return (math.prod(self.x_shape) + math.prod(self.kernel_shape) + output) * convolution.itemsize

    @property
    def canonical(self) -> str:
        """The string that says all of this."""
        words = ["flipped"] * self.flip + ["transposed"] * self.transposed
        return "_".join([str(self.convolution), self.arguments["padding_mode"], *words])


class Problem(NamedTuple):
    """What every contender is to compute: a layer, a dtype and a transform.

    Args:
        layer: The layer's name, with `@` and the sweep's values where something is swept.
        canonical: What is computed, as a string without blanks.
        transform: Which function of it.
        dtype: Of the operands.
        contenders: Formulations, then peers.
        settings: The config of its variant.
        entry: The config's entry.
        call: The convolution; None where a whole network or a stack is the problem.
        facts: What each of its records says besides.
    """

    layer: str
    canonical: str
    transform: str
    dtype: str
    contenders: tuple[str, ...]
    settings: Experiment
    entry: Any
    call: Call | None
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`layer/canonical/transform`, unique in a run."""
        return f"{self.layer}/{self.canonical}/{self.transform}"

    def case(self, contender: str) -> str:
        """Return the string that names this problem with one contender; unique in a run."""
        return f"{self.name}/{contender}"

    def cases(self) -> list[str]:
        """Return the names of all its cases, in the order of the contenders."""
        return [self.case(contender) for contender in self.contenders]


def plan(loaded: Loaded) -> list[Problem]:
    """Return the problems of a config.

    Args:
        loaded: The config.

    Returns:
        The problems, variant by variant, layer by layer.

    Raises:
        ConfigError: If an entry describes no convolution; the message lists all that do not.
    """
    problems, faults = [], []
    for variant in loaded.variants:
        for path, problem in _variant(variant, loaded.folder):
            if isinstance(problem, Problem):
                problems.append(problem)
            else:
                faults.append(Fault(variant.document.place(path), path, str(problem)))
    if faults:
        raise error(faults)
    return problems


Found = Iterator[tuple[KeyPath, Problem | GeometryError]]


def _variant(variant: Variant, folder: Path) -> Found:
    settings = variant.settings
    match settings:
        case Photograph():
            transforms = ("forward", "gradients") if settings.gradient else ("forward",)
            entries = [(("filters", i), entry) for i, entry in enumerate(settings.filters)]
            entries += [(("layers", i), entry) for i, entry in enumerate(settings.layers)]
            for path, entry in entries:
                yield from _convolutions(variant, path, entry, transforms, ("float32",))
        case Agreement() | Timing() | Aot():
            for path, entry in _layers(settings.layers, variant, folder):
                yield from _convolutions(variant, path, entry, settings.transforms, settings.dtypes)
        case Scaling():
            for i, value in enumerate(settings.values):
                entry = scaled(settings.layer, settings.axis, value, settings)
                facts = {"axis": settings.axis, "value": value}
                path = ("values", i)
                yield from _convolutions(variant, path, entry, settings.transforms, settings.dtypes, facts)
        case Training():
            yield from _trainings(variant, settings)
        case Arithmetic():
            yield from _stack(variant, settings)
        case Gallery():
            yield from _figures(variant, settings)


def _layers(layers: Any, variant: Variant, folder: Path) -> Iterator[tuple[KeyPath, Layer]]:
    if not isinstance(layers, str):
        yield from ((("layers", i), entry) for i, entry in enumerate(layers))
        return
    try:
        network = networks.read(layers, folder)
    except ConfigError as wrong:
        raise error(
            [Fault(variant.document.place(("layers",)), ("layers",), str(wrong).removeprefix("layers: "))]
        ) from None
    for row in network.layers:
        known = {key: value for key, value in row.items() if key in Layer.model_fields}
        try:
            yield ("layers",), Layer.model_validate(known)
        except ValidationError as wrong:
            first = wrong.errors(include_url=False)[0]
            reason = f"{layers}: {row.get('name')}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise error([Fault(variant.document.place(("layers",)), ("layers",), reason)]) from None


def scaled(layer: Layer, axis: str, value: int, settings: Scaling) -> Layer:
    """Return a layer with one axis set; a depthwise layer stays depthwise.

    Args:
        layer: The layer.
        axis: image, window, channels, batch or dilation.
        value: Its value.
        settings: The experiment.

    Returns:
        The layer, named after the value.
    """
    depthwise = layer.groups == layer.in_channels and layer.groups > 1
    change: dict[str, Any] = {
        "image": {"size": value},
        "window": {"window": [value] * len(layer.window) if isinstance(layer.window, list) else value},
        "channels": {"in_channels": value, "out_channels": value, "groups": value if depthwise else layer.groups},
        "batch": {"batch": value},
        "dilation": {"dilation": value},
    }[axis]
    return layer.model_copy(update=change | {"name": f"{layer.name}-{axis}-{value}"})


def _convolutions(
    variant: Variant,
    path: KeyPath,
    entry: Filter | Layer,
    transforms: Any,
    dtypes: Any,
    facts: Mapping[str, Any] | None = None,
) -> Found:
    settings = variant.settings
    try:
        calls = [_call(entry, settings, dtype) for dtype in dtypes]
    except GeometryError as wrong:
        yield path, GeometryError(f"{entry.name}: {wrong}")
        return
    peers = tuple(getattr(settings, "peers", ()))
    for call, dtype in zip(calls, dtypes, strict=True):
        for transform in transforms:
            yield (
                path,
                Problem(
                    layer=_named(entry.name, variant),
                    canonical=call.canonical,
                    transform=transform,
                    dtype=dtype,
                    contenders=settings.contenders() + peers,
                    settings=settings,
                    entry=entry,
                    call=call,
                    facts={**_varied(variant), **(facts or {})},
                ),
            )


def _named(name: str, variant: Variant) -> str:
    return f"{name}@{variant.label}" if variant.label else name


def _varied(variant: Variant) -> dict[str, Any]:
    return {"variant": dict(variant.values)} if variant.values else {}


def _call(entry: Filter | Layer, settings: Any, dtype: str) -> Call:
    """Return the convolution that an entry asks for, or raise `GeometryError`."""
    arguments: dict[str, Any] = {"padding": _tuples(entry.padding)}
    if isinstance(entry, Filter):
        widths = {len(row) for row in entry.kernel}
        if len(widths) > 1:
            raise GeometryError(f"kernel must have rows of one length; got rows of {sorted(widths)} numbers.")
        side = entry.size or settings.size
        x_shape, kernel_shape = (1, side, side, 1), (len(entry.kernel), *widths, 1, 1)
        transposed, flip = False, entry.flip
    else:
        size, window = entry.size or getattr(settings, "size", 32), entry.window
        axes = next((len(ints) for ints in (window, size) if isinstance(ints, list)), 2)
        ins, outs, transposed, flip = entry.in_channels, entry.out_channels, entry.transposed, False
        over, kept = (outs, ins) if transposed else (ins, outs)
        if over % entry.groups:
            raise GeometryError(f"groups must split the channels evenly; got groups={entry.groups}, channels={over}.")
        if entry.output_padding and not transposed:
            raise GeometryError("output_padding must be 0 unless the layer is transposed; add 'transposed: true'.")
        x_shape = (entry.batch or getattr(settings, "batch", 1), *_each("size", size, axes), ins)
        kernel_shape = (*_each("window", window, axes), over // entry.groups, kept)
        arguments |= {"stride": _tuples(entry.stride), "dilation": _tuples(entry.dilation), "groups": entry.groups}
    if isinstance(settings, Photograph) and len(x_shape) != 4:
        raise GeometryError(f"window must have two entries on a photograph; got {len(x_shape) - 2}.")
    geometry: Geometry
    if transposed and isinstance(entry, Layer):
        arguments["output_padding"] = _tuples(entry.output_padding)
        forward, pads = conv_transpose_geometry(x_shape, kernel_shape, **arguments)
        check_padding_mode("conv_transpose", entry.padding_mode, forward.input_size, pads)
        geometry, out_channels = forward.input_gradient(), kernel_shape[-2] * entry.groups
    else:
        geometry, out_channels = conv_geometry(x_shape, kernel_shape, **arguments), kernel_shape[-1]
        pads = resolve_padding("conv", arguments["padding"], x_shape[1:-1], geometry.extent, geometry.stride)
        check_padding_mode("conv", entry.padding_mode, geometry.input_size, pads)
    convolution = Convolution(geometry, x_shape[0], x_shape[-1], out_channels, dtype)
    arguments["padding_mode"] = entry.padding_mode
    return Call(x_shape, kernel_shape, transposed, flip, arguments, convolution)


def _trainings(variant: Variant, settings: Training) -> Found:
    words = [settings.model, Path(settings.data).stem or "data", f"w{settings.width:g}", f"r{settings.resolution:g}"]
    words += [f"e{settings.epochs}", f"b{settings.batch_size}", f"{settings.optimizer}{settings.learning_rate:g}"]
    for seed in settings.seeds:
        canonical, facts = (
            "_".join([*words, f"s{seed}"]),
            {"model": settings.model, "data": settings.data, "seed": seed},
        )
        problem = _whole(variant, settings.model, canonical, "training", settings.contenders(), settings)
        yield (), problem._replace(facts={**problem.facts, **facts})


def _stack(variant: Variant, settings: Arithmetic) -> Found:
    for i, entry in enumerate(settings.layers):
        yield ("layers", i), _whole(variant, f"{i + 1:02d}-{entry.name}", _words(entry), GEOMETRY, (GEOMETRY,), i)


def _figures(variant: Variant, settings: Gallery) -> Found:
    for i, entry in enumerate(settings.figures):
        try:
            drawing.check(entry.figure, entry.options)
        except ConfigError as wrong:
            yield ("figures", i), GeometryError(str(wrong).removeprefix("draw: "))
        else:
            yield ("figures", i), _whole(variant, entry.name, entry.figure, DRAWING, tuple(settings.themes), entry)


def _whole(
    variant: Variant, name: str, canonical: str, transform: str, contenders: tuple[str, ...], entry: Any
) -> Problem:
    """Return a problem that is no single convolution: a training, a stack, a figure."""
    facts, settings = _varied(variant), variant.settings
    return Problem(_named(name, variant), canonical, transform, "float32", contenders, settings, entry, None, facts)


def _words(entry: StackLayer) -> str:
    padding = str(entry.padding).replace(" ", "").replace("[", "").replace("]", "").replace(",", ":")
    words = [f"k{_by(entry.window)}", f"s{_by(entry.stride)}", f"p{padding}", f"d{_by(entry.dilation)}"]
    return "_".join([*words, f"g{entry.groups}", *["transposed"] * entry.transposed])


def _by(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _each(name: str, value: Any, axes: int) -> tuple[int, ...]:
    ints = tuple(value) if isinstance(value, list) else (value,) * axes
    if len(ints) != axes:
        raise GeometryError(f"{name} must be an int or have {axes} entries, as the window has; got {len(ints)}.")
    return ints


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
