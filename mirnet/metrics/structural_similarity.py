"""Structural similarity (SSIM) of two pictures, and MATLAB's version of it for volumes.

After Wang et al., "Image quality assessment: from error visibility to structural similarity" (IEEE
TIP 2004). The arithmetic is scikit-image's, with which the tests compare it, done faster: four
maps are filtered once for all channels by OpenCV's separable filter, in bands of rows, on several
threads, without new memory on the way. Values are centred first, which leaves variances unchanged
and reduces rounding errors. Pictures of 8 or 16 bits are computed in float64, floats in their own
type.
"""

import functools
import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

WINDOW_PX = 11
"""Side of the Gaussian window in pixels."""
SIGMA_PX = 1.5
"""Standard deviation of the Gaussian window in pixels."""
_EDGE = WINDOW_PX // 2
_MAX_ROWS = 200
_MIN_ROWS = 48
"""Fewest rows of a band; a thread of its own does not pay for fewer."""
_ROWS_AT_ONCE = 64
"""Rows processed at a time, few enough to stay in the processor's cache between steps."""
_MAX_THREADS = 4


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
    return _mean_similarity(picture, original, peak, _EDGE, lambda part: part)


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

    across = _across_channels(picture.shape[2])
    return _mean_similarity(
        picture, original, peak, 0, lambda part: cv2.transform(part, across, dst=part)
    )


def ssim_rounded(picture: np.ndarray, original: np.ndarray, peak: float = 1) -> float | None:
    """SSIM of `ssim` after rounding both pictures to 8 bits, for protocols that round only for it.

    Args:
        picture: (H, W, C) floats from 0 to `peak`.
        original: The same shape.
        peak: Largest possible value.
    """
    given, reference = (
        np.rint(pixels * (255 / peak)).astype(np.uint8) for pixels in (picture, original)
    )
    return ssim(given, reference, 255)


def ssim_grey_uniform(picture: np.ndarray, original: np.ndarray, peak: float = 255) -> float:
    """SSIM of the grey pictures with scikit-image's defaults: a uniform 7 x 7 window.

    LLFlow and papers after it report it; it is higher than SSIM of the colour channels.

    Args:
        picture: (H, W, 3) RGB, uint8, or floats from 0 to `peak`, which are rounded to 8 bits.
        original: The same shape.
        peak: Largest possible value.
    """
    import cv2
    from skimage.metrics import structural_similarity

    eight = (
        pixels if pixels.dtype == np.uint8 else np.rint(pixels * (255 / peak)).astype(np.uint8)
        for pixels in (picture, original)
    )
    grey = (cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) for pixels in eight)
    return float(structural_similarity(*grey))


def _taps() -> np.ndarray:
    taps = np.exp(-0.5 * ((np.arange(WINDOW_PX) - _EDGE) / SIGMA_PX) ** 2)
    return taps / taps.sum()


def _across_channels(channels: int) -> np.ndarray:
    """Matrix of the window along the channels, edges replicated."""
    matrix = np.zeros((channels, channels))
    for channel in range(channels):
        for offset, tap in enumerate(_taps(), -_EDGE):
            matrix[channel, min(max(channel + offset, 0), channels - 1)] += tap
    return matrix


