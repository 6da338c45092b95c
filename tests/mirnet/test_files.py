"""Atomic replacement: whole or not at all, and nothing left behind."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from mirnet.files import replacing, write_file


def test_content_is_replaced(tmp_path):
    path = tmp_path / "a.txt"
    write_file(path, "grün")
    assert path.read_bytes() == "grün".encode()
    write_file(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_content_alone(tmp_path, error):
    path = tmp_path / "a.txt"
    write_file(path, "old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise error
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_is_put_in_place_whole(tmp_path):
    target = tmp_path / "set"
    target.mkdir()
    with replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "a.txt").write_text("a")
        assert not list(target.iterdir())
    assert (target / "a.txt").read_text() == "a" and os.listdir(tmp_path) == ["set"]
    with pytest.raises(OSError), replacing(target) as temporary:  # it is not empty any more
        temporary.mkdir()
    assert (target / "a.txt").read_text() == "a" and os.listdir(tmp_path) == ["set"]


def test_bytes_reach_the_disk_before_the_name(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (steps.append("replace"), replace(*paths)))
    write_file(tmp_path / "a.txt", "x")
    assert steps == ["fsync", "replace"]


def test_writers_at_once_do_not_mix(tmp_path):
    path = tmp_path / "a.txt"
    texts = [str(number) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_file(path, text), texts))
    assert path.read_text() in texts and os.listdir(tmp_path) == ["a.txt"]
