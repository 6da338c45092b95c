"""Plans a restoration: tile size, tiling, halo and passes, decided before any work.

Arithmetic on sizes: no pixels, no network, no torch. The network is described by
`NetworkTraits`, free memory by a number of bytes. Sides are cut in two ways. Blended tiles overlap:
in an overlap one tile fades out while the next fades in. Tiles with a halo partition the picture:
the result for the halo is discarded. Both start tiles on the network's grid, so that its strided
layers see the phase of the whole picture.
"""

import math
import operator
from dataclasses import dataclass
from typing import NamedTuple

from mirnet.errors import InvalidRequest

TILE_MEMORY_BYTES = 512 * 2**20
"""Memory that the network may need for one tile when the tile size is chosen automatically."""
WHOLE_MEMORY_BYTES = 2 * TILE_MEMORY_BYTES
"""Memory that the network may need for a photo in one piece, which spares halos and passes."""
TILE_MEMORY_SHARE = 0.5
"""Share of free memory that a tile may take; the rest is for the photo and its result."""
MAX_AUTO_TILE_PX = 768
"""Longest side of an automatic tile: larger ones save little overlap, and stopping takes longer."""
MAX_GPU_TILE_PX = 2048
"""Longest side of an automatic tile on a GPU, which small tiles leave idle."""
MAX_RETRIES = 4
"""Number of smaller plans that are tried where memory proves too small for an automatic one."""
MIN_TILE_PX, MAX_TILE_PX = 32, 16384
"""Tile sizes that a caller may choose, in pixels."""
MAX_AUTO_OVERLAP_PX = 32
"""Overlap of naive tiles in the MIRNet-v2 authors' demo; wider overlaps cost time."""
MAX_AUTO_COST = {"exact": 3.5, "fast": 2.0}
"""Largest cost of an automatic tiling, in input pixels relative to naive tiles; small tiles make
halos expensive."""
MAX_EXACT_PIXELS = 2_000_000
"""Largest photo in pixels that a network made for speed restores in two passes by default."""
VIEWS = 8
"""Flips and rotations of a picture, the picture itself included, over which `ensemble` averages."""
TYPICAL_PASSES = 2
"""Number of passes that exact tiles nearly always need."""


@dataclass(frozen=True)
class BlendSpan:
    """Extent of a blended tile along one axis, in pixels."""

    start: int
    """First pixel; divides by the network's multiple."""
    stop: int
    """One past the last pixel."""
    fade_in_stop: int
    """End of the previous tile: the fade in runs from `start` to here; `start` if first."""
    fade_out_start: int
    """Start of the next tile: the fade out runs from here to `stop`; `stop` if last."""

    @property
    def length(self) -> int:
        """Pixels along this axis."""
        return self.stop - self.start

    @property
    def pixels(self) -> slice:
        """Index of the tile in an array along this axis."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class BlendTile:
    """One rectangle of a grid of overlapping tiles."""

    row: int
    """Row of the grid, from 0."""
    column: int
    """Column of the grid, from 0."""
    rows: BlendSpan
    """Vertical extent."""
    columns: BlendSpan
    """Horizontal extent."""

    @property
    def area(self) -> int:
        """Pixels of the tile, overlaps included."""
        return self.rows.length * self.columns.length


@dataclass(frozen=True)
class HaloSpan:
    """Extent of a tile with a halo along one axis, in pixels of the padded picture."""

    start: int
    """First pixel that the tile contributes to the result."""
    stop: int
    """One past the last pixel that it contributes."""
    seen_start: int
    """First pixel of the halo; `start` at the border of the picture."""
    seen_stop: int
    """One past the last pixel of the halo."""

    @property
    def seen(self) -> slice:
        """Slice of the network's input."""
        return slice(self.seen_start, self.seen_stop)

    @property
    def inside(self) -> slice:
        """Slice of the tile's own pixels within the network's input."""
        return slice(self.start - self.seen_start, self.stop - self.seen_start)

    @property
    def seen_length(self) -> int:
        """Length of the network's input in pixels, halo included."""
        return self.seen_stop - self.seen_start


class NetworkTraits(NamedTuple):
    """Properties of a network that a plan depends on."""

    multiple: int
    """Step of the grid that tiles start on, in pixels."""
    unshuffle: int
    """Pixel-unshuffle factor: 1 for the papers' networks, more for those made for speed."""
    bytes_per_pixel: float
    """Peak memory of a pass in bytes per input pixel."""
    pools_from_outside: bool
    """Whether tiles can be given pooled values of the whole photo, so that they agree."""


