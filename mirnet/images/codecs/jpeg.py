"""JPEG: read and written by Pillow (libjpeg-turbo), more than 8 bits read by imagecodecs.

A file may lack its end marker, or have other data behind it: a second picture (MPO), a film (motion
photos), or rubbish. Only the first picture up to its end marker reaches the decoder, without the
segments on which it would stumble. Markers and headers: ITU-T T.81, annex B.
"""

import io
import logging
import re
import struct
from collections.abc import Callable, Collection
from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import JpegImagePlugin

from mirnet.errors import ImageRejected

from ..exif import PREFIX
from ..formats import EncoderSettings, unread, without_gain_map
from ..limits import MAX_MARKERS, MAX_PASSES, is_modest
from ..metadata import Metadata, iptc_resource, metadata_of
from ..raster import Raster, check_size
from .jpeg_scans import Scans
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
_GAIN_MAP = (b"hdrgm:Version", b"urn:iso:std:iso:ts:21496:-1", b"aux:hdrgainmap")
"""Announcements of an HDR gain map: Ultra HDR, ISO 21496-1, Apple's name in the second picture."""
_SHORTEST = {b"JFIF": 14, b"ICC_PROFILE\0": 14, b"Adobe": 12}
"""Least bytes in an application segment that begins like this; Pillow fails at a shorter one."""


