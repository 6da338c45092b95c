"""Converts pictures with other colour profiles to sRGB, which networks are trained on, and back.

LittleCMS converts with floats that may leave [0, 1]. Only the network's input is clipped; the
network's change is added to the unclipped colours, so that colours beyond sRGB keep their
saturation.
"""

import logging
from dataclasses import replace

import numpy as np

from .picture import BAND_ROWS, Picture, quantize, to_unit

logger = logging.getLogger(__name__)

_SAME = 1 / 255
"""Difference from sRGB, as a share of full scale, below which a profile is treated as sRGB."""


def to_working_space(picture: Picture) -> Picture:
    """Convert a picture into sRGB for a network, with 16 bits where it has 8.

    Args:
        picture: Any picture.

    Returns:
        The picture itself if it is in sRGB, is grey, or its profile is unusable; otherwise a
        picture without profile, its colours clipped to [0, 1].
    """
    profile = picture.icc_profile
    if profile is None or picture.grey or _is_srgb(profile):
        return picture
    dtype = np.dtype(np.float32 if picture.pixels.dtype == np.float32 else np.uint16)
    pixels = np.empty(picture.pixels.shape, dtype)
    for top in range(0, picture.height, BAND_ROWS):
        band = to_unit(picture.pixels[top : top + BAND_ROWS])
        pixels[top : top + BAND_ROWS] = quantize(_convert(band, profile, None), dtype)
    alpha = picture.alpha
    if alpha is not None and alpha.dtype != dtype:
        alpha = quantize(to_unit(alpha), dtype)
    return replace(picture, pixels=pixels, alpha=alpha, icc_profile=None)


def from_working_space(restored: Picture, before: Picture) -> Picture:
    """Convert a restored picture back to the colour space and depth of its source.

    Args:
        restored: A network's result for `to_working_space(before)`.
        before: The picture before conversion, of the same size, with a colour profile.

    Raises:
        AssertionError: `before` has no profile.
        ImageRejected: A value of the result is not a number.
    """
    profile = before.icc_profile
    assert profile is not None
    pixels = np.empty_like(before.pixels)
    for top in range(0, before.height, BAND_ROWS):
        rows = slice(top, top + BAND_ROWS)
        seen = _convert(to_unit(before.pixels[rows]), profile, None)
        change = to_unit(restored.pixels[rows]) - np.clip(seen, 0, 1)
        pixels[rows] = quantize(_convert(seen + change, None, profile), pixels.dtype)
    return replace(before, pixels=pixels)


def _convert(unit: np.ndarray, source: bytes | None, target: bytes | None) -> np.ndarray:
    """Convert (H, W, 3) float32 between profiles, None being sRGB; relative colorimetric."""
    import imagecodecs

    srgb = imagecodecs.cms_profile("srgb")
    return imagecodecs.cms_transform(
        np.ascontiguousarray(unit, np.float32),
        source or srgb,
        target or srgb,
        colorspace="rgb",
        outcolorspace="rgb",
        outdtype="f4",
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
    )


def _is_srgb(profile: bytes) -> bool:
    """Whether a profile is sRGB, or cannot be used."""
    axis = np.linspace(0, 1, 9, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(9, 81, 3)
    try:
        there = _convert(grid, profile, None)
        back = _convert(there, None, profile)
    except Exception:  # LittleCMS refuses profiles without a table: keep, do not apply
        logger.debug("colour profile that cannot be used", exc_info=True)
        return True
    usable = np.isfinite(there).all() and np.abs(back - grid).max() < _SAME
    return not usable or bool(np.abs(there - grid).max() < _SAME)
