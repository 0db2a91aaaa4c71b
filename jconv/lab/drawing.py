"""Figures by their names and options: what `jconv draw` and the configs of a gallery say. No JAX until one is drawn."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from jconv.costs import direct_cost
from jconv.errors import ConfigError, suggestion

if TYPE_CHECKING:
    from jconv.draw import Picture

Given = dict[str, Any]
PHOTO, NETWORK, PIXELS = "photo", "mobilenet_v2", 96
DISK = tuple(tuple(float((a - 3) ** 2 + (b - 3) ** 2 <= 10) for b in range(7)) for a in range(7))


def _with_picture(given: Given, folder: Path) -> Given:
    """Read the picture, if one is asked for."""
    from jconv.lab import images

    pixels = given.pop("pixels", None)
    if "picture" not in given:
        if pixels is not None:
            raise ConfigError(
                f"draw: pixels must come with a picture; got pixels={pixels!r} alone. Add --picture {PHOTO}."
            )
        return given
    source, pixels = given["picture"], PIXELS if pixels is None else pixels
    if not isinstance(source, str) or not isinstance(pixels, int) or not 8 <= pixels <= 1024:
        raise ConfigError(
            f"draw: picture must be '{PHOTO}' or a file, and pixels from 8 to 1024; got picture={source!r}, "
            f"pixels={pixels!r}. Write --picture {PHOTO} --pixels {PIXELS}."
        )
    try:
        return given | {"picture": images.grey(images.photograph(source, folder, pixels))}
    except ConfigError as wrong:  # as a run of photographs says it
        words = str(wrong).removeprefix("jconv: input").removesuffix(" Paths are relative to the config.")
        raise ConfigError("draw: picture" + words.replace("'size'", "--pixels")) from None


def _with_photograph(given: Given, folder: Path) -> Given:
    return _with_picture({"picture": PHOTO} | given, folder)


def _with_kernel(given: Given, folder: Path) -> Given:
    """Make the kernel an array."""
    import numpy as np

    rows = given.get("kernel", DISK)
    try:
        return given | {"kernel": np.asarray(rows, np.float32)}
    except (TypeError, ValueError):
        raise ConfigError(
            f"draw: kernel must be rows of numbers of one length; got {rows!r}. Write [[1, 2], [3, 4]]."
        ) from None


def _with_network(given: Given, folder: Path) -> Given:
    """Count what a network's layers cost."""
    from jconv.lab import networks
    from jconv.lab.networks.entries import convolution

    word, batch = given.get("network", NETWORK), given.get("batch", 1)
    if not isinstance(word, str) or isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise ConfigError(
            f"draw: network must be a name or a file, and batch an int, at least 1; got network={word!r}, "
            f"batch={batch!r}. Write --network {NETWORK} --batch 1."
        )
    try:
        layers = networks.read(word, folder).layers
    except ConfigError as wrong:
        words = re.sub(r"^layers: a network", "draw: a network", str(wrong))
        raise ConfigError(words.replace(" exist, beside the config;", " exist;")) from None
    costs = {}
    for layer in layers:
        cost = direct_cost(replace(convolution(layer), batch=batch))
        if layer["transposed"]:  # the convolution is its adjoint, from its output to its input
            cost = cost._replace(input_elements=cost.output_elements, output_elements=cost.input_elements)
        costs[layer["name"]] = cost
    return {"layers": costs, "title": f"{word}, batch {batch}: its distinct convolutions, once each"}


class Entry(NamedTuple):
    """A figure: what it shows, its options and what they mean, a command that draws it, and how options are read."""

    summary: str
    options: Mapping[str, str]
    example: str
    prepare: Callable[[Given, Path], Given] = lambda given, folder: given


_SIZES = {
    "input": "the input's size: 5, or 5x7 for two axes",
    "window": "taps along each axis",
    "stride": "steps between outputs",
    "padding": "a word, an int, or a (low, high) pair per axis: [[1, 2], [0, 0]]",
    "dilation": "steps between taps",
}
_AXES = {"axes": "1 or 2, where all sizes are single ints"}
_LAYERS = {"layers": "from the input to the output: [{window: 3}, {window: 3, dilation: 2}]"}
_PICTURE = {"picture": "'photo' for matplotlib's own, or an image file", "pixels": "its side, once cut and shrunk"}

