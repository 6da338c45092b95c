"""How the sides of a picture are cut into tiles: arithmetic on sizes, without pixels or network.

Two cuts. Blended tiles overlap: in an overlap one tile fades out along a raised cosine while the
next fades in. Tiles with a halo partition the picture: what is seen around a tile is discarded.
Both start tiles on the network's grid, so that its strided layers see the phase of the whole
picture.
"""

from dataclasses import dataclass


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


def blend_tiles(
    height: int, width: int, tile_px: int, overlap_px: int, multiple: int
) -> list[BlendTile]:
    """Cover a picture with overlapping tiles.

    A side no longer than a tile is not cut. A longer one is cut into the fewest tiles that fit, all
    of about equal length, so there is never a tiny one at the end. Only the last tile of a row or
    column may need the network's own padding.

    Args:
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
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
    """Cut one side; works in steps of the grid until the end."""
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
        """Index of what the network is given."""
        return slice(self.seen_start, self.seen_stop)

    @property
    def inside(self) -> slice:
        """Index of the tile's own pixels within what the network is given."""
        return slice(self.start - self.seen_start, self.stop - self.seen_start)

    @property
    def seen_length(self) -> int:
        """Pixels that the network is given, halo included."""
        return self.seen_stop - self.seen_start


def halo_spans(length: int, tile_px: int, halo_px: int, multiple: int) -> list[HaloSpan]:
    """Cut one side of a padded picture into the fewest tiles of about equal length.

    Args:
        length: Of the side; divides by `multiple`.
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
