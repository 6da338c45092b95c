"""What codecs hand over: `Raster` when reading, samples with `Metadata` when writing."""

from typing import NamedTuple

import numpy as np

from mirnet.errors import ImageRejected

from ..limits import check_size


class Raster(NamedTuple):
    """What a decoder returns: samples as stored in the file, before orientation."""

    samples: np.ndarray
    """(H, W, C) uint8, uint16 or float32; C is 1 grey, 2 grey+alpha, 3 RGB, 4 RGB+alpha."""
    icc_profile: bytes | None
    """Embedded profile, unchecked."""
    exif: bytes | None
    """EXIF block, unchecked, with or without its ``Exif\\0\\0`` prefix."""
    orientation: int | None
    """EXIF orientation still to be applied; None: the one that the EXIF block names."""
    source_format: str | None
    """Name of the file format, such as "JPEG"; None for arrays."""


class Metadata(NamedTuple):
    """What is written into a file besides samples."""

    icc_profile: bytes | None
    """Colour profile; its colour space fits the samples."""
    exif: bytes | None
    """EXIF block with its ``Exif\\0\\0`` prefix."""


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
