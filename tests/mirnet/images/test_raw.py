"""Camera raw files: developed rightly, or refused in words."""

import io
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from mirnet.images import exif as exif_block
from mirnet.images.codecs import limited_process, raw, raw_process
from mirnet.images.decode import read_image, size_of
from mirnet.images.encode import encode_image, losses
from mirnet.images.picture import Picture
from tests.support.paths import ROOT
from tests.support.picture_files import dng, exif_bytes, read_exif, rejected, saved

LIGHT = 0.2158605
"""Linear light of the sRGB code 128."""


def test_a_grey_card_comes_out_grey_and_as_bright_as_it_was():
    picture = read_image(dng(np.full((64, 96), round(65535 * LIGHT), np.uint16)))
    assert (picture.source_format, picture.bits, picture.grey) == ("RAW", 16, False)
    assert picture.pixels.shape == (64, 96, 3)
    assert np.abs(picture.pixels / 257 - 128).max() < 0.5
    assert picture.icc_profile is None


def test_colours_are_those_of_the_filter():
    cfa = np.zeros((64, 96), np.uint16)
    cfa[::2, ::2] = 40_000  # red alone
    red = read_image(dng(cfa)).pixels[16:-16, 16:-16].mean(axis=(0, 1))
    assert red[0] > 10 * max(red[1], red[2])


@pytest.mark.parametrize(("orientation", "shape"), [(1, (64, 96)), (6, (96, 64)), (8, (96, 64))])
def test_it_is_turned_upright_once(orientation, shape):
    cfa = np.full((64, 96), 3000, np.uint16)
    cfa[:32] = 30_000  # the upper half is bright
    pixels = read_image(dng(cfa, orientation)).pixels
    assert pixels.shape[:2] == shape
    sides = {
        1: (pixels[:20], pixels[-20:]),
        6: (pixels[:, -20:], pixels[:, :20]),
        8: (pixels[:, :20], pixels[:, -20:]),
    }
    bright, dark = sides[orientation]
    assert bright.mean() > 2 * dark.mean()


def test_shooting_data_of_the_file_are_kept_where_no_preview_has_them():
    """NEF, CR2, ARW and DNG files are TIFF files, whose previews mostly have no EXIF."""
    picture = read_image(with_exif(dng(np.full((64, 96), 9000, np.uint16), 6), exif_bytes()))
    tags = read_exif(picture.exif)
    assert (tags[271], tags[272], tags.get(274, 1)) == ("Maker", "Model 7", 1)
    assert tags.get_ifd(exif_block.EXIF_IFD)[33437] == 2.8
    assert exif_block.iso_of(picture.exif) == 3200


def with_exif(data: bytes, block: bytes) -> bytes:
    """Append EXIF's directory of shooting data, with ISO 3200, to a little-endian TIFF file."""
    entries = dict(read_exif(block).get_ifd(exif_block.EXIF_IFD)) | {exif_block.ISO: 3200}
    return exif_block.append_directories(data, {exif_block.EXIF_IFD: entries})


def with_jpeg_xl(width: int, height: int) -> bytes:
    """A DNG file of 96 x 64 sensor values in JPEG XL, which LibRaw opens, with a grey preview."""
    with tifffile.TiffFile(io.BytesIO(dng(np.full((64, 96), 9000, np.uint16)))) as file:
        tags = [(tag.code, tag.dtype, tag.count, tag.value, True) for tag in file.pages[0].tags]
        sensor = file.asarray()
    of_sensor = (33421, 33422, 50717)  # its filter and its white
    of_file = [tag for tag in tags if tag[0] in (271, 272) or 50706 <= tag[0] != 50717]
    target = io.BytesIO()
    options = {"metadata": None, "software": False}
    with tifffile.TiffWriter(target) as writer:
        preview = np.full((height, width, 3), 128, np.uint8)
        writer.write(preview, photometric="ycbcr", compression="jpeg", subfiletype=1, subifds=1,
                     rowsperstrip=height, extratags=of_file, **options)  # fmt: skip
        writer.write(sensor, photometric=32803, compression="jpegxl_dng", subfiletype=0,
                     extratags=[tag for tag in tags if tag[0] in of_sensor], **options)  # fmt: skip
    return target.getvalue()


def test_the_preview_is_used_and_said_where_libraw_cannot_develop():
    picture = read_image(with_jpeg_xl(80, 48))
    assert (picture.source_format, picture.bits) == ("RAW", 8)
    assert picture.pixels.shape == (48, 80, 3) and np.abs(picture.pixels - 128.0).max() <= 1
    assert picture.notes[0].endswith("its JPEG preview, 80 x 48 of 8 bits, is used.")
    rejected(with_jpeg_xl(32, 24), "LibRaw cannot read", "its preview is small (32 x 24)")


