"""White Gaussian noise for sets of clean pictures, the same wherever and whenever it is drawn."""

import hashlib

import numpy as np


def add_noise(pixels: np.ndarray, sigma: float, name: str) -> np.ndarray:
    """Add noise to a picture, clip and round it to 8 bits, as a file would hold it.

    The seed is a hash of the name, so a picture's noise depends neither on the other pictures
    chosen nor on their order. Papers differ here: most neither clip nor round.

    Args:
        pixels: (H, W, 3) uint8 or uint16.
        sigma: Standard deviation on the scale of 0 to 255.
        name: The pair's id.

    Returns:
        (H, W, 3) uint8.
    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    drawn = np.random.Generator(np.random.PCG64(seed)).standard_normal(pixels.shape)
    clean = pixels.astype(np.float64) * (255 / np.iinfo(pixels.dtype).max)
    return np.rint(np.clip(clean + sigma * drawn, 0, 255)).astype(np.uint8)
