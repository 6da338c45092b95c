"""BMP: read by Pillow, except bit fields, of which Pillow knows a few."""

import struct
from typing import BinaryIO

import numpy as np
from PIL import BmpImagePlugin

from ..limits import check_bmp
from ..metadata import Metadata
from ..picture import BAND_ROWS
from ..raster import Raster, check_size
from .pillow import still_raster

_BIT_FIELDS = (3, 6)
"""Compression methods BI_BITFIELDS and BI_ALPHABITFIELDS."""
_MASKS = 54
"""Position of the masks in the file, in bytes: behind a header of 40 bytes, or inside a longer."""
_WITH_ALPHA_BYTES = 56
"""Shortest header with a mask of alpha."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a BMP file.

    Raises:
        ImageRejected: The picture has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    check_bmp(stream)
    head = stream.read(_MASKS + 16)
    stream.seek(0)
    bits, method = struct.unpack_from("<HI", head, 28)
    if method in _BIT_FIELDS and bits in (16, 32):
        return _bit_fields(stream, head, label, max_pixels)
    return still_raster(BmpImagePlugin.BmpImageFile(stream), label, max_pixels, "BMP")


def _bit_fields(stream: BinaryIO, head: bytes, label: str, max_pixels: int) -> Raster:
    """Decode pixels of 16 or 32 bits whose header says where red, green, blue and alpha lie."""
    start, header_bytes, width, height = struct.unpack_from("<10xIIii", head)
    bits, method, across, down = struct.unpack_from("<HI4xii", head, 28)
    check_size(label, width, abs(height), max_pixels)
    has_alpha = method == 6 or header_bytes >= _WITH_ALPHA_BYTES
    masks = struct.unpack_from("<4I" if has_alpha else "<3I", head, _MASKS)
    if not all(masks[:3]) or max(masks) >> bits:
        raise ValueError("masks that are none")
    masks = masks if masks[-1] else masks[:3]
    stream.seek(start)
    row_bytes = (width * bits + 31) // 32 * 4
    rows = np.frombuffer(stream.read(row_bytes * abs(height)), np.uint8)
    words = rows.reshape(abs(height), row_bytes)[:, : width * bits // 8].copy()
    words = words.view("<u2" if bits == 16 else "<u4")
    if height > 0:  # bottom up
        words = words[::-1]
    shifts = [(mask & -mask).bit_length() - 1 for mask in masks]
    highest = [mask >> shift for mask, shift in zip(masks, shifts, strict=True)]
    deep = max(highest) > 255
    most = 65535 if deep else 255
    samples = np.empty((*words.shape, len(masks)), np.uint16 if deep else np.uint8)
    for top in range(0, words.shape[0], BAND_ROWS):
        band = words[top : top + BAND_ROWS].astype(np.uint64)
        for channel, (mask, shift, high) in enumerate(zip(masks, shifts, highest, strict=True)):
            values = (band & np.uint64(mask)) >> np.uint64(shift)
            samples[top : top + BAND_ROWS, :, channel] = (values * most + high // 2) // high
    if len(masks) == 4 and not samples[..., 3].any():  # a mask of alpha that nothing was put in
        samples = samples[..., :3]
    dpi = (across * 0.0254, down * 0.0254) if across > 0 and down > 0 else None
    return Raster(samples, Metadata(dpi=dpi), "BMP")
