"""The filtered photographs, and the figures of a gallery."""

import base64
from pathlib import Path

from jconv.lab import record, summary
from jconv.lab.plan import DRAWING
from jconv.lab.report.blocks import Block, Gallery, Picture, Prose, Run, Section, number
from jconv.lab.summary import Record

THEME = "light"
"""The theme of the figures that a page shows, where they were drawn in it."""
INPUT = f"{record.PICTURES}/input.png"
MISSING = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A transparent dot, for a picture that is gone: its words stay."""


def section(run: Run) -> Section | None:
    """Return the pictures, if there are any."""
    drawn = [line for line in run.records if line.get("picture")]
    if not drawn:
        return None
    if drawn[0]["transform"] == DRAWING:
        return Section("figures", "Figures", [_figure(run, drawn, name) for name in summary.problems(drawn)])
    blocks: list[Block] = []
    first = [picture(run.folder, INPUT, "The photograph, cut square and shrunk", "the input")]
    for problem in summary.problems(drawn):
        mine = [line for line in drawn if line["problem"] == problem]
        name = mine[0]["layer"]
        alt = f"The photograph through {name}, by"
        truth = f"{record.PICTURES}/{record.file_stem(name)}.oracle.png"
        pictures = [*first, picture(run.folder, truth, f"{alt} the float64 oracle", "float64 oracle")]
        first = []
        for line in mine:
            words = f"{line['formulation']}: off by {number(line.get('max_ulps'))} ulps"
            pictures.append(picture(run.folder, line["picture"], f"{alt} {line['formulation']}", words))
        blocks.append(Gallery(name, pictures))
    blocks.append(
        Prose("Grey is zero, black the most negative, white the most positive value of the oracle.", quiet=True)
    )
    return Section("pictures", "Pictures", blocks)


def _figure(run: Run, drawn: list[Record], problem: str) -> Gallery:
    themes = {line["formulation"]: line for line in drawn if line["problem"] == problem}
    line = themes.get(THEME) or next(iter(themes.values()))
    return Gallery(line["layer"], [picture(run.folder, line["picture"], line["text"], line["text"])])


def picture(folder: Path, file: str, alt: str, caption: str) -> Picture:
    """Return a picture of the run's folder as part of the page; of no other folder."""
    path = (folder / file).resolve()
    try:
        if not path.is_relative_to((folder / record.PICTURES).resolve()):
            raise OSError("outside the run")
        data = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError:
        return Picture(MISSING, f"{alt} (the file is missing)", f"{caption} (missing: {file})")
    kind = {".svg": "svg+xml", ".gif": "gif"}.get(path.suffix, "png")
    return Picture(f"data:image/{kind};base64,{data}", alt, caption)
