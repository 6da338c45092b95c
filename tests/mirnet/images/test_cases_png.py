"""PNG, HEIC and AVIF files as other programs write them: chunks, gamma, high dynamic range."""

import io
import struct
import zlib
from types import SimpleNamespace

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from mirnet.images import cicp, colour
from mirnet.images.codecs import png_chunks
from mirnet.images.decode import read_image
from mirnet.images.picture import to_eight_bits
from tests.support.foreign_files import CASES, PHOTO, in_srgb, with_chunk
from tests.support.heif_boxes import ALPHA, box, full_box, heif, picture, size
from tests.support.picture_files import (
    A8,
    A16,
    check,
    chunk,
    png16,
    rejected,
    saved,
    smooth,
)


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
        (b"iCCP", b"x\0\5" + zlib.compress(b"profile"), True),
        (b"zTXt", b"Comment\0\7" + zlib.compress(b"hello"), True),
        (b"tRNS", b"\1", True),
        (b"tRNS", bytes(300), True),
        (b"acTL", struct.pack(">II", 3, 0), True),
        (b"IHDR", struct.pack(">II5B", 9, 9, 8, 2, 0, 0, 0), True),
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


@pytest.mark.parametrize("array", [A8[3], A16[3]], ids=["8", "16"])
def test_pixels_of_which_one_checksum_is_wrong_are_read(array):
    """The CRC guards the chunk, Adler-32 the deflated data: either shows that nothing is lost."""
    sound = saved(Image.fromarray(array), "PNG") if array.dtype == np.uint8 else png16(array)
    start = sound.index(b"IDAT") - 4
    length = int.from_bytes(sound[start : start + 4], "big")
    head, body, tail = sound[:start], sound[start + 8 : start + 8 + length], sound[-12:]
    wrong_crc = sound[: start + 8 + length] + b"\0\0\0\0" + tail
    for data in (
        wrong_crc,
        head + chunk(b"IDAT", body[:-4] + b"\0\0\0\0") + tail,
        head + chunk(b"IDAT", body[:-4]) + tail,
        head
        + chunk(b"IDAT", body[:99])
        + chunk(b"tEXt", b"a\0b")
        + chunk(b"IDAT", body[99:])
        + tail,
    ):
        check(read_image(data), array)
    assert "all there" in read_image(wrong_crc).notes[0]
    rejected(wrong_crc.replace(body[-4:], b"\0\0\0\0"), "damaged")
    rejected(head + chunk(b"IDAT", body[:-400]) + tail, "damaged")
    rejected(wrong_crc, "megapixels", max_pixels=9)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_transparent_grey_of_few_bits(bits):
    values = np.arange(64).reshape(8, 8) * (1 << bits) // 64
    rows = [
        b"\0"
        + np.packbits(np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, -bits:]).tobytes()
        for row in values
    ]
    head = struct.pack(">II5B", 8, 8, bits, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"tRNS", b"\0\1")
    picture = read_image(data + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b""))
    np.testing.assert_array_equal(picture.pixels[..., 0], values * 255 // ((1 << bits) - 1))
    np.testing.assert_array_equal(picture.alpha, np.where(values == 1, 0, 255))


def test_what_xcode_makes_of_png_is_named():
    data = saved(PHOTO, "PNG")
    rejected(data[:8] + chunk(b"CgBI", bytes(4)) + data[8:], "CgBI")


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


@pytest.mark.parametrize("angle", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_heic_is_turned_and_mirrored_in_the_order_of_its_properties(angle, axis):
    """ISO/IEC 23008-12: quarter turns to the left, then top and bottom (0) or sides (1) change."""
    plain = read_image(heif([picture()], [size(64, 64)])).pixels
    properties = [size(64, 64), box(b"irot", bytes([angle]))]
    expected = np.rot90(plain, angle)
    if axis is not None:
        properties.append(box(b"imir", bytes([axis])))
        expected = np.flip(expected, axis)
    more = list(range(4, 3 + len(properties)))
    turned = read_image(heif([picture(more=more)], properties))
    np.testing.assert_array_equal(turned.pixels, expected)


@pytest.mark.parametrize("kind", [b"urn:com:apple:photo:2020:aux:hdrgainmap\0", None])
def test_the_gain_map_of_a_heic_file_is_told_of(kind):
    """Every photo of an iPhone has one, as an auxiliary picture."""
    auxiliary = full_box(b"auxC", kind) if kind else ALPHA
    data = heif([picture(1), picture(2, [4])], [size(64, 64), auxiliary], [(b"auxl", 2, [1])])
    read = read_image(data)
    assert read.pixels.shape == (64, 64, 3)
    assert [("gain map" in note) for note in read.notes] == ([True] if kind else [])
    assert (read.alpha is None) == bool(kind)


def test_the_gain_map_of_an_avif_file_is_told_of():
    data = saved(PHOTO, "AVIF")
    assert read_image(data).notes == ()
    picture = read_image(data + box(b"free", b"tmap"))
    assert len(picture.notes) == 1 and "gain map" in picture.notes[0]


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        (b"irot", 1, lambda pixels: np.rot90(pixels)),
        (b"irot", 2, lambda pixels: pixels[::-1, ::-1]),
        (b"irot", 3, lambda pixels: np.rot90(pixels, 3)),
        (b"imir", 0, lambda pixels: pixels[::-1]),
        (b"imir", 1, lambda pixels: pixels[:, ::-1]),
    ],
)
def test_avif_of_every_depth_is_turned_and_mirrored(bits, name, value, seen):
    array = smooth(np.uint16) >> (16 - bits)
    stored = array.astype(np.uint8 if bits == 8 else np.uint16)
    data = imagecodecs.avif_encode(stored, level=98, bitspersample=bits, pixelformat="444")
    picture = read_image(with_transform(data, name, value))
    wanted = seen(smooth())
    assert picture.pixels.shape == wanted.shape
    assert np.abs(to_eight_bits(picture.pixels).astype(int) - wanted).mean() < 2


