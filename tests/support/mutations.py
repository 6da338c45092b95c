"""Mutations of picture files, each by its number."""

import contextlib
import random
import struct
import zlib
from collections.abc import Callable

NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF,
           0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)  # fmt: skip
"""Integers at which counters overflow and signs flip."""


def mutated(seeds: list[bytes], number: int, seed: int) -> bytes:
    """Make the input of a number; it depends only on the seed and the number."""
    chance = random.Random(f"{seed} {number}")
    data = bytearray(chance.choice(seeds))
    if chance.random() < 0.05:
        data = spliced(data, bytearray(chance.choice(seeds)), chance)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8, 16))):
        if not data:
            break
        chance.choice(CHANGES)(data, chance)
    if data[:8] == b"\x89PNG\r\n\x1a\n" and chance.random() < 0.8:
        data = with_right_checksums(data, chance)
    return bytes(data)


def place(data: bytearray, chance: random.Random) -> int:
    """Choose a random offset, more often near the start, where the structure is."""
    return int(chance.random() ** chance.choice((1, 2, 4)) * len(data))


def flip(data: bytearray, chance: random.Random) -> None:
    """Flip one bit."""
    data[place(data, chance)] ^= 1 << chance.randrange(8)


def overwrite(data: bytearray, chance: random.Random) -> None:
    """Overwrite one byte."""
    data[place(data, chance)] = chance.randrange(256)


def renumber(data: bytearray, chance: random.Random) -> None:
    """Write one of `NUMBERS` with 16, 32 or 64 bits."""
    code = chance.choice(("H", "I", "I", "Q"))
    value = chance.choice(NUMBERS) & (1 << 8 * struct.calcsize(code)) - 1
    raw = struct.pack(chance.choice("<>") + code, value)
    at = place(data, chance)
    at -= at % chance.choice((1, 2, 4))
    data[at : at + len(raw)] = raw[: len(data) - at]


def shift(data: bytearray, chance: random.Random) -> None:
    """Change one byte by a small step."""
    at = place(data, chance)
    data[at] = (data[at] + chance.randint(-16, 16)) % 256


def cut(data: bytearray, chance: random.Random) -> None:
    """Remove a part."""
    at = place(data, chance)
    del data[at : at + chance.choice((1, 2, 4, 16, 64, len(data)))]


def double(data: bytearray, chance: random.Random) -> None:
    """Insert a copy of a part at another place."""
    start = place(data, chance)
    part = data[start : start + chance.choice((1, 4, 12, 64, 500))]
    at = place(data, chance)
    data[at:at] = part * chance.choice((1, 1, 1, 2, 40))


def insert(data: bytearray, chance: random.Random) -> None:
    """Insert random bytes."""
    at = place(data, chance)
    data[at:at] = chance.randbytes(chance.choice((1, 2, 4, 30, 300)))


CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip, flip, overwrite, overwrite, renumber, renumber, shift, cut, double, insert,
)  # fmt: skip


def spliced(data: bytearray, other: bytearray, chance: random.Random) -> bytearray:
    """Join the start of one file and the rest of another (a polyglot)."""
    return data[: place(data, chance)] + other[place(other, chance) :]


def with_right_checksums(data: bytearray, chance: random.Random) -> bytearray:
    """Make the chunks' checksums right again, so that a decoder looks at what is in them.

    Sometimes compressed data is unpacked, changed and packed again.
    """
    made = data[:8]
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        name, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        if position + 12 + length > len(data):
            break
        if name == b"IDAT" and chance.random() < 0.3:
            with contextlib.suppress(zlib.error):
                raw = bytearray(zlib.decompress(bytes(body)))
                if raw:
                    chance.choice(CHANGES)(raw, chance)
                body = bytearray(zlib.compress(bytes(raw)))
        made += struct.pack(">I", len(body)) + name + body
        made += struct.pack(">I", zlib.crc32(bytes(name + body)))
        position += 12 + length
    return made + data[position:]
