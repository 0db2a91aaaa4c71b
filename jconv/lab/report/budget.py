"""Keep a page below its bytes: first without rows of the table of cases, then without what can best be spared."""

import functools
from collections.abc import Callable, Iterator

from jconv.lab.report.blocks import Block, Drawn, Gallery, Grid, Prose, Section, Table, Text

MOST = 500 * 1024
"""Bytes of a report."""
ROWS = (200, 100, 50, 25, 12, 6)
"""Rows that each table may keep, tried one after the other."""
BLOCKS = 60
"""Tables, figures and paragraphs that a section may keep at last."""
ELSEWHERE = "left out to keep this page small; `jconv export RUN` writes all."


def fitting(page: Callable[[list[Section], int | None], str], sections: list[Section], cases: int) -> str:
    """Return the largest page that fits.

    Args:
        page: Returns the page of some sections, with so many rows of the table of cases; None for all.
        sections: The sections.
        cases: How many cases there are.

    Returns:
        The page. If nothing helps, the smallest there is.
    """
    text = page(sections, None)
    if size(text) <= MOST:
        return text
    for spared in _spared(sections):
        text = page(spared, 0)
        if size(text) <= MOST:
            return _with_rows(functools.partial(page, spared), text, cases)
    return text


def size(text: str) -> int:
    """Return the bytes of a page."""
    return len(text.encode())


def _with_rows(page: Callable[[int | None], str], bare: str, cases: int) -> str:
    """Return the page with as many rows of the table of cases as fit, from one that has none."""
    least, most = 0, cases
    while most - least > cases // 50 + 1:
        middle = (least + most) // 2
        text = page(middle)
        if size(text) <= MOST:
            least, bare = middle, text
        else:
            most = middle
    return bare


def _spared(sections: list[Section]) -> Iterator[list[Section]]:
    """Yield the sections with less and less in them."""
    yield sections
    for spare in (_without_data, _without_folded, _without_pictures):
        sections = _each(sections, spare)
        yield sections
    for rows in ROWS:
        yield _each(sections, functools.partial(_shortened, rows=rows))
    few = [_begun(section) for section in _each(sections, functools.partial(_shortened, rows=ROWS[-1]))]
    yield few
    yield _each(few, _without_figures)


def _each(sections: list[Section], change: Callable[[Block], Block]) -> list[Section]:
    return [section._replace(blocks=[change(block) for block in section.blocks]) for section in sections]


def _without_data(block: Block) -> Block:
    return block._replace(data=None) if isinstance(block, Drawn) else block


def _without_folded(block: Block) -> Block:
    if isinstance(block, Text) or (isinstance(block, Grid | Table) and block.folded):
        return Prose(f"{block.title}: {ELSEWHERE}")
    return block


def _without_pictures(block: Block) -> Block:
    return Prose(f"{block.title}: the pictures are in the run's folder.") if isinstance(block, Gallery) else block


def _begun(section: Section) -> Section:
    left = len(section.blocks) - BLOCKS
    more: list[Block] = [Prose(f"{left} tables and figures more are {ELSEWHERE}")] if left > 0 else []
    return section._replace(blocks=[*section.blocks[:BLOCKS], *more])


def _without_figures(block: Block) -> Block:
    return Prose(f"{block.plot.title}: {ELSEWHERE}") if isinstance(block, Drawn) else block


def _shortened(block: Block, rows: int) -> Block:
    if isinstance(block, Table) and len(block.rows) > rows:
        caption = f"{block.caption} {len(block.rows) - rows} of {len(block.rows)} rows are {ELSEWHERE}".strip()
        return block._replace(rows=block.rows[:rows], caption=caption)
    if isinstance(block, Grid) and any(len(band.rows) > rows for band in block.bands):
        count = sum(max(0, len(band.rows) - rows) for band in block.bands)
        caption = f"{block.caption} {count} of {sum(len(band.rows) for band in block.bands)} rows are {ELSEWHERE}"
        bands = [band._replace(rows=band.rows[:rows]) for band in block.bands]
        return block._replace(bands=bands, caption=caption.strip())
    return block
