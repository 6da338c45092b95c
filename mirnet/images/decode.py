"""Reading photos: a file, bytes, a Pillow image or an array becomes an upright, checked `Picture`.

A file is recognised by its first bytes, never by its name; the size in its header is compared with
the limit before any pixel is decoded. No global setting of Pillow is changed.

Decisions:

* 16-bit, 10- and 12-bit pictures keep their depth; floating-point TIFF files are refused.
* CMYK and Lab become sRGB through the embedded profile. A profile that is damaged, or that belongs
  to another number of channels than the picture has, is dropped.
* A damaged EXIF block is dropped; a photo is not refused for it.
"""

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from mirnet.errors import ImageRejected

from .codecs import decode
from .codecs.pillow import given_raster
from .file_names import name_of
from .limits import MAX_PIXELS, max_file_bytes
from .metadata import checked
from .picture import Picture
from .raster import TooLarge, array_raster, check_size


def read_image(
    source: "str | Path | bytes | BinaryIO | Image.Image | np.ndarray | Picture",
    *,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Read one photo, upright, at its full depth.

    Args:
        source: A path, the bytes of a file, a binary stream (read from its start), a Pillow image
            (its current frame; its EXIF orientation is applied), an array of (H, W) or
            (H, W, 1 | 2 | 3 | 4) of bool, uint8, uint16 or floats in [0, 1] (RGB order, alpha
            last), or a `Picture`, which is returned as it is.
        max_pixels: Largest accepted number of pixels; compared before anything is decoded.

    Raises:
        ImageRejected: There is no readable still picture within the limit. No bytes raise
            anything else.
    """
    name, label = name_of(source)
    if not isinstance(source, (Picture, Image.Image, np.ndarray)):
        with _opened(source, label, max_pixels) as stream:
            raster = decode(stream, label, max_pixels)
    elif isinstance(source, np.ndarray):
        raster = array_raster(source, max_pixels)
    else:
        check_size(label, source.width, source.height, max_pixels)
        if isinstance(source, Picture):
            return source
        raster = given_raster(source, label)
    grey = raster.samples.shape[2] < 3
    metadata, orientation = checked(raster.metadata, grey)
    if raster.orientation is not None:
        orientation = raster.orientation
    samples = raster.samples  # turned by EXIF 2.32, tag 274; views where possible
    if orientation >= 5:  # rows and columns are swapped
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    colours = np.repeat(samples[..., :1], 3, axis=2) if grey else samples[..., :3]
    has_alpha = samples.shape[2] in (2, 4)
    return Picture(
        pixels=np.ascontiguousarray(colours),
        alpha=np.ascontiguousarray(samples[..., -1]) if has_alpha else None,
        grey=grey,
        name=name,
        source_format=raster.source_format,
        notes=raster.notes,
        **metadata._asdict(),
    )


def size_of(path: str | os.PathLike) -> tuple[int, int]:
    """Width and height of a picture file in pixels, from its header; no pixel is decoded.

    Raises:
        ImageRejected: There is no readable still picture.
    """
    _, label = name_of(path)
    try:
        with _opened(path, label, sys.maxsize) as stream:
            decode(stream, label, max_pixels=0)
    except TooLarge as found:
        return found.width, found.height
    raise AssertionError("a picture without pixels was read")


@contextmanager
def _opened(source: object, label: str, max_pixels: int) -> Iterator[BinaryIO]:
    """Open a path, bytes or stream as a seekable stream at its start, within the size limit.

    The limit is the largest file that `max_pixels` can need, uncompressed.

    Args:
        source: Path, bytes-like object or binary stream.
        max_pixels: Largest accepted number of pixels.

    Raises:
        ImageRejected: The source is of another type, cannot be read or is too large.
    """
    max_bytes = max_file_bytes(max_pixels)
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
