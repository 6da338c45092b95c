"""Camera raw files: developed rightly, or refused in words."""

import numpy as np
import pytest

from mirnet.images.decode import read_image, size_of
from tests.support.picture_files import dng, rejected

LIGHT = 0.2158605
"""Linear light of the sRGB code 128."""


def test_a_grey_card_comes_out_grey_and_as_bright_as_it_was():
    picture = read_image(dng(np.full((64, 96), round(65535 * LIGHT), np.uint16)))
    assert (picture.source_format, picture.bits, picture.grey) == ("RAW", 16, False)
    assert picture.pixels.shape == (64, 96, 3)
    assert np.abs(picture.pixels / 257 - 128).max() < 0.5
    assert picture.icc_profile is None


def test_colours_are_those_of_the_filter():
    cfa = np.zeros((64, 96), np.uint16)
    cfa[::2, ::2] = 40_000  # red alone
    red = read_image(dng(cfa)).pixels[16:-16, 16:-16].mean(axis=(0, 1))
    assert red[0] > 10 * max(red[1], red[2])


@pytest.mark.parametrize(("orientation", "shape"), [(1, (64, 96)), (6, (96, 64)), (8, (96, 64))])
def test_it_is_turned_upright_once(orientation, shape):
    cfa = np.full((64, 96), 3000, np.uint16)
    cfa[:32] = 30_000  # the upper half is bright
    pixels = read_image(dng(cfa, orientation)).pixels
    assert pixels.shape[:2] == shape
    sides = {
        1: (pixels[:20], pixels[-20:]),
        6: (pixels[:, -20:], pixels[:, :20]),
        8: (pixels[:, :20], pixels[:, -20:]),
    }
    bright, dark = sides[orientation]
    assert bright.mean() > 2 * dark.mean()


def test_the_limit_comes_before_developing():
    data = dng(np.zeros((64, 96), np.uint16))
    rejected(data, "megapixels", max_pixels=64 * 96 - 1)


def test_its_size_is_known_from_the_header(tmp_path):
    path = tmp_path / "photo.dng"
    path.write_bytes(dng(np.zeros((64, 96), np.uint16)))
    assert size_of(path) == (96, 64)


def test_what_libraw_cannot_read_is_refused_in_words():
    data = dng(np.zeros((64, 96), np.uint16))
    rejected(data[:200], "damaged")
    rejected(b"FUJIFILMCCD-RAW" + bytes(100), "raw", "LibRaw")
