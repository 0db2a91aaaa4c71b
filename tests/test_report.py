"""The report by what it shows, parsed as a browser would, from records written by hand."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from jconv.lab import images, record, report

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects tables, pictures, headings and links, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Check that the innermost tag is closed."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note a text and the tag around it."""
        if data.strip() and self.open:
            self.texts.append((self.open[-1], data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]


def line(problem: str, formulation: str, **more: object) -> dict[str, object]:
    made: dict[str, object] = {
        "case": f"{problem}/n1_i4x4c1/{formulation}",
        "problem": problem,
        "formulation": formulation,
        "status": "ok",
        "reason": "",
    }
    for part in ("forward", "x_gradient", "kernel_gradient"):
        made |= {f"{part}_error": 1e-8, f"{part}_tolerance": 1e-6, f"{part}_epsilons": 0.25}
    for direction, seconds in (("forward", 0.001), ("gradient", 0.002)):
        ratio = {"median": 1.0, "low": 1.0, "high": 1.0, "pairs": 3}
        made |= {
            f"{direction}_s": seconds,
            f"{direction}_samples_s": [seconds] * 3,
            f"{direction}_ratio": ratio,
        }
    return made | {"lower_s": 0.1, "compile_s": 0.2, "gradient_lower_s": 0.1, "gradient_compile_s": 0.3} | more


def folder_of(path: Path, lines: list[dict[str, object]]) -> Path:
    (path / record.PICTURES).mkdir()
    (path / record.RESULTS).touch()
    for entry in lines:
        record.append(path, entry)
    record.write_environment(path, {"platform": "cpu", "device": "cpu", "devices": 1})
    (path / record.RESOLVED).write_text("name: <b>bold</b>\n")
    images.write_picture(path / record.PICTURES / "input.png", np.zeros((4, 4, 3)))
    for name in ("oracle", "direct", "fft"):
        images.write_picture(path / record.PICTURES / f"sobel.{name}.png", np.eye(4), limit=1.0)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    fast = {"median": 0.2, "low": 0.18, "high": 0.25, "pairs": 3}
    unsure = {"median": 0.9, "low": 0.7, "high": 1.2, "pairs": 3}
    return folder_of(
        tmp_path,
        [
            line("sobel", "direct", picture="pictures/sobel.direct.png"),
            line("sobel", "fft", picture="pictures/sobel.fft.png", forward_s=0.0002, forward_ratio=fast),
            line("deep", "direct", forward_s=0.0035),
            line("deep", "fft", gradient_ratio=unsure, chose="direct", chose_because="the default"),
            {
                "case": "huge/n1/fft",
                "problem": "huge",
                "formulation": "fft",
                "status": "unsupported",
                "reason": "9 MiB > 8",
            },
        ],
    )


def test_it_is_one_small_file_without_scripts(run):
    path = report.write(run)
    text = path.read_text()
    assert path.stat().st_size < 500 * 1024
    page = Page(text)
    assert page.open == []
    assert {"script", "link", "iframe"}.isdisjoint(name for name, _ in page.tags)
    assert "http" not in text
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))


def test_the_verdict_comes_first(run):
    page = Page(report.render(run))
    assert next(text for tag, text in page.texts if tag == "h1").startswith("All 4 computed cases agree with float64")
    sentences = [text for tag, text in page.texts if tag == "p"]
    assert sentences[0] == "Refused, each with its reason: 1."
    assert any("most on sobel: fft takes 0.20 of its time [0.18, 0.25]" in text for text in sentences)


def test_every_picture_says_what_it_shows(run):
    page = Page(report.render(run))
    assert [image["alt"] for image in page.all("img")] == [
        "The photograph, cut square and shrunk",
        "The photograph through sobel, by the float64 oracle",
        "The photograph through sobel, by direct",
        "The photograph through sobel, by fft",
    ]


def test_cells_carry_colour_and_number(run):
    page = Page(report.render(run))
    classes = {attributes.get("class") for attributes in page.all("td")}
    assert {"good-3", "fast-3", "same", "refused", "none"} <= classes
    cells = [text for tag, text in page.texts if tag == "td"]
    small = [text for tag, text in page.texts if tag == "small"]
    assert {"0.25", "0.2", "3.5", "refused"} <= set(cells)
    assert "0.20× [0.18,\N{NO-BREAK SPACE}0.25]" in small
    assert "9 MiB > 8" in cells


def test_colours_for_dark_and_paper_and_scopes_for_readers(run):
    text = report.render(run)
    assert "@media (prefers-color-scheme: dark)" in text
    assert "@media print" in text
    headings = Page(text).all("th")
    assert headings
    assert all(heading.get("scope") in ("row", "col") for heading in headings)


def test_what_is_wrong_stands_above_all_tables(run):
    record.append(run, line("sobel", "patches", status="failed", reason="<script>alert(1)</script>"))
    record.append(run, line("deep", "patches", status="mismatch", reason="off", forward_error=float("nan")))
    text = report.render(run)
    page = Page(text)
    assert "2 of 7 cases are wrong: 1 mismatched, 1 failed." in [data for tag, data in page.texts if tag == "h1"]
    assert text.index("What is wrong") < text.index("The problems")
    assert not page.all("script")
    assert "<b>bold</b>" not in text
    assert "mismatch" in [data for tag, data in page.texts if tag == "small"]


def test_it_comes_from_the_records_alone(run):
    first = report.render(run)
    assert report.render(run) == first
    (run / record.RESULTS).write_text(json.dumps(line("only", "direct")) + "\n")
    assert report.render(run) != first


def test_a_run_without_reference_or_gradients_has_a_report(tmp_path):
    bare = line("deep", "fft")
    for key in [key for key in bare if key.startswith(("gradient", "x_", "kernel_")) or key.endswith("_ratio")]:
        del bare[key]
    page = Page(report.render(folder_of(tmp_path, [bare])))
    assert "Both gradients" not in [text for _, text in page.texts]
    assert "Forward" in [text for tag, text in page.texts if tag == "h3"]
