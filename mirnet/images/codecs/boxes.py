"""Boxes of ISO files, of which JPEG XL and JPEG 2000 files consist (ISO/IEC 15444-1, annex I.4)."""

from collections.abc import Iterator


def boxes_in(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the contents of each box on the highest level of a file, in their order.

    Raises:
        ValueError: A box is shorter than its own head.
    """
    position = 0
    while position + 8 <= len(data):
        size, start = int.from_bytes(data[position : position + 4], "big"), 8
        name = data[position + 4 : position + 8]
        if size == 1:
            size, start = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        end = position + size if size else len(data)
        if end < position + start:
            raise ValueError("box shorter than its head")
        yield name, data[position + start : end]
        position = end
