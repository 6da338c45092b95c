"""Small pictures of large ones, for a screen: a reduced whole, and a cut-out at full size.

Two photos of 24 megapixels are too much for a phone, and no screen shows them whole. Previews are
for viewing only: measuring and saving use the full picture.
"""

from dataclasses import replace

import numpy as np

from .picture import Picture, to_eight_bits

PREVIEW_PX = 1600
"""Longest side of a reduced picture, in pixels."""
DETAIL_PX = 640
"""Longest side at which a picture's detail is looked for, in pixels."""


def shrink(picture: Picture, longest_px: int = PREVIEW_PX) -> Picture:
    """Reduce a picture, by area average, until its longest side fits; 8 bits, without EXIF.

    Args:
        picture: Any picture; a smaller one keeps its size.
        longest_px: Longest side of the result, in pixels.

    Returns:
        A picture with the colour profile of the source.
    """
    factor = longest_px / max(picture.height, picture.width)
    if factor >= 1:
        return _for_screen(picture, picture.pixels, picture.alpha)
    import cv2

    width = max(round(picture.width * factor), 1)
    height = max(round(picture.height * factor), 1)

    def reduce(values: np.ndarray) -> np.ndarray:
        return cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)

    alpha = None if picture.alpha is None else reduce(picture.alpha)
    return _for_screen(picture, reduce(picture.pixels), alpha)


def shown_size(width: int, height: int, longest_px: int = PREVIEW_PX) -> tuple[int, int]:
    """Width and height of `shrink`'s result for a picture of this size, in pixels."""
    factor = min(longest_px / max(width, height), 1)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def cut_out(picture: Picture, across: float, down: float, width_px: int, height_px: int) -> Picture:
    """Cut out a part at full size, smaller if the picture is; 8 bits, without EXIF.

    Args:
        across: Horizontal place of the part, 0 at the left edge to 1 at the right one.
        down: Vertical place of the part, 0 at the top to 1 at the bottom.
        width_px: Wanted width in pixels.
        height_px: Wanted height in pixels.
    """
    part = crop(picture, across, down, width_px, height_px)
    return _for_screen(part, part.pixels, part.alpha)


def crop(picture: Picture, across: float, down: float, width_px: int, height_px: int) -> Picture:
    """Cut out a part at full size and depth; arguments as in `cut_out`."""
    width, height = min(width_px, picture.width), min(height_px, picture.height)
    left = round((picture.width - width) * min(max(across, 0), 1))
    top = round((picture.height - height) * min(max(down, 0), 1))
    box = slice(top, top + height), slice(left, left + width)
    alpha = None if picture.alpha is None else picture.alpha[box]
    return picture.with_pixels(picture.pixels[box], alpha)


def detailed_place(picture: Picture, width_px: int, height_px: int) -> tuple[float, float]:
    """Find the part with most detail: where edges are strongest once noise is averaged away.

    Args:
        width_px: Width of the part in pixels.
        height_px: Height of the part in pixels.

    Returns:
        `across` and `down` for `cut_out`; the centre of a picture that fits or has no detail.
    """
    import cv2

    small = shrink(picture, DETAIL_PX)
    factor = small.width / picture.width
    part = [max(min(round(side * factor), whole), 1) for side, whole in (
        (height_px, small.height), (width_px, small.width))]  # fmt: skip
    rows, columns = small.height - part[0], small.width - part[1]
    if rows <= 0 and columns <= 0:
        return 0.5, 0.5
    grey = cv2.GaussianBlur(cv2.cvtColor(small.pixels, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
    values = grey.astype(np.float32)
    edges = np.hypot(cv2.Sobel(values, cv2.CV_32F, 1, 0), cv2.Sobel(values, cv2.CV_32F, 0, 1))
    visible = edges[edges > 1]
    if not visible.size:
        return 0.5, 0.5
    # The strongest edges count no more than others: a horizon is no detail.
    total = cv2.integral(np.minimum(edges, np.quantile(visible, 0.9)))
    high, wide = part
    sums = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return (left / columns if columns else 0.5), (top / rows if rows else 0.5)


def _for_screen(picture: Picture, pixels: np.ndarray, alpha: np.ndarray | None) -> Picture:
    alpha = None if alpha is None else np.ascontiguousarray(to_eight_bits(alpha))
    pixels = np.ascontiguousarray(to_eight_bits(pixels))
    return replace(picture, pixels=pixels, alpha=alpha, exif=None)
