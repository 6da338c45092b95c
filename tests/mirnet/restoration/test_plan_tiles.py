"""Cutting sides into tiles: nothing is left out, windows sum to one, tiles lie on the grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirnet.restoration.plan import BlendSpan, blend_tiles, halo_spans
from mirnet.restoration.tiles import blend_window

sides = st.integers(1, 150)


@settings(deadline=None, max_examples=60)
@given(sides, sides, st.integers(12, 130), st.integers(0, 80), st.sampled_from([1, 4, 8, 16]))
def test_windows_sum_to_one_at_every_pixel(height, width, tile_px, overlap_px, multiple):
    total = np.zeros((height, width))
    for tile in blend_tiles(height, width, tile_px, overlap_px, multiple):
        window = blend_window(tile)
        assert window.dtype == np.float32 and window.min() >= 0
        total[tile.rows.pixels, tile.columns.pixels] += window
    np.testing.assert_allclose(total, 1, atol=1e-6)


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(32, 1024), st.integers(0, 512), st.sampled_from([4, 8]))
def test_plans_are_aligned_overlap_and_have_no_tiny_tile(length, tile_px, overlap_px, multiple):
    overlap_px = min(overlap_px, tile_px // 2)
    spans = [tile.columns for tile in blend_tiles(1, length, tile_px, overlap_px, multiple)]
    assert spans[0].start == 0 and spans[-1].stop == length
    assert all(span.start % multiple == 0 and span.length <= tile_px for span in spans)
    overlap_possible = min(overlap_px, tile_px // multiple // 2 * multiple)
    for before, after in zip(spans, spans[1:], strict=False):
        assert before.stop - after.start >= overlap_possible
    shortest, longest = min(s.length for s in spans), max(s.length for s in spans)
    assert longest - shortest < multiple
    assert (len(spans) == 1) == (length <= tile_px)


def test_plan_in_reading_order_with_fewest_tiles():
    plan = blend_tiles(1000, 500, 512, 32, 8)
    assert [(t.row, t.column) for t in plan] == [(0, 0), (1, 0), (2, 0)]
    assert [(t.rows.start, t.rows.stop) for t in plan] == [(0, 360), (320, 680), (640, 1000)]
    assert all(t.columns == BlendSpan(0, 500, 0, 500) for t in plan)


def test_window_is_a_raised_cosine():
    first, second = blend_tiles(1, 96, 64, 32, 8)
    fade = 0.5 + 0.5 * np.cos(np.pi * (np.arange(32) + 0.5) / 32)
    np.testing.assert_allclose(blend_window(first)[0], [*[1] * 32, *fade], atol=1e-6)
    np.testing.assert_allclose(blend_window(second)[0][:32], fade[::-1], atol=1e-6)


def test_impossible_plans_are_refused():
    with pytest.raises(ValueError, match="impossible plan"):
        blend_tiles(0, 5, 64, 8, 8)


@settings(deadline=None)
@given(
    st.integers(1, 300), st.integers(32, 400), st.integers(0, 120), st.sampled_from([4, 8, 12, 16])
)
def test_tiles_partition_a_side_on_the_grid(steps, tile_px, halo_px, multiple):
    length = steps * multiple
    cuts = halo_spans(length, tile_px, halo_px, multiple)
    assert [c.start for c in cuts] == [0, *(c.stop for c in cuts[:-1])] and cuts[-1].stop == length
    for c in cuts:
        assert c.start % multiple == c.stop % multiple == c.seen_start % multiple == 0
        assert c.start - c.seen_start >= min(halo_px, c.start)
        assert c.seen_stop - c.stop >= min(halo_px, length - c.stop)
        halos = 2 * -(-halo_px // multiple) * multiple
        longest = halos + max(tile_px - halos, tile_px // 4, multiple)
        assert c.seen_stop - c.seen_start <= longest
    if length <= tile_px:
        assert len(cuts) == 1
