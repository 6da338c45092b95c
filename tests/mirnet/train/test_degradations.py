"""The physics of the degradations, checked against closed forms."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from mirnet.train.degradations import CleanBatch, registry
from mirnet.train.degradations.camera import Camera, in_camera
from mirnet.train.degradations.draws import shift, swap_colours
from mirnet.train.degradations.filters import smooth
from mirnet.train.degradations.jpeg import compress, jpeg
from mirnet.train.degradations.light import (
    inverse_tone_curve,
    linear_to_srgb,
    srgb_to_linear,
    tone_curve,
)
from mirnet.train.degradations.mosaic import draw_phases, mosaic_and_demosaic
from tests.support.paths import ROOT


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


PHASES = torch.zeros(2, 1, dtype=torch.long)


def camera(**fields) -> Camera:
    one = torch.ones(1, 1, 1, 1)
    values = {"shot": 0.01, "read": 1e-5, "saturation": 1.0, "curved": 0.0, "mosaic": 0.0} | fields
    balance = torch.tensor([2.0, 1.0, 1.5]).view(1, 3, 1, 1)
    return Camera(balance=balance, phases=PHASES, **{k: v * one for k, v in values.items()})


def test_srgb_known_values():
    x = torch.tensor([0.0, 0.04045, 0.5, 1.0])
    expected = torch.tensor([0.0, 0.0031308, 0.2140411, 1.0])
    assert torch.allclose(srgb_to_linear(x), expected, atol=1e-6)
    assert torch.allclose(linear_to_srgb(expected), x, atol=1e-5)


def test_tone_curve_inverts():
    x = torch.linspace(0, 1, 101)
    assert torch.allclose(inverse_tone_curve(tone_curve(x)), x, atol=1e-4)


def test_demosaicking_keeps_flat_colours_exactly():
    flat = torch.tensor([0.2, 0.5, 0.7]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    assert torch.allclose(mosaic_and_demosaic(flat, PHASES), flat, atol=1e-6)


def test_demosaicking_keeps_a_grey_ramp():
    ramp = torch.linspace(0, 1, 32).view(1, 1, 1, 32).expand(1, 3, 32, 32)
    inner = (..., slice(4, -4), slice(4, -4))
    assert torch.allclose(mosaic_and_demosaic(ramp, PHASES)[inner], ramp[inner], atol=1e-5)


@pytest.mark.parametrize("curved", [0.0, 1.0])
@pytest.mark.parametrize("saturation", [1.0, 1.5])
def test_development_undoes_the_sensor_for_greys(curved, saturation):
    grey = torch.linspace(0.05, 0.95, 16).view(1, 1, 1, 16).expand(1, 3, 16, 16)
    shot = camera(curved=curved, saturation=saturation)
    assert torch.allclose(shot.develop(shot.sense(grey)), grey, atol=2e-3)


@pytest.mark.parametrize("level", [0.05, 0.2, 0.6])
def test_noise_variance_is_shot_times_signal_plus_read(level):
    sensor = torch.full((1, 3, 256, 256), level)
    shot = camera(shot=1e-3, read=1e-5)
    noise = shot.expose(sensor, generator()) - sensor
    assert noise.var().item() == pytest.approx(1e-3 * level + 1e-5, rel=0.02)
    assert abs(noise.mean().item()) < 3e-4


def test_demosaicked_noise_is_correlated_between_neighbours():
    sensor = torch.full((1, 3, 128, 128), 0.3)
    shot = camera(shot=1e-3)
    noisy = shot.expose(sensor, generator())

    def correlation(x):
        x = x[0, 0] - x[0, 0].mean()
        return ((x[:, :-1] * x[:, 1:]).mean() / (x**2).mean()).item()

    assert abs(correlation(noisy)) < 0.03
    assert correlation(mosaic_and_demosaic(noisy, PHASES)) > 0.15


def test_smoothing_is_per_picture_and_keeps_the_mean():
    noise = torch.randn(2, 3, 64, 64, generator=generator())
    sigma = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    blurred = smooth(noise, sigma, 1.0)
    rows_only = smooth(noise[:1], torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), 1.0)
    assert rows_only.var().item() == pytest.approx(1 / (4 * 3.14159) ** 0.5, rel=0.1)
    assert torch.allclose(blurred[0], noise[0], atol=1e-6)
    # White noise through a Gaussian keeps 1 / (4 pi sigma^2) of its variance.
    assert blurred[1].var().item() == pytest.approx(1 / (4 * 3.14159), rel=0.1)
    assert blurred[1].mean().item() == pytest.approx(noise[1].mean().item(), abs=5e-3)


@pytest.mark.parametrize("kind", list(registry.DEGRADATIONS))
def test_pairs_are_seeded_and_in_range(kind):
    clean = torch.rand(4, 3, 48, 48, generator=generator(1))
    thumbnail = torch.rand(4, 3, 8, 8, generator=generator(2))

    def pair(seed):
        return registry.DEGRADATIONS[kind](CleanBatch(clean, thumbnail, generator(seed), 2))

    first, again, other = pair(3), pair(3), pair(4)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(first[0], other[0]) == (kind == "bicubic")  # which has nothing random
    assert [t.shape for t in first] == [clean.shape, clean.shape, thumbnail.shape]
    for tensor in first:
        assert tensor.min() >= 0
        assert tensor.max() <= 1
    steps = first[0] * 255
    assert torch.allclose(steps, steps.round(), atol=1e-4)


def test_camera_processing_keeps_between_the_smoothed_and_the_full_strength():
    noise = torch.randn(64, 3, 64, 64, generator=generator(5)) * 0.05
    processed = in_camera(noise, generator(6))
    ratio = processed.std((1, 2, 3)) / noise.std((1, 2, 3))
    assert ratio.min() > 0.05
    assert ratio.max() < 2.5
    x = processed - processed.mean((2, 3), keepdim=True)
    neighbours = (x[..., 1:] * x[..., :-1]).mean((1, 2, 3)) / x.square().mean((1, 2, 3))
    assert neighbours.min() < 0.05  # some stay as they were
    assert neighbours.max() > 0.6  # some become coarse


def test_noise_does_not_change_the_brightness_of_dark_pictures():
    """Clipping at black brightens them, and the target is as bright."""
    clean = torch.full((64, 3, 64, 64), 0.06)
    noisy, target, _ = registry.noisy_pair(CleanBatch(clean, clean, generator()))
    assert (noisy - target).mean().abs() < 0.5 / 255
    assert (target - clean).mean() > 0.7 / 255


def test_exchanged_colours_are_those_of_the_same_photograph():
    clean = torch.rand(64, 3, 4, 4, generator=generator(1))
    swapped, small = swap_colours(clean, clean.mean((2, 3), keepdim=True), 0.5, generator())
    assert torch.equal(swapped.sort(1).values, clean.sort(1).values)
    assert torch.allclose(small, swapped.mean((2, 3), keepdim=True), atol=1e-6)
    same = (swapped == clean).all(3).all(2).all(1).float().mean()
    assert 0.4 < same < 0.75  # half, and a sixth of the others by chance


def test_reduction_is_the_bicubic_one_of_pillow():
    pixels = (np.random.default_rng(0).random((24, 36, 3)) * 255).astype(np.uint8)
    clean = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    degraded, target, _ = registry.reduced_pair(CleanBatch(clean, clean, generator(), 3))
    image = Image.fromarray(pixels).resize((12, 8), Image.Resampling.BICUBIC)
    expected = np.asarray(image.resize((36, 24), Image.Resampling.BICUBIC), float)
    got = degraded[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(got - expected).max() <= 2  # rounding between the passes differs
    assert np.abs(got - expected).mean() < 0.3
    assert torch.equal(target, clean)


def test_a_photographed_small_picture_lost_its_detail():
    clean = torch.rand(2, 3, 96, 96, generator=generator(1))
    degraded, _, _ = registry.photographed_pair(CleanBatch(clean, clean, generator(2), 3))
    assert degraded.std() < 0.6 * clean.std()
    assert degraded.mean().item() == pytest.approx(clean.mean().item(), abs=0.03)


def test_an_export_changes_patch_and_whole_alike():
    clean = torch.rand(8, 3, 1, 1, generator=generator(1)).expand(8, 3, 16, 16)
    degraded, target, small = registry.exported_pair(CleanBatch(clean, clean, generator(2)))
    assert torch.equal(target, clean)
    assert (degraded - small).abs().mean() < 0.02  # but for JPEG
    assert (small - clean).abs().mean() > 0.05


def test_dark_pictures_lose_light_and_a_tenth_is_left_alone():
    clean = torch.full((200, 3, 16, 16), 0.45)
    dark, target, small = registry.dark_pair(CleanBatch(clean, clean[..., :8, :8], generator()))
    left = (target - clean).abs().amax((1, 2, 3)) < 1e-6
    assert 8 <= left.sum() <= 35
    assert (dark[left] - clean[left]).abs().max() < 0.02
    assert (dark[~left].mean((1, 2, 3)) < 0.9 * target[~left].mean((1, 2, 3))).all()
    assert torch.allclose(dark.mean((2, 3)), small.mean((2, 3)), atol=0.03)


@pytest.mark.parametrize(("mean", "wanted"), [(0.3, 0.5), (0.55, 0.55), (0.7, 0.6)])
def test_targets_are_well_exposed(mean, wanted):
    photo = torch.full((1, 3, 4, 4), mean)
    exposed = registry.expose_well(photo, photo.mean((1, 2, 3), keepdim=True))
    assert exposed.mean().item() == pytest.approx(wanted, abs=0.02)


def test_jpeg_share_and_quality():
    noise = torch.rand(6, 3, 32, 32, generator=generator())
    none = jpeg(noise, 0.0, (50, 60), generator())
    every = jpeg(noise, 1.0, (50, 60), generator())
    assert (none - noise).abs().max() <= 0.5 / 255 + 1e-6
    mse = ((every - noise) ** 2).mean((1, 2, 3))
    assert (mse > 1e-4).all()


@pytest.mark.parametrize("subsampling", [0, 2], ids=["4:4:4", "4:2:0"])
@pytest.mark.parametrize("quality", [30, 50, 75, 90, 98])
def test_jpeg_is_that_of_libjpeg(quality, subsampling):
    """Same errors against the original, and nearly the same pixels."""
    with Image.open(ROOT / "examples/denoise/bridge-original.jpg") as opened:
        image = opened.convert("RGB").crop((3, 5, 317, 255))  # off its own blocks
    pixels = np.asarray(image)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=subsampling)
    expected = np.asarray(Image.open(file)).astype(float)
    given = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    result = compress(given, torch.tensor([float(quality)]), subsampling == 2)
    got = result[0].permute(1, 2, 0).numpy() * 255

    def psnr(a, b):
        return 10 * np.log10(255**2 / ((a - b) ** 2).mean())

    assert abs((got - expected).mean()) < 0.15
    assert psnr(got, pixels) == pytest.approx(psnr(expected, pixels), abs=0.1)
    assert psnr(got, expected) > 45


def test_jpeg_of_each_picture_is_that_of_the_picture_alone():
    pictures = torch.rand(3, 3, 24, 40, generator=generator())
    quality = torch.tensor([40.0, 70.0, 90.0])
    mixed = compress(pictures, quality, torch.tensor([True, False, True]))
    for index, subsampled in enumerate((True, False, True)):
        alone = compress(pictures[index][None], quality[index][None], subsampled)
        assert torch.allclose(mixed[index], alone[0], atol=1.01 / 255)  # rounding may tip


def test_mosaics_begin_on_all_four_pixels():
    """Red is exact where its filter lies, whatever the phase."""
    picture = torch.rand(4, 3, 12, 12, generator=generator(1))
    phases = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])
    seen = mosaic_and_demosaic(picture, phases)
    for index, (row, column) in enumerate(phases.T.tolist()):
        exact = (seen[index, 0] - picture[index, 0]).abs() < 1e-6
        assert exact[row::2, column::2].all()
        assert exact.float().mean() < 0.3
    drawn = draw_phases(64, generator())
    assert {tuple(phase) for phase in drawn.T.tolist()} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_patches_begin_on_odd_and_even_pixels():
    place = torch.arange(7.0).expand(40, 2, 7, 7)
    columns, rows = shift([place, place.mT], 6, generator())
    assert columns.shape == rows.shape == (40, 2, 6, 6)
    first = set(zip(rows[:, 0, 0, 0].tolist(), columns[:, 0, 0, 0].tolist(), strict=True))
    assert first == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert torch.equal(columns, columns[..., :1] + torch.arange(6.0))


@pytest.mark.parametrize("kind", sorted(registry.WITH_MOSAIC - {"photographed"}))
def test_noise_does_not_depend_on_the_pixel_of_two_by_two(kind):
    """Variance on the four phases of a flat patch, over many cameras."""
    clean = torch.full((256, 3, 34, 34), 0.4)
    seed = generator(7)
    noisy, target, _ = registry.DEGRADATIONS[kind](CleanBatch(clean, clean[..., :8, :8], seed))
    noise = shift([noisy - target], 32, seed)[0]
    noise = noise / noise.std((1, 2, 3), keepdim=True).clamp_min(1e-3)
    squares = [noise[..., row::2, column::2].square().mean() for row in (0, 1) for column in (0, 1)]
    assert max(squares) / min(squares) < 1.05
