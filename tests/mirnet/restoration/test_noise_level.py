"""The noise level that a network is told instead of its estimate."""

import numpy as np
import pytest

from mirnet.errors import InvalidRequest
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration.api import restore
from tests.support.small_networks import small_v2
from tests.support.small_restorations import Identity, photo


def told(level, **settings):
    model = small_v2(noise_level=True, unshuffle=2)
    assert isinstance(model, MIRNetV2)
    return restore(photo(), weights=model, noise_level=level, **settings).result()


def test_a_given_level_replaces_the_estimate():
    estimated = told(None)
    assert estimated.noise_level > 30  # the photo is noise
    again = told(estimated.noise_level)
    assert again.noise_level == pytest.approx(estimated.noise_level)
    assert np.array_equal(again.picture.pixels, estimated.picture.pixels)
    other = told(0)
    assert other.noise_level == 0 and not np.array_equal(other.full.pixels, estimated.full.pixels)
    assert other.facts().endswith(" · noise level 0 of 255")
    tiled = told(0, tile_px=48, tiling="exact")
    assert np.abs(tiled.picture.pixels.astype(int) - other.picture.pixels).max() <= 1


@pytest.mark.parametrize("level", [-1, 101, float("nan"), "strong"])
def test_an_impossible_level_is_refused(level):
    with pytest.raises(InvalidRequest, match="is not a number from 0 to 100"):
        told(level)


def test_a_network_without_it_is_not_told_one():
    for model in (small_v2(unshuffle=2), Identity()):
        with pytest.raises(InvalidRequest, match="take no noise level"):
            restore(photo(), weights=model, noise_level=10)
        assert restore(photo(), weights=model).result().noise_level is None
