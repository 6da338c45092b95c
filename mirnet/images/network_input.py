"""The network's input of a photo, and the way back: `prepare_photo`, then `NetworkInput.finish`.

1. Programs leave arbitrary colours under transparent pixels. A network and every enlargement mix
   neighbouring pixels, so colours that nobody sees would show as a fringe along the edge of what is
   visible: they are replaced by those around.
2. For super-resolution the photo is enlarged: the networks keep the size, as RealSR's do.
3. Networks are trained on sRGB. Photos with other colour profiles are converted, grey ones too.
   LittleCMS converts with floats that may leave [0, 1]; only the network's input is clipped, and
   the network's change is added to the unclipped colours, so that colours beyond sRGB keep their
   saturation.
"""

import logging
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image

from mirnet.errors import ImageRejected

from .limits import MAX_PIXELS
from .picture import BAND_ROWS, Picture, map_bands, quantize, to_unit

logger = logging.getLogger(__name__)

_HIDDEN = 0.012
"""Opacity (3 of 255) up to which a pixel counts as transparent; its colour is mostly rounding."""
_SAME = 1 / 255
"""Difference from sRGB, as a share of full scale, below which a profile is treated as sRGB."""


@dataclass(frozen=True)
class NetworkInput:
    """A photo at the size of its result, as people and as networks see it."""

    before: Picture
    """The photo in its own colour space, enlarged for super-resolution."""
    seen: Picture
    """The photo in the network's colour space; `before` itself if that is its own, or if
    `prepare_photo` was told to convert nothing."""
    foreign: bool
    """Whether the colour space of `before` is another than the network's."""

    def finish(self, restored: Picture) -> Picture:
        """Give a network's result for `seen` the colour space and the depth of `before`.

        Raises:
            ImageRejected: A value of the result is not a number.
        """
        profile, dtype = self.before.icc_profile, self.before.pixels.dtype
        if not self.foreign:
            if restored.pixels.dtype == dtype:
                return replace(self.before, pixels=restored.pixels)
            return replace(self.before, pixels=map_bands(_same, restored.pixels, dtype=dtype))

        def changed(unit: np.ndarray, result: np.ndarray) -> np.ndarray:
            seen = _convert(unit, source=profile)
            return _convert(seen + result - np.clip(seen, 0, 1), target=profile)

        pixels = map_bands(changed, self.before.pixels, restored.pixels, dtype=dtype)
        return replace(self.before, pixels=pixels)


