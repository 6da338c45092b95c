"""HEIC files put together box by box (ISO/IEC 23008-12), as an encoder would not.

They all show one HEVC picture of 64 x 64 pixels, and say wrong or costly things about it.
"""

import functools
import struct
from collections.abc import Sequence

import numpy as np

from tests.support.picture_files import saved_heic

Item = tuple[int, bytes, bytes, list[int]]
"""Item: number, type, data and the numbers of its properties, from 1."""
Reference = tuple[bytes, int, list[int]]
"""Reference: type, number of the source item, numbers of the target items."""


def box(name: bytes, *body: bytes) -> bytes:
    """Encode a box of ISO/IEC 14496-12."""
    content = b"".join(body)
    return struct.pack(">I4s", 8 + len(content), name) + content


def full_box(name: bytes, *body: bytes, version: int = 0) -> bytes:
    """Encode a box with version and flags."""
    return box(name, struct.pack(">I", version << 24), *body)


def size(width: int, height: int) -> bytes:
    """Encode the property `ispe`, the declared size of an item."""
    return full_box(b"ispe", struct.pack(">II", width, height))


ALPHA = full_box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")


def grid(rows: int, columns: int, width: int, height: int) -> bytes:
    """Encode the data of an item that lays others out in rows."""
    return struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)


@functools.cache
def encoded() -> tuple[bytes, bytes, bytes]:
    """Encode a picture; returns its decoder configuration, colours and data."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    file = saved_heic(pixels)

    def part(name: bytes) -> bytes:
        at = file.index(name) - 4
        return file[at : at + struct.unpack(">I", file[at : at + 4])[0]]

    return part(b"hvcC"), part(b"colr"), part(b"mdat")[8:]


def picture(number: int = 1, more: Sequence[int] = ()) -> Item:
    """The HEVC picture, whose first three properties are those of `heif`."""
    return number, b"hvc1", encoded()[2], [1, 2, 3, *more]


def heif(
    items: Sequence[Item],
    properties: Sequence[bytes],
    references: Sequence[Reference] = (),
    primary: int = 1,
    repeat: int = 1,
    offset: int = 0,
) -> bytes:
    """Assemble a HEIC file.

    Args:
        items: Items of the file.
        properties: Properties after decoder configuration and colours, from number 3.
        references: References between items.
        primary: Number of the item to show.
        repeat: Declared number of repetitions of each item's data.
        offset: Bytes added to the declared offset of the data.
    """
    named = [
        full_box(b"infe", struct.pack(">HH4s", number, 0, kind), b"\0", version=2)
        for number, kind, _, _ in items
    ]
    owned = [struct.pack(">HB", number, len(own)) + bytes(own) for number, _, _, own in items]
    linked = [
        box(kind, struct.pack(">HH", one, len(to)), *(struct.pack(">H", other) for other in to))
        for kind, one, to in references
    ]

    def head(start: int) -> bytes:
        places = []
        for number, _, data, _ in items:
            extent = struct.pack(">II", start + offset, len(data))
            places.append(struct.pack(">HHH", number, 0, repeat) + extent * repeat)
            start += len(data)
        meta = full_box(
            b"meta",
            full_box(b"hdlr", bytes(4) + b"pict" + bytes(13)),
            full_box(b"iloc", b"\x44\0", struct.pack(">H", len(items)), *places),
            full_box(b"iinf", struct.pack(">H", len(items)), *named),
            full_box(b"pitm", struct.pack(">H", primary)),
            full_box(b"iref", *linked) if linked else b"",
            box(
                b"iprp",
                box(b"ipco", *encoded()[:2], *properties),
                full_box(b"ipma", struct.pack(">I", len(items)), *owned),
            ),
        )
        return box(b"ftyp", b"heic\0\0\0\0mif1heic") + meta

    return head(len(head(0)) + 8) + box(b"mdat", *(data for _, _, data, _ in items))


def nested(levels: int, side: int) -> bytes:
    """Grids of grids, each of `side` x `side` times the next, and all said to be 64 x 64."""
    last = levels + 1
    return heif(
        [*((n, b"grid", grid(side, side, 64, 64), [4]) for n in range(1, last)), picture(last)],
        [size(64, 64), size(64, 64)],
        [(b"dimg", n, [n + 1] * side**2) for n in range(1, last)],
    )
