"""WebP: read and written by Pillow."""

from typing import BinaryIO

import numpy as np
from PIL import Image, WebPImagePlugin

from ..exif import of_resolution
from ..formats import EncoderSettings
from ..metadata import Metadata
from ..raster import Raster, check_size
from .pillow import save, still_raster, to_srgb


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a WebP file; its canvas is checked first, because opening it already allocates it.

    Raises:
        ImageRejected: The picture is animated or has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    head = stream.read(32)
    if head[12:16] == b"VP8X":  # RFC 9649, section 2.7.1: 24-bit fields, minus one
        width = int.from_bytes(head[24:27], "little") + 1
        height = int.from_bytes(head[27:30], "little") + 1
        check_size(label, width, height, max_pixels)
    stream.seek(0)
    return still_raster(WebPImagePlugin.WebPImageFile(stream), label, max_pixels, "WebP")


def write(samples: np.ndarray, metadata: Metadata, settings: EncoderSettings) -> bytes:
    """Encode (H, W, 1 | 2 | 3 | 4) uint8 as WebP; lossless at quality 100.

    WebP has no grey: a grey picture with a profile is converted to sRGB. Without EXIF of the
    picture, its print resolution is written as EXIF.
    """
    block = metadata.exif
    if block is None and metadata.dpi:
        block = of_resolution(metadata.dpi)
    if samples.shape[2] < 3:
        image = Image.fromarray(samples[..., 0])
        if metadata.icc_profile:
            image, profile = to_srgb(image, metadata.icc_profile)
            metadata = metadata._replace(icc_profile=profile)
        samples = np.concatenate([np.asarray(image.convert("RGB")), samples[..., 1:]], axis=2)
    return save(
        samples,
        "WEBP",
        quality=settings.quality,
        lossless=settings.quality == 100,
        exact=True,
        icc_profile=metadata.icc_profile,
        exif=block,
        xmp=metadata.xmp,
    )
