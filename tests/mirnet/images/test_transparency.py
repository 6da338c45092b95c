"""Colours under transparent pixels."""

from pathlib import Path

import numpy as np
import pytest

from mirnet.images.decode import read_image
from mirnet.images.picture import Picture
from mirnet.images.transparency import fill_transparent

SPRITE = Path(__file__).parent / "cases" / "sprite.png"


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
