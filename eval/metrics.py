"""Arithmetic of evaluations that `mirnet.compare` lacks: "GT-mean".

Conventions are chosen and named in `protocols.py`.
"""

import numpy as np

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Full-range luma of ITU-R BT.601, OpenCV's grey."""


def match_grey_mean(restored: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Scale a picture so that its mean grey is the target's, clipped to [0, 1] ("GT-mean").

    KinD, LLFlow and diffusion papers score low-light results so; it forgives a wrong brightness.

    Args:
        restored: (H, W, 3) in [0, 1].
        target: The same shape.
    """
    wanted, grey = (
        float(pixels.mean((0, 1), dtype=np.float64) @ LUMA_WEIGHTS) for pixels in (target, restored)
    )
    return np.clip(restored * (wanted / max(grey, 1e-6)), 0, 1)
