"""Baselines that leave a picture as it is or resample it."""

import numpy as np
from pydantic import Field

from eval.methods.settings import Settings
from mirnet.images.picture import Picture, quantize, to_unit


def identity(picture: Picture, size: tuple[int, int], settings: Settings) -> np.ndarray:
    """Return the picture unchanged."""
    return picture.pixels


def bicubic(picture: Picture, size: tuple[int, int], settings: Settings) -> np.ndarray:
    """Enlarge as mirnet does before its networks: Pillow's bicubic, rounded to the picture's depth.

    Its kernel is that of MATLAB's imresize (Keys 1981, a = -0.5); only at the border do they differ
    (MATLAB mirrors the picture). A picture that has its size already stays as it is.
    """
    from mirnet.images.network_input import enlarge

    scale = size[0] // picture.height
    return enlarge(picture, scale).pixels if scale > 1 else picture.pixels


def lanczos(picture: Picture, size: tuple[int, int], settings: Settings) -> np.ndarray:
    """Enlarge by Pillow's Lanczos filter (three lobes), rounded to the picture's depth."""
    from PIL import Image

    if size == picture.pixels.shape[:2]:
        return picture.pixels
    unit = to_unit(picture.pixels)
    channels = [
        Image.fromarray(np.ascontiguousarray(unit[..., channel])).resize(
            (size[1], size[0]), Image.Resampling.LANCZOS
        )
        for channel in range(3)
    ]
    return quantize(
        np.stack([np.asarray(channel) for channel in channels], 2), picture.pixels.dtype
    )


class Unsharp(Settings):
    """Settings of `bicubic_unsharp`; scikit-image's defaults with half of the amount."""

    radius: float = Field(1.0, gt=0, le=50)
    """Standard deviation of the blur in pixels of the result."""
    amount: float = Field(0.5, ge=0, le=10)
    """Factor of the detail (picture minus blur) that is added."""


def bicubic_unsharp(picture: Picture, size: tuple[int, int], settings: Unsharp) -> np.ndarray:
    """Enlarge as `bicubic` does, then sharpen by an unsharp mask."""
    from skimage.filters import unsharp_mask

    unit = to_unit(bicubic(picture, size, settings))
    # scikit-image 0.26 takes a channel_axis of -1 for the rows here.
    return unsharp_mask(unit, settings.radius, settings.amount, channel_axis=2)
