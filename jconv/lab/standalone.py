"""The figures of a report as SVG files of their own, for a README: each brings its colours, light and dark."""

import re
from pathlib import Path

from jconv.lab import record

_COLOURS = Path(__file__).parent / "templates" / "report.css"
_FONT = 'font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif'


def write_figures(page: str, out: Path) -> list[Path]:
    """Write every figure of a report's page as a file.

    Args:
        page: The HTML.
        out: The folder; made if it is not there.

    Returns:
        The files, named after the figures' titles.

    Raises:
        ConfigError: If they cannot be written.

    Example:
        >>> import tempfile
        >>> page = '<svg class="plot" viewBox="0 0 9 9"><title id="t">Time against window</title></svg>'
        >>> [path.name for path in write_figures(page, Path(tempfile.mkdtemp()))]
        ['1-time-against-window.svg']
    """
    css = _COLOURS.read_text(encoding="utf-8")
    colours = "".join(
        re.findall(
            r"^:root \{.*?^\}|^@media screen and \(prefers-color-scheme: dark\) \{.*?^\}", css, re.DOTALL | re.MULTILINE
        )
    )
    style = f"<style>{colours} svg {{ {_FONT}; background: var(--page) }}</style>"
    written = []
    with record.writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for number, found in enumerate(re.finditer(r"<svg .*?</svg>", page, re.DOTALL), start=1):
            text = found[0]
            title = re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL)
            words = re.sub(r"[^a-z0-9]+", "-", (title[1] if title else "figure").lower()).strip("-")[:60]
            path = out / f"{number}-{words}.svg"
            text = text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
            start = text.index(">") + 1
            _ = path.write_text(f"{text[:start]}{style}{text[start:]}\n", encoding="utf-8")
            written.append(path)
    return written
