"""A tour of a convolution: each idea with its line of jconv, what that line says, and its picture. Writes README.md.

python experiments/tour/tour.py
"""

from pathlib import Path
from typing import Any, NamedTuple

import jconv

HERE = Path(__file__).parent
GALLERY = HERE.parent / "gallery" / "run"


class Stop(NamedTuple):
    """One idea."""

    title: str
    words: str
    line: str
    figure: str


PREPARED = """\
import jax
import jax.numpy as jnp
import numpy as np

import jconv
from jconv.lab import drawing

x, k = jax.random.normal(jax.random.key(0), (16, 16, 3)), jax.random.normal(jax.random.key(1), (3, 3, 3, 4))
y = jconv.conv(x, k, padding="SAME", formulation="direct")
"""

STOPS = (
    Stop(
        "A window slides",
        "Each output is the sum of the entries under a window, each times the window's own number. Machine learning "
        "does not flip the window: it correlates, and calls it convolution.",
        "jconv.conv(jnp.array([1., 2., 3., 4., 5.])[:, None], jnp.array([1., 0., -1.])[:, None, None])[:, 0].tolist()",
        "series",
    ),
    Stop(
        "True convolution flips",
        "Signal processing flips one of the two, so that the order does not matter. Sampled more and more finely, the "
        "sum becomes the integral.",
        "jconv.convolve(jnp.array([1., 2., 3.])[:, None], jnp.array([1., 0., -1.])[:, None, None], "
        "padding='FULL')[:, 0].tolist()",
        "flip",
    ),
    Stop(
        "Padding keeps the size",
        "Without padding the output is smaller by the window less one. With half of that on each side it is as large "
        "as the input.",
        "jconv.conv_geometry((5, 5, 1), (3, 3, 1, 1), padding='SAME').output_size",
        "same-padding",
    ),
    Stop(
        "What stands beyond the border",
        "Zeros, or the other side of the torus, or the mirror, or the edge repeated.",
        "jconv.conv(jnp.arange(4.)[:, None], jnp.ones((3, 1, 1)), padding='SAME', padding_mode='circular')[:, 0]"
        ".tolist()",
        "circular",
    ),
    Stop(
        "Stride skips",
        "The window moves in steps of s: ⌊(L + lo + hi − k) / s⌋ + 1 outputs. What no window reaches is not read.",
        "jconv.conv_geometry((6, 6, 1), (3, 3, 1, 1), stride=2).output_size",
        "unread",
    ),
    Stop(
        "Dilation spreads the taps",
        "The taps stand d apart: the window covers d(k − 1) + 1 entries with no more numbers.",
        "jconv.conv_geometry((7, 7, 1), (3, 3, 1, 1), dilation=2).extent",
        "dilation",
    ),
    Stop(
        "Channels: volumes in, volumes out",
        "A filter is as deep as its input, and each filter makes one channel. 1×1 mixes channels only; groups split "
        "them; a depthwise layer does not mix them at all, and a separable one mixes them afterwards, for a fraction "
        "of the work.",
        "jconv.cost((8, 8, 4), (3, 3, 4, 8), padding=1).multiplications, "
        "jconv.cost((8, 8, 4), (3, 3, 1, 4), padding=1, groups=4).multiplications",
        "volumes",
    ),
    Stop(
        "Patches and one product",
        "Lift every window into a row, and the convolution is one matrix product: im2col.",
        "jconv.patches(jnp.arange(16.).reshape(4, 4, 1), (2, 2)).reshape(9, 4)[0].tolist()",
        "products",
    ),
    Stop(
        "It is a matrix",
        "A convolution is linear, so it has a matrix: the same taps on every row, one further to the right. Over two "
        "axes it is made of blocks that are of that kind, placed in that way.",
        "jconv.toeplitz_matrix(jnp.array([1., 2., 3.])[:, None, None], 5).astype(int).tolist()",
        "doubly-block-toeplitz",
    ),
    Stop(
        "The transpose goes back",
        "The transposed matrix maps outputs to inputs. It is the convolution's derivative by its input, and a layer of "
        "its own.",
        "jconv.conv_transpose(jnp.array([1., 2.])[:, None], jnp.array([1., 2., 3.])[:, None, None], stride=2)[:, 0]"
        ".tolist()",
        "toeplitz-transposed",
    ),
    Stop(
        "A transposed convolution, step by step",
        "A stride of s inserts s − 1 zeros between its inputs, the window is flipped, and padding crops. Output "
        "padding says which of several sizes was meant.",
        "jconv.conv_transpose(jnp.ones((3, 3, 1)), jnp.ones((3, 3, 1, 1)), stride=2, padding=1, output_padding=1)"
        ".shape",
        "output-padding",
    ),
    Stop(
        "Uneven overlap makes a checkerboard",
        "Where the stride does not divide the window, neighbouring outputs are sums of unequally many products.",
        "jconv.overlap(4, 3, stride=2).tolist(), jconv.overlap(4, 4, stride=2).tolist()",
        "checkerboard",
    ),
    Stop(
        "On the torus the matrix is circulant, and the DFT makes it diagonal",
        "So a convolution is a product of spectra, whatever the size of its window.",
        "[round(abs(value), 3) for value in np.fft.fft(jconv.circulant_matrix(jnp.array([.25, .5, .25])"
        "[:, None, None], 8)[:, 0]).tolist()]",
        "spectrum",
    ),
    Stop(
        "Backpropagation is two more convolutions",
        "The kernel's gradient: the input, by the outputs' gradient as a window, stride and dilation exchanged. The "
        "input's gradient: the outputs' gradient with zeros in between, by the flipped kernel.",
        "[g.output_size for g in (jconv.conv_geometry((5, 5, 1), (3, 3, 1, 1), stride=2).kernel_gradient(), "
        "jconv.conv_geometry((5, 5, 1), (3, 3, 1, 1), stride=2).input_gradient())]",
        "gradients",
    ),
    Stop(
        "What an output sees",
        "Each layer adds (k − 1)·d·j, where j is the product of the strides before it. Three windows of 3, dilated by "
        "1, 2 and 4, see 3, 7 and 15.",
        "[jconv.receptive_field([jconv.Layer(3, dilation=2**i) for i in range(n)]).size for n in (1, 2, 3)]",
        "receptive",
    ),
    Stop(
        "No entry is left out",
        "The dilations double, so every input of the square is seen, most of them along several ways.",
        "jconv.receptive_field([jconv.Layer(3), jconv.Layer(3, dilation=2), jconv.Layer(3, dilation=4)])",
        "coverage",
    ),
    Stop(
        "What an output feels",
        "Not all that is seen matters alike: through random layers the gradient is nearly a Gaussian, and the middle "
        "decides.",
        "jconv.receptive_field([jconv.Layer(3)] * 8).size",
        "effective",
    ),
    Stop(
        "Filters everyone knows",
        "Blur, sharpen, find edges: one kernel each, over a photograph.",
        "jconv.filters.sobel(axis=1)[..., 0, 0].tolist()",
        "filters",
    ),
    Stop(
        "Some kernels are products",
        "A kernel of rank one is a column times a row, and costs 2k instead of k². What the nearest such kernel misses "
        "says whether that may be done.",
        "round(float(jconv.separate(jnp.asarray(drawing.DISK)[..., None, None], 1)[1]), 3)",
        "separation",
    ),
    Stop(
        "Where a network spends",
        "The first layers hold the most bytes, the last ones the most parameters; the pointwise ones multiply most.",
        "jconv.cost((56, 56, 24), (1, 1, 24, 144)).multiplications",
        "budget",
    ),
    Stop(
        "Every way to compute it",
        "All of these are one map, and jconv computes it in each of these ways. Which one is fastest depends on the "
        "problem: `auto` chooses.",
        "len(jconv.FORMULATIONS), max(float(abs(jconv.conv(x, k, padding='SAME', formulation=name) - y).max()) "
        "for name in jconv.FORMULATIONS) < 1e-4",
        "",
    ),
)


