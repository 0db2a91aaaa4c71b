"""The report as text: its parts by what the records hold, every word escaped, every page whole and small."""

import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser

import pytest
from report_records import HOSTILE, KINDS, Line, everything, folder_of, growing, line, ratio, scaling, status, training
from rich.console import Console

from jconv.errors import ConfigError
from jconv.lab import figures, growth, record, report, summary, terminal
from jconv.lab.report import budget

VOID = {"meta", "img", "br"}
NO_BREAK = "\N{NO-BREAK SPACE}"


class Page(HTMLParser):
    """Collects tags and texts, and checks that tags are closed in order."""

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

    def handle_startendtag(self, tag, attrs):
        """Note a tag that closes itself, as in SVG."""
        self.tags.append((tag, dict(attrs)))

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

    def said(self, tag: str) -> list[str]:
        """Return the texts right inside such tags."""
        return [text for name, text in self.texts if name == tag]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_whole_page_of_its_own_without_anything_from_outside(kind, tmp_path):
    path = report.write(folder_of(tmp_path / "run", KINDS[kind]()))
    text = path.read_text()
    page = Page(text)
    assert page.open == []
    assert path.stat().st_size < budget.MOST
    assert {"link", "iframe", "object", "base"}.isdisjoint(name for name, _ in page.tags)
    assert "http:" not in text and "https:" not in text
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    pointed = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    assert pointed <= set(ids)


@pytest.mark.parametrize(
    ("kind", "sections"),
    [
        ("timing", "winners machine time agreement memory refused auto appendix"),
        ("wrong", "wrong winners machine time agreement memory refused appendix"),
        ("photograph", "winners pictures machine time agreement memory appendix"),
        ("scaling", "winners machine time scaling agreement memory appendix"),
        ("growing", "machine time agreement memory appendix"),
        ("training", "wrong machine training appendix"),
        ("arithmetic", "arithmetic machine appendix"),
        ("ahead", "wrong compiled machine memory refused appendix"),
    ],
)
def test_sections_appear_by_what_the_records_hold(kind, sections, tmp_path):
    page = Page(report.render(folder_of(tmp_path / "run", KINDS[kind]())))
    assert [section["id"] for section in page.all("section")] == sections.split()
    assert [link["href"] for link in page.all("a")] == [f"#{key}" for key in sections.split()]


def test_all_sections_keep_their_order(tmp_path):
    page = Page(report.render(folder_of(tmp_path / "run", everything())))
    order = "wrong winners pictures arithmetic compiled machine time scaling agreement memory training refused auto"
    order += " appendix"
    assert [section["id"] for section in page.all("section")] == order.split()


def test_the_verdict_comes_first(tmp_path):
    page = Page(report.render(folder_of(tmp_path / "run", KINDS["timing"]())))
    assert page.said("h1") == [
        "All 32 computed cases agree with the truth (float64; direct where that takes too long); "
        "the worst uses 10% of its tolerance."
    ]
    first = page.said("li")[:3]
    assert first[:2] == ["Refused, each with its reason: 8.", "Not the same bits at a second call: 4 cases."]
    assert "most on stem: fft takes 0.20 of its time [0.18, 0.25]" in first[2]
    assert f"fft, 0.200 ms: 0.20×{NO_BREAK}[0.18,{NO_BREAK}0.25] FASTER" in page.said("td")


def test_cells_say_in_words_what_their_colour_says(tmp_path):
    text = report.render(folder_of(tmp_path / "run", KINDS["timing"]()))
    for colour, word in (("fast-3", "FASTER"), ("slow-3", "SLOWER"), ("same", "SAME"), ("unsure", "UNSURE")):
        cells = re.findall(rf'<td class="{colour}">(.*?)</td>', text)
        assert cells and all(word in cell for cell in cells)
    assert re.findall(r'<td class="mean">([^<]+)', text)[:3] == ["reference", "0.45×", "5.00×"]
    assert "10% †" in text and "not repeatable" in text


