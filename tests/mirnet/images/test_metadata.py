"""EXIF and colour profiles survive every format; damaged ones are dropped."""

import io
import struct

import pytest
from PIL import Image, ImageCms

from mirnet.errors import ImageRejected
from mirnet.images import exif as exif_block
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.formats import SAVE_FORMATS
from mirnet.images.metadata import MAX_XMP_BYTES, Metadata, checked, stripped
from mirnet.images.picture import Picture
from tests.support.picture_files import (
    A8,
    A16,
    HEIGHT,
    SRGB,
    WIDTH,
    check,
    exif_bytes,
    grey_profile,
    read_exif,
    saved,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow about damaged EXIF


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("target", SAVE_FORMATS)
def test_metadata_survives_every_format(target, channels, bits):
    array = A8[channels] if bits == 8 else A16[channels]
    profile = SRGB if channels > 2 else grey_profile()
    start = read_image(array)
    start = Picture(start.pixels, start.alpha, start.grey, profile, exif_bytes())
    picture = read_image(encode_image(start, target))
    if target == "WebP" and channels < 3:  # WebP has no grey: converted, in sRGB
        assert (
            ImageCms.ImageCmsProfile(io.BytesIO(picture.icc_profile)).profile.xcolor_space == "RGB "
        )
    else:
        assert picture.icc_profile == profile
    tags = read_exif(picture.exif)
    assert (tags[271], tags[272]) == ("Maker", "Model 7")
    assert (tags[282], tags[283], tags[296]) == (300.0, 300.0, 2)
    details = tags.get_ifd(exif_block.EXIF_IFD)
    assert details[37500] == b"maker note\x00\x01\x02"
    assert details[33437] == pytest.approx(2.8)
    assert (details[exif_block.PIXEL_X], details[exif_block.PIXEL_Y]) == (WIDTH, HEIGHT)
    assert tags.get_ifd(exif_block.GPS_IFD)[2] == (46.0, 30.0, 12.0)


def test_exif_bytes_change_only_where_they_must():
    block = exif_bytes(6)
    kept, orientation = exif_block.normalise(block)
    assert orientation == 6
    changed = [i for i in range(len(block)) if kept[i] != block[i]]
    assert changed == [block.index(b"\x01\x12\0\x03") + 9]  # the value of tag 274, big-endian
    assert exif_block.normalise(b"Exif\0\0II*\0\xff\xff\xff\xff") == (None, 1)
    assert exif_block.normalise(b"nonsense") == (None, 1)


def test_thumbnail_of_the_old_picture_is_unlinked():
    block = bytearray(exif_bytes(1))
    (count,) = struct.unpack_from(">H", block, 14)
    link = slice(16 + 12 * count, 20 + 12 * count)
    block[link] = struct.pack(">I", 8)
    kept, _ = exif_block.normalise(bytes(block))
    assert kept[link] == b"\0" * 4 and kept[:16] == block[:16] and len(kept) == len(block)


def test_damaged_metadata_is_dropped():
    image = Image.fromarray(A8[3])
    data = saved(image, "PNG", icc_profile=b"not a profile", exif=b"Exif\0\0garbage")
    picture = read_image(data)
    check(picture, A8[3])
    assert picture.icc_profile is None and picture.exif is None
    assert read_image(saved(image, "PNG", icc_profile=grey_profile())).icc_profile is None
    unsigned = SRGB[:36] + b"nope" + SRGB[40:]
    assert read_image(saved(image, "PNG", icc_profile=unsigned)).icc_profile is None
    odd = SRGB[:16] + b"\xff\xff\xff\xff" + SRGB[20:]
    assert read_image(saved(image, "PNG", icc_profile=odd)).icc_profile is None
    half = exif_bytes(6)[:40]
    check(read_image(saved(image, "PNG", exif=half)), A8[3])


def test_damaged_exif_directory_does_not_stop_tiff():
    block = bytearray(exif_bytes())
    at = bytes(block).index(b"maker note")
    picture = Picture(A8[3], exif=bytes(block[:at]))
    check(read_image(encode_image(picture, "TIFF")), A8[3])


def test_too_long_exif_leaves_the_jpeg_readable():
    picture = Picture(A8[3], exif=exif_bytes() + b"\0" * 70_000)
    entries = read_exif(read_image(encode_image(picture, "JPEG")).exif).get_ifd(exif_block.EXIF_IFD)
    assert entries[33437] == 2.8 and exif_block.MAKER_NOTE not in entries
    assert read_image(encode_image(picture, "PNG")).exif is not None


PLACE = b'exif:GPSLatitude="46,30.2N" exif:GPSLongitude="7,0.0E"'
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description dc:title="a" ' + PLACE + b">"
    b"<exif:GPSAltitude>12/1</exif:GPSAltitude><dc:rights>mine</dc:rights></rdf:Description>"
    b"</rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("target", SAVE_FORMATS)
def test_the_position_can_be_left_out(target):
    start = Picture(A8[3], exif=exif_bytes(), xmp=XMP, icc_profile=SRGB)
    assert read_exif(start.exif).get_ifd(exif_block.GPS_IFD)
    data = encode_image(start, target, metadata="no-gps")
    picture = read_image(data)
    tags = read_exif(picture.exif)
    assert not tags.get_ifd(exif_block.GPS_IFD) and (tags[271], tags[272]) == ("Maker", "Model 7")
    assert tags.get_ifd(exif_block.EXIF_IFD)[37500] == b"maker note\x00\x01\x02"
    assert b"GPS" not in picture.xmp and b'dc:title="a"' in picture.xmp and b"mine" in picture.xmp
    latitude = struct.pack(">6I", 46, 1, 30, 1, 12, 1)
    assert latitude in start.exif and latitude not in data
    assert picture.icc_profile == SRGB


def test_no_position_is_none_to_leave_out():
    tags = Image.Exif()
    tags[271] = "Maker"
    block = tags.tobytes()
    assert exif_block.without_gps(block) == block
    assert exif_block.without_gps(b"Exif\0\0garbage") is None
    assert exif_block.without_gps(exif_bytes()[:30]) is None


@pytest.mark.parametrize("target", SAVE_FORMATS)
def test_all_metadata_can_be_left_out(target):
    iptc = b"\x1c\x02\x00\x00\x02\x00\x04"
    start = Picture(
        A8[3],
        icc_profile=SRGB,
        exif=exif_bytes(),
        xmp=XMP,
        iptc=iptc,
        dpi=(300, 300),
        texts=(("Comment", "hello"),),
    )
    picture = read_image(encode_image(start, target, metadata="none"))
    assert (picture.exif, picture.xmp, picture.iptc, picture.texts) == (None, None, None, ())
    assert picture.dpi is None
    assert picture.icc_profile == SRGB


def test_an_unknown_choice_is_refused():
    with pytest.raises(ImageRejected, match=r"use one of all, no-gps, none\.$"):
        encode_image(Picture(A8[3]), "PNG", metadata="some")


UNCLOSED = b'<dcterms:provenance><dcterms:provenance a="1" <exif:GPSa><exif:GPSLatitude b="2" '


@pytest.mark.parametrize("keep", ["all", "no-gps"])
def test_a_megabyte_of_unclosed_elements_is_read_once(keep):
    """A pattern that searched for the end of each would take minutes."""
    start = b"<rdf:RDF>"
    xmp = start + UNCLOSED * ((MAX_XMP_BYTES - len(start)) // len(UNCLOSED))
    cleaned, _ = checked(Metadata(xmp=xmp), grey=False)
    assert stripped(cleaned, keep).xmp == xmp


@pytest.mark.parametrize(
    ("element", "left"),
    [
        (b"<exif:GPSa/>b", b"b"),
        (b'<exif:GPSa b="2"/>c', b"c"),
        (b"<exif:GPSa>1<exif:GPSb>2</exif:GPSb>3</exif:GPSa>d", b"d"),
        (b"<exif:GPSa>e<exif:GPSb>2</exif:GPSb>", b"<exif:GPSa>e"),
        (b"<exif:GPSa\n>1</exif:GPSa >f</exif:GPSa>", b"f</exif:GPSa>"),
        (b"<exif:Flash>1</exif:Flash>", b"<exif:Flash>1</exif:Flash>"),
    ],
)
def test_elements_of_the_position_are_removed_whole(element, left):
    assert stripped(Metadata(xmp=b"<rdf:RDF>" + element), "no-gps").xmp == b"<rdf:RDF>" + left


def test_an_empty_element_about_a_manifest_takes_nothing_else_along():
    element = b'<dcterms:provenance rdf:resource="self#jumbf=c2pa"/>'
    rest = b"<dc:rights>mine</dc:rights>"
    whole = element.replace(b"/>", b">x</dcterms:provenance>")
    cleaned, _ = checked(Metadata(xmp=b"<rdf:RDF>" + element + rest + whole), grey=False)
    assert cleaned.xmp == b"<rdf:RDF>" + rest
