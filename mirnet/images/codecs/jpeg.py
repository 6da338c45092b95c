"""JPEG: read and written by Pillow (libjpeg-turbo)."""

import logging
from typing import BinaryIO

import numpy as np
from PIL import JpegImagePlugin

from ..limits import check_jpeg
from ..raster import Metadata, Raster
from .pillow import save, still_raster

logger = logging.getLogger(__name__)

_MAX_EXIF_BYTES = 65_533
"""Most bytes of EXIF that one APP1 segment of a JPEG file holds."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a JPEG file; of a phone's MPO file this is the first, full-size frame."""
    modest = check_jpeg(stream)
    return still_raster(JpegImagePlugin.JpegImageFile(modest), label, max_pixels, "JPEG")


def write(samples: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """Encode (H, W, 1 | 3) uint8 as JPEG; full colour resolution from quality 90 on."""
    if metadata.exif and len(metadata.exif) > _MAX_EXIF_BYTES:
        logger.warning("%d bytes of EXIF do not fit into a JPEG: left out", len(metadata.exif))
        metadata = metadata._replace(exif=None)
    subsampling = 0 if quality >= 90 else 2
    return save(samples, "JPEG", metadata, quality=quality, subsampling=subsampling)
