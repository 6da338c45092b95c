"""Suggests a task for a photo by measurements; nothing applies the suggestion by itself.

Thresholds come from labelled pictures; `python -m tests.bench.inspection` measures how often the
suggestion is right, and `mirnet/docs/using.md` publishes it.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mirnet.images.decode import read_image
from mirnet.images.exif import iso_of
from mirnet.images.network_input import prepare_photo
from mirnet.images.picture import Picture
from mirnet.images.preview import cut_out, detailed_place, shrink
from mirnet.images.provenance import NAMESPACE
from mirnet.tasks import get_task

from .blending import LUMA_WEIGHTS

MAX_SIDE_PX = 1024
"""Side of the part of a large photo on which noise and sharpness are measured, in pixels."""
BRIGHTNESS_PX = 256
"""Longest side of the reduced photo on which brightness is measured, in pixels."""
BLOCK_PX = 16
"""Side of the blocks in which noise is measured, in pixels."""
SMOOTH_SHARE = 0.05
"""Share of the smoothest blocks; the noise is the deviation that they do not exceed."""
MIN_BLOCKS = 4
"""Fewest blocks from which noise is measured."""
NOISY_SIGMA = 1.3
"""Noise from which denoising is suggested, in 8-bit levels."""
VERY_NOISY_SIGMA = 6.0
"""Noise from which denoising is suggested for a small photo too, in 8-bit levels."""
NOISY_ISO = 1600
"""ISO number from which denoising is suggested whatever is measured: a camera that smooths its own
noise leaves little in smooth places, and removing the rest still helps; see docs/log/photos.md."""
LITTLE_SIGMA = 0.5
"""Noise in 8-bit levels under which the ISO suggests nothing: the noise was removed already, and a
result keeps its EXIF. An estimate below the 0.7 of clean photos, not measured on results."""
DARK_MEAN = 0.13
"""Mean luminance below which brightening is suggested, 0 to 1."""
DARK_HIGHLIGHTS = 0.36
"""Luminance of the highlights (see `HIGHLIGHTS`) below which brightening is suggested, 0 to 1: a
scene at night has lamps, a photo with too little light has nothing bright."""
HIGHLIGHTS = 0.97
"""Share of a photo that is darker than its highlights."""
SOFT_SHARPNESS = 0.15
"""Sharpness below which sharpening is suggested."""
SMALL_PIXELS = 0.15e6
"""Number of pixels below which enlarging is suggested."""


@dataclass(frozen=True)
class Inspection:
    """Measurements of a photo, and the task they suggest."""

    noise_sigma: float
    """Standard deviation of the noise in smooth places, in 8-bit levels; see `noise_of`."""
    mean_luminance: float
    """Mean luminance of the values coded as sRGB, 0 to 1."""
    highlights: float
    """Luminance that a share of `HIGHLIGHTS` of the photo does not exceed, 0 to 1."""
    sharpness: float
    """Variance of the Laplacian as a share of the variance of the picture, noise taken off."""
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    suggestion: str | None
    """Id of a task; None if the measurements suggest none."""
    then: str | None
    """Id of a second task that is suggested on the result of the first; None for one step."""
    same_size: bool
    """Whether the suggested task should keep the size: the photo is soft, not small."""
    reason: str
    """Reason of the suggestion and its measurement, in a sentence."""
    iso: int | None = None
    """Sensitivity that the camera was set to; None where the photo does not say it."""

    def words(self) -> str:
        """The suggestion in words; nothing is applied by itself.

        >>> measured = 3.2, 0.4, 0.8, 1.0, 800, 600
        >>> Inspection(*measured, "denoise", None, False, "The photo is noisy.").words()
        'The photo is noisy. Suggested: Remove noise.'
        """
        if self.suggestion is None:
            return self.reason
        task = get_task(self.suggestion)
        title = "Sharpen at its own size" if self.same_size else task.title
        then = f", then {get_task(self.then).title.lower()}" if self.then else ""
        return f"{self.reason} Suggested: {title}{then}."

    def facts(self) -> str:
        """The measurements in one line, with the ISO number of a camera's photo."""
        iso = "" if self.iso is None else f" · ISO {self.iso}"
        return (
            f"{self.width} x {self.height}{iso} · noise {self.noise_sigma:.1f} of 255 · mean "
            f"luminance {self.mean_luminance:.2f} · highlights {self.highlights:.2f} · sharpness "
            f"{self.sharpness:.2f}"
        )


def inspect(image: "str | Path | bytes | Image.Image | np.ndarray | Picture") -> Inspection:
    """Measure a photo and suggest what it may need; nothing is applied.

    Args:
        image: Source for `read_image`: path, bytes, Pillow image, array, `Picture`.

    Raises:
        ImageRejected: The photo cannot be read.
    """
    return inspect_picture(read_image(image))


