"""What protocols do to a pair of pictures before it is measured: depth, luma, crop, brightness.

Rounding to 8 bits is `mirnet.images.picture.to_eight_bits`.
"""

import numpy as np

from mirnet.images.picture import to_eight_bits, to_unit

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Full-range luma of ITU-R BT.601, OpenCV's grey, of R, G and B."""
LIMITED_LUMA_WEIGHTS = (65.481, 128.553, 24.966)
"""Limited-range luma of ITU-R BT.601 above black at 16, of R, G and B in [0, 1]."""


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
    """8-bit luma of the rows and columns in `edge`: (h, w, 1) uint8 of (H, W, 3) of any depth."""
    return luma(to_eight_bits(pixels[edge, edge]))


def match_grey_mean(restored: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Scale a picture so that its mean grey is the target's, clipped to [0, 1] ("GT-mean").

    KinD, LLFlow and diffusion papers score low-light results so; it forgives a wrong brightness.

    Args:
        restored: (H, W, 3) floats in [0, 1].
        target: The same shape.
    """
    import cv2

    wanted, grey = (
        float(np.dot(cv2.mean(pixels)[:3], LUMA_WEIGHTS)) for pixels in (target, restored)
    )
    scaled = restored * (wanted / max(grey, 1e-6))
    return np.clip(scaled, 0, 1, out=scaled)
