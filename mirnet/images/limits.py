"""Limits of a picture file, and checks of small files that are expensive to read, before decoding.

`mirnet.images.raster.check_size` compares the number of pixels; functions here check the rest: a
directory with a thousand tags that each claim the whole file (Pillow would copy it a thousand
times), a JPEG with thousands of passes, a file of nothing but markers or chunks. Real photos are
far below every limit.
"""

import io
import struct
from typing import IO, NamedTuple

MAX_PIXELS = 100_000_000
"""Default of the largest accepted number of pixels."""
MAX_BYTES_PER_PIXEL = 8
"""Largest useful file size per pixel: four uncompressed 16-bit channels."""
MAX_OTHER_BYTES = 64 << 20
"""Allowance for metadata and embedded previews, whatever the number of pixels."""
MAX_MARKERS = 5_000
"""Largest number of JPEG segments before the pixels; EXIF, profiles and previews need hundreds."""
MAX_PASSES = 200
"""Largest number of passes of a progressive JPEG file; encoders use about ten."""
MAX_CHUNKS = 300_000
"""Largest number of chunks of a PNG file; 200 MB in the usual 8 kB chunks are 25,000."""
MAX_ENTRIES = 100_000
"""Largest number of tags in all directories of a TIFF file; a page has about twenty."""
MAX_DIRECTORIES = 1000
"""Largest number of directories of a TIFF structure, pages and those of EXIF together."""
SLACK_BYTES = 1 << 16
"""Tags may claim twice the file size plus this many bytes: they may share values, and damaged
ones claim too much."""
MAX_RUN_LENGTH_BYTES = 8_000_000
"""Largest run-length BMP file in bytes: Pillow reads it run by run in Python."""

VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
               16: 8, 17: 8, 18: 8}  # fmt: skip
"""Size in bytes of a tag's value by its type: TIFF 6.0, section 2, and BigTIFF."""
_LINKS = (0x8769, 0x8825, 0xA005)
"""Tags that lead to EXIF, GPS and interoperability directories."""


class TooManyDirectories(ValueError):
    """A TIFF structure has more than `MAX_DIRECTORIES`."""


class _Layout(NamedTuple):
    """Fields of a directory in classic TIFF or BigTIFF: count, one entry, link to the next."""

    number: struct.Struct
    entry: struct.Struct
    link: struct.Struct


def max_file_bytes(max_pixels: int) -> int:
    """Largest file in bytes that a picture of so many pixels can need, uncompressed."""
    return MAX_BYTES_PER_PIXEL * max_pixels + MAX_OTHER_BYTES


def check_bmp(stream: IO[bytes]) -> None:
    """Refuse a large run-length BMP file; leaves the stream at its start.

    Raises:
        ValueError: The file is larger than `MAX_RUN_LENGTH_BYTES`.
    """
    head = stream.read(34)
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if head[30:34] in (b"\x01\0\0\0", b"\x02\0\0\0") and size > MAX_RUN_LENGTH_BYTES:
        raise ValueError("too many runs")


def check_directories(stream: IO[bytes], start: int = 0, size: int | None = None) -> None:
    """Refuse a TIFF structure whose tags claim more bytes than it has; values are not read.

    Args:
        stream: Stream with the structure; left at `start`.
        start: Position of the structure in bytes.
        size: Length of the structure in bytes; None for the rest of the stream.

    Raises:
        TooManyDirectories: There are more than `MAX_DIRECTORIES`.
        ValueError: The tags claim more than `2 * size + SLACK_BYTES`, or there are too many.
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
    while pending:
        link = pending.pop()
        position = layout.link.unpack(link)[0] if len(link) == layout.link.size else 0
        if not position or position in seen or position >= size:
            continue
        if len(seen) == MAX_DIRECTORIES:  # those that follow would be read unchecked
            raise TooManyDirectories
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
    """Whether an EXIF block (without its prefix) passes `check_directories`."""
    try:
        check_directories(io.BytesIO(block))
    except ValueError:
        return False
    return True


def check_hidden_exif(stream: IO[bytes]) -> None:
    """Check every TIFF structure found anywhere in a file; leaves the stream at its start.

    Raises:
        ValueError: See `check_directories`.
    """
    data = stream.read()
    stream.seek(0)
    for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        position, found = data.find(mark), 0
        while position >= 0 and found < MAX_DIRECTORIES:
            check_directories(stream, position, len(data) - position)
            position, found = data.find(mark, position + 1), found + 1
    stream.seek(0)
