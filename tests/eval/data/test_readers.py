"""Each kind of source on this machine, whole and broken."""

import builtins
import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from eval.data.pairs import BenchmarkUnavailable, pixels_sha256
from eval.data.readers.base import Expected
from eval.data.readers.dnd import DndReader
from eval.data.readers.files import LocalFiles
from eval.data.readers.pairing import safe_id
from eval.data.readers.parquet import ParquetReader
from eval.data.readers.pictures import PicturesReader, ZipReader
from eval.data.readers.sidd import NOISY, TRUTH, SiddReader
from eval.data.readers.tars import TwoTarsReader
from tests.support.pair_files import png, put
from tests.support.paths import ROOT
from tests.support.readers_of_every_kind import (
    ANY,
    KINDS,
    ROWS,
    check,
    every_kind,
    parqueted,
    tarred,
    zipped,
)


@every_kind
def test_local(kind, tmp_path):
    files, make = KINDS[kind]
    reader = make(LocalFiles(put(tmp_path, files)))
    check(reader)
    assert all(item.bytes == 0 for item in reader.items())


def pictures(folder: Path, expected: Expected = ANY) -> PicturesReader:
    return PicturesReader(LocalFiles(folder), expected, "input/*", "target/*")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"input/a.png": b"", "target/b.png": b""}, "input/a.png .* has no target"),
        ({"input/a.png": b"", "target/a.png": b"", "target/b.png": b""}, "b.png .* no degraded"),
        ({"input/a.png": b""}, "no file that fits 'target/"),
        ({"input/a.png": b"", "input/a.PNG": b"", "target/a.png": b""}, "same picture: take one"),
    ],
)
def test_partners_are_checked(files, told, tmp_path):
    with pytest.raises(BenchmarkUnavailable, match=told):
        pictures(put(tmp_path, files)).items()


@pytest.mark.parametrize(
    ("degraded", "target", "told"),
    [
        (b"no picture", png(8, 8), "Pair a: the degraded picture cannot be read"),
        (png(8, 8), png(8, 8)[:60], "Pair a: the target cannot be read"),
        (png(8, 8), png(8, 9), "Pair a: the target has 9 x 8 pixels where 8 x 8"),
    ],
)
def test_a_wrong_pair_is_named(degraded, target, told, tmp_path):
    reader = pictures(put(tmp_path, {"input/a.png": degraded, "target/a.png": target}))
    with pytest.raises(BenchmarkUnavailable, match=told):
        reader.load(reader.items()[0])


@pytest.mark.parametrize(
    ("shape", "same_size", "wanted"),
    [
        ((24, 18), False, (24, 18)),
        ((26, 20), False, (24, 18)),
        ((27, 18), False, None),
        ((23, 18), False, None),
        ((8, 6), False, None),
        ((8, 6), True, (8, 6)),
        ((24, 18), True, None),
    ],
)
def test_sizes_of_super_resolution(shape, same_size, wanted, tmp_path):
    put(tmp_path, {"input/a.png": png(8, 6), "target/a.png": png(*shape, 1)})
    reader = pictures(tmp_path, Expected("Test", scale=3, same_size=same_size))
    item = reader.items()[0]
    if wanted is None:
        with pytest.raises(BenchmarkUnavailable, match="not a pair, or the scale"):
            reader.load(item)
    else:
        pixels = reader.load(item).target.pixels
        assert pixels.shape[:2] == wanted
        whole = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
        assert np.array_equal(pixels, whole[: wanted[0], : wanted[1]])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{", "is no JSON"),
        (b"[]", "no JSON object"),
        (b'{"low_file_name": "a.png"}', "has no high_file_name"),
        (b'{"low_file_name": "a.png", "high_file_name": "../../etc/passwd"}', "is not there"),
    ],
)
def test_metadata_is_not_trusted(line, told, tmp_path):
    put(tmp_path, {"a.png": png(8, 8), "metadata.jsonl": line})
    with pytest.raises(BenchmarkUnavailable, match=told):
        PicturesReader(LocalFiles(tmp_path), ANY, "low", "high").items()


