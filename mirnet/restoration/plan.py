"""How a photo is going to be restored: tile size, tiling, halo and passes, decided before any work.

Arithmetic on sizes: no pixels, no network, no torch. What is known of the network comes as
`NetworkTraits`, free memory as a number of bytes.
"""

import math
import operator
from dataclasses import dataclass
from typing import NamedTuple

from mirnet.errors import InvalidRequest

from .geometry import BlendTile, blend_tiles, halo_spans

TILE_MEMORY_BYTES = 512 * 2**20
"""Memory that the network may need for one tile when the tile size is chosen automatically."""
WHOLE_MEMORY_BYTES = 2 * TILE_MEMORY_BYTES
"""Memory that the network may need for a photo in one piece, which spares halos and passes."""
TILE_MEMORY_SHARE = 0.5
"""Share of free memory that a tile may take; the rest is for the photo and its result."""
MAX_AUTO_TILE_PX = 768
"""Longest side of an automatic tile: larger ones save little overlap, and stopping takes longer."""
MIN_TILE_PX, MAX_TILE_PX = 32, 16384
"""Tile sizes that a caller may choose, in pixels."""
MAX_AUTO_OVERLAP_PX = 32
"""Overlap of naive tiles in the MIRNet-v2 authors' demo; wider overlaps cost time."""
MAX_AUTO_COST = {"exact": 3.5, "fast": 2.0}
"""How many times the pixels of naive tiles a tiling may send through the network to be automatic;
the rest of it are halos, which small tiles make expensive."""
MAX_EXACT_PIXELS = 2_000_000
"""Largest photo that a network made for speed restores in two passes by default."""
VIEWS = 8
"""Flips and rotations of a picture, the picture itself included, over which `ensemble` averages."""
TYPICAL_PASSES = 2
"""Passes that exact tiles nearly always need."""


class NetworkTraits(NamedTuple):
    """What a plan depends on."""

    multiple: int
    """Step of the grid that tiles start on, in pixels."""
    unshuffle: int
    """Pixel-unshuffle factor: 1 for the papers' networks, more for those made for speed."""
    bytes_per_pixel: float
    """Memory that a pass needs at its peak for each pixel it sees."""
    pools_from_outside: bool
    """Whether tiles can be given pooled values of the whole photo, so that they agree."""


class PlanSettings(NamedTuple):
    """What a caller may choose about a plan."""

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
    """Memory that the program can still have; None if unknown."""


@dataclass(frozen=True)
class RestorePlan:
    """How one photo is restored."""

    tiling: str
    """"whole", or a key of `TILINGS` other than "auto"."""
    tile_px: int
    """Longest side of a tile."""
    overlap_px: int
    """Shortest overlap of naive neighbours."""
    halo_px: int
    """Expected width of the halo of exact and fast tiles, before it is measured; else 0."""
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
    """Decide how a photo is restored.

    Args:
        height: Rows of the result.
        width: Columns of the result.
        traits: Of the network.
        settings: What the caller chose.

    Raises:
        InvalidRequest: A length is no whole number of pixels, or outside its range.
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
        tile_px = automatic_tile_px(traits.bytes_per_pixel, free_bytes)
        whole_pixels = _budget(WHOLE_MEMORY_BYTES, free_bytes) / traits.bytes_per_pixel
    tile_px = _checked_length(tile_px, "tile size", MIN_TILE_PX, MAX_TILE_PX)
    if overlap_px is None:
        overlap_px = min(tile_px // 8, MAX_AUTO_OVERLAP_PX)
    overlap_px = _checked_length(overlap_px, "tile overlap", 0, tile_px // 2)
    if height * width <= whole_pixels:
        tile_px = max(tile_px, height, width)
    return tile_px, overlap_px


def automatic_tile_px(bytes_per_pixel: float, free_bytes: int | None = None) -> int:
    """Longest tile side for which a network needs about `TILE_MEMORY_BYTES`, if so much is free.

    Args:
        bytes_per_pixel: See `NetworkTraits`.
        free_bytes: Memory that the program can still have, of which a tile gets at most
            `TILE_MEMORY_SHARE`; None if unknown.

    Returns:
        Pixels, a multiple of 32.

    >>> automatic_tile_px(24 * 4 * 64), automatic_tile_px(24 * 4 * 64, free_bytes=2**28)
    (288, 128)
    """
    side = math.isqrt(int(_budget(TILE_MEMORY_BYTES, free_bytes) / bytes_per_pixel))
    return min(max(side // 32 * 32, MIN_TILE_PX), MAX_AUTO_TILE_PX)


def typical_halo_px(unshuffle: int, exact: bool) -> int:
    """Width of a halo before it is measured: enough for all networks tried so far."""
    return (16 if exact else 8) * max(unshuffle, 2)


def _automatic_tiling(
    height: int, width: int, traits: NetworkTraits, tile_px: int, naive: int, exact_engine: bool
) -> str:
    """The best tiling that costs little more than naive tiles of `naive` pixels in all."""
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


def _budget(wanted: int, free_bytes: int | None) -> float:
    return wanted if free_bytes is None else min(wanted, TILE_MEMORY_SHARE * free_bytes)


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
