"""Files as other programs write them, and what a program that honours profiles shows of them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from mirnet.images.picture import Picture, to_eight_bits
from tests.support.picture_files import chunk, smooth

CASES = Path(__file__).parents[1] / "mirnet/images/cases"
PHOTO = Image.fromarray(smooth())


def in_srgb(picture: Picture) -> np.ndarray:
    """What a program that honours profiles shows, (H, W, 3) uint8."""
    image = Image.fromarray(to_eight_bits(picture.pixels))
    if picture.icc_profile is None:
        return np.asarray(image)
    source = ImageCms.ImageCmsProfile(io.BytesIO(picture.icc_profile))
    return np.asarray(ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB")))


def with_chunk(data: bytes, name: bytes, body: bytes, *, sound: bool = True) -> bytes:
    added = chunk(name, body)
    if not sound:
        added = added[:-1] + bytes([added[-1] ^ 1])
    return data[:33] + added + data[33:]
