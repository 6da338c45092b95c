"""Blends of a restoration's input and result: strength, luminance, colour and detail.

A network's change of a pixel is split into a change of luminance, equal in all three channels, and
a change of colour, which keeps the luminance. Both are linear, so a blend of reduced pictures is
the reduced blend, up to rounding: a preview shows what the file will hold.

Detail returns texture that the network smoothed away. What it removed is noise nearly everywhere
and texture in places: its median gives the noise for each brightness, and texture is what exceeds
it locally (the local linear minimum mean square error filter of Lee, IEEE PAMI 2, 1980, applied to
the removed part).
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from mirnet.errors import InvalidRequest
from mirnet.images.picture import BAND_ROWS, Picture, quantize, to_unit
from mirnet.images.preview import cut_out, shrink

LUMA_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Share of red, green and blue in the luminance (ITU-R BT.709), applied to gamma-coded values."""
DETAIL_SIGMA_PX = 4.0
"""Standard deviation in pixels of the Gaussian above whose scale nothing counts as detail."""
WINDOW_SIGMA_PX = 3.0
"""Standard deviation in pixels of the window in which texture is compared with noise."""
NOISE_MARGIN = 2.0
"""Variance, in units of the noise's, up to which the removed part counts as noise."""
BRIGHTNESS_BINS = 8
"""Number of intervals of brightness for which the noise is estimated."""
MIN_BIN_PIXELS = 400
"""Fewest pixels of an interval of brightness whose noise is estimated by itself."""
NORMAL_MAD = 0.6745
"""Median absolute value of a standard normal variable."""
MAX_GAIN = 8.0
"""Largest factor by which texture of a brightened photo is amplified."""


@dataclass(frozen=True)
class Blend:
    """Shares of a network's change; the default is its result, unchanged."""

    strength: float = 1.0
    """Share of everything: 0 is the input bit for bit, 1 the full effect."""
    luma: float = 1.0
    """Share of the change of luminance, 0 to 1."""
    chroma: float = 1.0
    """Share of the change of colour, 0 to 1."""
    detail: float = 0.0
    """Share of the removed texture that is returned, 0 to 1."""

    def __post_init__(self) -> None:
        for field in fields(self):
            check_share(field.name.capitalize(), getattr(self, field.name))

    @property
    def is_full(self) -> bool:
        """Whether the blend is the network's result, bit for bit."""
        return self == Blend()


def check_share(name: str, value: object) -> None:
    """Check that a setting is a number from 0 to 1.

    Raises:
        InvalidRequest: It is not.
    """
    if not isinstance(value, (int, float, np.number)) or not 0 <= value <= 1:
        raise InvalidRequest(
            f"{name} {value!r} is not a number from 0 to 1: 1 is all of it, 0 nothing."
        )


