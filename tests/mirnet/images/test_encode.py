"""Pictures become files: exactly where the format can, and whole or not at all."""

import io
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from mirnet.errors import ImageRejected
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image, losses, write_image
from mirnet.images.exif import resolution_of
from mirnet.images.picture import Picture
from tests.support.picture_files import (
    A8,
    A16,
    SRGB,
    check,
    exif_bytes,
    noise,
    smooth,
)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_lossless_round_trip(tmp_path, channels, dtype, suffix):
    array = noise(channels, np.uint8 if dtype is np.uint8 else np.uint16, 9)
    picture = read_image(array if dtype is not np.float32 else array / np.float32(65535))
    assert picture.pixels.dtype == dtype
    path = write_image(picture, tmp_path / f"out{suffix}")
    check(read_image(path), array)
    if array.dtype == np.uint16 and channels in (3, 4):  # a second opinion, not our reader
        other = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(other[..., 2::-1], array[..., :3])
    if channels != 2 and suffix == ".tif":
        np.testing.assert_array_equal(tifffile.imread(path), array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("format_id", ["png", "webp", "tif"])
def test_pixels_are_saved_however_they_lie_in_memory(format_id, dtype):
    array = noise(3, dtype, 9)
    for turned in (array[::-1, ::-1], array.transpose(1, 0, 2), np.asfortranarray(array)):
        saved = read_image(encode_image(Picture(turned), format_id, quality=100)).pixels
        if format_id != "webp" or dtype is np.uint8:
            np.testing.assert_array_equal(saved, turned)


def test_png16_is_valid_for_pillow():
    picture = Picture(A16[3], icc_profile=SRGB, exif=exif_bytes())
    image = Image.open(io.BytesIO(encode_image(picture, "PNG")))
    image.verify()
    assert image.info["icc_profile"] == SRGB
    for height, width in ((1, 1), (1, 9), (9, 1), (300, 2), (256, 3)):
        array = noise(3, np.uint16, 2, height, width)
        check(read_image(encode_image(Picture(array), "PNG")), array)


@pytest.mark.parametrize("channels", [3, 4])
def test_webp_is_lossless_at_100(channels):
    check(read_image(encode_image(read_image(A8[channels]), "WebP", 100)), A8[channels])
    lossy = read_image(encode_image(read_image(A8[channels]), "WebP", 99))
    assert (lossy.pixels != A8[channels][..., :3]).any()


def test_jpeg_colour_resolution_and_quality():
    picture = read_image(smooth())
    layers = {}
    for quality in (89, 90):
        image = Image.open(io.BytesIO(encode_image(picture, "JPEG", quality)))
        layers[quality] = [tuple(layer[1:3]) for layer in image.layer]
    assert layers[89] == [(2, 2), (1, 1), (1, 1)] and layers[90] == [(1, 1)] * 3
    assert len(encode_image(picture, "jpg", 30)) < len(encode_image(picture, "jpg", 95))
    assert Image.open(io.BytesIO(encode_image(read_image(A8[1]), "JPEG"))).mode == "L"


def test_jpeg_lays_alpha_over_white():
    pixels = np.full((16, 16, 3), 100, np.uint8)
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[:8] = 0
    flat = read_image(encode_image(Picture(pixels, alpha), "JPEG", 100)).pixels
    assert flat[:7].min() >= 254 and np.abs(flat[9:].astype(int) - 100).max() <= 1
    alpha[:] = 128
    flat = read_image(encode_image(Picture(pixels, alpha), "JPEG", 100)).pixels
    assert np.abs(flat.astype(int) - round(100 * 128 / 255 + 127)).max() <= 1


def test_sixteen_bits_become_eight_rounded():
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = read_image(encode_image(read_image(np.dstack([every] * 3)), "WebP", 100))
    expected = np.rint(every.astype(np.float64) * 255 / 65535)
    np.testing.assert_array_equal(picture.pixels[..., 0], expected)


def test_grey_with_differing_channels_is_averaged():
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[...] = (10, 11, 13)
    np.testing.assert_array_equal(
        read_image(encode_image(Picture(pixels, grey=True), "PNG")).pixels, 11
    )


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "out.png"
    write_image(read_image(A8[3]), path)
    before = path.read_bytes()
    assert os.listdir(tmp_path) == ["out.png"]

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ImageRejected, match=r"out\.png cannot be written \(No space left"):
        write_image(read_image(A8[1]), path)
    monkeypatch.undo()
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["out.png"]

    def stop(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_image(read_image(A8[1]), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["out.png"]


def test_what_cannot_be_written(tmp_path):
    picture = read_image(A8[3])
    for path, options, words in (
        (tmp_path / "out.gif", {}, "gif"),
        (tmp_path / "out", {}, "suffix"),
        (tmp_path / "absent" / "out.png", {}, "folder exists"),
        (tmp_path / "out.jpg", {"quality": 0}, "Quality 0"),
        (tmp_path / "out.jpg", {"quality": 101}, "Quality 101"),
    ):
        with pytest.raises(ImageRejected, match=words):
            write_image(picture, path, **options)
    long = read_image(np.zeros((1, 70_000), np.uint8))
    for target in ("JPEG", "WebP"):
        with pytest.raises(ImageRejected, match="too large for"):
            encode_image(long, target)
    assert os.listdir(tmp_path) == []
    assert write_image(picture, tmp_path / "out", format="TIFF") == tmp_path / "out"
    assert read_image(tmp_path / "out").source_format == "TIFF"


def test_what_a_format_cannot_hold_is_told():
    clear = read_image(A8[4])
    assert "transparency" in losses(clear, "jpg")[0] and losses(clear, "PNG") == ()
    opaque = Picture(A8[3], np.full(A8[1].shape, 255, np.uint8))
    assert losses(opaque, "JPEG") == () == losses(clear, "nonsense")
    deep = read_image(A16[3])
    assert "8 bits" in losses(deep, ".webp")[0] and losses(deep, "TIFF") == ()


def test_metadata_that_a_format_has_no_place_for_is_told():
    texts = (("Title", "a"), ("Comment", "b"), ("Author", "c"), ("Source", "d"), ("Warning", "e"))
    iptc = b"\x1c\x02\x05\0\1t"
    full = replace(Picture(A8[3]), iptc=iptc, dpi=(300.0, 300.0), texts=texts)
    assert losses(full, "PNG") == losses(full, "WebP", "none") == ()
    (told,) = losses(full, "jpg")
    assert told.endswith("Title, Author, Source and 1 more left out.")
    (told,) = losses(full, "TIFF")
    assert "Title, Comment, Author and 2 more" in told
    assert [words.split(":")[0] for words in losses(full, "WebP")] == [
        "WebP has no IPTC", "WebP has no texts such as those of a PNG",
    ]  # fmt: skip
    camera = Image.Exif()
    camera[271] = "camera"
    block = camera.tobytes()
    assert "300 dpi" in losses(replace(Picture(A8[3]), exif=block, dpi=(300.0, 300.0)), "WebP")[0]
    camera.update({282: 300.0, 283: 300.0, 296: 2})
    stated = replace(Picture(A8[3]), exif=camera.tobytes(), dpi=(300.0, 300.0))
    assert losses(stated, "WebP") == ()


@pytest.mark.parametrize("target", ["PNG", "JPEG", "WebP", "TIFF"])
def test_what_no_sentence_names_is_in_the_file(target):
    """Each part of the metadata is read again, or its loss was told."""
    texts = (("Comment", "by the sea"), ("Title", "Sea"))
    full = replace(Picture(A8[3]), iptc=b"\x1c\x02\x05\0\1t", dpi=(240.0, 240.0), texts=texts)
    told = " ".join(losses(full, target))
    read = read_image(encode_image(full, target))
    assert (read.iptc == full.iptc) != ("IPTC" in told)
    kept = dict(read.texts)
    assert (kept.get("Title") == "Sea") != ("Title" in told)
    assert (kept.get("Comment") == "by the sea") != ("Comment" in told)
    stated = read.dpi or resolution_of(read.exif)
    assert stated == pytest.approx((240, 240), abs=0.02)


@pytest.mark.parametrize(
    ("quality", "subsampling", "halved"),
    [
        (95, "auto", False),
        (80, "auto", True),
        (95, "420", True),
        (80, "444", False),
    ],
)
def test_the_colour_resolution_of_a_jpeg_can_be_chosen(quality, subsampling, halved):
    picture = Picture(np.zeros((16, 16, 3), np.uint8))
    data = encode_image(picture, "JPEG", quality=quality, subsampling=subsampling)
    (_, across, down, _) = Image.open(io.BytesIO(data)).layer[0]
    assert (across, down) == ((2, 2) if halved else (1, 1))
    with pytest.raises(ImageRejected, match="Subsampling '422' is no choice: use one of auto"):
        encode_image(picture, "JPEG", subsampling="422")


def test_a_fast_png_holds_the_same_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    picture = Picture(pixels, alpha=pixels[..., 0])
    again = read_image(encode_image(picture, "PNG", fast=True))
    assert np.array_equal(again.pixels, pixels) and np.array_equal(again.alpha, pixels[..., 0])
