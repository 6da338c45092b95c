"""PSNR and SSIM of one pair, and the small pictures for the screen."""

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture, to_eight_bits
from mirnet.images.preview import cut_out, shrink
from mirnet.metrics.likeness import likeness, luma_protocol, psnr


def noisy_pair(height: int = 40, width: int = 50) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    clean = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    noise = random.normal(0, 12, clean.shape)
    return clean, (clean + noise).clip(0, 255).astype(np.uint8)


def test_psnr_by_hand():
    zeros = np.zeros((4, 5, 3), np.uint8)
    one = zeros.copy()
    one[1, 2, 0] = 60  # mean square error 60 * 60 / 60 = 60
    assert psnr(one, zeros) == pytest.approx(10 * math.log10(255**2 / 60))
    assert psnr(zeros, one) == psnr(one, zeros)  # no wrap-around below zero
    assert math.isinf(psnr(zeros, zeros))


def test_psnr_agrees_with_scikit_image():
    clean, noisy = noisy_pair(150)
    assert psnr(noisy, clean) == pytest.approx(peak_signal_noise_ratio(clean, noisy))


def test_depths_meet_at_eight_bits():
    clean, noisy = noisy_pair()
    deep = Picture(noisy.astype(np.uint16) * 257)
    assert likeness(deep, Picture(clean)) == likeness(Picture(noisy), Picture(clean))
    assert to_eight_bits(np.full((1, 1, 3), 0.5, np.float32)).tolist() == [[[128, 128, 128]]]


def test_luma_and_cropping_follow_the_super_resolution_protocol():
    clean, noisy = noisy_pair()
    result = likeness(Picture(noisy), Picture(clean), luma_protocol(3))
    weights = np.array([65.481, 128.553, 24.966]) / 255
    y, x = ((p.astype(float) @ weights + 16).round()[3:-3, 3:-3] for p in (noisy, clean))
    assert result.psnr_db == pytest.approx(10 * math.log10(255**2 / ((y - x) ** 2).mean()))
    expected = structural_similarity(
        x.astype(np.uint8),
        y.astype(np.uint8),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert result.ssim == pytest.approx(expected, abs=1e-12)
    with pytest.raises(InvalidRequest, match="leaves nothing to compare"):
        likeness(Picture(noisy[:6]), Picture(clean[:6]), luma_protocol(3))


def test_sizes_must_match_and_words_say_so():
    clean, noisy = noisy_pair()
    with pytest.raises(InvalidRequest, match="50 x 40 pixels and the result 49 x 40"):
        likeness(Picture(noisy[:, 1:]), Picture(clean))


def test_tiny_pictures_have_no_ssim():
    small = Picture(np.zeros((10, 30, 3), np.uint8))
    result = likeness(small, small)
    assert (result.psnr_text, result.ssim_text) == ("identical", "too small")


def test_preview_is_small_and_averages():
    checks = np.indices((400, 3000)).sum(0) % 2 * 65535
    deep = Picture(np.repeat(checks[..., None], 3, 2).astype(np.uint16), exif=b"Exif\0\0x")
    small = shrink(deep, 1500)
    assert (small.width, small.height, small.bits, small.exif) == (1500, 200, 8, None)
    assert np.abs(small.pixels.astype(int) - 127.5).max() < 1  # no moiré: the mean of each block
    same = Picture(np.arange(27, dtype=np.uint8).reshape(3, 3, 3))
    assert np.array_equal(shrink(same).pixels, same.pixels)


@pytest.mark.parametrize(
    ("across", "down", "left", "top"), [(0, 0, 0, 0), (1, 1, 60, 30), (0.5, 0.5, 30, 15)]
)
def test_cut_out_keeps_true_pixels(across, down, left, top):
    clean, _ = noisy_pair(50, 100)
    picture = Picture(clean, alpha=clean[..., 0])
    part = cut_out(picture, across, down, 40, 20)
    box = slice(top, top + 20), slice(left, left + 40)
    assert np.array_equal(part.pixels, clean[box])
    assert np.array_equal(part.alpha, clean[..., 0][box])
    whole = cut_out(picture, across, down, 400, 200)
    assert np.array_equal(whole.pixels, clean)
