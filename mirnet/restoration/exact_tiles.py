"""Tiles that agree with the whole picture: nothing a network pools over is left to a tile.

Tiling changes a result everywhere, because channel attention, fusion and context pool over what
they are given. Here every pool of every tile gets the value it has in the whole picture. Such
values feed later pools, so they are a fixed point: one pass over all tiles with values s finds
values G(s), and s = G(s) is wanted. Repeating s <- G(s) needs many passes. Instead a sample of the
picture, some hundred pixels wide, answers the same question cheaply, with its own map g: after a
pass, s = g(s) + (G(s') - g(s')) is solved, where s' is what the pass was given. Pools follow one
another, so one run over the sample solves that exactly, each pool adding its difference. This is
defect correction (Stetter, Numer. Math. 29, 1978); one pass is worth several repetitions.

Tiles are cut from the picture as the network pads it, with a halo that a sample shows to be wide
enough, so zeros enter convolutions where they do in the whole picture. Nothing is blended.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mirnet.images.picture import to_unit
from mirnet.models.base import RestorationNetwork, padding_mode
from mirnet.models.global_pooling import Pools, Statistic, Survey, merge_all

WINDOW_PX, SURROUND_PX = 64, 16
"""A window of the sample: the square that is pooled over, and what is seen around it."""
MIN_WINDOWS, SAMPLED_SHARE = 12, 0.06
"""How much of a picture is sampled."""
WINDOWS_CUT = 4
"""How many windows, about, the halo is measured on."""
NEGLIGIBLE_DB = 90.0
"""`exact`: a halo is wide enough when what lies beyond it changes a line of pixels at its inner
edge by less than this, as PSNR."""
INVISIBLE_DB = 66.0
"""The same for `fast`: an eighth of an 8-bit level."""
AGREED_DB = 83.0
"""`exact`: passes stop when another would change the sample by less than this, as PSNR."""
MAX_PASSES = 6
"""`exact`: passes stop here in any case."""
USUAL_PASSES = 2
"""How many passes `exact` nearly always needs."""


def usual_halo_px(model: RestorationNetwork, exact: bool) -> int:
    """How wide a halo will be, before it is measured: enough for all networks tried so far."""
    return (16 if exact else 8) * max(model.unshuffle, 2)


@dataclass(frozen=True)
class Cut:
    """A tile's extent along one axis, in pixels of the padded picture."""

    start: int
    """First pixel that the tile is responsible for."""
    stop: int
    """One past the last."""
    seen_start: int
    """First pixel of the halo; `start` at the border of the picture."""
    seen_stop: int
    """One past the last pixel of the halo."""

    @property
    def seen(self) -> slice:
        """What the network is given."""
        return slice(self.seen_start, self.seen_stop)

    @property
    def inside(self) -> slice:
        """The tile's own pixels, counted from the start of what is seen."""
        return slice(self.start - self.seen_start, self.stop - self.seen_start)


