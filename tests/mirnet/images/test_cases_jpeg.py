"""JPEG files as cameras, phones and other programs write them, whole and damaged."""

import re

import cv2
import imagecodecs
import numpy as np
import pytest

from mirnet.errors import ImageRejected
from mirnet.images.decode import read_image
from tests.support.foreign_files import CASES, PHOTO
from tests.support.picture_files import (
    SRGB,
    check,
    exif_bytes,
    rejected,
    saved,
    smooth,
)


def test_a_jpeg_without_end_marker_is_read_whole():
    picture = read_image(CASES / "no_eoi.jpg")
    whole = (CASES / "no_eoi.jpg").read_bytes() + b"\xff\xd9"
    np.testing.assert_array_equal(picture.pixels, read_image(whole).pixels)
    decoded = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(picture.pixels[..., ::-1].astype(int) - decoded).max() <= 2


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_pixels_is_still_refused(progressive):
    data = saved(PHOTO, "JPEG", quality=95, progressive=progressive)
    check(read_image(data[:-2]), read_image(data).pixels)
    for bytes_lost in (8, 40, len(data) // 3):
        rejected(data[:-bytes_lost], "damaged")


@pytest.mark.parametrize(
    "behind",
    [b"\0" * 100, saved(PHOTO, "JPEG"), np.random.default_rng(0).bytes(3_000_000)],
    ids=["padding", "second picture", "film"],
)
def test_what_stands_behind_a_jpeg_is_left_out(behind):
    data = saved(PHOTO, "JPEG")
    picture = read_image(data + behind)
    check(picture, read_image(data).pixels)
    assert [("behind its picture" in note) for note in picture.notes] == [True] * (
        len(behind) > 1000
    )
    assert read_image(data).notes == ()


def test_repeated_start_and_end_markers_change_nothing():
    """libjpeg refuses a second start marker; the segments ahead of it belong to the picture."""
    data = saved(PHOTO, "JPEG", exif=exif_bytes())
    whole = read_image(data)
    tables = data.index(b"\xff\xdb")
    for again in (
        b"\xff\xd8" + data,
        b"\xff\xd8\xff" + data,
        data[:tables] + b"\xff\xd8" + data[tables:],
        data + b"\xff\xd9",
        b"\xff\xd8" + data + b"\xff\xd9\xff\xd9",
    ):
        picture = read_image(again)
        check(picture, whole.pixels)
        assert picture.exif == whole.exif and picture.notes == ()


def test_a_jpeg_that_ends_before_its_pixels_is_refused():
    data = saved(PHOTO, "JPEG")
    scan = data.index(b"\xff\xda")
    for place in (2, scan):
        rejected(data[:place] + b"\xff\xd9" + data[place:], "damaged")


def test_restart_markers_are_part_of_the_pixels():
    data = saved(PHOTO, "JPEG", restart_marker_rows=1)
    assert data.count(b"\xff\xd0")
    assert read_image(data).notes == ()
    check(read_image(data[:-2]), read_image(data).pixels)


def test_a_gain_map_is_told_of():
    xmp = b'<x:xmpmeta><rdf:RDF><rdf:Description hdrgm:Version="1.0"/></rdf:RDF></x:xmpmeta>'
    picture = read_image(saved(PHOTO, "JPEG", xmp=xmp) + saved(PHOTO, "JPEG"))
    assert len(picture.notes) == 1 and "gain map" in picture.notes[0]
    assert b"hdrgm:Version" not in picture.xmp


@pytest.mark.parametrize("where", [0xE2, None])
def test_a_gain_map_of_other_makers_is_told_of(where):
    """ISO 21496-1 announces it in a segment, Apple in the second picture of the file."""
    if where:
        body = b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"
        data = with_segment(saved(PHOTO, "JPEG"), where, body)
    else:
        second = b'<rdf:RDF apdi:AuxiliaryImageType="urn:com:apple:photo:2020:aux:hdrgainmap"/>'
        data = saved(PHOTO, "JPEG") + saved(PHOTO, "JPEG", xmp=second)
    assert "gain map" in read_image(data).notes[0]


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    segment = bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + body
    return data[:2] + segment + data[2:]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("marker", "body"),
    [
        (0xE0, b"JFIF\0\1"),
        (0xE0, b"JFIF"),
        (0xE0, b"JFIFX"),
        (0xE2, b"ICC_PROFILE\0"),
        (0xEE, b"Adobe"),
        (0xEE, b"Adobe\0\x64\0"),
    ],
)
def test_metadata_that_is_cut_off_is_left_out(marker, body, progressive):
    data = saved(PHOTO, "JPEG", progressive=progressive, exif=exif_bytes())
    picture = read_image(with_segment(data, marker, body))
    check(picture, read_image(data).pixels)
    assert picture.exif == read_image(data).exif
    assert "metadata that is cut off" in picture.notes[0]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("end", [b"\xff", b"\xff" * 99, b"\xff\xfe\0\4ab\xff\xd9"])