def test_what_a_compiler_says_stands_by_problem(tmp_path):
    text = report.render(folder_of(tmp_path / "run", KINDS["ahead"]()))
    table = text.partition('id="compiled"')[2].partition("</section>")[0]
    cells = [re.sub(r"<[^>]+>", " ", cell).split() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", table, re.S)]
    said = [" ".join(cell) for cell in cells]
    for words in ("4 0 temp 2 µs", "2 (0.50) 0 temp –", "32 0 temp –", "– 0 temp –", "out of memory", "refused"):
        assert words in said
    assert len([words for words in said if words.startswith("conv1 n")]) == 2


def test_what_is_wrong_stands_with_the_command_that_runs_it_alone(tmp_path):
    text = report.render(folder_of(tmp_path / "run", KINDS["wrong"]()))
    page = Page(text)
    assert page.said("h1") == ["4 of 6 cases are wrong: 1 failed, 1 mismatch, 1 timeout, 1 out of memory."]
    case = KINDS["wrong"]()[1]["case"]
    assert f"jconv run config.yaml --only '{case}'" in page.said("code")
    assert {"<b>bold</b> is off by inf", "ValueError: it's broken", "more than 8192 MiB"} <= set(page.said("td"))
    assert {"not finite", "mismatch", "failed", "timeout", "out of memory"} <= set(page.said("td"))


def test_names_and_reasons_are_text(tmp_path):
    folder = folder_of(tmp_path / "run", KINDS["wrong"](), device="<img src=x onerror=alert(1)>", rerun="a & <b>")
    text = report.render(folder)
    page = Page(text)
    assert len(page.all("script")) == 1
    assert "<b>bold</b>" not in text and "<img" not in text
    assert HOSTILE in page.said("th")


def test_hostile_names_in_figures_are_text(tmp_path):
    lines = [one | {"layer": one["layer"].replace("dense", f"{HOSTILE}$x_y$中")} for one in scaling()]
    page = Page(report.render(folder_of(tmp_path / "run", lines)))
    assert len(page.all("script")) == 1
    assert any(f"{HOSTILE}$x_y$中" in text for text in page.said("text"))


def test_scaling_says_exponents_and_crossings(tmp_path):
    page = Page(report.render(folder_of(tmp_path / "run", scaling())))
    assert (
        "Forward, dense: time grows as image to the power 1.00 [1.00, 1.00] by fft, 2.00 [2.00, 2.00] by direct."
        in (page.said("li"))
    )
    crossing = "direct is faster below image ≈ 32, fft above; surely so at 16 and 64"
    assert f"Forward, dense: {crossing}." in page.said("li")
    assert {"direct→fft", "fft: power 1.00", "direct: power 2.00"} <= set(page.said("text"))


def test_many_crossings_keep_their_words_apart(tmp_path):
    lines = scaling({"direct": 2, "fft": 1, "shifts": 1.1, "patches": 0.9})
    assert len(growth.crossings(growth.families(lines, "seconds")[0], 0.05)) == 3
    assert "direct→shifts" in Page(report.render(folder_of(tmp_path / "run", lines))).said("text")


def test_errors_stand_beside_the_laws_of_theory(tmp_path):
    page = Page(report.render(folder_of(tmp_path / "run", growing())))
    words = "Forward, dense, float32: the error (RMS) grows as in_channels to the power 0.50 by direct."
    assert words in page.said("li")
    assert {"√n", "n", "fft: power 0.50"} <= set(page.said("text"))


def test_a_sweep_of_the_seed_is_no_axis():
    lines = [line(f"a@seed={seed}", "direct", variant={"seed": seed}) for seed in range(1, 5)]
    assert growth.families(lines, "seconds") == []
    lines = [line(f"a@size={n},flag=True", "fft", variant={"size": n, "flag": True}) for n in (1, 2, 3)]
    [family] = growth.families(lines, "seconds")
    assert (family.layer, family.axis) == ("a, flag=True", "size")


def test_training_has_curves_and_a_table(tmp_path):
    page = Page(report.render(folder_of(tmp_path / "run", training())))
    titles = page.said("title")
    assert [title.partition(" by")[0] for title in titles[1:]] == ["Training loss", "Test accuracy", "Drift"]
    cells = page.said("td")
    assert "96.10% [96.00%, 96.20%]" in cells and "2.00×" in cells and "61,706" in cells
    assert "Fastest training: shifts, 2,001 examples a second; slowest: fft, 500." in page.said("li")


def test_arithmetic_shows_sizes_fields_and_checkerboards(tmp_path):
    page = Page(report.render(folder_of(tmp_path / "run", KINDS["arithmetic"]())))
    assert page.said("h1") == ["Sizes through 4 layers, by arithmetic alone."]
    assert "04-uneven: unequally many taps write to neighbours, a checkerboard." in page.said("li")
    assert {"64×64", "129×129", "11×11", "1, 2, 4 (even)", "1, 2, 4 (uneven)"} <= set(page.said("td"))
    assert {"Overlap of 03-even", "Overlap of 04-uneven"} <= set(page.said("h3"))


def test_many_stacks_are_counted_and_one_training_result_is_the_headline(tmp_path):
    even, uneven = KINDS["arithmetic"]()[2:]
    lines = [{**line, "layer": f"up@n={n}{place}"} for n in range(3) for place, line in enumerate((even, uneven))]
    first, told = summary.verdict(lines)
    assert first == "Sizes through 6 layers, by arithmetic alone."
    words = "Unequally many taps write to neighbours, a checkerboard, in 3 of 6 stacks: n=01, n=11, n=21."
    assert told == words
    good = [line for line in training() if line["status"] == "ok"]
    sentences = summary.verdict(good)
    assert sentences[0].startswith("Test accuracy, median over seeds: ")
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize(
    ("kind", "heads", "cells"),
    [
        ("arithmetic", ["layer", "input", "output", "receptive field", "overlap"], ["64×64", "1–4 uneven"]),
        ("training", ["network", "formulation", "test accuracy"], ["96.00%", "failed"]),
        ("wrong", ["layer", "agree", "refused", "wrong"], ["∞"]),
        ("ahead", ["layer", "formulation", "moved", "its estimate"], ["2 µs", "out_of_memory"]),
    ],
)
def test_the_terminal_shows_what_the_kind_asks_in_eighty_columns(kind, heads, cells):
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        for table in terminal.tables(KINDS[kind]()):
            console.print(table)
    shown = capture.get()
    assert all(word in shown for word in (*heads, *cells))
    assert max(map(len, shown.splitlines())) <= 80


def test_every_picture_and_figure_says_what_it_shows(tmp_path):
    page = Page(report.render(folder_of(tmp_path / "run", everything())))
    assert [image["alt"] for image in page.all("img")] == [
        "The photograph, cut square and shrunk",
        "The photograph through sobel, by the float64 oracle",
        "The photograph through sobel, by direct",
        "The photograph through sobel, by fft",
    ]
    drawn = page.all("svg")
    assert len(drawn) >= 8 and all(one["role"] == "img" and one["aria-labelledby"] for one in drawn)
    assert len(page.said("title")) == len(page.said("desc")) + 1 == len(drawn) + 1
    assert all(heading.get("scope") in ("row", "col", "rowgroup") for heading in page.all("th"))


def test_a_picture_of_another_folder_is_not_shown(tmp_path):
    secret = tmp_path / "secret.png"
    _ = secret.write_bytes(b"secret")
    lines = [line("sobel", "direct", picture="../secret.png"), line("sobel", "fft", picture="pictures/gone.png")]
    text = report.render(folder_of(tmp_path / "run", lines))
    assert "c2VjcmV0" not in text
    assert "missing: ../secret.png" in text and "missing: pictures/gone.png" in text


def test_refusals_of_one_reason_share_a_row(tmp_path):
    lines = [status(f"l{n}", "toeplitz", "unsupported", f"the matrix takes {n},000 MiB") for n in range(1, 10)]
    page = Page(report.render(folder_of(tmp_path / "run", lines)))
    assert page.said("h1") == ["No case was computed."]
    cells = page.said("td")
    assert "l1, l2, l3, l4, l5, l6 and 3 more" in cells
    assert "the matrix takes 1,000 MiB (The others: the same with other numbers.)" in cells


def test_figures_take_the_colours_of_the_page():
    curve = figures.Line("direct", [1, 2, 4], [0.001, 0.0, None], "direct")
    about = {"title": "t", "description": "d", "x_label": "x", "y_label": "y", "log": "xy", "ticks": [1, 2, 4]}
    drawn = figures.curves([curve], key="k", **about)
    assert drawn == figures.curves([curve], key="k", **about)
    assert "#0" not in drawn and "var(--ink)" in drawn and "xmlns" not in drawn
    looks = [tuple(map(str, figures.looks(name).values())) for name in (*summary.PEERS, "direct", "fft", "auto", "new")]
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize(
    ("layers", "words"),
    [(150, "The first (\\d+) of 600: (\\d+) rows are left out"), (450, "(\\d+) of (450) rows are left out")],
)
def test_a_huge_run_stays_small_and_says_what_is_left_out(layers, words, tmp_path):
    lines = [line(f"layer-{n}", name) for n in range(layers) for name in ("direct", "fft", "patches", "auto")]
    path = report.write(folder_of(tmp_path / "run", lines))
    assert 0.8 * budget.MOST < path.stat().st_size <= budget.MOST
    text = path.read_text()
    assert re.search(words, text)
    assert "results.jsonl, and <code>jconv export RUN</code> writes them" in text


def test_it_comes_from_the_records_alone(tmp_path):
    folder = folder_of(tmp_path / "run", KINDS["timing"]())
    first = report.render(folder)
    assert report.render(folder) == first
    _ = (folder / record.RESULTS).write_text(json.dumps(line("only", "direct")) + "\n")
    assert report.render(folder) != first
    (folder / record.RESOLVED).unlink()
    assert "config.resolved.yaml is missing" in report.render(folder)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (None, "must be a run's folder; got .*results.jsonl: No such file"),
        ("", "a run's folder must hold records"),
        ('{"case": "a"}\n', "line 1 of results.jsonl is no record"),
        ('{"case": "a", "formulation": "fft", "status": "ok"}\n', "this one lacks kind, problem, layer, dtype"),
    ],
)
def test_a_folder_without_records_is_one_clear_error(lines, words, tmp_path):
    if lines is not None:
        _ = (tmp_path / record.RESULTS).write_text(lines)
    with pytest.raises(ConfigError, match=words):
        _ = report.write(tmp_path)


