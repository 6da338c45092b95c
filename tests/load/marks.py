"""Photos that say whose they are, also after they were restored.

A photo is a grid of squares. Each bit of a number is a pair of neighbours of which one is darker,
so that whatever a network does to brightness and colour leaves the number readable.
"""

import io

import numpy as np
from PIL import Image

BITS = 12
"""Numbers from 0 to 4095."""
ROWS, COLUMNS = 4, 6
"""Squares: two for each bit."""
DARK, BRIGHT = 70, 180


def marked(number: int, width: int, height: int, noise: float = 12.0) -> np.ndarray:
    """Draw a noisy photo that carries a number.

    Args:
        number: 0 to 4095; also seeds the noise.
        width: Pixels.
        height: Pixels.
        noise: Standard deviation of the noise, of 255.

    Returns:
        (height, width, 3) uint8.

    >>> number_in(marked(2026, 120, 80))
    2026
    """
    squares = np.empty((ROWS, COLUMNS), np.float32)
    for bit in range(BITS):
        pair = (DARK, BRIGHT) if number >> bit & 1 else (BRIGHT, DARK)
        squares.flat[2 * bit : 2 * bit + 2] = pair
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    rng = np.random.default_rng(number)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, 256):  # a band at a time: 12 megapixels of floats are 144 MB
        flat = squares[rows[top : top + 256]][:, columns][..., None]
        band = flat + rng.normal(0, noise, (*flat.shape[:2], 3)).astype(np.float32)
        pixels[top : top + 256] = np.clip(band, 0, 255)
    return pixels


def number_in(pixels: np.ndarray) -> int:
    """Read the number of a photo, of any size and depth."""
    height, width = pixels.shape[:2]
    means = np.empty((ROWS, COLUMNS))
    for row in range(ROWS):
        for column in range(COLUMNS):
            inside = pixels[
                (4 * row + 1) * height // (4 * ROWS) : (4 * row + 3) * height // (4 * ROWS),
                (4 * column + 1) * width // (4 * COLUMNS) : (4 * column + 3)
                * width
                // (4 * COLUMNS),
            ]
            means[row, column] = inside.mean()
    pairs = means.reshape(BITS, 2)
    return sum(int(bright > dark) << bit for bit, (dark, bright) in enumerate(pairs))


def as_file(pixels: np.ndarray, kind: str = "JPEG") -> bytes:
    """Encode a photo as a camera or a program would."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, quality=92)
    return buffer.getvalue()