def test_what_stands_in_place_of_the_end_changes_nothing(end, progressive):
    data = saved(PHOTO, "JPEG", progressive=progressive)
    check(read_image(data[:-2] + end), read_image(data).pixels)


def test_a_marker_among_the_pixels_is_no_small_matter():
    """libjpeg would fill the rest with grey."""
    data = saved(PHOTO, "JPEG")
    middle = data.index(b"\xff\xda") + 60
    rejected(data[:middle] + b"\xff\xe5\0\4ab" + data[middle:], "damaged")


def test_the_height_may_follow_the_pixels():
    """ITU-T T.81, B.2.5: a frame of zero lines has them in a DNL segment."""
    data = saved(PHOTO, "JPEG")
    at = data.index(b"\xff\xc0") + 5
    lines, no_lines = data[at : at + 2], data[:at] + b"\0\0" + data[at + 2 :]
    check(
        read_image(no_lines[:-2] + b"\xff\xdc\0\4" + lines + b"\xff\xd9"), read_image(data).pixels
    )
    rejected(no_lines[:-2] + b"\xff\xdc\0\4\xff\xff\xff\xd9", "megapixels", max_pixels=10**6)
    rejected(no_lines, "no pixels")


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_jpeg_keeps_its_depth_and_profile(bits, channels):
    array = np.squeeze(smooth(np.uint16)[..., :channels]) >> (16 - bits)
    data = imagecodecs.jpeg8_encode(array, lossless=True, bitspersample=bits)
    if channels == 3:
        data = with_segment(data, 0xE2, b"ICC_PROFILE\0\1\1" + SRGB)
    picture = read_image(data)
    wanted = np.rint(array * (65535 / ((1 << bits) - 1))).reshape(48, 64, channels)
    np.testing.assert_array_equal(picture.pixels, np.broadcast_to(wanted, (48, 64, 3)))
    assert picture.icc_profile == (SRGB if channels == 3 else None)


@pytest.mark.parametrize("channels", [1, 3])
def test_twelve_bits_become_sixteen(channels):
    array = smooth(np.uint16)[..., :channels] >> 4
    data = imagecodecs.jpeg_encode(np.squeeze(array), bitspersample=12, level=98)
    picture = read_image(data + bytes(5000))
    assert (picture.bits, picture.grey, len(picture.notes)) == (16, channels == 1, 1)
    wanted = array * (65535 / 4095)
    assert np.abs(picture.pixels - wanted).mean() < 100  # a half of the steps of 8 bits
    rejected(data, "megapixels", max_pixels=64 * 48 - 1)
    rejected(data[: len(data) // 2], "damaged")
    for again in (b"\xff\xd8" + data, (b"\xff\xd8" + data)[:-2]):
        np.testing.assert_array_equal(read_image(again).pixels, picture.pixels)


@pytest.mark.parametrize("kind", ["grey", "colour", "scans"])
@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_cut_off_jpeg_is_refused_or_whole(progressive, restarts, kind):
    """Cut at and around every marker and at 50 places more."""
    photo = PHOTO.convert("L") if kind == "grey" else PHOTO
    if kind == "scans":
        if progressive:
            pytest.skip("a progressive file has several scans anyway")
        data = in_several_scans(photo, restarts)
    else:
        options = {"restart_marker_rows": 1} if restarts else {}
        data = saved(photo, "JPEG", quality=90, progressive=progressive, **options)
    whole = read_image(data).pixels
    rng = np.random.default_rng(0)
    places = set(rng.integers(2, len(data), 50).tolist())
    for marker in re.finditer(rb"\xff[^\x00\xff]", data):
        places |= {marker.start() + more for more in range(-1, 4)}
    accepted = 0
    for place in sorted(places):
        if not 2 < place < len(data):
            continue
        try:
            picture = read_image(data[:place])
        except ImageRejected:
            continue
        np.testing.assert_array_equal(picture.pixels, whole)
        accepted += 1
    assert accepted >= 2  # without the end marker, and with a half of it


def in_several_scans(photo, restarts: int) -> bytes:
    """One baseline scan for each colour."""
    array = np.asarray(photo)[..., ::-1]
    options = [cv2.IMWRITE_JPEG_RST_INTERVAL, 3 * restarts]
    parts = []
    for channel in range(3):
        grey = cv2.imencode(".jpg", np.ascontiguousarray(array[..., channel]), options)[1].tobytes()
        parts.append((grey, grey.index(b"\xff\xda")))
    first, scan = parts[0]
    frame = first.index(b"\xff\xc0")
    size = first[frame + 4 : frame + 9]
    header = b"\xff\xc0\0\x11" + size + b"\3" + b"".join(bytes([i, 0x11, 0]) for i in (1, 2, 3))
    data = first[:frame] + header + first[frame + 13 : scan]
    for name, (grey, at) in enumerate(parts, 1):
        data += grey[at : at + 5] + bytes([name]) + grey[at + 6 : -2]
    return data + b"\xff\xd9"
