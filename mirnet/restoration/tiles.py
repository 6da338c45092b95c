"""Restores independent tiles and blends them, or the whole photo as one tile.

Networks that pool over their whole input make every tile slightly different from the whole picture,
not only at seams. Blending hides the seams and does not undo that; see `exact_tiles`.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mirnet.images.picture import Picture, quantize, to_unit

from .plan import BlendSpan, BlendTile, RestorePlan
from .runner import TileRunner


class Step(NamedTuple):
    """One restored tile, and the work that is left."""

    area: int
    """Input pixels of the network, halo included."""
    left: list[int]
    """Expected input pixels of each step to come; empty after the last one."""


class TilingReport(NamedTuple):
    """Facts about the tiling of a photo."""

    tiles: int
    """Number of tiles; 0 if the network did not run."""
    tile_px: int
    """Largest allowed side of a tile, in pixels."""
    overlap_px: int
    """Shortest overlap of naive tiles, or halo of exact and fast tiles, in pixels."""
    passes: int
    """Number of times that each tile went through the network, views not counted."""
    agreement_db: float | None = None
    """For exact tiles, estimated PSNR in dB against a restoration in one piece; else None."""


class BlendedTiles:
    """Restores every tile of a plan on its own; iterate for one `Step` per tile.

    Only a band of rows is ever held as floats.

    Args:
        before: The photo, at the size of the result.
        plan: A plan of overlapping tiles, or of a single one.
        runner: Runs the network on a tile.
    """

    def __init__(self, before: Picture, plan: RestorePlan, runner: TileRunner):
        self._before, self._plan, self._runner = before, plan, runner
        self.picture: Picture | None = None
        """Result; None until the last step."""
        self.report = TilingReport(len(plan.tiles), plan.tile_px, plan.overlap_px, passes=1)
        """Tiling of the photo."""

    def __iter__(self) -> Iterator[Step]:
        """Restore tile after tile.

        Raises:
            Cancelled: See `TileRunner.restore`.
            CheckpointRejected: See `TileRunner.restore`.
            InvalidRequest: See `TileRunner.restore`.
        """
        before, width, left = self._before.pixels, self._before.width, list(self._plan.areas)
        self._runner.prepare(before, whole=len(self._plan.tiles) == 1)
        pixels = np.empty_like(before)
        faded_out = np.empty((0, width, 3), np.float32)  # bottom band of the row of tiles above
        for _, row in itertools.groupby(self._plan.tiles, key=lambda tile: tile.row):
            tiles = list(row)
            rows = tiles[0].rows
            band = np.zeros((rows.length, width, 3), np.float32)
            band[: len(faded_out)] = faded_out
            complete = rows.fade_out_start - rows.start
            for tile in tiles:
                unit = to_unit(before[tile.rows.pixels, tile.columns.pixels])
                restored = self._runner.restore(unit, self._plan.views)
                band[:, tile.columns.pixels] += blend_window(tile)[..., None] * restored
                if tile is tiles[-1]:
                    pixels[rows.start : rows.fade_out_start] = to_pixels(
                        band[:complete], pixels.dtype, self._before.grey
                    )
                    faded_out = band[complete:]
                area = left.pop(0)
                if not left:
                    self.picture = self._before.with_pixels(pixels)
                yield Step(area, list(left))


def blend_window(tile: BlendTile) -> np.ndarray:
    """Weights with which a tile's pixels enter the result.

    Over all tiles of a grid they sum to one at every pixel. Along an axis a tile's weight is its
    own fade in minus that of the next tile; those differences telescope, and they are never
    negative because a later fade lies behind an earlier one.

    Returns:
        (tile height, tile width) float32 in [0, 1].
    """
    return np.outer(_fade(tile.rows), _fade(tile.columns)).astype(np.float32)


def _fade(span: BlendSpan) -> np.ndarray:
    centres = np.arange(span.start, span.stop) + 0.5
    fade_in = _raised_cosine(centres, span.start, span.fade_in_stop)
    return fade_in - _raised_cosine(centres, span.fade_out_start, span.stop)


def _raised_cosine(positions: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Rise from 0 at `start` to 1 at `stop`; a step where the two coincide."""
    if stop <= start:
        return (positions >= start).astype(np.float64)
    progress = np.clip((positions - start) / (stop - start), 0, 1)
    return 0.5 - 0.5 * np.cos(np.pi * progress)


def to_pixels(restored: np.ndarray, dtype: np.dtype, grey: bool) -> np.ndarray:
    """Clamp and round the output of a network.

    Args:
        restored: (H, W, 3) float32, not clamped.
        dtype: Type of the result: uint8, uint16 or float32.
        grey: Replace the three channels by their mean, as for a photo with one channel.

    Returns:
        (H, W, 3) of that type.
    """
    unit = np.clip(restored, 0, 1)
    if grey:
        unit[:] = unit.mean(axis=2, keepdims=True)
    return quantize(unit, dtype)
