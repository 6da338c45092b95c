"""Replaces the arbitrary colours that programs leave under transparent pixels.

A network and every enlargement mix neighbouring pixels, so colours that nobody sees would show as a
fringe along the edge of what is visible.
"""

from dataclasses import replace

import numpy as np

from .picture import BAND_ROWS, Picture, quantize, to_unit

_HIDDEN = 0.012
"""Opacity (3 of 255) up to which a pixel counts as transparent; its colour is mostly rounding."""


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
    most = 1 if alpha.dtype == np.float32 else np.iinfo(alpha.dtype).max
    if alpha.min() > _HIDDEN * most or alpha.max() <= _HIDDEN * most:
        return picture
    import cv2

    colours, weights = _halved(picture.pixels, alpha)
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
        hidden = alpha[top : top + BAND_ROWS] <= _HIDDEN * most
        rows, columns = np.nonzero(hidden)
        if len(rows):
            values = filled[(rows + top) // 2, columns // 2]
            pixels[top : top + BAND_ROWS][hidden] = quantize(values, pixels.dtype)
    return replace(picture, pixels=pixels)


def _halved(pixels: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average blocks of 2 x 2 pixels by their opacity.

    Returns:
        (H / 2, W / 2, 3) float32 colours in [0, 1], and (H / 2, W / 2) float32 mean opacity.
    """
    height, width = alpha.shape
    shape = ((height + 1) // 2, (width + 1) // 2)
    colours, weights = np.empty((*shape, 3), np.float32), np.empty(shape, np.float32)
    for top in range(0, height, BAND_ROWS):
        band = slice(top, top + BAND_ROWS)
        weight = to_unit(alpha[band])
        weight[weight <= _HIDDEN] = 0
        colour = to_unit(pixels[band]) * weight[..., None]
        edge = ((0, weight.shape[0] % 2), (0, width % 2))
        weight, colour = np.pad(weight, edge), np.pad(colour, (*edge, (0, 0)))
        rows = slice(top // 2, top // 2 + weight.shape[0] // 2)
        weights[rows] = np.mean(weight.reshape(-1, 2, shape[1], 2), axis=(1, 3))
        mean = np.mean(colour.reshape(-1, 2, shape[1], 2, 3), axis=(1, 3))
        colours[rows] = mean / np.maximum(weights[rows], 1e-12)[..., None]
    return colours, weights