def main() -> None:
    """Evaluate every line and write the page; the pictures are the gallery's."""
    names: dict[str, Any] = {}
    exec(PREPARED, names)
    drawn = {(line["layer"], line["formulation"]): line for line in jconv.lab.load(GALLERY)}
    parts = [INTRODUCTION, f"Every line below stands on these:\n\n```python\n{PREPARED}```\n"]
    for number, stop in enumerate(STOPS, start=1):
        said = eval(stop.line, names)
        parts.append(f"## {number}. {stop.title}\n\n{stop.words}\n\n```python\n>>> {stop.line}\n{said!r}\n```\n")
        if stop.figure:
            light, dark = (drawn[stop.figure, theme] for theme in ("light", "dark"))
            alt = light["text"].replace('"', "'")
            folder = "../gallery/run"
            parts.append(
                f'<picture><source media="(prefers-color-scheme: dark)" srcset="{folder}/{dark["picture"]}">'
                f'<img src="{folder}/{light["picture"]}" alt="{alt}" width="600"></picture>\n'
            )
    (HERE / "README.md").write_text("\n".join(parts), encoding="utf-8")


INTRODUCTION = """# A tour of a convolution

**Question.** What is a convolution, from the sliding window to the matrix, the spectrum, the gradient and the network?

**Command.** `python experiments/gallery/gallery.py && python experiments/tour/tour.py` draws every picture, evaluates
every line and writes this page.

**Finding.** One idea after another, each with its picture, its line of jconv and what that line says. The pictures are
drawn from the same `Geometry` that computes; `jconv draw --help` draws them with other numbers.
"""


if __name__ == "__main__":
    main()
