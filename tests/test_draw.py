"""Figures say what is computed: their cells against the reference, their matrices and fields against the library's."""

import inspect
import json
import re
from collections import Counter
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from PIL import Image

import jconv
from jconv import draw
from jconv.draw import Picture
from jconv.draw._operands import integers
from jconv.errors import ConfigError, GeometryError, UnsupportedError
from jconv.lab import drawing
from tests import reference
from tests.cases import load

ROWS = {
    (row["op"], row["i"], row["k"], row["s"], row["p"], row["d"], row.get("a", 0)): row
    for row in load("arith_conv_arithmetic")
}
SMALL = {
    "arithmetic": {}, "flip": {"samples": 3}, "volumes": {}, "products": {}, "matrix": {}, "spectrum": {"size": 4},
    "gradients": {"input": 3, "window": 2}, "receptive": {}, "coverage": {},
    "effective": {"layers": [{"window": 3}], "networks": 2},
    "checkerboard": {"picture": "photo", "pixels": 8}, "filters": {"pixels": 16}, "separation": {},
    "budget": {"network": "dcgan"},
}  # fmt: skip


def numbers(figure: Figure, name: str) -> np.ndarray:
    """Return the numbers that are written into the cells of a grid, by their place."""
    found = {}
    for axes in figure.axes:
        for text in axes.texts:
            match = re.fullmatch(rf"{re.escape(name)}\[(\d+), (\d+)\] value", text.get_gid() or "")
            if match:
                found[int(match[1]), int(match[2])] = float(text.get_text().replace("−", "-"))
    rows, columns = (max(place[axis] for place in found) + 1 for axis in range(2))
    assert len(found) == rows * columns, "a cell has no number"
    return np.array([[found[row, column] for column in range(columns)] for row in range(rows)])


def cells(figure: Figure, name: str) -> list[Rectangle]:
    return [
        patch
        for axes in figure.axes
        for patch in axes.patches
        if isinstance(patch, Rectangle) and (patch.get_gid() or "").startswith(f"{name}[")
    ]


def last(picture: Picture) -> Figure:
    return picture.figure(picture.frames - 1)


def listed(values: np.ndarray) -> str:
    return "; ".join(" ".join(f"{value:g}".replace("-", "−") for value in row) for row in values)


@pytest.mark.parametrize("op", ["conv", "conv_transpose"])
def test_arithmetic_of_the_guide(op):
    """Every row of Dumoulin and Visin's guide is drawn, and the outputs that are drawn are the reference's."""
    drawn = 0
    for row in (row for key, row in ROWS.items() if key[0] == op):
        i, k, o = row["i"], row["k"], row["o"]
        x, kernel = integers((i, 1), 1, 4, 1), integers((k, 1, 1), -1, 2, 2)
        more = {"transposed": True, "output_padding": row["a"]} if op == "conv_transpose" else {}
        arguments = {"stride": row["s"], "padding": row["p"], "dilation": row["d"]}
        picture = draw.arithmetic(i, k, axes=1, **arguments, **more)
        if op == "conv":
            wanted = reference.conv(x[None], kernel, **arguments)
        else:
            wanted = reference.conv_transpose(x[None], kernel, output_padding=row["a"], **arguments)
        assert picture.frames == o, row["name"]
        np.testing.assert_array_equal(numbers(last(picture), "output")[0], wanted[0, :, 0], row["name"])
        drawn += 1
    assert drawn > 150


