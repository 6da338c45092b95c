"""TIFF files of every arrangement, depth and colour model, as other programs write them."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, TiffImagePlugin

from mirnet.errors import ImageRejected
from mirnet.images import limits
from mirnet.images.codecs import tiff_process
from mirnet.images.codecs.pillow import pillow_raster
from mirnet.images.decode import read_image
from mirnet.images.exif import ORIENTATION
from mirnet.images.picture import to_eight_bits
from tests.support.foreign_files import CASES
from tests.support.picture_files import (
    A8,
    A16,
    check,
    cmyk_profile,
    noise,
    rejected,
    saved,
    smooth,
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


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_either_order_of_bytes_in_either_kind_of_file(byteorder, bigtiff):
    check(read_image(tiff(A16[3], byteorder=byteorder, bigtiff=bigtiff)), A16[3])


@pytest.mark.parametrize("bits", [2, 4, 6, 10, 12, 14])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_number_of_bits(bits, channels):
    full = 255 if bits < 8 else 65535
    array = A16[channels] >> (16 - bits)
    stored = array.astype(np.uint8 if bits < 8 else np.uint16)
    picture = read_image(tiff(stored, bitspersample=bits))
    assert picture.bits == (8 if bits < 8 else 16)
    check(picture, np.rint(array * (full / ((1 << bits) - 1))).astype(picture.pixels.dtype))


def test_a_palette_of_sixteen_bits():
    palette = np.random.default_rng(0).integers(0, 65536, (3, 65536), np.uint16)
    picture = read_image(tiff(A16[1], photometric="palette", colormap=palette))
    check(picture, palette.T[A16[1]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("model", ["cielab", "icclab"])
def test_lab_of_both_depths_becomes_srgb(dtype, model):
    """The reference is LittleCMS's own conversion of 8-bit pixels."""
    pixels = smooth()
    srgb, lab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
    wanted = ImageCms.buildTransform(srgb, lab, "RGB", "LAB")
    values = np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), wanted))
    ab = values[..., 1:].view(np.int8).astype(float) + (128 if model == "icclab" else 0)
    step = 1 if dtype == np.uint8 else 256
    white = 255 if dtype == np.uint8 else 0xFF00 if model == "icclab" else 65535
    lightness = values[..., :1] * (white / 255)
    stored = np.rint(np.concatenate([lightness, ab * step], axis=2)).astype(np.int32).astype(dtype)
    picture = read_image(tiff(stored, photometric=model))
    assert picture.pixels.dtype == dtype and not picture.grey
    assert np.abs(to_eight_bits(picture.pixels).astype(int) - pixels).mean() < 1.5


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cmyk_keeps_depth_and_alpha(dtype, planar):
    ink = noise(4, dtype, seed=1)
    alpha = noise(1, dtype, seed=2)
    most = np.iinfo(dtype).max
    options = {"photometric": "separated", "extrasamples": ["unassalpha"]}
    if planar:
        options["planarconfig"] = "separate"
    picture = read_image(tiff(np.dstack([ink, alpha]), **options))
    light = most - ink.astype(np.int64)
    wanted = np.rint(light[..., :3] * light[..., 3:] / most)
    assert picture.pixels.dtype == dtype
    assert np.abs(picture.pixels - wanted).max() <= 1
    np.testing.assert_array_equal(picture.alpha, alpha)


def test_cmyk_of_sixteen_bits_goes_through_its_profile():
    """The profile takes every ink as L* = 100 - 100 K."""
    ink = noise(4, np.uint16)
    deep = read_image(
        tiff(ink, photometric="separated", extrasamples=[], iccprofile=cmyk_profile())
    )
    ink8 = to_eight_bits(ink)
    flat = read_image(
        tiff(ink8, photometric="separated", extrasamples=[], iccprofile=cmyk_profile())
    )
    assert deep.bits == 16 and np.ptp(deep.pixels, axis=2).max() < 300
    assert np.abs(deep.pixels / 257 - flat.pixels).max() <= 2


def test_ycbcr_without_jpeg():
    array = smooth()
    image = Image.fromarray(array).convert("YCbCr")
    picture = read_image(tiff(np.asarray(image), photometric="ycbcr"))
    np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))


