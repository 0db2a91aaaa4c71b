"""Draw `errors.png` from the records: how far each formulation is from float64, in units of the last place."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

import jconv

HERE = Path(__file__).parent


def main() -> None:
    """Write `errors.png`."""
    results = jconv.lab.load(HERE / "run")
    names = list(dict.fromkeys(line["formulation"] for line in results))
    with mpl.rc_context({"font.size": 9, "figure.facecolor": "white"}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        for axes, dtype in zip(figure.subplots(1, 2, sharey=True), ("float32", "bfloat16"), strict=True):
            errors = [
                [line["max_ulps"] for line in results if line["formulation"] == name and line["dtype"] == dtype]
                for name in names
            ]
            for place, found in enumerate(errors):
                axes.plot(found, [place] * len(found), "o", ms=3, alpha=0.35, color="C0")
                axes.plot(sorted(found)[len(found) // 2], place, "|", ms=14, mew=2, color="C1")
            axes.set_title(f"{dtype}, {len(errors[0])} cases each")
            axes.set_xlabel("largest error, units in the last place of the largest true value")
            axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        figure.savefig(HERE / "errors.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
