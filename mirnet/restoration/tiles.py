"""How a large picture is cut into overlapping tiles and blended together again.

Pure arithmetic on sizes: no pixels, no network. Along each axis the tiles are equally long, start
on the network's grid and overlap their neighbours; in an overlap one tile fades out along a raised
cosine while the next fades in. MIRNet pools over its whole input, so tiles differ slightly from the
whole picture everywhere, not only at seams; this plan hides the seams and does not undo that.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Span:
    """One tile's extent along one axis, in pixels."""

    start: int
    """First pixel; divides by the network's multiple."""
    stop: int
    """One past the last pixel."""
    fade_in_stop: int
    """Where the previous tile ends: the fade in runs from `start` to here; `start` if first."""
    fade_out_start: int
    """Where the next tile begins: the fade out runs from here to `stop`; `stop` if last."""

    @property
    def length(self) -> int:
        """Pixels along this axis."""
        return self.stop - self.start

    @property
    def pixels(self) -> slice:
        """For indexing an array along this axis."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Tile:
    """One rectangle of a plan."""

    row: int
    """Which row of tiles, from 0."""
    column: int
    """Which column of tiles, from 0."""
    rows: Span
    """Vertical extent."""
    columns: Span
    """Horizontal extent."""


def plan(height: int, width: int, tile_px: int, overlap_px: int, multiple: int) -> list[Tile]:
    """Cover a picture with tiles.

    A side no longer than a tile is not cut. A longer one is cut into the fewest tiles that fit, all
    of them about equally long, so there is never a tiny one at the end. Tiles start on the
    network's grid, so that its strided layers see the same phase as in the whole picture, and only
    the last tile of a row or column may need the network's own padding.

    Args:
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        tile_px: Longest side of a tile; rounded down to the grid, but to at least two steps of it.
        overlap_px: Shortest overlap of neighbours; rounded up to the grid, and to at most half a
            tile.
        multiple: Step of the grid (`model.multiple`).

    Returns:
        Tiles in reading order: row by row, left to right.

    Raises:
        ValueError: A size is below one, or the overlap is negative.
    """
    if min(height, width, tile_px, multiple) < 1 or overlap_px < 0:
        raise ValueError(
            f"impossible plan: {height} x {width}, tile {tile_px}, overlap {overlap_px}, "
            f"multiple {multiple}"
        )
    rows = _cut(height, tile_px, overlap_px, multiple)
    columns = _cut(width, tile_px, overlap_px, multiple)
    return [
        Tile(i, j, row, column) for i, row in enumerate(rows) for j, column in enumerate(columns)
    ]


def _cut(length: int, tile_px: int, overlap_px: int, multiple: int) -> list[Span]:
    """Cut one side; works in steps of the grid until the end."""
    longest = max(tile_px // multiple, 2)
    if length <= max(tile_px, longest * multiple):
        return [Span(0, length, 0, length)]
    total = -(-length // multiple)
    overlap = min(-(-overlap_px // multiple), longest // 2)
    count = -(-(total - overlap) // (longest - overlap))
    size = -(-(total + (count - 1) * overlap) // count)
    starts = [i * (total - size) // (count - 1) * multiple for i in range(count)]
    stops = [min(start + size * multiple, length) for start in starts]
    return [
        Span(start, stop, fade_in_stop, fade_out_start)
        for start, stop, fade_in_stop, fade_out_start in zip(
            starts, stops, [0, *stops[:-1]], [*starts[1:], length], strict=True
        )
    ]


def blend_window(tile: Tile) -> np.ndarray:
    """Weights with which a tile's pixels enter the result.

    Over all tiles of a plan they sum to one at every pixel. Along an axis a tile's weight is its
    own fade in minus that of the next tile; those differences telescope, and they are never
    negative because a later fade lies behind an earlier one.

    Args:
        tile: One tile of a plan.

    Returns:
        (tile height, tile width) float32 in [0, 1].
    """
    return np.outer(_fade(tile.rows), _fade(tile.columns)).astype(np.float32)


def _fade(span: Span) -> np.ndarray:
    centres = np.arange(span.start, span.stop) + 0.5
    fade_in = _raised_cosine(centres, span.start, span.fade_in_stop)
    return fade_in - _raised_cosine(centres, span.fade_out_start, span.stop)


def _raised_cosine(positions: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Rise from 0 at `start` to 1 at `stop`; a step where the two coincide."""
    if stop <= start:
        return (positions >= start).astype(np.float64)
    progress = np.clip((positions - start) / (stop - start), 0, 1)
    return 0.5 - 0.5 * np.cos(np.pi * progress)
