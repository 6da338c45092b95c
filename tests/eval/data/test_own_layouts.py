"""Data sets of one's own, laid out and named as people do: their pairs, or what is wrong."""

import io
import os
import tarfile
import unicodedata
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eval.data.pairs import BenchmarkUnavailable, PairUnusable
from eval.data.readers.splits import split_of_name
from tests.support.own_sources import ONE, PATTERNS, halves, pairs, reader
from tests.support.pair_files import png, put

TWO = png(16, 16, 2)
NFC = "caf\u00e9"
NFD = unicodedata.normalize("NFD", NFC)
COLUMNS = ("degraded", "target")


# ---------------------------------------------------------------- names and patterns


@pytest.mark.parametrize(
    "named",
    [
        ("noisy", "clean"),
        ("noisy/", "./clean/"),
        ("noisy/*.*", "clean/*.*"),
        ("noisy/**", "clean/**"),
        ("noisy/*.{png,jpg}", "clean/*.{png,tif}"),
        ("{noisy,other}/*", "clean/*"),
        (" noisy/*.png", "clean/*.png "),
        (".\\noisy\\*", ".\\clean\\*"),
    ],
)
def test_folders_and_patterns_as_people_write_them(named, tmp_path):
    assert pairs(halves(tmp_path, "a.png", "b.png"), *named) == ["a", "b"]


def test_suffixes_of_a_pair_may_differ_under_any_pattern(tmp_path):
    folder = put(tmp_path, {"noisy/a.b.jpg": ONE, "clean/a.b.PNG": ONE})
    for named in (("noisy/*.*", "clean/*.*"), ("noisy/**", "clean/**"), ("noisy", "clean")):
        assert pairs(folder, *named) == ["a.b"]


