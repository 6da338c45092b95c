"""Pictures in device memory and the patches cut out of them."""

import numpy as np
import pytest
import torch
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.train import batches
from mirnet.train.batches import RealPairs, generator_for
from mirnet.train.config import Pairs
from mirnet.train.device_dataset import DeviceDataset, Places, reduced

RNG = np.random.default_rng(0)
SIZES = [(50, 40), (33, 64), (20, 20)]
PICTURES = [RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


@pytest.mark.parametrize("turn", range(8))
def test_a_patch_is_a_crop_mirrored_and_turned(turn):
    flags = [torch.tensor([bool(turn >> bit & 1)]) for bit in range(3)]
    places = Places(torch.tensor([1]), torch.tensor([5]), torch.tensor([17]), *flags)
    got = DeviceDataset(PICTURES, "cpu").cut(places, 12)[0].permute(1, 2, 0).numpy() * 255
    expected = PICTURES[1][5:17, 17:29].astype(float)
    mirrored, flipped, transposed = (bool(flag) for flag in flags)
    if transposed:  # the crop's rows and columns are counted backwards after they are exchanged
        expected = expected.transpose(1, 0, 2)
    expected = expected[:, ::-1] if mirrored else expected
    expected = expected[::-1] if flipped else expected
    assert np.allclose(got, expected, atol=1e-3)


def test_patches_lie_inside_and_reach_everywhere():
    dataset = DeviceDataset(PICTURES, "cpu")
    places = dataset.draw(4000, 18, dataset.chances(18), generator_for("cpu", 1))
    for index, (height, width) in enumerate(SIZES):
        here = places.picture == index
        for start, length in ((places.top, height), (places.left, width)):
            assert start[here].min() == 0
            assert start[here].max() == length - 18
    shares = torch.bincount(places.picture) / 4000
    areas = torch.tensor([height * width for height, width in SIZES])
    assert torch.allclose(shares, areas / areas.sum(), atol=0.03)


def test_pictures_smaller_than_a_patch_are_left_out():
    dataset = DeviceDataset(PICTURES, "cpu")
    places = dataset.draw(200, 30, dataset.chances(30), generator_for("cpu", 1))
    assert set(places.picture.tolist()) == {0, 1}
    with pytest.raises(InvalidRequest, match="largest is 40 x 50"):
        dataset.chances(41)


def test_detail_prefers_what_changes():
    picture = np.zeros((64, 640, 3), np.uint8)
    picture[:, 320:] = RNG.integers(0, 256, (64, 320, 3))
    dataset = DeviceDataset([picture], "cpu", detail=True)
    chances = dataset.chances(32)
    plain, detailed = (
        dataset.draw(400, 32, chances, generator_for("cpu", 1), detail).left.float().mean()
        for detail in (0.0, 1.0)
    )
    assert plain < 350
    assert detailed > 430


def test_reduction_averages_squares():
    picture = RNG.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    small = reduced(picture, 3)
    assert small.shape == (2, 3, 3)
    assert np.abs(small[1, 2] - picture[3:6, 6:9].mean((0, 1))).max() <= 0.5


def test_large_real_pairs_are_decoded_once_and_stay_as_tiles(tmp_path, monkeypatch):
    for place, gain in (("input", 0), ("target", 10)):
        (tmp_path / place).mkdir()
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 240, (90, 100, 3), dtype=np.uint8)
            Image.fromarray(pixels + np.uint8(gain)).save(tmp_path / place / f"{number}.png")
    reads = []
    read = batches.read_image
    monkeypatch.setattr(batches, "read_image", lambda path: reads.append(path) or read(path))
    monkeypatch.setattr(batches, "TILE_PX", 32)
    room = 3 * 4 * 2 * 3 * 32**2 / 2**30  # four tiles of each pair
    recipe = Pairs(folder=str(tmp_path), memory_gib=room)
    pairs = RealPairs(recipe, "train", "cpu")
    assert pairs.inputs.sizes == [(32, 32)] * 12
    decoded = len(reads)
    degraded, target, _ = pairs.batch(40, 24, generator_for("cpu", 1))
    assert len(reads) == decoded
    assert torch.allclose((target - degraded) * 255, torch.full_like(target, 10), atol=1e-3)
    assert len(degraded.flatten(1).unique(dim=0)) > 30
