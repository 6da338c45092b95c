"""The noise level: estimated from a picture, given by a caller, and shown to the network."""

import doctest
import sys

import pytest
import torch
from torch import nn

from mirnet.models import noise_level
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.models.noise_level import PLANE_SCALE, estimate_noise


def scene(height=256, width=256) -> torch.Tensor:
    """Slopes, edges and a little texture, without noise: (1, 3, H, W)."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    light = 0.3 + 0.3 * x + 0.2 * ((5 * x + 3 * y).floor() % 2) + 0.01 * torch.sin(40 * y)
    return torch.stack([light, 0.9 * light, 0.7 * light])[None]


def network(**config) -> MIRNetV2:
    torch.manual_seed(0)
    model = MIRNetV2(8, 1, conv_groups=(1,), noise_level=True, **{"unshuffle": 2, **config})
    for value in model.parameters():
        if value.dim() > 1:
            nn.init.normal_(value, std=1 / value[0].numel() ** 0.5)
    return model.eval().requires_grad_(False)


def test_the_example_in_the_documentation_is_true():
    outcome = doctest.testmod(sys.modules[noise_level.__name__])
    assert outcome.attempted and not outcome.failed


@pytest.mark.parametrize("sigma", [0.004, 0.02, 0.1])
def test_noise_is_estimated_in_spite_of_edges(sigma):
    torch.manual_seed(0)
    images = (scene() + sigma * torch.randn(2, 3, 256, 256)).clamp(0, 1)
    assert estimate_noise(images).flatten().tolist() == pytest.approx([sigma] * 2, rel=0.1)


def test_a_clean_picture_has_next_to_none():
    assert estimate_noise(scene()).item() < 0.001


def test_what_is_fully_black_or_white_hides_no_noise():
    """Half of the picture has lost its noise to clipping, which must not halve the estimate."""
    torch.manual_seed(0)
    image = (0.5 + 0.05 * torch.randn(1, 3, 128, 128)).clamp(0, 1)
    image[..., :80] = 1.0
    assert estimate_noise(image).item() == pytest.approx(0.05, rel=0.1)
    assert estimate_noise(torch.ones(1, 3, 8, 8)).item() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (3, 1), (2, 2), (5, 7)])
def test_small_and_odd_pictures_have_an_estimate(size):
    level = estimate_noise(torch.rand(2, 3, *size))
    assert level.shape == (2, 1) and level.isfinite().all() and (level >= 0).all()


def test_the_network_is_shown_the_level_beside_the_picture():
    model, image = network(), torch.rand(2, 3, 16, 24)
    seen = model.network_input(image, image, torch.tensor([[0.02], [0.1]]))
    assert seen.shape == (2, 4, 16, 24) and torch.equal(seen[:, :3], image)
    planes = torch.tensor([0.02, 0.1])[:, None, None] * PLANE_SCALE
    torch.testing.assert_close(seen[:, 3], planes.expand(2, 16, 24))


def test_the_level_is_the_callers_or_else_estimated():
    model, image = network(), torch.rand(1, 3, 16, 24)
    estimated = model(image)
    assert torch.equal(estimated, model(image, estimate_noise(image)))
    assert (estimated - model(image, torch.tensor([[0.5]]))).abs().max() > 1e-3
    with pytest.raises(ValueError, match="needs its condition"):
        model.restore_padded(torch.rand(1, 3, 8, 8))


def test_one_level_serves_a_batch_of_tiles():
    model, tiles, level = network(), torch.rand(3, 3, 16, 16), torch.tensor([[0.1]])
    together = model.restore_padded(tiles, level)
    for tile, restored in zip(tiles, together, strict=True):
        alone = model.restore_padded(tile[None], level)
        torch.testing.assert_close(alone[0], restored, rtol=0, atol=1e-5)


def test_a_curve_and_a_level_exclude_each_other():
    with pytest.raises(ValueError, match="exclude each other"):
        MIRNetV2(8, 1, conv_groups=(1,), exposure=True, noise_level=True)


@pytest.mark.parametrize("unshuffle", [1, 2, 3, 4])
def test_gradients_reach_the_weights_of_the_level(unshuffle):
    model = network(unshuffle=unshuffle).train().requires_grad_(True)
    model(torch.rand(2, 3, 24, 24)).square().mean().backward()
    gradient = model.conv_in.weight.grad[:, 3 * unshuffle**2 :]
    assert gradient.shape[1] == unshuffle**2 and gradient.abs().max() > 0
