"""What each transform of a convolution should give, in terms of one convolution and its two gradients. No JAX.

The same equations run three times: on the operands, on their absolute values (the scale of rounding errors), and on
ones (how many products each sum has). With loss ½‖y‖² the cotangent is y itself.

    forward                y = x ∗ k
    input_gradient         dx = ∂⟨ct, y⟩/∂x             kernel_gradient  dk = ∂⟨ct, y⟩/∂k
    jvp                    ẋ ∗ k + x ∗ k̇
    vmap                   x ∗ k_v for each kernel
    vmapped_kernels        ∂½‖x ∗ k_v‖²/∂k_v for each kernel
    ensemble               ∂½‖x_v ∗ k_v‖²/∂k_v for each network, its input and its kernel
    per_example_gradients  ∂⟨ct_n, y_n⟩/∂k for each example
    scan                   k ← k − rate · ∂½‖x ∗ k‖²/∂k, four times
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from jconv.lab.oracle import Answer

STEPS = 4
Operands = Mapping[str, np.ndarray]
Convolve = Callable[..., Answer]
"""(x, kernel, cotangent or None for ones) → output and both cotangents, as `oracle.conv` does."""

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "forward": ("x", "kernel"),
    "input_gradient": ("x", "kernel", "cotangent"),
    "kernel_gradient": ("x", "kernel", "cotangent"),
    "gradients": ("x", "kernel", "cotangent"),
    "forward_backward": ("x", "kernel", "cotangent"),
    "jvp": ("x", "kernel", "x_tangent", "kernel_tangent"),
    "vmap": ("x", "kernels"),
    "vmapped_kernels": ("x", "kernels"),
    "ensemble": ("xs", "kernels"),
    "per_example_gradients": ("x", "kernel", "cotangent"),
    "scan": ("x", "kernel", "rate"),
}
"""What each transform is given, in this order."""


class Truth(NamedTuple):
    """What is right, and how far off rounding may put it; one entry per output of the transform.

    Args:
        values: The true outputs, float64.
        absolute: The same on absolute values.
        terms: The most products in one sum.
    """

    values: list[np.ndarray]
    absolute: list[np.ndarray]
    terms: list[float]


def truth(transform: str, convolve: Convolve, operands: Operands) -> Truth:
    """Return what a transform should give.

    Args:
        transform: Its name.
        convolve: The convolution and its gradients: the oracle's.
        operands: x, kernel, … as the transform takes them.

    Returns:
        Values, scales and numbers of terms.

    Example:
        >>> from jconv.lab import oracle
        >>> x, kernel = np.array([1.0, 2, 3]).reshape(1, 3, 1), np.array([0, 1, 0.5]).reshape(3, 1, 1)
        >>> truth("forward", oracle.conv, {"x": x, "kernel": kernel}).values[0].item()
        3.5
    """
    sizes: dict[str, Any] = {name: np.abs(array) for name, array in operands.items()}
    if "rate" in sizes:
        sizes["rate"] = -sizes["rate"]  # what is subtracted adds to the scale
    return Truth(
        _values(transform, convolve, operands),
        _values(transform, convolve, sizes),
        _terms(transform, convolve, operands),
    )


def _values(transform: str, convolve: Convolve, given: Operands) -> list[np.ndarray]:
    x, kernel, ct = given["x"] if "x" in given else given["xs"], given.get("kernel"), given.get("cotangent")
    match transform:
        case "forward":
            return [convolve(x, kernel).output]
        case "input_gradient":
            return [convolve(x, kernel, ct).x_gradient]
        case "kernel_gradient":
            return [convolve(x, kernel, ct).kernel_gradient]
        case "gradients":
            return list(convolve(x, kernel, ct)[1:])
        case "forward_backward":
            return list(convolve(x, kernel, ct))
        case "jvp":
            by_x, by_kernel = convolve(given["x_tangent"], kernel), convolve(x, given["kernel_tangent"])
            return [convolve(x, kernel).output, by_x.output + by_kernel.output]
        case "vmap":
            return [np.stack([convolve(x, k).output for k in given["kernels"]])]
        case "vmapped_kernels":
            return [np.stack([_descent(convolve, x, k) for k in given["kernels"]])]
        case "ensemble":
            return [np.stack([_descent(convolve, one, k) for one, k in zip(x, given["kernels"], strict=True)])]
        case "per_example_gradients":
            assert ct is not None
            pairs = zip(x[:, None], ct[:, None], strict=True)
            return [np.stack([convolve(one, kernel, its).kernel_gradient for one, its in pairs])]
        case "scan":
            k = np.asarray(kernel, np.float64)
            for _ in range(STEPS):
                k = k - given["rate"] * _descent(convolve, x, k)
            return [k]
    raise KeyError(transform)


def _descent(convolve: Convolve, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """∂½‖x ∗ k‖²/∂k: pull y back."""
    return convolve(x, kernel, convolve(x, kernel).output).kernel_gradient


def _terms(transform: str, convolve: Convolve, given: Operands) -> list[float]:
    """Return the most products in one sum, for each output; sums of sums count both."""
    x = np.ones_like(given["x"] if "x" in given else given["xs"][0])
    kernel = np.ones_like(given["kernel"] if "kernel" in given else given["kernels"][0])
    if transform == "per_example_gradients":
        x = x[:1]
    forward, by_x, by_kernel = (float(np.max(part, initial=1.0)) for part in convolve(x, kernel))
    return {
        "forward": [forward],
        "input_gradient": [by_x],
        "kernel_gradient": [by_kernel],
        "gradients": [by_x, by_kernel],
        "forward_backward": [forward, by_x, by_kernel],
        "jvp": [forward, 2 * forward],
        "vmap": [forward],
        "vmapped_kernels": [forward + by_kernel],
        "ensemble": [forward + by_kernel],
        "per_example_gradients": [by_kernel],
        "scan": [STEPS * (forward + by_kernel + 1)],
    }[transform]
