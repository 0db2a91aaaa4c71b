"""Where a network's operations and bytes go: a bar for each layer."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from jconv.costs import Cost
from jconv.draw._picture import Picture, Theme, tint
from jconv.draw._stage import WIDTH
from jconv.errors import GeometryError, UnsupportedError

MOST_LAYERS = 60


def budget(layers: Mapping[str, Cost], *, title: str = "") -> Picture:
    """Draw the multiplications, and the bytes of input, kernel and output, of every layer.

    Args:
        layers: What each layer costs, as `jconv.cost` counts it, by their names from the input to the output.
        title: What they are of.

    Returns:
        The picture.

    Raises:
        GeometryError: If there is no layer.
        UnsupportedError: If there are more than can be seen.

    Example:
        >>> import jconv
        >>> budget({"stem": jconv.cost((224, 224, 3), (7, 7, 3, 64), stride=2, padding=3)}).text
        '1 layer: 118,013,952 multiplications. The most, 118,013,952, has stem; the most bytes, 3,851,008, has stem.'
    """
    if not layers:
        raise GeometryError("draw: layers must be at least one; got none. Give a mapping of names to costs.")
    if len(layers) > MOST_LAYERS:
        raise UnsupportedError(
            f"draw: layers must be at most {MOST_LAYERS} to be seen; got {len(layers)}. Leave out some."
        )
    names = list(layers)
    costs = list(layers.values())
    work = np.array([cost.multiplications for cost in costs])
    elements = {
        kind: np.array([getattr(cost, f"{kind}_elements") for cost in costs]) for kind in ("input", "kernel", "output")
    }
    total = np.array([cost.bytes for cost in costs])
    itemsizes = total // np.maximum(np.sum(list(elements.values()), axis=0), 1)
    parts = {kind: count * itemsizes for kind, count in elements.items()}
    row = 0.19 if len(names) > 12 else 0.26

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        height = figure.get_size_inches()[1]
        left, right = figure.subplots(1, 2, sharey=True)
        figure.subplots_adjust(0.235, 0.5 / height, 0.98, 1 - 0.62 / height, 0.09)
        places = np.arange(len(names))
        left.barh(
            places, work / 1e6, 0.72, color=tint(theme.series[0], theme, 0.5), edgecolor=theme.quiet, linewidth=0.5
        )
        left.set_xlabel("million multiplications")
        start = np.zeros(len(names))
        for number, (kind, hatch) in enumerate((("input", ""), ("kernel", "////"), ("output", "...."))):
            values = parts[kind] / 2**20
            right.barh(
                places, values, 0.72, left=start, color=tint(theme.series[number], theme, 0.5), edgecolor=theme.quiet,
                linewidth=0.5, hatch=hatch, label=kind,
            )  # fmt: skip
            start = start + values
        right.set_xlabel("MiB")
        left.locator_params(axis="x", nbins=5)
        right.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, handlelength=1.4, columnspacing=1)
        left.set_yticks(places, names)
        left.set_ylim(len(names) - 0.4, -0.6)
        left.tick_params(axis="y", length=0, labelsize=8 if len(names) <= 30 else 7)
        right.tick_params(axis="y", length=0)
        figure.text(0.02, 1 - 0.2 / height, title, weight="bold", va="center")

    of = f"{title}, " if title else ""
    text = (
        f"{of}{len(names)} layer{'s' if len(names) > 1 else ''}: {work.sum():,} multiplications. The most, "
        f"{work.max():,}, has {names[int(work.argmax())]}; the most bytes, {total.max():,}, has "
        f"{names[int(total.argmax())]}."
    )
    return Picture(draw, text, (WIDTH, row * len(names) + 1.15))
