"""Run the study, and draw what uneven overlap does: the counts, and a photograph scaled up by them."""

import shutil
from pathlib import Path

import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import jconv
from jconv.lab import images

HERE = Path(__file__).parent
STRIDE, WINDOWS, SIZE = 2, (2, 3, 4, 5), 24


def main() -> None:
    """Write `run/` and `checkerboard.png`."""
    shutil.rmtree(HERE / "run", ignore_errors=True)
    _ = jconv.lab.run("study_checkerboard", out=HERE / "run")
    grey = images.grey(images.photograph("photo", Path(), SIZE))
    with mpl.rc_context({"font.size": 9, "figure.facecolor": "white"}):
        figure = Figure(figsize=(9, 4.8), layout="constrained")
        top, bottom = figure.subplots(2, len(WINDOWS))
        for window, above, below in zip(WINDOWS, top, bottom, strict=True):
            counts = jconv.overlap((8, 8), window, stride=STRIDE)
            inside = np.unique(counts[window - 1 : 1 - window, window - 1 : 1 - window])
            above.imshow(counts, cmap="viridis", vmin=1, vmax=9)
            for (i, j), count in np.ndenumerate(counts):
                dark = count < 5
                _ = above.text(j, i, str(count), ha="center", va="center", fontsize=5, color="w" if dark else "k")
            even = "even" if len(inside) == 1 else "uneven"
            above.set_title(f"window {window}, stride {STRIDE}: {even}\ninside {', '.join(map(str, inside))}")
            # A box of ones whose weights sum to one over a stride's cell: interpolation, were the overlap even.
            kernel = jnp.full((window, window, 1, 1), STRIDE**2 / window**2)
            picture = jconv.conv_transpose(jnp.asarray(grey)[..., None], kernel, stride=STRIDE)[..., 0]
            below.imshow(np.asarray(picture), cmap="gray", vmin=0, vmax=1)
        for axes in (*top, *bottom):
            axes.set_axis_off()
        figure.savefig(HERE / "checkerboard.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