@pytest.mark.parametrize(
    "arguments",
    [
        {"padding": 1, "stride": 2},
        {"padding": [(0, 2), (3, 1)], "stride": (2, 1)},
        {"padding": [(-1, 0), (1, -1)]},
        {"padding": 2, "padding_mode": "circular"},
        {"padding": [(1, 0), (2, 2)], "padding_mode": "reflect"},
        {"padding": (3, 1), "padding_mode": "edge", "dilation": 2},
        {"padding": "SAME", "groups": 2},
    ],
    ids=str,
)
def test_arithmetic_in_the_plane(arguments):
    groups = arguments.get("groups", 1)
    picture = draw.arithmetic((6, 5), (3, 2), **arguments)
    x, kernel = integers((6, 5, groups), 1, 4, 1), integers((3, 2, 1, groups), -1, 2, 2)
    wanted = reference.conv(x[None], kernel, **arguments)[0]
    assert picture.frames == wanted[..., 0].size
    figure = last(picture)
    if groups == 1:
        np.testing.assert_array_equal(numbers(figure, "output"), wanted[..., 0])
        assert len(cells(figure, "window")) == 6
    else:
        assert picture.text.endswith(f"Output: {listed(wanted[..., 0])}. Output: {listed(wanted[..., 1])}.")


def test_a_step_shows_what_its_window_reads():
    """In frame 4 of nine the window lies on entries 1 to 3 of both axes: one of padding, stride 2."""
    figure = draw.arithmetic(5, 3, stride=2, padding=1).figure(4)
    places = sorted((cell.get_gid() or "") for cell in cells(figure, "window"))
    assert places == [f"window[{row}, {column}]" for row in (2, 3, 4) for column in (2, 3, 4)]
    assert len([text for text in figure.axes[0].texts if (text.get_gid() or "").startswith("output")]) == 5
    styles = {cell.get_gid(): cell.get_linestyle() for cell in cells(figure, "input 5×5")}
    assert styles["input 5×5[0, 0]"] == "dashed"
    assert styles["input 5×5[1, 1]"] == "solid"


def test_gradients_are_those_of_the_reference():
    arguments = {"stride": (2, 1), "padding": [(1, 0), (0, 1)]}
    figure = last(draw.gradients((5, 4), (3, 2), **arguments))
    x, kernel = integers((5, 4, 1), 1, 4, 1), integers((3, 2, 1, 1), -1, 2, 2)
    y = reference.conv(x[None], kernel, **arguments)
    ct = integers(y.shape[1:3], 1, 2, 3)[None, ..., None]
    dx, dk, _ = reference.conv_gradients(ct, x[None], kernel, **arguments)
    np.testing.assert_array_equal(numbers(figure, "y"), y[0, ..., 0])
    np.testing.assert_array_equal(numbers(figure, "k̄"), dk[..., 0, 0])
    np.testing.assert_array_equal(numbers(figure, "x̄"), dx[0, ..., 0])
    told = f"y: {listed(y[0, ..., 0])}. k̄: {listed(dk[..., 0, 0])}. x̄: {listed(dx[0, ..., 0])}."
    assert draw.gradients((5, 4), (3, 2), **arguments).text.endswith(told)


@pytest.mark.parametrize(
    ("size", "window", "arguments"),
    [(8, 3, {}), (7, 3, {"stride": 2, "padding": 1}), (9, 2, {"dilation": 3}), ((4, 3), (2, 2), {})],
    ids=str,
)
def test_matrices_are_the_librarys(size, window, arguments):
    figure = draw.matrix(size, window, transposed=True, **arguments).figure()
    axes = 2 if isinstance(size, tuple) else 1
    shape = window if axes == 2 else (window,)
    taps = np.arange(1.0, np.prod(shape) + 1, dtype=np.float32).reshape(*shape, 1, 1)
    wanted = np.asarray(jconv.toeplitz_matrix(jnp.asarray(taps), size, **arguments))
    images = {image.get_gid(): image.get_array() for image in figure.axes[0].images}
    assert set(images) == {"y = C x", "x̄ = Cᵀ ȳ"}
    for name, matrix in (("y = C x", wanted), ("x̄ = Cᵀ ȳ", wanted.T)):
        image = np.asarray(images[name])
        colours = {tuple(image[place]) for place in zip(*np.nonzero(matrix == 0), strict=True)}
        assert colours <= {(1.0, 1.0, 1.0)}
        for tap in np.unique(matrix[matrix > 0]):
            of_tap = {tuple(image[place]) for place in zip(*np.nonzero(matrix == tap), strict=True)}
            assert len(of_tap) == 1
            assert of_tap.isdisjoint(colours)
            colours |= of_tap
    written = sorted(int(text.get_text()) for text in figure.axes[0].texts if text.get_text().isdigit())
    assert written == sorted([*wanted[wanted > 0].astype(int)] * 2 + [*taps.ravel().astype(int)])


