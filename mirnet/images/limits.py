"""Files that are small to send and dear to read: found before a decoder meets them.

The number of pixels is compared by `mirnet.images.raster.check_size`. Here it is about what comes
in front of, between and behind them: a directory whose thousand tags each claim the whole
file (Pillow would copy it a thousand times), a JPEG that is drawn over and over in thousands of
passes, a file of nothing but markers or chunks. Real photos are far below every limit.
"""

import io
import struct
from typing import IO, NamedTuple

MAX_MARKERS = 5_000
"""Segments of a JPEG file in front of its pixels; EXIF, profiles and previews need some hundred."""
MAX_PASSES = 200
"""Passes of a progressive JPEG file; encoders use about ten."""
MAX_CHUNKS = 300_000
"""Chunks of a PNG file; one of 200 MB in the usual 8 kB has 25,000."""
MAX_ENTRIES = 100_000
"""Tags in all directories of a TIFF file; a page has about twenty."""
MAX_DIRECTORIES = 1000
"""Directories that are followed."""
SLACK_BYTES = 1 << 16
"""Tags may share values, and damaged ones claim too much: so much passes, and the file twice."""
MAX_RUN_LENGTH_BYTES = 8_000_000
"""Largest run-length BMP file: Pillow reads it run by run in Python."""

VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
               16: 8, 17: 8, 18: 8}  # fmt: skip
"""Size of a value by its type: TIFF 6.0, section 2, and BigTIFF."""
_LINKS = (0x8769, 0x8825, 0xA005)
"""Tags that lead to EXIF, GPS and interoperability directories."""


class _Layout(NamedTuple):
    """How classic TIFF and BigTIFF write a directory."""

    number: struct.Struct
    entry: struct.Struct
    link: struct.Struct


def check_bmp(stream: IO[bytes]) -> None:
    """See that a run-length BMP file is not large; puts the stream back to its start.

    Raises:
        ValueError: It is.
    """
    head = stream.read(34)
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if head[30:34] in (b"\x01\0\0\0", b"\x02\0\0\0") and size > MAX_RUN_LENGTH_BYTES:
        raise ValueError("too many runs")


def check_directories(stream: IO[bytes], start: int = 0, size: int | None = None) -> None:
    """Add up what the tags of a TIFF structure claim to hold, reading none of it.

    Args:
        stream: Holds the structure; put back to `start`.
        start: Where it begins.
        size: How long it is; to the end of the stream by default.

    Raises:
        ValueError: The tags claim more than there is, or there are too many.
    """
    if size is None:
        size = stream.seek(0, io.SEEK_END) - start
    stream.seek(start)
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        stream.seek(start)
        return
    (version,) = struct.unpack_from(f"{order}H", head, 2)
    if version == 43:
        codes, first = ("Q", "HHQQ", "Q"), head[8:16]
    else:
        codes, first = ("H", "HHII", "I"), head[4:8]
    layout = _Layout(*(struct.Struct(order + code) for code in codes))
    claimed = entries = 0
    pending, seen = [first], set[int]()
    while pending and len(seen) < MAX_DIRECTORIES:
        link = pending.pop()
        position = layout.link.unpack(link)[0] if len(link) == layout.link.size else 0
        if not position or position in seen or position >= size:
            continue
        seen.add(position)
        stream.seek(start + position)
        raw = stream.read(layout.number.size)
        count = layout.number.unpack(raw)[0] if len(raw) == layout.number.size else 0
        entries += count
        if entries > MAX_ENTRIES:
            raise ValueError("too many tags")
        table = stream.read(count * layout.entry.size)
        whole = len(table) - len(table) % layout.entry.size
        for tag, kind, length, value in layout.entry.iter_unpack(table[:whole]):
            width = VALUE_BYTES.get(kind, 0) * length
            claimed += width if width > layout.link.size else 0
            if tag in _LINKS:
                pending.append(layout.link.pack(value))
        if claimed > 2 * size + SLACK_BYTES:
            raise ValueError("tags claim more than there is")
        pending.insert(0, stream.read(layout.link.size))
    stream.seek(start)


def is_modest(block: bytes) -> bool:
    """Whether the tags of an EXIF block (without its prefix) claim no more than it has."""
    try:
        check_directories(io.BytesIO(block))
    except ValueError:
        return False
    return True


def check_hidden_exif(stream: IO[bytes]) -> None:
    """Look at every TIFF structure inside a file whose own structure is not followed here.

    Raises:
        ValueError: One of them claims more than there is.
    """
    data = stream.read()
    stream.seek(0)
    for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        position, found = data.find(mark), 0
        while position >= 0 and found < MAX_DIRECTORIES:
            check_directories(stream, position, len(data) - position)
            position, found = data.find(mark, position + 1), found + 1
    stream.seek(0)
