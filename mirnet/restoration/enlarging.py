"""Enlargement before super-resolution: the networks keep the size, as RealSR's do."""

import numpy as np
from PIL import Image

from mirnet.errors import ImageRejected
from mirnet.images.picture import Picture, quantize, to_unit
from mirnet.images.raster import MAX_PIXELS


def enlarge(picture: Picture, scale: int, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Enlarge a photo by Pillow's bicubic filter, colours and alpha.

    Args:
        picture: Any picture.
        scale: Factor for both sides.
        max_pixels: Largest accepted number of pixels of the result.

    Returns:
        The picture with `scale` times the sides, rounded to its own depth.

    Raises:
        ImageRejected: The result would have more than `max_pixels` pixels.
    """
    height, width = picture.height * scale, picture.width * scale
    if height * width > max_pixels:
        raise ImageRejected(
            f"{picture.name} enlarged x{scale} would have {height * width / 1e6:.4g} megapixels "
            f"({width} x {height}), more than the limit of {max_pixels / 1e6:.4g}: enlarge less, "
            "crop it first, or raise max_pixels."
        )

    def resampled(channel: np.ndarray) -> np.ndarray:
        unit = Image.fromarray(to_unit(channel)).resize((width, height), Image.Resampling.BICUBIC)
        return quantize(np.asarray(unit), channel.dtype)

    pixels = np.empty((height, width, 3), picture.pixels.dtype)
    for channel in range(3):  # one at a time: a float copy of all would cost 12 bytes a pixel
        repeat = picture.grey and channel
        pixels[..., channel] = pixels[..., 0] if repeat else resampled(picture.pixels[..., channel])
    alpha = None if picture.alpha is None else resampled(picture.alpha)
    return picture.with_pixels(pixels, alpha)