def with_transform(data: bytes, name: bytes, value: int) -> bytes:
    """Put a transform in the place of a property that is not needed (`pixi`), marked essential."""
    at = data.index(b"pixi") - 4
    end = at + int.from_bytes(data[at : at + 4], "big")
    position, number = data.index(b"ipco") + 4, 1
    while position < at:
        position += int.from_bytes(data[position : position + 4], "big")
        number += 1
    changed = bytearray(data)
    changed[at + 4 : end] = (name + bytes([value])).ljust(end - at - 4, b"\0")
    entry = data.index(b"ipma") + 12  # behind version, flags and number of items
    for _ in range(int.from_bytes(data[entry - 4 : entry], "big")):
        owned = range(entry + 3, entry + 3 + data[entry + 2])
        for place in owned:
            if changed[place] & 0x7F == number:
                changed[place] |= 0x80
        entry = owned.stop
    return bytes(changed)


@pytest.mark.parametrize("sound", [True, False])
@pytest.mark.parametrize("broken", [True, False])
def test_texts_that_are_left_out_are_not_unpacked_without_end(monkeypatch, sound, broken):
    """400 texts of a little more than the limit each: what they unpack to is counted."""
    unpacked = []

    class Counting:
        def __init__(self):
            self.unpacker = zlib.decompressobj()

        def decompress(self, data, most):
            unpacked.append(most)
            return self.unpacker.decompress(data, most)

        @property
        def eof(self):
            return self.unpacker.eof

    packed = bytearray(zlib.compress(bytes((1 << 20) + (-100 if broken else 100))))
    packed[-1] ^= broken  # a wrong checksum, found once all is unpacked
    text = chunk(b"zTXt", b"a\0\0" + packed)
    text = text if sound else text[:-1] + bytes([text[-1] ^ 1])
    data = saved(PHOTO, "PNG")
    fake = SimpleNamespace(**(vars(zlib) | {"decompressobj": Counting}))
    monkeypatch.setattr(png_chunks, "zlib", fake)
    repaired = png_chunks.repair(data[:33] + text * 400 + data[33:], "it")
    assert repaired.left_out == ("zTXt",) * 400
    assert 16 <= len(unpacked) <= 18
