"""TIFF files of every arrangement, depth and colour model, as other programs write them."""

import io

import numpy as np
import pytest
import tifffile

from mirnet.images.decode import read_image
from tests.support.foreign_files import CASES
from tests.support.picture_files import (
    A8,
    A16,
    check,
    rejected,
    tiff,
    with_tiff_tag,
)


def test_lzw_in_planes_keeps_sixteen_bits():
    picture = read_image(CASES / "t16_lzw_planar.tif")
    array = tifffile.imread(CASES / "t16_lzw_planar.tif")
    check(picture, np.moveaxis(array, 0, 2) if array.shape[0] == 3 else array)


@pytest.mark.parametrize("extra", [None, ["unspecified", "unspecified"]])
def test_three_samples_marked_as_grey_are_colours(extra):
    target = io.BytesIO()
    options = {} if extra is None else {"extrasamples": extra}
    tifffile.imwrite(target, A16[3], photometric="minisblack", planarconfig="contig",
                     metadata=None, **options)  # fmt: skip
    check(read_image(target.getvalue()), A16[3])
    picture = read_image(CASES / "t16_three_bands.tif")
    assert not picture.grey and np.ptp(picture.pixels.mean((0, 1))) > 10_000


def test_grey_with_alpha_stays_grey():
    check(read_image(tiff(A16[2])), A16[2])


@pytest.mark.parametrize("first", [False, True])
def test_a_small_second_page_is_no_reason_to_refuse(first):
    large, small = A16[3], np.ascontiguousarray(A16[3][::3, ::3])
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as file:
        for array in (small, large) if first else (large, small):
            file.write(array, photometric="rgb", metadata=None)
    picture = read_image(target.getvalue())
    check(picture, large)
    assert "2 pages: the largest, 53 x 37" in picture.notes[0]
    assert read_image(CASES / "t16_thumbnail_page.tif").width == 64


def test_a_marked_thumbnail_may_come_first():
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as file:
        file.write(A8[3][::4, ::4], photometric="rgb", metadata=None, subfiletype=1)
        file.write(A8[3], photometric="rgb", metadata=None)
    picture = read_image(target.getvalue())
    check(picture, A8[3])
    assert picture.notes == ()


def test_pages_of_one_size_are_still_refused():
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as file:
        for _ in range(3):
            file.write(A8[3], photometric="rgb", metadata=None)
    rejected(target.getvalue(), "has 3 pages")


@pytest.mark.parametrize("compression", ["lzw", "packbits", "zstd", "lzma", "webp", "jpeg2000"])
def test_every_usual_compression(compression):
    array = A8[3]
    options = {"compressionargs": {"level": 0}} if compression == "jpeg2000" else {}
    if compression == "webp":
        options = {"compressionargs": {"lossless": True}}
    picture = read_image(tiff(array, compression=compression, **options))
    check(picture, array)


def test_a_tile_far_larger_than_the_picture_is_not_decoded():
    data = tiff(A16[3], tile=(16, 16))
    for tag in (322, 323):
        data = with_tiff_tag(data, tag, 60_000)
    rejected(data, "damaged")


@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_channels_beyond_colours_are_never_lost_without_a_word(photometric):
    array = np.dstack([A8[3], A8[3][..., :2]])
    data = tiff(array, photometric=photometric, planarconfig="contig")
    if photometric == "minisblack":
        rejected(data, "5 channels and does not say which are red")
    else:
        picture = read_image(data)
        assert np.array_equal(picture.pixels, A8[3])
        assert "2 further channels" in picture.notes[0]
    grey = tiff(A8[2], photometric="minisblack", planarconfig="contig", extrasamples=[0])
    assert "a further channel" in read_image(grey).notes[0]