def with_reference(array: np.ndarray, *reference: int) -> bytes:
    """YCbCr with the tag ReferenceBlackWhite."""
    values = tuple(number for value in reference for number in (value, 1))
    tag = (532, "2I", len(reference), values, True)
    return tiff(array, photometric="ycbcr", extratags=[tag])


def test_ycbcr_of_a_video_reaches_black_and_white():
    full = np.array(Image.fromarray(smooth()).convert("YCbCr"))
    full[0, :2] = (0, 128, 128), (255, 128, 128)
    narrow = np.rint((full - [0, 128, 128]) * [219 / 255, 112 / 127, 112 / 127] + [16, 128, 128])
    data = with_reference(narrow.astype(np.uint8), 16, 235, 128, 240, 128, 240)
    pixels = read_image(data).pixels
    wanted = np.asarray(Image.fromarray(full, "YCbCr").convert("RGB")).astype(int)
    assert np.abs(pixels - wanted).max() <= 3
    np.testing.assert_array_equal(pixels[0, :2], [(0, 0, 0), (255, 255, 255)])
    same = read_image(with_reference(full, 0, 255, 128, 255, 128, 255)).pixels
    np.testing.assert_array_equal(same, wanted)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
def test_ycbcr_of_jpeg_is_what_libtiff_makes_of_it(subsampling):
    data = tiff(smooth(), photometric="ycbcr", compression="jpeg", subsampling=subsampling)
    check(read_image(data), np.asarray(Image.open(io.BytesIO(data))))


def old_jpeg() -> bytes:
    """A page of old-style JPEG (TIFF 6.0, section 22): one strip inside a whole JPEG file."""
    photo = smooth()
    jpeg = saved(Image.fromarray(photo), "JPEG", quality=85)
    height, width, _ = photo.shape
    scan = jpeg.index(b"\xff\xda")
    at_bits = 8 + 2 + 12 * 12 + 4
    at_jpeg = at_bits + 6
    in_strip = scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big")
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, at_bits), (259, 3, 1, 6),
        (262, 3, 1, 6), (273, 4, 1, at_jpeg + in_strip), (277, 3, 1, 3), (278, 4, 1, height),
        (279, 4, 1, len(jpeg) - in_strip), (513, 4, 1, at_jpeg), (514, 4, 1, len(jpeg)),
        (530, 3, 2, 2 | 2 << 16),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return head + directory + struct.pack("<I3H", 0, 8, 8, 8) + jpeg


def lab_jpeg() -> bytes:
    srgb, lab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
    image = ImageCms.profileToProfile(Image.fromarray(smooth()), srgb, lab, outputMode="LAB")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return saved(image, "TIFF", compression="jpeg", exif=exif)


@pytest.mark.parametrize("data", [old_jpeg(), lab_jpeg()], ids=["old-style", "lab"])
def test_jpeg_that_only_libtiff_reads_is_decoded_apart(data, monkeypatch):
    wanted = pillow_raster(Image.open(io.BytesIO(data)), "", "TIFF")
    with monkeypatch.context() as patched:
        patched.setattr(TiffImagePlugin.TiffImageFile, "load", None)  # not in this process
        picture = read_image(data)
    check(picture, wanted.samples)
    assert picture.icc_profile == wanted.metadata.icc_profile
    assert (picture.exif or b"")[:6] == (wanted.metadata.exif or b"")[:6]


@pytest.mark.parametrize("answer", [b"", b"RGB     1234", b"FAKE    1234", bytes(9300)])
def test_a_process_of_libtiff_that_was_taken_over_gives_no_picture(answer, monkeypatch):
    monkeypatch.setattr(tiff_process, "run_limited", lambda *_: answer)
    rejected(old_jpeg(), "damaged")


@pytest.mark.parametrize("reference", [(16, 16, 128, 240, 128, 240), (16, 235), (9, 1, 1, 2, 1, 2)])
def test_a_reference_of_black_and_white_that_is_none_is_damage(reference):
    rejected(with_reference(smooth(), *reference), "damaged")


@pytest.mark.parametrize("ink_set", [1, 2])
def test_inks_that_are_not_cmyk_are_refused_in_words(ink_set):
    tag = (332, "H", 1, ink_set, True)
    ink = noise(4, np.uint8)
    data = tiff(ink, photometric="separated", extrasamples=[], extratags=[tag])
    if ink_set == 2:
        rejected(data, "inks that are not cyan, magenta, yellow and black", "RGB")
    else:
        assert read_image(data).pixels.shape == (*ink.shape[:2], 3)


