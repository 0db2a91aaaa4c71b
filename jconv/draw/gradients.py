"""Backpropagation as the convolutions that it is.

kernel gradient   k̄[t] = Σ_p x[s·p + d·t − lo] · ȳ[p]       the outputs' gradient is the window: s ↔ d
input gradient    x̄    = ȳ, with s − 1 zeros in between, by the flipped kernel
"""

import numpy as np

from jconv._arguments import Ints, Padding, per_axis
from jconv.draw._operands import integers
from jconv.draw._panels import panel, panels_picture
from jconv.draw._picture import Picture
from jconv.draw._stage import sizes
from jconv.draw.arithmetic import check_seen, each, zeros_between
from jconv.geometry import conv_geometry


def gradients(
    input_size: Ints = 4, window: Ints = 2, *, stride: Ints = 1, padding: Padding = "VALID", dilation: Ints = 1
) -> Picture:
    """Draw a convolution and its two gradients, each a convolution with another geometry.

    Args:
        input_size: One int per space axis, two; a single int stands for both.
        window: Likewise.
        stride: As for `conv`.
        padding: As for `conv`, with zeros.
        dilation: As for `conv`.

    Returns:
        The picture; a frame for each position of the one that has most.

    Raises:
        GeometryError: If the arguments describe no convolution.
        UnsupportedError: If it is too large to be seen.

    Example:
        >>> gradients(5, 3, stride=2).text.split(".")[1]
        ' The gradient by the kernel: the input by a window of 2×2, the gradient of the outputs, its taps 2 apart'
    """
    size, taps = per_axis("draw", "input_size", input_size, 2), per_axis("draw", "window", window, 2)
    arguments = {"stride": stride, "padding": padding, "dilation": dilation}
    geometry = conv_geometry((*size, 1), (*taps, 1, 1), caller="draw", **arguments)
    check_seen(geometry)
    check_seen(geometry.input_gradient())
    x, kernel = integers((*size, 1), 1, 4, 1), integers((*taps, 1, 1), -1, 2, 2)
    x, kernel, ct = x[..., 0], kernel[..., 0, 0], integers(geometry.output_size, 1, 2, 3)
    panels = [
        panel(x, kernel, geometry, "forward: x", "kernel", "y"),
        panel(x, ct, geometry.kernel_gradient(), "by the kernel: x", "window ȳ", "k̄"),
        panel(ct, np.flip(kernel), geometry.input_gradient(), "by the input: ȳ", "kernel, flipped", "x̄"),
    ]
    apart = ", its taps " + each(geometry.stride) + " apart" if max(geometry.stride) > 1 else ""
    zeros = zeros_between(geometry.stride, " in between")
    text = (
        f"A convolution of {sizes(size)} by {sizes(taps)} and its gradients. The gradient by the kernel: the input by "
        f"a window of {sizes(geometry.output_size)}, the gradient of the outputs{apart}. The gradient by the input: "
        f"the gradient of the outputs{zeros}, by the flipped kernel."
    )
    return panels_picture(panels, text)
