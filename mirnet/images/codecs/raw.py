"""Camera raw files (DNG, NEF, CR2, CR3, ARW, RAF, ORF, RW2 and others), developed by LibRaw.

The camera's white balance, sRGB primaries and curve, 16 bits, no brightening: the exposure is that
of the camera. LibRaw turns the picture upright itself.
"""

import io
from typing import BinaryIO

from PIL import Image

from mirnet.errors import ImageRejected

from ..metadata import Metadata, exif_of_image
from ..raster import Raster, check_size

_SRGB_CURVE = (2.4, 12.92)
"""Exponent and slope of the linear part: IEC 61966-2-1."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Develop a raw file.

    Raises:
        ImageRejected: The file has too many pixels, or LibRaw cannot read it.
    """
    import rawpy

    stream.seek(0)
    try:
        with rawpy.imread(stream) as raw:
            check_size(label, raw.sizes.width, raw.sizes.height, max_pixels)
            exif = _exif(raw)
            samples = raw.postprocess(
                use_camera_wb=True,
                output_color=rawpy.ColorSpace.sRGB,
                output_bps=16,
                gamma=_SRGB_CURVE,
                no_auto_bright=True,
            )
    except (rawpy.LibRawError, rawpy.NotSupportedError, ValueError) as error:
        if isinstance(error, ImageRejected):
            raise
        raise ImageRejected(
            f"{label} is a camera raw file that LibRaw cannot read: develop it in a raw converter "
            "and save it as a 16-bit TIFF or PNG, or take the JPEG preview inside it."
        ) from error
    return Raster(samples, Metadata(exif=exif), "RAW", orientation=1)


def _exif(raw) -> bytes | None:  # noqa: ANN001
    """EXIF of the preview embedded in the file; None without one."""
    import rawpy

    try:
        preview = raw.extract_thumb()
        if preview.format != rawpy.ThumbFormat.JPEG:
            return None
        with Image.open(io.BytesIO(preview.data), formats=["JPEG"]) as image:
            return exif_of_image(image)
    except Exception:  # a damaged preview does not make the photo unreadable
        return None
