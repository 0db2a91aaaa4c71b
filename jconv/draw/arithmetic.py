"""Convolution arithmetic, step by step: which entries the window reads, and what comes of them. No JAX here."""

from dataclasses import replace

import numpy as np

from jconv._arguments import Ints, Padding, Pads, one_int, per_axis, resolve_padding
from jconv._modes import PADDING_MODES, check_padding_mode
from jconv.draw._operands import integers, space_axes
from jconv.draw._panels import MOST_CELLS, panel, panels_picture
from jconv.draw._picture import Picture
from jconv.draw._stage import sizes
from jconv.errors import GeometryError, UnsupportedError
from jconv.geometry import Geometry, conv_geometry, conv_transpose_geometry


def arithmetic(
    input_size: Ints = 5,
    window: Ints = 3,
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    padding_mode: str = "zeros",
    dilation: Ints = 1,
    groups: int = 1,
    transposed: bool = False,
    output_padding: Ints = 0,
    axes: int | None = None,
) -> Picture:
    """Draw a convolution step by step, a frame for each output position.

    Args:
        input_size: One int per space axis, one or two; a single int stands for both.
        window: Likewise.
        stride: As for `conv`.
        padding: As for `conv`.
        padding_mode: As for `conv`; zeros where it is transposed.
        dilation: As for `conv`.
        groups: A channel for each, at most four.
        transposed: Whether it is the transposed convolution: its stride inserts zeros, its padding crops.
        output_padding: As for `conv_transpose`.
        axes: 1 or 2, where all sizes are single ints; 2 by default, a picture of cells.

    Returns:
        The picture.

    Raises:
        GeometryError: If the arguments describe no convolution.
        UnsupportedError: If it is too large to be seen, or has more than two axes.

    Example:
        >>> arithmetic(4, 3, padding=2, stride=2).frames
        9

    References:
        Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016,
        https://arxiv.org/abs/1603.07285.
    """
    count = space_axes(axes, 2, input_size, window, stride, padding, dilation, output_padding)
    groups = one_int("draw", "groups", groups)
    if groups > 4:
        raise UnsupportedError(f"draw: groups must be at most 4 to be seen; got groups={groups}. Take 2.")
    size, taps = per_axis("draw", "input_size", input_size, count), per_axis("draw", "window", window, count)
    shapes = (*size, groups), (*taps, 1, groups)
    x, kernel = integers(shapes[0], 1, 4, 1), integers(shapes[1], -1, 2, 2)
    if not transposed and any(per_axis("draw", "output_padding", output_padding, count, least=0)):
        raise UnsupportedError(
            f"draw: output_padding must come with transposed=True; got output_padding={output_padding!r} without. "
            "Leave it out."
        )
    if transposed:
        if padding_mode != "zeros":
            raise UnsupportedError(
                f"draw: padding_mode must be zeros for a transposed convolution; got padding_mode={padding_mode!r}. "
                "Leave it out."
            )
        forward, pads = conv_transpose_geometry(
            *shapes, stride=stride, padding=padding, dilation=dilation, output_padding=output_padding, groups=groups,
            caller="draw",
        )  # fmt: skip
        geometry, kernel = forward.input_gradient(), np.flip(kernel, tuple(range(count)))
        check_seen(geometry)
        padded, drawn = x, None  # its padding crops the output: none is drawn
        text = _transposed_text(geometry, forward, pads)
    else:
        arguments = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        geometry = conv_geometry(*shapes, caller="draw", **arguments)
        check_seen(geometry)
        pads = resolve_padding("draw", padding, size, geometry.extent, geometry.stride)
        check_padding_mode("draw", padding_mode, size, pads)
        padded, drawn = _padded(x, pads, padding_mode), pads
        text = _text(geometry, pads, padding_mode)
    panels = [
        panel(
            x[..., g], kernel[..., 0, g], replace(geometry, groups=1),
            f"group {g + 1}: input" if groups > 1 else "input",
            "kernel, flipped" if transposed else "kernel",
            pads=drawn, border=None if padding_mode == "zeros" else padded[..., g],
        )
        for g in range(groups)
    ]  # fmt: skip
    return panels_picture(panels, text)


def check_seen(geometry: Geometry) -> None:
    """Raise if a convolution is too large to be drawn as cells."""
    if max(*geometry.padded_size, *geometry.input_size, *geometry.output_size) > MOST_CELLS:
        raise UnsupportedError(
            f"draw: sizes must be at most {MOST_CELLS} to be seen; got an input of {sizes(geometry.input_size)}, "
            f"padded to {sizes(geometry.padded_size)}, and an output of {sizes(geometry.output_size)}. Take less."
        )
    if 0 in geometry.input_size:
        raise GeometryError(f"draw: input_size must be at least 1; got {sizes(geometry.input_size)}. Take 5.")


def _padded(x: np.ndarray, pads: Pads, mode: str) -> np.ndarray:
    """Pad `[*space, groups]` as `conv` does before it crops."""
    grow = [(max(low, 0), max(high, 0)) for low, high in pads]
    return np.pad(x, [*grow, (0, 0)], mode=PADDING_MODES[mode])  # pyright: ignore[reportCallIssue, reportArgumentType]


def _text(geometry: Geometry, pads: Pads, mode: str) -> str:
    words = [f"A window of {sizes(geometry.window)} moves in steps of {each(geometry.stride)} over an input of "]
    words.append(f"{sizes(geometry.input_size)} {padding_words(pads, mode)}")
    if max(geometry.dilation) > 1:
        words.append(f", its taps {each(geometry.dilation)} apart")
    if geometry.groups > 1:
        words.append(f", for each of {geometry.groups} groups of channels by itself")
    return f"{''.join(words)}: the output is {sizes(geometry.output_size)}."


def _transposed_text(geometry: Geometry, forward: Geometry, pads: Pads) -> str:
    words = [f"A transposed convolution: a flipped window of {sizes(geometry.window)} moves over an input of "]
    words.append(sizes(geometry.input_size))
    if max(forward.stride) > 1:
        words.append(f"{zeros_between(forward.stride, ' between its entries')}, for stride ")
        words.append(each(forward.stride))
    if any(low or high for low, high in pads):
        words.append(f"; padding {', '.join(f'{low} and {high}' for low, high in pads)} crops the output")
    return f"{''.join(words)}: the output is {sizes(geometry.output_size)}."


def padding_words(pads: Pads, mode: str = "zeros") -> str:
    """Say how an input is padded: with 1 of padding on each side."""
    kind = {"zeros": "padding", "circular": "circular padding", "reflect": "reflected padding", "edge": "edge padding"}
    flat = {pad for pair in pads for pad in pair}
    if flat == {0}:
        return "without padding"
    if len(flat) == 1:
        return f"with {flat.pop()} of {kind[mode]} on each side"
    return f"with {kind[mode]} of " + ", ".join(f"{low} and {high}" for low, high in pads)


def zeros_between(stride: tuple[int, ...], where: str) -> str:
    """Say how many zeros a transposed convolution inserts; nothing where there are none.

    Example:
        >>> zeros_between((2, 2), " in between"), zeros_between((1,), " in between")
        (' with 1 zero in between', '')
    """
    zeros = each(tuple(s - 1 for s in stride))
    return f" with {zeros} zero{'' if zeros == '1' else 's'}{where}" if max(stride) > 1 else ""


def each(values: tuple[int, ...]) -> str:
    """Write one number where all axes have it, else all."""
    return str(values[0]) if len(set(values)) == 1 else sizes(values)
