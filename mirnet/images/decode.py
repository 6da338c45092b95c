"""Reading photos: a file, bytes, a Pillow image or an array becomes an upright, checked `Picture`.

A file is recognised by its first bytes, never by its name; the size in its header is compared with
the limit before any pixel is decoded. No global setting of Pillow is changed.

Decisions:

* 16-bit, 10- and 12-bit pictures keep their depth; floating-point TIFF files are refused.
* CMYK and Lab become sRGB through the embedded profile. A profile that is damaged, or that belongs
  to another number of channels than the picture has, is dropped.
* A damaged EXIF block is dropped; a photo is not refused for it.
"""

import os
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from .codecs import decode
from .codecs.pillow import given_raster
from .metadata import checked
from .names import name_of
from .picture import Picture
from .raster import MAX_PIXELS, TooLarge, array_raster, check_size
from .sources import opened


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
    if isinstance(source, (Picture, Image.Image)):
        check_size(label, source.width, source.height, max_pixels)
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        raster = array_raster(source, max_pixels)
    elif isinstance(source, Image.Image):
        raster = given_raster(source, label)
    else:
        with opened(source, label, max_pixels) as stream:
            raster = decode(stream, label, max_pixels)
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
        with opened(path, label, sys.maxsize) as stream:
            decode(stream, label, max_pixels=0)
    except TooLarge as found:
        return found.width, found.height
    raise AssertionError("a picture without pixels was read")
