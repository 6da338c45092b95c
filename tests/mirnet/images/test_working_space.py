"""Networks see sRGB, and results stay in the space of their photo."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from mirnet.images.colour import PRIMARIES, make_profile, srgb_decode
from mirnet.images.picture import Picture
from mirnet.images.working_space import from_working_space, to_working_space
from tests.support.picture_files import SRGB, grey_profile, noise

CURVE = srgb_decode(np.linspace(0, 1, 1024))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), (0.3127, 0.3290))
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), (0.3457, 0.3585))
SPACES = {
    "Display P3": make_profile("P3", PRIMARIES["Display P3"], CURVE),
    "Adobe RGB": make_profile("Adobe", ADOBE, 2.19921875),
    "ProPhoto": make_profile("ProPhoto", PROPHOTO, 1.8),
    "BT.2020": make_profile("BT.2020", PRIMARIES["BT.2020"], CURVE),
    "linear": make_profile("linear", PRIMARIES["sRGB"], 1.0),
}


def shown(picture: Picture) -> np.ndarray:
    """The picture in sRGB, by Pillow's own use of LittleCMS, (H, W, 3) uint8."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(picture.icc_profile))
    target = ImageCms.createProfile("sRGB")
    image = Image.fromarray(picture.pixels)
    return np.asarray(ImageCms.profileToProfile(image, source, target, renderingIntent=1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("space", SPACES)
def test_nothing_changes_where_the_network_changes_nothing(space, dtype):
    values = noise(3, np.uint16)
    pixels = (values / np.float32(65535)) if dtype is np.float32 else values.astype(dtype)
    picture = Picture(pixels, icc_profile=SPACES[space])
    working = to_working_space(picture)
    again = from_working_space(working, picture)
    assert again.pixels.dtype == dtype and again.icc_profile == SPACES[space]
    most = 1 if dtype is np.float32 else np.iinfo(dtype).max
    limit = most / 255 if dtype is not np.uint8 else 1
    assert np.abs(again.pixels.astype(float) - pixels).max() <= limit


@pytest.mark.parametrize("space", SPACES)
def test_the_network_sees_srgb(space):
    y, x = np.mgrid[:16, :16] * 4
    muted = np.dstack([96 + x, 96 + y, 128 + 0 * x]).astype(np.uint8)  # within sRGB
    picture = Picture(muted, np.full((16, 16), 200, np.uint8), icc_profile=SPACES[space])
    working = to_working_space(picture)
    assert working.pixels.dtype == np.uint16 and working.icc_profile is None
    assert (working.alpha == 200 * 257).all()
    expected = shown(picture)
    inside = (expected > 0).all(axis=2) & (expected < 255).all(axis=2)
    assert inside.any()
    assert np.abs(working.pixels / 257 - expected)[inside].max() <= 2


@pytest.mark.parametrize("space", SPACES)
def test_a_grey_card_stays_grey(space):
    card = Picture(np.full((8, 8, 3), 118, np.uint8), icc_profile=SPACES[space])
    working = to_working_space(card).pixels
    assert np.ptp(working) < 257
    np.testing.assert_array_equal(from_working_space(to_working_space(card), card).pixels, 118)


def test_what_the_network_changes_arrives():
    picture = Picture(np.full((8, 8, 3), 100, np.uint8), icc_profile=SPACES["Display P3"])
    working = to_working_space(picture)
    brighter = working.with_pixels(working.pixels + np.uint16(20 * 257))
    assert np.abs(from_working_space(brighter, picture).pixels.astype(int) - 120).max() <= 1


def test_colours_beyond_srgb_stay_saturated():
    red = Picture(np.full((4, 4, 3), (255, 0, 0), np.uint8), icc_profile=SPACES["Display P3"])
    np.testing.assert_array_equal(from_working_space(to_working_space(red), red).pixels, red.pixels)


@pytest.mark.parametrize(
    ("profile", "grey"), [(None, False), (SRGB, False), (grey_profile(), True), (b"junk", False)]
)
def test_srgb_grey_and_unusable_profiles_pass_unchanged(profile, grey):
    picture = Picture(np.full((4, 4, 3), 9, np.uint8), grey=grey, icc_profile=profile)
    assert to_working_space(picture) is picture
