"""No shipped network prints its own grid on a picture.

Networks behind a pixel-unshuffle compute each place of 2 x 2 (3 x 3, 4 x 4) pixels with weights of
its own. Where these disagree, flat areas come out as a mesh.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from mirnet.weights.catalogue import EMBEDDED_FOLDER, load_catalogue
from mirnet.weights.networks import load_weights
from tests.support.paths import ROOT

OURS = {
    entry.file: entry for entry in load_catalogue().values() if entry.kind == "embedded"
}.values()
SAME_SIZE = [entry for entry in OURS if not entry.task.startswith("sr-")]
BORDER_PX = 24
"""Pixels at every border that are not compared."""
MAX_PHASE_LEVELS = 0.05
MIN_SHIFT_DB = 55.0
MAX_PEAK = 2.0
MEASURED_PEAK = {"denoise-compact": 4.0}
"""Shipped networks with a peak in the spectrum of what they leave of noise.

The peak of denoise-compact is the noise's own, 0.004 levels of 255: levelled phases neither add to
a picture's mean over each phase nor take from it, and of what lies around a quarter is left.
"""
MEASURED_SHIFT_DB = {"denoise-compact": 54.9}
"""Shipped networks that are not yet the same for a picture shifted by one pixel, dB."""


def by_id(entry):
    return entry.id


def expect_failure(request, entry, measured):
    """Mark a test as failing for a network with a measured number."""
    if entry.id in measured:
        reason = f"measured {measured[entry.id]}"
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


def network(entry):
    return load_weights(EMBEDDED_FOLDER / entry.file)


@torch.inference_mode()
def inner(model, picture, condition=None):
    """The restored picture without its borders, (1, 3, H, W)."""
    return model(picture, condition)[..., BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]


@pytest.mark.parametrize("entry", OURS, ids=by_id)
def test_flat_pictures_have_equal_means_on_all_phases(entry):
    model = network(entry)
    places = model.unshuffle
    side = 24 * places + 2 * BORDER_PX
    for level in (10, 25, 60, 118, 200, 240):
        flat = inner(model, torch.full((1, 3, side, side), level / 255))
        phases = F.pixel_unshuffle(flat, places).mean((2, 3)).view(3, -1) * 255
        assert (phases.amax(1) - phases.amin(1)).max() <= MAX_PHASE_LEVELS


@pytest.mark.parametrize("entry", SAME_SIZE, ids=by_id)
def test_a_shifted_picture_comes_out_shifted(entry, request):
    expect_failure(request, entry, MEASURED_SHIFT_DB)
    with Image.open(ROOT / "examples/sr-x4/bridge-original.jpg") as opened:
        pixels = np.array(opened.convert("RGB").crop((0, 0, 193, 161)))
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    picture = picture * 0.15 if entry.task == "lowlight" else picture
    model = network(entry)
    condition = model.condition(picture)
    first = inner(model, picture[..., :160, :192], condition)[..., 1:, 1:]
    second = inner(model, picture[..., 1:, 1:], condition)[..., :-1, :-1]
    psnr = -10 * torch.log10((first - second).square().mean()).item()
    assert psnr >= MIN_SHIFT_DB


@pytest.mark.parametrize("entry", OURS, ids=by_id)
def test_noise_has_no_peak_at_the_grid_of_the_network(entry, request):
    """The spectrum of what is left of noise, at the diagonal frequency of two pixels."""
    expect_failure(request, entry, MEASURED_PEAK)
    generator = torch.Generator().manual_seed(1)
    noisy = 25 / 255 + 0.01 * torch.randn(1, 3, 240, 240, generator=generator)
    eight_bits = (noisy.clamp(0, 1) * 255).round() / 255
    grey = inner(network(entry), eight_bits)[0].mean(0)
    grey = grey - F.avg_pool2d(grey[None, None], 9, 1, 4, count_include_pad=False)[0, 0]
    power = torch.fft.fftshift(torch.fft.fft2(grey)).abs() ** 2  # its corner is the highest one
    around = torch.roll(power, (12, 12), (0, 1))[:25, :25].clone()
    peak = around[11:14, 11:14].mean().item()
    around[9:16, 9:16] = 0
    assert peak <= MAX_PEAK * around.sum().item() / (25**2 - 7**2)
