"""Sizes that coded strips and tiles of a TIFF file announce, compared before they are decoded.

A strip may hold a whole JPEG, JPEG 2000, JPEG XL, JPEG XR, LERC, PNG or WebP picture. Its decoder
allocates the size in that picture's own header, whatever the page says. Compressions without such a
header are not concerned: tifffile gives their decoders the number of bytes to make.
"""

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import jpeg, jpegxl

if TYPE_CHECKING:
    from tifffile import TiffPage

_MAX_COMPONENTS = 8
"""Most components of a JPEG 2000 picture in a strip: four colours and four further channels."""


def check_segments(page: "TiffPage") -> None:
    """Compare the picture in each coded strip or tile of a page with the strip or tile.

    Raises:
        ValueError: One is wider or higher than its strip or tile, or announces no size.
    """
    import tifffile

    compression = int(page.compression)
    sizes_of = _SIZES.get(compression)
    if sizes_of is None:
        if compression in tifffile.TIFF.IMAGE_COMPRESSIONS:
            raise ValueError("a coding whose size is not known before it is decoded")
        return
    if page.jpegheader is not None:  # NDPI: one JPEG that tifffile takes for tiles
        raise ValueError("a JPEG in tiles that are none")
    width = page.tilewidth if page.is_tiled else page.imagewidth
    height = page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
    file = page.parent.filehandle
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        sizes = sizes_of(file.read(length))
        fit = [0 < across <= width and 0 < down <= height for across, down in sizes]
        if not fit or not all(fit):
            raise ValueError("a picture beyond its strip or tile")


def _jpeg(data: bytes) -> list[tuple[int, int]]:
    return [jpeg.frame_size(data)]


def _jpeg_xl(data: bytes) -> list[tuple[int, int]]:
    boxes = jpegxl.boxes_of(data)
    header = jpegxl.read_header(boxes.get(b"jxlc", b"") or boxes.get(b"jxlp", b"")[4:])
    if header.animated:
        raise ValueError("several frames")
    return [(header.width, header.height)]


def _jpeg_2000(data: bytes) -> list[tuple[int, int]]:
    """Sizes in every header of a code stream (ITU-T T.800, A.5.1), wherever it lies in its boxes.

    Only a header whose length fits its number of components is one.
    """
    sizes = []
    at = data.find(_J2K_START)
    while at >= 0:
        fields = data[at + 4 : at + 42]
        if len(fields) == 38:
            length, _, right, bottom, left, top = struct.unpack_from(">HH4I", fields)
            components = int.from_bytes(fields[36:38], "big")
            if length == 38 + 3 * components:
                if components > _MAX_COMPONENTS:
                    raise ValueError("too many components")
                sizes.append((right - left, bottom - top))
        at = data.find(_J2K_START, at + 4)
    return sizes


def _jpeg_xr(data: bytes) -> list[tuple[int, int]]:
    """Sizes in every header of a code stream (ITU-T T.832, 8.3), wherever it lies in its file."""
    sizes = []
    at = data.find(_JXR_START)
    while at >= 0:
        fields = data[at + 8 : at + 20].ljust(12, b"\xff")
        layout = ">HH" if fields[2] & 0x80 else ">II"
        width, height = struct.unpack_from(layout, fields, 4)
        sizes.append((width + 1, height + 1))
        at = data.find(_JXR_START, at + 8)
    return sizes


def _lerc(data: bytes) -> list[tuple[int, int]]:
    """Size in the header of LERC 2; version 1 and blobs that are packed once more have none."""
    if data[:6] != b"Lerc2 " or len(data) < 22:
        return []
    (version,) = struct.unpack_from("<i", data, 6)
    rows, columns = struct.unpack_from("<ii", data, 14 if version >= 3 else 10)
    return [(columns, rows)] if min(rows, columns) > 0 else []


def _png(data: bytes) -> list[tuple[int, int]]:
    if data[12:16] != b"IHDR" or len(data) < 24:
        return []
    width, height = struct.unpack_from(">II", data, 16)
    return [(width, height)]


def _webp(data: bytes) -> list[tuple[int, int]]:
    """Size of the canvas or of the only frame (RFC 9649, sections 2.5 to 2.7)."""
    if len(data) < 30:
        return []
    if data[12:16] == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return [(width, height)]
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return [((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)]
    if data[12:16] == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return [(width & 0x3FFF, height & 0x3FFF)]
    return []


_J2K_START = b"\xff\x4f\xff\x51"
"""Start and size markers of a JPEG 2000 code stream."""
_JXR_START = b"WMPHOTO\0"
_SIZES: dict[int, Callable[[bytes], list[tuple[int, int]]]] = {
    **dict.fromkeys((6, 7, 33007, 34892), _jpeg),
    **dict.fromkeys((33003, 33004, 33005, 34712), _jpeg_2000),
    **dict.fromkeys((50002, 52546), _jpeg_xl),
    **dict.fromkeys((22610, 34934), _jpeg_xr),
    **dict.fromkeys((34927, 50001), _webp),
    34887: _lerc,
    34933: _png,
}
"""Readers of the sizes that a coded picture announces, by TIFF's number of its compression."""
