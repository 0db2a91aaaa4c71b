"""An empty page measured in cells, and the cells that stand on it: what pictures of arithmetic are made of."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jconv.draw._picture import Theme, tint

WIDTH = 6.0  # inches of every picture: 600 pixels
TALLEST = 7.0  # inches of a picture of cells, about
MARGIN = 0.15  # inches around what is drawn
LINE = 0.22  # inches that a line of text takes
LETTER = 0.075  # inches that a letter of a title takes, and 9 points
LEAST = 5.5  # points of the smallest number that is written


class Look(NamedTuple):
    """How a cell is drawn: its fill, and an edge that tells it apart where colours do not."""

    face: tuple[float, float, float] | str
    edge: str
    dashes: str = "solid"
    width: float = 0.7
    hatch: str = ""


def looks(theme: Theme) -> dict[str, Look]:
    """Return how each kind of cell is drawn."""
    blue, orange, green = theme.series[:3]
    return {
        "input": Look(tint(blue, theme), theme.quiet),
        "inserted": Look(theme.page, theme.quiet, "dotted"),
        "padding": Look(theme.panel, theme.quiet, "dashed"),
        "unread": Look(theme.page, theme.line, "solid", 0.5, "////"),
        "kernel": Look(tint(orange, theme), theme.quiet),
        "output": Look(tint(green, theme), theme.quiet),
        "empty": Look(theme.page, theme.line),
        "window": Look("none", orange, "solid", 2.2),
        "edge": Look("none", theme.quiet, "solid", 0.8),
        "now": Look("none", green, "solid", 2.2),
    }


class Stage:
    """A page whose unit is a cell.

    Args:
        figure: The empty figure; it gets one set of axes.
        theme: Its colours.
        unit: A cell's side, in inches.
    """

    def __init__(self, figure: Figure, theme: Theme, unit: float) -> None:
        self.theme, self.unit, self.looks = theme, unit, looks(theme)
        width, height = figure.get_size_inches()
        self.axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.set_axis_off()
        self.axes.set_xlim(-MARGIN / unit, (width - MARGIN) / unit)
        self.axes.set_ylim((height - MARGIN) / unit, -MARGIN / unit)  # rows run downwards

    @property
    def line(self) -> float:
        """The height of a line of text, in cells."""
        return LINE / self.unit

    @property
    def writes_small(self) -> bool:
        """Whether a cell's corner has room for a number."""
        return 0.3 * 72 * self.unit >= LEAST

    def cell(self, x: float, y: float, kind: str, text: str = "", name: str = "", small: str = "") -> None:
        """Draw one cell.

        Args:
            x: Its left side.
            y: Its upper side.
            kind: One of `looks`.
            text: What is written into it.
            name: What it is, for who reads the file: an SVG's id.
            small: What is written into its corner.
        """
        look = self.looks[kind]
        square = Rectangle(
            (x, y), 1, 1, facecolor=look.face, edgecolor=look.edge, linestyle=look.dashes, linewidth=look.width,
            hatch=look.hatch, zorder=3 if look.face == "none" else 1, gid=name or None,
        )  # fmt: skip
        self.axes.add_patch(square)
        points = 72 * self.unit
        if text and (size := min(10.0, 0.42 * points, 0.95 * points / len(text))) >= LEAST:
            quiet = kind == "inserted"
            self.axes.text(
                x + (0.42 if small else 0.5), y + (0.45 if small else 0.52), text, size=size, ha="center", va="center",
                color=self.theme.quiet if quiet else self.theme.ink, gid=f"{name} value" if name else None, zorder=2,
            )  # fmt: skip
        if small and self.writes_small:
            self.axes.text(
                x + 0.92, y + 0.9, small, size=min(8.0, 0.3 * points), ha="right", va="bottom", weight="bold",
                color=self.theme.series[1], zorder=4,
            )  # fmt: skip

    def words(
        self, x: float, y: float, text: str, size: float = 9.0, *, align: str = "left", quiet: bool = False
    ) -> None:
        """Write a line whose middle is at y."""
        colour = self.theme.quiet if quiet else self.theme.ink
        self.axes.text(x, y, text, size=size, ha=align, va="center", color=colour)

    def grid(self, x: float, y: float, values: np.ndarray, kind: str, name: str, done: int | None = None) -> None:
        """Draw a matrix of one kind of cells.

        Args:
            x: Its left side.
            y: Its upper side.
            values: `[rows, columns]`.
            kind: One of `looks`.
            name: What it is.
            done: How many of them are filled, row by row; by default all.
        """
        for place, ((row, column), value) in enumerate(np.ndenumerate(values)):
            filled = done is None or place < done
            text = number(float(value)) if filled else ""
            self.cell(x + column, y + row, kind if filled else "empty", text, f"{name}[{row}, {column}]")

    def frame(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """Draw an outline."""
        look = self.looks[kind]
        self.axes.add_patch(
            Rectangle(
                (x, y),
                width,
                height,
                facecolor="none",
                edgecolor=look.edge,
                linewidth=look.width,
                zorder=4,
                linestyle=look.dashes,
            )
        )

    def box(
        self, x: float, y: float, width: float, height: float, face: tuple[float, float, float] | str, text: str = ""
    ) -> None:
        """Draw a filled box of any size with a text in its middle."""
        self.axes.add_patch(Rectangle((x, y), width, height, facecolor=face, edgecolor=self.theme.quiet, linewidth=0.7))
        if text:
            size = min(9.0, 0.55 * 72 * height * self.unit, 1.3 * 72 * width * self.unit / len(text))
            self.axes.text(x + width / 2, y + height / 2, text, size=size, ha="center", va="center")

    def swatch(self, x: float, y: float, side: float, look: Look) -> None:
        """Draw a small square of a legend."""
        self.axes.add_patch(
            Rectangle(
                (x, y),
                side,
                side,
                facecolor=look.face,
                edgecolor=look.edge,
                linestyle=look.dashes,
                linewidth=min(look.width, 1.5),
                hatch=look.hatch,
            )
        )


def number(value: float) -> str:
    """Write a whole number whole, another as short as it is right: 1215, −3, 2.5, 0.33.

    Example:
        >>> number(1215.0), number(-3.0), number(0.333333)
        ('1215', '−3', '0.33')
    """
    digits = ".0f" if float(value).is_integer() else ".3g" if abs(value) >= 1 else ".2g"
    return f"{value:{digits}}".replace("-", "−")


def sizes(shape: tuple[int, ...]) -> str:
    """Write sizes: 5×5.

    Example:
        >>> sizes((5, 7))
        '5×7'
    """
    return "×".join(map(str, shape))
