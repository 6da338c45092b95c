"""Camera raw files (DNG, NEF, CR2, CR3, ARW, RAF, ORF, RW2 and others), developed by LibRaw.

The camera's white balance, sRGB primaries and curve, 16 bits, no brightening: the exposure is that
of the camera. LibRaw turns the picture upright itself, in a process of its own (`raw_process`).
"""

from typing import BinaryIO

from mirnet.errors import ImageRejected

from ..metadata import Metadata
from ..raster import Raster, check_size
from .raw_process import Unreadable, develop_apart


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Develop a raw file.

    Raises:
        ImageRejected: The file has too many pixels, or LibRaw cannot read it.
    """
    stream.seek(0)
    try:
        made = develop_apart(stream.read(), max_pixels)
    except Unreadable as error:
        raise ImageRejected(
            f"{label} is a camera raw file that LibRaw cannot read: develop it in a raw converter "
            "and save it as a 16-bit TIFF or PNG, or take the JPEG preview inside it."
        ) from error
    check_size(label, made.width, made.height, max_pixels)
    if made.samples is None:  # check_size has raised
        raise AssertionError("a raw file within the limit was not developed")
    return Raster(made.samples, Metadata(exif=made.exif), "RAW", orientation=1)
