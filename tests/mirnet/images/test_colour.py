"""Conversion to sRGB through colour profiles."""

import io

import numpy as np
from PIL import Image, ImageCms

from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.picture import Picture
from tests.support.picture_files import (
    A8,
    cmyk_profile,
    grey_profile,
    saved,
)


def test_cmyk_goes_through_its_profile():
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[:, 8:, 0] = 255  # cyan, which this odd profile makes white
    ink[8:, :, 3] = 255  # black
    image = Image.fromarray(ink, "CMYK")
    picture = read_image(saved(image, "TIFF", icc_profile=cmyk_profile()))
    assert picture.pixels[:8].min() > 240 and picture.pixels[8:].max() < 20
    assert picture.icc_profile and not picture.grey
    assert ImageCms.ImageCmsProfile(io.BytesIO(picture.icc_profile)).profile.xcolor_space == "RGB "
    plain = read_image(saved(image, "JPEG", quality=100))
    assert plain.icc_profile is None
    assert plain.pixels[2, 13, 0] < 20 < 240 < plain.pixels[2, 13, 1]  # cyan stays cyan


def test_grey_webp_with_a_profile_is_converted():
    start = read_image(A8[1])
    linear = Picture(start.pixels, None, True, grey_profile())
    picture = read_image(encode_image(linear, "WebP", 100))
    middle = np.abs(A8[1].astype(int) - 55) < 3  # linear 0.2157 is 0.502 in sRGB (IEC 61966-2-1)
    assert abs(picture.pixels[middle].mean() - 128) < 8
    assert not picture.grey and picture.icc_profile
