"""The flip of true convolution: one signal is turned round and slid past the other, and their product summed.

y(t) = ∫ f(τ) g(t − τ) dτ          y[n] = Σ_m x[m] · h[n − m]
"""

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jconv._arguments import one_int
from jconv._conv import convolve
from jconv.draw._picture import Picture, Theme, tint
from jconv.draw._stage import WIDTH
from jconv.errors import UnsupportedError

FINE = 40  # points of the continuous signals to each sample
MOST_SAMPLES = 24


def flip(samples: int = 6) -> Picture:
    """Draw the convolution of a box with a ramp, continuous above and sampled below, a frame for each output.

    The first frame shows the ramp as it is; from the second on it is flipped and slides to the right.

    Args:
        samples: How many samples each signal has; at most 24.

    Returns:
        The picture.

    Raises:
        UnsupportedError: If there are more samples than can be seen.

    Example:
        >>> flip(4).frames  # the ramp before its flip, and 4 + 4 − 1 outputs
        8
    """
    samples = one_int("draw", "samples", samples, least=2)
    if samples > MOST_SAMPLES:
        raise UnsupportedError(f"draw: samples must be at most {MOST_SAMPLES}; got samples={samples}. Take 6.")
    box, ramp = np.ones(samples), 1 - np.arange(samples) / samples
    tau = np.arange(samples * FINE) / FINE
    fine_box, fine_ramp = np.ones_like(tau), 1 - tau / samples
    sums = _convolve(box, ramp)
    integral = _convolve(fine_box, fine_ramp) / FINE

    def draw(figure: Figure, theme: Theme, frame: int) -> None:
        n = frame - 1
        rows = figure.subplots(2, 2, sharex="col", sharey="row")
        figure.subplots_adjust(0.07, 0.1, 0.98, 0.86, 0.08, 0.25)
        figure.text(0.27, 0.95, "continuous", ha="center", weight="bold")
        figure.text(0.27, 0.9, "y(t) = ∫ f(τ) g(t − τ) dτ", ha="center", size=8.5)
        figure.text(0.76, 0.95, "sampled", ha="center", weight="bold")
        figure.text(0.76, 0.9, "y[n] = Σ x[m] h[n − m]", ha="center", size=8.5)
        _continuous(rows[0, 0], rows[1, 0], theme, n, tau, fine_box, fine_ramp, integral)
        _sampled(rows[0, 1], rows[1, 1], theme, n, box, ramp, sums)
        for axes in rows.ravel():
            axes.set_xlim(-samples - 0.5, 2 * samples)
            axes.set_yticks([])
        for axes in rows[0]:
            axes.set_ylim(0, 1.5)
        rows[1, 0].set_xlabel("τ, and t below", labelpad=1)
        rows[1, 1].set_xlabel("m, and n below", labelpad=1)
        for axes in rows[1]:
            axes.set_ylim(0, 1.25 * sums.max())

    text = (
        "A box f and a falling ramp g: the ramp is flipped, slides past the box, and the area of their product is the "
        f"convolution; beside it, at n = t − 1, where as much of both overlaps, the same with {samples} samples: sums "
        f"take the place of the integral. Sums: {', '.join(f'{value:.2f}' for value in sums)}."
    )
    return Picture(draw, text, (WIDTH, 4.0), 2 * samples, still=samples // 2 + 1)


def _convolve(x: np.ndarray, h: np.ndarray) -> np.ndarray:
    x, h = x.astype(np.float32), h.astype(np.float32)
    return np.asarray(convolve(jnp.asarray(x)[:, None], jnp.asarray(h)[:, None, None], padding="FULL"))[:, 0]


def _continuous(
    above: Axes, below: Axes, theme: Theme, n: int, tau: np.ndarray, f: np.ndarray, g: np.ndarray, y: np.ndarray
) -> None:
    """Draw both signals at t = n + 1 and the shaded area of their product; below, the integral until then."""
    blue, orange, green = theme.series[:3]
    t = n + 1.0
    place = tau if n < 0 else t - tau
    label = "g(τ), not yet flipped" if n < 0 else f"g({t:g} − τ)"
    above.plot([0, *tau, tau[-1]], [0, *f, 0], color=blue, label="f(τ)")
    above.plot([place[0], *place], [0, *g], color=orange, dashes=(4, 1.5), label=label)
    if n >= 0:
        height = np.interp(tau, place[::-1], g[::-1], left=0, right=0) * f
        above.fill_between(tau, height, facecolor=tint(green, theme, 0.5), hatch="////", edgecolor=green, linewidth=0)
    above.legend(loc="upper right", ncols=2, handlelength=1.8, columnspacing=1, borderaxespad=0)
    times = np.arange(len(y)) / len(tau) * (tau[-1] + tau[1])
    done = times <= t if n >= 0 else np.zeros(len(y), bool)
    below.plot(times, y, color=theme.line, linewidth=1)
    below.plot(times[done], y[done], color=green, linewidth=2)
    below.set_title("y(t), the area", loc="left", pad=2)
    if done.any():
        below.plot(times[done][-1], y[done][-1], "o", color=green)


def _sampled(above: Axes, below: Axes, theme: Theme, n: int, x: np.ndarray, h: np.ndarray, y: np.ndarray) -> None:
    """Draw both sequences at n, and the sums until then."""
    blue, orange, green = theme.series[:3]
    m = np.arange(len(x))
    place = m if n < 0 else n - m
    label = "h[m], not yet flipped" if n < 0 else f"h[{n} − m]"
    _stems(above, m, x, blue, "o", "x[m]", 0.08)
    _stems(above, place, h, orange, "s", label, -0.08)
    above.legend(loc="upper right", ncols=2, handlelength=1.2, columnspacing=1, borderaxespad=0)
    _stems(below, np.arange(len(y)), y, theme.line, "o", "", 0)
    if n >= 0:
        _stems(below, np.arange(n + 1), y[: n + 1], green, "o", "", 0)
        below.text(n, y[n] + 0.06 * y.max(), f"{y[n]:.2f}", ha="right", va="bottom", size=8)
    below.set_title("y[n], the sum of the products", loc="left", pad=2)


def _stems(
    axes: Axes, place: np.ndarray, values: np.ndarray, colour: str, marker: str, label: str, shift: float
) -> None:
    axes.vlines(place + shift, 0, values, color=colour, linewidth=1.2)
    axes.plot(place + shift, values, marker, color=colour, markersize=4, label=label or None)
