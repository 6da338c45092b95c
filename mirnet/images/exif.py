"""EXIF blocks, changed in place so that nothing a camera wrote is lost.

An EXIF block is a small TIFF file (EXIF 2.32, section 4.5; TIFF 6.0, section 2). Writing it anew
moves its parts and breaks the maker notes that point into it, so only single numbers are
overwritten here: the orientation, once it is applied, the pixel size, and the thumbnail with its
directory, which would still show the picture before restoring.
"""

import struct
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, TiffImagePlugin

from .limits import MAX_DIRECTORIES, MAX_ENTRIES, SLACK_BYTES, VALUE_BYTES, is_modest

PREFIX = b"Exif\x00\x00"
"""Prefix of an EXIF block in JPEG, also of `Picture.exif`; every Pillow writer accepts it."""
_BYTE_ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
"""First bytes of a TIFF structure, to the byte order as `struct` writes it."""
ORIENTATION = 274
EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
PIXEL_X, PIXEL_Y = 0xA002, 0xA003
ISO = 34855
_ISO_BEYOND = (34866, 34867, 34865)
"""Recommended exposure index, ISO speed and standard output sensitivity, which say what does not
fit into the 16 bits of `ISO` (EXIF 2.32, table 8)."""
MAKER_NOTE = 37500
_DIRECTORIES = (EXIF_IFD, GPS_IFD, INTEROP_IFD, 330)
"""Tags whose values are positions of directories."""
_PIXELS = {273: 279, 513: 514}
"""Tags of the positions of a thumbnail's pixels, to the tags of their lengths in bytes."""
TEXT_TAGS = (270, 271, 272, 305, 306, 315, 316, 33432)
"""Description, make, model, software, date, artist, host, copyright: all ASCII."""
RESOLUTION_TAGS = (282, 283, 296)


def overwrite(block: bytearray, values: dict[int, int]) -> dict:
    """Overwrite single SHORT or LONG tags of a classic TIFF structure where they stand.

    Args:
        block: The structure, starting with its byte order mark; changed in place.
        values: Tag number to new value; tags that are absent stay absent.

    Returns:
        The old values of the tags that were found.

    Raises:
        ValueError: The structure is not readable as TIFF.
    """
    order = _BYTE_ORDERS.get(bytes(block[:4]))
    if order is None:
        raise ValueError("not a TIFF structure")
    old: dict[int, int] = {}
    try:
        pending = [struct.unpack_from(order + "I", block, 4)[0]]
        for directory in pending:
            (count,) = struct.unpack_from(order + "H", block, directory)
            for entry in range(directory + 2, directory + 2 + 12 * count, 12):
                tag, kind, length = struct.unpack_from(order + "HHI", block, entry)
                code = order + {3: "H", 4: "I"}.get(kind, "")
                if length == 1 and len(code) == 2:
                    (value,) = struct.unpack_from(code, block, entry + 8)
                    if tag == EXIF_IFD and len(pending) == 1 and PIXEL_X in values:
                        pending.append(value)
                    if tag in values:
                        old[tag] = value
                        if values[tag] < 1 << (8 * struct.calcsize(code)):
                            struct.pack_into(code, block, entry + 8, values[tag])
    except struct.error as error:
        raise ValueError("damaged TIFF structure") from error
    return old


def _erase_second(block: bytearray) -> None:
    """Cut the link to the second directory, and zero what is reached by it alone.

    The second directory describes the thumbnail, which may have a position too.

    Raises:
        ValueError: The structure is not readable as TIFF, or claims more than it has.
    """
    order = _BYTE_ORDERS.get(bytes(block[:4]))
    if order is None:
        raise ValueError("not a TIFF structure")
    try:
        (first,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, first)
        link = first + 2 + 12 * count
        (second,) = struct.unpack_from(order + "I", block, link)
        struct.pack_into(order + "I", block, link, 0)
    except struct.error as error:
        raise ValueError("damaged TIFF structure") from error
    if not second:
        return
    lost = _parts(block, order, second, chained=True)
    kept = [(0, block[:8])]
    kept += [(part.start, block[part.start : part.stop]) for part in _parts(block, order, first)]
    for part in lost:
        block[part.start : part.stop] = bytes(len(part))
    for start, content in kept:
        block[start : start + len(content)] = content


