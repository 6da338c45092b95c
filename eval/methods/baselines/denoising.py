"""Classical denoisers, with the noise estimated from the picture."""

import math
from typing import Literal

import numpy as np
from pydantic import Field

from eval.methods.settings import Settings
from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture, to_eight_bits, to_unit


def noise_level(unit: np.ndarray) -> float:
    """Standard deviation of the noise (Donoho and Johnstone 1994), by scikit-image; 0 for none.

    Args:
        unit: (H, W, 3) in [0, 1].

    Returns:
        The mean over the three channels.
    """
    from skimage.restoration import estimate_sigma

    if np.ptp(unit) == 0:
        return 0.0
    sigma = float(np.mean(estimate_sigma(unit, channel_axis=-1)))
    return sigma if math.isfinite(sigma) else 0.0


class NonLocalMeans(Settings):
    """Settings of `non_local_means`; defaults are those of scikit-image's gallery (fast mode)."""

    patch_size: int = Field(5, ge=1, le=21)
    """Side of the compared patches in pixels."""
    patch_distance: int = Field(6, ge=1, le=50)
    """Largest distance of compared patches in pixels."""
    h_per_sigma: float = Field(0.6, gt=0, le=10)
    """Cut-off of the differences, in units of the noise level."""


def non_local_means(picture: Picture, size: tuple[int, int], settings: NonLocalMeans) -> np.ndarray:
    """Non-local means (Buades et al., CVPR 2005), scikit-image's fast mode."""
    from skimage.restoration import denoise_nl_means

    unit = to_unit(picture.pixels)
    sigma = noise_level(unit)
    if sigma == 0:
        return unit
    return denoise_nl_means(
        unit,
        patch_size=settings.patch_size,
        patch_distance=settings.patch_distance,
        h=settings.h_per_sigma * sigma,
        sigma=sigma,
        fast_mode=True,
        channel_axis=-1,
    )


class Wavelet(Settings):
    """Settings of `wavelet`; defaults are scikit-image's."""

    wavelet: str = Field("db1", pattern=r"^[a-z0-9.]{1,20}$")
    """Orthogonal wavelet, by its name in PyWavelets."""


def wavelet(picture: Picture, size: tuple[int, int], settings: Wavelet) -> np.ndarray:
    """Soft wavelet thresholds by BayesShrink (Chang et al., IEEE TIP 2000) in YCbCr.

    Raises:
        InvalidRequest: There is no such wavelet.
    """
    import pywt
    from skimage.restoration import denoise_wavelet

    if settings.wavelet not in pywt.wavelist(kind="discrete"):
        raise InvalidRequest(f"There is no wavelet {settings.wavelet!r}: choose db1, for example.")
    unit = to_unit(picture.pixels)
    if noise_level(unit) == 0:
        return unit
    return denoise_wavelet(
        unit,
        wavelet=settings.wavelet,
        method="BayesShrink",
        mode="soft",
        convert2ycbcr=True,
        channel_axis=-1,
    )


class TotalVariation(Settings):
    """Settings of `total_variation`."""

    weight_per_sigma: float = Field(0.65, gt=0, le=20)
    """Strength over noise level: scikit-image's gallery has 0.1 at a level of 0.155."""


def total_variation(
    picture: Picture, size: tuple[int, int], settings: TotalVariation
) -> np.ndarray:
    """Total-variation denoising (Chambolle, JMIV 2004), by scikit-image."""
    from skimage.restoration import denoise_tv_chambolle

    unit = to_unit(picture.pixels)
    sigma = noise_level(unit)
    if sigma == 0:
        return unit
    return denoise_tv_chambolle(unit, settings.weight_per_sigma * sigma, channel_axis=-1)


class FastNonLocalMeans(Settings):
    """Settings of `fast_non_local_means`; defaults are those of OpenCV's denoising tutorial."""

    h: float = Field(10.0, gt=0, le=100)
    """Filter strength for luminance, in 8-bit levels."""
    h_colour: float = Field(10.0, gt=0, le=100)
    """Filter strength for colours, in 8-bit levels."""
    template_px: int = Field(7, ge=1, le=21)
    """Side of the compared patches in pixels; odd."""
    search_px: int = Field(21, ge=1, le=61)
    """Side of the search window in pixels; odd."""


def fast_non_local_means(
    picture: Picture, size: tuple[int, int], settings: FastNonLocalMeans
) -> np.ndarray:
    """OpenCV's fastNlMeansDenoisingColored: non-local means in CIELAB, on 8 bits."""
    import cv2

    bgr = np.ascontiguousarray(to_eight_bits(picture.pixels)[..., ::-1])
    made = cv2.fastNlMeansDenoisingColored(
        bgr, None, settings.h, settings.h_colour, settings.template_px, settings.search_px
    )
    return np.ascontiguousarray(made[..., ::-1])


class Bm3d(Settings):
    """Settings of `bm3d`."""

    profile: Literal["lc", "np", "high"] = "lc"
    """Profile of the authors' package; low complexity ('lc') is 3 times faster than 'np'."""


def bm3d(picture: Picture, size: tuple[int, int], settings: Bm3d) -> np.ndarray:
    """BM3D (Dabov et al., IEEE TIP 2007) by its authors' package, in opponent colours.

    More than one thread would make its results vary.
    """
    import bm3d as package

    unit = to_unit(picture.pixels)
    sigma = noise_level(unit)
    if sigma == 0:
        return unit
    profiles = {
        "lc": package.BM3DProfileLC,
        "np": package.BM3DProfile,
        "high": package.BM3DProfileHigh,
    }
    profile = profiles[settings.profile]()
    profile.num_threads = 1
    return package.bm3d_rgb(unit.astype(np.float64), sigma, profile)