def test_patterns_may_be_paths_of_this_machine(tmp_path, monkeypatch):
    folder = halves(tmp_path / "data", "a.png")
    assert pairs(folder, f"{folder}/noisy/*.png", f"{folder}/clean") == ["a"]
    monkeypatch.chdir(tmp_path)
    assert pairs("data", "data/noisy/*.png", "data/clean/*.png") == ["a"]
    assert pairs("data", "noisy/*.png", "data/clean/") == ["a"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert pairs("~/data/", "~/data/noisy/*", "~/data/clean/*") == ["a"]
    os.symlink(folder, tmp_path / "link")
    assert pairs("link", "link/noisy/*", "link/clean/*") == ["a"]


def test_folders_with_the_usual_names_need_no_pattern(tmp_path):
    assert pairs(halves(tmp_path / "one", "a.png", low="input", high="target")) == ["a"]
    assert pairs(halves(tmp_path / "two", "a.png", low="degraded", high="target")) == ["a"]


def test_a_pattern_without_a_file_is_answered_with_the_names_there_are(tmp_path):
    folder = halves(tmp_path, "a.png", "b.png")
    told = "no file that fits 'lq/.*': its pictures are called clean/a.png, noisy/a.png and so on"
    with pytest.raises(BenchmarkUnavailable, match=told):
        pairs(folder, "lq/*", "gt/*")
    with pytest.raises(BenchmarkUnavailable, match="it holds no pictures at all"):
        pairs(put(tmp_path / "empty", {"readme.txt": b""}), "lq/*", "gt/*")
    with pytest.raises(BenchmarkUnavailable, match="more than 16 others"):
        pairs(folder, "{a,b}{a,b}{a,b}{a,b}{a,b}/*", "gt/*")


def test_letters_pair_however_unicode_composes_them(tmp_path):
    folder = put(tmp_path, {f"noisy/{NFD}.png": ONE, f"clean/{NFC}.png": ONE})
    assert pairs(folder, *PATTERNS) == [NFC]
    made = put(tmp_path / "set", {f"{NFD}/a.png": ONE, "clean/a.png": ONE})
    assert pairs(made, f"{NFC}/*.png", "clean/*.png") == ["a"]
    assert pairs(made, NFC, "clean") == ["a"]


def test_folders_that_systems_leave_behind_are_no_pictures(tmp_path):
    folder = halves(tmp_path, "a.png")
    put(folder, {"noisy/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg": b"", "clean/#recycle/b.png": b""})
    assert pairs(folder, "noisy/**/*", "clean/**/*") == ["a"]


def test_linked_folders_are_followed_and_loops_are_not(tmp_path):
    folder = halves(tmp_path / "there", "a.png")
    here = tmp_path / "here"
    here.mkdir()
    for half in ("noisy", "clean"):
        os.symlink(folder / half, here / half)
    os.symlink(here, here / "noisy" / "loop")
    os.symlink(here / "noisy", here / "noisy" / "self")
    assert pairs(here, *PATTERNS) == ["a"]
    assert pairs(here, "noisy", "clean") == ["a"]


def test_a_link_to_nothing_is_a_pair_that_cannot_be_read(tmp_path):
    folder = halves(tmp_path, "a.png", "b.png")
    for half in ("noisy", "clean"):
        (folder / half / "b.png").unlink()
        os.symlink(tmp_path / "gone.png", folder / half / "b.png")
    opened = reader(folder, *PATTERNS)
    first, second = opened.items()
    assert opened.load(first).id == "a"
    with pytest.raises(PairUnusable, match=r"b\.png cannot be read"):
        opened.load(second)


# ---------------------------------------------------------------- tables

TABLE = "degraded_file_name,target_file_name,iso\nn1.png,t1.png,100\nn2.png,t2.png,200\n"
FILES = {"n1.png": ONE, "t1.png": ONE, "n2.png": TWO, "t2.png": TWO}


def with_table(folder, text, name="metadata.csv"):
    return put(folder, FILES | {name: text if isinstance(text, bytes) else text.encode()})


@pytest.mark.parametrize(
    "text",
    [
        TABLE.replace(",", ";"),
        TABLE.replace(",", "\t"),
        TABLE.encode("utf-16"),
        TABLE.replace("\n", "\r"),
        TABLE.replace(",", ", "),
        TABLE.replace(".png", ".PNG"),
        TABLE.replace("n1.png", "../{name}/n1.png"),
        TABLE.replace("n1.png", "{folder}/n1.png"),
    ],
)
def test_tables_as_spreadsheets_and_people_write_them(text, tmp_path):
    if isinstance(text, str):
        text = text.replace("{folder}", str(tmp_path / "data")).replace("{name}", "data/../data")
    folder = with_table(tmp_path / "data", text)
    if b"../data" in (folder / "metadata.csv").read_bytes():
        with pytest.raises(BenchmarkUnavailable, match="is not there"):  # outside of the set
            pairs(folder)
        return
    opened = reader(folder)
    assert [item.id for item in opened.items()] == ["n1", "n2"]
    assert [opened.facts_of(item) for item in opened.items()] == [{"iso": 100.0}, {"iso": 200.0}]


def test_a_table_may_be_parquet(tmp_path):
    folder = put(tmp_path, FILES)
    columns = {"degraded_file_name": ["n1.png"], "target_file_name": ["t1.png"], "iso": [3]}
    pq.write_table(pa.table(columns), folder / "metadata.parquet")
    opened = reader(folder)
    assert [(item.id, opened.facts_of(item)) for item in opened.items()] == [("n1", {"iso": 3.0})]
    (folder / "metadata.parquet").write_bytes(b"PAR1")
    with pytest.raises(BenchmarkUnavailable, match="metadata.parquet .* is no Parquet file"):
        pairs(folder)


def test_a_table_finds_names_however_they_are_composed(tmp_path):
    put(tmp_path, {f"{NFD}.png": ONE, "t.png": ONE})
    put(tmp_path, {"metadata.csv": f"degraded,target\n{NFC}.png,t.png\n".encode()})
    assert pairs(tmp_path) == [NFC]


@pytest.mark.parametrize(
    "text, told",
    [
        ("degraded,target,target\nn1.png,t1.png,t2.png\n", "two columns 'target'"),
        ("degraded,target\nn1.png,t1.png\nn1.png,t2.png\n", "Line 3 .* pair 'n1' of line 2"),
        ("id,degraded,target\nx,n1.png,t1.png\nx,n2.png,t2.png\n", "pair 'x' of line 2"),
        ("degraded,target\n", "metadata.csv in .* has no rows"),
        ("", "metadata.csv in .* has no rows"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(text, told, tmp_path):
    with pytest.raises(BenchmarkUnavailable, match=told):
        pairs(with_table(tmp_path, text))


def test_of_several_tables_that_of_the_split_is_read(tmp_path):
    for split in ("train", "test"):
        table = f"degraded,target\n{split}.png,t.png\n".encode()
        put(tmp_path / split, {"metadata.csv": table, f"{split}.png": ONE, "t.png": ONE})
    assert pairs(tmp_path) == pairs(tmp_path, split="test") == ["test"]
    assert pairs(tmp_path, split="train") == ["train"]
    with pytest.raises(BenchmarkUnavailable, match="no split 'dev': it has test, train"):
        pairs(tmp_path, split="dev")


def test_a_column_may_name_the_split(tmp_path):
    text = "degraded,target,split\nn1.png,t1.png,train\nn2.png,t2.png,test\n"
    folder = with_table(tmp_path, text)
    assert pairs(folder) == pairs(folder, split="test") == pairs(folder, split="eval") == ["n2"]
    assert pairs(folder, split="train") == ["n1"]
    with pytest.raises(BenchmarkUnavailable, match="of the split 'dev': it has test, train"):
        pairs(folder, split="dev")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (("val", "train"), ["n1"]),
        (("train", "train"), ["n1", "n2"]),
        (("", "test"), ["n1", "n2"]),  # a row without a split is in each
        (("", ""), ["n1", "n2"]),
    ],
)
def test_rows_of_one_split_are_read_where_none_is_named(tmp_path, values, found):
    text = "degraded,target,split\n" + "".join(
        f"n{number}.png,t{number}.png,{value}\n" for number, value in enumerate(values, 1)
    )
    assert pairs(with_table(tmp_path, text)) == found


def test_rows_of_several_splits_need_one_to_be_named(tmp_path):
    text = "degraded,target,split\nn1.png,t1.png,sunny\nn2.png,t2.png,rainy\n"
    folder = with_table(tmp_path, text)
    with pytest.raises(BenchmarkUnavailable, match="rows of the splits rainy, sunny: name one"):
        pairs(folder)
    assert pairs(folder, split="sunny") == ["n1"]


# ---------------------------------------------------------------- shards


def write_parquet(path, *names, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = {column: [ONE] * len(names) for column in COLUMNS}
    pq.write_table(pa.table(pictures | {"name": list(names)} | columns), path)
    return path


def write_tar(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name in members:
            info = tarfile.TarInfo(name)
            info.size = len(ONE)
            tar.addfile(info, io.BytesIO(ONE))
    return path


def write_shard(path, name):
    if path.suffix == ".parquet":
        return write_parquet(path, name)
    return write_tar(path, [f"{name}.{column}.png" for column in COLUMNS])


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_splits_are_never_run_together(kind, tmp_path):
    for split in ("train", "validation"):
        write_shard(tmp_path / f"data/{split}-00000-of-00001.{kind}", split)
    assert pairs(tmp_path) == ["validation"]
    assert pairs(tmp_path, split="train") == ["train"]
    assert pairs(tmp_path, split="val") == ["validation"]
    with pytest.raises(BenchmarkUnavailable, match="no split 'test': it has train, validation"):
        pairs(tmp_path, split="test")
    write_shard(tmp_path / f"data/test-00000-of-00001.{kind}", "test")
    assert pairs(tmp_path) == ["test"]


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_a_split_that_is_not_the_only_kind_must_be_named(kind, tmp_path):
    write_shard(tmp_path / f"train.{kind}", "a")
    assert pairs(tmp_path) == ["a"]
    write_shard(tmp_path / f"extra.{kind}", "b")
    with pytest.raises(BenchmarkUnavailable, match="split train and others, such as extra"):
        pairs(tmp_path)
    assert pairs(tmp_path, split="train") == ["a"]
    assert pairs(tmp_path, split="extra") == ["b"]


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_folders_of_noise_levels_are_never_run_together(kind, tmp_path):
    for level in ("sigma15", "sigma50"):
        write_shard(tmp_path / f"{level}/test-00000-of-00001.{kind}", level)
    with pytest.raises(BenchmarkUnavailable, match="configurations sigma15, sigma50"):
        pairs(tmp_path)
    assert pairs(tmp_path, config="sigma50") == ["sigma50"]
    with pytest.raises(BenchmarkUnavailable, match="configurations sigma15, sigma50"):
        pairs(tmp_path, config="sigma5")
    flat = tmp_path / "flat"
    write_shard(flat / f"data/test.{kind}", "a")
    assert pairs(flat) == ["a"]
    with pytest.raises(BenchmarkUnavailable, match="has no configurations"):
        pairs(flat, config="sigma15")


@pytest.mark.parametrize(
    "name, split",
    [
        ("data/train-00000-of-00001.parquet", "train"),
        ("test2.parquet", "test"),
        ("val/a.parquet", "validation"),
        ("test/train.parquet", "train"),
        ("latest/contest.parquet", None),
    ],
)
def test_the_split_of_a_file(name, split):
    assert split_of_name(name) == split


def test_samples_of_a_webdataset_are_found_by_the_name_before_the_suffix(tmp_path):
    write_tar(
        tmp_path / "x.tar", ["a.noisy.PNG", "a.clean.jpg", f"{NFD}.noisy.png", f"{NFC}.clean.png"]
    )
    assert pairs(tmp_path, "noisy", "clean") == ["a", NFC]
    assert pairs(tmp_path, "Noisy", ".clean") == ["a", NFC]
    with pytest.raises(BenchmarkUnavailable, match=r"no 'degraded': it has clean\.jpg, noisy\.PNG"):
        pairs(tmp_path)
    write_tar(tmp_path / "x.tar", ["a.noisy.png", "a.noisy.jpg", "a.clean.png"])
    with pytest.raises(BenchmarkUnavailable, match="two members 'noisy'"):
        pairs(tmp_path, "noisy", "clean")
    assert pairs(tmp_path, "noisy.jpg", "clean") == ["a"]


def test_rows_without_a_name_or_with_one_name_have_ids_of_their_own(tmp_path):
    write_parquet(tmp_path / "a.parquet", "x", None, "x", "")
    assert pairs(tmp_path) == ["x-00001", "00002", "x-00003", "00004"]


def test_a_row_without_a_picture_is_a_pair_that_cannot_be_read(tmp_path):
    write_parquet(tmp_path / "a.parquet", "a", "b", target=[ONE, None])
    opened = reader(tmp_path)
    first, second = opened.items()
    assert opened.load(first).id == "a"
    with pytest.raises(PairUnusable, match="Pair b of .* has no picture in column 'target'"):
        opened.load(second)


def test_a_source_without_rows_says_so(tmp_path):
    write_parquet(tmp_path / "a.parquet")
    with pytest.raises(BenchmarkUnavailable, match="has no pairs: the files .* are empty"):
        pairs(tmp_path)


# ---------------------------------------------------------------- files


def test_a_zip_or_parquet_file_is_a_data_set(tmp_path):
    halves(tmp_path / "in", "a.png", "b.png")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted((tmp_path / "in").rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path / "in"))
    (tmp_path / "b.parquet").write_bytes(write_parquet(tmp_path / "a.parquet", "x").read_bytes())
    opened = reader(tmp_path / "set.zip", *PATTERNS)
    assert [item.id for item in opened.items()] == ["a", "b"]
    assert pairs(tmp_path / "set.zip", "noisy", "clean") == ["a", "b"]
    assert pairs(tmp_path / "a.parquet") == ["x"]
    put(tmp_path, {"later.txt": b"beside the archive"})
    again = reader(tmp_path / "set.zip", *PATTERNS)
    again.items()
    assert again.revision == opened.revision
    put(tmp_path, {"a.tar": b""})
    with pytest.raises(BenchmarkUnavailable, match="a.tar is a file, .* give the folder"):
        pairs(tmp_path / "a.tar")


def test_a_damaged_member_of_a_zip_spoils_its_pair_alone(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a", "b"):
            for half in ("noisy", "clean"):
                archive.writestr(f"{half}/{name}.png", ONE)
    content = bytearray(path.read_bytes())
    content[content.find(b"noisy/b.png") + 100] ^= 255
    path.write_bytes(content)
    opened = reader(path, *PATTERNS)
    first, second = opened.items()
    assert opened.load(first).id == "a"
    with pytest.raises(PairUnusable, match="damaged"):
        opened.load(second)
