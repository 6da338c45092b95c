"""Data sets of one's own that would be read twice, without end or as other than they are."""

import errno
import io
import os
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eval.data.bit_depth import TARGET_BITS, too_few_bits
from eval.data.pairs import BenchmarkUnavailable, PairUnusable
from eval.data.readers import files as files_module
from eval.data.readers.files import LocalFiles, read_file
from tests.support.own_sources import ONE, PATTERNS, halves, pairs, reader
from tests.support.pair_files import put

UUIDS = ("aaaaaaaa-beef-cafe-face-000000000001", "bbbbbbbb-dead-4bad-8bad-000000000002")


# ---------------------------------------------------------------- links, pipes and devices


def test_links_to_devices_and_pipes_are_no_files(tmp_path):
    folder = halves(tmp_path / "set", "a.png")
    os.mkfifo(tmp_path / "pipe")
    for half in ("noisy", "clean"):
        os.symlink("/dev/zero", folder / half / "zero.png")
        os.symlink(tmp_path / "pipe", folder / half / "pipe.png")
    os.symlink("/dev/zero", folder / "metadata.csv")
    assert list(LocalFiles(folder).names()) == ["clean/a.png", "noisy/a.png"]
    assert pairs(folder, *PATTERNS) == ["a"]


def test_a_file_that_has_become_a_pipe_is_not_waited_for(tmp_path):
    files = LocalFiles(put(tmp_path, {"a.png": ONE}))
    files.names()
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    told = []

    def read():
        with pytest.raises(PairUnusable, match="a.png cannot be read .it is no ordinary file"):
            read_file(files, "a.png")
        told.append(True)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(10)
    assert told


def test_a_folder_beside_a_link_to_it_is_counted_once(tmp_path):
    halves(tmp_path / "v1", "a.png")
    os.symlink("v1", tmp_path / "current")
    assert pairs(tmp_path, "**/noisy/*.png", "**/clean/*.png") == ["v1--a"]
    assert pairs(tmp_path, "*/noisy/*.png", "*/clean/*.png") == ["v1-a"]
    assert pairs(tmp_path, "current/noisy/*.png", "current/clean/*.png") == ["a"]
    table = b"degraded,target\nnoisy/a.png,clean/a.png\n"
    put(tmp_path, {"v1/metadata.csv": table})
    assert pairs(tmp_path) == ["noisy-a"]


def test_targets_linked_into_several_folders_stay_targets_of_each(tmp_path):
    put(tmp_path, {f"{name}.png": ONE for name in ("clean/a", "s15/in/a", "s50/in/a")})
    for level in ("s15", "s50"):
        os.symlink("../clean", tmp_path / level / "gt")
    assert pairs(tmp_path, "*/in/*.png", "*/gt/*.png") == ["s15-a", "s50-a"]


def test_layers_of_links_end(tmp_path, monkeypatch):
    monkeypatch.setattr(files_module, "MAX_PATHS_OF_A_FOLDER", 20)
    for layer in range(40):  # 2 ** 40 paths
        (tmp_path / f"l{layer}").mkdir()
        for name in ("a", "b"):
            os.symlink(f"../l{layer + 1}", tmp_path / f"l{layer}" / name)
    halves(tmp_path / "l40", "a.png")
    with pytest.raises(BenchmarkUnavailable, match="on more than 20 paths: take links out"):
        pairs(tmp_path, *PATTERNS)


# ---------------------------------------------------------------- splits and configurations


