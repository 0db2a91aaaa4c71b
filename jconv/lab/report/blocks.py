"""What a section of a report is made of: prose, tables, heat tables, figures, pictures; and how numbers read."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jconv.lab.figures import Plot
from jconv.lab.summary import Record

NUMERIC = re.compile(r"|–|not finite|[-+]?\d[\d.,e+-]*[×%]?( ?[KMGT]?i?B| [nµm]?s)?")
NO_BREAK = "\N{NO-BREAK SPACE}"


class Run(NamedTuple):
    """What a run's directory says.

    Args:
        folder: The directory.
        records: Its records.
        environment: What it ran on.
        config: The resolved config, as text.
    """

    folder: Path
    records: Sequence[Record]
    environment: Mapping[str, Any]
    config: str

    @property
    def floor(self) -> float:
        """The share below which a difference of times is none."""
        noise = self.environment.get("noise_floor") or {}
        return float(noise.get("floor", noise.get("value", 0.05)))


class Prose(NamedTuple):
    """A paragraph."""

    text: str
    quiet: bool = False
    kind: str = "prose"


class Key(NamedTuple):
    """What the colours of the tables below mean: words, each in its colour."""

    title: str
    entries: list[tuple[str, str]]
    kind: str = "key"


class Cell(NamedTuple):
    """One cell: the figure, smaller lines beneath, and a colour, which never says what no word says."""

    text: str
    small: Sequence[str] = ()
    colour: str = ""


class Band(NamedTuple):
    """Rows of a heat table under a heading of their own, which may be empty."""

    heading: str
    rows: list[tuple[str, list[Cell]]]


class Grid(NamedTuple):
    """A heat table, layers by contenders."""

    title: str
    caption: str
    corner: str
    columns: list[str]
    bands: list[Band]
    folded: bool = False
    kind: str = "grid"


class Table(NamedTuple):
    """A table of words and numbers; the first cell of a row heads it. `code` are columns to be copied."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    caption: str = ""
    code: Sequence[int] = ()
    folded: bool = False
    kind: str = "table"

    @property
    def numeric(self) -> list[int]:
        """The columns that hold numbers only, which stand to the right."""
        return [
            place
            for place in range(len(self.columns))
            if place not in self.code and all(NUMERIC.fullmatch(row[place]) for row in self.rows)
        ]


class Drawn(NamedTuple):
    """A figure, with its data as a table."""

    plot: Plot
    data: Table | None = None
    kind: str = "drawn"


class Picture(NamedTuple):
    """One picture of a gallery."""

    uri: str
    alt: str
    caption: str


class Gallery(NamedTuple):
    """Pictures side by side."""

    title: str
    pictures: list[Picture]
    kind: str = "gallery"


class Text(NamedTuple):
    """Text as it is, folded."""

    title: str
    text: str
    kind: str = "text"


Block = Prose | Key | Grid | Table | Drawn | Gallery | Text


class Section(NamedTuple):
    """A section.

    Args:
        key: Its id.
        title: Its heading.
        blocks: What stands in it.
    """

    key: str
    title: str
    blocks: list[Block]


def number(value: float | None) -> str:
    """Return a number with two or three significant digits, and no exponent in the usual range.

    Example:
        >>> number(0.123), number(12.3), number(123456.0), number(None)
        ('0.12', '12', '1.2e+05', 'not finite')
    """
    if value is None or not math.isfinite(value):
        return "not finite"
    if value == 0:
        return "0"
    if 0.001 <= abs(value) < 10_000:
        places = max(0, 1 - math.floor(math.log10(abs(value))))
        return f"{value:.{min(places, 4)}f}"
    return f"{value:.1e}"


def percent(share: float | None) -> str:
    """Return a share in percent.

    Example:
        >>> percent(0.123), percent(0.0004), percent(None)
        ('12%', '0.04%', 'not finite')
    """
    if share is None or not math.isfinite(share):
        return "not finite"
    return f"{share:.0%}" if share >= 0.01 or share == 0 else f"{100 * share:.1g}%"