def test_a_circulant_matrix_goes_around():
    text = draw.matrix(4, 3, kind="circulant").text
    assert text.endswith("Rows: 2301; 1230; 0123; 3012.")
    valid = draw.matrix(4, 3, kind="circulant", padding="VALID").text
    assert valid.endswith("Rows: 1230; 0123; 3012; 2301.")
    assert "9 rows" in draw.matrix((3, 3), 2, kind="circulant", stride=(1, 1)).text


def test_blocks_are_as_wide_as_a_row_of_the_input_and_as_high_as_one_of_the_output():
    figure = draw.matrix((4, 5), (2, 3), transposed=True).figure()
    lines = [
        np.asarray(collection.get_segments())  # pyright: ignore[reportAttributeAccessIssue]
        for collection in figure.axes[0].collections
        if collection.get_linewidth()[0] == 0.8  # pyright: ignore[reportAttributeAccessIssue, reportIndexIssue]
    ]
    heavy = np.concatenate(lines)
    across = [line for line in heavy if line[0, 1] == line[1, 1]]
    assert len(across) == (3 + 1) + (4 + 1)  # the rows of the output, then of the input
    assert len(heavy) - len(across) == (4 + 1) + (3 + 1)


def test_patches_and_product_are_the_librarys():
    figure = last(draw.products(4, 3, out_channels=2))
    x, kernel = integers((4, 4, 1), 1, 9, 1), integers((3, 3, 1, 2), -1, 2, 2)
    wanted = reference.conv(x[None], kernel)[0].reshape(-1, 2)
    np.testing.assert_array_equal(numbers(figure, "output"), wanted)
    np.testing.assert_array_equal(numbers(figure, "patches") @ numbers(figure, "kernel"), wanted)
    places = sorted((cell.get_gid() or "") for cell in cells(figure, "window"))
    assert places == [f"window[{row}, {column}]" for row in (1, 2, 3) for column in (1, 2, 3)]


def test_patches_of_a_padded_input_show_its_border():
    figure = draw.products(4, 3, padding=1).figure(0)
    x = integers((4, 4, 1), 1, 9, 1)
    np.testing.assert_array_equal(numbers(figure, "input 4×4"), np.pad(x[..., 0], 1))
    styles = {cell.get_gid(): cell.get_linestyle() for cell in cells(figure, "input 4×4")}
    assert (styles["input 4×4[0, 0]"], styles["input 4×4[1, 1]"]) == ("dashed", "solid")
    places = sorted((cell.get_gid() or "") for cell in cells(figure, "window"))
    assert places == [f"window[{row}, {column}]" for row in (0, 1, 2) for column in (0, 1, 2)]


def test_padding_that_no_window_reads_is_drawn():
    figure = draw.arithmetic(4, 3, stride=2, padding=1).figure()
    assert numbers(figure, "input 4×4").shape == (6, 6)
    hatched = {cell.get_gid() for cell in cells(figure, "input 4×4") if cell.get_hatch()}
    assert hatched == {f"input 4×4[{row}, {column}]" for row in range(6) for column in range(6) if 5 in (row, column)}


def test_a_cropped_axis_beside_a_padded_one_shows_what_the_mode_copies():
    figure = draw.arithmetic(4, 2, padding=[(-1, 0), (1, 1)], padding_mode="edge").figure(0)
    x = integers((4, 4, 1), 1, 4, 1)[..., 0]
    np.testing.assert_array_equal(numbers(figure, "input 4×4"), np.pad(x, ((0, 0), (1, 1)), mode="edge"))