def cut(length: int, tile_px: int, halo_px: int, multiple: int) -> list[Cut]:
    """Cut one side of a padded picture into the fewest tiles of about equal length.

    Args:
        length: Of the side; divides by `multiple`.
        tile_px: Longest tile, halo included; the tile's own part is never shorter than a quarter
            of this, so tiles are longer where the halo is wide.
        halo_px: What is seen around a tile, on either side; rounded up to the grid.
        multiple: Step of the grid.

    Returns:
        Tiles that partition the side.

    >>> [(c.start, c.stop, c.seen_start, c.seen_stop) for c in cut(96, 64, 16, 8)]
    [(0, 48, 0, 64), (48, 96, 32, 96)]
    """
    halo = -(-halo_px // multiple) * multiple
    total = length // multiple
    for count in range(1, total + 1):
        own = -(-total // count)
        halos = (0, halo)[count - 1] if count < 3 else 2 * halo
        if own * multiple + halos <= max(tile_px, halos + tile_px // 4):
            break
    starts = range(0, total, own)
    spans = [(i * multiple, min(i + own, total) * multiple) for i in starts]
    return [Cut(a, b, max(a - halo, 0), min(b + halo, length)) for a, b in spans]


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
        """A part as (1, 3, h, w) float32 in [0, 1], channels last in memory."""
        part = self._pixels[np.ix_(self._rows[rows], self._columns[columns])]
        return torch.from_numpy(to_unit(part)).permute(2, 0, 1)[None]

    def on_picture(
        self, rows: Cut, columns: Cut
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Where a tile's own pixels lie on the picture without its padding.

        Returns:
            Rows and columns of the picture, and of the network's result for the tile.
        """
        (a, b), (c, d) = (
            _overlap(side, self.margin, length)
            for side, length in zip((rows, columns), self._pixels.shape[:2], strict=True)
        )
        return (a, c), (b, d)


def _overlap(side: Cut, margin: int, length: int) -> tuple[slice, slice]:
    start = min(max(side.start - margin, 0), length)
    stop = min(max(side.stop - margin, start), length)
    shift = margin - side.seen_start
    return slice(start, stop), slice(start + shift, stop + shift)


def _padded_positions(side: int, multiple: int, margin: int) -> np.ndarray:
    """Which pixel of a side stands at each place of the padded side: as `pad_to_multiple`."""
    after = margin + -side % multiple
    mode = "reflect" if padding_mode(after, side) == "reflect" else "edge"
    return np.pad(np.arange(side), (margin, after), mode=mode)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Windows:
    """Equally large parts of a padded picture, spread evenly over it."""

    starts: list[tuple[int, int]]
    """First row and column of each."""
    height: int
    """Rows of each, surroundings included."""
    width: int
    """Columns of each."""
    region: tuple[slice, slice]
    """The part of a window that is pooled over."""


def spread_windows(height: int, width: int, multiple: int, most_pixels: int) -> Windows:
    """Choose the sample.

    Args:
        height: Of the padded picture.
        width: The same.
        multiple: Windows lie on the grid of the network.
        most_pixels: Most pixels in all windows together, if that leaves `MIN_WINDOWS`.
    """
    surround = -(-SURROUND_PX // multiple) * multiple
    side = WINDOW_PX // multiple * multiple + 2 * surround
    high, wide = min(side, height), min(side, width)
    wanted = min(round(SAMPLED_SHARE * height * width), most_pixels) // (high * wide)
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


Run = Callable[[Tensor, Pools], Tensor]
"""The network on a batch of equally large tiles, with the condition of the whole picture."""


class Agreement:
    """What every pool of a network has in the whole picture: first guessed, then approached.

    Args:
        run: The network.
        sample: (B, 3, h, w) windows of the padded picture.
        windows: Where they lie.
        multiple: See `RestorationNetwork.multiple`.
    """

    def __init__(self, run: Run, sample: Tensor, windows: Windows, multiple: int):
        self._run, self._sample, self._multiple = run, sample, multiple
        self._windows = windows
        survey = Survey(None, windows.region, windows.height)
        self._output = run(sample, survey)
        self._answers = survey.answers
        self._own = self._given = [found.value for found in survey.statistics()]

    def survey(self, rows: Cut, columns: Cut) -> Survey:
        """What a tile of the next pass is to be run with."""
        height = rows.seen_stop - rows.seen_start
        answers = self._answers
        return Survey(lambda number, _: answers[number], (rows.inside, columns.inside), height)

    def correct(self, found: Sequence[Statistic]) -> float:
        """Take in what a pass found, for the next pass.

        Args:
            found: What the whole picture has at each pool, merged from all tiles.

        Returns:
            How far the result of the pass is from that of the next one, judged on the sample: PSNR
            in dB.
        """
        defects = [
            (new.value - own).to(self._sample.device, torch.float32)
            for new, own in zip(found, self._own, strict=True)
        ]
        survey = Survey(
            lambda number, own: own + defects[number], self._windows.region, self._windows.height
        )
        output = self._run(self._sample, survey)
        error = _psnr_db(output, self._output)
        self._output, self._answers = output, survey.answers
        self._own = [statistic.value for statistic in survey.statistics()]
        return error

    def halo(self, wanted_db: float) -> tuple[int, float]:
        """Measure how far the network looks.

        Some windows lose their left quarter and the rest is restored alone. The error of a column
        tells what a halo is worth that ends there: what lies farther away matters far less.

        Args:
            wanted_db: PSNR that the worst column beyond a halo is to have.

        Returns:
            The narrowest such halo in pixels, at most three quarters of a window, and its PSNR.
        """
        left = self._windows.width // 4 // self._multiple * self._multiple
        some = slice(None, None, max(len(self._sample) // WINDOWS_CUT, 1))
        answers = self._answers
        rest = self._run(self._sample[some, :, :, left:], Survey(lambda number, _: answers[number]))
        errors = (self._output[some, :, :, left:] - rest).square().mean((0, 1, 2)).cpu().double()
        worst_beyond = errors.flip(0).cummax(0).values.flip(0)[:: self._multiple]
        in_db = [-10 * math.log10(max(error, 1e-20)) for error in worst_beyond.tolist()]
        for steps, decibels in enumerate(in_db):
            if decibels >= wanted_db:
                return steps * self._multiple, decibels
        return len(in_db) * self._multiple, in_db[-1]


@dataclass(frozen=True)
class Made:
    """One tile of one pass."""

    place: tuple[slice, slice]
    """Rows and columns of the picture that it covers."""
    output: Tensor
    """(1, 3, h, w): these rows and columns, not clamped."""
    passes_left: int
    """Passes expected after this one; 0 at the last tile of a pass means that it was the last."""


class SeamlessTiles:
    """A picture restored tile by tile; iterate for `Made`, of which later passes replace earlier.

    Args:
        run: The network.
        picture: The whole picture.
        multiple: See `RestorationNetwork.multiple`.
        tile_px: Longest tile, halo included; see `cut`.
        exact: Repeat until tiles agree with the whole picture; otherwise one pass.
    """

    def __init__(self, run: Run, picture: PaddedPicture, multiple: int, tile_px: int, exact: bool):
        self._run, self._picture, self._exact = run, picture, exact
        windows = spread_windows(picture.height, picture.width, multiple, tile_px**2)
        parts = [
            picture.tile(slice(y, y + windows.height), slice(x, x + windows.width))
            for y, x in windows.starts
        ]
        self._agreement = Agreement(run, torch.cat(parts), windows, multiple)
        wanted_db = NEGLIGIBLE_DB if exact else INVISIBLE_DB
        self.halo_px, self._halo_db = self._agreement.halo(wanted_db)
        self._rows, self._columns = (
            cut(length, tile_px, self.halo_px, multiple)
            for length in (picture.height, picture.width)
        )
        self.passes = 0
        """Passes begun."""
        self.agreement_db: float | None = None
        """Estimated PSNR of the last full pass against the whole picture; None for one pass."""

    @property
    def areas(self) -> list[int]:
        """Pixels of each tile, halos included."""
        return [_length(row) * _length(column) for row in self._rows for column in self._columns]

    @property
    def longest_px(self) -> int:
        """Longest side of a tile, halo included."""
        return max(_length(side) for side in (*self._rows, *self._columns))

    def __iter__(self) -> Iterator[Made]:
        left = USUAL_PASSES if self._exact else 1
        tiles = [(row, column) for row in self._rows for column in self._columns]
        while left:
            self.passes += 1
            left = max(left - 1, 0)
            found: list[Statistic] = []
            for row, column in tiles:
                survey = self._agreement.survey(row, column)
                output = self._run(self._picture.tile(row.seen, column.seen), survey)
                if self._exact:
                    here = survey.statistics()
                    found = merge_all([found, here]) if found else here
                    if (row, column) == tiles[-1]:
                        left = self._judge(found, left)
                place, inside = self._picture.on_picture(row, column)
                yield Made(place, output[..., inside[0], inside[1]], left)

    def _judge(self, found: list[Statistic], left: int) -> int:
        """Correct the gates after a pass; return how many passes are to follow."""
        gates_db = self._agreement.correct(found)
        error = 10 ** (-gates_db / 10) + 10 ** (-self._halo_db / 10)
        self.agreement_db = -10 * math.log10(error)
        if gates_db >= AGREED_DB or self.passes == MAX_PASSES:
            return 0
        return max(left, 1)


def _length(side: Cut) -> int:
    return side.seen_stop - side.seen_start


def _psnr_db(one: Tensor, other: Tensor) -> float:
    """PSNR of two results in [0, 1], of which anything beyond is clipped."""
    error = (one.clamp(0, 1) - other.clamp(0, 1)).square().mean().item()
    return -10 * math.log10(max(error, 1e-20))
