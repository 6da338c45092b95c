"""SSIM against scikit-image, and MATLAB's 3-D SSIM against its formula on SciPy's filters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity

from mirnet.metrics.structural_similarity import SIGMA_PX, WINDOW_PX, ssim, ssim_volume


def pair(seed, height, width, channels, contrast=1.0, kind=np.uint8):
    """A picture and a version of it that is somewhat like it."""
    random = np.random.default_rng(seed)
    smooth = random.uniform(0.1, 0.9) + 0.3 * contrast * np.sin(
        np.arange(height)[:, None, None] / 9 + np.arange(width)[None, :, None] / 7
    )
    clean = np.clip(smooth + contrast * random.normal(0, 0.1, (height, width, channels)), 0, 1)
    other = np.clip(clean + contrast * random.normal(0, 0.1, clean.shape), 0, 1)
    if kind == np.uint8:
        return tuple(np.rint(p * 255).astype(np.uint8) for p in (clean, other))
    return tuple(p.astype(kind) for p in (clean, other))


def reference(x, y, peak):
    return structural_similarity(
        x,
        y,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2,
        data_range=peak,
    )


sizes = st.integers(11, 130)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), sizes, sizes, st.sampled_from([1, 3, 4]), st.sampled_from([0.02, 1.0]))
def test_eight_bits_agree_with_scikit_image(seed, height, width, channels, contrast):
    x, y = pair(seed, height, width, channels, contrast)
    assert ssim(x, y) == pytest.approx(reference(x, y, 255), abs=1e-12)


@pytest.mark.parametrize("height", [110, 111, 211, 500, 900])
def test_every_row_counts_once_in_however_many_bands(height):
    x, y = pair(2, height, 40, 3)
    assert ssim(x, y) == pytest.approx(reference(x, y, 255), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), sizes, sizes, st.sampled_from([0.005, 0.1, 1.0]))
def test_floats_agree_with_scikit_image(seed, height, width, contrast):
    x, y = pair(seed, height, width, 3, contrast, np.float32)
    exact = reference(x.astype(np.float64), y.astype(np.float64), 1)
    assert ssim(x, y, 1) == pytest.approx(exact, abs=1e-5)
    assert ssim(x.astype(np.float64), y.astype(np.float64), 1) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("size", [(11, 11), (12, 300), (5, 7), (150, 64), (650, 20)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_volumes_agree_with_the_formula(size, kind):
    x, y = pair(1, *size, 3, 0.3, kind)
    offsets = np.arange(WINDOW_PX) - WINDOW_PX // 2
    taps = np.exp(-0.5 * (offsets / SIGMA_PX) ** 2)

    def blur(volume):
        for axis in (0, 1, 2):
            volume = correlate1d(volume, taps / taps.sum(), axis, mode="nearest")
        return volume

    a, b = x.astype(np.float64), y.astype(np.float64)
    mean_a, mean_b = blur(a), blur(b)
    variances = blur(a * a) - mean_a**2 + blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variances + 0.03**2)
    expected = (luminance * structure).mean()
    tolerance = 1e-5 if kind == np.float32 else 1e-12
    assert ssim_volume(x, y, 1) == pytest.approx(expected, abs=tolerance)


def test_equal_pictures_have_one_and_small_ones_none():
    x, _ = pair(0, 60, 40, 3)
    flat = np.full((100, 30, 3), 0.7, np.float32)
    assert ssim(x, x) == pytest.approx(1, abs=1e-12)
    assert ssim(flat, flat, 1) == ssim_volume(flat, flat, 1) == 1
    assert ssim(x[:10], x[:10]) is None
