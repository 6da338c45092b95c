"""What a source says of a pair beside its pictures."""

import json
import math

import pytest

from eval.data.pair_facts import MAX_FACTS, MAX_NAME, MAX_TEXT, clean_facts
from eval.data.readers.columns import ColumnsReader
from eval.data.readers.files import LocalFiles
from eval.data.readers.parquet import ParquetReader
from eval.data.readers.pictures import PicturesReader
from tests.support.pair_files import png, put
from tests.support.readers_of_every_kind import ANY, parqueted, tarred

FACTS = {"camera": "Nikon <b>", "iso": 3200}
KEPT = {"camera": "Nikon <b>", "iso": 3200.0}
PICTURES = {"in/a.png": png(8, 8, 1), "out/a.png": png(8, 8, 2)}
NAMED = {"in_file_name": "in/a.png", "out_file_name": "out/a.png"}
SOURCES = {
    "jsonl": (PICTURES | {"metadata.jsonl": json.dumps(NAMED | FACTS).encode()}, "in", "out"),
    "csv": (
        PICTURES
        | {
            "metadata.csv": b"in_file_name,out_file_name,camera,iso\n"
            b"in/a.png,out/a.png,Nikon <b>,3200\n"
        },
        "in",
        "out",
    ),
    "parquet": (
        {"test.parquet": parqueted([{"id": "a", "in": png(8, 8), "out": png(8, 8)} | FACTS])},
        "in",
        "out",
    ),
    "webdataset": (
        {
            "0.tar": tarred(
                {
                    "a.in.png": png(8, 8),
                    "a.out.png": png(8, 8),
                    "a.json": json.dumps(FACTS).encode(),
                }
            )
        },
        "in.png",
        "out.png",
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_tells_the_facts_of_a_pair(kind, tmp_path):
    files, degraded, target = SOURCES[kind]
    reader = ColumnsReader(LocalFiles(put(tmp_path, files)), ANY, degraded, target)
    item = reader.items()[0]
    reader.load(item)
    assert reader.facts_of(item) == KEPT


@pytest.mark.parametrize("table", ["good", "damaged"])
def test_a_table_beside_pictures_paired_by_patterns_is_read_and_not_needed(table, tmp_path):
    content = json.dumps(NAMED | FACTS) if table == "good" else "{"
    folder = put(tmp_path, PICTURES | {"metadata.jsonl": content.encode()})
    reader = PicturesReader(LocalFiles(folder), ANY, "in/*.png", "out/*.png")
    assert reader.facts_of(reader.items()[0]) == (KEPT if table == "good" else {})


@pytest.mark.parametrize("name", ["./in/a.png", "in\\a.png", ".\\in\\a.png"])
@pytest.mark.parametrize("folder", ["", "test/"])
def test_a_table_names_pictures_as_people_write_paths(folder, name, tmp_path):
    row = {"in_file_name": name, "out_file_name": "./out/a.png"} | FACTS
    files = {f"{folder}{path}": content for path, content in PICTURES.items()}
    files[f"{folder}metadata.jsonl"] = json.dumps(row).encode()
    local = LocalFiles(put(tmp_path, files))
    for reader in (
        PicturesReader(local, ANY, f"{folder}in/*.png", f"{folder}out/*.png"),
        ColumnsReader(local, ANY, "in", "out"),
    ):
        assert reader.facts_of(reader.items()[0]) == KEPT


def test_facts_of_a_parquet_file_do_not_copy_its_pictures(tmp_path, monkeypatch):
    files, degraded, target = SOURCES["parquet"]
    reader = ParquetReader(LocalFiles(put(tmp_path, files)), ANY, degraded, target)
    item = reader.items()[0]
    table, copied = reader._read_group(item.locator), []

    class Spied:
        schema = table.schema

        def column(self, name):
            copied.append(name)
            return table.column(name)

    monkeypatch.setattr(reader, "_read_group", lambda place: Spied())
    assert reader.facts_of(item) == KEPT and {*copied}.isdisjoint({degraded, target})


def test_facts_are_short_plain_and_finite():
    row = {f"{n}{'x' * 60}": "y\u202e\n" * 200 for n in range(50)}
    found = clean_facts(row)
    assert len(found) == MAX_FACTS
    assert {len(name) for name in found} == {MAX_NAME}
    assert all(len(text) <= MAX_TEXT and text.isprintable() for text in found.values())
    assert clean_facts({"a": 10**400, "b": -(10**400), "c": 10**20}) == {"c": 1e20}
    odd = {"a": math.nan, "b": "1e999", "c": None, "d": [1], "e=f": "g", "h": "007", "i": True}
    assert clean_facts(odd) == {"b": "1e999", "h": "007", "i": "yes"}
