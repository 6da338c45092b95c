"""Tiles restored on their own: put together without loss, clamped, blended."""

import numpy as np
import pytest
from torch import nn

from mirnet.restoration.api import restore
from tests.support.small_restorations import Identity, Pointwise, photo


@pytest.mark.parametrize("size", [(200, 301), (65, 33), (1, 500), (129, 64)])
def test_tiles_reassemble_a_pointwise_network_exactly(size):
    pixels = photo(*size, np.uint16)
    model = Pointwise(lambda image: 1 - image)
    result = restore(pixels, weights=model, tile_px=64, overlap_px=16).result()
    assert result.tiles == len(model.shapes) > 1
    assert np.array_equal(result.picture.pixels, 65535 - pixels)


def test_tiled_convolution_is_close_to_the_whole_and_equal_away_from_seams():
    class Blur(nn.Module):
        def forward(self, image):
            return nn.functional.avg_pool2d(image, 5, 1, 2)  # zeros enter at every border

    pixels = photo(300, 220, np.float32)
    whole = restore(pixels, weights=Blur(), tile_px=512).result().picture.pixels
    tiled = restore(pixels, weights=Blur(), tile_px=128, overlap_px=48).result()
    assert tiled.tiles == 12
    assert np.abs(tiled.picture.pixels - whole).max() < 0.01
    np.testing.assert_allclose(tiled.picture.pixels[:60, :50], whole[:60, :50], atol=1e-6)


def test_output_is_clamped():
    result = restore(photo(), weights=Pointwise(lambda image: image * 9 - 4)).result()
    assert result.picture.pixels.min() == 0 and result.picture.pixels.max() == 255


def test_ensemble_works_on_tiles_that_are_not_square():
    model = Identity()
    result = restore(photo(50, 100), weights=model, ensemble=True, tile_px=64).result()
    assert np.array_equal(result.picture.pixels, photo(50, 100))
    assert len(model.shapes) == 8 * result.tiles
    assert {shape[2:] for shape in model.shapes} == {(50, 54), (54, 50)}