FIGURES: Mapping[str, Entry] = MappingProxyType(
    {
        "arithmetic": Entry(
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
        "flip": Entry(
            "true convolution flips one signal: the integral, and the sum of samples",
            {"samples": "of each signal"},
            "--samples 6 --out flip.gif",
        ),
        "volumes": Entry(
            "layers as blocks: dense, pointwise, grouped, depthwise, separable",
            {
                "kinds": "which of them, with commas between",
                "size": "the image's side",
                "window": "taps along each axis",
                "in_channels": "input channels",
                "out_channels": "output channels",
                "groups": "of the grouped layer",
            },
            "--in-channels 4 --out-channels 8 --out volumes.svg",
        ),
        "products": Entry(
            "patches lifted into a matrix, and the one matrix product",
            {key: _SIZES[key] for key in ("input", "window", "stride", "padding")} | {"out_channels": "outputs"},
            "--input 4 --window 2 --out products.gif",
        ),
        "matrix": Entry(
            "the Toeplitz, doubly block Toeplitz, sparse or circulant matrix, coloured by tap",
            {"kind": "toeplitz, sparse or circulant", "transposed": "draw the transpose beside it"} | _SIZES | _AXES,
            "--input 4x4 --window 3x3 --transposed --out matrix.svg",
        ),
        "spectrum": Entry(
            "the DFT makes a circulant matrix diagonal",
            {"size": "of the torus", "window": "taps of a binomial blur"},
            "--size 8 --out spectrum.svg",
        ),
        "gradients": Entry(
            "backpropagation: both gradients as the convolutions that they are",
            _SIZES,
            "--input 4 --window 2 --out gradients.gif",
        ),
        "receptive": Entry("one output's way down a stack of layers", _LAYERS, "--out receptive.svg"),
        "coverage": Entry(
            "which inputs an output sees after each layer, and along how many ways", _LAYERS, "--out coverage.gif"
        ),
        "effective": Entry(
            "the effective receptive field, by gradients of random networks",
            _LAYERS | {"networks": "over how many the gradient's size is averaged"},
            "--out effective.svg",
        ),
        "checkerboard": Entry(
            "how many taps write to each output of a transposed convolution, and what that does to a photograph",
            {"window": "taps along each axis", "stride": "output steps between inputs", "size": "inputs"} | _PICTURE,
            "--window 3 --stride 2 --picture photo --out checkerboard.svg",
            _with_picture,
        ),
        "filters": Entry("filters on a photograph", _PICTURE, "--out filters.png", _with_photograph),
        "separation": Entry(
            "a kernel before and after it is made separable, and what that misses",
            {"kernel": "its rows; by default a disk of 7×7", "rank": "terms that are kept"},
            "--rank 1 --out separation.svg",
            _with_kernel,
        ),
        "budget": Entry(
            "operations and memory of a network, layer by layer",
            {"network": "a shipped network, or a file of layers", "batch": "images"},
            "--network mobilenet_v2 --out budget.svg",
            _with_network,
        ),
    }
)
_RENAMED = {"input": "input_size"}
_SWITCH = "transposed"
_OF_ALL = ("out", "dark", "frame", "seconds", "scale")


def check(figure: str, options: Mapping[str, Any], more: Sequence[str] = ()) -> None:
    """Raise if there is no such figure, or it has no such option.

    Args:
        figure: One of `FIGURES`.
        options: Its options.
        more: What the command takes for every figure.

    Raises:
        ConfigError: What is wrong, and what may be meant.
    """
    if figure not in FIGURES:
        raise ConfigError(
            f"draw: the figure must be one of {', '.join(FIGURES)}; got {figure!r}."
            f"{' It comes before its options.' if figure.startswith('-') else suggestion(figure, FIGURES)}"
        )
    for name in options:
        if name not in FIGURES[figure].options:
            known = [*FIGURES[figure].options, *more]
            raise ConfigError(
                f"draw: the options of {figure} must be among {', '.join(map(_flag, known))}; got {_flag(name)}."
                f"{suggestion(name, known)}"
            )
    if not isinstance(options.get(_SWITCH, False), bool):
        raise ConfigError(f"draw: {_SWITCH} must be true or false; got {options[_SWITCH]!r}. Write {_flag(_SWITCH)}.")


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
    return getattr(jconv.draw, figure)(**FIGURES[figure].prepare(given, folder))


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
    check(figure, {})
    options: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise ConfigError(
                f"draw: options must be --name value; got {word!r}. As in jconv draw {figure} {FIGURES[figure].example}"
            )
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        check(figure, {name: False}, _OF_ALL)
        if not equals and name == _SWITCH:
            options[name] = True
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise ConfigError(f"draw: {word} must have a value; got none. Write {word} and its value.")
            value = rest.pop(0)
        options[name] = _value(name, value)
    return options


def listing() -> str:
    """Return the figures, a line each."""
    width = max(map(len, FIGURES))
    return "\n".join(f"  {name:<{width}}  {entry.summary}" for name, entry in FIGURES.items())


def help_of(figure: str) -> str:
    """Return what a figure shows, its options, and a command."""
    check(figure, {})
    found = FIGURES[figure]
    width = max(len(_flag(name)) for name in found.options)
    options = "\n".join(f"  {_flag(name):<{width}}  {words}" for name, words in found.options.items())
    return (
        f"jconv draw {figure}: {found.summary}.\n\n{options}\n\nOf every figure: --out FILE, an .svg, .png or .gif "
        f"(by default {figure} in this folder); --dark; --frame N, the step that an .svg or .png shows; --seconds, how "
        f"long a .gif shows one; --scale, pixels to each of a screen's.\n\nExample: jconv draw {figure} {found.example}"
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _value(name: str, text: str) -> Any:
    if re.fullmatch(r"\d+(x\d+)+", text):
        return [int(part) for part in text.split("x")]
    if name == "kinds" and not text.startswith("["):
        return text.split(",")
    if re.fullmatch(r"[-\d\s,()\[\]]+", text):  # as Python writes it, and an error's remedy
        text = text.replace("(", "[").replace(")", "]")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(
            f"draw: {_flag(name)} must be a value as YAML writes it, such as 3, SAME or [[1, 2], [0, 0]]; got {text!r}."
        ) from None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
