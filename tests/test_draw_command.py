"""`jconv draw` and the picture of `jconv explain`: their examples, their files, one sentence for every mistake."""

import shlex
from pathlib import Path

import pytest
from PIL import Image

from jconv.lab import cli, drawing
from tests import commands

CASE = "n1_i8c2_k3o2_s1_p1:1_d1_g1_float32"


@pytest.mark.parametrize("name", drawing.FIGURES)
def test_every_example_is_drawn(name):
    words = shlex.split(drawing.FIGURES[name].example)
    place = words.index("--out")
    _, file = words[place : place + 2]
    picture = drawing.draw(name, drawing.parse(name, words[:place] + words[place + 2 :]), Path())
    assert (picture.frames > 1) == file.endswith(".gif")


def test_draw_writes_a_file_and_says_what_it_shows(tmp_path):
    line = "draw matrix --input 4 --window 3 --kind circulant --out deep/a.png --dark --scale 1"
    result = commands.jconv(*line.split(), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    written, words = result.stdout.splitlines()
    assert written == "Written: deep/a.png"
    assert words.endswith("Rows: 2301; 1230; 0123; 3012.")
    with Image.open(tmp_path / "deep" / "a.png") as picture:
        assert picture.info["Description"] == words
        assert picture.getpixel((0, 0)) == (20, 23, 27, 255)  # the dark page


def test_a_step_alone_says_that_there_are_more(tmp_path):
    result = commands.jconv("draw", "coverage", "--out", "a.png", "--frame", "0", "--scale", "1", cwd=tmp_path)
    assert result.stdout.splitlines()[1] == "It shows step 0 of 0 … 2: --frame shows another, a .gif all of them."


def test_explain_takes_padding_that_no_window_reads(capsys):
    with pytest.raises(SystemExit):
        cli.main(["explain", "a/n1_i8x8c2_k3x3o2_s2x2_p1:1x1:1_d1x1_g1_float32_zeros/forward/fft"])
    said, wrong = capsys.readouterr()
    assert wrong == "" and "n1_i8x8c2_k3x3o2_s2x2_p1:0x1:0_d1x1_g1_float32" in said


def test_explain_says_what_it_leaves_out(tmp_path):
    for word, note in (("circular", "The border is explained as zeros"), ("transposed", "Of a transposed layer")):
        result = commands.jconv("explain", f"{CASE}_{word}", cwd=tmp_path)
        assert result.stdout.splitlines()[-1].startswith(note)


def test_explain_draws_what_it_says(tmp_path):
    result = commands.jconv("explain", CASE, "--out", "a.svg", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("Written: a.svg\n")
    assert "The input of 8 with 2 channels becomes an output of 8 with 2" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("draw arithmetc", "draw: the figure must be one of arithmetic, flip, "),
        ("draw arithmetc 5", "got 'arithmetc'. Did you mean 'arithmetic'?"),
        ("draw arithmetc --help", "got 'arithmetc'. Did you mean 'arithmetic'?"),
        ("draw arithmetic --strides 2", "got --strides. Did you mean 'stride'?"),
        ("draw flip --drak", "draw: the options of flip must be among --samples, --out, --dark, "),
        ("draw flip --drak", "got --drak. Did you mean 'dark'?"),
        ("draw flip --dark 1", "draw: options must be --name value; got '1'. As in jconv draw flip --samples 6 --out"),
        ("draw flip --samples", "draw: --samples must have a value; got none."),
        ("draw flip --samples 1", "draw: samples must be an int, at least 2; got samples=1."),
        ("draw flip --frame 99", "draw: frame must be in 0 … 11; got 99."),
        ("draw flip --frame 2 --out a.gif", "draw: frame must not be given for a .gif, which shows all; got frame=2."),
        ("draw flip --out a.bmp", "must end in one of .svg, .png, .gif; got 'a.bmp'. Write a.svg."),
        ("draw arithmetic --input 0", "draw: input_size must be an int, or one per space axis, at least 1; got"),
        ("draw arithmetic --window x", "draw: window must be an int, or one per space axis, at least 1; got window="),
        ("draw arithmetic --padding [[1", "draw: --padding must be a value as YAML writes it"),
        ("draw arithmetic --transposed=maybe", "draw: transposed must be true or false; got 'maybe'."),
        ("draw arithmetic --input 5x7 --axes 1", "draw: axes must be 2, as the sizes name them; got axes=1."),
        ("draw filters --picture gone.png", "draw: picture must be an image file that exists, or 'photo'; got 'gone"),
        ("draw filters --picture photo --pixels 1000", "or a smaller --pixels."),
        ("draw checkerboard --pixels 32", "draw: pixels must come with a picture; got pixels=32 alone."),
        ("draw --samples 6 flip", "got '--samples'. It comes before its options."),
        ("draw budget --network resnet5", "draw: a network must be one of "),
        ("draw budget --network gone.yaml", "draw: a network's file must exist; got 'gone.yaml'."),
        (f"explain {CASE} --out a.bmp", "must end in one of .svg, .png, .gif; got 'a.bmp'. Write a.svg."),
        (f"explain {CASE}_cirular", "explain: what follows the dtype must be among zeros, edge, circular, reflect, "),
        (f"explain a/{CASE}/gradient/fft", "got 'gradient'. Did you mean 'gradients'?"),
        ("draw arithmetic --input 5 --stride 400 --padding 150", "draw: sizes must be at most 40 to be seen; got 305 "),
        (f"explain {CASE} --dark", "explain: --dark must have a picture to be dark; got no --out. Add --out a.svg."),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(line, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(line.split())
    said, wrong = capsys.readouterr()
    assert ended.value.code == 2
    assert words in wrong
    assert len(wrong.splitlines()) == 1
    assert said == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("draw flip --dark=1", "Option '--dark' does not take a value"),
        ("draw flip --frame -1", "Invalid value for '--frame'"),
        ("draw flip --scale 9", "Invalid value for '--scale'"),
        (f"explain {CASE} --drak", "No such option: --drak"),
    ],
)
def test_the_commands_own_options_are_checked(line, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(line.split())
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_python_tuples_are_read_as_a_remedy_writes_them():
    assert drawing.parse("arithmetic", ["--window", "(2, 1)", "--padding", "[(1, 2), (0, 0)]"]) == {
        "window": [2, 1],
        "padding": [[1, 2], [0, 0]],
    }
