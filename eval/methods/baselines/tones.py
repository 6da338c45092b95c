"""Brightness, contrast and colour: tone curves, equalisation, LIME, white balance."""

import math

import numpy as np
from pydantic import Field

from eval.methods.settings import Settings
from mirnet.images.picture import Picture, to_eight_bits, to_unit

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Full-range luma of ITU-R BT.601."""


class Clahe(Settings):
    """Settings of `clahe`; defaults are those of OpenCV's histogram equalisation tutorial."""

    clip_limit: float = Field(2.0, gt=0, le=100)
    """Highest bin of a tile's histogram, in units of the mean bin."""
    tiles: int = Field(8, ge=1, le=64)
    """Number of tiles in each direction."""


def clahe(picture: Picture, size: tuple[int, int], settings: Clahe) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation of the luma (Zuiderveld 1994), on 8 bits."""
    import cv2

    ycrcb = cv2.cvtColor(to_eight_bits(picture.pixels), cv2.COLOR_RGB2YCrCb)
    equalise = cv2.createCLAHE(settings.clip_limit, (settings.tiles, settings.tiles))
    ycrcb[..., 0] = equalise.apply(np.ascontiguousarray(ycrcb[..., 0]))
    return cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2RGB)


class AutoGamma(Settings):
    """Settings of `auto_gamma`."""

    mean: float = Field(0.5, gt=0, lt=1)
    """Target of the mean luma, in (0, 1)."""


def auto_gamma(picture: Picture, size: tuple[int, int], settings: AutoGamma) -> np.ndarray:
    """Raise all values to log(wanted mean) / log(mean), which maps the mean luma to the wanted one.

    The mean is that of the BT.601 luma of the sRGB values, kept within 1/255 and 254/255.
    """
    unit = to_unit(picture.pixels)
    mean = float((unit @ np.asarray(LUMA_WEIGHTS, np.float32)).mean(dtype=np.float64))
    exponent = math.log(settings.mean) / math.log(min(max(mean, 1 / 255), 254 / 255))
    return unit ** np.float32(exponent)


class Gamma(Settings):
    """Settings of `gamma`; the default is the gamma of displays."""

    gamma: float = Field(2.2, gt=0, le=10)
    """Gamma; values are raised to 1 / gamma."""


def gamma(picture: Picture, size: tuple[int, int], settings: Gamma) -> np.ndarray:
    """A gamma curve on the sRGB values."""
    return to_unit(picture.pixels) ** np.float32(1 / settings.gamma)


class AutoContrast(Settings):
    """Settings of `auto_contrast`; defaults are those of scikit-image's gallery."""

    low: float = Field(2.0, ge=0, lt=50)
    """Percentile of the values that becomes black."""
    high: float = Field(98.0, gt=50, le=100)
    """Percentile of the values that becomes white."""


def auto_contrast(picture: Picture, size: tuple[int, int], settings: AutoContrast) -> np.ndarray:
    """Stretch all values between two percentiles, the three channels alike."""
    unit = to_unit(picture.pixels)
    low, high = np.percentile(unit, (settings.low, settings.high)).astype(np.float32)
    return np.clip((unit - low) / (high - low), 0, 1) if high > low else unit


class Lime(Settings):
    """Settings of `lime`; defaults are those of the paper."""

    alpha: float = Field(0.15, gt=0, le=10)
    """Weight of the illumination's total variation against its distance from the first guess."""
    gamma: float = Field(0.8, gt=0, le=2)
    """Exponent of the illumination; less than 1 keeps some of the darkness."""


def lime(picture: Picture, size: tuple[int, int], settings: Lime) -> np.ndarray:
    """Divide by a smooth illumination, in the style of LIME (Guo et al., IEEE TIP 2017).

    The first guess is the largest channel of each pixel. Equation 8 with weights of 1 (strategy I)
    is a total-variation problem: scikit-image's Chambolle solver takes half of alpha, because it
    halves the distance. The paper's solver is anisotropic; its denoising step is left out.
    """
    from skimage.restoration import denoise_tv_chambolle

    unit = to_unit(picture.pixels)
    illumination = denoise_tv_chambolle(unit.max(axis=2), settings.alpha / 2)
    illumination = np.clip(illumination, 1 / 255, 1) ** np.float32(settings.gamma)
    return np.clip(unit / illumination[..., None], 0, 1)


def grey_world(picture: Picture, size: tuple[int, int], settings: Settings) -> np.ndarray:
    """White balance that makes the mean grey (Buchsbaum 1980): gains on the sRGB values."""
    unit = to_unit(picture.pixels)
    means = unit.mean(axis=(0, 1), dtype=np.float64)
    gains = means.mean() / np.maximum(means, 1 / 255)
    return np.clip(unit * gains.astype(np.float32), 0, 1)
