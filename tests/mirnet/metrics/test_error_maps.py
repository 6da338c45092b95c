"""Maps of the error between two pictures."""

import numpy as np

from mirnet.metrics.error_maps import error_of, heat, scale_for


def test_an_error_map_has_the_scale_that_it_tells():
    target = np.zeros((10, 10, 3), np.uint8)
    error = error_of(np.full_like(target, 20), target)
    assert np.allclose(error, 20) and scale_for([error]) == 32
    drawn = heat(error, 20)
    assert drawn.shape == (10, 10, 3) and drawn.min() > heat(0 * error, 20).max()
