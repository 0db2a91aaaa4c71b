"""Draw `times.png` from the records: the time of each formulation over that of XLA's own, layer by layer."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

import jconv

HERE = Path(__file__).parent
SHOWN = {
    "vmapped_kernels": "16 kernels, one input",
    "ensemble": "16 networks, own inputs",
    "per_example_gradients": "8 examples",
}
FORMULATIONS = ("patches", "shifts", "einsum", "fft")
MARKERS = "osD^"


def main() -> None:
    """Write `times.png`."""
    results = jconv.lab.load(HERE / "run")
    layers = list(dict.fromkeys(line["layer"] for line in results))
    with mpl.rc_context({"font.size": 9, "figure.facecolor": "white"}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        for place, (axes, (transform, title)) in enumerate(
            zip(figure.subplots(1, len(SHOWN), sharey=True), SHOWN.items(), strict=True)
        ):
            for row, formulation in enumerate(FORMULATIONS):
                ratios = [
                    (layers.index(line["layer"]) + 0.15 * (row - 1.5), line["ratio"])
                    for line in results
                    if line["transform"] == transform and line["formulation"] == formulation
                ]
                middles = [ratio["median"] for _, ratio in ratios]
                spread = [
                    [ratio["median"] - ratio["low"] for _, ratio in ratios],
                    [ratio["high"] - ratio["median"] for _, ratio in ratios],
                ]
                axes.errorbar(
                    middles, [y for y, _ in ratios], xerr=spread, fmt=MARKERS[row], ms=5, label=formulation, capsize=2
                )
            axes.axvline(1, color="0.5", lw=1)
            axes.set_xscale("log")
            axes.set_xlim(0.01, 40)
            axes.set_title(title)
            axes.set_xlabel("time ÷ direct's")
            if place == 0:
                axes.set_yticks(range(len(layers)), layers)
                axes.invert_yaxis()
        _ = figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(FORMULATIONS))
        figure.savefig(HERE / "times.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
