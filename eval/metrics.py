"""Arithmetic that `mirnet.compare` and scikit-image lack: MATLAB's 3-D SSIM, and "GT-mean".

Conventions are chosen and named in `protocols.py`.
"""

import numpy as np

WINDOW_PX = 11
"""Side of SSIM's Gaussian window (Wang et al., IEEE TIP 2004)."""
SIGMA_PX = 1.5
"""Standard deviation of that window."""
LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Full-range luma of ITU-R BT.601, OpenCV's grey."""


def ssim_volume(restored: np.ndarray, target: np.ndarray, peak: float) -> float:
    """SSIM with a 3-D Gaussian, as MATLAB's `ssim` treats an H x W x 3 array.

    The window is 11 x 11 x 11 with replicated edges and the mean is over every position; so the
    colour channels are blurred into each other. `evaluate_sidd.m` of MIRNet-v2 calls it this way,
    and so do most denoising papers since.

    Args:
        restored: (H, W, 3).
        target: The same shape.
        peak: Largest possible value, 1 or 255.
    """
    from scipy.ndimage import correlate1d

    offsets = np.arange(WINDOW_PX) - WINDOW_PX // 2
    taps = np.exp(-0.5 * (offsets / SIGMA_PX) ** 2)
    taps /= taps.sum()

    def blur(volume: np.ndarray) -> np.ndarray:
        for axis in (0, 1, 2):
            volume = correlate1d(volume, taps, axis, mode="nearest")
        return volume

    x, y = restored.astype(np.float64), target.astype(np.float64)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_x, mean_y = blur(x), blur(y)
    variance_x = blur(x * x) - mean_x**2
    variance_y = blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    return float(similarity.mean())


def match_grey_mean(restored: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Scale a picture so that its mean grey is the target's, clipped to [0, 1] ("GT-mean").

    KinD, LLFlow and diffusion papers score low-light results so; it forgives a wrong brightness.

    Args:
        restored: (H, W, 3) in [0, 1].
        target: The same shape.
    """
    grey = np.asarray(LUMA_WEIGHTS)
    factor = float((target @ grey).mean() / max(float((restored @ grey).mean()), 1e-6))
    return np.clip(restored * factor, 0, 1)
