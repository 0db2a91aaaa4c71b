"""Draw `layers.png` from the records: how many times as fast as XLA's own `auto` is, a mark for each layer."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from summary import TRANSFORMS, pairs

HERE = Path(__file__).parent
KINDS = {
    "pointwise, dense": (("pointwise", "dense", "strided", "transposed", "1-D", "3-D"), "o", "C0"),
    "depthwise, grouped": (("depthwise", "grouped", "large"), "D", "C1"),
}


def main() -> None:
    """Write `layers.png`."""
    folders = sorted(path.parent for path in HERE.glob("*-1/results.jsonl"))
    lines = [line for folder in folders for line in pairs(folder)]
    names = [folder.name for folder in folders]
    with mpl.rc_context({"font.size": 9, "figure.facecolor": "white"}):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (transform, title) in zip(panels, TRANSFORMS.items(), strict=True):
            for words, (kinds, marker, color) in KINDS.items():
                own = [line for line in lines if line["transform"] == transform and line["kind"] in kinds]
                faster = [1 / line["ratio"]["median"] for line in own]
                rows = [names.index(line["network"]) for line in own]
                axes.plot(faster, rows, marker, color=color, ms=4, alpha=0.5, mew=0, label=words)
            for row, name in enumerate(names):
                logs = [
                    np.log(line["ratio"]["median"])
                    for line in lines
                    if line["network"] == name and line["transform"] == transform
                ]
                axes.plot(np.exp(-np.mean(logs)), row, "|", color="black", ms=14, mew=2)
            axes.axvline(1, color="0.5", lw=1)
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_title(f"{title}, batch 1")
            axes.set_xlabel("times as fast as XLA's own; a bar at the geometric mean")
        panels[0].set_yticks(range(len(names)), [name.removesuffix("-1") for name in names])
        panels[0].invert_yaxis()
        _ = figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(KINDS))
        figure.savefig(HERE / "layers.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
