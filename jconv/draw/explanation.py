"""What a convolution is and what each formulation keeps: the picture beside `jconv.explain`'s words."""

import numpy as np
from matplotlib.figure import Figure

from jconv._cost import Explanation
from jconv.costs import direct_cost
from jconv.draw._picture import Picture, Theme, tint
from jconv.draw._stage import WIDTH, sizes


def explanation(explained: Explanation) -> Picture:
    """Draw the sizes of a convolution, and the memory that each formulation keeps between input and output.

    Args:
        explained: What `jconv.explain` returns.

    Returns:
        The picture; what `auto` takes is marked.

    Example:
        >>> import jax, jconv
        >>> x, kernel = jax.ShapeDtypeStruct((28, 28, 8), "float32"), jax.ShapeDtypeStruct((3, 3, 8, 8), "float32")
        >>> explanation(jconv.explain(x, kernel, platform="tpu")).text.split(":")[0]
        'The input of 28×28 with 8 channels becomes an output of 26×26 with 8, by a window of 3×3'
    """
    problem = explained.problem
    g, cost = problem.geometry, direct_cost(problem)
    kept = dict(sorted(explained.intermediate_bytes.items(), key=lambda item: item[1]))
    names = [*kept, *explained.refusals]
    boxes = (
        ("input", sizes(problem.x_shape), cost.input_elements),
        ("kernel", sizes(problem.kernel_shape), cost.kernel_elements),
        ("output", sizes(problem.y_shape), cost.output_elements),
    )
    height = 1.35 + 0.2 * len(names)

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        for number, (name, shape, elements) in enumerate(boxes):
            x = 0.02 + number * 0.33
            figure.text(x, 1 - 0.2 / height, name, weight="bold", color=theme.series[number])
            figure.text(x, 1 - 0.4 / height, shape, size=8.5)
            size = elements * problem.itemsize
            figure.text(x, 1 - 0.58 / height, f"{elements:,} · {_bytes(size)}", size=8, color=theme.quiet)
        axes = figure.add_axes((0.19, 0.42 / height, 0.66, 1 - 1.3 / height))
        sizes_mib = np.array([kept.get(name, 0) for name in names]) / 2**20
        places = list(range(len(names)))
        chosen = [name == explained.formulation for name in names]
        colours = [tint(theme.series[2 if on else 0], theme, 0.55) for on in chosen]
        axes.barh(
            places, sizes_mib, 0.7, color=colours,
            edgecolor=[theme.ink if on else theme.quiet for on in chosen],
            linewidth=[1.4 if on else 0.5 for on in chosen],
        )  # fmt: skip
        positive = sizes_mib[sizes_mib > 0]
        if len(positive):
            axes.set_xscale("symlog", linthresh=max(float(positive.min()), 1e-4))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        for place, name in zip(places, names, strict=True):
            words = _bytes(kept[name]) if name in kept else "cannot"
            words += "  ← auto" if name == explained.formulation else ""
            axes.text(sizes_mib[place], place, f" {words}", va="center", size=7.5)
        axes.set_yticks(places, names)
        axes.tick_params(axis="y", length=0, labelsize=7.5)
        axes.tick_params(axis="x", labelsize=7)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.set_xlabel("MiB between input and output, as counted", size=8)

    between = _bytes(explained.intermediate_bytes.get(explained.formulation, 0))
    kept_by = (
        f"{explained.in_turn}; at once it would keep {between}" if explained.in_turn else f", which keeps {between}"
    )
    text = (
        f"The input of {sizes(g.input_size)} with {problem.in_channels} channels becomes an output of "
        f"{sizes(g.output_size)} with {problem.out_channels}, by a window of {sizes(g.window)}: "
        f"{cost.multiplications:,} multiplications, {cost.parameters:,} parameters. auto takes "
        f"{explained.formulation}{kept_by} in between."
    )
    return Picture(draw, text, (WIDTH, height))


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"
