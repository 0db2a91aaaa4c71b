"""Figures, drawn into the run's folder: each in light and dark, with its words in the record."""

from pathlib import Path

from jconv.lab import drawing, record
from jconv.lab.bench import Prepared
from jconv.lab.config import Drawing, Gallery
from jconv.lab.plan import Problem

Wall = tuple[Problem, Path, Path]


def open_bench(problem: Problem, source: Path, folder: Path) -> Wall:
    """Return the problem, where its pictures and networks are, and where its files go."""
    return problem, source, folder


def prepare(wall: Wall, contender: str) -> Prepared:
    """Draw one figure in one theme.

    Args:
        wall: What `open_bench` returned.
        contender: light or dark.

    Returns:
        Its words, its file and its steps.
    """
    problem, source, folder = wall
    assert isinstance(problem.entry, Drawing) and isinstance(problem.settings, Gallery)
    picture = drawing.draw(problem.entry.figure, problem.entry.options, source)
    suffix = ".gif" if picture.frames > 1 and not problem.entry.still else f".{problem.settings.format}"
    file = f"{record.PICTURES}/{record.file_stem(problem.layer)}.{contender}{suffix}"
    picture.save(
        folder / file,
        dark=contender == "dark",
        seconds=problem.settings.seconds,
        scale=problem.settings.scale,
    )
    return Prepared({"text": picture.text, "picture": file, "frames": picture.frames})
