"""JPEG 2000: read by Pillow (OpenJPEG)."""

from typing import BinaryIO

from PIL import Jpeg2KImagePlugin

from ..raster import Raster
from .pillow import still_raster


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a JPEG 2000 file or code stream; grey keeps 16 bits, colour has 8.

    Raises:
        ImageRejected: The picture has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    return still_raster(Jpeg2KImagePlugin.Jpeg2KImageFile(stream), label, max_pixels, "JPEG 2000")
