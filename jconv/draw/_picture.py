"""A picture: drawn in light or dark, still or moving, with the words that say what is seen."""

import base64
import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from PIL import Image, PngImagePlugin

from jconv.errors import UnsupportedError

FORMATS = (".svg", ".png", ".gif")
PIXELS = 100  # per inch: a picture of six inches has 600
COLOURS = 64  # of a GIF's frames


class Theme(NamedTuple):
    """The colours of a page; series colours are told apart by eyes that see fewer of them too."""

    page: str
    ink: str
    quiet: str
    line: str
    panel: str
    series: tuple[str, ...]


LIGHT = Theme(
    "#ffffff", "#1c2026", "#555e69", "#c3cad3", "#eef1f4",
    ("#0068a8", "#c04a00", "#00785c", "#8a3fa0", "#7d6000", "#0a7a96", "#b02a70", "#4d5bc4"),
)  # fmt: skip
DARK = Theme(
    "#14171b", "#e6e9ed", "#a8b1bc", "#48515c", "#23282f",
    ("#5ab0f0", "#ff8f50", "#3fcb9c", "#d09ae2", "#dfb548", "#5fcbe4", "#f48bb9", "#a3aef8"),
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Picture:
    """Something to see: save it, or leave it as the last line of a notebook's cell.

    Args:
        draw: Draws one frame into an empty figure, in a theme's colours.
        text: What is seen, in words.
        size: Width and height, in inches.
        frames: How many there are; 1 stands still.
        still: The frame that stands for all.

    Example:
        >>> import jconv
        >>> picture = jconv.draw.arithmetic(5, 3, stride=2, padding=1)
        >>> picture.frames
        9
        >>> picture.text.split(":")[0]
        'A window of 3×3 moves in steps of 2 over an input of 5×5 with 1 of padding on each side'
    """

    draw: Callable[[Figure, Theme, int], None]
    text: str
    size: tuple[float, float]
    frames: int = 1
    still: int = 0

    def __repr__(self) -> str:
        """What is seen."""
        return f"Picture: {self.text}"

    def figure(self, frame: int | None = None, *, dark: bool = False) -> Figure:
        """Return one frame as matplotlib's figure.

        Args:
            frame: Its number; by default the one that stands for all.
            dark: Whether the page is dark.

        Returns:
            The figure.

        Raises:
            UnsupportedError: If there is no such frame.
        """
        if frame is not None and not 0 <= frame < self.frames:
            raise UnsupportedError(f"draw: frame must be in 0 … {self.frames - 1}; got {frame}. Leave it out.")
        theme = DARK if dark else LIGHT
        with mpl.rc_context(_settings(theme)):
            figure = Figure(figsize=self.size, dpi=PIXELS, facecolor=theme.page)
            self.draw(figure, theme, self.still if frame is None else frame)
        return figure

    def save(
        self, path: str | Path, *, dark: bool = False, frame: int | None = None, seconds: float = 0.7, scale: float = 2
    ) -> Path:
        """Write it as a file, with its words inside.

        Args:
            path: The file; its suffix says the format: .svg, .png, or .gif, which has all frames.
            dark: Whether the page is dark.
            frame: Which frame of a moving picture an SVG or PNG shows; by default the one that stands for all. A GIF
                shows all.
            seconds: How long a GIF shows each frame.
            scale: Pixels of a PNG or GIF to each of a screen's.

        Returns:
            The file.

        Raises:
            UnsupportedError: If the suffix is another, or there is no such frame.
        """
        path = Path(path)
        suffix = suffix_of(path)
        if suffix == ".gif" and frame is not None:
            raise UnsupportedError(
                f"draw: frame must not be given for a .gif, which shows all; got frame={frame}. Write {path.stem}.svg."
            )
        data = self._bytes(suffix, dark=dark, frame=frame, seconds=seconds, scale=scale)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def _bytes(self, suffix: str, *, dark: bool, frame: int | None, seconds: float, scale: float) -> bytes:
        if suffix == ".svg":
            return self._svg(dark, frame).encode()
        buffer = io.BytesIO()
        if suffix == ".png":
            words = PngImagePlugin.PngInfo()
            words.add_itxt("Description", self.text)
            self._image(dark, frame, scale).save(buffer, "PNG", pnginfo=words, optimize=True)
        else:
            images = [self._image(dark, one, scale).convert("RGB") for one in range(self.frames)]
            # One palette for all frames: then a frame holds only what changes.
            palette = images[self.still].quantize(COLOURS, dither=Image.Dither.NONE)
            _with_page(palette, images[0])
            flat = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
            pause = [round(1000 * seconds)] * (len(flat) - 1) + [round(2000 * seconds)]
            comment = self.text.encode("ascii", "replace")[:255]
            flat[0].save(buffer, "GIF", save_all=True, append_images=flat[1:], duration=pause, loop=0, comment=comment)
        return buffer.getvalue()

    def _image(self, dark: bool, frame: int | None, scale: float) -> Image.Image:
        figure = self.figure(frame, dark=dark)
        figure.set_dpi(PIXELS * scale)
        canvas = FigureCanvasAgg(figure)
        with mpl.rc_context(_settings(DARK if dark else LIGHT)):
            canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba()).copy())

    def _svg(self, dark: bool, frame: int | None) -> str:
        buffer = io.StringIO()
        figure = self.figure(frame, dark=dark)
        with mpl.rc_context(_settings(DARK if dark else LIGHT)):
            figure.savefig(buffer, format="svg", facecolor=figure.get_facecolor(), metadata={"Date": None})
        text = re.sub(r"(\d+\.\d\d)\d+", r"\1", buffer.getvalue())  # a hundredth of a point is not seen
        start = text.index("<svg ")
        label = html.escape(self.text)
        opened = text[start:].replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
        end = opened.index(">") + 1
        return f"{opened[:end]}<desc>{label}</desc>{opened[end:]}"

    def _repr_html_(self) -> str:
        suffix, kind = (".gif", "image/gif") if self.frames > 1 else (".svg", "image/svg+xml")
        data = self._bytes(suffix, dark=False, frame=None, seconds=0.7, scale=1)
        source = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
        return f'<img src="{source}" alt="{html.escape(self.text)}" style="max-width: 100%">'


