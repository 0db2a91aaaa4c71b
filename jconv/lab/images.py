"""A photograph in, small pictures out. No JAX here."""

from pathlib import Path

import matplotlib.cbook
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jconv.errors import ConfigError
from jconv.lab.document import is_file

PHOTO = "photo"
HEADROOM = 0.15
"""Where the square is cut from a picture taller than wide, as a share of the rest above it: portraits have heads."""


def photograph(source: str, folder: Path, size: int) -> np.ndarray:
    """Read an image, cut its square out and shrink it.

    Args:
        source: `photo` for the portrait of Grace Hopper that matplotlib ships, or an image file.
        folder: What a relative path is relative to.
        size: The side in pixels.

    Returns:
        The picture, `[size, size, 3]`, float32 between 0 and 1.

    Raises:
        ConfigError: If it is no image, or a smaller one.
    """
    path = Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    if source != PHOTO:
        path = folder / Path(source).expanduser()
    if not is_file(path):
        raise ConfigError(
            f"jconv: input must be an image file that exists, or '{PHOTO}'; got {source!r}, looked for as {path}. "
            "Paths are relative to the config."
        )
    try:
        with Image.open(path) as image:
            picture = ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        raise ConfigError(
            f"jconv: input must be an image that can be read, such as a PNG or JPEG; got {path}, which is none."
        ) from None
    if min(picture.size) < size:
        raise ConfigError(
            f"jconv: input must be at least {size} pixels wide and high; got {path}, {picture.width} by "
            f"{picture.height}. Take a larger picture, or a smaller 'size'."
        )
    picture = ImageOps.fit(picture, (size, size), Image.Resampling.BOX, centering=(0.5, HEADROOM))
    return np.asarray(picture, dtype=np.float32) / np.float32(255)


def grey(picture: np.ndarray) -> np.ndarray:
    """Return the luminance (Rec. 601) of `[height, width, 3]` as `[height, width]`, float32."""
    return (picture @ np.array([0.299, 0.587, 0.114])).astype(np.float32)


def write_picture(path: Path, values: np.ndarray, limit: float | None = None) -> None:
    """Write an array as a PNG.

    Args:
        path: The file.
        values: `[height, width]` or `[height, width, 3]`.
        limit: None if the values lie between 0 and 1; else −limit is black, 0 grey and limit white.
    """
    scaled = values if limit is None else 0.5 + 0.5 * values / (limit or 1.0)
    # A picture of NaNs is shown black; its case is a mismatch all the same.
    pixels = np.rint(255 * np.clip(np.nan_to_num(scaled, nan=0.0), 0, 1)).astype(np.uint8)
    Image.fromarray(pixels).save(path, optimize=True)