def _mean_similarity(
    picture: np.ndarray,
    original: np.ndarray,
    peak: float,
    edge: int,
    mixed: Callable[[np.ndarray], np.ndarray],
) -> float:
    """Mean SSIM without `edge` pixels at every side; `mixed` filters along the channels."""
    height, width, channels = picture.shape
    rows = height - 2 * edge
    threads = min(-(-rows // _MIN_ROWS), os.cpu_count() or 1, _MAX_THREADS)
    count = -(-rows // _MAX_ROWS)
    count = -(-count // threads) * threads  # the same number of bands for every thread
    tops = [edge + rows * band // count for band in range(count + 1)]
    bands = [(top, end) for top, end in itertools.pairwise(tops) if top < end]
    mine, *theirs = (
        functools.partial(_total, picture, original, bands[thread::threads], peak, edge, mixed)
        for thread in range(threads)
    )
    helping = [_helpers(os.getpid()).submit(share) for share in theirs]
    found = mine() + sum(helper.result() for helper in helping)
    return min(found / (rows * (width - 2 * edge) * channels), 1.0)


@functools.cache
def _helpers(process: int) -> ThreadPoolExecutor:
    """Thread pool of a process, kept because starting threads takes a tenth of the time."""
    return ThreadPoolExecutor(_MAX_THREADS - 1, "similarity")


def _total(
    picture: np.ndarray,
    original: np.ndarray,
    bands: Sequence[tuple[int, int]],
    peak: float,
    edge: int,
    mixed: Callable[[np.ndarray], np.ndarray],
) -> float:
    """Sum of SSIM over bands of rows; equation 13 of Wang et al.

    It is computed from the sum p and the difference m of the pictures x and y: with E for the
    window's mean, 2 E[x] E[y] = (E[p]² - E[m]²) / 2, E[x]² + E[y]² = (E[p]² + E[m]²) / 2, and the
    same for the second moments. That makes four maps to filter and no map twice.
    """
    import cv2

    height, width, channels = picture.shape
    precise = np.dtype(np.float32 if picture.dtype == original.dtype == np.float32 else np.float64)
    depth = cv2.CV_32F if precise == np.float32 else cv2.CV_64F
    c1, c2 = (2 * (share * peak) ** 2 for share in (0.01, 0.03))
    taps = _taps()
    most = min(max(end - top for top, end in bands) + 2 * _EDGE, height) * width * channels
    room = np.empty((6, most), precise)  # allocated once: new memory for each map is slow
    total = 0.0
    for top, end in bands:
        first_row = max(top - _EDGE, 0)
        x, y = (pixels[first_row : end + _EDGE] for pixels in (picture, original))
        plus, minus, *filtered = (part[: x.size].reshape(x.shape) for part in room)
        centre = float(x[::8].mean() + y[::8].mean())
        cv2.addWeighted(x, 1, y, 1, -centre, dst=plus, dtype=depth)
        cv2.subtract(x, y, dst=minus, dtype=depth)
        for source, mean, square in ((plus, *filtered[::2]), (minus, *filtered[1::2])):
            cv2.sepFilter2D(source, -1, taps, taps, mean, borderType=cv2.BORDER_REPLICATE)
            cv2.multiply(source, source, dst=source)
            cv2.sepFilter2D(source, -1, taps, taps, square, borderType=cv2.BORDER_REPLICATE)
        rows, columns = slice(top - first_row, end - first_row), slice(edge, width - edge)
        own = [values[rows, columns] for values in filtered]
        for row in range(0, end - top, _ROWS_AT_ONCE):
            p, m, pp, mm = (mixed(values[row : row + _ROWS_AT_ONCE]) for values in own)
            first, second = (part[: p.size].reshape(p.shape) for part in room[:2])
            cv2.multiply(p, p, dst=first)
            cv2.multiply(m, m, dst=second)
            cv2.subtract(pp, first, dst=pp)  # the variance of the sum
            cv2.subtract(mm, second, dst=mm)
            cv2.addWeighted(p, 1, p, 0, centre, dst=p)  # cv2.add changes the first channel only
            cv2.multiply(p, p, dst=first)
            similarity = cv2.addWeighted(first, 1, second, -1, c1, dst=m)
            cv2.addWeighted(first, 1, second, 1, c1, dst=first)
            cv2.multiply(similarity, cv2.addWeighted(pp, 1, mm, -1, c2, dst=second), dst=similarity)
            cv2.multiply(first, cv2.addWeighted(pp, 1, mm, 1, c2, dst=pp), dst=first)
            total += sum(cv2.sumElems(cv2.divide(similarity, first, dst=similarity)))
    return total
