"""What networks see of a photo: hidden colours filled, enlarged, in sRGB; and the way back."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from mirnet.images.colour import PRIMARIES, make_profile, srgb_decode
from mirnet.images.decode import read_image
from mirnet.images.network_input import (
    enlarge,
    fill_transparent,
    prepare_photo,
)
from mirnet.images.picture import Picture
from tests.support.picture_files import SRGB, noise
from tests.support.small_restorations import photo

SPRITE = Path(__file__).parent / "cases" / "sprite.png"
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


def disc(dtype=np.uint8, side: int = 65) -> Picture:
    """A disc of one colour, with soft edge, on black that is transparent."""
    y, x = np.mgrid[:side, :side] - side / 2
    opacity = np.clip(side / 3 - np.hypot(x, y), 0, 1)
    most = np.iinfo(dtype).max if dtype is not np.float32 else 1
    alpha = (opacity * most).astype(dtype)
    colour = (np.array([0.9, 0.7, 0.2]) * most).astype(dtype)
    return Picture(np.where(alpha[..., None] > 0, colour, 0).astype(dtype), alpha)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_hidden_colours_become_those_around(dtype):
    picture = disc(dtype)
    filled = fill_transparent(picture)
    most = 1 if dtype is np.float32 else np.iinfo(dtype).max
    colour = picture.pixels[32, 32].astype(float)
    assert np.abs(filled.pixels - colour).max() <= 0.005 * most
    seen = picture.alpha > 0.012 * most
    np.testing.assert_array_equal(filled.pixels[seen], picture.pixels[seen])
    np.testing.assert_array_equal(filled.alpha, picture.alpha)
    assert picture.pixels[0, 0].max() == 0  # the given picture is left alone


def test_two_colours_reach_as_far_as_they_are_near():
    pixels = np.zeros((40, 600, 3), np.uint8)
    alpha = np.zeros((40, 600), np.uint8)
    pixels[:, :10], pixels[:, -10:] = (200, 0, 0), (0, 0, 200)
    alpha[:, :10] = alpha[:, -10:] = 255
    filled = fill_transparent(Picture(pixels, alpha)).pixels.astype(int)
    assert (filled[:, :60, 0] > filled[:, :60, 2]).all()
    assert (filled[:, -60:, 2] > filled[:, -60:, 0]).all()
    assert filled.sum(axis=2).min() > 190


def test_what_needs_no_filling_is_returned():
    opaque = Picture(np.zeros((3, 4, 3), np.uint8), np.full((3, 4), 9, np.uint8))
    empty = Picture(np.zeros((3, 4, 3), np.uint8), np.zeros((3, 4), np.uint8))
    for picture in (opaque, empty, Picture(opaque.pixels)):
        assert fill_transparent(picture) is picture


@pytest.mark.parametrize(("height", "width"), [(1, 2), (2, 1), (1, 513), (513, 3), (256, 257)])
def test_odd_sizes(height, width):
    pixels = np.zeros((height, width, 3), np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    pixels[0, 0], alpha[0, 0] = (10, 20, 30), 255
    filled = fill_transparent(Picture(pixels, alpha)).pixels
    np.testing.assert_array_equal(filled, np.broadcast_to([10, 20, 30], filled.shape))


def test_a_sprite_has_no_black_left():
    filled = fill_transparent(read_image(SPRITE))
    seen = filled.alpha > 0
    assert filled.pixels[~seen].min(axis=0).max() > 50
    assert np.abs(filled.pixels[~seen].mean(axis=0) - filled.pixels[seen].mean(axis=0)).max() < 60


def test_colours_that_are_mostly_rounding_do_not_count():
    picture = disc()
    alpha = np.where(picture.alpha == 0, np.uint8(2), picture.alpha)
    filled = fill_transparent(Picture(picture.pixels, alpha))
    assert np.abs(filled.pixels.astype(int) - picture.pixels[32, 32]).max() <= 30
    assert filled.pixels[0, 0].max() > 200


def test_enlarging_keeps_depth_grey_and_resamples_alpha():
    source = read_image(photo(20, 30, np.uint16, channels=4))
    larger = enlarge(source, 3)
    assert larger.pixels.dtype == np.uint16 and larger.pixels.shape == (60, 90, 3)
    unit = Image.fromarray(source.alpha.astype(np.float32) / 65535)
    expected = np.asarray(unit.resize((90, 60), Image.Resampling.BICUBIC)).clip(0, 1) * 65535
    np.testing.assert_allclose(larger.alpha, expected, atol=0.51)
    grey = enlarge(read_image(photo(20, 30, channels=1)), 2)
    assert grey.grey and np.ptp(grey.pixels, axis=2).max() == 0


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
    ready = prepare_photo(picture)
    again = ready.finish(ready.seen)
    assert again.pixels.dtype == dtype and again.icc_profile == SPACES[space]
    most = 1 if dtype is np.float32 else np.iinfo(dtype).max
    limit = most / 255 if dtype is not np.uint8 else 1
    assert np.abs(again.pixels.astype(float) - pixels).max() <= limit


@pytest.mark.parametrize("space", SPACES)
def test_the_network_sees_srgb(space):
    y, x = np.mgrid[:16, :16] * 4
    muted = np.dstack([96 + x, 96 + y, 128 + 0 * x]).astype(np.uint8)  # within sRGB
    picture = Picture(muted, np.full((16, 16), 200, np.uint8), icc_profile=SPACES[space])
    working = prepare_photo(picture).seen
    assert (
        working.pixels.dtype == np.uint16 and working.icc_profile is None and working.alpha is None
    )
    expected = shown(picture)
    inside = (expected > 0).all(axis=2) & (expected < 255).all(axis=2)
    assert inside.any()
    assert np.abs(working.pixels / 257 - expected)[inside].max() <= 2


@pytest.mark.parametrize("space", SPACES)
def test_a_grey_card_stays_grey(space):
    card = Picture(np.full((8, 8, 3), 118, np.uint8), icc_profile=SPACES[space])
    ready = prepare_photo(card)
    assert np.ptp(ready.seen.pixels) < 257
    np.testing.assert_array_equal(ready.finish(ready.seen).pixels, 118)


def test_what_the_network_changes_arrives():
    picture = Picture(np.full((8, 8, 3), 100, np.uint8), icc_profile=SPACES["Display P3"])
    ready = prepare_photo(picture)
    brighter = ready.seen.with_pixels(ready.seen.pixels + np.uint16(20 * 257))
    assert np.abs(ready.finish(brighter).pixels.astype(int) - 120).max() <= 1


def test_colours_beyond_srgb_stay_saturated():
    red = Picture(np.full((4, 4, 3), (255, 0, 0), np.uint8), icc_profile=SPACES["Display P3"])
    ready = prepare_photo(red)
    np.testing.assert_array_equal(ready.finish(ready.seen).pixels, red.pixels)


@pytest.mark.parametrize(
    ("profile", "grey"), [(None, False), (None, True), (SRGB, False), (b"junk", False)]
)
def test_srgb_and_unusable_profiles_pass_unchanged(profile, grey):
    picture = Picture(np.full((4, 4, 3), 9, np.uint8), grey=grey, icc_profile=profile)
    assert prepare_photo(picture).seen is picture


@pytest.mark.parametrize("profile", [None, SPACES["Display P3"]])
def test_what_a_network_leaves_alone_comes_back_with_the_colours_it_was_given(profile):
    picture = Picture(disc().pixels, disc().alpha, icc_profile=profile)
    ready = prepare_photo(picture, 2)
    assert ready.before.pixels[0, 0].max() > 0 and ready.before.pixels.shape == (130, 130, 3)
    assert (ready.seen is ready.before) == (profile is None)
    result = ready.finish(ready.seen)
    assert np.abs(result.pixels.astype(int) - ready.before.pixels).max() <= 1
    np.testing.assert_array_equal(result.alpha, ready.before.alpha)
    assert result.icc_profile == profile


def test_colours_stay_bit_for_bit_where_no_network_runs():
    picture = Picture(disc().pixels, disc().alpha, icc_profile=SPACES["Display P3"])
    ready = prepare_photo(picture, 1, colours=False)
    assert ready.before is picture and ready.seen is picture
