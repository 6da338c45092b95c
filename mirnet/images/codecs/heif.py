"""HEIC: read by pillow-heif (libheif) at its full depth."""

from typing import Any, BinaryIO

import numpy as np

from ..cicp import in_space
from ..formats import without_gain_map
from ..metadata import Metadata
from ..raster import Raster, check_size

_GAIN_MAPS = (b"urn:com:apple:photo:2020:aux:hdrgainmap", b"tmap")
"""Announcements of an HDR gain map in a file's boxes: Apple's type of an auxiliary picture, and the
type of item and brand of ISO 21496-1."""
_HEAD_BYTES = 1 << 16
"""Length of the part of a file in which its boxes are looked through."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode the primary picture; 10 and 12 bits become 16. libheif applies the rotation itself.

    Raises:
        ImageRejected: The picture has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    import pillow_heif  # loads libheif, which few photos need

    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    container = pillow_heif.open_heif(stream, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    picture = container[container.primary_index]
    info: dict[str, Any] = dict(picture.info)
    check_size(label, *picture.size, max_pixels)
    samples = np.array(picture)
    if samples.dtype == np.uint16:
        most = (1 << info["bit_depth"]) - 1
        scale = (np.arange(most + 1, dtype=np.uint32) * 65535 + most // 2) // most
        samples = scale.astype(np.uint16)[np.minimum(samples, most)]
    if samples.ndim == 2:
        samples = samples[..., None]
    found = Metadata(info.get("icc_profile"), info.get("exif"), info.get("xmp"))
    has_gain_map = any(name in head for name in _GAIN_MAPS)
    notes = (without_gain_map(label),) if has_gain_map else ()
    raster = Raster(samples, found, "HEIC", orientation=1, notes=notes)
    nclx = info.get("nclx_profile")
    if found.icc_profile or not isinstance(nclx, dict):
        return raster
    primaries, transfer = (
        int(nclx.get(name, 2)) for name in ("color_primaries", "transfer_characteristics")
    )
    return in_space(raster, primaries, transfer, label)
