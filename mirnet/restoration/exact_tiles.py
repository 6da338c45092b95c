"""Tiles that agree with the whole picture: no tile uses pooled values of its own.

Tiling changes a result everywhere, because channel attention, fusion and context pool over their
input. Here every pool of every tile gets the value it has in the whole picture. Such values feed
later pools, so they are a fixed point: one pass over all tiles with values s finds values G(s), and
s = G(s) is wanted. Repeating s <- G(s) needs many passes. Instead a sample of the picture, some
hundred pixels wide, answers the same question cheaply, with its own map g: after a pass,
s = g(s) + (G(s') - g(s')) is solved, where s' are the values used in the pass. Pools follow one
another, so one run over the sample solves that exactly, each pool adding its difference. This is
defect correction (Stetter, Numer. Math. 29, 1978); one pass is worth several repetitions.

Tiles are cut from the picture as the network pads it, with a halo that a sample shows to be wide
enough, so zeros enter convolutions where they do in the whole picture. Nothing is blended.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mirnet.images.picture import Picture
from mirnet.models.global_pooling import PoolRecorder, Pools, Statistic, merge_all

from .padding import PaddedPicture, Windows, spread_windows
from .plan import TYPICAL_PASSES, HaloSpan, RestorePlan, halo_spans
from .runner import TileRunner, to_array
from .tiles import Step, TilingReport, to_pixels

HALO_WINDOWS = 4
"""Approximate number of windows on which the halo is measured."""
HALO_EXACT_DB = 90.0
"""`exact`: a halo is wide enough if pixels beyond it change a line of pixels at its inner edge by
less than this, as PSNR in dB."""
HALO_FAST_DB = 66.0
"""`fast`: limit like `HALO_EXACT_DB`; an eighth of an 8-bit level."""
CONVERGED_DB = 83.0
"""`exact`: passes stop when another would change the sample by less than this, as PSNR in dB."""
MAX_PASSES = 6
"""`exact`: largest number of passes."""

Run = Callable[[Tensor, Pools], Tensor]
"""Restores equally large tiles of the padded picture: `TileRunner.restore_padded`."""


class PoolEstimator:
    """Estimates the pooled values of the whole picture; each pass corrects the estimate.

    Args:
        run: The network.
        sample: (B, 3, h, w) windows of the padded picture.
        windows: Positions of the windows.
        multiple: See `RestorationNetwork.multiple`.
    """

    def __init__(self, run: Run, sample: Tensor, windows: Windows, multiple: int):
        self._run, self._sample, self._multiple = run, sample, multiple
        self._windows = windows
        survey = PoolRecorder(None, windows.region, windows.height)
        self._output = run(sample, survey)
        self._answers = survey.used
        self._own = [found.value for found in survey.statistics()]

    def survey(self, rows: HaloSpan, columns: HaloSpan) -> PoolRecorder:
        """Make the pools for a tile of the next pass."""
        answers = self._answers
        region = rows.inside, columns.inside
        return PoolRecorder(lambda number, _: answers[number], region, rows.seen_length)

    def correct(self, found: Sequence[Statistic]) -> float:
        """Correct the estimate by the results of a pass.

        Args:
            found: Value of the whole picture at each pool, merged from all tiles.

        Returns:
            PSNR in dB between the result of the pass and that of the next one, judged on the
            sample.
        """
        defects = [
            (new.value - own).to(self._sample.device, torch.float32)
            for new, own in zip(found, self._own, strict=True)
        ]
        survey = PoolRecorder(
            lambda number, own: own + defects[number], self._windows.region, self._windows.height
        )
        output = self._run(self._sample, survey)
        error = _psnr_db(output, self._output)
        self._output, self._answers = output, survey.used
        self._own = [statistic.value for statistic in survey.statistics()]
        return error

    def halo(self, wanted_db: float) -> tuple[int, float]:
        """Measure the halo that the network needs.

        Some windows are restored without their left quarter. The error of a column is that of a
        halo that ends there; pixels farther away matter far less.

        Args:
            wanted_db: Required PSNR of the worst column beyond a halo, in dB.

        Returns:
            The narrowest sufficient halo in pixels, at most three quarters of a window, and its
            PSNR in dB.
        """
        left = self._windows.width // 4 // self._multiple * self._multiple
        some = slice(None, None, max(len(self._sample) // HALO_WINDOWS, 1))
        answers = self._answers
        rest = self._run(
            self._sample[some, :, :, left:], PoolRecorder(lambda number, _: answers[number])
        )
        errors = (self._output[some, :, :, left:] - rest).square().mean((0, 1, 2)).cpu().double()
        worst_beyond = errors.flip(0).cummax(0).values.flip(0)[:: self._multiple]
        in_db = [-10 * math.log10(max(error, 1e-20)) for error in worst_beyond.tolist()]
        for steps, decibels in enumerate(in_db):
            if decibels >= wanted_db:
                return steps * self._multiple, decibels
        return len(in_db) * self._multiple, in_db[-1]


class TileOutput(NamedTuple):
    """One tile of one pass."""

    place: tuple[slice, slice]
    """Rows and columns of the picture that the tile covers."""
    output: Tensor
    """(1, 3, h, w) result for `place`, not clamped."""
    left: list[int]
    """Input pixels of each tile expected to follow; empty after the last one."""


class AgreeingTiles:
    """One view of a photo restored in tiles that agree; later passes replace earlier ones.

    Args:
        run: The network.
        picture: The padded picture.
        multiple: See `RestorationNetwork.multiple`.
        tile_px: Longest tile, halo included; see `halo_spans`.
        exact: Repeat until tiles agree with the whole picture; otherwise one pass.
    """

    def __init__(self, run: Run, picture: PaddedPicture, multiple: int, tile_px: int, exact: bool):
        self._run, self._picture, self._exact = run, picture, exact
        windows = spread_windows(picture.height, picture.width, multiple, tile_px**2)
        parts = [
            picture.tile(slice(y, y + windows.height), slice(x, x + windows.width))
            for y, x in windows.starts
        ]
        self._estimator = PoolEstimator(run, torch.cat(parts), windows, multiple)
        wanted_db = HALO_EXACT_DB if exact else HALO_FAST_DB
        self.halo_px, self._halo_db = self._estimator.halo(wanted_db)
        self._rows, self._columns = (
            halo_spans(length, tile_px, self.halo_px, multiple)
            for length in (picture.height, picture.width)
        )
        self.passes = 0
        """Number of passes begun."""
        self.agreement_db: float | None = None
        """Estimated PSNR in dB of the last pass against the whole picture; None for one pass."""

    @property
    def areas(self) -> list[int]:
        """Pixels of each tile, halo included."""
        return [
            row.seen_length * column.seen_length for row in self._rows for column in self._columns
        ]

    @property
    def longest_px(self) -> int:
        """Longest side of a tile, halo included."""
        return max(span.seen_length for span in (*self._rows, *self._columns))

    def __iter__(self) -> Iterator[TileOutput]:
        """Restore tile after tile, pass after pass."""
        passes_left = TYPICAL_PASSES if self._exact else 1
        tiles, areas = [(row, column) for row in self._rows for column in self._columns], self.areas
        while passes_left:
            self.passes += 1
            passes_left = max(passes_left - 1, 0)
            found: list[Statistic] = []
            for number, (row, column) in enumerate(tiles, 1):
                survey = self._estimator.survey(row, column)
                output = self._run(self._picture.tile(row.seen, column.seen), survey)
                if self._exact:
                    here = survey.statistics()
                    found = merge_all([found, here]) if found else here
                    if number == len(tiles):
                        passes_left = self._judge(found, passes_left)
                place, inside = self._picture.on_picture(row, column)
                left = areas[number:] + areas * passes_left
                yield TileOutput(place, output[..., inside[0], inside[1]], left)

    def _judge(self, found: list[Statistic], passes_left: int) -> int:
        """Correct the estimate after a pass; return how many passes are to follow."""
        pools_db = self._estimator.correct(found)
        error = 10 ** (-pools_db / 10) + 10 ** (-self._halo_db / 10)
        self.agreement_db = -10 * math.log10(error)
        if pools_db >= CONVERGED_DB or self.passes == MAX_PASSES:
            return 0
        return max(passes_left, 1)


class ExactTiles:
    """Restores a photo as if it had gone through the network in one piece.

    Iterate for one `Step` per tile, pass and view.

    Args:
        before: The photo, at the size of the result.
        plan: A plan with tiling "exact" or "fast".
        runner: Runs the network on padded tiles.
    """

    def __init__(self, before: Picture, plan: RestorePlan, runner: TileRunner):
        self._before, self._plan, self._runner = before, plan, runner
        self.picture: Picture | None = None
        """Result; None until the last step."""
        self.report = TilingReport(0, plan.tile_px, plan.overlap_px, passes=0)
        """Tiling of the photo, and agreement of the tiles of the last view."""

    def __iter__(self) -> Iterator[Step]:
        """Restore view after view.

        Raises:
            Cancelled: See `TileRunner.restore`.
            CheckpointRejected: See `TileRunner.restore`.
            InvalidRequest: See `TileRunner.restore`.
        """
        before, plan = self._before.pixels, self._plan
        self._runner.prepare(before, whole=False)
        model = self._runner.model
        pixels = np.empty_like(before)
        total = np.zeros(before.shape, np.float32) if plan.views > 1 else None
        for view in range(plan.views):
            turned = turn_pixels(before, view)
            restored = None if total is None else np.empty(turned.shape, np.float32)
            work = AgreeingTiles(
                self._runner.restore_padded,
                PaddedPicture(turned, model.multiple, model.margin),
                model.multiple,
                plan.tile_px,
                plan.tiling == "exact",
            )
            areas, later = work.areas, work.areas * plan.passes * (plan.views - 1 - view)
            for index, tile in enumerate(work):
                output = to_array(tile.output)
                if restored is None:
                    pixels[tile.place] = self._rounded(output)
                else:
                    restored[tile.place] = output
                left = tile.left + later
                if not tile.left:
                    self.report = TilingReport(
                        len(areas), work.longest_px, work.halo_px, work.passes, work.agreement_db
                    )
                    if total is not None and restored is not None:
                        total += turn_pixels_back(restored, view)
                if not left:
                    if total is not None:
                        pixels = self._rounded(total / plan.views)
                    self.picture = self._before.with_pixels(pixels)
                yield Step(areas[index % len(areas)], left)

    def _rounded(self, restored: np.ndarray) -> np.ndarray:
        return to_pixels(restored, self._before.pixels.dtype, self._before.grey)


def turn_pixels(pixels: np.ndarray, view: int) -> np.ndarray:
    """One of the 8 flips and rotations of (H, W, 3), as `runner.turn`, without a copy."""
    return np.rot90(pixels[:, ::-1] if view >= 4 else pixels, view % 4)


def turn_pixels_back(pixels: np.ndarray, view: int) -> np.ndarray:
    """Undo `turn_pixels`."""
    pixels = np.rot90(pixels, -(view % 4))
    return pixels[:, ::-1] if view >= 4 else pixels


def _psnr_db(one: Tensor, other: Tensor) -> float:
    """PSNR in dB of two results, clipped to [0, 1]."""
    error = (one.clamp(0, 1) - other.clamp(0, 1)).square().mean().item()
    return -10 * math.log10(max(error, 1e-20))
