"""Structural similarity (SSIM) of two pictures, and MATLAB's version of it for volumes.

After Wang et al., "Image quality assessment: from error visibility to structural similarity" (IEEE
TIP 2004). The arithmetic is scikit-image's, with which the tests compare it, done faster: means,
products and the sum of squares are filtered once for all channels by OpenCV's separable filter, in
bands of rows that stay in a processor's cache, on several threads. Values are centred first, which
variances do not notice and rounding does. Pictures of 8 or 16 bits are computed in float64, floats
as they are.
"""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

WINDOW_PX = 11
"""Side of the Gaussian window."""
SIGMA_PX = 1.5
"""Its standard deviation."""
_EDGE = WINDOW_PX // 2
_BAND_ROWS = 48
_MOST_THREADS = 4


def ssim(picture: np.ndarray, original: np.ndarray, peak: float = 255) -> float | None:
    """Structural similarity of two (H, W, C) pictures, mean over the channels.

    Wang et al.'s `ssim_index.m`: 11 x 11 Gaussian window, sigma 1.5, mean over the positions where
    the window fits.

    Args:
        picture: Pixels of any type.
        original: The same shape.
        peak: Largest possible value: 255, or 1 for floats.

    Returns:
        At most 1, or None where SSIM's window does not fit.
    """
    if min(picture.shape[:2]) < WINDOW_PX:
        return None
    return _mean_similarity(picture, original, peak, lambda filtered: filtered)


def ssim_volume(picture: np.ndarray, original: np.ndarray, peak: float = 1) -> float:
    """SSIM with a 3-D Gaussian, as MATLAB's `ssim` treats an H x W x 3 array.

    The window is 11 x 11 x 11 with replicated edges and the mean is over every position; so the
    colour channels are blurred into each other. `evaluate_sidd.m` of MIRNet-v2 calls it this way,
    and so do most denoising papers since.

    Args:
        picture: (H, W, 3), pixels of any type.
        original: The same shape.
        peak: Largest possible value, 1 or 255.
    """
    import cv2

    x, y = (
        cv2.copyMakeBorder(pixels, _EDGE, _EDGE, _EDGE, _EDGE, cv2.BORDER_REPLICATE)
        for pixels in (picture, original)
    )
    across = _across_channels(picture.shape[2])
    return _mean_similarity(x, y, peak, lambda filtered: cv2.transform(filtered, across))


def _taps() -> np.ndarray:
    taps = np.exp(-0.5 * ((np.arange(WINDOW_PX) - _EDGE) / SIGMA_PX) ** 2)
    return taps / taps.sum()


def _across_channels(channels: int) -> np.ndarray:
    """What the window does along the channels, edges replicated, as a matrix."""
    matrix = np.zeros((channels, channels))
    for channel in range(channels):
        for offset, tap in enumerate(_taps(), -_EDGE):
            matrix[channel, min(max(channel + offset, 0), channels - 1)] += tap
    return matrix


def _mean_similarity(
    picture: np.ndarray,
    original: np.ndarray,
    peak: float,
    mixed: Callable[[np.ndarray], np.ndarray],
) -> float:
    """Mean over all places where the window fits; `mixed` filters along the channels."""
    rows = len(picture) - 2 * _EDGE
    bands = [
        (picture[top : top + _BAND_ROWS + 2 * _EDGE], original[top : top + _BAND_ROWS + 2 * _EDGE])
        for top in range(0, rows, _BAND_ROWS)
    ]
    total = functools.partial(_band_total, peak=peak, mixed=mixed)
    threads = min(len(bands), os.cpu_count() or 1, _MOST_THREADS)
    if threads == 1:
        totals = [total(*band) for band in bands]
    else:
        with ThreadPoolExecutor(threads) as pool:
            totals = list(pool.map(total, *zip(*bands, strict=True)))
    places = rows * (picture.shape[1] - 2 * _EDGE) * picture.shape[2]
    return min(sum(totals) / places, 1.0)


def _band_total(
    picture: np.ndarray,
    original: np.ndarray,
    peak: float,
    mixed: Callable[[np.ndarray], np.ndarray],
) -> float:
    """Sum of the similarities of a band; equation 13 of Wang et al."""
    import cv2

    precise = np.dtype(np.float32 if picture.dtype == original.dtype == np.float32 else np.float64)
    means = picture.mean(dtype=np.float64), original.mean(dtype=np.float64)
    centre = precise.type(sum(means) / 2)
    taps = _taps()

    def blur(values: np.ndarray) -> np.ndarray:
        whole = cv2.sepFilter2D(values, -1, taps, taps)
        return mixed(whole[_EDGE:-_EDGE, _EDGE:-_EDGE].reshape(-1, whole.shape[1] - 2 * _EDGE, n))

    n = picture.shape[2]
    x = np.subtract(picture, centre, dtype=precise)
    y = np.subtract(original, centre, dtype=precise)
    mean_x, mean_y, product, squares = blur(x), blur(y), blur(x * y), blur(x * x + y * y)
    means_product = mean_x * mean_y
    means_squares = mean_x * mean_x + mean_y * mean_y
    shift = centre * (mean_x + mean_y) + centre * centre  # what centring took from a product
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    similarity = (
        (2 * (means_product + shift) + c1)
        * (2 * (product - means_product) + c2)
        / ((means_squares + 2 * shift + c1) * (squares - means_squares + c2))
    )
    return float(similarity.sum(dtype=np.float64))
