"""From a config to its problems: shapes and geometries, before any array exists. No JAX here."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jconv.costs import Problem as Convolution
from jconv.errors import GeometryError
from jconv.geometry import Geometry, conv_geometry, conv_transpose_geometry
from jconv.lab.config import Config, Filter, Layer
from jconv.lab.document import Document, Fault, KeyPath


class Problem(NamedTuple):
    """One convolution that every formulation is to compute.

    Args:
        name: Its name in the config.
        path: Its place in the config.
        entry: The config's entry.
        size: The picture's side.
        x_shape: `[batch, height, width, in]`.
        kernel_shape: `[height, width, in/groups, out]`, or `[height, width, out/groups, in]` if transposed.
        transposed: Whether it is a transposed convolution.
        arguments: The keyword arguments of `jconv.conv`, or of `jconv.conv_transpose`.
        canonical: The string that says all of this.
        convolution: Its geometry, batch and channels, as its cost and its choice are asked for.
    """

    name: str
    path: KeyPath
    entry: Filter | Layer
    size: int
    x_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...]
    transposed: bool
    arguments: Mapping[str, Any]
    canonical: str
    convolution: Convolution

    def case(self, formulation: str) -> str:
        """Return the string that names this problem with one formulation; unique in a run."""
        return f"{self.name}/{self.canonical}/{formulation}"


def plan(config: Config, document: Document) -> list[Problem]:
    """Return the problems of a config, filters first.

    Args:
        config: The config.
        document: Where it came from.

    Returns:
        One problem per filter and layer.

    Raises:
        ConfigError: If an entry describes no convolution; the message lists all that do not.
    """
    problems, faults = [], []
    entries = [(part, i, entry) for part in ("filters", "layers") for i, entry in enumerate(getattr(config, part))]
    for part, i, entry in entries:
        try:
            problems.append(_problem((part, i), entry, config))
        except GeometryError as error:
            faults.append(Fault(document.values[part, i], (part, i), f"{entry.name}: {error}"))
    if faults:
        raise document.error(faults)
    return problems


def _problem(path: KeyPath, entry: Filter | Layer, config: Config) -> Problem:
    size = entry.size or config.size
    arguments: dict[str, Any] = {"padding": _pairs(entry.padding)}
    if isinstance(entry, Filter):
        widths = {len(row) for row in entry.kernel}
        if len(widths) > 1:
            raise GeometryError(f"kernel must have rows of one length; got rows of {sorted(widths)} numbers.")
        x_shape, kernel_shape = (1, size, size, 1), (len(entry.kernel), *widths, 1, 1)
        transposed, words = False, ["flipped"] * entry.flip
    else:
        x_shape = (config.batch, size, size, entry.in_channels)
        ins, outs = entry.in_channels, entry.out_channels
        transposed, words = entry.transposed, ["transposed"] * entry.transposed
        over, kept = (outs, ins) if transposed else (ins, outs)
        if over % entry.groups:
            raise GeometryError(f"groups must split the channels evenly; got groups={entry.groups}, channels={over}.")
        if entry.output_padding and not transposed:
            raise GeometryError("output_padding must be 0 unless the layer is transposed; add 'transposed: true'.")
        kernel_shape = (*entry.window, over // entry.groups, kept)
        arguments |= {"stride": _tuple(entry.stride), "dilation": _tuple(entry.dilation), "groups": entry.groups}
    geometry: Geometry
    if transposed and isinstance(entry, Layer):
        forward, _ = conv_transpose_geometry(x_shape, kernel_shape, output_padding=entry.output_padding, **arguments)
        geometry = forward.input_gradient()
        arguments["output_padding"] = entry.output_padding
    else:
        geometry = conv_geometry(x_shape, kernel_shape, **arguments)
    out_channels = kernel_shape[-2] * geometry.groups if transposed else kernel_shape[-1]
    convolution = Convolution(geometry, x_shape[0], x_shape[-1], out_channels)
    arguments["padding_mode"] = entry.padding_mode
    canonical = "_".join([str(convolution), entry.padding_mode, *words])
    return Problem(
        entry.name,
        path,
        entry,
        size,
        x_shape,
        kernel_shape,
        transposed,
        arguments,
        canonical,
        convolution,
    )


def _pairs(padding: Any) -> Any:
    return tuple(_tuple(entry) for entry in padding) if isinstance(padding, list) else padding


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
