"""AVIF: 8 bits read by Pillow, 10 and 12 bits by imagecodecs (both use libavif)."""

import io
from typing import BinaryIO

import numpy as np
from PIL import AvifImagePlugin

from mirnet.errors import ImageRejected

from ..cicp import in_space
from ..formats import animation, without_gain_map
from ..limits import check_hidden_exif
from ..metadata import metadata_of
from ..raster import Raster, check_size
from .pillow import still_raster

_HEAD_BYTES = 1 << 16
"""Length of the part of a file in which its boxes are looked through."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode an AVIF file at its depth; 10 and 12 bits become 16.

    Raises:
        ImageRejected: The picture is animated or has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    check_hidden_exif(stream)
    data = stream.read()
    image = AvifImagePlugin.AvifImageFile(io.BytesIO(data))
    bits = _bits(data)
    if bits == 8:
        raster = still_raster(image, label, max_pixels, "AVIF")
    else:
        check_size(label, *image.size, max_pixels)
        if getattr(image, "n_frames", 1) > 1:
            raise ImageRejected(animation(label, image.n_frames))
        raster = Raster(_deep_samples(data, bits, image.size), metadata_of(image), "AVIF")
    if data.find(b"tmap", 0, _HEAD_BYTES) >= 0:  # type of item and brand of ISO 21496-1
        raster = raster._replace(notes=(*raster.notes, without_gain_map(label)))
    at = data.find(b"colrnclx")
    if raster.metadata.icc_profile or at < 0 or at + 12 > len(data):
        return raster
    primaries, transfer = (int.from_bytes(data[at + i : at + i + 2], "big") for i in (8, 10))
    return in_space(raster, primaries, transfer, label)


def _bits(data: bytes) -> int:
    """Bits per sample, from the configuration box (AV1-ISOBMFF, section 2.3.3)."""
    at = data.find(b"av1C")
    if at < 0 or at + 7 > len(data) or not data[at + 6] & 0x40:
        return 8
    return 12 if data[at + 6] & 0x20 else 10


def _deep_samples(data: bytes, bits: int, size: tuple[int, int]) -> np.ndarray:
    """Decode to (H, W, C) uint16, full range (0 to 65535).

    Raises:
        ValueError: Depth or size of the samples differ from the header.
    """
    import imagecodecs

    samples = imagecodecs.avif_decode(data)
    if samples.ndim == 2:
        samples = samples[..., None]
    most = (1 << bits) - 1
    if samples.dtype != np.uint16 or samples.shape[:2] != size[::-1] or samples.max() > most:
        raise ValueError("another depth or size than said")
    scale = (np.arange(most + 1, dtype=np.uint32) * 65535 + most // 2) // most
    return scale.astype(np.uint16)[samples]
