"""Decodes a TIFF page of JPEG by libtiff in a limited process of its own.

TIFF 6.0, section 22, spreads one JPEG picture over tags, and writers differed in how: libtiff alone
reads their variants, with C code that guesses. The process answers with the mode and the bytes of a
Pillow image; the caller reads the metadata.
"""

import io
import sys

from PIL import Image, TiffImagePlugin

from .limited_process import Unreadable, limit_process, run_limited

_PAGE_BYTES = 4
"""Length of the number of the page, which precedes the file on standard input."""
_MODE_BYTES = 8
"""Length of the mode, which precedes the pixels of the answer, filled up with spaces."""
_MODES = ("L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB")


def decode_apart(data: bytes, page: int, size: tuple[int, int]) -> Image.Image:
    """Decode one page, turned upright.

    Args:
        data: The file.
        page: Number of the page, from 0.
        size: Width and height of the upright page in pixels, by its tags.

    Raises:
        Unreadable: libtiff refused the page, crashed, or took more than it may.
    """
    answer = run_limited(__name__, page.to_bytes(_PAGE_BYTES) + data, size[0] * size[1])
    mode = answer[:_MODE_BYTES].decode("ascii", "replace").rstrip()
    if mode not in _MODES:
        raise Unreadable("the process answered nonsense")
    try:
        return Image.frombytes(mode, size, answer[_MODE_BYTES:])
    except ValueError as error:
        raise Unreadable("the process answered with another size") from error


def main() -> int:
    """Decode a page of the file on standard input; 1 where libtiff cannot."""
    limit_process(int(sys.argv[1]))
    page = int.from_bytes(sys.stdin.buffer.read(_PAGE_BYTES))
    try:
        image = TiffImagePlugin.TiffImageFile(io.BytesIO(sys.stdin.buffer.read()))
        image.seek(page)
        image.load()
    except Exception:  # Pillow raises nearly every type for damaged files
        return 1
    sys.stdout.buffer.write(image.mode.ljust(_MODE_BYTES).encode() + image.tobytes())
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
