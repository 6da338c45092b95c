"""Results: facts, saving, and strength without a second run of the network."""

import numpy as np
import pytest

from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
from mirnet.restoration.api import restore
from tests.support.small_restorations import Identity, Pointwise, photo, tiny


def test_facts_and_save(tmp_path):
    model = tiny()
    result = restore(photo(200, 300), weights=model, tile_px=128, overlap_px=16).result()
    assert result.before.pixels.shape == result.picture.pixels.shape == (200, 300, 3)
    assert (result.task, result.architecture, result.device) == ("denoise", "MIRNetV2", "cpu")
    assert result.parameters == sum(p.numel() for p in model.parameters())
    assert result.megapixels == 0.06 and result.seconds > 0
    assert result.megapixels_per_second == pytest.approx(0.06 / result.seconds)
    assert result.facts().startswith("weights MIRNetV2 module · 0.06 MP in ")
    assert result.facts().endswith(" · 6 tiles up to 128 px · engine torch")
    saved = result.save(tmp_path / "result.png")
    assert np.array_equal(read_image(saved).pixels, result.picture.pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_strength_zero_is_the_input_bit_for_bit_without_running_the_network(dtype):
    model = Identity()
    work = restore(photo(dtype=dtype), weights=model, strength=0, tile_px=32)
    assert list(work) == [] and model.shapes == []
    result = work.result()
    assert np.array_equal(result.picture.pixels, photo(dtype=dtype))
    assert result.tiles == 0 and result.facts().endswith("0.0063 MP unchanged at strength 0")


def test_strength_blends():
    darker = Pointwise(lambda image: image / 2)
    pixels = photo(dtype=np.float32)
    for strength in (0.25, 1):
        result = restore(pixels, weights=darker, strength=strength, tile_px=32).result()
        np.testing.assert_allclose(result.picture.pixels, pixels * (1 - strength / 2), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_strength_is_changed_without_the_network(dtype):
    model = Pointwise(lambda image: 1 - image)
    made = restore(photo(dtype=dtype), weights=model, strength=0.5).result()
    runs = len(model.shapes)
    again = {strength: made.blend(strength) for strength in (0, 0.25, 0.5, 1)}
    assert len(model.shapes) == runs
    assert np.array_equal(again[0].picture.pixels, photo(dtype=dtype))
    assert np.array_equal(again[0.5].picture.pixels, made.picture.pixels)
    expected = restore(photo(dtype=dtype), weights=model).result()
    assert np.array_equal(again[1].picture.pixels, expected.picture.pixels)
    assert again[0.25].strength == 0.25 and again[0.25].seconds == made.seconds
    direct = restore(photo(dtype=dtype), weights=model, strength=0.25).result()
    assert np.array_equal(again[0.25].picture.pixels, direct.picture.pixels)


def test_a_result_without_the_network_has_one_strength():
    made = restore(photo(), weights=Identity(), strength=0).result()
    assert made.blend(0).picture is made.before
    with pytest.raises(InvalidRequest, match="made at strength 0"):
        made.blend(0.5)
    with pytest.raises(InvalidRequest, match="Strength 2"):
        made.blend(2)


def test_memory_counts_each_picture_once():
    pixels = photo().nbytes
    model = Pointwise(lambda image: 1 - image)
    assert restore(photo(), weights=model).result().nbytes == 2 * pixels
    assert restore(photo(), weights=model, strength=0.5).result().nbytes == 3 * pixels
    assert restore(photo(), weights=model, strength=0).result().nbytes == pixels
