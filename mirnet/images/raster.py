"""`Raster`: samples and metadata as codecs hand them over, and the limit on their number."""

from typing import NamedTuple

import numpy as np

from mirnet.errors import ImageRejected

from .metadata import Metadata

MAX_PIXELS = 100_000_000
"""Most pixels that are read unless told otherwise: 100 megapixels."""


class TooLarge(ImageRejected):
    """A picture has more pixels than accepted; found before any is decoded."""

    def __init__(self, words: str, width: int, height: int):
        super().__init__(words)
        self.width, self.height = width, height


class Raster(NamedTuple):
    """What a decoder returns: samples as stored in the file, before orientation."""

    samples: np.ndarray
    """(H, W, C) uint8, uint16 or float32; C is 1 grey, 2 grey+alpha, 3 RGB, 4 RGB+alpha."""
    metadata: Metadata
    """What the file says besides, unchecked."""
    source_format: str | None
    """Name of the file format, such as "JPEG"; None for arrays."""
    orientation: int | None = None
    """EXIF orientation still to be applied; None: the one that the EXIF block names."""
    notes: tuple[str, ...] = ()
    """Sentences about what of the file was left out or changed."""


def check_size(label: str, width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture without pixels or with more than ``max_pixels``.

    Raises:
        ImageRejected: With the size, the limit and the way out; `TooLarge` for too many pixels.
    """
    if width < 1 or height < 1:
        raise ImageRejected(
            f"{label} has no pixels ({width} x {height}): choose a picture of at least 1 x 1 pixel."
        )
    if width * height > max_pixels:
        raise TooLarge(
            f"{label} has {width * height / 1e6:.4g} megapixels ({width} x {height}), more than "
            f"the limit of {max_pixels / 1e6:.4g}: crop or downscale it, or raise max_pixels.",
            width,
            height,
        )


def array_raster(array: np.ndarray, max_pixels: int) -> Raster:
    """Make a raster of an array that a program gives; see `array_samples` for what it may be.

    Raises:
        ImageRejected: For other shapes, types, values, or more than `max_pixels`.
    """
    if array.ndim >= 2:
        check_size("The array", array.shape[1], array.shape[0], max_pixels)
    return Raster(array_samples(array, "The array"), Metadata(), None)


def array_samples(array: np.ndarray, label: str) -> np.ndarray:
    """Bring an array into (H, W, C) uint8, uint16 or float32, C = 1 to 4; always a copy.

    Args:
        array: (H, W) or (H, W, 1 | 2 | 3 | 4) of bool, uint8, uint16, or floating point in [0, 1].
        label: The name used in messages.

    Raises:
        ImageRejected: For other shapes, types or values.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise ImageRejected(
            f"{label} has shape {array.shape}: give (height, width) or (height, width, channels) "
            "with 1 to 4 channels."
        )
    check_size(label, array.shape[1], array.shape[0], array.shape[0] * array.shape[1])
    if array.ndim == 2:
        array = array[..., None]
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.type in (np.uint8, np.uint16):
        return array.astype(array.dtype.type, order="C")
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageRejected(
            f"{label} holds {array.dtype} values: convert it to uint8, uint16, or float in [0, 1]."
        )
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 1):  # false for NaN, too
        raise ImageRejected(
            f"{label} holds values from {low:.4g} to {high:.4g}: scale floating-point pictures to "
            "[0, 1] without NaN."
        )
    return array.astype(np.float32, order="C")
