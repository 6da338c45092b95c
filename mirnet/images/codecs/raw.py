"""Camera raw files (DNG, NEF, CR2, CR3, ARW, RAF, ORF, RW2 and others), developed by LibRaw.

The camera's white balance, sRGB primaries and curve, 16 bits, no brightening: the exposure is that
of the camera. LibRaw turns the picture upright itself, in a process of its own (`raw_process`). Of
a file that it opens and cannot develop (JPEG XL in DNG), a large enough preview is used instead.
"""

import io
from typing import BinaryIO

from mirnet.errors import ImageRejected

from ..exif import orientation_of
from ..metadata import Metadata
from ..raster import Raster, check_size
from . import jpeg
from .raw_process import Developed, Unreadable, develop_apart


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Develop a raw file.

    Raises:
        ImageRejected: The file has too many pixels or is cut off, or LibRaw cannot read it.
    """
    stream.seek(0)
    try:
        made = develop_apart(stream.read(), max_pixels)
    except Unreadable as error:
        raise ImageRejected(_cannot_be_read(label)) from error
    check_size(label, made.width, made.height, max_pixels)
    if made.preview is not None:
        return _preview(made, label, max_pixels)
    if made.cut_off:
        raise ImageRejected(_is_cut_off(label))
    if made.samples is None:  # check_size has raised
        raise AssertionError("a raw file within the limit was not developed")
    return Raster(made.samples, Metadata(exif=made.exif), "RAW", orientation=1)


def _cannot_be_read(label: str) -> str:
    return (
        f"{label} is a camera raw file that LibRaw cannot read, as it is damaged or of a kind that "
        "LibRaw does not know: copy it again, or develop it in a raw converter and save it as a "
        "16-bit TIFF or PNG."
    )


def _is_cut_off(label: str) -> str:
    return f"{label} is cut off: copy it from the camera or download it again."


def _preview(made: Developed, label: str, max_pixels: int) -> Raster:
    """Decode the preview in place of the sensor's values.

    Raises:
        ImageRejected: The preview is damaged or small.
    """
    assert made.preview is not None
    try:
        raster = jpeg.read(io.BytesIO(made.preview), label, max_pixels)
    except ImageRejected:
        raise
    except Exception as error:  # decoders of foreign bytes raise nearly every type
        raise ImageRejected(_cannot_be_read(label)) from error
    height, width = raster.samples.shape[:2]
    small = 2 * max(width, height) < max(made.width, made.height)
    if small and made.cut_off:
        raise ImageRejected(_is_cut_off(label))
    if small:
        raise ImageRejected(
            f"{label} is a camera raw file that LibRaw cannot read, and its preview is small "
            f"({width} x {height}): develop it in a raw converter and save it as a 16-bit TIFF or "
            "PNG."
        )
    why = "is cut off" if made.cut_off else "LibRaw cannot develop"
    note = (
        f"{label} is a camera raw file that {why}: its JPEG preview, {width} x "
        f"{height} of 8 bits, is used."
    )
    own = raster.metadata.exif
    return raster._replace(
        metadata=raster.metadata._replace(exif=own or made.exif),
        source_format="RAW",
        orientation=orientation_of(own) or made.flip,
        notes=(note, *raster.notes),
    )