class _Layout(NamedTuple):
    """Positions of the parts of the first picture in a JPEG file."""

    end: int
    """Position behind the picture: after its end marker, or where its coded pixels break off."""
    has_end: bool
    """Whether the end marker is there."""
    exif: tuple[tuple[int, int], ...]
    """Start and end of each EXIF segment."""
    left_out: tuple[tuple[int, int], ...]
    """Start and end of what the decoder is not to see: start markers after the first, ahead of the
    pixels, and application segments that are cut off."""
    damaged: bool
    """Whether application segments are cut off."""
    gain_map: bool
    """Whether a segment announces an HDR gain map (Ultra HDR, ISO 21496-1)."""
    frame: tuple[int, int, int]
    """Bits, height and width of the frame header; zeros if there is no frame header."""
    frame_at: int
    """Position of the bits in the frame header, which height and width follow."""
    scans: Scans
    """Headers of the scans, which tell whether a picture without end marker is whole."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a JPEG file; of a phone's MPO file this is the first, full-size frame.

    Raises:
        ImageRejected: The picture has too many pixels, or is JPEG-LS.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    data = stream.read()
    layout = _walk(data, label)
    exif = b"".join(data[start + 10 : end] for start, end in layout.exif)
    left_out = list(layout.left_out)
    if exif and not is_modest(exif):
        left_out += layout.exif
        exif = b""
    if not layout.frame_at:
        raise ValueError("no frame")
    bits, height, width = layout.frame
    check_size(label, width, height, max_pixels)
    at = layout.frame_at + 1
    if height.to_bytes(2) != data[at : at + 2]:  # zero there: the height follows the first scan
        data = data[:at] + height.to_bytes(2) + data[at + 2 :]
    picture = _without(data[: layout.end], left_out)
    decode = _decode
    if bits > 8:
        cut = sum(end - start for start, end in left_out if end <= layout.frame_at)
        decode = partial(_decode_deep, bits=bits, frame_at=layout.frame_at - cut)
    if not layout.has_end:
        if not layout.scans.are_whole(data[: layout.end], width, height):
            raise ValueError("scans or restart intervals are missing")
        raster = _without_end(picture.rstrip(b"\xff"), label, max_pixels, decode)
    else:
        raster = decode(picture, label, max_pixels)
    notes = []
    if layout.damaged:
        notes.append(f"{label} has metadata that is cut off, which is left out.")
    behind = len(data) - layout.end if layout.has_end else 0
    if layout.gain_map or _has_gain_map(data, layout.end, layout.end + _MAX_SEGMENT_BYTES):
        notes.append(without_gain_map(label))
    elif behind > _NOTED_BYTES:
        notes.append(
            f"{label} has {behind / 1e6:.3g} MB behind its picture (such as the film of a motion "
            "photo), which are left out."
        )
    return raster._replace(notes=tuple(notes))


def frame_size(data: bytes) -> tuple[int, int]:
    """Width and height in the frame header of a JPEG picture; (0, 0) without one."""
    _, height, width = _walk(data, "The picture").frame
    return width, height


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


def _without_end(
    data: bytes, label: str, max_pixels: int, decode: Callable[[bytes, str, int], Raster]
) -> Raster:
    """Decode a file without end marker, if nothing but the marker is missing.

    The decoder fills what is missing of the last interval from the bits that follow, so different
    continuations give the same pixels only where no bits are missing.

    Raises:
        ValueError: Pixels are missing.
    """
    whole = decode(data + b"\0" * 1024 + _END, label, max_pixels)
    for filling in (b"\xfe", b"\x55", b"\xaa"):
        other = decode(data + filling * 1024 + _END, label, max_pixels)
        if not np.array_equal(whole.samples, other.samples):
            raise ValueError("the pixels end early")
    return whole


def _decode_deep(data: bytes, label: str, max_pixels: int, *, bits: int, frame_at: int) -> Raster:
    """Decode grey or colour of 9 to 16 bits to 16.

    Args:
        frame_at: Position of the bits in the frame header of `data`.

    Raises:
        ValueError: The samples are not grey or colour.
    """
    import imagecodecs

    # Pillow reads the metadata of pictures that have, or are said to have, 8 bits.
    eight = data[:frame_at] + b"\x08" + data[frame_at + 1 :]
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(eight))
    check_size(label, *image.size, max_pixels)
    samples = imagecodecs.jpeg8_decode(data)
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.dtype != np.uint16 or samples.shape[2] not in (1, 3):
        raise ValueError("another kind of samples")
    most = (1 << bits) - 1
    scale = (np.arange(most + 1, dtype=np.uint32) * 65535 + most // 2) // most
    scaled = scale.astype(np.uint16)[np.minimum(samples, most)]
    return Raster(scaled, metadata_of(image), "JPEG")


def _has_gain_map(data: bytes, start: int, end: int) -> bool:
    return any(data.find(name, start, end) >= 0 for name in _GAIN_MAP)


def _walk(data: bytes, label: str) -> _Layout:
    """Find the parts of the first picture by following its markers.

    Raises:
        ImageRejected: The picture is JPEG-LS, which differs in more than its markers.
        ValueError: The picture has too many markers or passes.
    """
    exif: list[tuple[int, int]] = []
    left_out: list[tuple[int, int]] = []
    gain_map = damaged = False
    frame, frame_at, components = (0, 0, 0), 0, 0
    passes, scans = 0, Scans()
    last_scan = False  # whether this scan has every component of a frame that is not progressive
    position = 2

    def layout(end: int, has_end: bool) -> _Layout:
        parts = (tuple(exif), tuple(left_out), damaged, gain_map, frame, frame_at, scans)
        return _Layout(end, has_end, *parts)

    for _ in range(MAX_MARKERS):
        found = _MARKER.search(data, position)
        if found is None:
            return layout(len(data), False)
        code, position = found[1][0], found.end()
        if code == 0xD9:
            return layout(position, True)
        if last_scan and code != 0xDC:
            return layout(found.start(), False)
        if code in (0x01, 0xD8):  # markers without a length; libjpeg refuses a second start
            if code == 0xD8 and not passes:
                left_out.append((position - 2, position))
            continue
        if code == 0xF7 and not passes:
            raise ImageRejected(unread(label, "a JPEG-LS picture"))
        start = found.start()
        end = position + max(int.from_bytes(data[position : position + 2], "big"), 2)
        passes += code == 0xDA
        if passes > MAX_PASSES:
            raise ValueError("too many passes")
        if code == 0xDC and not frame[1]:  # the number of lines, behind the first scan
            frame = (frame[0], int.from_bytes(data[position + 2 : position + 4], "big"), frame[2])
        elif 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC) and end >= position + 7:
            if frame_at:  # libjpeg refuses it too
                raise ValueError("two frames")
            frame_at = position + 2
            frame = struct.unpack_from(">BHH", data[frame_at : frame_at + 5].ljust(5, b"\0"))
            scans.add_frame(code, data[frame_at:end])
            components = data[frame_at + 5] if code < 0xC2 and len(data) > frame_at + 5 else 0
        elif code == 0xDA:
            scans.add_scan(data[position + 2 : end], end)
            last_scan = data[position + 2 : position + 3] == bytes([components])
        elif code == 0xDD:
            scans.add_interval(data[position + 2 : end])
        elif 0xE0 <= code <= 0xEF and not passes:
            if code == 0xE1 and data.startswith(PREFIX, start + 4):
                exif.append((start, end))
            gain_map |= _has_gain_map(data, start, end)
            for head, least in _SHORTEST.items():
                if data.startswith(head, start + 4) and end - start - 4 < least:
                    left_out.append((start, end))
                    damaged = True
        position = end
    raise ValueError("too many markers")


def write(samples: np.ndarray, metadata: Metadata, settings: EncoderSettings) -> bytes:
    """Encode (H, W, 1 | 3) uint8 as JPEG.

    XMP and IPTC that one segment cannot hold are left out, and a warning in the log says so.
    """
    parts = {
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
        exif=metadata.exif,
        xmp=kept["XMP"],
        extra=extra,
        dpi=metadata.dpi,
        comment=comment.encode()[:_MAX_SEGMENT_BYTES] if comment else None,
    )