def test_filters_of_a_layer_are_of_different_groups():
    def colours(groups: int) -> list[int]:
        axes = draw.volumes("grouped", in_channels=96, out_channels=96, groups=groups).figure().axes[0]
        fronts = [patch for patch in axes.patches if 1.6 < patch.get_path().vertices[0][0] < 4]  # pyright: ignore
        return list(Counter(patch.get_facecolor() for patch in fronts[2::3]).values())

    assert [colours(groups) for groups in (1, 2, 3, 32, 96)] == [[4], [2, 2], [1] * 3, [1] * 4, [1] * 4]


def test_four_groups_have_room_for_their_numbers():
    picture = draw.arithmetic(5, 3, padding=1, groups=4)
    x = integers((5, 5, 4), 1, 4, 1)
    drawn = numbers(picture.figure(0), "group 4: input 5×5")
    np.testing.assert_array_equal(drawn, np.pad(x[..., 3], 1))


def test_a_legend_promises_what_is_drawn():
    def said(picture: Picture) -> set[str]:
        return {text.get_text() for text in picture.figure().axes[0].texts}

    assert "window, with what it multiplies by" in said(draw.arithmetic(5, 3))
    assert "window" in said(draw.arithmetic(30, 3))
    assert "Toeplitz matrix: a colour and a number a tap" in said(draw.matrix(8, 3))
    assert "doubly block Toeplitz matrix: a colour a tap" in said(draw.matrix((9, 9), (2, 2)))


def test_a_block_of_many_channels_has_a_slab_a_group():
    def slabs(groups: int) -> int:
        figure = draw.volumes("grouped", in_channels=64, out_channels=64, groups=groups).figure()
        colours = {patch.get_facecolor() for patch in figure.axes[0].patches}
        assert len(colours) == 3 * min(groups, 8)  # a roof, a wall and a front each
        return len(figure.axes[0].patches)

    assert slabs(2) == 3 * (2 + 4 + 2)  # the input, the filters that are shown, the output


def test_spectrum_is_diagonal():
    figure = draw.spectrum(8, 3).figure()
    matrix, diagonal = (np.asarray(axes.images[0].get_array()) for axes in figure.axes[:2])
    assert matrix.sum() == pytest.approx(8)
    np.testing.assert_allclose(diagonal - np.diag(np.diag(diagonal)), 0, atol=1e-6)
    np.testing.assert_allclose(np.diag(diagonal), np.abs(np.fft.fft(matrix[:, 0])), atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "size"),
    [
        ([jconv.Layer(3), jconv.Layer(3, dilation=2), jconv.Layer(3, dilation=4)], 15),
        ([jconv.Layer(3, stride=2), jconv.Layer(2), jconv.Layer(3)], 9),
        ([{"window": 2, "dilation": 3}], 4),
        ([jconv.Layer(3)] * 5, 11),  # 51² = 2601 ways to the middle
    ],
    ids=["dilated", "strided", "gap", "deep"],
)
def test_receptive_fields_are_the_gradients(layers, size):
    """What the diagram marks in the input, and what coverage counts, is where a gradient reaches."""
    assert jconv.receptive_field(layers).size == size
    coverage = draw.coverage(layers)
    ways = numbers_or_zero(coverage.figure(len(layers) - 1), size)
    points = draw.receptive(layers).figure().axes[0].lines
    marked = next(line for line in points if line.get_gid() == "level 0").get_xdata()
    places = np.rint(np.asarray(marked) - np.min(marked)).astype(int)
    assert sorted(places) == sorted(np.nonzero(ways.any(axis=0))[0])
    levels = [np.asarray(line.get_xdata()) for line in points if str(line.get_gid()).startswith("level")]
    assert len(levels) == len(layers) + 1
    np.testing.assert_allclose([level.mean() for level in levels], levels[0].mean())  # one middle over the other
    kernel = np.ones(1, int)
    jump = 1
    for layer in layers:
        layer = layer if isinstance(layer, jconv.Layer) else jconv.Layer(**layer)
        taps = np.zeros((layer.window - 1) * layer.dilation * jump + 1, int)
        taps[:: layer.dilation * jump] = 1
        kernel, jump = np.convolve(kernel, taps), jump * layer.stride
    np.testing.assert_array_equal(ways, np.outer(kernel, kernel))


