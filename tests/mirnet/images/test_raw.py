"""Camera raw files: developed rightly, or refused in words."""

import subprocess
import sys

import numpy as np
import pytest

from mirnet.images.codecs import raw_process
from mirnet.images.decode import read_image, size_of
from tests.support.paths import ROOT
from tests.support.picture_files import dng, rejected

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
