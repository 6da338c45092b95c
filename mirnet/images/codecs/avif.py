"""AVIF: read by Pillow, at 8 bits."""

from typing import BinaryIO

from PIL import AvifImagePlugin

from ..limits import check_hidden_exif
from ..raster import Raster
from .pillow import still_raster


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode an AVIF file to 8 bits; Pillow reduces 10 and 12 bits, and reads EXIF on opening."""
    check_hidden_exif(stream)
    return still_raster(AvifImagePlugin.AvifImageFile(stream), label, max_pixels, "AVIF")
