"""JPEG XL: depth, size before pixels, colours, metadata."""

import imagecodecs
import numpy as np
import pytest

from mirnet.errors import ImageRejected
from mirnet.images.codecs.jpegxl import Header, read_header
from mirnet.images.decode import read_image, size_of
from tests.support.picture_files import A8, A16, check, exif_bytes

HEAD = b"\x00\x00\x00\x0cJXL \r\n\x87\n\x00\x00\x00\x14ftypjxl \x00\x00\x00\x00jxl "


def encoded(array: np.ndarray, **options) -> bytes:
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    return imagecodecs.jpegxl_encode(array, lossless=True, **options)


def box(name: bytes, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + name + body


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("arrays", [A8, A16])
@pytest.mark.parametrize("usecontainer", [False, True])
def test_pixels_of_every_depth(channels, arrays, usecontainer):
    picture = read_image(encoded(arrays[channels], usecontainer=usecontainer))
    check(picture, arrays[channels])
    assert picture.source_format == "JPEG XL"


@pytest.mark.parametrize("size", [(8, 8), (64, 48), (480, 640), (1, 9000), (300, 200), (256, 257)])
def test_the_size_is_known_before_pixels(tmp_path, size):
    path = tmp_path / "a.jxl"
    path.write_bytes(encoded(np.zeros((*size, 3), np.uint8)))
    assert size_of(path) == size[::-1]
    with pytest.raises(ImageRejected, match="more than the limit"):
        read_image(path, max_pixels=size[0] * size[1] - 1)


def test_a_lossy_picture_is_close():
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    data = imagecodecs.jpegxl_encode(ramp, distance=1.0)
    assert np.abs(read_image(data).pixels.astype(int) - ramp).mean() < 3


def test_metadata_of_a_container_is_kept():
    exif, xmp = exif_bytes(), b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/></x:xmpmeta>'
    stream = encoded(A8[3], usecontainer=False)
    block = b"\0\0\0\0" + exif.removeprefix(b"Exif\0\0")
    data = HEAD + box(b"Exif", block) + box(b"xml ", xmp) + box(b"jxlc", stream)
    picture = read_image(data)
    assert np.array_equal(picture.pixels, A8[3])
    assert picture.xmp == xmp and picture.exif is not None


def header(*fields: tuple[int, int]) -> bytes:
    """Code stream of 8 x 8 pixels that begins with these fields of (bits, value)."""
    value = position = 0
    for bits, number in ((1, 1), (5, 0), (3, 1), (1, 0), (1, 0), *fields):
        value |= number << position
        position += bits
    return b"\xff\x0a" + value.to_bytes(64, "little")


EIGHT_BITS = ((1, 0), (2, 0), (1, 1), (2, 0), (1, 0))
RGB_D65 = ((1, 0), (1, 0), (2, 0), (2, 1))
SRGB, REC2100, P3 = ((2, 1),), ((2, 2), (4, 7)), ((2, 2), (4, 9))


@pytest.mark.parametrize(
    ("fields", "colours"),
    [
        (((1, 1),), (1, 13)),
        (((1, 0), (1, 1)), None),  # an embedded profile
        ((*RGB_D65, *SRGB, (1, 0), (2, 2), (4, 6)), (1, 8)),
        ((*RGB_D65, *P3, (1, 0), (2, 2), (4, 11)), (12, 13)),
        ((*RGB_D65, *REC2100, (1, 0), (2, 2), (4, 14)), (9, 16)),
        ((*RGB_D65, *SRGB, (1, 1)), None),  # a plain gamma
    ],
)
def test_colours_by_name(fields, colours):
    assert read_header(header(*EIGHT_BITS, *fields)) == Header(8, 8, False, colours)


@pytest.mark.parametrize("cut", [3, 20, 60])
def test_what_is_cut_off_or_damaged_is_refused(cut):
    with pytest.raises(ImageRejected, match="damaged"):
        read_image(encoded(A8[3])[:cut])
    with pytest.raises(ImageRejected, match="damaged"):
        read_image(HEAD + b"\0\0\0\x03jxlc")