def numbers_or_zero(figure: Figure, size: int) -> np.ndarray:
    """Return the counts of a coverage; an empty cell is a zero."""
    ways = np.zeros((size, size), int)
    for text in figure.axes[0].texts:
        if match := re.fullmatch(r"coverage\[(\d+), (\d+)\] value", text.get_gid() or ""):
            ways[int(match[1]), int(match[2])] = int(text.get_text())
    return ways


def test_overlap_is_the_librarys():
    figure = draw.checkerboard(3, 2, size=4).figure()
    heights = [round(bar.get_height()) for bar in figure.axes[0].patches]  # pyright: ignore[reportAttributeAccessIssue]
    assert heights == jconv.overlap(4, 3, stride=2).tolist()
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), jconv.overlap((4, 4), 3, stride=2))


def test_separation_says_what_is_missed():
    kernel = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    assert "misses 81.6 % of it" in draw.separation(kernel).text  # two of three equal singular values: √(2/3)
    whole, nearest, rest = (np.asarray(axes.images[0].get_array()) for axes in draw.separation(kernel).figure().axes)
    np.testing.assert_allclose(whole - nearest, rest, atol=1e-6)
    assert np.linalg.matrix_rank(nearest, tol=1e-5) == 1


def test_volumes_and_budget_count_as_the_library():
    text = draw.volumes("separable", size=8, in_channels=4, out_channels=8).text
    assert "36 parameters, 2,304 multiplications" in text
    assert "32 parameters, 2,048 multiplications" in text
    layers = {"a": jconv.cost((8, 8, 4), (3, 3, 4, 8), padding=1), "b": jconv.cost((8, 8, 8), (1, 1, 8, 2))}
    work, sizes = draw.budget(layers).figure().axes
    bars = [bar.get_width() * 1e6 for bar in work.patches]  # pyright: ignore[reportAttributeAccessIssue]
    assert bars == pytest.approx([cost.multiplications for cost in layers.values()])
    ends = [bar.get_x() + bar.get_width() for bar in sizes.patches[-2:]]  # pyright: ignore[reportAttributeAccessIssue]
    assert ends == pytest.approx([cost.bytes / 2**20 for cost in layers.values()])


def test_budget_draws_the_bytes_of_the_dtype():
    cost = jconv.cost((8, 8, 4), (3, 3, 4, 8), padding=1, dtype="bfloat16")
    picture = draw.budget({"a": cost})
    assert "the most bytes, 2,112," in picture.text  # 2 · (256 + 288 + 512)
    (bar,) = picture.figure().axes[1].patches[-1:]
    assert bar.get_x() + bar.get_width() == pytest.approx(2112 / 2**20)  # pyright: ignore[reportAttributeAccessIssue]


def test_filters_that_are_drawn_are_some_of_all():
    """Of the grouped layer two of each group, by their hatch; the depthwise ones are four."""
    (axes,) = draw.volumes(["grouped", "depthwise"]).figure().axes
    texts = [text.get_text() for text in axes.texts]
    assert "8 filters of 3×3×2" in texts
    assert [text for text in texts if re.fullmatch(r"\d+ of \d+", text)] == ["4 of 8"]
    faces = [patch for patch in axes.patches if isinstance(patch, Polygon)][2::3]  # roof, wall, front
    depths = [4, 2, 2, 2, 2, 8, 4, 1, 1, 1, 1, 4]  # of the blocks; each is drawn from its last channel
    fronts = [faces[end - 1].get_hatch() or "" for end in np.cumsum(depths)]
    assert fronts == ["", "", "", "////", "////", "", "", "", "////", "....", "\\\\\\\\", ""]