def _parts(block: bytearray, order: str, start: int, *, chained: bool = False) -> list[range]:
    """Bytes of a directory, of those that it leads to, of their values and pixels.

    Args:
        chained: Whether directories that follow lead on; EXIF's own may name the second wrongly.

    Raises:
        ValueError: They are more than the structure can have.
    """
    size, parts = len(block), list[range]()
    pending, seen, entries, claimed = [start], set[int](), 0, 0

    def numbers(entry: tuple[int, int, int, int], at: int) -> tuple[int, ...]:
        _, kind, length, place = entry
        code, width = {3: ("H", 2), 4: ("I", 4), 13: ("I", 4)}.get(kind, ("", 0))
        place = at + 8 if width * length <= 4 else place
        if not width or place + width * length > size:
            return ()
        return struct.unpack_from(f"{order}{length}{code}", block, place)

    while pending:
        directory = pending.pop()
        if directory in seen or not 8 <= directory <= size - 2:
            continue
        seen.add(directory)
        (count,) = struct.unpack_from(order + "H", block, directory)
        end = directory + 2 + 12 * count
        found = [range(directory, min(end + 4, size))]
        values: dict[int, tuple[int, ...]] = {}
        for at in range(directory + 2, min(end, size - 11), 12):
            entry = struct.unpack_from(order + "HHII", block, at)
            tag, kind, length, place = entry
            width = VALUE_BYTES.get(kind, 0) * length
            if width > 4:
                found.append(range(min(place, size), min(place + width, size)))
            if tag in (*_DIRECTORIES, *_PIXELS, *_PIXELS.values()):
                values[tag] = numbers(entry, at)
        for tag, lengths in _PIXELS.items():
            pairs = zip(values.get(tag, ()), values.get(lengths, ()), strict=False)
            found += [range(min(a, size), min(a + n, size)) for a, n in pairs]
        for tag in _DIRECTORIES:
            pending += values.get(tag, ())
        if chained and end + 4 <= size:
            pending += struct.unpack_from(order + "I", block, end)
        parts += found
        entries += len(found) + count
        claimed += sum(map(len, found))
        if len(seen) > MAX_DIRECTORIES or entries > MAX_ENTRIES:
            raise ValueError("too many tags")
        if claimed > 2 * size + SLACK_BYTES:
            raise ValueError("tags claim more than there is")
    return parts


def normalise(raw: bytes | None) -> tuple[bytes | None, int]:
    """Take the orientation out of an EXIF block.

    Args:
        raw: The block as found in a file, with or without ``PREFIX``.

    Returns:
        The block with ``PREFIX``, its orientation reset to 1 and its thumbnail erased, and the
        orientation 1..8 that it had. A damaged block, and one whose tags claim more than it has,
        gives (None, 1).
    """
    if not raw or not is_modest(raw.removeprefix(PREFIX)):
        return None, 1
    block = bytearray(raw.removeprefix(PREFIX))
    try:
        _erase_second(block)
        orientation = overwrite(block, {ORIENTATION: 1}).get(ORIENTATION, 1)
    except ValueError:
        return None, 1
    return PREFIX + bytes(block), orientation if 1 <= orientation <= 8 else 1


def orientation_of(raw: bytes | None) -> int | None:
    """Orientation 1 to 8 that an EXIF block states; None without one, and for a damaged block."""
    if not raw or not is_modest(raw.removeprefix(PREFIX)):
        return None
    try:
        found = overwrite(bytearray(raw.removeprefix(PREFIX)), {ORIENTATION: 1}).get(ORIENTATION)
    except ValueError:
        return None
    return found if found in range(1, 9) else None


@lru_cache(maxsize=1)  # a file is encoded, and then its losses are listed
def fitted(exif: bytes, most_bytes: int) -> bytes | None:
    """Make an EXIF block short enough: its maker note goes first, and then the whole block.

    Args:
        exif: A block with or without `PREFIX`.
        most_bytes: Largest length of the result, with `PREFIX`.

    Returns:
        The block itself if it is short enough; else one without maker note, or None.
    """
    if len(exif) <= most_bytes:
        return exif
    try:
        tags = Image.Exif()
        tags.load(exif)
        tags.get_ifd(EXIF_IFD).pop(MAKER_NOTE, None)
        shorter = tags.tobytes()
    except Exception:  # Pillow raises nearly every type for damaged tags
        return None
    return shorter if tags and len(shorter) <= most_bytes else None


def with_size(exif: bytes | None, width: int, height: int) -> bytes | None:
    """Overwrite the pixel size where an EXIF block has one; None for a damaged block."""
    if not exif:
        return None
    block = bytearray(exif.removeprefix(PREFIX))
    try:
        overwrite(block, {PIXEL_X: width, PIXEL_Y: height})
    except ValueError:
        return None
    return PREFIX + bytes(block)


