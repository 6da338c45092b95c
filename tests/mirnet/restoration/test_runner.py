"""One tile through the network: device, lock, what the whole photo tells, what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from mirnet.errors import InvalidRequest
from mirnet.models.base import RestorationNetwork
from mirnet.restoration.api import restore
from mirnet.restoration.compute_lock import COMPUTE_LOCK
from mirnet.restoration.runner import side_by_side
from tests.support.small_restorations import Identity, Pointwise, photo, tiny


def test_a_network_learns_about_the_whole_picture_once():
    class Conditioned(RestorationNetwork):
        pools_from_outside = False
        thumbnail_px = 140

        def __init__(self):
            super().__init__(features=1)
            self.seen: list[torch.Tensor] = []
            self.tiles = 0

        def condition(self, image):
            assert COMPUTE_LOCK.locked()
            self.seen.append(image.clone())
            return torch.tensor(len(self.seen))

        def forward(self, image, condition):
            assert condition.item() == 1
            self.tiles += 1
            return image.clone()

    model = Conditioned()
    pixels = photo(300, 1100, np.float32)
    result = restore(pixels, weights=model, tile_px=256).result()
    assert result.tiles == model.tiles == 10
    [thumbnail] = model.seen
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    expected = nn.functional.interpolate(image, (140, 140), mode="area")
    assert thumbnail.shape == (1, 3, 140, 140)
    torch.testing.assert_close(thumbnail, expected)

    model = Conditioned()
    restore(pixels, weights=model, tile_px=1200).result()
    assert model.seen[0].shape == (1, 3, 300, 1100)


def test_the_noise_of_a_large_picture_is_estimated_on_unreduced_windows():
    torch.manual_seed(1)
    model = tiny(noise_level=True)
    levels = []
    model.network_input = (
        lambda padded, base, level: (  # type: ignore[method-assign]
            levels.append(level.item()) or torch.cat([padded, padded[:, :1]], 1)
        )
    )
    rng = np.random.default_rng(0)
    pixels = (0.5 + 0.05 * rng.standard_normal((300, 520, 3))).astype(np.float32).clip(0, 1)
    restore(pixels, weights=model, tile_px=128, tiling="fast", engine="plain").result()
    last = levels[-10:]  # the probes of an engine come first
    assert len({*last}) == 1 and last[0] == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(64, 64, (64, 64)), (200, 130, (64, 6 * 64)), (900, 900, (64, 64 * 64)), (41, 90, (40, 64))],
)
def test_windows_are_whole_even_and_side_by_side(height, width, expected):
    rows, columns = np.mgrid[:height, :width]
    pixels = np.dstack([rows / height, columns / width, rows * 0]).astype(np.float32)
    made = side_by_side(pixels, 64)
    assert made.shape == (1, 3, *expected)
    starts = made[0, :2, 0, ::64].numpy().T * (height, width)
    assert np.allclose(starts, starts.round(), atol=1e-2) and not (starts.round() % 2).any()
    assert len({tuple(start) for start in starts.round()}) == expected[1] // 64


def test_a_network_that_changes_the_size_or_finds_no_memory_is_refused():
    with pytest.raises(InvalidRequest, match="keeps the size"):
        restore(photo(), weights=nn.Upsample(scale_factor=2)).result()

    def exhausted(image):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9999 bytes")

    with pytest.raises(InvalidRequest, match="tile of 90 x 70 pixels: choose a smaller tile"):
        restore(photo(), weights=Pointwise(exhausted), tile_px=96).result()
    with pytest.raises(InvalidRequest, match="not enough memory"):  # nor for the smallest tiles
        restore(photo(), weights=Pointwise(exhausted)).result()

    def wrong(image):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):  # bugs stay loud
        restore(photo(), weights=Pointwise(wrong)).result()


def test_shared_networks_are_left_as_they_are():
    model = tiny()
    layout = [(p.device, p.stride()) for p in model.parameters()]
    restore(photo(), weights=model).result()
    assert layout == [(p.device, p.stride()) for p in model.parameters()]


def test_the_lock_is_held_for_each_pass_only():
    model = Identity()
    for _ in restore(photo(100, 100), weights=model, tile_px=64):
        assert not COMPUTE_LOCK.locked()
    assert model.locked == [True] * 4
