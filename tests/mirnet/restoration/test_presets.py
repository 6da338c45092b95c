"""Presets: what page and command line share, and what is said of a wrong one."""

import doctest

import pytest

from mirnet.errors import InvalidRequest
from mirnet.restoration import presets
from mirnet.restoration.presets import Preset, read_preset


def test_a_preset_comes_back_as_it_was(tmp_path):
    assert doctest.testmod(presets).failed == 0
    preset = Preset(task="denoise", weights="denoise-compact", strength=0.8, luma=0.5, detail=0.25,
                    format="jpg", quality=90, metadata="no-gps", provenance=True)  # fmt: skip
    path = tmp_path / "mine.toml"
    path.write_text(preset.toml(), encoding="utf-8")
    assert read_preset(path) == preset
    two = Preset(task="denoise", then="sr-x2", then_weights="sr-x2-photo", luma=0.5)
    path.write_text(two.toml(), encoding="utf-8")
    assert read_preset(path) == two and two.tasks == ("denoise", "sr-x2")
    path.write_bytes(b'\xef\xbb\xbf# by hand\r\ntask = "sr-x2"\r\nstrength = 1\r\n')
    assert read_preset(path) == Preset(task="sr-x2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task = 'denoise'\nstrenght = 0.5", "has a key 'strenght' that there is not: use task, "),
        ("strength = 0.5", "does not say its task"),
        ("task = 'fly'", "no task 'fly'"),
        ("task = 'denoise'\nluma = 1.5", "wrong value of luma: input should be less than or equal"),
        ("task = 'denoise'\nquality = 0", "wrong value of quality"),
        ("task = 'denoise'\nformat = 'gif'", "no format 'gif'"),
        ("task = 'denoise'\nmetadata = 'some'", "metadata is none of all, no-gps, none"),
        ("task = 'sr-x2'\ndetail = 0.5", "which sr-x2 does not remove"),
        ("task = 'denoise'\nthen = 'sr-x2'\ndetail = 0.5", "which sr-x2 does not remove"),
        ("task = 'denoise'\nthen = 'fly'", "no task 'fly'"),
        ("task = 'denoise'\nthen_weights = 'sr-x2-photo'", "no task in then"),
        ("task: denoise", "is no TOML file: a line of it is written like"),
        ("x" * 30_000, "is no TOML file"),
        ("a = " + "[" * 15_000, "is no TOML file"),
    ],
)
def test_a_wrong_preset_is_refused_in_a_sentence(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match=words) as found:
        read_preset(path)
    assert str(found.value).startswith("The preset mine.toml ") and "\n" not in str(found.value)


def test_a_missing_preset_is_named(tmp_path):
    with pytest.raises(InvalidRequest, match=r"preset gone.toml cannot be read \(No such file"):
        read_preset(tmp_path / "gone.toml")