def test_one_formulation_alone_has_a_report(tmp_path):
    bare: Line = line("deep", "fft", ratio=None, verdict=None, temp_bytes=None, peak_bytes=None, kind="agreement")
    page = Page(report.render(folder_of(tmp_path / "run", [bare], noise_floor=None, roofline=None)))
    assert "Both gradients" not in page.said("h3")
    assert "geometric mean" not in page.said("th")


def test_what_no_reference_was_timed_beside_still_has_a_winner():
    alone = [line("a", "fft", ratio=None, verdict=None), line("a", "patches", ratio=None, verdict=None, seconds=0.5)]
    best = summary.fastest(alone)
    assert best is not None and best["formulation"] == "fft"
    assert summary.verdict(alone)[1:] == []


def timed(formulation: str, ratio: float | None, seconds: float = 1.0) -> Line:
    return line("a", formulation, seconds=seconds, ratio=ratio and {"median": ratio, "low": ratio, "high": ratio})


@pytest.mark.parametrize(("ratio", "fastest"), [(0.25, "auto"), (0.48, "fft"), (0.75, "fft")])
def test_auto_is_the_fastest_where_it_is_clearly(ratio, fastest):
    best = summary.fastest([timed("direct", None), timed("auto", ratio), timed("fft", 0.5), timed("torch", 0.1)])
    assert best is not None and best["formulation"] == fastest


