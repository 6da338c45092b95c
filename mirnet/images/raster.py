"""`Raster`: samples and metadata as decoded, and the limit on the number of pixels."""

from typing import NamedTuple

import numpy as np

from mirnet.errors import ImageRejected

from .metadata import Metadata


class TooLarge(ImageRejected):
    """A picture has more pixels than accepted; raised before any is decoded."""

    def __init__(self, words: str, width: int, height: int):
        super().__init__(words)
        self.width, self.height = width, height


class Raster(NamedTuple):
    """Samples as stored in the file, before orientation, with unchecked metadata."""

    samples: np.ndarray
    """(H, W, C) uint8, uint16 or float32; C is 1 grey, 2 grey+alpha, 3 RGB, 4 RGB+alpha."""
    metadata: Metadata
    """Metadata of the file, unchecked."""
    source_format: str | None
    """Name of the file format, such as "JPEG"; None for arrays."""
    orientation: int | None = None
    """EXIF orientation (1 to 8) still to be applied; None uses that of the EXIF block."""
    notes: tuple[str, ...] = ()
    """Sentences about parts of the file that were left out or changed."""


def check_size(label: str, width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture without pixels or with more than ``max_pixels``.

    Raises:
        ImageRejected: The picture has no pixels.
        TooLarge: The picture has more than `max_pixels`.
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
    """Make a raster of an array; `array_samples` lists accepted shapes and types.

    Raises:
        ImageRejected: Shape, type or values are not accepted, or there are too many pixels.
    """
    if array.ndim >= 2:
        check_size("The array", array.shape[1], array.shape[0], max_pixels)
    return Raster(array_samples(array, "The array"), Metadata(), None)


def array_samples(array: np.ndarray, label: str) -> np.ndarray:
    """Convert an array to (H, W, C) uint8, uint16 or float32, C = 1 to 4; always a copy.

    Args:
        array: (H, W) or (H, W, 1 | 2 | 3 | 4) of bool, uint8, uint16, or floating point in [0, 1].

    Raises:
        ImageRejected: Shape, type or values are not accepted.
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
