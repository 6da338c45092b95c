"""Small pictures for the screen, and cut-outs of true pixels."""

import numpy as np
import pytest

from mirnet.images.picture import Picture
from mirnet.images.preview import cut_out, detailed_place, shrink


def test_preview_is_small_and_averages():
    checks = np.indices((400, 3000)).sum(0) % 2 * 65535
    deep = Picture(np.repeat(checks[..., None], 3, 2).astype(np.uint16), exif=b"Exif\0\0x")
    small = shrink(deep, 1500)
    assert (small.width, small.height, small.bits, small.exif) == (1500, 200, 8, None)
    assert np.abs(small.pixels.astype(int) - 127.5).max() < 1  # no moiré: the mean of each block
    same = Picture(np.arange(27, dtype=np.uint8).reshape(3, 3, 3))
    assert np.array_equal(shrink(same).pixels, same.pixels)


@pytest.mark.parametrize(
    ("across", "down", "left", "top"), [(0, 0, 0, 0), (1, 1, 60, 30), (0.5, 0.5, 30, 15)]
)
def test_cut_out_keeps_true_pixels(across, down, left, top):
    clean = np.random.default_rng(3).integers(0, 256, (50, 100, 3), dtype=np.uint8)
    picture = Picture(clean, alpha=clean[..., 0])
    part = cut_out(picture, across, down, 40, 20)
    box = slice(top, top + 20), slice(left, left + 40)
    assert np.array_equal(part.pixels, clean[box])
    assert np.array_equal(part.alpha, clean[..., 0][box])
    whole = cut_out(picture, across, down, 400, 200)
    assert np.array_equal(whole.pixels, clean)


def test_the_most_detailed_part_is_found_despite_noise():
    rng = np.random.default_rng(0)
    pixels = np.full((900, 1200, 3), 120, np.uint8)
    pixels[620:820, 850:1100] = 40
    pixels[640:800:40, 850:1100] = 220  # bars
    noisy = np.clip(pixels + rng.normal(0, 20, pixels.shape), 0, 255).astype(np.uint8)
    across, down = detailed_place(Picture(noisy), 300, 240)
    part = cut_out(Picture(pixels), across, down, 300, 240).pixels
    assert (part == 220).sum() > 0.9 * (pixels == 220).sum()


def test_a_picture_without_detail_or_larger_than_the_part_has_its_centre():
    flat = Picture(np.full((700, 900, 3), 9, np.uint8))
    assert detailed_place(flat, 300, 300) == (0.5, 0.5)
    assert detailed_place(Picture(np.zeros((20, 30, 3), np.uint8)), 300, 300) == (0.5, 0.5)
