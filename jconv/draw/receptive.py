"""What one output sees: through each layer of a stack, and how much of it reaches the gradient.

r' = r + (k − 1)·d·j        j' = j·s
"""

from collections.abc import Callable, Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from jconv._arguments import entries_of, one_int
from jconv._conv import conv
from jconv.draw._picture import Picture, Theme, shades, tint
from jconv.draw._stage import MARGIN, WIDTH, Stage, number
from jconv.errors import GeometryError, UnsupportedError
from jconv.receptive import Layer, ReceptiveField, receptive_field

MOST_SEEN = 61  # entries along a field
FELT = 1 - 0.9545  # of the largest; Luo et al. count the entries over this share of the middle's
DILATED = (Layer(3), Layer(3, dilation=2), Layer(3, dilation=4))
"""Three layers whose fields are 3, 7 and 15 wide."""

EIGHT = (Layer(3),) * 8

Layers = Iterable[Layer | Mapping[str, object]]


def receptive(layers: Layers = DILATED) -> Picture:
    """Draw one output's way down a stack of layers, along one axis, to all inputs that it sees.

    Args:
        layers: From the input to the output, `Layer`s or mappings with their fields, of plain ints.

    Returns:
        The picture.

    Raises:
        GeometryError: If a layer is none.
        UnsupportedError: If the field is too large to be seen.

    Example:
        >>> print(receptive().text)
        One output sees 15 inputs through 3 layers; layer by layer the field is 3, 7, 15 wide.
    """
    stack, fields = _fields(layers)
    sizes = [_one(field.size) for field in fields]
    widest = _bounded(sizes)
    rows = len(stack)
    reached = [{0}]
    for layer in reversed(stack):
        reached.insert(0, {entry for output in reached[0] for entry in _read(layer, output)})
    centre = sum(reached[0]) / len(reached[0])
    places: list[dict[int, float]] = []  # where the entries of each level stand, in inputs: middle over middle
    for entries, jump in zip(reached, [1, *(_one(field.jump) for field in fields)], strict=True):
        middle = jump * (min(entries) + max(entries)) / 2
        places.append({entry: jump * entry - middle + centre for entry in entries})

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
        axes.set_axis_off()
        for level, placed in enumerate(places):
            if level:
                for entry, place in placed.items():
                    for child in _read(stack[level - 1], entry):
                        axes.plot(
                            [place, places[level - 1][child]], [rows - level, rows - level + 1],
                            color=theme.line, linewidth=0.8, zorder=1,
                        )  # fmt: skip
            colour = theme.series[level % len(theme.series)]
            marker = "os^Dv"[level % 5]
            axes.plot(
                list(placed.values()), [rows - level] * len(placed), marker, color=colour, zorder=2,
                markersize=min(9, 220 / widest), gid=f"level {level}",
            )  # fmt: skip
            words = "input" if not level else f"layer {level}"
            field = "" if not level else f"\nsees {sizes[level - 1]}"
            axes.text(centre - widest * 0.62, rows - level, f"{words}{field}", va="center", ha="right", size=8.5)
            if level:
                axes.text(
                    centre + widest * 0.56, rows - level, _layer_words(stack[level - 1]), va="center", size=8.5,
                    color=theme.quiet,
                )  # fmt: skip
        axes.set_xlim(centre - widest * 0.95, centre + widest * 0.95)
        axes.set_ylim(rows + 0.5, -0.5)

    listed = ", ".join(map(str, sizes))
    text = f"One output sees {sizes[-1]} inputs through {len(stack)} layers; layer by layer the field is {listed} wide."
    return Picture(draw, text, (WIDTH, 0.75 * len(stack) + 1.0))


