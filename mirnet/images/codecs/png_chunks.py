"""Repairs PNG files: damaged parts that are no pixels are left out, wrong checksums corrected.

Damaged and oversized ancillary chunks are left out, as browsers do. Of the two checksums of the
pixels, that of the chunks (CRC) and that of the deflated data (Adler-32), one has to hold. Chunks
and their lengths: W3C PNG, third edition, sections 5 and 11.
"""

import struct
import zlib
from typing import NamedTuple

from mirnet.errors import ImageRejected

from .. import limits

_MAX_TEXT_BYTES = 1 << 20
"""Largest text or profile in unpacked bytes; Pillow refuses a picture with a larger one."""
_MAX_TEXTS_BYTES = 1 << 24
"""Largest sum of all texts and profiles of a file in unpacked bytes, with those left out."""
_MAX_DEFLATE_RATIO = 1032
"""Largest number of bytes that one deflated byte unpacks to."""
_LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9, b"tIME": 7, b"acTL": 8}
"""Length in bytes of the chunks whose length is fixed."""
_KEY_BYTES = {0: 2, 2: 6}
"""Length in bytes of a tRNS chunk by colour type; a palette (3) has up to 256, others have none."""
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""Chunks from which pixels are decoded."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel by colour type."""
_WHOLE = ((0, 0, 1, 1),)
_INTERLACED = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
               (0, 1, 1, 2))  # fmt: skip
"""First column, first row and steps of the passes of Adam7 (section 8.2)."""


class Repaired(NamedTuple):
    """A PNG file without its damaged parts."""

    data: bytes
    """Bytes of the repaired file."""
    left_out: tuple[str, ...]
    """Names of the chunks that were removed as damaged, too large or repeated."""
    chunks: dict[bytes, bytes]
    """Contents of EXIF and of the chunks in `_LENGTHS` (colour, resolution), by chunk name."""
    crc_holds: bool
    """Whether the checksums of all chunks with pixels are right."""

    @property
    def width(self) -> int:
        """Width in pixels, from the header."""
        return int.from_bytes(self.data[16:20], "big")

    @property
    def height(self) -> int:
        """Height in pixels, from the header."""
        return int.from_bytes(self.data[20:24], "big")

    @property
    def depth(self) -> int:
        """Bits a sample, from the header."""
        return self.data[24]

    @property
    def colour_type(self) -> int:
        """Colour type, from the header: 0 grey, 2 RGB, 3 palette, 4 and 6 with alpha."""
        return self.data[25]


def chunk(name: bytes, body: bytes) -> bytes:
    """Encode a chunk: length, name, body and CRC."""
    checksum = zlib.crc32(body, zlib.crc32(name))
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def repair(data: bytes, label: str) -> Repaired:
    """Copy a file without damaged ancillary chunks, and append a missing end chunk.

    Args:
        data: The file.
        label: Name of the picture in messages.

    Raises:
        ImageRejected: It is a PNG file in Apple's own form, which is not PNG.
        ValueError: A pixel chunk is cut off, or there are too many chunks.
    """
    if data[12:16] == b"CgBI":
        raise ImageRejected(
            f"{label} is a PNG file in the form that Xcode gives to apps (CgBI): turn it into a "
            "plain PNG with 'pngcrush -revert-iphone-optimizations' and try that."
        )
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise ValueError("no header")
    parts = [data[:8]]
    left_out: list[str] = []
    chunks: dict[bytes, bytes] = {}
    position, room, crc_holds = 8, _MAX_TEXTS_BYTES, True
    names: set[bytes] = set()
    for _ in range(limits.MAX_CHUNKS):
        length = int.from_bytes(data[position : position + 4], "big")
        name = data[position + 4 : position + 8]
        end = position + 12 + length
        if name == b"IEND" or (len(name) < 4 and len(parts) > 1):
            break
        if not name.isalpha():
            raise ValueError("no chunk")
        ancillary = name[:1].islower()
        body = memoryview(data)[position + 8 : end - 4]
        if end > len(data) and not ancillary:
            raise ValueError("chunk behind the end of the file")
        size, fits = _unpacked(name, body, room) if ancillary else (0, True)
        room -= size  # of a chunk that is left out too: it was unpacked all the same
        sound = zlib.crc32(body, zlib.crc32(name)) == int.from_bytes(data[end - 4 : end], "big")
        repeated = name in names and name in (b"IHDR", b"PLTE", b"tRNS", b"iCCP", *_LENGTHS)
        if name == b"IDAT":
            crc_holds &= sound
        if repeated or (
            ancillary
            and (
                end > len(data)
                or not sound
                or _LENGTHS.get(name, length) != length
                or (name == b"tRNS" and not _is_key(data[25], length))
                or not fits
            )
        ):
            left_out.append(name.decode("ascii"))
        else:
            names.add(name)
            parts.append(data[position:end])
            if name in (b"eXIf", *_LENGTHS):
                chunks[name] = bytes(body)
        position = end
    else:
        raise ValueError("too many chunks")
    if b"acTL" in names and b"fcTL" not in names:  # says that it is animated, and has no frames
        left_out.append("acTL")
        parts = [part for part in parts if part[4:8] != b"acTL"]
    whole = not left_out and name == b"IEND"
    return Repaired(
        data if whole else b"".join([*parts, chunk(b"IEND", b"")]),
        tuple(left_out),
        chunks,
        crc_holds,
    )