class PlanSettings(NamedTuple):
    """Choices of the caller about a plan."""

    tiling: str = "auto"
    """A key of `TILINGS`; networks whose pools cannot be set get naive tiles."""
    tile_px: int | None = None
    """Longest side of a tile; None for `automatic_tile_px`, or one piece if memory allows."""
    overlap_px: int | None = None
    """Shortest overlap of naive neighbours; None for an eighth of a tile, at most 32 pixels."""
    views: int = 1
    """Flips and rotations to average over: 1 or `VIEWS`."""
    exact_engine: bool = True
    """Whether the engine computes with float32, as exact tiles need."""
    free_bytes: int | None = None
    """Memory in bytes that the program can still allocate; None if unknown."""
    gpu: bool = False
    """Whether the free memory is a GPU's, of which nobody else wants a part: tiles, and photos in
    one piece, may then take `TILE_MEMORY_SHARE` of it however much that is."""


@dataclass(frozen=True)
class RestorePlan:
    """Plan of one restoration."""

    tiling: str
    """"whole", or a key of `TILINGS` other than "auto"."""
    tile_px: int
    """Longest side of a tile."""
    overlap_px: int
    """Shortest overlap of naive neighbours."""
    halo_px: int
    """Expected width of the halo of exact and fast tiles, before measurement; otherwise 0."""
    views: int
    """Flips and rotations to average over: 1 or 8."""
    tiles: tuple[BlendTile, ...]
    """Overlapping tiles, for naive tiling; one of them for "whole"."""
    areas: tuple[int, ...]
    """Expected number of pixels that the network sees in each step of the work; the number of
    steps of exact tiles is an estimate."""

    @property
    def passes(self) -> int:
        """Expected number of times that each tile goes through the network."""
        return TYPICAL_PASSES if self.tiling == "exact" else 1


def make_plan(
    height: int, width: int, traits: NetworkTraits, settings: PlanSettings
) -> RestorePlan:
    """Make the plan for a photo; height and width are those of its result.

    Raises:
        InvalidRequest: A length is not a whole number of pixels, or outside its range.
    """
    tile_px, overlap_px = _lengths(height, width, traits, settings)
    tiles = tuple(blend_tiles(height, width, tile_px, overlap_px, traits.multiple))
    areas = [tile.area for tile in tiles]
    tiling, halo_px = "whole", 0
    if len(tiles) > 1:
        tiling = settings.tiling if traits.pools_from_outside else "naive"
        if tiling == "auto":
            exact_engine = settings.exact_engine
            tiling = _automatic_tiling(height, width, traits, tile_px, sum(areas), exact_engine)
    if tiling in MAX_AUTO_COST:
        exact = tiling == "exact"
        halo_px = typical_halo_px(traits.unshuffle, exact)
        once = _halo_areas(height, width, tile_px, halo_px, traits.multiple)
        areas = once * (TYPICAL_PASSES if exact else 1) * settings.views
    views = settings.views
    return RestorePlan(tiling, tile_px, overlap_px, halo_px, views, tiles, tuple(areas))