def test_every_figure_has_its_options_and_its_words():
    """What the command knows of a figure is what the function takes."""
    renamed = {"input": "input_size"}
    assert set(drawing.FIGURES) == set(SMALL) == set(draw.__all__) - {"Picture", "explanation"}
    for name, entry in drawing.FIGURES.items():
        taken = set(inspect.signature(getattr(draw, name)).parameters)
        options = {renamed.get(option, option) for option in entry.options}
        if name == "budget":
            assert options == {"network", "batch"}
            continue
        assert options - {"pixels"} <= taken, name
        assert taken - options <= {"kernels"}, name


@pytest.mark.parametrize("name", SMALL)
def test_every_figure_is_drawn_light_and_dark(name, tmp_path):
    picture = drawing.draw(name, SMALL[name], Path())
    assert len(picture.text) > 40
    assert picture.size[0] == 6.0
    svg = picture.save(tmp_path / "a.svg").read_text()
    assert svg.startswith('<svg role="img" aria-label="')
    assert picture.save(tmp_path / "dark.svg", dark=True).read_text() != svg
    png = Image.open(picture.save(tmp_path / "a.png", scale=1))
    assert png.width == 600
    assert png.info["Description"] == picture.text
    assert len(np.unique(np.asarray(png.convert("RGB")).reshape(-1, 3), axis=0)) > 5
    assert picture.text.split("<")[0][:20] in picture._repr_html_()


def test_a_gif_has_a_frame_for_each_step(tmp_path):
    picture = draw.arithmetic(3, 2)
    with Image.open(picture.save(tmp_path / "deep" / "a.gif", seconds=0.2, scale=1)) as gif:
        assert gif.n_frames == picture.frames == 4  # pyright: ignore[reportAttributeAccessIssue]
        assert gif.info["comment"].decode().startswith("A window of 2")
    assert (
        picture.save(tmp_path / "0.svg", frame=0).read_text() != picture.save(tmp_path / "3.svg", frame=3).read_text()
    )


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("arithmetic", {"input": 3, "window": 5}, GeometryError, "window must fit the padded input"),
        ("arithmetic", {"input": [4, 4, 4], "window": 2}, UnsupportedError, "1 or 2 space axes to be seen; got 3"),
        ("arithmetic", {"input": 100}, UnsupportedError, "at most 40 to be seen; got an input of 100×100"),
        ("arithmetic", {"axes": "x"}, GeometryError, "axes must be an int, at least 1; got axes='x'"),
        ("matrix", {"axes": [1, 2]}, GeometryError, "axes must be an int, at least 1"),
        ("arithmetic", {"axes": 1, "input": [5, 7]}, GeometryError, "must be 2, as the sizes name them; got axes=1."),
        ("matrix", {"axes": 2, "input": [5]}, GeometryError, "axes must be 1, as the sizes name them; got axes=2"),
        ("arithmetic", {"transposed": "maybe"}, ConfigError, "transposed must be true or false; got 'maybe'"),
        ("arithmetic", {"input": "five"}, GeometryError, "input_size must be an int"),
        ("arithmetic", {"padding_mode": "mirror"}, GeometryError, "padding_mode must be one of"),
        ("arithmetic", {"groups": 9}, UnsupportedError, "at most 4"),
        ("arithmetic", {"output_padding": 1}, UnsupportedError, "must come with transposed=True; got output_padding=1"),
        ("arithmetc", {}, ConfigError, "Did you mean 'arithmetic'?"),
        ("arithmetic", {"strides": 2}, ConfigError, "got --strides. Did you mean 'stride'?"),
        ("matrix", {"kind": "hankel"}, UnsupportedError, "toeplitz, sparse, circulant; got 'hankel'"),
        ("matrix", {"input": 200}, UnsupportedError, "at most 144 rows and columns to be seen; got 198 rows and 200"),
        ("matrix", {"kind": "circulant", "stride": 2}, UnsupportedError, "must have stride 1; got stride=2"),
        ("matrix", {"kind": "circulant", "input": 3, "window": 4}, UnsupportedError, "covers 4 on 3"),
        ("products", {"out_channels": 5}, UnsupportedError, "at most 4, to be seen; got 9 of 4 from 4×4"),
        ("products", {"input": 10**6}, UnsupportedError, "the padded input at most 9×9"),
        ("checkerboard", {"size": 10**6}, UnsupportedError, "outputs must be at most 24 to be seen; got 2000001 from"),
        ("checkerboard", {"pixels": 32}, ConfigError, "pixels must come with a picture; got pixels=32 alone"),
        ("filters", {"pixels": 4}, ConfigError, "pixels from 8 to 1024; got picture='photo', pixels=4"),
        ("receptive", {"layers": [{"windw": 3}]}, GeometryError, "with a window"),
        ("receptive", {"layers": 3}, GeometryError, "must be a sequence of Layers; got 3"),
        ("receptive", {"layers": []}, GeometryError, "at least one"),
        ("budget", {"network": "resnet5"}, ConfigError, "resnet50"),
        ("filters", {"picture": "none.png"}, ConfigError, "an image file that exists"),
        ("separation", {"kernel": [[1, 2], [3]]}, ConfigError, "rows of numbers of one length"),
        ("volumes", {"kinds": "dens"}, UnsupportedError, "Did you mean 'dense'?"),
        ("spectrum", {"size": 99}, UnsupportedError, "at most 32"),
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_said(name, options, error, words):
    with pytest.raises(error, match=re.escape(words)):
        drawing.draw(name, options, Path())


