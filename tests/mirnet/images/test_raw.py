"""Camera raw files: developed rightly, or refused in words."""

import io
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from mirnet.images import exif as exif_block
from mirnet.images.codecs import raw_process
from mirnet.images.decode import read_image, size_of
from tests.support.paths import ROOT
from tests.support.picture_files import dng, exif_bytes, read_exif, rejected

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


def test_a_crash_or_a_hang_of_libraw_is_a_refusal(monkeypatch):
    data = dng(np.zeros((64, 96), np.uint16))
    run = subprocess.run

    def crash(command, **options):
        return run([sys.executable, "-c", "import os; os.abort()"], **options)

    monkeypatch.setattr(subprocess, "run", crash)
    rejected(data, "raw", "LibRaw")

    def hang(command, **options):
        return run(
            [sys.executable, "-c", "import time; time.sleep(60)"], **{**options, "timeout": 0.2}
        )

    monkeypatch.setattr(subprocess, "run", hang)
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
    monkeypatch.setattr(subprocess, "run", lambda command, **options: seen.update(options))
    with pytest.raises(AttributeError):
        raw_process.develop_apart(b"", 1)
    assert "HF_TOKEN" not in seen["env"]
    monkeypatch.undo()
    code = (
        "import resource; from mirnet.images.codecs.raw_process import _limit; _limit(10**6)\n"
        "names = resource.RLIMIT_AS, resource.RLIMIT_FSIZE\n"
        "print(*(resource.getrlimit(name)[0] for name in names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    memory, files = map(int, done.stdout.split())
    assert memory == raw_process.MAX_BYTES + raw_process.BYTES_PER_PIXEL * 10**6 and files == 0
