"""EXIF and colour profiles survive every format; damaged ones are dropped."""

import io
import struct

import pytest
import tifffile
from PIL import Image, ImageCms

from mirnet.errors import ImageRejected
from mirnet.images import exif as exif_block
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.formats import SAVE_FORMATS
from mirnet.images.metadata import MAX_XMP_BYTES, Metadata, checked, iptc_resource, stripped
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


def with_thumbnail(order: str, follow: int = 0) -> tuple[bytes, int]:
    """EXIF whose second directory has a position, a value and a thumbnail; and where it begins."""

    def directory(following: int, *entries: tuple[int, int, int, int]) -> bytes:
        packed = b"".join(struct.pack(order + "HHII", *entry) for entry in entries)
        return struct.pack(order + "H", len(entries)) + packed + struct.pack(order + "I", following)

    second = 8 + 30 + 10  # behind the first directory and its value
    value, gps = second + 66, second + 66 + 10
    latitude = gps + 18
    pixels = latitude + 24
    parts = (
        {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8),
        directory(second, (271, 2, 10, 38), (0x8769, 4, 1, 0)),
        b"the maker\0",
        directory(follow, (272, 2, 10, value), (271, 2, 10, 38), (0x8825, 4, 1, gps),
                  (513, 4, 1, pixels), (514, 4, 1, 15)),
        b"the model\0", directory(0, (2, 5, 3, latitude)),
        struct.pack(order + "6I", 48, 1, 8, 1, 13, 1), b"\xff\xd8old picture\xff\xd9",
    )  # fmt: skip
    return exif_block.PREFIX + b"".join(parts), second + len(exif_block.PREFIX)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("follow", [0, 8, 48, 1 << 31])
def test_what_the_second_directory_leads_to_is_erased(order, follow):
    block, second = with_thumbnail(order, follow)
    link = slice(second - 14, second - 10)
    erased = block[: link.start] + bytes(4) + block[link.stop : second] + bytes(133)
    assert len(block) == len(erased) == second + 133
    assert exif_block.normalise(block) == (erased, 1)
    assert b"the maker" in erased
    assert exif_block.without_gps(block) == erased
    shared = block.replace(struct.pack(order + "HHII", 0x8769, 4, 1, 0),
                           struct.pack(order + "HHII", 0x8825, 4, 1, second + 70))  # fmt: skip
    kept, without = exif_block.normalise(shared)[0], exif_block.without_gps(shared)
    latitude = struct.pack(order + "6I", 48, 1, 8, 1, 13, 1)
    assert latitude in kept and b"old picture" not in kept
    assert latitude not in without and b"the maker" in without


