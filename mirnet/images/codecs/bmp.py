"""BMP: read by Pillow."""

from typing import BinaryIO

from PIL import BmpImagePlugin

from ..limits import check_bmp
from ..raster import Raster
from .pillow import still_raster


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a BMP file.

    Raises:
        ImageRejected: The picture has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    check_bmp(stream)
    return still_raster(BmpImagePlugin.BmpImageFile(stream), label, max_pixels, "BMP")