def test_shooting_data_of_a_file_that_is_used_by_its_preview_are_kept():
    picture = read_image(with_exif(with_jpeg_xl(80, 48), exif_bytes()))
    assert picture.pixels.shape == (48, 80, 3)
    assert exif_block.iso_of(picture.exif) == 3200


@pytest.mark.parametrize(("in_preview", "orientation"), [(None, 6), (0, 6), (9, 6), (3, 3)])
def test_the_turn_of_the_file_holds_where_the_preview_states_none(in_preview, orientation):
    tags = Image.Exif()
    tags[271] = "Maker"
    if in_preview is not None:
        tags[274] = in_preview
    data = io.BytesIO()
    Image.new("RGB", (90, 60)).save(data, "JPEG", exif=tags.tobytes())
    preview = data.getvalue()
    cut_off = b"\xff\xe0\0\x06JFIF"
    made = raw_process.Developed(96, 64, None, None, preview[:2] + cut_off + preview[2:], 6)
    raster = raw._preview(made, "a.dng", 10**6)
    assert raster.orientation == orientation and raster.samples.shape == (60, 90, 3)
    assert "its JPEG preview" in raster.notes[0] and "cut off" in raster.notes[1]


@pytest.mark.parametrize("preview", [b"junk", saved(Image.new("RGB", (9, 9)), "JPEG", exif=b"no")])
def test_a_damaged_preview_hides_no_exif_of_the_file(preview):
    data = with_exif(dng(np.full((64, 96), 9000, np.uint16)), exif_bytes())
    found = raw_process._exif(io.BytesIO(data), preview)
    assert exif_block.iso_of(found) == 3200


def test_shooting_data_have_the_types_of_exif():
    told = SimpleNamespace(
        iso_speed=400.0, shutter_speed=float(np.float32(1 / 8000)), aperture=2.8, focal_length=35.0
    )
    block = raw_process._shooting_data(SimpleNamespace(other=told))
    entries = read_exif(block).get_ifd(exif_block.EXIF_IFD)
    assert entries[exif_block.ISO] == 400
    for tag, value in ((33434, (1, 8000)), (33437, (14, 5)), (37386, (35, 1))):
        assert isinstance(entries[tag], TiffImagePlugin.IFDRational)
        assert entries[tag] == Fraction(*value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e30])
def test_shooting_data_that_are_no_numbers_are_left_out(value):
    told = SimpleNamespace(iso_speed=value, shutter_speed=value, aperture=value, focal_length=value)
    assert raw_process._shooting_data(SimpleNamespace(other=told)) is None


