"""The table of formats, and recognition by content."""

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

from mirnet.images import file_names, formats, picture
from mirnet.images.formats import (
    FORMATS,
    PICTURE_SUFFIXES,
    SAVE_FORMATS,
    format_of_suffix,
    identify,
    save_format,
)
from tests.support.picture_files import (
    WHOLE,
    rejected,
)


def test_identify_needs_no_decoder():
    assert identify(WHOLE["AVIF"][:64]) == "AVIF"
    assert identify(WHOLE["HEIC"][:64]) == "HEIC"
    assert identify(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif") == "AVIF"
    assert identify(b"") == ""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(5000), "zero bytes"),
        (b"\x89PNG\n\x1a\n\0\0\0\rIHDR", "text mode"),
        (b"\x8aMNG\r\n\x1a\n", "MNG"),
        (b"\0\0\2\0\1\0" + bytes(60), "a cursor"),
        (b"SIMPLE  =                    T".ljust(2880), "FITS"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"RIFF\xff\0\0\0AVI LIST", "a video"),
        (b"RIFF\xff\0\0\0WAVEfmt ", "a sound"),
        (b"\0\0\0\x08wide\0\0\1\0mdat", "a video"),
        (b"\0\0\x12\0moov", "a video"),
        (bytes.fromhex("d0cf11e0a1b11ae1"), "thumbnails of Windows"),
        (bytes.fromhex("4c0000000114020000000000c000000000000046"), "a shortcut of Windows"),
        (b"\x93NUMPY\1\0", "a NumPy array"),
        (b"MATLAB 7 is a program", "a text file"),
        (b"MZ is no program", "a text file"),
        (b"\1\2\3\4", "of no kind that is known"),
    ],
)
def test_files_that_are_not_read_are_named_truly(data, words):
    rejected(data, words)


def test_every_format_has_its_codec():
    for known in FORMATS.values():
        codec = import_module(f"mirnet.images.codecs.{known.codec}")
        assert callable(codec.read)
        assert known.writable == hasattr(codec, "write")
    codecs = {p.stem for p in Path(codec.__file__).parent.glob("*.py")}
    helpers = {"__init__", "boxes", "jpeg_scans", "limited_process", "pillow", "png_chunks"}
    helpers |= {"raw_process", "tiff_colours", "tiff_process", "tiff_segments"}
    assert codecs - helpers == {f.codec for f in FORMATS.values()}


def test_no_suffix_names_two_formats():
    assert len(set(PICTURE_SUFFIXES)) == len(PICTURE_SUFFIXES)
    for suffix in PICTURE_SUFFIXES:
        assert re.fullmatch(r"\.[a-z0-9]+", suffix)
        assert format_of_suffix(suffix.upper()) is format_of_suffix(suffix)
    assert format_of_suffix(".mpo") is FORMATS["JPEG"] and format_of_suffix(".gif") is None


def test_results_have_the_suffixes_of_what_can_be_written():
    assert list(SAVE_FORMATS) == ["PNG", "JPEG", "WebP", "TIFF"]
    assert save_format(".JPE") is save_format("jpeg") is FORMATS["JPEG"]
    assert save_format(".mpo") is save_format("bmp") is save_format("") is None


def test_doctests():
    assert doctest.testmod(formats).failed == 0
    assert doctest.testmod(file_names).failed == 0
    assert doctest.testmod(picture).failed == 0
