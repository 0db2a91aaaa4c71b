"""The report as headless Chromium shows it: what is read, cut, dark, printed, asked of the network."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_records import HOSTILE, KINDS, everything, folder_of, line, scaling

from jconv.lab import report

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
)
LEAST_CONTRAST = 4.5

CONTRAST = """
const parse = (text) => {
  const found = text.match(/[\\d.]+/g).map(Number);
  return [...found.slice(0, 3), found.length > 3 ? found[3] : 1];
};
const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a)];
const page = (node) => {
  const layers = [];
  for (let one = node; one instanceof Element; one = one.parentElement) {
    const style = getComputedStyle(one);
    if (style.backgroundImage !== "none") layers.push(...style.backgroundImage.match(/rgba?\\([^)]*\\)/g).map(parse));
    layers.push(parse(style.backgroundColor));
  }
  return layers.reverse().reduce((below, above) => over(above, below), [255, 255, 255]);
};
const light = (colour) => {
  const [r, g, b] = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const found = {};
for (const node of document.body.querySelectorAll("*")) {
  const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim());
  if (!own || ["SCRIPT", "STYLE", "title", "desc"].includes(node.tagName)) continue;
  if (!node.checkVisibility({ contentVisibilityAuto: true })) continue;
  const style = getComputedStyle(node);
  const below = page(node);
  const ink = over(parse(node instanceof SVGElement ? style.fill : style.color), below);
  const [high, low] = [light(ink), light(below)].sort((a, b) => b - a);
  let clear = 1;
  for (let one = node; one instanceof Element; one = one.parentElement) clear *= getComputedStyle(one).opacity;
  if ((high + 0.05) / (low + 0.05) < arguments[0] || clear < 1)
    found[`${node.tagName} ${node.className}: ${node.textContent.trim().slice(0, 40)}`] = (high + 0.05) / (low + 0.05);
}
return found;
"""

CUT = """
const across = (a, b) => a.left >= b.left - 2 && a.right <= b.right + 2;
const inside = (a, b) => across(a, b) && a.top >= b.top - 2 && a.bottom <= b.bottom + 2;
const found = [];
for (const svg of document.querySelectorAll("svg")) {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].map((one) => [one.textContent, one.getBoundingClientRect()]);
  for (const [words, box] of texts) {
    if (box.width === 0 || box.height === 0) found.push(`invisible: ${words}`);
    if (!inside(box, frame)) found.push(`cut: ${words}`);
  }
  texts.forEach(([words, a], i) => texts.slice(i + 1).forEach(([other, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 0.4 * Math.min(a.height, b.height)) found.push(`overlapping: ${words} and ${other}`);
  }));
}
return found;
"""

DRAWN = "return [...document.querySelectorAll('svg text')].map((one) => one.textContent)"

OUTSIDE = """
return [...document.body.querySelectorAll("*")].filter((one) => {
  if (one.closest(".scroll, pre, script, svg") && !one.matches(".scroll, pre")) return false;
  const box = one.getBoundingClientRect();
  return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
}).map((one) => `${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 40)}`);
"""


class Browser:
    """Chromium, and what the tests ask of it."""

    def __init__(self, driver: Any):
        self.driver = driver

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what a script returns."""
        return self.driver.execute_script(script, *arguments)

    def show(self, path: Path, width: int = 1200, scheme: str = "light", media: str = "", motion: str = "") -> None:
        """Open a file in a window of some width, light or dark, on a screen or for paper."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        _ = self.driver.get_log("browser"), self.driver.get_log("performance")
        self.driver.get(path.as_uri())

    def command(self, name: str, **arguments: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def open_all(self) -> None:
        """Open everything folded."""
        self.run("document.querySelectorAll('details').forEach((one) => (one.open = true))")

    def texts(self, selector: str) -> list[str]:
        """Return what is read in all places that a selector names; nothing of what is hidden."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)", selector)

    def requested(self) -> list[str]:
        """Return all addresses that the page asked for since it was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium is not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Browser(chromium)
    finally:
        chromium.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the report of every kind, and one of everything."""
    folder = tmp_path_factory.mktemp("runs")
    runs = {name: kind() for name, kind in KINDS.items()} | {"everything": everything()}
    return {name: report.write(folder_of(folder / name, lines)) for name, lines in runs.items()}


def test_headings_are_seen_and_pictures_are_loaded(browser, pages):
    browser.show(pages["everything"])
    assert browser.texts("h1") == ["6 of 85 cases are wrong: 2 failed, 1 mismatch, 1 timeout, 2 out of memory."]
    assert browser.texts("h2") == [
        "What is wrong",
        "Winners",
        "Pictures",
        "Sizes, receptive fields, overlap",
        "What the compiler of TPU v5e says",
        "Machine and noise",
        "What do they cost?",
        "How does time grow?",
        "Do they agree?",
        "Memory and roofline",
        "Does the choice change training?",
        "What was refused, and why",
        "What auto took, and why",
        "To cite and to repeat",
    ]
    boxes = browser.run(
        "return [...document.querySelectorAll('h1, h2, h3')].map((e) => e.getBoundingClientRect().height)"
    )
    assert min(boxes) > 10
    widths = browser.run("return [...document.images].map((one) => one.naturalWidth)")
    assert widths == [8, 8, 8, 8]