def test_a_step_that_is_none_is_said(tmp_path):
    with pytest.raises(UnsupportedError, match=r"frame must be in 0 … 5; got 6"):
        draw.flip(3).save(tmp_path / "a.svg", frame=6)


def test_a_wrong_suffix_is_said(tmp_path):
    with pytest.raises(UnsupportedError, match=r"must end in one of \.svg, \.png, \.gif; got 'a\.jpg'"):
        draw.flip(3).save(tmp_path / "a.jpg")


def test_records_hold_the_words(tmp_path):
    config = {
        "schema_version": 1, "kind": "gallery", "name": "small", "themes": ["light"], "seconds": 0.1,
        "figures": [
            {"name": "steps", "figure": "arithmetic", "options": {"input": 3, "window": 2}},
            {"name": "one", "figure": "spectrum", "options": {"size": 4}},
        ],
    }  # fmt: skip
    results = jconv.lab.run(config, out=tmp_path / "run")
    lines = [json.loads(line) for line in (results.folder / "results.jsonl").read_text().splitlines()]
    assert [(line["layer"], line["status"], line["picture"]) for line in lines] == [
        ("steps", "ok", "pictures/steps.light.gif"),
        ("one", "ok", "pictures/one.light.svg"),
    ]
    assert (results.folder / lines[0]["picture"]).read_bytes()[:3] == b"GIF"
    report = (results.folder / "report.html").read_text()
    assert lines[0]["text"].split(":")[0] in report
    assert "data:image/gif;base64," in report


def test_a_gallery_of_one_theme_is_shown_in_it(tmp_path):
    config = {
        "schema_version": 1, "kind": "gallery", "name": "night", "themes": ["dark"],
        "figures": [{"name": "one", "figure": "spectrum", "options": {"size": 4}}],
    }  # fmt: skip
    report = (jconv.lab.run(config, out=tmp_path / "run").folder / "report.html").read_text()
    assert "The circulant matrix C of the blur 1 2 1 / 4" in report
    assert report.count("data:image/svg+xml;base64,") == 1