def without_gps(exif: bytes) -> bytes | None:
    """Remove the GPS and the second directory from an EXIF block, and the bytes they hold.

    Args:
        exif: A block with ``PREFIX``.

    Returns:
        The block, of the same length; None for a damaged one.
    """
    block = bytearray(exif.removeprefix(PREFIX))
    order = _BYTE_ORDERS.get(bytes(block[:4]))
    if order is None:
        return None
    try:
        _erase_second(block)
        (first,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, first)
        start, end = first + 2, first + 2 + 12 * count
        entries = [bytes(block[at : at + 12]) for at in range(start, end, 12)]
        links = [e for e in entries if struct.unpack_from(order + "H", e) == (GPS_IFD,)]
        for link in links:
            (directory,) = struct.unpack_from(order + "I", link, 8)
            (number,) = struct.unpack_from(order + "H", block, directory)
            for at in range(directory + 2, directory + 2 + 12 * number, 12):
                _, kind, length, place = struct.unpack_from(order + "HHII", block, at)
                size = VALUE_BYTES.get(kind, 0) * length
                if size > 4 and place + size <= len(block):
                    block[place : place + size] = bytes(size)
            block[directory : directory + 2 + 12 * number] = bytes(2 + 12 * number)
        kept = b"".join(e for e in entries if e not in links)
        follow = bytes(block[end : end + 4])
        block[start : end + 4] = (kept + follow).ljust(end + 4 - start, b"\0")
        struct.pack_into(order + "H", block, first, count - len(links))
    except (struct.error, ValueError):
        return None
    return PREFIX + bytes(block)


def iso_of(exif: bytes | None) -> int | None:
    """Sensitivity that the camera was set to, as an ISO number; None where EXIF does not say it."""
    if not exif:
        return None
    try:
        tags = Image.Exif()
        tags.load(exif)
        entries = tags.get_ifd(EXIF_IFD)
        for tag in (ISO, *_ISO_BEYOND):
            value = entries.get(tag)
            number = int(value[0] if isinstance(value, tuple) else value or 0)
            if 0 < number < (65535 if tag == ISO else 100_000_000):
                return number
    except Exception:  # Pillow raises nearly every type for damaged tags
        return None
    return None


class TiffTags(NamedTuple):
    """An EXIF block, split into the parts that a TIFF file stores."""

    texts: dict[int, str]
    """ASCII tags of the first directory."""
    resolution: tuple[float, float] | None
    """Horizontal and vertical pixels per unit."""
    unit: int
    """Unit of `resolution`: 1 none, 2 inch, 3 centimetre."""
    directories: dict[int, dict]
    """Entries of the EXIF and GPS directories, by the tag of their link."""


def resolution_of(exif: bytes) -> tuple[float, float] | None:
    """Pixels per unit that an EXIF block states, across and down; None without, and for damage."""
    try:
        return tiff_tags(exif).resolution
    except Exception:  # Pillow raises nearly every type for damaged tags
        return None


def of_resolution(dpi: tuple[float, float]) -> bytes:
    """Make an EXIF block that states a print resolution in pixels per inch alone."""
    tags = Image.Exif()
    tags.update(zip(RESOLUTION_TAGS, (*dpi, 2), strict=True))
    return tags.tobytes()


def tiff_tags(exif: bytes) -> TiffTags:
    """Split an EXIF block for a TIFF file."""
    tags = Image.Exif()
    tags.load(exif)
    texts = {tag: str(tags[tag]).rstrip("\x00 ") for tag in TEXT_TAGS if tag in tags}
    directories = {}
    for directory in (EXIF_IFD, GPS_IFD):
        entries = dict(tags.get_ifd(directory))
        entries.pop(INTEROP_IFD, None)
        if entries:
            directories[directory] = entries
    texts = {tag: text for tag, text in texts.items() if text.isascii() and text}
    across, down = (float(tags.get(tag, 0)) for tag in RESOLUTION_TAGS[:2])
    unit = tags.get(RESOLUTION_TAGS[2])
    return TiffTags(
        texts,
        (across, down) if 1e-3 < across < 1e6 and 1e-3 < down < 1e6 else None,
        unit if unit in (1, 2, 3) else 2,
        directories,
    )


def append_directories(tiff: bytes, directories: dict[int, dict]) -> bytes:
    """Add EXIF and GPS directories to a little-endian, classic TIFF file.

    They go to the end of the file, followed by a copy of its first directory that links to them.

    Args:
        tiff: A file of one page.
        directories: Tag of the link (``EXIF_IFD`` or ``GPS_IFD``) to tags and values.
    """
    block = bytearray(tiff)
    (first,) = struct.unpack_from("<I", block, 4)
    (count,) = struct.unpack_from("<H", block, first)
    entries = [bytes(block[first + 2 + 12 * i : first + 14 + 12 * i]) for i in range(count)]
    for tag, values in directories.items():
        block += b"\x00" * (len(block) % 2)  # directories start at even offsets
        entries.append(struct.pack("<HHII", tag, 4, 1, len(block)))
        directory = TiffImagePlugin.ImageFileDirectory_v2(b"II*\x00\x00\x00\x00\x00", group=tag)
        for name, value in values.items():
            directory[name] = value
        block += directory.tobytes(len(block))
    block += b"\x00" * (len(block) % 2)
    struct.pack_into("<I", block, 4, len(block))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    return bytes(block + struct.pack("<H", len(entries)) + b"".join(entries) + b"\x00" * 4)
