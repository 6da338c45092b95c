"""Optional metrics that come closer to the eye than PSNR: MS-SSIM, GMSD, CIEDE2000 and FLIP.

Written from the papers, except FLIP, which its authors' package computes. Pictures are RGB. Each
says below what it compares; `tests/mirnet/metrics/test_perceptual.py` holds values of reference
implementations on stored pairs. What they cost is in `eval/docs/metrics.md`.
"""

import numpy as np

from .conversions import LUMA_WEIGHTS
from .structural_similarity import SIGMA_PX, WINDOW_PX

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's five scales, finest first (Wang et al. 2003, section 4)."""
MS_SSIM_SIDE_PX = (WINDOW_PX - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
"""Shortest side of a picture whose coarsest scale still holds the window."""
GRADIENT_CONSTANT = 170.0
"""T of GMSD, for values up to 255 (Xue et al. 2014, section III)."""


def ms_ssim(picture: np.ndarray, original: np.ndarray, peak: float = 255) -> float | None:
    """Multi-scale structural similarity, mean over the channels.

    Wang, Simoncelli and Bovik, Asilomar 2003: SSIM's window at five scales, each the average of 2x2
    pixels of the finer one; contrast and structure of all scales and the luminance of the coarsest
    are multiplied. Negative factors count as 0.

    Args:
        picture: (H, W, C) of any type.
        original: The same shape.
        peak: Largest possible value.

    Returns:
        At most 1, or None where a side is shorter than `MS_SSIM_SIDE_PX`.
    """
    if min(picture.shape[:2]) < MS_SSIM_SIDE_PX:
        return None
    x, y = (pixels.astype(np.float64) for pixels in (picture, original))
    product = np.ones(picture.shape[2])
    for number, weight in enumerate(SCALE_WEIGHTS, 1):
        contrast, whole = _similarities(x, y, peak)
        factor = whole if number == len(SCALE_WEIGHTS) else contrast
        product *= np.maximum(factor, 0) ** weight
        x, y = _halved(x), _halved(y)
    return float(product.mean())


def _similarities(x: np.ndarray, y: np.ndarray, peak: float) -> tuple[np.ndarray, np.ndarray]:
    """Means over valid positions of contrast-structure and of SSIM, for each channel."""
    import cv2

    edge = WINDOW_PX // 2
    taps = cv2.getGaussianKernel(WINDOW_PX, SIGMA_PX)

    def blurred(values: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(values, -1, taps, taps)[edge:-edge, edge:-edge]

    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_x, mean_y = blurred(x), blurred(y)
    variances = blurred(x * x) + blurred(y * y) - mean_x**2 - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    contrast = (2 * covariance + c2) / (variances + c2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return contrast.mean((0, 1)), (luminance * contrast).mean((0, 1))


def _halved(values: np.ndarray) -> np.ndarray:
    """Averages of 2x2 pixels; an odd side's last pixel is taken twice."""
    height, width = values.shape[:2]
    even = np.pad(values, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def gmsd(picture: np.ndarray, original: np.ndarray, peak: float = 255) -> float:
    """Gradient magnitude similarity deviation of the grey pictures; 0 for equal ones.

    Xue, Zhang, Mou and Bovik, IEEE TIP 2014: standard deviation over the picture of the similarity
    of Prewitt gradients at half resolution.

    Args:
        picture: (H, W, 3) RGB of any type.
        original: The same shape.
        peak: Largest possible value.
    """
    import cv2

    gradients = []
    for pixels in (picture, original):
        grey = (pixels.astype(np.float64) @ np.array(LUMA_WEIGHTS)) * (255 / peak)
        height, width = grey.shape
        even = np.pad(grey, [(0, height % 2), (0, width % 2)])
        half = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
        step, box = np.array([-1.0, 0, 1]) / 3, np.ones(3)
        along = cv2.sepFilter2D(half, -1, step, box, borderType=cv2.BORDER_CONSTANT)
        across = cv2.sepFilter2D(half, -1, box, step, borderType=cv2.BORDER_CONSTANT)
        gradients.append(np.hypot(along, across))
    first, second = gradients
    similarity = (2 * first * second + GRADIENT_CONSTANT) / (
        first**2 + second**2 + GRADIENT_CONSTANT
    )
    return float(similarity.std(ddof=1)) if similarity.size > 1 else 0.0


def ciede2000(picture: np.ndarray, original: np.ndarray, peak: float = 255) -> float:
    """Mean colour difference CIEDE2000 of sRGB pictures under D65; below 1 is hardly seen.

    Sharma, Wu and Dalal, Color Research and Application 2005; computed by scikit-image.

    Args:
        picture: (H, W, 3) sRGB of any type.
        original: The same shape.
        peak: Largest possible value.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    first, second = (rgb2lab(pixels.astype(np.float64) / peak) for pixels in (picture, original))
    return float(deltaE_ciede2000(second, first).mean())


def flip(picture: np.ndarray, original: np.ndarray, peak: float = 255) -> float | None:
    """Mean LDR-FLIP: what one sees where two pictures alternate; from 0 (equal) to 1.

    Andersson et al., HPG 2020; computed by NVIDIA's `flip_evaluator` under its default viewing
    condition of 67 pixels per degree (a 4K screen 0.7 m wide, seen from 0.7 m).

    Args:
        picture: (H, W, 3) sRGB of any type.
        original: The same shape.
        peak: Largest possible value.

    Returns:
        The mean, or None where the package is not installed.
    """
    try:
        from flip_evaluator import evaluate
    except ImportError:
        return None
    first, second = (
        np.ascontiguousarray(pixels.astype(np.float64) / peak, np.float32)
        for pixels in (picture, original)
    )
    _, mean, _ = evaluate(second, first, "LDR", applyMagma=False)
    return float(mean)
