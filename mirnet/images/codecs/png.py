"""PNG: 8 bits by Pillow, 16 bits by imagecodecs (libpng), which Pillow would reduce."""

import struct
import zlib
from typing import BinaryIO

import numpy as np
from PIL import PngImagePlugin

from mirnet.errors import ImageRejected

from .. import metadata as exif
from ..formats import animation
from ..limits import check_png
from ..raster import Metadata, Raster, check_size
from .pillow import save, still_raster

_DEFLATE_LEVEL = 3
"""16-bit photos are mostly noise in the low byte: a higher level costs time and saves 1 %."""
_HEADER_BYTES = 33
"""Signature and IHDR chunk, behind which others may stand."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a PNG file at its depth."""
    depth, colour_type = stream.read(26)[24:]
    check_png(stream)
    image = PngImagePlugin.PngImageFile(stream)
    if depth != 16:
        return still_raster(image, label, max_pixels, "PNG")
    import imagecodecs

    check_size(label, *image.size, max_pixels)
    if getattr(image, "n_frames", 1) > 1:
        raise ImageRejected(animation(label, image.n_frames))
    stream.seek(0)
    data = stream.read()
    block = _exif(data) or image.info.get("exif")
    samples = imagecodecs.png_decode(data)
    if samples.dtype != np.uint16:
        raise ValueError("not 16 bits")
    if samples.ndim == 2:
        samples = samples[..., None]
    key = image.info.get("transparency")
    if colour_type == 0 and isinstance(key, int) and samples.shape[2] == 1:
        opaque = np.where(samples == key, 0, 65535).astype(np.uint16)
        samples = np.concatenate([samples, opaque], axis=2)
    return Raster(samples, image.info.get("icc_profile"), block, None, "PNG")


def _exif(data: bytes) -> bytes | None:
    """Find the EXIF chunk of a PNG file, also behind the pixels, and check that the file is whole.

    Raises:
        ValueError: If the chunks do not lead to the end.
    """
    exif_chunk = None
    position, name = 8, b""
    while name != b"IEND":
        length = int.from_bytes(data[position : position + 4], "big")
        name = data[position + 4 : position + 8]
        if position + 12 + length > len(data):
            raise ValueError("chunk behind the end of the file")
        if name == b"eXIf":
            exif_chunk = data[position + 8 : position + 8 + length]
        position += 12 + length
    return exif_chunk


def write(samples: np.ndarray, metadata: Metadata, quality: int) -> bytes:  # noqa: ARG001
    """Encode (H, W, 1 | 2 | 3 | 4) uint8 or uint16 as PNG, exactly; `quality` does not matter."""
    if samples.dtype == np.uint8:
        return save(samples, "PNG", metadata)
    import imagecodecs

    # The left neighbour's difference deflates photographs as well as the adaptive choice.
    filters = imagecodecs.PNG.FILTER.SUB
    data = imagecodecs.png_encode(samples, level=_DEFLATE_LEVEL, filter=filters)
    chunks = b""
    if metadata.icc_profile:
        chunks += _chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc_profile))
    if metadata.exif:
        chunks += _chunk(b"eXIf", metadata.exif.removeprefix(exif.PREFIX))
    return b"".join([data[:_HEADER_BYTES], chunks, data[_HEADER_BYTES:]])


def _chunk(name: bytes, body: bytes) -> bytes:
    """Lay out a chunk (W3C PNG, third edition, section 5.3)."""
    checksum = zlib.crc32(body, zlib.crc32(name))
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)