def test_archives_are_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr("eval.data.readers.pictures.MAX_PICTURE_BYTES", 10_000)
    monkeypatch.setattr("eval.data.readers.tars.MAX_PICTURE_BYTES", 10_000)
    bomb = {"low/a.png": bytes(50_000), "high/a.png": bytes(50_000)}
    put(tmp_path, {"bomb.zip": zipped(bomb), "bomb.tar.gz": tarred(bomb), "junk": b"junk" * 100})
    put(
        tmp_path,
        {
            "cut.tar.gz": tarred({"a.png": png(50, 50)})[:-40],
            "gz.tar.gz": gzip.compress(b"x" * 600),
        },
    )
    newer = bytearray(zipped(bomb))
    newer[newer.index(b"PK\x01\x02") + 6] = 90  # says that it needs version 9.0 of the format
    put(tmp_path, {"newer.zip": bytes(newer)})
    files = LocalFiles(tmp_path)
    bombed = ZipReader(files, ANY, "bomb.zip", "low/*", "high/*")
    with pytest.raises(BenchmarkUnavailable, match="unpacks to"):
        bombed.load(bombed.items()[0])
    with pytest.raises(BenchmarkUnavailable, match="no zip archive"):
        ZipReader(files, ANY, "junk", "low/*", "high/*").items()
    with pytest.raises(BenchmarkUnavailable, match="newer kind .*9.0.*: unpack it by hand"):
        ZipReader(files, ANY, "newer.zip", "low/*", "high/*").items()
    with pytest.raises(BenchmarkUnavailable, match="limit of 0 MB for a picture"):
        TwoTarsReader(files, ANY, "bomb.tar.gz", "bomb.tar.gz").items()
    for name in ("junk", "cut.tar.gz", "gz.tar.gz"):
        with pytest.raises(BenchmarkUnavailable, match="no tar archive, or damaged"):
            TwoTarsReader(files, ANY, name, name).items()


