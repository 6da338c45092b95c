"""One module per file format: `read` returns a `Raster`, `write` encodes samples and metadata.

`decode` chooses by content, never by name: only the formats of `mirnet.images.formats.FORMATS`
reach a decoder.
"""

import logging
from importlib import import_module
from typing import BinaryIO

from PIL import Image

from mirnet.errors import ImageRejected

from ..formats import FORMATS, HEAD_BYTES, identify, refusal
from ..raster import Raster

logger = logging.getLogger(__name__)


def decode(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode one still picture.

    Args:
        stream: Seekable stream, positioned at its start.
        label: Name of the picture in messages.
        max_pixels: Largest accepted number of pixels, compared with the header before decoding.

    Raises:
        ImageRejected: The bytes are not one readable still picture; nothing else is raised.
    """
    head = stream.read(HEAD_BYTES)
    kind = identify(head)
    stream.seek(0)
    if not head:
        raise ImageRejected(f"{label} is empty (0 bytes): copy it again or choose another file.")
    if kind not in FORMATS:
        raise ImageRejected(refusal(stream, kind, label))
    codec = import_module(f".{FORMATS[kind].codec}", __package__)
    try:
        return codec.read(stream, label, max_pixels)
    except ImageRejected:
        raise
    except MemoryError as error:
        raise ImageRejected(
            f"{label} needs more memory than this computer has free: close other programs or "
            "downscale it."
        ) from error
    except Image.DecompressionBombError as error:  # Pillow's own limit, for TIFF only
        raise ImageRejected(
            f"{label} has more pixels than Pillow decodes: crop it or downscale it."
        ) from error
    except Exception as error:  # decoders of foreign bytes raise nearly every type
        logger.debug("decoding %s failed", label, exc_info=True)
        raise ImageRejected(
            f"{label} is damaged, cut off, or a variant of {kind} that cannot be read: save it "
            "again as PNG or JPEG and try that."
        ) from error
