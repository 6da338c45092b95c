"""Error maps: where and by how much two pictures differ, drawn for the eye."""

import numpy as np

SCALES = (8, 16, 32, 64, 128, 255)
"""Upper ends that an error map can have, in levels of 255."""


def error_of(pixels: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean absolute difference over the three channels, (H, W) float32 in levels of 255.

    Args:
        pixels: (H, W, 3) uint8 or uint16.
        target: The same size, uint8 or uint16.
    """
    unit = [values.astype(np.float32) / np.iinfo(values.dtype).max for values in (pixels, target)]
    return 255 * np.abs(unit[0] - unit[1]).mean(axis=2)


def scale_for(errors: list[np.ndarray]) -> int:
    """Smallest of `SCALES` that 99 of 100 pixels of all maps stay below, so that they compare."""
    most = max((float(np.quantile(error, 0.99)) for error in errors), default=0.0)
    return next((scale for scale in SCALES if scale >= most), SCALES[-1])


def heat(error: np.ndarray, scale: int) -> np.ndarray:
    """Colour an error map with inferno.

    Args:
        error: (H, W) in levels of 255.
        scale: The level drawn brightest; larger ones look the same.

    Returns:
        (H, W, 3) uint8, black for no error, by the colour map inferno.
    """
    import cv2

    level = np.rint(255 * np.clip(error / scale, 0, 1)).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)[:, :, ::-1])