def inspect_picture(picture: Picture) -> Inspection:
    """Measure a photo and suggest a task; the photo is not changed and no network runs.

    Args:
        picture: Any picture; of a large one, the place with most detail is measured.
    """
    across, down = detailed_place(picture, MAX_SIDE_PX, MAX_SIDE_PX)
    part = cut_out(picture, across, down, MAX_SIDE_PX, MAX_SIDE_PX)
    luma = _luma(part)
    noise = noise_of(luma)
    brightness = _luma(shrink(picture, BRIGHTNESS_PX))
    mean, highlights = float(brightness.mean()), float(np.quantile(brightness, HIGHLIGHTS))
    sharpness = sharpness_of(luma, noise)
    width, height = picture.width, picture.height
    is_small = width * height < SMALL_PIXELS
    iso = iso_of(picture.exif)
    was_restored = NAMESPACE.encode() in (picture.xmp or b"")  # EXIF is still the camera's
    may_be_noisy = noise >= LITTLE_SIGMA and not was_restored
    high_iso = may_be_noisy and iso is not None and iso >= NOISY_ISO
    suggestion, then, same_size = None, None, False
    reason = "Nothing stands out: light, noise, size and sharpness are as in clean photos."
    if mean < DARK_MEAN or highlights < DARK_HIGHLIGHTS:
        suggestion = "lowlight"
        reason = f"The photo is dark: mean luminance {_floor(mean)} of 1, under {DARK_MEAN}."
        if mean >= DARK_MEAN:
            reason = (
                f"The photo is dark: its highlights reach {_floor(highlights)} of 1, under "
                f"{DARK_HIGHLIGHTS}."
            )
        if noise >= NOISY_SIGMA:
            then = "denoise"
            reason = f"{reason[:-1]}, and noisy: {noise:.1f} of 255, from {NOISY_SIGMA} on."
        elif high_iso:
            then = "denoise"
            reason = f"{reason[:-1]}, and was taken at ISO {iso}: noise shows once it is brighter."
    elif noise >= (limit := VERY_NOISY_SIGMA if is_small else NOISY_SIGMA):
        suggestion = "denoise"
        reason = f"The photo is noisy: {noise:.1f} of 255 in smooth places, from {limit} on."
    elif is_small:
        suggestion = "sr-x2"
        reason = f"The photo is small: {width} x {height} pixels."
    elif high_iso:
        suggestion = "denoise"
        reason = (
            f"The photo was taken at ISO {iso}, and removing noise helps from {NOISY_ISO} on, "
            f"though smooth places have little: {noise:.1f} of 255."
        )
    elif sharpness < SOFT_SHARPNESS:
        suggestion, same_size = "sr-x2", True
        reason = f"The photo is soft: sharpness {_floor(sharpness)}, under {SOFT_SHARPNESS}."
    measured = (noise, mean, highlights, sharpness, width, height)
    return Inspection(*measured, suggestion, then, same_size, reason, iso)


def _floor(value: float) -> str:
    """A number rounded down to three decimals: one under a limit of two is shown under it.

    >>> _floor(0.12996)
    '0.129'
    """
    return f"{math.floor(1000 * value) / 1000:.3f}"


def _luma(picture: Picture) -> np.ndarray:
    """Luminance of a small picture as a network sees it, (H, W) float32 in [0, 1] as in sRGB."""
    return prepare_photo(picture).seen.unit() @ LUMA_WEIGHTS


def noise_of(luma: np.ndarray) -> float:
    """Standard deviation of fine detail in the smoothest blocks, in 8-bit levels.

    Texture is everywhere but in some places, and noise is everywhere. Unlike the wavelet estimate
    (Donoho and Johnstone, Biometrika 81, 1994), it sees the coarse noise of camera JPEG files: that
    gave less for the noisy photos of CC15 than for clean photographs. Blocks that are nearly black
    or white have lost their noise and are left out.

    Args:
        luma: (H, W) float32 in [0, 1].

    Returns:
        0 where fewer than `MIN_BLOCKS` can be judged.
    """
    import cv2

    rows, columns = luma.shape[0] // BLOCK_PX, luma.shape[1] // BLOCK_PX
    if not rows or not columns:
        return 0.0

    def blocks(values: np.ndarray) -> np.ndarray:
        values = values[: rows * BLOCK_PX, : columns * BLOCK_PX]
        values = values.reshape(rows, BLOCK_PX, columns, BLOCK_PX).swapaxes(1, 2)
        return values.reshape(rows * columns, -1)

    fine = blocks(luma - cv2.GaussianBlur(luma, (0, 0), 2)).std(1)
    means = blocks(luma).mean(1)
    judged = fine[(means > 0.06) & (means < 0.94)]
    return float(255 * np.quantile(judged, SMOOTH_SHARE)) if judged.size >= MIN_BLOCKS else 0.0


def sharpness_of(luma: np.ndarray, noise: float) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) relative to the local contrast.

    Args:
        luma: (H, W) float32 in [0, 1].
        noise: Standard deviation of the noise in 8-bit levels, whose share is taken off: as white
            noise, 20 times its variance.

    Returns:
        0 for a flat or fully blurred picture, about 1 for one with detail at every pixel.
    """
    import cv2

    if min(luma.shape) < 8:
        return 0.0
    sigma = noise / 255
    laplacian = cv2.Laplacian(luma, cv2.CV_32F)
    contrast = luma - cv2.GaussianBlur(luma, (0, 0), 4)
    energy = float((laplacian**2).mean()) - 20 * sigma**2
    spread = float((contrast**2).mean()) - sigma**2
    return max(energy, 0.0) / spread if spread > 1e-7 else 0.0
