"""Enlargement ahead of super-resolution."""

import numpy as np
from PIL import Image

from mirnet.images.decode import read_image
from mirnet.restoration.enlarging import enlarge
from tests.support.small_restorations import photo


def test_enlarging_keeps_depth_grey_and_resamples_alpha():
    source = read_image(photo(20, 30, np.uint16, channels=4))
    larger = enlarge(source, 3)
    assert larger.pixels.dtype == np.uint16 and larger.pixels.shape == (60, 90, 3)
    unit = Image.fromarray(source.alpha.astype(np.float32) / 65535)
    expected = np.asarray(unit.resize((90, 60), Image.Resampling.BICUBIC)).clip(0, 1) * 65535
    np.testing.assert_allclose(larger.alpha, expected, atol=0.51)
    grey = enlarge(read_image(photo(20, 30, channels=1)), 2)
    assert grey.grey and np.ptp(grey.pixels, axis=2).max() == 0
