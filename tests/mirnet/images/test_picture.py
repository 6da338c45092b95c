"""`Picture` and the conversions between sample depths."""

import numpy as np
import pytest

from mirnet.errors import ImageRejected
from mirnet.images.picture import Picture, quantize
from tests.support.picture_files import (
    A8,
    A16,
    HEIGHT,
    WIDTH,
)


def test_unit_round_trip_is_exact():
    for dtype in (np.uint8, np.uint16):
        every = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 16, 1).repeat(3, 2)
        picture = Picture(every)
        unit = picture.unit()
        assert unit.dtype == np.float32 and unit.min() == 0 and unit.max() == 1
        np.testing.assert_array_equal(quantize(unit, dtype), every)
    floats = Picture(np.random.default_rng(0).random((3, 4, 3), np.float32))
    np.testing.assert_array_equal(quantize(floats.unit(), np.float32), floats.pixels)
    assert not np.shares_memory(floats.unit(), floats.pixels)


def test_quantize_clips_rounds_and_refuses_nan():
    values = np.array([[-1, 0.4999 / 255, 0.5001 / 255, 2]], np.float32)
    assert quantize(values, np.uint8).tolist() == [[0, 0, 1, 255]]
    assert quantize(values, np.float32).min() == 0 and quantize(values, np.float32).max() == 1
    with pytest.raises(ImageRejected, match="NaN"):
        quantize(np.full((300, 2, 3), np.nan, np.float32), np.uint8)


def test_with_pixels_brings_alpha_along():
    picture = Picture(A8[3], np.full((HEIGHT, WIDTH), 200, np.uint8), exif=b"x", name="n")
    double = picture.with_pixels(np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint16))
    assert double.alpha.shape == (2 * HEIGHT, 2 * WIDTH) and double.alpha.dtype == np.uint16
    assert (double.alpha == 200 * 257).all() and (double.exif, double.name) == (b"x", "n")
    assert picture.with_pixels(A8[3][::-1]).alpha is picture.alpha
    assert picture.with_pixels(A8[3], alpha=None).alpha is None


def test_pictures_that_are_none():
    for pixels, alpha in (
        (A8[1], None),
        (A8[4], None),
        (A8[3].astype(np.int32), None),
        (A8[3][:0], None),
        (A8[3], A8[1][:3]),
        (A8[3], A16[1]),
    ):
        with pytest.raises(ImageRejected, match="shape"):
            Picture(pixels, alpha)