def test_bits_in_reversed_order():
    reverse = np.packbits(
        np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1
    )
    check(read_image(with_tiff_tag(tiff(reverse[A8[1], 0]), 266, 2)), A8[1])


@pytest.mark.parametrize("array", [A8[1], A8[3], A16[3]], ids=["grey", "RGB", "16"])
def test_a_missing_colour_model_is_guessed_as_libtiff_does(array):
    data = tiff(array)
    (start,) = struct.unpack_from("<I", data, 4)
    at = data.index(struct.pack("<HH", 262, 3), start)
    check(read_image(data[:at] + struct.pack("<H", 263) + data[at + 2 :]), array)


def claiming(width: int, height: int, data: bytes, **tags: int) -> bytes:
    """Change the size of the page, not that of the picture coded in its only strip or tile."""
    numbers = {256: width, 257: height} | {int(tag[1:]): value for tag, value in tags.items()}
    for tag, value in numbers.items():
        data = with_tiff_tag(data, tag, value)
    return data


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(
    "compression",
    ["jpeg", "jpeg2000", "png", "webp", "jpegxl", "jpegxr", "lerc", 33003, 34927],
)
def test_a_picture_in_a_strip_is_no_larger_than_the_strip(compression, tiled, monkeypatch):
    codec = {33003: "jpeg2000", 34927: "webp"}.get(compression, compression)
    options = {"tile": (128, 128)} if tiled else {"rowsperstrip": 128}
    data = tiff(np.zeros((128, 128, 3), np.uint8), compression=codec, **options)
    if codec != compression:
        data = with_tiff_tag(data, 259, compression)
    assert read_image(data).width == 128

    def never(*_args, **_kwargs):
        raise AssertionError("decoded")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", never)
    for width, height in ((64, 64), (64, 128), (128, 64)):
        tags = {"_322": width, "_323": height} if tiled else {"_278": height}
        with pytest.raises(ImageRejected, match="damaged") as caught:
            read_image(claiming(width, height, data, **tags))
        assert not isinstance(caught.value.__cause__, AssertionError)


@pytest.mark.parametrize("tag", [32997, 32998])
def test_planes_in_depth_are_refused_before_they_are_decoded(tag, monkeypatch):
    """Tags ImageDepth and TileDepth multiply what is allocated."""
    data = with_tiff_tag(tiff(A8[3], tile=(16, 16)), tag, 50)

    def never(*_args, **_kwargs):
        raise AssertionError("decoded")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", never)
    with pytest.raises(ImageRejected, match="damaged") as caught:
        read_image(data)
    assert not isinstance(caught.value.__cause__, AssertionError)


@pytest.mark.parametrize("links", [limits.MAX_DIRECTORIES, 10])
def test_many_links_do_not_hide_a_page(links):
    """A first page of many links to EXIF, then a page whose tags claim the file many times."""
    entries, size = 100, 300_000
    small = 8 + 2 + 12 * links + 4
    second = small + 6 * links
    data = b"II*\0" + struct.pack("<IH", 8, links)
    data += b"".join(struct.pack("<HHII", 0x8769, 4, 1, small + 6 * i) for i in range(links))
    data += struct.pack("<I", second) + bytes(6 * links) + struct.pack("<H", entries)
    data += b"".join(struct.pack("<HHII", 1000 + i, 7, size - 9, 9) for i in range(entries))
    with pytest.raises(ValueError):
        limits.check_directories(io.BytesIO(data.ljust(size, b"\0")))


def test_more_pages_than_are_read_are_said():
    pages = limits.MAX_DIRECTORIES + 1
    page = struct.pack("<HHHII", 1, 256, 4, 1, 1)
    step = len(page) + 4
    for count in (pages - 1, pages):
        links = (0 if i == count - 1 else 8 + step * (i + 1) for i in range(count))
        data = b"II*\0" + struct.pack("<I", 8)
        data += b"".join(page + struct.pack("<I", link) for link in links)
        rejected(data, "more than 1000 pages" if count == pages else "The picture")
