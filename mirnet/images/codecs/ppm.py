"""Portable anymaps (PBM, PGM, PPM): read by Pillow, except 16-bit colour, which Pillow reduces."""

import re
from typing import BinaryIO

import numpy as np
from PIL import PpmImagePlugin

from ..metadata import Metadata
from ..raster import Raster, check_size
from .pillow import still_raster

_DEEP = re.compile(rb"P6(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s")


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a portable anymap at its depth.

    Raises:
        ImageRejected: The picture has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    head = _DEEP.match(stream.read(512))
    if head is None or not 255 < int(head[3]) < 65536:
        stream.seek(0)
        return still_raster(PpmImagePlugin.PpmImageFile(stream), label, max_pixels, "PPM")
    width, height, most = (int(number) for number in head.groups())
    check_size(label, width, height, max_pixels)
    stream.seek(head.end())
    samples = np.frombuffer(stream.read(6 * width * height), ">u2").reshape(height, width, 3)
    scale = (np.arange(65536, dtype=np.uint64) * 65535 + most // 2) // most
    return Raster(np.minimum(scale, 65535).astype(np.uint16)[samples], Metadata(), "PPM")
