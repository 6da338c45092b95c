"""How close a picture is to the clean original: PSNR and SSIM of one pair.

Both pictures are rounded to 8 bits first, as a viewer would show them. SSIM follows Wang et al.,
"Image quality assessment: from error visibility to structural similarity" (IEEE TIP 2004), with
that paper's Gaussian window, as scikit-image computes it. Benchmarks with other conventions are
not measured here.
"""

import math
from dataclasses import dataclass

import numpy as np

from .errors import InvalidRequest
from .image import Picture, quantize, to_unit

PROTOCOL = (
    "PSNR over all RGB values, SSIM as the mean over the three channels (11 x 11 Gaussian window, "
    "sigma 1.5); 8-bit values, no cropping"
)
"""The exact meaning of the numbers, to be shown beside them."""
SMALLEST_SIDE_PX = 11
"""SSIM's window must fit into the picture."""


@dataclass(frozen=True)
class Likeness:
    """How close one picture is to its original."""

    psnr_db: float
    """Peak signal-to-noise ratio in decibels; infinite for equal pictures."""
    ssim: float | None
    """Structural similarity, 1 for equal pictures; None below `SMALLEST_SIDE_PX`."""

    @property
    def psnr_text(self) -> str:
        """For a table: two decimals."""
        return "identical" if math.isinf(self.psnr_db) else f"{self.psnr_db:.2f} dB"

    @property
    def ssim_text(self) -> str:
        """For a table: four decimals."""
        return "too small" if self.ssim is None else f"{self.ssim:.4f}"


def likeness(picture: Picture, original: Picture) -> Likeness:
    """Compare a picture with its clean original.

    Args:
        picture: What is judged; alpha is ignored.
        original: The truth, of the same size; its depth may differ.

    Raises:
        InvalidRequest: The sizes differ.
    """
    if picture.pixels.shape != original.pixels.shape:
        raise InvalidRequest(
            f"The original has {original.width} x {original.height} pixels and the result "
            f"{picture.width} x {picture.height}: give an original of the result's size."
        )
    left, right = eight_bits(picture.pixels), eight_bits(original.pixels)
    return Likeness(psnr(left, right), ssim(left, right))


def psnr(picture: np.ndarray, original: np.ndarray) -> float:
    """Peak signal-to-noise ratio, 10 log10(255² / MSE), in decibels.

    Args:
        picture: (H, W, 3) uint8.
        original: (H, W, 3) uint8.

    >>> zeros = np.zeros((2, 2, 3), np.uint8)
    >>> round(psnr(zeros, zeros + 1), 2), psnr(zeros, zeros)
    (48.13, inf)
    """
    total = 0
    for row, other in zip(picture, original, strict=True):
        difference = row.astype(np.int64) - other
        total += int((difference * difference).sum())
    if total == 0:
        return math.inf
    return 10 * math.log10(255**2 * picture.size / total)


def ssim(picture: np.ndarray, original: np.ndarray) -> float | None:
    """Structural similarity of two (H, W, 3) uint8 pictures, mean over the channels.

    Returns:
        At most 1, or None where SSIM's window does not fit.
    """
    if min(picture.shape[:2]) < SMALLEST_SIDE_PX:
        return None
    from skimage.metrics import structural_similarity

    # One channel at a time is the same mean with a third of the memory.
    channels = [
        structural_similarity(
            picture[..., channel],
            original[..., channel],
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
        for channel in range(3)
    ]
    return float(np.mean(channels))


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Round pixels of any depth to uint8.

    >>> eight_bits(np.array([[[0, 257, 65535]]], np.uint16)).tolist()
    [[[0, 1, 255]]]
    """
    return pixels if pixels.dtype == np.uint8 else quantize(to_unit(pixels), np.uint8)