def test_no_exif_block_is_cut(monkeypatch, capfdbinary):
    samples = np.zeros((2, 2, 3), np.uint16)
    monkeypatch.setattr(raw_process, "limit_process", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["", "9"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    large = with_note(2 * raw_process.MAX_EXIF_BYTES)
    for block, kept in ((large, True), (b"Exif\0\0" + bytes(2**21), False)):
        made = raw_process.Developed(2, 2, samples, block)
        monkeypatch.setattr(raw_process, "develop", lambda *_, made=made: made)
        assert raw_process.main() == 0
        found = raw_process._parsed(capfdbinary.readouterr().out, 9)
        assert (found.exif is not None) == kept
        if found.exif:
            assert read_exif(found.exif)[271] == "Maker"


def with_note(size: int) -> bytes:
    """The block of `exif_bytes` with a maker note of `size` bytes."""
    tags = read_exif(exif_bytes())
    tags.get_ifd(exif_block.EXIF_IFD)[exif_block.MAKER_NOTE] = bytes(size)
    return tags.tobytes()


def test_a_maker_note_that_jpeg_cannot_hold_goes_before_the_other_exif():
    picture = Picture(np.zeros((8, 8, 3), np.uint8), exif=with_note(70_000))
    tags = read_exif(read_image(encode_image(picture, "JPEG")).exif)
    entries = tags.get_ifd(exif_block.EXIF_IFD)
    assert (tags[271], entries[33437]) == ("Maker", 2.8) and exif_block.MAKER_NOTE not in entries
    assert tags.get_ifd(exif_block.GPS_IFD)[1] == "N"
    assert "the maker note is left out" in losses(picture, "jpg")[0]
    assert losses(picture, "jpg", "none") == losses(picture, "PNG") == ()
    assert losses(replace(picture, exif=with_note(60_000)), "jpg") == ()
    junk = replace(picture, exif=b"Exif\0\0II*\0" + bytes(70_000))
    assert "all EXIF is left out" in losses(junk, "jpg")[0]
    assert read_image(encode_image(junk, "JPEG")).exif is None


def test_the_limit_comes_before_developing():
    data = dng(np.zeros((64, 96), np.uint16))
    rejected(data, "megapixels", max_pixels=64 * 96 - 1)


def test_its_size_is_known_from_the_header(tmp_path):
    path = tmp_path / "photo.dng"
    path.write_bytes(dng(np.zeros((64, 96), np.uint16)))
    assert size_of(path) == (96, 64)


def test_what_libraw_cannot_read_is_refused_in_words():
    data = dng(np.zeros((64, 96), np.uint16))
    rejected(data[:200], "damaged")
    rejected(b"FUJIFILMCCD-RAW" + bytes(100), "raw", "LibRaw")


@pytest.mark.parametrize("share", [0.99, 0.6])
def test_a_file_that_is_cut_off_is_told_so(share):
    data = dng(np.random.default_rng(0).integers(900, 60_000, (96, 128)).astype(np.uint16))
    assert "is cut off: copy it" in rejected(data[: round(share * len(data))])


def test_a_tiff_whose_pixels_look_like_a_raw_file_is_no_raw_file():
    """Pixels may begin at byte 8; Phase One's files have a mark of four letters more there."""
    for level in (73, 77):
        target = io.BytesIO()
        Image.new("L", (40, 30), level).save(target, "TIFF", compression="raw")
        data = target.getvalue()
        start = data[:4] + (8 + 1200).to_bytes(4, "little") + bytes([level]) * 1200
        with Image.open(io.BytesIO(data)) as image:
            offset = image.tag_v2[273][0]
        moved = data.replace(offset.to_bytes(4, "little"), (8).to_bytes(4, "little"))
        directory = moved[8 : moved.index(bytes([level]) * 1200)]
        assert read_image(start + directory).pixels.max() == level


def test_values_that_libraw_left_out_are_told_as_cut_off():
    """LibRaw gives zeros, and no error, for tiles that lie behind the end of a file."""
    assert "is cut off: copy it" in rejected(dng(np.zeros((96, 128), np.uint16)))


@pytest.mark.parametrize(
    ("shape", "black", "rows", "columns", "missing"),
    [
        ((200, 300), 512, 16, 64, True),
        ((200, 300), 512, 15, 300, False),
        ((200, 300), 0, 63, 300, False),
        ((200, 300), 0, 64, 300, True),
        ((200, 300, 4), 512, 63, 300, False),
        ((200, 300, 4), 512, 64, 300, True),
    ],
)
def test_zeros_at_the_end_are_missing_values_where_no_sensor_has_them(
    shape, black, rows, columns, missing
):
    values = np.ones(shape, np.uint16)
    values[-rows:, -columns:] = 0
    assert raw_process._ends_early(values, black) == missing


def test_a_crash_or_a_hang_of_libraw_is_a_refusal(monkeypatch):
    data = dng(np.zeros((64, 96), np.uint16))
    start = subprocess.Popen

    def crash(command, **options):
        return start([sys.executable, "-c", "import os; os.abort()"], **options)

    monkeypatch.setattr(subprocess, "Popen", crash)
    rejected(data, "raw", "LibRaw")

    def hang(command, **options):
        return start([sys.executable, "-c", "import time; time.sleep(60)"], **options)

    monkeypatch.setattr(limited_process, "MAX_SECONDS", 0.04)

    monkeypatch.setattr(subprocess, "Popen", hang)
    rejected(data, "raw", "LibRaw")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]\n",
        b'{"width": 2, "height": 2, "exif_bytes": 0, "shape": [2, 2, 3]}\n12',
        b'{"width": 2, "height": 2, "exif_bytes": 0, "shape": [], "preview_bytes": 9}\n1234',
        b'{"width": 2, "height": 2, "exif_bytes": 0, "shape": [], "preview_bytes": 4, "flip": 9}\n'
        b"1234",
        b'{"width": 2, "height": 2, "exif_bytes": -8, "shape": [2, 2, 3]}\n' + bytes(16),
        b'{"width": 2, "height": 2, "exif_bytes": 0, "shape": [900, 900, 3]}\n' + bytes(4860000),
    ],
)
def test_a_process_that_was_taken_over_gives_no_wrong_picture(answer):
    with pytest.raises(raw_process.Unreadable):
        raw_process._parsed(answer, 10_000)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process")
def test_the_process_has_limits_and_knows_no_secret(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    seen = {}
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: seen.update(options))
    with pytest.raises(AttributeError):
        raw_process.develop_apart(b"", 1)
    assert "HF_TOKEN" not in seen["env"]
    monkeypatch.undo()
    code = (
        "import resource; from mirnet.images.codecs.limited_process import limit_process\n"
        "limit_process(10**6)\n"
        "names = resource.RLIMIT_AS, resource.RLIMIT_FSIZE\n"
        "print(*(resource.getrlimit(name)[0] for name in names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    memory, files = map(int, done.stdout.split())
    most = limited_process.MAX_BYTES + limited_process.BYTES_PER_PIXEL * 10**6
    assert memory == most and files == 0
