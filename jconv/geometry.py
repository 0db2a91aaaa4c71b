"""Where each output of a convolution looks: the geometry, and its closure under differentiation.

For window k, stride s, dilation d, input dilation e and low padding lo, one axis of a convolution is

    y[p, o] = Σ_{t,c} x[(s·p + d·t − lo) / e, c] · kernel[t, c, o]

summed over the taps t where e divides and the position lies inside the input. Only Python integers here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jconv._arguments import PADDING_WORDS as PADDING_WORDS
from jconv._arguments import Ints, Padding, Pads, halves, one_int, per_axis, resolve_padding, sizes_of
from jconv.errors import GeometryError


@dataclass(frozen=True, slots=True)
class Geometry:
    """One convolution's geometry, an entry per space axis; hashable, so static under `jax.jit`.

    The output size is stored and the high padding derived from it: what a caller pads beyond the last
    place the window reaches is not part of the convolution, and dropping it is what closes the geometry
    under differentiation.

    Args:
        input_size: L, the size of the input.
        window: k, the number of taps.
        output_size: P, the number of output positions.
        stride: s, input steps between output positions.
        dilation: d, input steps between taps.
        input_dilation: e, steps between the entries of the input; e − 1 zeros stand between them.
        low: lo, zeros before the input; negative crops.
        groups: G, the number of independent convolutions over blocks of channels.

    Example:
        >>> g = conv_geometry((1, 7, 2), (3, 2, 4), stride=2)
        >>> g.output_size, g.high
        ((3,), (0,))
        >>> g.input_gradient().output_size
        (7,)
        >>> g.input_gradient().input_gradient() == g
        True
    """

    input_size: tuple[int, ...]
    window: tuple[int, ...]
    output_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    input_dilation: tuple[int, ...]
    low: tuple[int, ...]
    groups: int = 1

    @property
    def extent(self) -> tuple[int, ...]:
        """K = d(k−1) + 1, the input steps that the dilated window covers."""
        return extents(self.window, self.dilation)

    @property
    def span(self) -> tuple[int, ...]:
        """s(P−1) + 1, the input steps from the first output position to the last, both counted."""
        return tuple(s * (p - 1) + 1 for s, p in zip(self.stride, self.output_size, strict=True))

    @property
    def padded_size(self) -> tuple[int, ...]:
        """s(P−1) + K, the size of the dilated, padded input that the windows cover exactly."""
        return tuple(span - 1 + extent for span, extent in zip(self.span, self.extent, strict=True))

    @property
    def high(self) -> tuple[int, ...]:
        """Zeros after the input: s(P−1) + d(k−1) − e(L−1) − lo; often negative, for strides leave a rest."""
        sizes = zip(self.padded_size, self.input_size, self.input_dilation, self.low, strict=True)
        return tuple(padded - 1 - e * (size - 1) - low for padded, size, e, low in sizes)

    def input_gradient(self) -> "Geometry":
        """Return the geometry of the derivative by the input: L↔P, s↔e, lo → d(k−1) − lo. An involution."""
        return replace(
            self,
            input_size=self.output_size,
            output_size=self.input_size,
            stride=self.input_dilation,
            input_dilation=self.stride,
            low=tuple(extent - 1 - low for extent, low in zip(self.extent, self.low, strict=True)),
        )

    def kernel_gradient(self) -> "Geometry":
        """Return the geometry of the derivative by the kernel: k↔P, s↔d. An involution."""
        return replace(
            self, window=self.output_size, output_size=self.window, stride=self.dilation, dilation=self.stride
        )

    def transposed(self, output_padding: Ints = 0) -> "Geometry":
        """Return the geometry of the transposed convolution with this one's arguments.

        It maps this geometry's output size back to its input size, and `output_padding` more.
        """
        more = per_axis("transposed", "output_padding", output_padding, len(self.window), least=0)
        wanted = tuple(size + rest for size, rest in zip(self.input_size, more, strict=True))
        return replace(self, input_size=wanted).input_gradient()


def conv_geometry(
    x_shape: Sequence[int],
    kernel_shape: Sequence[int],
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    dilation: Ints = 1,
    input_dilation: Ints = 1,
    groups: int = 1,
    caller: str = "conv",
) -> Geometry:
    """Return the geometry of a convolution, or raise what is wrong with its arguments.

    Args:
        x_shape: `[*batch, *space, in]`.
        kernel_shape: `[*window, in/groups, out]`.
        stride: Steps between output positions, one or one per axis.
        padding: A word, an int, or an int or (low, high) pair per axis.
        dilation: Steps between taps.
        input_dilation: Steps between input entries.
        groups: Independent blocks of channels.
        caller: The name that errors carry.

    Returns:
        The geometry.

    Raises:
        GeometryError: If the arguments describe no convolution, or one without output.

    Example:
        >>> conv_geometry((1, 5, 5, 1), (3, 3, 1, 1), padding=1).output_size
        (5, 5)
    """
    size, window, channels = _shapes(caller, x_shape, kernel_shape)
    axes = len(window)
    stride = per_axis(caller, "stride", stride, axes)
    dilation = per_axis(caller, "dilation", dilation, axes)
    input_dilation = per_axis(caller, "input_dilation", input_dilation, axes)
    groups = _groups(caller, groups, channels, kernel_shape)
    if channels != groups * kernel_shape[-2]:
        raise GeometryError(
            f"{caller}: kernel must have in/groups = {channels // groups} channels in its next to last axis; got "
            f"x_shape={tuple(x_shape)}, kernel_shape={tuple(kernel_shape)}, groups={groups}. Channels are last: x is "
            "[*batch, *space, in], kernel [*window, in/groups, out]; NCHW comes with jnp.moveaxis(x, 1, -1)."
        )
    extent = extents(window, dilation)
    dilated = tuple(max(e * (n - 1) + 1, 0) for e, n in zip(input_dilation, size, strict=True))
    pads = resolve_padding(caller, padding, dilated, extent, stride)
    output = []
    for axis, (n, k, s, (low, high)) in enumerate(zip(dilated, extent, stride, pads, strict=True)):
        if n + low + high < k:
            raise GeometryError(
                f"{caller}: window must fit the padded input; got a window that covers {k} "
                f"(window={window[axis]}, dilation={dilation[axis]}) on a padded input of {n + low + high} along "
                f"space axis {axis}. Pad more, or take a smaller window or dilation."
            )
        output.append((n + low + high - k) // s + 1)
    low = tuple(low for low, _ in pads)
    return Geometry(size, window, tuple(output), stride, dilation, input_dilation, low, groups)


def conv_transpose_geometry(
    x_shape: Sequence[int],
    kernel_shape: Sequence[int],
    *,
    stride: Ints = 1,
    padding: Padding = "VALID",
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    caller: str = "conv_transpose",
) -> tuple[Geometry, Pads]:
    """Return the geometry of the convolution that a transposed one is the adjoint of, and its padding.

    Args:
        x_shape: `[*batch, *space, in]`.
        kernel_shape: `[*window, out/groups, in]`, the kernel of that convolution.
        stride: Its stride.
        padding: Its padding; words resolve on the output: SAME gives in·stride, VALID is no padding.
        output_padding: Entries more at the high end, below the larger of stride and dilation.
        dilation: Its dilation.
        groups: Its groups.
        caller: The name that errors carry.

    Returns:
        The geometry from the wanted output to x, and the (low, high) pairs of its padding.

    Raises:
        GeometryError: If the arguments describe no transposed convolution, or one without output.

    Example:
        >>> forward, pads = conv_transpose_geometry((16, 16, 1), (3, 3, 1, 1), stride=2, padding=1, output_padding=1)
        >>> forward.input_size
        (32, 32)
    """
    size, window, channels = _shapes(caller, x_shape, kernel_shape)
    axes = len(window)
    stride = per_axis(caller, "stride", stride, axes)
    dilation = per_axis(caller, "dilation", dilation, axes)
    output_padding = per_axis(caller, "output_padding", output_padding, axes, least=0)
    groups = _groups(caller, groups, channels, kernel_shape)
    if channels != kernel_shape[-1]:
        raise GeometryError(
            f"{caller}: kernel must have in = {channels} channels in its last axis; got "
            f"kernel_shape={tuple(kernel_shape)}. A transposed convolution takes the kernel of the convolution "
            "it is the adjoint of, [*window, out/groups, in]."
        )
    for axis, (more, s, d) in enumerate(zip(output_padding, stride, dilation, strict=True)):
        if more >= max(s, d):
            raise GeometryError(
                f"{caller}: output_padding must be below the larger of stride and dilation; got "
                f"output_padding={more}, stride={s}, dilation={d} along space axis {axis}. Pad the output instead."
            )
    extent = extents(window, dilation)
    if isinstance(padding, str) and padding in ("SAME", "SAME_LOWER"):
        # The output is to have in·s entries, so the padding removes K − s of the (in−1)·s + K.
        pads = tuple(halves(k - s, padding) for k, s in zip(extent, stride, strict=True))
    else:
        pads = resolve_padding(caller, padding, size, extent, stride)
    output = []
    for axis, (n, k, s, more, (low, high)) in enumerate(zip(size, extent, stride, output_padding, pads, strict=True)):
        output.append((n - 1) * s + k + more - low - high if n else 0)
        if output[axis] < 1 and n:
            raise GeometryError(
                f"{caller}: padding must leave an output; got padding {(low, high)} on {(n - 1) * s + k + more} "
                f"along space axis {axis}. Here padding crops the output: take less."
            )
    low = tuple(low for low, _ in pads)
    return Geometry(tuple(output), window, size, stride, dilation, (1,) * axes, low, groups), pads


def extents(window: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """Return K = d(k−1) + 1 along each axis."""
    return tuple(d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True))


def _shapes(
    caller: str, x_shape: Sequence[int], kernel_shape: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Return the space sizes, the window and the input's channels, once the ranks fit."""
    x_shape, kernel_shape = sizes_of(caller, "x_shape", x_shape), sizes_of(caller, "kernel_shape", kernel_shape)
    axes = len(kernel_shape) - 2
    if axes < 1:
        raise GeometryError(
            f"{caller}: kernel must have at least 3 axes, [*window, in/groups, out]; got kernel_shape={kernel_shape}. "
            "A single filter is kernel[..., None, None]."
        )
    if len(x_shape) < axes + 1:
        raise GeometryError(
            f"{caller}: x must have at least {axes + 1} axes, [*batch, *space, in], for a window of {axes} space axes; "
            f"got x_shape={x_shape}. A single channel is x[..., None]."
        )
    window = per_axis(caller, "window", kernel_shape[:-2], axes)
    return x_shape[len(x_shape) - axes - 1 : -1], window, x_shape[-1]  # sizes may be symbolic, as in jax.export


def _groups(caller: str, groups: int, channels: int, kernel_shape: Sequence[int]) -> int:
    groups = one_int(caller, "groups", groups)
    if channels % groups or kernel_shape[-1] % groups:
        raise GeometryError(
            f"{caller}: groups must split the channels of x and kernel evenly; got groups={groups}, "
            f"in_channels={channels}, kernel_shape={tuple(kernel_shape)}. Take a divisor of both."
        )
    return groups
