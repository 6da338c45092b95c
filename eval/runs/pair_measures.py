"""Measures of a pair's own pictures, by which a benchmark is cut into slices.

They describe what a method was given, whichever method it was, and are stored once for each pair.
"""

import math
import warnings

import numpy as np

from eval.data.pair_facts import Fact
from eval.data.pairs import Pair
from mirnet.images.picture import to_eight_bits
from mirnet.metrics.conversions import LUMA_WEIGHTS
from mirnet.metrics.registry import psnr

INPUT_PSNR = "input_psnr_db"
"""Name of the fact: PSNR of the degraded picture against its target, in dB, as 8 bits of RGB."""
MAX_SIDE_PX = 1024
"""Largest side that is measured: of larger pictures, the middle."""
MIN_SIDE_PX = 8
"""Side below which neither texture nor noise can be told."""


def measure(pair: Pair) -> dict[str, Fact]:
    """Measure a pair.

    Returns:
        `INPUT_PSNR` where both pictures have one size and differ; "brightness", the mean luma
        (BT.601, full range) of the degraded picture, 0 to 255; "texture", the mean gradient
        magnitude (`skimage.filters.sobel`) of the target's luma, or of the degraded picture's
        without a target; "noise_sigma", the standard deviation of noise in the degraded picture, of
        255, as Donoho's wavelet estimate sees it (`skimage.restoration.estimate_sigma`).
    """
    from skimage.filters import sobel
    from skimage.restoration import estimate_sigma

    given = _middle(to_eight_bits(pair.degraded.pixels))
    truth = None if pair.target is None else _middle(to_eight_bits(pair.target.pixels))
    shade = given @ np.array(LUMA_WEIGHTS)
    found = {"brightness": float(shade.mean())}
    if min(given.shape[:2]) >= MIN_SIDE_PX:
        detail = shade if truth is None else truth @ np.array(LUMA_WEIGHTS)
        found["texture"] = float(sobel(detail).mean())
        channels = given.astype(np.float32)
        with warnings.catch_warnings():  # a channel without any detail has no estimate
            warnings.simplefilter("ignore", RuntimeWarning)
            found["noise_sigma"] = float(np.mean(estimate_sigma(channels, channel_axis=-1)))
    if truth is not None and truth.shape == given.shape:
        found[INPUT_PSNR] = psnr(given, truth)
    return {name: round(value, 4) for name, value in found.items() if math.isfinite(value)}


def _middle(pixels: np.ndarray) -> np.ndarray:
    """The middle of (H, W, 3), at most `MAX_SIDE_PX` high and wide."""
    top, left = (max(side - MAX_SIDE_PX, 0) // 2 for side in pixels.shape[:2])
    return pixels[top : top + MAX_SIDE_PX, left : left + MAX_SIDE_PX]
