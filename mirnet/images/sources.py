"""Paths, buffers and streams, opened within the size limit."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from mirnet.errors import ImageRejected

MAX_BYTES_PER_PIXEL = 8
"""Largest useful file size per pixel: four uncompressed 16-bit channels."""
MAX_OTHER_BYTES = 64 << 20
"""Allowance for metadata and embedded previews, whatever the number of pixels."""


@contextmanager
def opened(source: object, label: str, max_pixels: int) -> Iterator[BinaryIO]:
    """Open a path, bytes or stream as a seekable stream at its start, within the size limit.

    The limit is the largest file that `max_pixels` can need, uncompressed.

    Args:
        source: Path, bytes-like object or binary stream.
        label: Name of the picture in messages.
        max_pixels: Largest accepted number of pixels.

    Raises:
        ImageRejected: The source is of another type, cannot be read or is too large.
    """
    max_bytes = MAX_BYTES_PER_PIXEL * max_pixels + MAX_OTHER_BYTES
    stream: BinaryIO
    if isinstance(source, (str, os.PathLike)):
        try:
            status = os.stat(source)
            if stat.S_ISDIR(status.st_mode):
                raise ImageRejected(f"{label} is a folder: choose a picture file inside it.")
            if not stat.S_ISREG(status.st_mode):
                raise ImageRejected(f"{label} is not an ordinary file: choose a picture file.")
            stream, size = open(source, "rb"), status.st_size  # noqa: SIM115
        except FileNotFoundError as error:
            raise ImageRejected(
                f"{label} does not exist: check the name and the folder."
            ) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "bad file name"
            raise ImageRejected(
                f"{label} cannot be opened ({reason}): check its name and permissions."
            ) from error
    else:
        data = _bytes_of(source, max_bytes)
        stream, size = io.BytesIO(data), len(data)
    with stream:
        if size > max_bytes:
            raise ImageRejected(
                f"{label} has {size / 1e6:.0f} MB or more, beyond what a picture of "
                f"{max_pixels / 1e6:.4g} megapixels can need: save it as PNG or JPEG and try that."
            )
        yield stream


def _bytes_of(source: Any, max_bytes: int) -> bytes:
    """Bytes of a buffer, or of a stream up to `max_bytes` + 1 so that excess shows.

    Raises:
        ImageRejected: The source is no buffer or binary stream, or cannot be read.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    data = None
    if hasattr(source, "read"):
        try:
            if source.seekable():
                source.seek(0)
            data = source.read(max_bytes + 1)
        except (OSError, ValueError, AttributeError) as error:
            raise ImageRejected(
                "The picture cannot be read from its stream: open it again in binary mode."
            ) from error
    if not isinstance(data, bytes):
        raise ImageRejected(
            f"A picture cannot be made from {type(source).__name__}: give a path, bytes, a binary "
            "file, a Pillow image or a NumPy array."
        )
    return data