def only_pixels(data: bytes) -> bytes:
    """Copy a repaired file without the chunks that are no pixels, on which libpng may stumble."""
    return b"".join(
        [
            data[:8],
            *(data[start:end] for name, start, end in _chunks(data) if name in _PIXEL_CHUNKS),
        ]
    )


def remade(repaired: Repaired) -> bytes:
    """Deflate the pixels anew, for a file of which one checksum is wrong.

    Args:
        repaired: The file, of an accepted number of pixels.

    Raises:
        ValueError: Both checksums are wrong, or pixels are missing.
    """
    data = repaired.data
    packed = b"".join(
        data[start + 8 : end - 4] for name, start, end in _chunks(data) if name == b"IDAT"
    )
    bits = repaired.depth * _CHANNELS[repaired.colour_type]
    wanted = 0
    for left, top, across, down in _INTERLACED if data[28] else _WHOLE:
        columns = max(-(-(repaired.width - left) // across), 0)
        rows = max(-(-(repaired.height - top) // down), 0)
        wanted += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    unpacker = zlib.decompressobj(-15)  # without its header, so without its checksum
    pixels = unpacker.decompress(packed[2:], wanted + 1)
    adler_holds = unpacker.eof and zlib.adler32(pixels).to_bytes(4) == unpacker.unused_data[:4]
    if len(pixels) < wanted or not (repaired.crc_holds or adler_holds):
        raise ValueError("pixels are damaged or missing")
    parts = []
    for name, start, end in _chunks(data):
        if name == b"IDAT" and pixels:
            parts.append(chunk(b"IDAT", zlib.compress(pixels[:wanted], 1)))
            pixels = b""
        elif name != b"IDAT":
            parts.append(data[start:end])
    return b"".join([data[:8], *parts])


def _chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Name, start and end of every chunk of a repaired file."""
    found = []
    position, name = 8, b""
    while name != b"IEND":
        name = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        found.append((name, position, end))
        position = end
    return found


def _is_key(colour_type: int, length: int) -> bool:
    """Whether a tRNS chunk of this length fits the colour type."""
    if colour_type == 3:
        return 1 <= length <= 256
    return _KEY_BYTES.get(colour_type) == length


def _unpacked(name: bytes, body: memoryview, room: int) -> tuple[int, bool]:
    """Unpack a text or profile up to `room` and the largest text.

    Returns:
        The number of bytes that were unpacked at most, and whether the chunk is whole and fits. A
        chunk of another kind is (0, True).
    """
    if name not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
        return 0, True
    most = min(_MAX_TEXT_BYTES, room)
    if len(body) > most:
        return 0, False
    packed = bytes(body)
    if name == b"tEXt":
        return len(packed), True
    _, _, rest = packed.partition(b"\0")
    if name == b"iTXt":
        if rest[:1] != b"\1":
            return len(packed), True
        packed = rest[2:].split(b"\0", 2)[-1]
    elif rest[:1] not in (b"\0", b""):  # another compression than deflate
        return 0, False
    else:
        packed = rest[1:]
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(packed, most + 1)
    except zlib.error:  # which does not tell how far it came
        return min(most + 1, _MAX_DEFLATE_RATIO * len(packed)), False
    return len(text), len(text) <= most and unpacker.eof
