"""Photos in: a file, bytes, a Pillow image or an array becomes a `Picture`, upright and checked.

A file is recognised by its first bytes, never by its name, and only the formats of
`mirnet.images.formats.FORMATS` reach a decoder; the size in the header is compared with the limit
before any pixel is decoded. No global setting of Pillow is changed.

Decisions:

* 16-bit, 10- and 12-bit pictures keep their depth; floating-point TIFF files are refused.
* CMYK and Lab become sRGB through the embedded profile. A profile that is damaged, or that belongs
  to another number of channels than the picture has, is dropped.
* A damaged EXIF block is dropped; a photo is not refused for it.
"""

import io
import logging
import os
import stat
import sys
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from mirnet.errors import ImageRejected

from .codecs.pillow import pillow_raster
from .codecs.raster import Raster, array_samples
from .colour import usable_profile
from .formats import FORMATS, identify, refusal
from .limits import MAX_PIXELS, TooLarge, check_size
from .metadata import normalise
from .names import stem_and_label
from .picture import Picture

logger = logging.getLogger(__name__)

_PILLOW_NAMES = {"MPO": "JPEG", "WEBP": "WebP", "HEIF": "HEIC"}


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
        max_pixels: Most pixels accepted; compared before anything is decoded.

    Raises:
        ImageRejected: If there is no readable still picture within the limit. Nothing else is
            raised for any bytes.
    """
    if isinstance(source, Picture):
        check_size(source.name, source.width, source.height, max_pixels)
        return source
    if isinstance(source, np.ndarray):
        if source.ndim >= 2:
            height, width = source.shape[:2]
            check_size("The array", width, height, max_pixels)
        samples = array_samples(source, "The array")
        return _picture(Raster(samples, None, None, 1, None), "image")
    if isinstance(source, Image.Image):
        return _read_pillow(source, max_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read_stream(io.BytesIO(source), None, len(source), max_pixels)
    if isinstance(source, (str, os.PathLike)):
        return _read_path(source, max_pixels)
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        try:
            if source.seekable():
                source.seek(0)
            data = source.read(_max_bytes(max_pixels) + 1)
        except (OSError, ValueError, AttributeError) as error:
            raise ImageRejected(
                "The picture cannot be read from its stream: open it again in binary mode."
            ) from error
        if isinstance(data, bytes):
            name = name if isinstance(name, str) else None
            return _read_stream(io.BytesIO(data), name, len(data), max_pixels)
    raise ImageRejected(
        f"A picture cannot be made from {type(source).__name__}: give a path, bytes, a binary "
        "file, a Pillow image or a NumPy array."
    )


def size_of(path: str | os.PathLike) -> tuple[int, int]:
    """Width and height of a picture file in pixels, from its header; no pixel is decoded.

    Raises:
        ImageRejected: There is no readable still picture.
    """
    try:
        _read_path(path, max_pixels=0, max_bytes=sys.maxsize)
    except TooLarge as found:
        return found.width, found.height
    raise AssertionError("a picture without pixels was read")


def _max_bytes(max_pixels: int) -> int:
    """Size beyond which a file is not worth opening: its pixels need less even uncompressed."""
    return 8 * max_pixels + (64 << 20)


def _read_path(path: str | os.PathLike, max_pixels: int, max_bytes: int | None = None) -> Picture:
    _, label = stem_and_label(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageRejected(f"{label} is a folder: choose a picture file inside it.")
        if not stat.S_ISREG(status.st_mode):
            raise ImageRejected(f"{label} is not an ordinary file: choose a picture file.")
        with open(path, "rb") as stream:
            return _read_stream(stream, os.fspath(path), status.st_size, max_pixels, max_bytes)
    except FileNotFoundError as error:
        raise ImageRejected(f"{label} does not exist: check the name and the folder.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "bad file name"
        raise ImageRejected(
            f"{label} cannot be opened ({reason}): check its name and permissions."
        ) from error


def _read_stream(
    stream: BinaryIO, path: str | None, size: int, max_pixels: int, max_bytes: int | None = None
) -> Picture:
    name, label = stem_and_label(path)
    if size > (_max_bytes(max_pixels) if max_bytes is None else max_bytes):
        raise ImageRejected(
            f"{label} has {size / 1e6:.0f} MB or more, beyond what a picture of "
            f"{max_pixels / 1e6:.4g} megapixels can need: save it as PNG or JPEG and try that."
        )
    return _picture(_decode(stream, label, max_pixels), name)


def _decode(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode one still picture from a seekable stream at its start."""
    head = stream.read(64)
    kind = identify(head)
    stream.seek(0)
    if not head:
        raise ImageRejected(f"{label} is empty (0 bytes): copy it again or choose another file.")
    if kind not in FORMATS:
        raise ImageRejected(refusal(stream, kind, label))
    codec = import_module(f".codecs.{FORMATS[kind].codec}", __package__)
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


def _read_pillow(image: Image.Image, max_pixels: int) -> Picture:
    name, label = stem_and_label(getattr(image, "filename", None) or None)
    check_size(label, *image.size, max_pixels)
    try:
        image.load()
    except Exception as error:  # decoders of foreign bytes raise nearly every type
        raise ImageRejected(
            f"{label} is damaged, cut off or closed: open it again or choose another file."
        ) from error
    source_format = _PILLOW_NAMES.get(image.format or "", image.format)
    return _picture(pillow_raster(image, label, source_format), name)


def _picture(raster: Raster, name: str) -> Picture:
    """Turn upright, split off alpha, make three channels, and check the metadata."""
    exif, orientation = normalise(raster.exif)
    if raster.orientation is not None:
        orientation = raster.orientation
    samples = raster.samples
    # EXIF 2.32, tag 274; views where possible.
    if orientation >= 5:  # rows and columns are swapped
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    channels = samples.shape[2]
    grey = channels < 3
    colours = np.repeat(samples[..., :1], 3, axis=2) if grey else samples[..., :3]
    return Picture(
        pixels=np.ascontiguousarray(colours),
        alpha=np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None,
        grey=grey,
        icc_profile=usable_profile(raster.icc_profile, grey),
        exif=exif,
        name=name,
        source_format=raster.source_format,
    )
