"""Files as other programs write them: read rightly, and what is left out is said."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from mirnet.images import cicp, colour
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.formats import SAVE_FORMATS
from mirnet.images.picture import Picture, to_eight_bits
from tests.support.picture_files import (
    A8,
    A16,
    check,
    chunk,
    png16,
    rejected,
    saved,
    smooth,
    tiff,
    with_tiff_tag,
)

CASES = Path(__file__).parent / "cases"
PHOTO = Image.fromarray(smooth())


def in_srgb(picture: Picture) -> np.ndarray:
    """What a program that honours profiles shows, (H, W, 3) uint8."""
    image = Image.fromarray(to_eight_bits(picture.pixels))
    if picture.icc_profile is None:
        return np.asarray(image)
    source = ImageCms.ImageCmsProfile(io.BytesIO(picture.icc_profile))
    return np.asarray(ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB")))


# ---------------------------------------------------------------- JPEG


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


# ---------------------------------------------------------------- PNG


def with_chunk(data: bytes, name: bytes, body: bytes, *, sound: bool = True) -> bytes:
    added = chunk(name, body)
    if not sound:
        added = added[:-1] + bytes([added[-1] ^ 1])
    return data[:33] + added + data[33:]


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    ("name", "body", "sound"),
    [
        (b"iCCP", b"x\0\0" + zlib.compress(b"profile"), False),
        (b"tEXt", b"Comment\0hello", False),
        (b"eXIf", b"II*\0", False),
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 1_400_000), True),
        (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"a" * 1_400_000), True),
        (b"tEXt", b"Comment\0" + b"a" * 1_400_000, True),
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"cut")[:-4], True),
        (b"iCCP", b"x\0\0" + zlib.compress(bytes(20_000_000)), True),
        (b"gAMA", b"\0\0", True),
        (b"pHYs", b"", True),
    ],
)
def test_damaged_and_oversized_chunks_are_left_out_and_said(depth, name, body, sound):
    array = A8[3] if depth == 8 else A16[3]
    data = saved(Image.fromarray(array), "PNG") if depth == 8 else png16(array)
    picture = read_image(with_chunk(data, name, body, sound=sound))
    check(picture, array)
    assert len(picture.notes) == 1 and f"left out: {name.decode()}." in picture.notes[0]
    assert read_image(data).notes == ()


@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_without_its_end_is_read_if_the_pixels_are_there(depth):
    array = A8[3] if depth == 8 else A16[3]
    data = saved(Image.fromarray(array), "PNG") if depth == 8 else png16(array)
    check(read_image(data[:-12]), array)
    check(read_image(data[:-7]), array)
    check(read_image(data + b"rubbish"), array)
    rejected(data[:-13], "damaged")


def test_a_wrong_checksum_of_pixels_is_no_small_matter():
    data = bytearray(saved(PHOTO, "PNG"))
    data[-20] ^= 1
    rejected(bytes(data), "damaged")


@pytest.mark.parametrize("depth", [8, 16])
def test_gamma_and_primaries_become_a_profile(depth):
    light = 0.2158605  # of sRGB code 128
    code = round(light * (255 if depth == 8 else 65535))
    array = np.full((4, 4, 3), code, np.uint8 if depth == 8 else np.uint16)
    data = saved(Image.fromarray(array), "PNG") if depth == 8 else png16(array)
    linear = with_chunk(data, b"gAMA", struct.pack(">I", 100_000))
    picture = read_image(linear)
    check(picture, array)
    assert np.abs(in_srgb(picture).astype(int) - 128).max() <= 1
    assert read_image(with_chunk(data, b"gAMA", struct.pack(">I", 45_455))).icc_profile is None
    assert read_image(with_chunk(linear, b"sRGB", b"\0")).icc_profile is None
    assert read_image(with_chunk(data, b"gAMA", bytes(4))).icc_profile is None

    p3 = [0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060]
    body = struct.pack(">8I", *(round(x * 100_000) for x in p3))
    wide = read_image(
        with_chunk(with_chunk(data, b"cHRM", body), b"gAMA", struct.pack(">I", 45_455))
    )
    shown = in_srgb(wide)
    assert (
        np.abs(shown.astype(int) - np.asarray(to_eight_bits(array))).max() <= 3
    )  # grey stays grey
    nonsense = struct.pack(">8I", *[0] * 8)
    assert read_image(with_chunk(data, b"cHRM", nonsense)).icc_profile is None


def test_grey_of_another_gamma_gets_a_grey_profile():
    data = with_chunk(saved(Image.fromarray(A8[1]), "PNG"), b"gAMA", struct.pack(">I", 100_000))
    profile = read_image(data).icc_profile
    assert profile is not None and profile[16:20] == b"GRAY"
    ImageCms.ImageCmsProfile(io.BytesIO(profile))


@pytest.mark.parametrize(
    ("points", "title", "colour_of_p3_red"),
    [((12, 13), "Display P3", (255, 0, 0)), ((1, 13), None, None), ((9, 1), "BT.2020", None)],
)
def test_code_points_of_standard_range_become_a_profile(points, title, colour_of_p3_red):
    data = with_chunk(saved(Image.new("RGB", (4, 4), (120, 120, 120)), "PNG"), b"cICP",
                      bytes([*points, 0, 1]))  # fmt: skip
    picture = read_image(data)
    if title is None:
        assert picture.icc_profile is None
        return
    described = ImageCms.getProfileDescription(
        ImageCms.ImageCmsProfile(io.BytesIO(picture.icc_profile))
    )
    assert described.strip() == title
    assert np.ptp(in_srgb(picture)) <= 1  # a grey card stays grey


def pq_png(luminance: np.ndarray) -> bytes:
    """A PQ picture in BT.2020 of grey luminances in cd/m2."""
    code = np.rint(cicp.pq_encode(luminance) * 65535).astype(np.uint16)
    data = png16(np.repeat(code[..., None], 3, axis=2))
    return with_chunk(data, b"cICP", bytes([9, 16, 0, 1]))


def test_pq_is_tone_mapped_and_said():
    luminance = np.array([[0.0, 0.18 * 203, 100.0, 203.0, 1000.0]])
    picture = read_image(pq_png(luminance))
    assert picture.bits == 16 and picture.icc_profile is None
    assert "PQ" in picture.notes[0] and "BT.2390" in picture.notes[0]
    shown = picture.pixels[0, :, 0] / 65535
    assert (np.ptp(picture.pixels, axis=2) <= 1).all()
    assert shown[0] == 0 and shown[1] == pytest.approx(0.4613, abs=0.005)  # 18 % grey in sRGB
    assert shown[-1] == pytest.approx(1, abs=0.002) and (np.diff(shown) > 0.02).all()


def test_pq_within_the_reference_white_is_only_converted():
    luminance = np.linspace(0, 203, 64).reshape(8, 8)
    shown = read_image(pq_png(luminance)).pixels[..., 0] / 65535
    np.testing.assert_allclose(shown, colour.srgb_encode(luminance / 203), atol=2e-3)


def test_hlg_is_tone_mapped():
    grey = np.full((4, 4, 3), round(0.5 * 65535), np.uint16)
    picture = read_image(with_chunk(png16(grey), b"cICP", bytes([9, 18, 0, 1])))
    # 1/12 of scene light, 1000 cd/m2 * (1/12) ** 1.2 = 50.7 cd/m2: 0.25 of the reference white.
    assert picture.pixels[0, 0] / 65535 == pytest.approx(
        [float(colour.srgb_encode(np.array(50.7 / 203)))] * 3, abs=2e-3
    )
    assert "HLG" in picture.notes[0]


def test_heic_of_high_range_comes_out_as_the_photo_it_was_made_of():
    picture = read_image(CASES / "nclx_pq10.heic")
    usual = read_image(CASES / "no_eoi.jpg").pixels  # the same photo in standard range
    assert picture.bits == 16 and "PQ" in picture.notes[0]
    assert np.abs(to_eight_bits(picture.pixels).astype(int) - usual).mean() < 4


def deep_avif(bits: int, points: tuple[int, int] = (2, 2), channels: int = 3) -> bytes:
    """An AVIF file of a ramp through all code values, lossless, with colours named so."""
    most = (1 << bits) - 1
    ramp = np.linspace(0, most, 64 * 48).round().astype(np.uint16).reshape(48, 64, 1)
    array = np.ascontiguousarray(np.repeat(ramp, channels, axis=2))
    data = bytearray(imagecodecs.avif_encode(array, level=100, bitspersample=bits))
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = points[0].to_bytes(2, "big") + points[1].to_bytes(2, "big")
    return bytes(data)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("bits", [10, 12])
def test_avif_keeps_its_depth(bits, channels):
    picture = read_image(deep_avif(bits, channels=channels))
    most = (1 << bits) - 1
    assert picture.bits == 16 and (picture.alpha is not None) == (channels == 4)
    codes = np.linspace(0, most, 64 * 48).round().reshape(48, 64)
    np.testing.assert_array_equal(picture.pixels[..., 1], np.rint(codes * (65535 / most)))
    if channels == 4:
        np.testing.assert_array_equal(picture.alpha, picture.pixels[..., 0])
    rejected(deep_avif(bits), "megapixels", max_pixels=64 * 48 - 1)


def test_avif_of_named_colours():
    wide = read_image(deep_avif(10, (12, 13)))
    assert wide.icc_profile is not None and np.ptp(in_srgb(wide).astype(int), axis=2).max() <= 1
    dark, bright = (read_image(deep_avif(10, (9, points))) for points in (13, 16))
    assert "PQ" in bright.notes[0] and not dark.notes
    assert read_image(deep_avif(10, (1, 13))).icc_profile is None
    usual = saved(PHOTO, "AVIF")
    assert read_image(usual).notes == () and read_image(usual).icc_profile is None


# ---------------------------------------------------------------- TIFF


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


# ---------------------------------------------------------------- BMP


def bmp(rgb: np.ndarray, masks: tuple[int, ...], *, bits: int, header: int, top_down=False):
    """A BMP of bit fields, as OS/2, Windows CE and graphics cards order them."""
    height, width = rgb.shape[:2]
    words = np.zeros((height, width), np.uint64)
    for channel, mask in enumerate(masks[:3]):
        shift = (mask & -mask).bit_length() - 1
        words |= (rgb[..., channel].astype(np.uint64) * (mask >> shift) // 255) << shift
    body = words if top_down else words[::-1]
    body = body.astype("<u2" if bits == 16 else "<u4").view(np.uint8).reshape(height, -1)
    body = np.pad(body, ((0, 0), (0, -body.shape[1] % 4))).tobytes()
    info = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, 3,
                       len(body), 3937, 3937, 0, 0)  # fmt: skip
    info += struct.pack(f"<{len(masks)}I", *masks)
    info = info.ljust(header, b"\0")
    start = 14 + len(info)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + body


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize(
    ("masks", "bits", "header"),
    [
        ((0xF800, 0x7E0, 0x1F), 16, 40),
        ((0x7C00, 0x3E0, 0x1F), 16, 40),
        ((0xF00, 0xF0, 0xF), 16, 40),
        ((0x1F, 0x7E0, 0xF800), 16, 40),
        ((0xFF0000, 0xFF00, 0xFF), 32, 40),
        ((0xFF, 0xFF00, 0xFF0000), 32, 40),
        ((0xFF, 0xFF00, 0xFF0000, 0), 32, 124),
        ((0xFF0000, 0xFF00, 0xFF, 0xFF000000), 32, 108),
        ((0x3FF00000, 0xFFC00, 0x3FF), 32, 40),
    ],
)
def test_bit_fields_of_any_order(masks, bits, header, top_down):
    array = A8[3]
    picture = read_image(bmp(array, masks, bits=bits, header=header, top_down=top_down))
    fewest = min(bin(mask).count("1") for mask in masks[:3])
    off = np.abs(to_eight_bits(picture.pixels).astype(int) - array).max()
    assert off <= 255 / (2**fewest - 1) and picture.alpha is None
    assert picture.dpi == pytest.approx((100, 100), abs=0.1)
    assert picture.bits == (16 if fewest > 8 else 8)


def test_bit_fields_that_are_none_are_refused():
    data = bmp(A8[3], (0xFF, 0xFF00, 0xFF0000), bits=32, header=40)
    rejected(data[:54] + bytes(12) + data[66:], "damaged")
    rejected(data[: len(data) // 2], "damaged")
    rejected(data, "megapixels", max_pixels=A8[3].shape[0] * A8[3].shape[1] - 1)


# ---------------------------------------------------------------- metadata


@pytest.mark.parametrize("target", SAVE_FORMATS)
def test_xmp_iptc_comment_and_resolution_are_kept(target):
    start = read_image(CASES / "dpi_xmp_iptc.jpg")
    assert start.dpi == (300, 300) and b"<rdf:RDF" in start.xmp and start.iptc[:1] == b"\x1c"
    assert dict(start.texts)["Comment"]
    again = read_image(encode_image(start, target))
    assert again.xmp == start.xmp
    if target != "WebP":
        assert again.dpi == pytest.approx((300, 300), abs=0.02)
        assert again.iptc == start.iptc
    if target in ("PNG", "JPEG"):
        assert again.texts == start.texts


def test_sixteen_bit_png_keeps_them_too():
    start = read_image(CASES / "dpi_xmp_iptc.jpg")
    deep = start.with_pixels(start.pixels.astype(np.uint16) * 257)
    again = read_image(encode_image(deep, "PNG"))
    assert again.bits == 16
    assert (again.xmp, again.iptc, again.texts) == (start.xmp, start.iptc, start.texts)
    other = Image.open(io.BytesIO(encode_image(start, "PNG")))
    other.load()
    assert other.info["dpi"] == pytest.approx((300, 300), abs=0.02)
    assert other.info["xmp"] == start.xmp


RDF = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description %s/></rdf:RDF></x:xmpmeta>'


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (b'tiff:Orientation="6" dc:title="a"', b'tiff:Orientation="1" dc:title="a"'),
        (b'dc:a="1" GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"', b'dc:a="1"'),
        (b'dc:a="1" dcterms:provenance="self#jumbf=c2pa"', b'dc:a="1"'),
        (b'dc:a="1" tiff:ImageWidth="4000" exif:PixelXDimension="4000"', b'dc:a="1"'),
    ],
)
def test_xmp_says_nothing_that_is_not_true_of_the_result(said, kept):
    picture = read_image(saved(PHOTO, "JPEG", xmp=RDF % said))
    assert picture.xmp == RDF % kept
    for target in SAVE_FORMATS:
        turned = Image.open(io.BytesIO(encode_image(picture, target)))
        assert turned.size == (picture.width, picture.height)


@pytest.mark.parametrize(
    "xmp", [b"no xmp", RDF % b"" + b"<!DOCTYPE x>", RDF % b"" + b"<script>alert(1)</script>"]
)
def test_foreign_markup_is_no_xmp(xmp):
    assert read_image(saved(PHOTO, "JPEG", xmp=xmp)).xmp is None


def test_a_claim_of_origin_that_the_result_would_break_is_left_out():
    manifest = b"\0\0\0\x20jumbc2pa" + bytes(40)
    data = saved(PHOTO, "JPEG")
    segment = b"\xff\xeb" + (len(manifest) + 2).to_bytes(2, "big") + manifest
    picture = read_image(data[:2] + segment + data[2:])
    png = read_image(with_chunk(saved(PHOTO, "PNG"), b"caBX", manifest))
    for source in (picture, png):
        for target in SAVE_FORMATS:
            assert b"c2pa" not in encode_image(source, target)


# ---------------------------------------------------------------- other formats


def test_jpeg_2000():
    data = saved(Image.fromarray(A8[3]), "JPEG2000", irreversible=False)
    picture = read_image(data)
    check(picture, A8[3])
    assert picture.source_format == "JPEG 2000"
    stream = saved(Image.fromarray(A8[3]), "JPEG2000", irreversible=False, no_jp2=True)
    check(read_image(stream), A8[3])
    check(read_image(saved(Image.fromarray(A16[1]), "JPEG2000", irreversible=False)), A16[1])


@pytest.mark.parametrize("channels", [1, 3])
def test_portable_anymaps(channels):
    data = saved(Image.fromarray(A8[channels]), "PPM")
    picture = read_image(data)
    check(picture, A8[channels])
    assert picture.source_format == "PPM"
    rejected(data[:-10], "damaged")


def test_a_deep_anymap_keeps_its_depth():
    array = A16[3]
    head = b"P6\n# by hand\n%d %d\n65535\n" % (array.shape[1], array.shape[0])
    check(read_image(head + array.astype(">u2").tobytes()), array)
    half = b"P6 1 1 1023\n" + np.array([0, 512, 1023], ">u2").tobytes()
    assert read_image(half).pixels.tolist() == [[[0, 32800, 65535]]]
    rejected(head + b"few", "damaged")