def _lengths(
    height: int, width: int, traits: NetworkTraits, settings: PlanSettings
) -> tuple[int, int]:
    """Check or choose tile size and overlap."""
    tile_px, overlap_px, free_bytes = settings.tile_px, settings.overlap_px, settings.free_bytes
    whole_pixels = 0.0
    if tile_px is None:
        gpu = settings.gpu and free_bytes is not None
        tile_px = automatic_tile_px(traits.bytes_per_pixel, free_bytes, gpu)
        whole_pixels = _budget(WHOLE_MEMORY_BYTES, free_bytes, gpu) / traits.bytes_per_pixel
    tile_px = _checked_length(tile_px, "tile size", MIN_TILE_PX, MAX_TILE_PX)
    if overlap_px is None:
        overlap_px = min(tile_px // 8, MAX_AUTO_OVERLAP_PX)
    overlap_px = _checked_length(overlap_px, "tile overlap", 0, tile_px // 2)
    if height * width <= whole_pixels:
        tile_px = max(tile_px, height, width)
    return tile_px, overlap_px


def smaller_plan(
    failed: RestorePlan, height: int, width: int, traits: NetworkTraits, settings: PlanSettings
) -> RestorePlan | None:
    """Make the next plan after memory proved too small for one with an automatic tile size.

    Args:
        failed: The plan that did not fit.

    Returns:
        A plan whose tiles have at most half the sides; None where the caller chose the tile size,
        or tiles cannot be smaller.
    """
    longest = max(max(tile.rows.length, tile.columns.length) for tile in failed.tiles)
    tile_px = min(longest, failed.tile_px) // 2 // 32 * 32
    if settings.tile_px is not None or tile_px < MIN_TILE_PX:
        return None
    return make_plan(height, width, traits, settings._replace(tile_px=tile_px))


def automatic_tile_px(
    bytes_per_pixel: float, free_bytes: int | None = None, gpu: bool = False
) -> int:
    """Longest tile side for which a network needs about `TILE_MEMORY_BYTES`, if so much is free.

    Args:
        bytes_per_pixel: See `NetworkTraits`.
        free_bytes: Memory that the program can still allocate, of which a tile gets at most
            `TILE_MEMORY_SHARE`; None if unknown.
        gpu: See `PlanSettings`; a tile then takes its share of the free memory.

    Returns:
        Pixels, a multiple of 32.

    >>> automatic_tile_px(24 * 4 * 64), automatic_tile_px(24 * 4 * 64, free_bytes=2**28)
    (288, 128)
    >>> automatic_tile_px(24 * 4 * 64, free_bytes=2**34, gpu=True)
    1152
    """
    side = math.isqrt(int(_budget(TILE_MEMORY_BYTES, free_bytes, gpu) / bytes_per_pixel))
    longest = MAX_GPU_TILE_PX if gpu else MAX_AUTO_TILE_PX
    return min(max(side // 32 * 32, MIN_TILE_PX), longest)


def typical_halo_px(unshuffle: int, exact: bool) -> int:
    """Halo width in pixels before measurement, enough for all networks tried so far."""
    return (16 if exact else 8) * max(unshuffle, 2)


def _automatic_tiling(
    height: int, width: int, traits: NetworkTraits, tile_px: int, naive: int, exact_engine: bool
) -> str:
    """Choose the best tiling that costs little more than naive tiles of `naive` pixels in all."""
    made_for_speed, large = traits.unshuffle > 1, height * width > MAX_EXACT_PIXELS
    for tiling, cost in MAX_AUTO_COST.items():
        exact = tiling == "exact"
        if exact and ((made_for_speed and large) or not exact_engine):
            continue
        halo_px = typical_halo_px(traits.unshuffle, exact)
        once = sum(_halo_areas(height, width, tile_px, halo_px, traits.multiple))
        if once * (TYPICAL_PASSES if exact else 1) <= cost * naive:
            return tiling
    return "naive"


def _halo_areas(height: int, width: int, tile_px: int, halo_px: int, multiple: int) -> list[int]:
    """Pixels of each tile of one pass, halo included."""
    rows, columns = (
        [span.seen_length for span in halo_spans(padded, tile_px, halo_px, multiple)]
        for padded in (-(-side // multiple) * multiple for side in (height, width))
    )
    return [row * column for row in rows for column in columns]


def _budget(wanted: int, free_bytes: int | None, gpu: bool) -> float:
    if free_bytes is None:
        return wanted
    share = TILE_MEMORY_SHARE * free_bytes
    return share if gpu else min(wanted, share)


def _checked_length(value: object, name: str, lowest: int, highest: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = lowest - 1
    if not lowest <= number <= highest:
        raise InvalidRequest(
            f"The {name} {value!r} does not fit: choose a whole number of pixels from {lowest} to "
            f"{highest}."
        )
    return number


def blend_tiles(
    height: int, width: int, tile_px: int, overlap_px: int, multiple: int
) -> list[BlendTile]:
    """Cover a picture with overlapping tiles.

    A side no longer than a tile is not cut. A longer one is cut into the fewest tiles that fit, all
    of about equal length, so there is never a tiny one at the end. Only the last tile of a row or
    column may need the network's own padding.

    Args:
        tile_px: Longest side of a tile; rounded down to the grid, but to at least two steps of it.
        overlap_px: Shortest overlap of neighbours; rounded up to the grid, and to at most half a
            tile.
        multiple: Step of the grid in pixels.

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
    rows = _blend_spans(height, tile_px, overlap_px, multiple)
    columns = _blend_spans(width, tile_px, overlap_px, multiple)
    return [
        BlendTile(i, j, row, column)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    ]


def _blend_spans(length: int, tile_px: int, overlap_px: int, multiple: int) -> list[BlendSpan]:
    """Cut one side into overlapping tiles; arguments in pixels, computed in steps of the grid."""
    longest = max(tile_px // multiple, 2)
    if length <= max(tile_px, longest * multiple):
        return [BlendSpan(0, length, 0, length)]
    total = -(-length // multiple)
    overlap = min(-(-overlap_px // multiple), longest // 2)
    count = -(-(total - overlap) // (longest - overlap))
    size = -(-(total + (count - 1) * overlap) // count)
    starts = [i * (total - size) // (count - 1) * multiple for i in range(count)]
    stops = [min(start + size * multiple, length) for start in starts]
    return [
        BlendSpan(start, stop, fade_in_stop, fade_out_start)
        for start, stop, fade_in_stop, fade_out_start in zip(
            starts, stops, [0, *stops[:-1]], [*starts[1:], length], strict=True
        )
    ]


def halo_spans(length: int, tile_px: int, halo_px: int, multiple: int) -> list[HaloSpan]:
    """Cut one side of a padded picture into the fewest tiles of about equal length.

    Args:
        length: Length of the side in pixels; divides by `multiple`.
        tile_px: Longest tile, halo included; the tile's own part is never shorter than a quarter
            of this, so tiles are longer where the halo is wide.
        halo_px: Width of the halo on either side of a tile; rounded up to the grid.
        multiple: Step of the grid in pixels.

    Returns:
        Tiles that partition the side.

    >>> [(s.start, s.stop, s.seen_start, s.seen_stop) for s in halo_spans(96, 64, 16, 8)]
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
    return [HaloSpan(a, b, max(a - halo, 0), min(b + halo, length)) for a, b in spans]
