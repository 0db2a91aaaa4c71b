"""Figures by their names and options: what `jconv draw` and the configs of a gallery say. No JAX until one is drawn."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from jconv.costs import direct_cost
from jconv.errors import ConfigError, suggestion

if TYPE_CHECKING:
    from jconv.draw import Picture


class Figure(NamedTuple):
    """A figure: what it shows, its options and what they mean, and a command that draws it."""

    summary: str
    options: Mapping[str, str]
    example: str


_SIZES = {
    "input": "the input's size: 5, or 5x7 for two axes",
    "window": "taps along each axis",
    "stride": "steps between outputs",
    "padding": "a word, an int, or a (low, high) pair per axis: [[1, 2], [0, 0]]",
    "dilation": "steps between taps",
}
_AXES = {"axes": "1 or 2, where all sizes are single ints"}
_LAYERS = {"layers": "from the input to the output: [{window: 3}, {window: 3, dilation: 2}]"}
_PHOTO = {"picture": "'photo' for matplotlib's own, or an image file", "pixels": "its side, once cut and shrunk"}

FIGURES: Mapping[str, Figure] = MappingProxyType(
    {
        "arithmetic": Figure(
            "a convolution step by step: window, padding, dilation, groups; transposed too",
            _SIZES
            | {
                "padding_mode": "zeros, circular, reflect or edge",
                "groups": "a channel for each, at most four",
                "transposed": "draw the transposed convolution",
                "output_padding": "of a transposed convolution",
            }
            | _AXES,
            "--input 5 --window 3 --stride 2 --padding 1 --out a.gif",
        ),
        "flip": Figure(
            "true convolution flips one signal: the integral, and the sum of samples",
            {"samples": "of each signal"},
            "--samples 6 --out flip.gif",
        ),
        "volumes": Figure(
            "layers as blocks: dense, pointwise, grouped, depthwise, separable",
            {
                "kinds": "which of them",
                "size": "the image's side",
                "window": "taps along each axis",
                "in_channels": "input channels",
                "out_channels": "output channels",
                "groups": "of the grouped layer",
            },
            "--in-channels 4 --out-channels 8 --out volumes.svg",
        ),
        "products": Figure(
            "patches lifted into a matrix, and the one matrix product",
            {key: _SIZES[key] for key in ("input", "window", "stride", "padding")} | {"out_channels": "outputs"},
            "--input 4 --window 2 --out products.gif",
        ),
        "matrix": Figure(
            "the Toeplitz, doubly block Toeplitz, sparse or circulant matrix, coloured by tap",
            {"kind": "toeplitz, sparse or circulant", "transposed": "draw the transpose beside it"} | _SIZES | _AXES,
            "--input 4x4 --window 3x3 --transposed --out matrix.svg",
        ),
        "spectrum": Figure(
            "the DFT makes a circulant matrix diagonal",
            {"size": "of the torus", "window": "taps of a binomial blur"},
            "--size 8 --out spectrum.svg",
        ),
        "gradients": Figure(
            "backpropagation: both gradients as the convolutions that they are",
            _SIZES,
            "--input 4 --window 2 --out gradients.gif",
        ),
        "receptive": Figure("one output's way down a stack of layers", _LAYERS, "--out receptive.svg"),
        "coverage": Figure(
            "which inputs an output sees after each layer, and along how many ways", _LAYERS, "--out coverage.gif"
        ),
        "effective": Figure(
            "the effective receptive field, by gradients of random networks",
            _LAYERS | {"networks": "over how many the gradient's size is averaged"},
            "--out effective.svg",
        ),
        "checkerboard": Figure(
            "how many taps write to each output of a transposed convolution, and what that does to a photograph",
            {"window": "taps along each axis", "stride": "output steps between inputs", "size": "inputs"} | _PHOTO,
            "--window 3 --stride 2 --picture photo --out checkerboard.svg",
        ),
        "filters": Figure("filters on a photograph", _PHOTO, "--out filters.png"),
        "separation": Figure(
            "a kernel before and after it is made separable, and what that misses",
            {"kernel": "its rows; by default a disk of 7×7", "rank": "terms that are kept"},
            "--rank 1 --out separation.svg",
        ),
        "budget": Figure(
            "operations and memory of a network, layer by layer",
            {"network": "a shipped network, or a file of layers", "batch": "images"},
            "--network mobilenet_v2 --out budget.svg",
        ),
    }
)
_RENAMED = {"input": "input_size"}
DISK = [[float((a - 3) ** 2 + (b - 3) ** 2 <= 10) for b in range(7)] for a in range(7)]


def check(figure: str, options: Mapping[str, Any]) -> None:
    """Raise if there is no such figure, or it has no such option.

    Args:
        figure: One of `FIGURES`.
        options: Its options.

    Raises:
        ConfigError: What is wrong, and what may be meant.
    """
    if figure not in FIGURES:
        raise ConfigError(
            f"draw: the figure must be one of {', '.join(FIGURES)}; got {figure!r}.{suggestion(figure, FIGURES)}"
        )
    for name in options:
        if name not in FIGURES[figure].options:
            known = ", ".join(_flag(option) for option in FIGURES[figure].options)
            raise ConfigError(
                f"draw: the options of {figure} must be among {known}; got {_flag(name)}."
                f"{suggestion(name, FIGURES[figure].options)}"
            )


def draw(figure: str, options: Mapping[str, Any], folder: Path) -> "Picture":
    """Draw a figure.

    Args:
        figure: One of `FIGURES`.
        options: Its options, as YAML reads them.
        folder: What the paths of pictures and networks are relative to.

    Returns:
        The picture.

    Raises:
        ConfigError: If an option is wrong.
        GeometryError: If the options describe no convolution.
        UnsupportedError: If it cannot be seen.

    Example:
        >>> draw("spectrum", {"size": 4}, Path()).frames
        1
    """
    import jconv.draw

    check(figure, options)
    given = {_RENAMED.get(name, name): _tuples(value) for name, value in options.items()}
    if figure in ("arithmetic", "matrix", "gradients"):
        given = {"input_size": 5, "window": 3} | given
    pixels = given.pop("pixels", 96)
    if figure == "filters" or "picture" in given:
        given["picture"] = _photograph(str(given.get("picture", "photo")), pixels, folder)
    if figure == "separation":
        given["kernel"] = _kernel(given.get("kernel", DISK))
    if figure == "budget":
        given = _network(given.get("network", "mobilenet_v2"), given.get("batch", 1), folder)
    return getattr(jconv.draw, figure)(**given)


def parse(figure: str, words: Sequence[str]) -> dict[str, Any]:
    """Return the options of a command line, `--name value` or `--name=value`; a bare `--transposed` is true.

    Args:
        figure: The figure.
        words: What follows it.

    Returns:
        The options.

    Raises:
        ConfigError: If a word is no option, or an option has no value.

    Example:
        >>> parse("arithmetic", ["--input", "5x7", "--padding=SAME", "--transposed"])
        {'input': [5, 7], 'padding': 'SAME', 'transposed': True}
    """
    options: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise ConfigError(f"draw: options must be --name value; got {word!r}. Write --input 5.")
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        check(figure, {name: None})
        if not equals and name == "transposed":
            options[name] = True
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise ConfigError(f"draw: --{word[2:]} must have a value; got none. Write {word} 3.")
            value = rest.pop(0)
        options[name] = _value(name, value)
    return options


def listing() -> str:
    """Return the figures, a line each."""
    width = max(map(len, FIGURES))
    return "\n".join(f"  {name:<{width}}  {figure.summary}" for name, figure in FIGURES.items())


def help_of(figure: str) -> str:
    """Return what a figure shows, its options, and a command."""
    check(figure, {})
    found = FIGURES[figure]
    width = max(len(_flag(name)) for name in found.options)
    options = "\n".join(f"  {_flag(name):<{width}}  {words}" for name, words in found.options.items())
    return textwrap.dedent(
        f"jconv draw {figure}: {found.summary}.\n\n{options}\n\nExample: jconv draw {figure} {found.example}"
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _value(name: str, text: str) -> Any:
    if re.fullmatch(r"\d+(x\d+)+", text):
        return [int(part) for part in text.split("x")]
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(
            f"draw: {_flag(name)} must be a value as YAML writes it, such as 3, SAME or [[1, 2], [0, 0]]; got {text!r}."
        ) from None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


def _photograph(source: str, pixels: Any, folder: Path) -> Any:
    from jconv.lab import images

    if not isinstance(source, str) or not isinstance(pixels, int) or not 8 <= pixels <= 1024:
        raise ConfigError(
            f"draw: picture must be 'photo' or a file, and pixels from 8 to 1024; got picture={source!r}, "
            f"pixels={pixels!r}."
        )
    return images.grey(images.photograph(source, folder, pixels))


def _kernel(rows: Any) -> Any:
    import numpy as np

    try:
        return np.asarray(rows, np.float32)
    except (TypeError, ValueError):
        raise ConfigError(f"draw: kernel must be rows of numbers of one length; got {rows!r}.") from None


def _network(word: Any, batch: Any, folder: Path) -> dict[str, Any]:
    from jconv.lab import networks
    from jconv.lab.networks.entries import convolution

    if not isinstance(word, str) or not isinstance(batch, int) or batch < 1:
        raise ConfigError(f"draw: network must be a name or a file, and batch an int; got {word!r}, {batch!r}.")
    costs = {}
    for layer in networks.read(word, folder).layers:
        cost = direct_cost(replace(convolution(layer), batch=batch))
        if layer["transposed"]:  # the convolution is its adjoint, from its output to its input
            cost = cost._replace(input_elements=cost.output_elements, output_elements=cost.input_elements)
        costs[layer["name"]] = cost
    return {"layers": costs, "title": f"{word}, batch {batch}: its distinct convolutions"}