def coverage(layers: Layers = DILATED) -> Picture:
    """Draw, after each layer, which inputs the middle output sees, and along how many ways.

    Args:
        layers: From the input to the output, `Layer`s or mappings with their fields, of plain ints.

    Returns:
        The picture, a frame for each layer.

    Raises:
        GeometryError: If a layer is none.
        UnsupportedError: If the field is too large to be seen.

    Example:
        >>> coverage().frames
        3
    """
    stack, fields = _fields(layers)
    sizes = [_one(field.size) for field in fields]
    widest = _bounded(sizes, 31)
    ways = [ways_to(stack[: depth + 1]) for depth in range(len(stack))]
    unit = (WIDTH - 2 * MARGIN) / max(widest, 15)

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        stage = Stage(figure, theme, unit)
        line = stage.line
        words = f"after layer {frame + 1} ({_layer_words(stack[frame])}): {sizes[frame]}×{sizes[frame]}"
        stage.words(0, 0.5 * line, words)
        gap = (widest - sizes[frame]) // 2
        for row in range(widest):
            for column in range(widest):
                inside = gap <= row < gap + sizes[frame] and gap <= column < gap + sizes[frame]
                count = ways[frame][row - gap, column - gap] if inside else 0
                kind = "empty" if not count else "input"
                name = f"coverage[{row}, {column}]"
                stage.cell(column, 1.2 * line + row, kind, number(count) if count else "", name)
        stage.frame(gap, 1.2 * line + gap, sizes[frame], sizes[frame], "window")
        stage.frame(widest // 2, 1.2 * line + widest // 2, 1, 1, "now")

    holes = [str(depth + 1) for depth, one in enumerate(ways) if not (one > 0).all()]
    left_out = (
        f"inputs between them are left out after layer {' and '.join(holes)}" if holes else "no input is left out"
    )
    text = (
        f"The inputs that the middle output sees after each of {len(stack)} layers: squares of "
        f"{', '.join(map(str, sizes))} inputs a side, framed, with the number of ways to each, the middle one in a "
        f"frame of its own; {left_out}."
    )
    height = unit * widest + 0.3 + 2 * MARGIN
    return Picture(draw, text, (WIDTH, height), len(stack), still=len(stack) - 1)


def effective(layers: Layers = EIGHT, *, networks: int = 512) -> Picture:
    """Draw the effective receptive field: how much each input moves the middle output of random networks.

    Args:
        layers: From the input to the output, `Layer`s or mappings with their fields, of plain ints.
        networks: Over how many random kernels the gradient's size is averaged.

    Returns:
        The picture: the field, and its middle row.

    Raises:
        GeometryError: If a layer is none.
        UnsupportedError: If the field is too large to be seen.

    Example:
        >>> effective([Layer(3), Layer(3)], networks=4).text.split(";")[0]
        'The output sees 5×5 inputs'

    References:
        Luo, Li, Urtasun and Zemel, Understanding the effective receptive field in deep convolutional neural networks,
        2016, https://arxiv.org/abs/1701.04128.
    """
    stack, fields = _fields(layers)
    widest = _bounded([_one(field.size) for field in fields], 129)
    mean = mean_gradient(stack, one_int("draw", "networks", networks))
    share = float((mean > FELT * mean.max()).mean())

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(0.04, 0.16, 0.98, 0.9, 0.2)
        left.imshow(mean, cmap=shades(theme.series[0], theme, 0, 1), gid="effective field")
        left.spines[["top", "right"]].set_visible(True)
        left.set_title(f"mean |∂ output / ∂ input|, {widest}×{widest}")
        left.set_xticks([])
        left.set_yticks([])
        middle = mean[widest // 2] / mean.max()
        place = np.arange(widest) - widest // 2
        right.fill_between(place, middle, color=tint(theme.series[0], theme, 0.4))
        right.plot(place, middle, color=theme.series[0])
        right.set_title("the middle row, over the largest of all")
        right.set_xlabel("inputs from the middle")
        right.set_ylim(0, 1.05)

    text = (
        f"The output sees {widest}×{widest} inputs; {share:.0%} of them move it by more than {100 * FELT:.2f} % of "
        f"what the strongest does, the mean over {networks} random networks."
    )
    return Picture(draw, text, (WIDTH, 3.1))


def ways_to(stack: list[Layer]) -> np.ndarray:
    """Count the ways from each input of the field to the middle output: the gradient through kernels of ones.

    Args:
        stack: The layers.

    Returns:
        `[r, r]`, integers.
    """
    kernels = [jnp.ones((_one(layer.window),) * 2 + (1, 1)) for layer in stack]
    return np.rint(np.asarray(_gradient(stack)(kernels))).astype(int)


def mean_gradient(stack: list[Layer], networks: int) -> np.ndarray:
    """Return the mean size of the gradient of one output by each input, over random kernels, `[r, r]`."""
    keys = jax.random.split(jax.random.key(0), len(stack))
    kernels = [
        jax.random.normal(key, (networks, _one(layer.window), _one(layer.window), 1, 1))
        for key, layer in zip(keys, stack, strict=True)
    ]
    return np.asarray(jnp.abs(jax.vmap(_gradient(stack))(kernels)).mean(axis=0))


def _gradient(stack: list[Layer]) -> Callable[[list[jax.Array]], jax.Array]:
    """Return the gradient of a stack's one output by its field, from the kernels."""
    size = _one(receptive_field(stack).size)

    def output(x: jax.Array, kernels: list[jax.Array]) -> jax.Array:
        for layer, kernel in zip(stack, kernels, strict=True):
            x = conv(x, kernel, stride=_one(layer.stride), dilation=_one(layer.dilation), formulation="direct")
        return x[0, 0, 0]

    field = jnp.zeros((size, size, 1))
    return lambda kernels: jax.grad(output)(field, kernels)[..., 0]


def _fields(layers: Layers) -> tuple[list[Layer], list[ReceptiveField]]:
    """Return the layers without padding, which moves a field and does not widen it, and the field after each."""
    listed = entries_of(layers) or []
    receptive_field(listed or layers)  # raises what is wrong
    stack = [Layer(**layer) if isinstance(layer, Mapping) else layer for layer in listed]  # pyright: ignore
    if not stack:
        raise GeometryError(
            "draw: layers must be at least one; got none. Write [Layer(3)], on a command line [{window: 3}]."
        )
    for layer in stack:
        if not all(isinstance(value, int) for value in layer[:3]):
            raise UnsupportedError(f"draw: a layer's sizes must be plain ints; got {layer!r}. Both axes are alike.")
    stack = [layer._replace(padding=0) for layer in stack]
    return stack, [receptive_field(stack[: depth + 1]) for depth in range(len(stack))]


def _bounded(sizes: list[int], most: int = MOST_SEEN) -> int:
    if sizes[-1] > most:
        raise UnsupportedError(
            f"draw: the receptive field must be at most {most} wide to be seen; got {sizes[-1]}. Leave out layers."
        )
    return sizes[-1]


def _read(layer: Layer, output: int) -> list[int]:
    """Return which of a layer's inputs an output reads: s·p + d·t."""
    return [_one(layer.stride) * output + _one(layer.dilation) * tap for tap in range(_one(layer.window))]


def _one(value: object) -> int:
    assert isinstance(value, int)
    return value


def _layer_words(layer: Layer) -> str:
    words = f"window {layer.window}"
    words += f", stride {layer.stride}" if layer.stride != 1 else ""
    return words + (f", dilation {layer.dilation}" if layer.dilation != 1 else "")