def test_the_fastest_is_so_in_pairs_of_the_same_rounds():
    best = summary.fastest([timed("direct", None, seconds=2.0), timed("fft", 1.2, seconds=1.0)])
    assert best is not None and best["formulation"] == "direct"


def test_a_machine_that_calls_equal_programs_different_says_so(tmp_path):
    lines = [line(f"a{n}", "direct", again_ratio=ratio(1.3)) for n in range(4)]
    page = Page(report.render(folder_of(tmp_path / "run", lines)))
    assert any("4 of 4 would have been called a difference: trust no smaller one." in text for text in page.said("p"))


def test_it_needs_no_jax(tmp_path):
    folder = folder_of(tmp_path / "run", everything())
    code = f"import sys; from pathlib import Path; from jconv.lab import report; report.write(Path({str(folder)!r}))"
    _ = subprocess.run([sys.executable, "-c", f"{code}; assert 'jax' not in sys.modules"], check=True)
    assert (folder / record.REPORT).is_file()


def stack(variant: str, count: int) -> list[dict]:
    facts = {"input_size": [8, 8], "output_size": [8, 8], "parameters": 1, "multiplications": 1}
    field = {"receptive_field": {"size": [3, 3], "jump": [1, 1], "start": [0.0, 0.0]}}
    return [
        line(f"{i:04d}-up@{variant}", "geometry", "geometry", kind="arithmetic", **facts, **field) for i in range(count)
    ]


@pytest.mark.parametrize(("stacks", "layers"), [(1, 2000), (400, 5)])
def test_stacks_of_very_many_layers_stay_small_and_are_drawn_in_seconds(stacks, layers, tmp_path):
    lines = [one for i in range(stacks) for one in stack(f"seed={i}", layers)]
    start = time.monotonic()
    path = report.write(folder_of(tmp_path / "run", lines))
    assert path.stat().st_size <= budget.MOST
    assert time.monotonic() - start < 60


def test_a_page_of_too_many_figures_goes_without_them(monkeypatch, tmp_path):
    folder = folder_of(tmp_path / "run", scaling())
    whole = report.render(folder)
    least = len(re.sub(r"<svg .*?</svg>", "", whole, flags=re.DOTALL).encode())
    monkeypatch.setattr(budget, "MOST", least)
    page = report.render(folder)
    assert len(page.encode()) <= least
    assert "left out to keep this page small" in page


def test_a_run_that_is_not_finished_says_so(tmp_path):
    folder = folder_of(tmp_path / "run", KINDS["timing"]())
    done = len((folder / record.RESULTS).read_text().splitlines())
    (folder / record.RUN).write_text(json.dumps({"cases": done + 3}))
    assert f"Only {done} of {done + 3} cases are recorded; --resume goes on." in report.render(folder)
    (folder / record.RUN).write_text(json.dumps({"cases": done}))
    assert "are recorded; --resume" not in report.render(folder)


def test_a_wrong_formulation_has_no_typical_time():
    ratio = {"median": 0.01, "low": 0.01, "high": 0.01, "pairs": 50}
    wrong = line("a", "auto", ratio=ratio) | {"status": "mismatch"}
    assert summary.typical_ratio([wrong], "auto") is None