def test_links_in_a_tar_are_left_out(tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        member = tarfile.TarInfo("../../a.png")
        member.size = len(png(8, 8))
        archive.addfile(member, io.BytesIO(png(8, 8)))
    put(tmp_path, {"x.tar": stream.getvalue()})
    items = TwoTarsReader(LocalFiles(tmp_path), ANY, "x.tar", "x.tar").items()
    assert [item.id for item in items] == ["a"]


CARD = """---
configs:
- config_name: sigma15
  data_files:
  - split: test
    path: sigma15/test-*
  - split: train
    path: sigma15/train-*
- config_name: sigma50
  data_files: "sigma50/*.parquet"
---
# Noise
"""
"""A card with two configurations, of which none is the default."""


def test_configurations_of_a_card_are_kept_apart(tmp_path):
    files = {
        "README.md": CARD.encode(),
        "sigma15/test-0.parquet": parqueted(ROWS[:1]),
        "sigma15/train-0.parquet": parqueted(ROWS[:2]),
        "sigma50/a.parquet": parqueted(ROWS),
    }
    put(tmp_path, files)

    def pairs(config: str | None, split: str | None = None) -> int:
        reader = ParquetReader(LocalFiles(tmp_path), ANY, "low", "high", None, config, split)
        return len(reader.items())

    assert (pairs("sigma15"), pairs("sigma15", "train"), pairs("sigma50")) == (1, 2, 3)
    with pytest.raises(BenchmarkUnavailable, match="configurations sigma15, sigma50: choose one"):
        pairs(None)
    with pytest.raises(BenchmarkUnavailable, match="splits test, train: name one"):
        pairs("sigma15", "dev")
    default = CARD.replace('.parquet"', '.parquet"\n  default: true')
    put(tmp_path, {"README.md": default.encode()})
    assert pairs(None) == 3


def test_a_card_without_configurations_leaves_the_files_as_they_are(tmp_path):
    put(tmp_path, {"README.md": b"# No front matter", "data/test-0.parquet": parqueted(ROWS)})
    assert len(ParquetReader(LocalFiles(tmp_path), ANY, "low", "high").items()) == len(ROWS)
    put(tmp_path, {"README.md": b"---\nconfigs: 3\n---\n"})
    with pytest.raises(BenchmarkUnavailable, match="does not say which files"):
        ParquetReader(LocalFiles(tmp_path), ANY, "low", "high").items()


def test_parquet_columns_are_checked(tmp_path):
    rows = [{"low": {"bytes": None, "path": "a.png"}, "high": {"bytes": png(8, 8), "path": "a"}}]
    put(tmp_path, {"a.parquet": parqueted(rows), "junk.parquet": b"PAR1 junk PAR1"})
    files = LocalFiles(tmp_path)
    with pytest.raises(BenchmarkUnavailable, match="no column 'dark'.*low, high"):
        ParquetReader(files, ANY, "dark", "high", "a.parquet").items()
    with pytest.raises(BenchmarkUnavailable, match="no Parquet file of images"):
        ParquetReader(files, ANY, "low", "high", split="junk").items()
    reader = ParquetReader(files, ANY, "low", "high", "a.parquet")
    with pytest.raises(BenchmarkUnavailable, match="no picture in column 'low'"):
        reader.load(reader.items()[0])


def test_names():
    assert safe_id(["../a b", "c/d"]) == "a-b-c-d"
    assert safe_id(["...", ""]) == "pair"


@pytest.mark.parametrize(
    ("degraded", "target", "files", "wanted"),
    [
        ("noisy/*.png", "clean/*.png", ("noisy/1.PNG", "clean/1.PNG"), ["1"]),
        ("./noisy/*.png", "./clean/*.png", ("noisy/1.png", "clean/1.png"), ["1"]),
        (r"noisy\*.png", r"clean\*.png", ("noisy/1.png", "clean/1.png"), ["1"]),
        ("n/p?.png", "c/p?.png", ("n/p1.png", "n/p2.png", "c/p1.png", "c/p2.png"), ["1", "2"]),
        ("n/*.[pP][nN]g", "c/*.png", ("n/a.Png", "c/a.png"), ["a"]),
        ("n/[ab]/*.png", "c/*.png", ("n/a/1.png", "n/b/2.png", "c/1.png", "c/2.png"), ["1", "2"]),
        (
            "n/a[0-9].png",
            "c/a[0-9].png",
            ("n/a1.png", "n/a2.png", "c/a1.png", "c/a2.png"),
            ["1", "2"],
        ),
        ("n/[aA]*.png", "c/a*.png", ("n/A1.png", "n/a2.png", "c/a1.png", "c/a2.png"), ["1", "2"]),
        ("n/[ab].png", "c/*.png", ("n/a.png", "n/b.png", "c/a.png", "c/b.png"), ["a", "b"]),
        ("n/*", "c/*", ("n/1.png", "c/1.jpg"), ["1"]),
        ("n/*.*", "c/*.*", ("n/1.jfif", "c/1.jfif"), ["1"]),
    ],
)
def test_patterns_as_people_write_them(degraded, target, files, wanted, tmp_path):
    put(tmp_path, dict.fromkeys(files, b""))
    reader = PicturesReader(LocalFiles(tmp_path), ANY, degraded, target)
    assert [item.id for item in reader.items()] == wanted


@pytest.mark.parametrize(
    "names", [("照片", "图片", "風景"), ("é", "e\u0301x"), ("☺", "☹"), ("a b", "a-b")]
)
def test_names_of_any_script_are_told_apart(names, tmp_path):
    put(tmp_path, {f"{half}/{name}.png": b"" for half in ("input", "target") for name in names})
    ids = [item.id for item in pictures(tmp_path).items()]
    assert len(set(ids)) == len(names) and not any("/" in one or not one for one in ids)


def test_what_is_no_picture_is_left_out_and_counted(tmp_path):
    junk = ("input/Thumbs.db", "target/desktop.ini", "input/notes.txt")
    hidden = ("input/._a.png", "target/.DS_Store", ".elsewhere")
    put(tmp_path, dict.fromkeys(("input/a.png", "target/a.png", *hidden, *junk), b""))
    reader = PicturesReader(LocalFiles(tmp_path), ANY, "input/*", "target/*")
    assert [item.id for item in reader.items()] == ["a"]
    assert reader.left_out == sorted([*junk, "input/._a.png", "target/.DS_Store"])
    assert "input/._a.png" not in reader.files.names()  # nor does it change the revision


def test_several_degraded_pictures_share_a_target(tmp_path):
    put(tmp_path, dict.fromkeys(("low/1_a.png", "low/1_b.png", "low/2_a.png"), b""))
    put(tmp_path, dict.fromkeys(("high/1.png", "high/2.png"), b""))
    items = PicturesReader(LocalFiles(tmp_path), ANY, "low/*_*.png", "high/*.png").items()
    assert [(item.id, item.locator[1]) for item in items] == [
        ("1-a", "high/1.png"), ("1-b", "high/1.png"), ("2-a", "high/2.png")
    ]  # fmt: skip
    put(tmp_path, dict.fromkeys(("both/1_2.png", "both/2_1.png"), b""))
    with pytest.raises(BenchmarkUnavailable, match="do not say which pictures"):
        PicturesReader(LocalFiles(tmp_path), ANY, "both/*_*.png", "high/*.png").items()


def test_a_table_in_csv_names_pairs(tmp_path):
    put(tmp_path, {f"{half}{i}.png": png(8, 8, i) for i in (1, 2) for half in "nt"})
    lines = (
        "\ufeffdegraded_file_name,target_file_name,camera",
        "n1.png,./t1.png,X",
        "n2.png,t2.png,",
    )
    put(tmp_path, {"metadata.csv": "\r\n".join(lines).encode()})
    reader = PicturesReader(LocalFiles(tmp_path), ANY, "degraded", "target")
    assert [reader.load(item).id for item in reader.items()] == ["n1", "n2"]
    put(tmp_path, {"metadata.csv": b'degraded_file_name,target_file_name\nn1.png,"t1'})
    with pytest.raises(BenchmarkUnavailable, match="is no CSV in UTF-8"):
        PicturesReader(LocalFiles(tmp_path), ANY, "degraded", "target").items()


def test_pairs_come_in_natural_order(tmp_path):
    names = ("9", "10", "a2", "a10", "b")
    put(tmp_path, {f"{half}/{n}.png": b"" for half in ("input", "target") for n in reversed(names)})
    assert tuple(item.id for item in pictures(tmp_path).items()) == names


# ---------------------------------------------------------------- MATLAB files


def sidd_files(folder: Path, shape: tuple[int, ...] = (3, 2, 16, 16, 3)) -> np.ndarray:
    from scipy.io import savemat

    blocks = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    savemat(folder / f"{NOISY}.mat", {NOISY: blocks})
    savemat(folder / f"{TRUTH}.mat", {TRUTH: 255 - blocks})
    return blocks


def test_sidd_blocks(tmp_path):
    blocks = sidd_files(tmp_path)
    reader = SiddReader(LocalFiles(tmp_path), Expected("SIDD", pairs=6))
    items = reader.items()
    assert [item.id for item in items][:3] == ["0001-01", "0001-02", "0002-01"]
    pair = reader.load(items[2])
    assert np.array_equal(pair.degraded.pixels, blocks[1, 0])
    assert np.array_equal(pair.target.pixels, 255 - blocks[1, 0])
    assert pair.degraded_sha256 == pixels_sha256(blocks[1, 0])


def test_sidd_files_are_checked(tmp_path):
    reader = SiddReader(LocalFiles(tmp_path), ANY)
    with pytest.raises(BenchmarkUnavailable, match=f"has no {NOISY}.mat"):
        reader.items()
    sidd_files(tmp_path, (3, 16, 16, 3))
    with pytest.raises(BenchmarkUnavailable, match="3 x 16 x 16 x 3 uint8 where"):
        SiddReader(LocalFiles(tmp_path), ANY).items()
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(512)
    (tmp_path / f"{NOISY}.mat").write_bytes(head)
    with pytest.raises(BenchmarkUnavailable, match="is a MATLAB 7.3 file: save it .* '-v7'"):
        SiddReader(LocalFiles(tmp_path), ANY).items()
    (tmp_path / f"{NOISY}.mat").write_bytes(b"no MATLAB file")
    with pytest.raises(BenchmarkUnavailable, match="no MATLAB 5 file"):
        SiddReader(LocalFiles(tmp_path), ANY).items()


def test_dnd_boxes(tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "images_srgb").mkdir()
    values = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    boxes = np.array([[1, 2, 8, 9], [5, 11, 12, 30]], np.float64)  # top left bottom right, from 1
    with h5py.File(tmp_path / "info.mat", "w") as file:
        box = file.create_dataset("#refs#/a", data=boxes.T)
        references = file.create_dataset("info/boundingboxes", (1, 1), dtype=h5py.ref_dtype)
        references[0, 0] = box.ref
    with h5py.File(tmp_path / "images_srgb/0001.mat", "w") as file:
        file.create_dataset("InoisySRGB", data=values.T)
    reader = DndReader(LocalFiles(tmp_path), Expected("DND", pairs=2))
    items = reader.items()
    assert [item.id for item in items] == ["0001-01", "0001-02"]
    pair = reader.load(items[1])
    assert pair.target is None and pair.target_sha256 is None
    assert np.array_equal(pair.degraded.pixels, values[4:12, 10:30])
    (tmp_path / "info.mat").write_bytes(b"junk")
    with pytest.raises(BenchmarkUnavailable, match="not laid out as DND"):
        DndReader(LocalFiles(tmp_path), ANY).items()


def test_dnd_without_h5py_is_told(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name: str, *rest, **named):
        if name == "h5py":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BenchmarkUnavailable, match="pip install h5py"):
        DndReader(LocalFiles(tmp_path), ANY).items()


SHARED = ROOT.parent / "shared/data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the pictures are not here")
def test_official_pairs_that_are_here():
    folder = SHARED / "lowlight/LoL/eval15_first7"
    reader = pictures(folder, Expected("LoL", pairs=7))
    assert [item.id for item in reader.items()] == ["1", "22", "23", "55", "79", "111", "146"]
    assert reader.load(reader.items()[0]).target.pixels.shape == (400, 600, 3)
    enlarged = pictures(SHARED / "sr_bicubic/Set5_x3/test", Expected("Set5", scale=3, pairs=5))
    for item in enlarged.items():
        pair = enlarged.load(item)
        assert pair.target.height == 3 * pair.degraded.height
