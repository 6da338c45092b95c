"""Pairs of pictures in two folders."""

import pytest

from mirnet.errors import InvalidRequest
from mirnet.images.folder_pairs import pair_folders


@pytest.fixture
def folders(tmp_path):
    """Two folders of empty files; their content is not read."""
    names = {
        "input": ("b.PNG", "a.jpg", "a-2.png", "Thumbs.db", ".c.png"),
        "target": ("b.tif", "a.png", "a-2.png", "more.png"),
    }
    for folder, files in names.items():
        (tmp_path / folder).mkdir()
        for name in files:
            (tmp_path / folder / name).touch()
    return tmp_path / "input", tmp_path / "target"


def test_pictures_pair_by_stem_in_order_of_names(folders):
    found = pair_folders(*folders, may_exceed=True)
    assert [(one.name, other.name) for one, other in found] == [
        ("a-2.png", "a-2.png"),
        ("a.jpg", "a.png"),
        ("b.PNG", "b.tif"),
    ]


def test_further_pictures_have_no_partner_unless_they_may_be_there(folders):
    with pytest.raises(InvalidRequest, match="more is only in .*target: both folders need .*1 has"):
        pair_folders(*folders)
    with pytest.raises(InvalidRequest, match="more is only in .*target: .*input needs"):
        pair_folders(*reversed(folders), may_exceed=True)


def test_what_cannot_be_paired_is_named(folders, tmp_path):
    with pytest.raises(InvalidRequest, match="There is no folder .*none"):
        pair_folders(folders[0], tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidRequest, match="empty holds no pictures"):
        pair_folders(tmp_path / "empty", folders[1])
    (folders[1] / "a.webp").touch()
    with pytest.raises(InvalidRequest, match="target holds a.png and a.webp: keep one"):
        pair_folders(*folders, may_exceed=True)
