"""Conversions that protocols apply before measuring: depth, luma, crop, brightness.

Rounding to 8 bits is `mirnet.images.picture.to_eight_bits`.
"""

import numpy as np

from mirnet.images.picture import to_eight_bits, to_unit

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of R, G and B in full-range BT.601 luma, which is OpenCV's grey."""
SWAPPED_WEIGHTS = (0.114, 0.587, 0.299)
"""`LUMA_WEIGHTS` with red and blue exchanged: cv2.COLOR_BGR2GRAY applied to an RGB picture."""
EQUAL_WEIGHTS = (1 / 3, 1 / 3, 1 / 3)
"""Weights of the plain mean of R, G and B."""
MIN_MEAN = 1e-6
"""Mean of a picture below which it counts as black and is not scaled further."""
LIMITED_LUMA_WEIGHTS = (65.481, 128.553, 24.966)
"""Weights of R, G and B in [0, 1] in limited-range BT.601 luma, to which black (16) is added."""


def clipped_unit(pixels: np.ndarray) -> np.ndarray:
    """Scale pixels of any depth to float32 in [0, 1], clipped; always a copy."""
    unit = to_unit(pixels)
    return unit if pixels.dtype.kind == "u" else np.clip(unit, 0, 1, out=unit)


def luma(pixels: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601 in the limited range 16 to 235, as MATLAB's rgb2ycbcr gives it.

    Args:
        pixels: (H, W, 3) uint8.

    Returns:
        (H, W, 1) uint8.

    >>> luma(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)).ravel().tolist()
    [16, 235]
    """
    weights = np.array(LIMITED_LUMA_WEIGHTS) / 255
    return np.rint(16 + pixels @ weights).astype(np.uint8)[..., None]


def cropped_luma(pixels: np.ndarray, edge: slice) -> np.ndarray:
    """8-bit luma of the part `edge` of (H, W, 3) pixels of any depth: (h, w, 1) uint8."""
    return luma(to_eight_bits(pixels[edge, edge]))


def mean_grey(pixels: np.ndarray, weights: tuple[float, float, float]) -> float:
    """Mean over a picture of the weighted sum of its channels.

    Args:
        pixels: (H, W, 3) floats in [0, 1].
        weights: `LUMA_WEIGHTS`, `SWAPPED_WEIGHTS` or `EQUAL_WEIGHTS`.
    """
    import cv2

    return float(np.dot(cv2.mean(pixels)[:3], weights))


def scaled_to_mean(restored: np.ndarray, wanted: float, mean: float) -> np.ndarray:
    """Scale a picture by wanted / mean and clip it to [0, 1] ("GT-mean").

    Low-light papers do so before scoring, which forgives a wrong brightness. The kind of mean
    differs between protocols.

    Args:
        restored: (H, W, 3) floats in [0, 1].
        wanted: Mean grey of the target.
        mean: Mean grey of the restored picture.
    """
    scaled = restored * (wanted / max(mean, MIN_MEAN))
    return np.clip(scaled, 0, 1, out=scaled)
