"""File names of strangers become safe names and messages."""

import io

import pytest

from mirnet.images.decode import read_image
from mirnet.images.file_names import clean_name
from tests.support.picture_files import (
    WHOLE,
    rejected,
)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("IMG_1234.JPG", "IMG_1234"),
        ("Grüße aus 東京 (2).png", "Grüße aus 東京 (2)"),
        ("C:\\photos\\me.png", "me"),
        ("a/../../etc/passwd.png", "passwd"),
        ("<img src=x onerror=alert(1)>.png", "_img src=x onerror=alert(1)_"),
        ("line\nbreak\x1b[31m.png", "line_break_31m"),
        ("\u202egnp.exe.png", "_gnp.exe"),
        ("-rf.png", "rf"),
        ("....png", "png"),
        ("..", "image"),
        (".hidden", "hidden"),
        ("x" * 300 + ".png", "x" * 80),
        ("", "image"),
    ],
)
def test_names(path, name):
    stream = io.BytesIO(WHOLE["PNG"])
    stream.name = path
    picture = read_image(stream)
    assert picture.name == name
    assert clean_name(name) == name


def test_messages_are_as_clean_as_names():
    stream = io.BytesIO(b"words")
    stream.name = "/home/me/<b>\n\u202e.p<n>g"
    text = rejected(stream, "text file")
    assert not set("<>\n\u202e/") & set(text.split(" is ")[0])