def test_a_second_directory_that_claims_too_much_is_no_reason_for_long_work():
    block, second = with_thumbnail("<")
    many = bytearray(block.ljust(200_000, b"\0"))
    struct.pack_into("<H", many, second, 9_000)
    for entry in range(9_000):
        struct.pack_into("<HHII", many, second + 2 + 12 * entry, 272, 2, 100_000, 0)
    assert exif_block.without_gps(bytes(many)) is None
    assert exif_block.normalise(bytes(many)) == (None, 1)


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
@pytest.mark.parametrize(
    "part", [UNCLOSED, b"gps", b" gps", b" gps ", b" e:gps=", b"<gps", b"<e:gps ", b"gps:", b":a"]
)
def test_a_megabyte_of_unclosed_elements_is_read_once(keep, part):
    """A pattern that searched for the end of each would take minutes."""
    start = b"<rdf:RDF> "
    xmp = start + part * ((MAX_XMP_BYTES - len(start)) // len(part))
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


@pytest.mark.parametrize(
    "position",
    [
        b' drone-dji:GpsLatitude="+48.137"',
        b" drone-dji:GpsLongtitude='+11.575'",
        b' drone-dji:RelativeAltitude="+30"',
        b' e:GPSLatitude = "48,8N"',
        b' \xc3\xa9:gpslatitude="48,8N"',
        b'\tGeo:LAT="48.1" geo:long="11.5"',
        b"><drone-dji:Latitude>48.137</drone-dji:Latitude",
        b'><e:GPSLatitude xml:lang="x">48,8N</e:GPSLatitude\n',
        b"><Camera:GPSXYAccuracy/",
        b"><geo:lat>48.137</geo:lat",
        b"><GpsLatitude>48.137</GpsLatitude",
    ],
)
def test_a_position_is_left_out_whatever_its_prefix_and_program(position):
    kept = b'<rdf:RDF><rdf:Description xmlns:gps="urn:gps" dc:title="latitude" exif:Flash="1"'
    rest = b"><rdf:Alt><rdf:li>gps</rdf:li></rdf:Alt><aux:Lens>a</aux:Lens></rdf:Description>"
    opened = position.startswith(b">")
    left = kept + (b">" if opened else b"") + rest[opened:]
    found = stripped(Metadata(xmp=kept + position + rest), "no-gps").xmp
    assert found == left


def test_texts_of_a_png_that_tell_the_position_are_left_out_with_it():
    names = (
        "exif:GPSLatitude", "GPSLongitude", "gpsinfo", "Drone Longtitude", "ALTITUDE", "geo:lat",
        "raw profile type exif",
    )  # fmt: skip
    others = (("Title", "latitude"), ("Comment", "a plate"), ("exif:Flash", "1"))
    start = Picture(A8[3], texts=(*((name, "48.1") for name in names), *others))
    kept = read_image(encode_image(start, "PNG", metadata="no-gps")).texts
    assert kept == others
    assert len(read_image(encode_image(start, "PNG")).texts) == len(names) + len(others)


def test_an_empty_element_about_a_manifest_takes_nothing_else_along():
    element = b'<dcterms:provenance rdf:resource="self#jumbf=c2pa"/>'
    rest = b"<dc:rights>mine</dc:rights>"
    whole = element.replace(b"/>", b">x</dcterms:provenance>")
    cleaned, _ = checked(Metadata(xmp=b"<rdf:RDF>" + element + rest + whole), grey=False)
    assert cleaned.xmp == b"<rdf:RDF>" + rest


XMP_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'exif:GPSLatitude="48,8N" dc:format="Gr\u00fc\u00dfe"/></rdf:RDF>'
    '</x:xmpmeta><?xpacket end="w"?>'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-be", "utf-16-le", "utf-32-be", "utf-32-le"])
@pytest.mark.parametrize("padding", ["", " ", "   "])
def test_xmp_of_every_encoding_is_kept_and_its_position_can_be_left_out(encoding, padding):
    data = saved(Image.fromarray(A8[3]), "JPEG", xmp=(XMP_PACKET + padding).encode(encoding))
    picture = read_image(data)
    assert picture.xmp is not None
    assert "Gr\u00fc\u00dfe" in picture.xmp.decode() and b"GPSLatitude" in picture.xmp
    kept = read_image(encode_image(picture, "JPEG", metadata="no-gps")).xmp
    assert "Gr\u00fc\u00dfe" in kept.decode() and b"GPS" not in kept


IPTC_RECORDS = b"\x1c\x02\x78\0\x05hello\x1c\x02\x5a\0\x06Berlin"


@pytest.mark.parametrize("kind", ["B", "I"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_iptc_of_tiff_is_kept_whatever_its_numbers(kind, byteorder):
    """Photoshop and others write the bytes of IPTC as numbers of 32 bits."""
    records = IPTC_RECORDS + b"\0" * (-len(IPTC_RECORDS) % 4)
    count = len(records) if kind == "B" else len(records) // 4
    value = records if kind == "B" else tuple(struct.unpack(f"{byteorder}{count}I", records))
    target = io.BytesIO()
    tifffile.imwrite(
        target, A8[3], photometric="rgb", byteorder=byteorder, metadata=None,
        extratags=[(33723, kind, count, value, True)],
    )  # fmt: skip
    assert read_image(target.getvalue()).iptc == records


def jp2_with(*boxes: bytes) -> bytes:
    data = saved(Image.fromarray(A8[3]), "JPEG2000")
    at = data.index(b"jp2c") - 4
    added = b"".join(struct.pack(">I", len(box) + 8) + b"uuid" + box for box in boxes)
    return data[:at] + added + data[at:]


def test_metadata_of_jpeg_2000_are_kept():
    iptc = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
    xmp = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    block = exif_bytes().removeprefix(exif_block.PREFIX)
    boxes = b"JpgTiffExif->JP2" + block, xmp + XMP_PACKET.encode(), iptc + IPTC_RECORDS
    picture = read_image(jp2_with(*boxes))
    assert read_exif(picture.exif)[271] == "Maker"
    assert picture.xmp == XMP_PACKET.encode() and picture.iptc == IPTC_RECORDS
    damaged = read_image(jp2_with(b"JpgTiffExif->JP2" + block[: len(block) // 2], xmp + b"no"))
    assert damaged.xmp is None and damaged.iptc is None


@pytest.mark.parametrize(
    "before", [b"", b"8BIM\x03\xed\0\0\0\0\0\x02ab", b"8BIM\x04\x04\0\0\0\0\0\0"]
)
def test_iptc_that_goes_on_in_the_next_segment_of_a_jpeg_is_kept(before):
    resources = before + iptc_resource(IPTC_RECORDS)
    data = saved(Image.fromarray(A8[3]), "JPEG")
    for cut in (len(resources), len(resources) - 9, len(before) + 5):
        segments = b"".join(
            b"\xff\xed" + struct.pack(">H", len(part) + 16) + b"Photoshop 3.0\0" + part
            for part in (resources[:cut], resources[cut:])
        )
        assert read_image(data[:2] + segments + data[2:]).iptc == IPTC_RECORDS
