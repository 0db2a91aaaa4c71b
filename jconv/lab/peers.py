"""Other libraries on the same work, as contenders: PyTorch, where it is installed.

NCHW tensors in PyTorch's channels-last memory format, so that both sides are given the layout they like.
"""

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jconv.errors import UnsupportedError
from jconv.lab.plan import Call, Problem
from jconv.lab.programs import Compiled


def torch_program(problem: Problem, operands: Mapping[str, np.ndarray]) -> Compiled:
    """Build PyTorch's program for a problem and run it once.

    Args:
        problem: The problem.
        operands: Its operands, channels last.

    Returns:
        The program; its values are channels last again.

    Raises:
        UnsupportedError: If PyTorch is not installed, or has no such program.
    """
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError:
        raise UnsupportedError("torch is not installed. pip install 'jconv[peers]' brings it.") from None
    call = problem.call
    assert call is not None
    refusal = _refusal(problem, call)
    if refusal:
        raise UnsupportedError(f"the torch contender cannot compute this: {refusal}")
    start = time.perf_counter()
    axes = len(call.convolution.geometry.window)
    memory = {2: torch.channels_last, 3: torch.channels_last_3d}.get(axes, torch.contiguous_format)

    def tensor(array: np.ndarray, move: tuple[int, ...]) -> Any:
        moved = np.ascontiguousarray(np.transpose(array.astype(np.float64), move))
        made = torch.from_numpy(moved).to(getattr(torch, problem.dtype))
        return made.contiguous(memory_format=memory)

    space = tuple(range(1, axes + 1))
    x = tensor(operands["x"], (0, axes + 1, *space))
    # Kernels [*k, c, o] → [o, c, *k]; a transposed one is [*k, out/groups, in] → [in, out/groups, *k].
    kernel = tensor(operands["kernel"], (axes + 1, axes, *range(axes)))
    f = _function(torch, call, axes)

    def backward() -> list[Any]:
        by_x, by_kernel = problem.transform != "kernel_gradient", problem.transform != "input_gradient"
        a, k = x.detach().requires_grad_(by_x), kernel.detach().requires_grad_(by_kernel)
        y = f(a, k)
        gradients = torch.autograd.grad(y, [a] * by_x + [k] * by_kernel, ct)
        return [y.detach(), *gradients] if problem.transform == "forward_backward" else list(gradients)

    def forward() -> list[Any]:
        with torch.inference_mode():
            return [f(x, kernel)]

    run: Callable[[], list[Any]] = forward
    if problem.transform != "forward":
        ct = tensor(operands["cotangent"], (0, axes + 1, *space))
        run = backward
    built = time.perf_counter()
    results = run()
    first = time.perf_counter() - built
    names = {
        "forward": ["y"],
        "input_gradient": ["x"],
        "kernel_gradient": ["k"],
        "gradients": ["x", "k"],
        "forward_backward": ["y", "x", "k"],
    }[problem.transform]
    back = {"k": (*range(2, axes + 2), 1, 0)}
    last = (0, *range(2, axes + 2), 1)
    value = [np.transpose(r.double().numpy(), back.get(name, last)) for name, r in zip(names, results, strict=True)]
    return Compiled(run, 0.0, built - start, first, value, {})


def _refusal(problem: Problem, call: Call) -> str | None:
    geometry = call.convolution.geometry
    if problem.transform in ("jvp", "vmap", "vmapped_kernels", "ensemble", "per_example_gradients", "scan"):
        return f"no {problem.transform} program is written for it"
    if call.arguments["padding_mode"] != "zeros":
        return f"padding_mode must be zeros; got {call.arguments['padding_mode']}"
    if len(geometry.window) > 3:
        return f"it has up to 3 space axes; got {len(geometry.window)}"
    return None


def _function(torch: Any, call: Call, axes: int) -> Callable[[Any, Any], Any]:
    if call.transposed:
        return _transposed(torch, call, axes)
    functional, geometry = torch.nn.functional, call.convolution.geometry
    plain = getattr(functional, f"conv{axes}d")
    pads = list(zip(geometry.low, geometry.high, strict=True))
    # A high end that is lower by less than the stride gives the same outputs as even padding.
    if all(low >= 0 and low - s < high <= low for (low, high), s in zip(pads, geometry.stride, strict=True)):
        return lambda x, k: plain(x, k, None, geometry.stride, geometry.low, geometry.dilation, geometry.groups)
    flat = [end for pair in reversed(pads) for end in pair]
    return lambda x, k: plain(functional.pad(x, flat), k, None, geometry.stride, 0, geometry.dilation, geometry.groups)


def _transposed(torch: Any, call: Call, axes: int) -> Callable[[Any, Any], Any]:
    functional, forward = torch.nn.functional, call.convolution.geometry.input_gradient()
    plain = getattr(functional, f"conv_transpose{axes}d")
    stride, dilation, low, wanted = forward.stride, forward.dilation, forward.low, forward.input_size
    full = [s * (p - 1) + extent for s, p, extent in zip(stride, forward.output_size, forward.extent, strict=True)]
    # PyTorch crops evenly and adds at the high end: size = full − 2·low + output_padding.
    more = [size - whole + 2 * lo for size, whole, lo in zip(wanted, full, low, strict=True)]
    if min(low) >= 0 and all(0 <= m < max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        return lambda x, k: plain(x, k, None, stride, low, more, forward.groups, dilation)
    # Else the full output, padded or cropped at either end.
    highs = [size + lo - whole for size, lo, whole in zip(wanted, low, full, strict=True)]
    flat = [end for lo, high in reversed(list(zip(low, highs, strict=True))) for end in (-lo, high)]
    return lambda x, k: functional.pad(plain(x, k, None, stride, 0, 0, forward.groups, dilation), flat)


PEERS: Mapping[str, Callable[[Problem, Mapping[str, np.ndarray]], Compiled]] = {"torch": torch_program}
