"""JPEG: read and written by Pillow (libjpeg-turbo), 12 bits read by imagecodecs.

A file may lack its end marker, or have other data behind it: a second picture (MPO), a film (motion
photos), or rubbish. Only the first picture up to its end marker reaches the decoder.
"""

import io
import logging
import re
import struct
from collections.abc import Collection
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import JpegImagePlugin

from mirnet.errors import ImageRejected

from ..exif import PREFIX
from ..formats import EncoderSettings, unread
from ..limits import MAX_MARKERS, MAX_PASSES, is_modest
from ..metadata import Metadata, iptc_resource
from ..raster import Raster, check_size
from .pillow import save, still_raster

logger = logging.getLogger(__name__)

_MAX_SEGMENT_BYTES = 65_533
"""Largest content of one JPEG segment in bytes."""
FULL_COLOUR_QUALITY = 90
"""Quality from which the subsampling "auto" keeps the full colour resolution."""
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
"""A marker, other than the restart markers between coded pixels."""
_END = b"\xff\xd9"
_NOTED_BYTES = 1000
"""Trailing data in bytes above which a note reports it; less is padding."""
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"


class _Layout(NamedTuple):
    """Positions of the parts of the first picture in a JPEG file."""

    end: int | None
    """Position after the end marker; None if there is no such marker."""
    exif: tuple[tuple[int, int], ...]
    """Start and end of each EXIF segment."""
    repeated: tuple[tuple[int, int], ...]
    """Start and end of each start marker after the first, ahead of the pixels."""
    gain_map: bool
    """Whether XMP announces an HDR gain map (Ultra HDR)."""
    frame: tuple[int, int, int]
    """Bits, height and width of the frame header; zeros if there is no frame header."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a JPEG file; of a phone's MPO file this is the first, full-size frame.

    Raises:
        ImageRejected: The picture has too many pixels, or is JPEG-LS.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    data = stream.read()
    layout = _walk(data, label)
    exif = b"".join(data[start + 10 : end] for start, end in layout.exif)
    left_out = list(layout.repeated)  # libjpeg refuses a second start marker
    if exif and not is_modest(exif):
        left_out += layout.exif
        exif = b""
    picture = _without(data if layout.end is None else data[: layout.end], left_out)
    if layout.frame[0] == 12:
        raster = _twelve_bits(picture, layout, exif, label, max_pixels)
    elif layout.end is None:
        raster = _without_end(picture, label, max_pixels)
    else:
        raster = _decode(picture, label, max_pixels)
    notes = []
    behind = 0 if layout.end is None else len(data) - layout.end
    if layout.gain_map:
        notes.append(f"{label} has an HDR gain map: it is left out, the standard picture is used.")
    elif behind > _NOTED_BYTES:
        notes.append(
            f"{label} has {behind / 1e6:.3g} MB behind its picture (such as the film of a motion "
            "photo), which are left out."
        )
    return raster._replace(notes=tuple(notes))


def _without(data: bytes, left_out: Collection[tuple[int, int]]) -> bytes:
    """Cut parts out of a file in one copy, however many they are.

    Args:
        data: The file.
        left_out: Start and end of each part; none overlaps another.
    """
    if not left_out:
        return data
    whole, position, kept = memoryview(data), 0, []
    for start, end in sorted(left_out):
        kept.append(whole[position:start])
        position = end
    return b"".join([*kept, whole[position:]])


def _decode(data: bytes, label: str, max_pixels: int) -> Raster:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    return still_raster(image, label, max_pixels, "JPEG")


def _without_end(data: bytes, label: str, max_pixels: int) -> Raster:
    """Decode a file without end marker, if nothing but the marker is missing.

    The decoder fills what is missing from the bits that follow, so two different continuations
    give the same pixels only where none are missing.

    Raises:
        ValueError: Pixels are missing.
    """
    zeros, ones = (
        _decode(data + filling * 1024 + _END, label, max_pixels) for filling in (b"\0", b"\x7f")
    )
    if not np.array_equal(zeros.samples, ones.samples):
        raise ValueError("the pixels end early")
    return zeros


def _twelve_bits(data: bytes, layout: _Layout, exif: bytes, label: str, max_pixels: int) -> Raster:
    """Decode 12-bit grey or colour to 16 bits; EXIF is the only metadata kept.

    Raises:
        ValueError: The end marker is missing, or the samples are not 12-bit grey or colour.
    """
    import imagecodecs

    _, height, width = layout.frame
    check_size(label, width, height, max_pixels)
    samples = imagecodecs.jpeg8_decode(data)
    samples = samples.reshape(*samples.shape[:2], -1)
    if layout.end is None or samples.dtype != np.uint16 or samples.shape[2] not in (1, 3):
        raise ValueError("another kind of 12 bits")
    wide = np.minimum(samples, 4095).astype(np.uint32) * 65535 + 2047
    return Raster((wide // 4095).astype(np.uint16), Metadata(exif=exif or None), "JPEG")


def _walk(data: bytes, label: str) -> _Layout:
    """Find the parts of the first picture by following its markers.

    Raises:
        ImageRejected: The picture is JPEG-LS, which differs in more than its markers.
        ValueError: The picture has too many markers or passes.
    """
    exif: list[tuple[int, int]] = []
    repeated: list[tuple[int, int]] = []
    gain_map, frame = False, (0, 0, 0)
    passes = 0
    position = 2
    for _ in range(MAX_MARKERS):
        found = _MARKER.search(data, position)
        if found is None:
            return _Layout(None, tuple(exif), tuple(repeated), gain_map, frame)
        code, position = found[1][0], found.end()
        if code == 0xD9:
            return _Layout(position, tuple(exif), tuple(repeated), gain_map, frame)
        if code in (0x01, 0xD8):  # markers without a length
            if code == 0xD8 and not passes:
                repeated.append((position - 2, position))
            continue
        if code == 0xF7 and not passes:
            raise ImageRejected(unread(label, "a JPEG-LS picture"))
        start = found.start()
        end = position + max(int.from_bytes(data[position : position + 2], "big"), 2)
        passes += code == 0xDA
        if passes > MAX_PASSES:
            raise ValueError("too many passes")
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC) and end >= position + 7:
            frame = struct.unpack_from(">BHH", data[position + 2 : position + 7].ljust(5, b"\0"))
        if code == 0xE1 and not passes:
            if data.startswith(PREFIX, start + 4):
                exif.append((start, end))
            elif data.startswith(_XMP_HEADER, start + 4):
                gain_map |= data.find(b"hdrgm:Version", start, end) >= 0
        position = end
    raise ValueError("too many markers")


def write(samples: np.ndarray, metadata: Metadata, settings: EncoderSettings) -> bytes:
    """Encode (H, W, 1 | 3) uint8 as JPEG.

    EXIF, XMP or IPTC that one segment cannot hold is left out with a warning in the log.
    """
    parts = {
        "EXIF": (metadata.exif, 0),
        "XMP": (metadata.xmp, len(_XMP_HEADER)),
        "IPTC": (metadata.iptc, 40),
    }
    kept: dict[str, bytes | None] = {}
    for name, (part, overhead) in parts.items():
        fits = part is None or len(part) + overhead <= _MAX_SEGMENT_BYTES
        kept[name] = part if fits else None
        if part is not None and not fits:
            logger.warning("%d bytes of %s do not fit into a JPEG: left out", len(part), name)
    extra = None
    if kept["IPTC"]:
        body = b"Photoshop 3.0\0" + iptc_resource(kept["IPTC"])
        extra = b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body
    comment = dict(metadata.texts).get("Comment")
    full = settings.subsampling == "444"
    full |= settings.subsampling == "auto" and settings.quality >= FULL_COLOUR_QUALITY
    return save(
        samples,
        "JPEG",
        quality=settings.quality,
        subsampling=0 if full else 2,
        icc_profile=metadata.icc_profile,
        exif=kept["EXIF"],
        xmp=kept["XMP"],
        extra=extra,
        dpi=metadata.dpi,
        comment=comment.encode()[:_MAX_SEGMENT_BYTES] if comment else None,
    )