class Blender:
    """Blends the input and the result of one restoration; runs no network.

    Args:
        before: Input at the size of the result.
        full: The network's result, with pixels of the same shape and type.
        texture: (H, W), see `texture`; None computes it when it is first needed.
    """

    def __init__(self, before: Picture, full: Picture, texture: np.ndarray | None = None):
        self.before, self.full = before, full
        if texture is not None:
            self.texture = texture

    @cached_property
    def texture(self) -> np.ndarray:
        """(H, W) float16 luminance that `detail` returns, for sRGB values in [0, 1]."""
        return removed_texture(self.before, self.full)

    @property
    def has_texture(self) -> bool:
        """Whether the texture is known, so that a blend with detail takes no longer than others."""
        return "texture" in vars(self)

    def picture(self, blend: Blend) -> Picture:
        """Blend to a picture of the input's depth."""
        if blend.strength == 0:
            return self.before
        if blend.is_full:
            return self.full
        shares = blend.chroma * np.eye(3) + (blend.luma - blend.chroma) * LUMA_WEIGHTS
        matrix = (blend.strength * shares).astype(np.float32)  # row: output, column: input channel
        pixels = np.empty_like(self.before.pixels)
        for top in range(0, self.before.height, BAND_ROWS):
            rows = slice(top, top + BAND_ROWS)
            mixed = to_unit(self.before.pixels[rows])
            change = to_unit(self.full.pixels[rows]) - mixed
            if blend.luma == blend.chroma:
                mixed += np.float32(blend.strength * blend.luma) * change
            else:
                import cv2

                mixed += cv2.transform(change, matrix)
            if blend.detail:
                share = np.float32(blend.strength * blend.detail)
                mixed += share * self.texture[rows, :, None].astype(np.float32)
            pixels[rows] = quantize(mixed, pixels.dtype)
        return self.before.with_pixels(pixels)

    def shrunk(self, longest_px: int, detail: bool = False) -> "Blender":
        """Reduce input and result for a screen, by area average; 8 bits.

        Args:
            longest_px: Longest side of the pictures in pixels.
            detail: Whether the reduced texture is needed, which takes a moment the first time.
        """
        before, full = (shrink(picture, longest_px) for picture in (self.before, self.full))
        texture = None
        if detail:
            import cv2

            size = before.width, before.height
            whole = self.texture.astype(np.float32)
            texture = cv2.resize(whole, size, interpolation=cv2.INTER_AREA).astype(np.float16)
        return Blender(before, full, texture)

    def cut_out(
        self, across: float, down: float, width_px: int, height_px: int, detail: bool = False
    ) -> "Blender":
        """Cut a part out of input, result and texture; other arguments as in `preview.cut_out`."""
        place = across, down, width_px, height_px
        before, full = (cut_out(picture, *place) for picture in (self.before, self.full))
        texture = None
        if detail:
            top = round((self.before.height - before.height) * min(max(down, 0), 1))
            left = round((self.before.width - before.width) * min(max(across, 0), 1))
            texture = self.texture[top : top + before.height, left : left + before.width]
        return Blender(before, full, texture)


def removed_texture(before: Picture, full: Picture) -> np.ndarray:
    """Estimate the texture among what a network removed, from the luminance.

    Args:
        before: Input at the size of the result; where the network brightens, its texture is
            amplified as much.
        full: The network's result.

    Returns:
        (H, W) float16; adding it to each channel of the result returns the texture.
    """
    import cv2

    def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
        return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)

    removed, result = luminance(before), luminance(full)
    removed_base, result_base = smooth(removed, DETAIL_SIGMA_PX), smooth(result, DETAIL_SIGMA_PX)
    removed -= removed_base
    removed *= np.clip(result_base / np.maximum(removed_base, 1e-3), 0, MAX_GAIN)
    removed -= result
    removed += result_base
    noise = noise_variance(removed, result_base)
    local = smooth(removed * removed, WINDOW_SIGMA_PX)
    keep = np.clip(1 - NOISE_MARGIN * noise / np.maximum(local, 1e-12), 0, 1)
    return (keep * removed).astype(np.float16)


def noise_variance(removed: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Estimate the variance of the noise among the removed part, as a function of brightness.

    Args:
        removed: (H, W) float32, noise nearly everywhere and texture in places.
        brightness: (H, W) float32 in [0, 1].

    Returns:
        (H, W) float32, interpolated between the medians of intervals of brightness.
    """
    size = np.abs(removed)
    overall = float(np.median(size))
    bins = np.clip((brightness * BRIGHTNESS_BINS).astype(np.int32), 0, BRIGHTNESS_BINS - 1)
    sigmas = []
    for number in range(BRIGHTNESS_BINS):
        inside = size[bins == number]
        sigmas.append(np.median(inside) if inside.size >= MIN_BIN_PIXELS else overall)
    centres = (np.arange(BRIGHTNESS_BINS) + 0.5) / BRIGHTNESS_BINS
    variances = (np.array(sigmas) / NORMAL_MAD) ** 2
    return np.interp(brightness, centres, variances).astype(np.float32)


def luminance(picture: Picture) -> np.ndarray:
    """Luminance (H, W) float32 in [0, 1] of the gamma-coded values."""
    luma = np.empty((picture.height, picture.width), np.float32)
    for top in range(0, picture.height, BAND_ROWS):
        luma[top : top + BAND_ROWS] = to_unit(picture.pixels[top : top + BAND_ROWS]) @ LUMA_WEIGHTS
    return luma
