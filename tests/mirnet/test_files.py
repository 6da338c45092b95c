"""Files shared by processes: replaced whole, appended to line by line, locked; the cache folder."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from mirnet.files import PathLock, append_line, cache_folder, replacing, write_file


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


def test_the_cache_folder_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("MIRNET_CACHE", str(tmp_path / "elsewhere"))
    assert cache_folder() == tmp_path / "elsewhere"
    monkeypatch.delenv("MIRNET_CACHE")
    assert cache_folder().name == "mirnet-studio"
    monkeypatch.setenv("MIRNET_CACHE", "~nobody-of-this-name/cache")
    assert str(cache_folder()) == "~nobody-of-this-name/cache"


def test_a_line_is_appended_behind_the_last_complete_one(tmp_path):
    path = tmp_path / "lines"
    for line in (b"one", b"two"):
        append_line(path, line)
    path.write_bytes(path.read_bytes() + b"a killed process wro")
    append_line(path, b"three")
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    path.write_bytes(b"never a whole line")
    append_line(path, b"first")
    assert path.read_bytes() == b"first\n"


def test_a_line_that_does_not_fit_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    append_line(tmp_path / "lines", b"one")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        append_line(tmp_path / "lines", b"two")
    assert (tmp_path / "lines").read_bytes() == b"one\n"


def test_a_lock_is_held_by_one_at_a_time_and_free_afterwards(tmp_path):
    with PathLock(tmp_path / ".lock") as first, PathLock(tmp_path / ".lock") as second:
        assert first.acquired(0) and not second.acquired(0)
    with PathLock(tmp_path / ".lock") as third:
        assert third.acquired(0)