def test_cells_are_read_as_numbers_and_words(browser, pages):
    browser.show(pages["timing"])
    rows = (
        "return [...document.querySelector('#time table.heat').rows].map((r) => [...r.cells].map((c) => c.innerText))"
    )
    table = browser.run(rows)
    assert table[0] == ["layer", "direct", "fft", "toeplitz", "auto", "torch"]
    assert table[1] == ["float32"]
    assert table[2][:4] == [
        "stem",
        "1.00\nreference",
        "0.200\n0.20×\xa0FASTER\n[0.18,\xa00.25]",
        "5.00\n5.00×\xa0SLOWER\n[4.00,\xa06.00]",
    ]
    assert table[3][3] == "refused"
    assert table[4] == ["geometric mean", "reference", "0.45×", "5.00×\nof 1 in 2", "0.95×", "0.90×\nof 1 in 2"]


@pytest.mark.parametrize("kind", [*KINDS, "everything"])
@pytest.mark.parametrize("width", [1200, 600])
def test_nothing_is_cut_and_the_page_never_scrolls_sideways(browser, pages, kind, width):
    browser.show(pages[kind], width)
    browser.open_all()
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run(OUTSIDE) == []
    assert browser.run(CUT) == []


def test_words_of_many_crossings_stay_apart(browser, tmp_path):
    lines = scaling({"direct": 2, "fft": 1, "shifts": 1.1, "patches": 0.9})
    browser.show(report.write(folder_of(tmp_path / "run", lines)))
    assert sum("→" in text for text in browser.run(DRAWN)) == 3
    assert browser.run(CUT) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["everything", "wrong"])
def test_all_text_stands_out(browser, pages, scheme, kind):
    browser.show(pages[kind], scheme=scheme)
    browser.open_all()
    dark = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert dark == ("rgb(20, 23, 27)" if scheme == "dark" else "rgb(255, 255, 255)")
    assert browser.run(CONTRAST, LEAST_CONTRAST) == {}


def test_curves_are_drawn_in_the_ink_of_the_scheme(browser, pages):
    strokes = "return [...document.querySelectorAll('#scaling svg path')].map((one) => getComputedStyle(one).stroke)"
    for scheme, ink in (("light", "rgb(28, 32, 38)"), ("dark", "rgb(230, 233, 237)")):
        browser.show(pages["scaling"], scheme=scheme)
        assert ink in browser.run(strokes)


def test_paper_shows_what_is_folded_in_black_on_white(browser, pages):
    browser.show(pages["everything"], scheme="dark", media="print")
    seen = """return [...document.querySelectorAll('details > :not(summary)')].map((one) =>
        one.checkVisibility({ contentVisibilityAuto: true }) && one.getBoundingClientRect().height > 5)"""
    folded = browser.run(seen)
    assert len(folded) > 10 and all(folded)
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("return getComputedStyle(document.querySelector('nav')).display") == "none"
    series = "return getComputedStyle(document.documentElement).getPropertyValue('--s1')"
    on_paper = browser.run(series)
    browser.show(pages["everything"], scheme="light")
    assert browser.run(series) == on_paper
    browser.show(pages["everything"], scheme="dark", media="print")
    printed = browser.command("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
    paper = base64.b64decode(printed["data"])
    assert paper.startswith(b"%PDF")
    sides = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper)
    assert sides is not None and float(sides[1]) > float(sides[2])


def test_nothing_is_asked_of_the_network_and_nothing_complains(browser, pages):
    for page in pages.values():
        browser.show(page)
        assert browser.driver.get_log("browser") == []
        assert {url.partition(":")[0] for url in browser.requested()} <= {"file", "data"}
        assert (
            browser.run("return performance.getEntriesByType('resource').filter((e) => /^http/.test(e.name)).length")
            == 0
        )


def test_a_name_that_is_a_script_is_read_not_run(browser, tmp_path):
    attack = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    lines = [line(attack, "direct"), line(attack, "fft", status="failed", reason=attack), *scaling()]
    hostile = [one | {"layer": one["layer"].replace("dense", HOSTILE)} for one in lines]
    browser.show(report.write(folder_of(tmp_path / "run", hostile, device=attack)))
    assert browser.run("return document.title").startswith("tiny: ")
    assert browser.run("return document.scripts.length") == 1
    assert attack in browser.texts("#wrong td")
    assert any(HOSTILE in text for text in browser.run(DRAWN))
    assert browser.driver.get_log("browser") == []


def test_a_table_is_sorted_by_the_column_asked_for(browser, pages):
    browser.show(pages["scaling"])
    column = "return [...document.querySelectorAll('#winners tbody tr')].map((row) => row.cells[0].innerText)"
    before = browser.run(column)
    click = "document.querySelector('#winners thead th button').click()"
    browser.run(click)
    assert browser.run(column) == sorted(before)
    browser.run(click)
    assert browser.run(column) == sorted(before, reverse=True)
    assert browser.run("return document.querySelector('#winners thead th').ariaSort") == "descending"


def test_who_wants_less_motion_gets_none(browser, pages):
    behaviour = "return getComputedStyle(document.documentElement).scrollBehavior"
    for motion, expected in (("reduce", "auto"), ("no-preference", "smooth")):
        browser.show(pages["timing"], motion=motion)
        assert browser.run(behaviour) == expected