def suffix_of(path: Path) -> str:
    """Return the suffix that says a file's format, or raise."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UnsupportedError(
            f"draw: a picture's file must end in one of {', '.join(FORMATS)}; got {path.name or str(path)!r}. Write "
            f"{path.stem or 'picture'}.svg."
        )
    return suffix


def _with_page(palette: Image.Image, picture: Image.Image) -> None:
    """Give the page its own colour again, which a palette's nearest may miss by a little."""
    corner = palette.getpixel((0, 0))
    colours = palette.getpalette()
    assert isinstance(corner, int) and colours is not None
    colours[3 * corner : 3 * corner + 3] = picture.getpixel((0, 0))  # pyright: ignore[reportCallIssue, reportArgumentType]
    palette.putpalette(colours)


def _settings(theme: Theme) -> dict[Any, Any]:
    return {
        "svg.fonttype": "none",  # text, not outlines
        "svg.hashsalt": "jconv",  # the same picture is the same bytes
        "text.parse_math": False,
        "font.family": "DejaVu Sans",
        "font.size": 9.0,
        "text.color": theme.ink,
        "axes.facecolor": "none",
        "axes.edgecolor": theme.quiet,
        "axes.labelcolor": theme.ink,
        "axes.titlesize": 9.0,
        "axes.titlecolor": theme.ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": theme.quiet,
        "ytick.color": theme.quiet,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.ink,
        "xtick.labelsize": 8.0,
        "ytick.labelsize": 8.0,
        "legend.frameon": False,
        "legend.fontsize": 8.0,
        "legend.labelcolor": theme.ink,
        "hatch.linewidth": 0.5,
        "hatch.color": theme.quiet,
        "image.interpolation": "nearest",
    }


def tint(colour: str, theme: Theme, share: float = 0.25) -> tuple[float, float, float]:
    """Mix a colour into the page's, so that ink on it is still read."""
    page, strong = (np.array(to_rgb(c)) for c in (theme.page, colour))
    mixed = (1 - share) * page + share * strong
    return float(mixed[0]), float(mixed[1]), float(mixed[2])


def shades(colour: str, theme: Theme, least: float, most: float) -> ListedColormap:
    """Return a colour map from a light tint of a colour to a strong one."""
    return ListedColormap([tint(colour, theme, float(share)) for share in np.linspace(least, most, 64)])
