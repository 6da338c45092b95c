"""Somebody's own code and installed packages as methods."""

import hashlib
import sys
from importlib import metadata

import numpy as np
import pytest

from eval.methods import custom
from eval.methods.registry import get_method, list_methods, resolve
from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture

CODE = """
import numpy as np

def half(pixels, size):
    assert pixels.dtype == np.float32 and pixels.max() <= 1
    pixels *= 0.5
    return pixels

def wrong_shape(pixels, size):
    return pixels[:-1]

def wrong_scale(pixels, size):
    return pixels * 255

def wrong_type(pixels, size):
    return (pixels * 255).astype(np.int64)

def not_a_number(pixels, size):
    return pixels * np.nan

def overshoots(pixels, size):
    return pixels.astype(np.float64) + 0.5

def nothing(pixels, size):
    return None

def fails(pixels, size):
    raise KeyError("oh no")

number = 3
"""


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    (tmp_path / "own_methods.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "own_methods.py"
    sys.modules.pop("own_methods", None)


def white(side=8):
    return Picture(np.full((side, side, 3), 255, np.uint8))


def test_a_function_is_a_method_where_code_is_allowed(own_code):
    method = get_method("own_methods:half", "denoise", allow_code=True)
    picture = white()
    assert (method.load()(picture, (8, 8)).pixels == 0.5).all()
    assert (picture.pixels == 255).all()
    assert (method.info.kind, method.info.id) == ("custom", "own_methods:half")
    expected = hashlib.sha256(own_code.read_bytes()).hexdigest()
    assert method.info.settings == {"source_sha256": expected}


def test_code_is_refused_unless_it_is_allowed(own_code):
    with pytest.raises(InvalidRequest, match="for the command line only"):
        get_method("own_methods:half", "denoise")
    assert "own_methods" not in sys.modules


def test_code_that_changed_since_a_run_is_refused(own_code):
    method = get_method("own_methods:half", "denoise", allow_code=True)
    own_code.write_text(CODE.replace("0.5", "0.25"))
    with pytest.raises(InvalidRequest, match="has changed since"):
        get_method("own_methods:half", "denoise", method.info.settings, allow_code=True)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("wrong_shape", "returned an array of shape (7, 8, 3) where (8, 8, 3) is needed"),
        ("wrong_scale", "returned values from 255 to 255: floats must be in [0, 1]"),
        ("wrong_type", "returned int64 values"),
        ("not_a_number", "returned values from nan to nan"),
        ("nothing", "returned an array of shape ()"),
        ("fails", "own_methods:fails failed with KeyError: 'oh no'"),
    ],
)
def test_results_that_are_no_picture_are_refused(own_code, function, words):
    method = get_method(f"own_methods:{function}", "denoise", allow_code=True)
    with pytest.raises(InvalidRequest) as refused:
        method.load()(white(), (8, 8))
    assert words in str(refused.value)


def test_a_small_overshoot_is_clipped(own_code):
    method = get_method("own_methods:overshoots", "denoise", allow_code=True)
    made = method.load()(white(), (8, 8)).pixels
    assert made.dtype == np.float32
    assert (made == 1).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("own_methods:missing", "AttributeError"),
        ("no_such_module:half", "ModuleNotFoundError"),
        ("own_methods:number", "own_methods:number is a int, not a function"),
    ],
)
def test_code_that_is_not_there_is_named(own_code, name, words):
    with pytest.raises(InvalidRequest) as refused:
        get_method(name, "denoise", allow_code=True)
    assert words in str(refused.value)


def test_installed_packages_can_offer_methods(own_code, monkeypatch, caplog):
    points = [
        metadata.EntryPoint("theirs", "own_methods:half", custom.ENTRY_POINTS),
        metadata.EntryPoint("clahe", "own_methods:half", custom.ENTRY_POINTS),
    ]
    monkeypatch.setattr(custom.metadata, "entry_points", lambda group: points)
    rows = [row for row in list_methods("lowlight") if row.kind == "custom"]
    assert [(row.id, row.available) for row in rows] == [("theirs", True)]
    assert "clahe" in caplog.text
    assert "theirs" in resolve(["all"], "lowlight")
    method = get_method("theirs", "lowlight")
    assert (method.load()(white(), (8, 8)).pixels == 0.5).all()
    assert (method.info.id, method.info.kind) == ("theirs", "custom")
    assert get_method("clahe", "lowlight").info.kind == "baseline"
