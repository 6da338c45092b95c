"""Files as other programs write them: read rightly, and what is left out is said."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.formats import SAVE_FORMATS
from mirnet.images.picture import to_eight_bits
from tests.support.foreign_files import CASES, PHOTO, with_chunk
from tests.support.picture_files import (
    A8,
    A16,
    check,
    rejected,
    saved,
)

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
