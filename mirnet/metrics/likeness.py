"""How close a picture is to the clean original: PSNR and SSIM of one pair.

Both pictures are rounded to 8 bits first, as a viewer would show them. A `Protocol` says what of
the pictures is compared, and in which words it is told. `similarity.py` has SSIM.
"""

import math
from dataclasses import dataclass

import numpy as np

from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture, to_eight_bits

from .similarity import WINDOW_PX, ssim


@dataclass(frozen=True)
class Protocol:
    """What of two pictures is compared."""

    text: str
    """The exact meaning of the numbers, to be shown beside them."""
    luma: bool = False
    """Only the luma Y of ITU-R BT.601, limited range, rounded to 8 bits."""
    shave_px: int = 0
    """Pixels left out at every edge."""


RGB = Protocol(
    "PSNR over all RGB values, SSIM as the mean over the three channels (11 x 11 Gaussian window, "
    "sigma 1.5); 8-bit values, no cropping"
)
"""How denoising and enhancement are measured."""


def luma_protocol(scale: int) -> Protocol:
    """How super-resolution from bicubic reductions is measured: on luma, `scale` pixels shaved."""
    return Protocol(
        "PSNR and SSIM (11 x 11 Gaussian window, sigma 1.5) of the luma Y (BT.601, limited range, "
        f"8-bit values), {scale} pixels cropped at every edge",
        luma=True,
        shave_px=scale,
    )


MIN_SIDE_PX = WINDOW_PX
"""SSIM's window must fit into the picture."""


@dataclass(frozen=True)
class Likeness:
    """How close one picture is to its original."""

    psnr_db: float
    """Peak signal-to-noise ratio in decibels; infinite for equal pictures."""
    ssim: float | None
    """Structural similarity, 1 for equal pictures; None below `MIN_SIDE_PX`."""

    @property
    def psnr_text(self) -> str:
        """For a table: two decimals."""
        return "identical" if math.isinf(self.psnr_db) else f"{self.psnr_db:.2f} dB"

    @property
    def ssim_text(self) -> str:
        """For a table: four decimals."""
        return "too small" if self.ssim is None else f"{self.ssim:.4f}"


def likeness(picture: Picture, original: Picture, protocol: Protocol = RGB) -> Likeness:
    """Compare a picture with its clean original.

    Args:
        picture: What is judged; alpha is ignored.
        original: The truth, of the same size; its depth may differ.
        protocol: What of them is compared.

    Raises:
        InvalidRequest: The sizes differ.
    """
    if picture.pixels.shape != original.pixels.shape:
        raise InvalidRequest(
            f"The original has {original.width} x {original.height} pixels and the result "
            f"{picture.width} x {picture.height}: give an original of the result's size."
        )
    left, right = (_seen(to_eight_bits(p.pixels), protocol) for p in (picture, original))
    return Likeness(psnr(left, right), ssim(left, right))


def _seen(pixels: np.ndarray, protocol: Protocol) -> np.ndarray:
    edge = protocol.shave_px
    height, width = pixels.shape[:2]
    if min(height, width) <= 2 * edge:
        raise InvalidRequest(
            f"A picture of {width} x {height} pixels leaves nothing to compare once {edge} pixels "
            "are cropped at every edge: give a larger one."
        )
    pixels = pixels[edge : height - edge, edge : width - edge]
    return luma(pixels)[..., None] if protocol.luma else pixels


def luma(pixels: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601 in the limited range 16 to 235, as MATLAB's rgb2ycbcr gives it.

    Args:
        pixels: (H, W, 3) uint8.

    Returns:
        (H, W) uint8.

    >>> luma(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)).tolist()
    [[16, 235]]
    """
    weights = np.array([65.481, 128.553, 24.966]) / 255
    return np.rint(16 + pixels @ weights).astype(np.uint8)


def psnr(picture: np.ndarray, original: np.ndarray, peak: float = 255) -> float:
    """Peak signal-to-noise ratio, 10 log10(peak² / MSE) over all values, in decibels.

    Args:
        picture: (H, W, C), uint8, uint16 or floats.
        original: The same shape and type.
        peak: Largest possible value: 255, or 1 for floats.

    >>> zeros = np.zeros((2, 2, 3), np.uint8)
    >>> round(psnr(zeros, zeros + 1), 2), psnr(zeros, zeros)
    (48.13, inf)
    """
    import cv2

    total = cv2.norm(picture, original, cv2.NORM_L2SQR)
    if total == 0:
        return math.inf
    return 10 * math.log10(peak**2 * picture.size / total)
