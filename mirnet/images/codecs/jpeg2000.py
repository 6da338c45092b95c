"""JPEG 2000: read by Pillow (OpenJPEG), metadata from the boxes of the file."""

from typing import BinaryIO

from PIL import Jpeg2KImagePlugin

from ..exif import PREFIX
from ..metadata import Metadata, iptc_of_resources
from ..raster import Raster
from .boxes import boxes_in
from .pillow import still_raster

_EXIF = b"JpgTiffExif->JP2"
_IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""Identifiers at the start of a "uuid" box; XMP's is that of XMP part 3, section 1.1.4."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a JPEG 2000 file or code stream; grey keeps 16 bits, colour has 8.

    Raises:
        ImageRejected: The picture has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    raster = still_raster(Jpeg2KImagePlugin.Jpeg2KImageFile(stream), label, max_pixels, "JPEG 2000")
    stream.seek(0)
    return raster._replace(metadata=_with_boxes(raster.metadata, stream.read()))


def _with_boxes(metadata: Metadata, data: bytes) -> Metadata:
    """Add EXIF, XMP and IPTC of the boxes of a file; those behind a damaged box are left out."""
    found: dict[bytes, bytes] = {}
    try:
        for name, content in boxes_in(data):
            if name == b"uuid":
                found.setdefault(content[:16], content[16:])
    except ValueError:
        pass
    block, iptc = found.get(_EXIF), found.get(_IPTC)
    return metadata._replace(
        exif=PREFIX + block.removeprefix(PREFIX) if block else metadata.exif,
        xmp=found.get(_XMP) or metadata.xmp,
        iptc=iptc_of_resources(iptc) if iptc else metadata.iptc,
    )
