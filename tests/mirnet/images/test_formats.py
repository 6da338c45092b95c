"""The table of formats, and recognition by content."""

import doctest
import re
from importlib import import_module
from pathlib import Path

from mirnet.images import formats, names, picture
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
)


def test_identify_needs_no_decoder():
    assert identify(WHOLE["AVIF"][:64]) == "AVIF"
    assert identify(WHOLE["HEIC"][:64]) == "HEIC"
    assert identify(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif") == "AVIF"
    assert identify(b"") == ""


def test_every_format_has_its_codec():
    for known in FORMATS.values():
        codec = import_module(f"mirnet.images.codecs.{known.codec}")
        assert callable(codec.read)
        assert known.writable == hasattr(codec, "write")
    codecs = {p.stem for p in Path(codec.__file__).parent.glob("*.py")}
    assert codecs - {"__init__", "pillow", "raw_process"} == {f.codec for f in FORMATS.values()}


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
    assert doctest.testmod(names).failed == 0
    assert doctest.testmod(picture).failed == 0