def write_shard(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".parquet":
        columns = {"degraded": [ONE], "target": [ONE], "name": [path.stem]}
        pq.write_table(pa.table(columns), path)
        return
    with tarfile.open(path, "w") as tar:
        for column in ("degraded", "target"):
            info = tarfile.TarInfo(f"{path.stem}.{column}.png")
            info.size = len(ONE)
            tar.addfile(info, io.BytesIO(ONE))


@pytest.mark.parametrize("kind", ["parquet", "tar"])
@pytest.mark.parametrize(
    "one, two, told, named",
    [
        ("test/a", "eval/b", "files of 'eval' and of 'test'", {"split": "eval"}),
        ("test/0", "evaluation/0", "files of 'evaluation' and of", {"split": "evaluation"}),
        ("test-s15/0", "test-s50/0", "configurations test-s15, test-s50", {"config": "test-s50"}),
        ("indoor-test", "outdoor-test", "different sets: name one", {"split": "outdoor-test"}),
        ("test/Set5", "test/Set14", "different sets: name one", {"split": "Set14"}),
        ("sigma15", "sigma50", "different sets: name one", {"split": "sigma50"}),
    ],
)
def test_different_sets_are_never_run_together(kind, one, two, told, named, tmp_path):
    for name in (one, two):
        write_shard(tmp_path / f"{name}.{kind}")
    with pytest.raises(BenchmarkUnavailable, match=told):
        pairs(tmp_path)
    assert pairs(tmp_path, **named) == [two.rpartition("/")[2]]


@pytest.mark.parametrize("kind", ["parquet", "tar"])
@pytest.mark.parametrize(
    "names",
    [
        ("data/test-00000-of-00002", "data/test-00001-of-00002"),
        ("test/0000", "test/0001"),
        ("test1", "test2"),
        (f"part-00000-{UUIDS[0]}-c000", f"part-00001-{UUIDS[1]}-c000"),
        ("0f3a5c2e9b7d", "9b7d11aa0f3a"),
        ("indoor-test-0", "indoor-test-1"),
    ],
)
def test_shards_of_one_set_are_run_together(kind, names, tmp_path):
    for name in names:
        write_shard(tmp_path / f"{name}.{kind}")
    assert len(pairs(tmp_path)) == 2


# ---------------------------------------------------------------- names, files and depth


@pytest.mark.parametrize("named", [("lq", "gt"), ("degraded", "gt"), ("lq", "target")])
def test_usual_folders_do_not_stand_for_others_that_were_named(named, tmp_path):
    folder = halves(tmp_path / "set", "a.png", low="input", high="target")
    with pytest.raises(BenchmarkUnavailable, match=f"no folders '{named[0]}' and '{named[1]}'"):
        pairs(folder, *named)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for half in ("input", "target"):
            archive.writestr(f"{half}/a.png", ONE)
    assert pairs(tmp_path / "set.zip") == ["a"]
    with pytest.raises(BenchmarkUnavailable, match="no file that fits"):
        pairs(tmp_path / "set.zip", *named)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_is_no_damaged_picture(number, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for half in ("noisy", "clean"):
            archive.writestr(f"{half}/a.png", ONE)
    halves(tmp_path / "set", "a.png")
    opened = [reader(tmp_path / name, *PATTERNS) for name in ("set.zip", "set")]
    items = [each.items()[0] for each in opened]
    monkeypatch.setattr(zipfile.ZipFile, "read", fail)
    monkeypatch.setattr(Path, "read_bytes", fail)
    for each, item in zip(opened, items, strict=True):
        with pytest.raises(BenchmarkUnavailable, match=os.strerror(number)) as told:
            each.load(item)
        assert not isinstance(told.value, PairUnusable)


def test_a_linked_file_is_the_data_set_and_a_missing_one_is_not_its_folder(tmp_path):
    write_shard(tmp_path / "store/0a1b.parquet")
    write_shard(tmp_path / "store/other.parquet")
    os.symlink("store/0a1b.parquet", tmp_path / "link.parquet")
    assert pairs(tmp_path / "link.parquet") == ["0a1b"]
    write_shard(tmp_path / "here.parquet")
    opened = reader(tmp_path / "here.parquet")
    (tmp_path / "here.parquet").rename(tmp_path / "there.parquet")
    assert LocalFiles(tmp_path, "here.parquet").names() == {}
    with pytest.raises(BenchmarkUnavailable, match=r"no Parquet file here\.parquet"):
        opened.items()


def test_a_parquet_file_is_taken_by_its_very_name(tmp_path):
    for name in ("set [1].parquet", "set 1.parquet", "b/x.PARQUET"):
        write_shard(tmp_path / name)
    assert pairs(tmp_path / "set [1].parquet") == ["set-1"]
    assert reader(tmp_path / "set [1].parquet").items()[0].locator.file == "set [1].parquet"
    assert pairs(tmp_path / "b/x.PARQUET") == pairs(tmp_path / "b") == ["x"]


@pytest.mark.parametrize(
    "values, told",
    [
        ([4000] * 300, ""),  # night, or raw
        ([1023] * 9 + [5] * 291, ""),
        ([1023] * 10 + [5] * 290, "as if 10 bits"),
        ([4095] * 300, "as if 12 bits"),
        ([200] * 300, "as if 8 bits"),
    ],
)
def test_a_dark_target_of_16_bits_is_no_picture_of_fewer(values, told):
    pixels = np.array(values, np.uint16).reshape(10, 10, 3)
    found = too_few_bits(pixels, TARGET_BITS)
    assert told in found and bool(found) == bool(told)


def test_braces_of_both_patterns_stand_for_the_same_text(tmp_path):
    named = ("{day,night}/in/*.{png,jpg}", "{day,night}/gt/*.{png,jpg}")
    folder = put(tmp_path, {"day/in/1.jpg": ONE, "day/gt/1.png": ONE})
    assert pairs(folder, *named) == ["day-1"]
    put(folder, {"night/in/1.png": ONE, "night/gt/1.png": ONE})
    assert pairs(folder, *named) == ["day-1", "night-1"]
    (folder / "day/gt/1.png").unlink()
    (folder / "night/in/1.png").unlink()
    with pytest.raises(BenchmarkUnavailable, match=r"day/in/1\.jpg in .* has no target"):
        pairs(folder, *named)