def times(ratio: float) -> str:
    """Return a ratio of times.

    Example:
        >>> times(0.054), times(1.042), times(15.3), times(1646.8)
        ('0.054×', '1.04×', '15.3×', '1,647×')
    """
    places = 3 if ratio < 0.1 else 2 if ratio < 10 else 1 if ratio < 100 else 0
    return f"{ratio:,.{places}f}×"


def span(ratio: Mapping[str, Any]) -> str:
    """Return the interval of a ratio of times.

    Example:
        >>> span({"median": 0.5, "low": 0.4, "high": 0.61}).replace(NO_BREAK, " ")
        '[0.40, 0.61]'
    """
    low, high = (times(ratio[end]).removesuffix("×") for end in ("low", "high"))
    return f"[{low},{NO_BREAK}{high}]"


def interval(ratio: Mapping[str, Any]) -> str:
    """Return a ratio of times with its interval.

    Example:
        >>> interval({"median": 0.5, "low": 0.4, "high": 0.61}).replace(NO_BREAK, " ")
        '0.50× [0.40, 0.61]'
    """
    return f"{times(ratio['median'])}{NO_BREAK}{span(ratio)}"


def moment(environment: Mapping[str, Any]) -> str:
    """Return when a run began.

    Example:
        >>> moment({"started": "2026-11-24T08:26:15+0000"})
        '2026-11-24 08:26 +0000'
    """
    text = str(environment.get("started", "at an unknown time"))
    match = re.fullmatch(r"(\S+)T(\d\d:\d\d):\d\d(.*)", text)
    return f"{match[1]} {match[2]} {match[3]}".strip() if match else text


def binary(count: float | None) -> str:
    """Return a number of bytes.

    Example:
        >>> binary(0), binary(1536), binary(3 * 2**20)
        ('0 B', '1.5 KiB', '3.0 MiB')
    """
    if count is None:
        return "–"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}" if count < 100 else f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def time_unit(seconds: Sequence[float]) -> tuple[str, float]:
    """Return the unit in which most of some times read well, and its seconds.

    Example:
        >>> time_unit([3e-5, 5e-5, 0.1])
        ('µs', 1e-06)
    """
    middle = sorted(seconds)[len(seconds) // 2] if seconds else 1.0
    return next(((unit, scale) for unit, scale in (("s", 1.0), ("ms", 1e-3)) if middle >= scale), ("µs", 1e-6))


def digits(value: float) -> str:
    """Return three significant digits, without an exponent.

    Example:
        >>> digits(0.012345), digits(1234.5), digits(12.345)
        ('0.0123', '1,234', '12.3')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def transform_title(transform: str) -> str:
    """Return a transform as a heading.

    Example:
        >>> transform_title("input_gradient")
        'Gradient by the input'
    """
    return {
        "input_gradient": "Gradient by the input",
        "kernel_gradient": "Gradient by the kernel",
        "gradients": "Both gradients",
        "forward_backward": "Forward and both gradients",
        "jvp": "Forward-mode derivative (jvp)",
        "vmap": "Kernels under vmap",
        "vmapped_kernels": "Gradients under vmap over kernels",
        "ensemble": "Gradients under vmap over kernels and inputs",
        "per_example_gradients": "Gradients per example",
        "scan": "Descent inside lax.scan",
    }.get(transform, transform.replace("_", " ").capitalize())


def axis_title(axis: str) -> str:
    """Return what stands under an axis: its name, and what is counted where that is known.

    Example:
        >>> axis_title("window"), axis_title("in_channels")
        ('window, taps along each axis', 'in_channels')
    """
    return {
        "image": "image, pixels along each axis",
        "size": "size, pixels along each axis",
        "window": "window, taps along each axis",
        "channels": "channels, in and out",
        "batch": "batch, examples",
        "dilation": "dilation, input steps between taps",
    }.get(axis, axis)