def prepare_photo(
    picture: Picture,
    scale: int = 1,
    *,
    colours: bool = True,
    convert: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> NetworkInput:
    """Prepare a photo for a network.

    Args:
        scale: Factor for both sides: the task's, or 1 for a photo that has its final size.
        colours: Prepare colours too; False keeps them bit for bit, where no network runs.
        convert: Make `NetworkInput.seen`; False leaves it as `before`, without a converted copy,
            for a caller that replaces it.
        max_pixels: Largest accepted number of pixels of the result.

    Returns:
        The photo, and what the network sees of it. The latter has 16 bits where its colours were
        converted from 8, and then neither profile nor alpha.

    Raises:
        ImageRejected: The result would have more than `max_pixels` pixels.
    """
    before = fill_transparent(picture) if colours else picture
    profile = _foreign_profile(picture) if colours else None
    if scale > 1:
        before = enlarge(before, scale, max_pixels=max_pixels)
    if profile is None or not convert:
        return NetworkInput(before, before, foreign=profile is not None)
    dtype = np.float32 if before.pixels.dtype == np.float32 else np.uint16
    pixels = map_bands(partial(_convert, source=profile), before.pixels, dtype=dtype)
    seen = replace(before, pixels=pixels, alpha=None, icc_profile=None)
    return NetworkInput(before, seen, foreign=True)


def deepened(photo: NetworkInput) -> NetworkInput:
    """Input of the first of two networks: as `photo.seen`, and its result keeps 16 bits or float.

    Args:
        photo: The photo at its own size.
    """
    seen = replace(photo.seen, alpha=None)
    if seen.pixels.dtype == np.uint8:
        seen = seen.with_pixels(map_bands(_same, seen.pixels, dtype=np.uint16))
    return NetworkInput(seen, seen, foreign=False)


def fill_transparent(picture: Picture) -> Picture:
    """Give transparent pixels the colours of their surroundings.

    The visible pixels are averaged over larger and larger blocks until every block holds one
    (push-pull: Gortler and others, The Lumigraph, SIGGRAPH 1996, section 3.4). All other pixels,
    and alpha, stay as they are.

    Args:
        picture: Any picture; returned as it is if no pixel, or every pixel, is transparent.
    """
    alpha = picture.alpha
    if alpha is None:
        return picture
    hidden_up_to = _HIDDEN * (1 if alpha.dtype == np.float32 else np.iinfo(alpha.dtype).max)
    if alpha.min() > hidden_up_to or alpha.max() <= hidden_up_to:
        return picture
    import cv2

    colours, weights = _halved(picture.pixels, alpha, hidden_up_to)
    levels = [(colours, weights)]
    while max(weights.shape) > 1:
        size = ((weights.shape[1] + 1) // 2, (weights.shape[0] + 1) // 2)
        colours, weights = (
            cv2.resize(values, size, interpolation=cv2.INTER_AREA)
            for values in (colours * weights[..., None], weights)
        )
        colours = colours / np.maximum(weights, 1e-12)[..., None]
        levels.append((colours, weights))
    filled = levels.pop()[0]
    while levels:
        colours, weights = levels.pop()
        size = (weights.shape[1], weights.shape[0])
        wider = cv2.resize(filled, size, interpolation=cv2.INTER_LINEAR)
        filled = np.where(weights[..., None] > 0, colours, wider.reshape(colours.shape))
    pixels = picture.pixels.copy()
    for top in range(0, picture.height, BAND_ROWS):
        hidden = alpha[top : top + BAND_ROWS] <= hidden_up_to
        rows, columns = np.nonzero(hidden)
        values = filled[(rows + top) // 2, columns // 2]  # means of pixels, so within their range
        pixels[top : top + BAND_ROWS][hidden] = (
            values if pixels.dtype == np.float32 else np.rint(values)
        )
    return replace(picture, pixels=pixels)


def _halved(
    pixels: np.ndarray, alpha: np.ndarray, hidden_up_to: float
) -> tuple[np.ndarray, np.ndarray]:
    """Average blocks of 2 x 2 pixels by their opacity.

    Returns:
        (H / 2, W / 2, 3) float32 colours in the units of the pixels, and (H / 2, W / 2) float32
        mean opacity, 0 where all four pixels are hidden.
    """
    import cv2

    height, width = alpha.shape
    shape = ((height + 1) // 2, (width + 1) // 2)
    colours, weights = np.empty((*shape, 3), np.float32), np.empty(shape, np.float32)
    for top in range(0, height, BAND_ROWS):
        band = slice(top, top + BAND_ROWS)
        weight = np.where(alpha[band] > hidden_up_to, alpha[band], 0).astype(np.float32)
        colour = pixels[band] * weight[..., None]
        edge = ((0, weight.shape[0] % 2), (0, width % 2))
        weight, colour = np.pad(weight, edge), np.pad(colour, (*edge, (0, 0)))
        rows = slice(top // 2, top // 2 + weight.shape[0] // 2)
        size = (shape[1], weight.shape[0] // 2)
        weights[rows] = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
        total = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
        colours[rows] = total / np.maximum(weights[rows], 1e-12)[..., None]
    return colours, weights


def check_enlarged(label: str, width: int, height: int, scale: int, max_pixels: int) -> None:
    """Refuse an enlargement with more than `max_pixels` pixels.

    Args:
        width: Width of the photo in pixels.
        height: Height of the photo in pixels.
        scale: Factor for both sides.
        max_pixels: Largest accepted number of pixels of the result.

    Raises:
        ImageRejected: The result would have more.
    """
    height, width = height * scale, width * scale
    if height * width > max_pixels:
        raise ImageRejected(
            f"{label} enlarged x{scale} would have {height * width / 1e6:.4g} megapixels "
            f"({width} x {height}), more than the limit of {max_pixels / 1e6:.4g}: enlarge less, "
            "crop it first, or raise max_pixels."
        )


def enlarge(picture: Picture, scale: int, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Enlarge a photo by Pillow's bicubic filter, colours and alpha.

    Args:
        scale: Factor for both sides.
        max_pixels: Largest accepted number of pixels of the result.

    Returns:
        The picture with `scale` times the sides, rounded to its own depth.

    Raises:
        ImageRejected: The result would have more than `max_pixels` pixels.
    """
    height, width = picture.height * scale, picture.width * scale
    check_enlarged(picture.name, picture.width, picture.height, scale, max_pixels)

    def resampled(channel: np.ndarray) -> np.ndarray:
        unit = Image.fromarray(to_unit(channel)).resize((width, height), Image.Resampling.BICUBIC)
        return quantize(np.asarray(unit), channel.dtype)

    pixels = np.empty((height, width, 3), picture.pixels.dtype)
    for channel in range(3):  # one at a time: a float copy of all would cost 12 bytes a pixel
        repeat = picture.grey and channel
        pixels[..., channel] = pixels[..., 0] if repeat else resampled(picture.pixels[..., channel])
    alpha = None if picture.alpha is None else resampled(picture.alpha)
    return picture.with_pixels(pixels, alpha)


def _same(unit: np.ndarray) -> np.ndarray:
    return unit


def _foreign_profile(picture: Picture) -> bytes | None:
    """Colour profile of a picture that is not in sRGB; None for sRGB and unusable ones."""
    profile = picture.icc_profile
    if profile is None:
        return None
    if picture.grey:
        grid = np.linspace(0, 1, 729, dtype=np.float32).reshape(9, 81, 1).repeat(3, axis=2)
    else:
        axis = np.linspace(0, 1, 9, dtype=np.float32)
        grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(9, 81, 3)
    try:
        there = _convert(grid, source=profile)
        back = _convert(there, target=profile)
    except Exception:  # LittleCMS refuses profiles without a table: keep, do not apply
        logger.debug("colour profile that cannot be used", exc_info=True)
        return None
    usable = np.isfinite(there).all() and np.abs(back - grid).max() < _SAME
    return profile if usable and np.abs(there - grid).max() >= _SAME else None


def _convert(
    unit: np.ndarray, *, source: bytes | None = None, target: bytes | None = None
) -> np.ndarray:
    """Convert (H, W, 3) float32 between profiles, None being sRGB; relative colorimetric.

    The channels of a grey picture are equal, also where one of the profiles is for one channel.
    """
    import imagecodecs

    srgb = imagecodecs.cms_profile("srgb")
    # Colour space of the data, from the header: ICC.1:2022, section 7.2.6.
    spaces = ["gray" if end and end[16:20] == b"GRAY" else "rgb" for end in (source, target)]
    if spaces[0] == "gray":
        unit = unit[..., 0]
    converted = imagecodecs.cms_transform(
        np.ascontiguousarray(unit, np.float32),
        source or srgb,
        target or srgb,
        colorspace=spaces[0],
        outcolorspace=spaces[1],
        outdtype="f4",
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
    )
    if spaces == ["rgb", "rgb"]:
        return converted
    values = converted.reshape(*unit.shape[:2], -1)[..., :1]
    return np.repeat(values, 3, axis=2)
