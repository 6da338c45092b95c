"""Cuts tiles and a sample out of a photo as padded by a network, without a padded copy."""

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from mirnet.images.picture import to_unit
from mirnet.models.base import padding_mode

from .plan import HaloSpan
from .runner import to_tensor

WINDOW_PX = 64
"""Side in pixels of the square of a sample window that is pooled over."""
SURROUND_PX = 16
"""Width in pixels of the surroundings of that square, which the network sees too."""
MIN_WINDOWS = 12
"""Smallest number of windows of a sample."""
SAMPLED_SHARE = 0.06
"""Share of the picture that a sample covers."""


class PaddedPicture:
    """A picture as a network pads it, of which only tiles are ever held as floats.

    Args:
        pixels: (H, W, 3) of any depth.
        multiple: See `RestorationNetwork.multiple`.
        margin: See `RestorationNetwork.margin`.
    """

    def __init__(self, pixels: np.ndarray, multiple: int, margin: int):
        self._pixels = pixels
        self._rows, self._columns = (
            _padded_positions(side, multiple, margin) for side in pixels.shape[:2]
        )
        self.margin = margin

    @property
    def height(self) -> int:
        """Rows, padding included."""
        return len(self._rows)

    @property
    def width(self) -> int:
        """Columns, padding included."""
        return len(self._columns)

    def tile(self, rows: slice, columns: slice) -> Tensor:
        """A part of the padded picture as (1, 3, h, w) float32 in [0, 1]."""
        part = self._pixels[np.ix_(self._rows[rows], self._columns[columns])]
        return to_tensor(to_unit(part))

    def on_picture(
        self, rows: HaloSpan, columns: HaloSpan
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Locate a tile's own pixels on the picture without its padding.

        Returns:
            Rows and columns of the picture, and of the network's result for the tile.
        """
        (a, b), (c, d) = (
            _overlap(side, self.margin, length)
            for side, length in zip((rows, columns), self._pixels.shape[:2], strict=True)
        )
        return (a, c), (b, d)


def _overlap(side: HaloSpan, margin: int, length: int) -> tuple[slice, slice]:
    start = min(max(side.start - margin, 0), length)
    stop = min(max(side.stop - margin, start), length)
    shift = margin - side.seen_start
    return slice(start, stop), slice(start + shift, stop + shift)


def _padded_positions(side: int, multiple: int, margin: int) -> np.ndarray:
    """Source index of each position of a padded side, padded like `pad_to_multiple`."""
    after = margin + -side % multiple
    mode = "reflect" if padding_mode(after, side) == "reflect" else "edge"
    return np.pad(np.arange(side), (margin, after), mode=mode)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Windows:
    """Equally large parts of a padded picture, spread evenly over it."""

    starts: list[tuple[int, int]]
    """First row and column of each window."""
    height: int
    """Rows of each window, surroundings included."""
    width: int
    """Columns of each window, surroundings included."""
    region: tuple[slice, slice]
    """Rows and columns of a window that are pooled over."""


def spread_windows(height: int, width: int, multiple: int, max_pixels: int) -> Windows:
    """Choose the windows of a sample.

    Args:
        height: Rows of the padded picture.
        width: Columns of the padded picture.
        multiple: Step of the network's grid in pixels; windows lie on it.
        max_pixels: Largest number of pixels in all windows together, if that leaves `MIN_WINDOWS`.
    """
    surround = -(-SURROUND_PX // multiple) * multiple
    side = WINDOW_PX // multiple * multiple + 2 * surround
    high, wide = min(side, height), min(side, width)
    wanted = min(round(SAMPLED_SHARE * height * width), max_pixels) // (high * wide)
    count = max(wanted, MIN_WINDOWS)
    down = min(max(round(math.sqrt(count * height / width)), 1), count)
    across = count // down
    tops, lefts = (
        sorted({_centred(i, n, length, size, multiple) for i in range(n)})
        for n, length, size in ((down, height, high), (across, width, wide))
    )
    region = tuple(
        slice(surround, size - surround) if size < length else slice(0, size)
        for size, length in ((high, height), (wide, width))
    )
    return Windows([(y, x) for y in tops for x in lefts], high, wide, (region[0], region[1]))


def _centred(index: int, count: int, length: int, size: int, multiple: int) -> int:
    start = round(((index + 0.5) * length / count - size / 2) / multiple) * multiple
    return min(max(start, 0), length - size)
