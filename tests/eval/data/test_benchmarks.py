"""The table of benchmarks, own data, and subsets."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.data.benchmarks import (
    BENCHMARKS_FILE,
    benchmark_of_record,
    custom_benchmark,
    get_benchmark,
    load_benchmarks,
    read_benchmarks,
)
from eval.data.pairs import BenchmarkUnavailable, Item
from eval.data.reader_factory import open_benchmark
from eval.data.subsets import size_of, subset
from mirnet.errors import InvalidRequest
from mirnet.images.encode import encode_image
from mirnet.images.picture import Picture
from mirnet.tasks import TASKS
from tests.support.pair_files import png, put


def test_table_has_the_papers_benchmarks_and_a_mini_for_each_task():
    known = load_benchmarks()
    named = {"lol", "sidd", "dnd", "fivek", "realsr-x2", "realsr-x3", "realsr-x4", "set5-x2"}
    named |= {"set14-x3", "bsd100-x4", "urban100-x2", "cbsd68", "kodak24", "polyu", "cc15"}
    assert named <= known.keys()
    assert {f"mini-{task}" for task in TASKS} <= known.keys()
    for row in known.values():
        assert row.manual_download == bool(row.source.layout)
        assert row.source.repo is None or row.source.revision == "main"
    for x in (2, 3, 4):  # other pictures than version 1, and low resolution is smaller
        v1, v3 = known[f"realsr-x{x}"], known[f"realsr-v3-x{x}"]
        assert (v1.official, v1.same_size, v1.protocols) == (True, True, ("y-crop",))
        assert (v3.official, v3.same_size, v3.protocols) == (False, False, ("y-sr",))
    assert all(known[f"mini-{task}"].synthetic for task in TASKS)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('id = "lol"', 'id = "Lo L"', "id: String should match"),
        ('id = "sidd"', 'id = "lol"', "used twice"),
        ('task = "lowlight"', 'task = "fog"', "task: .*must be one of"),
        ('protocols = ["rgb-8bit", "rgb"]', 'protocols = ["psnr"]', "protocols.*must be some of"),
        ('kind = "zip"', 'kind = "rar"', "source.kind: Input should be"),
        ("pairs = 15\n", 'pairs = "15"\n', "pairs: Input should be a valid integer"),
        ("pairs = 15\n", "pears = 15\n", "pears: Extra inputs"),
        ('title = "LoL eval15"\n', "", "title: Field required"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, old, new, told):
    text = BENCHMARKS_FILE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "benchmarks.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        read_benchmarks(path)


def test_unknown_benchmark_is_told_with_the_known_ones():
    with pytest.raises(BenchmarkUnavailable, match="no benchmark 'lool'.*lol"):
        get_benchmark("lool")


@pytest.mark.parametrize("name", ["sidd", "dnd", "fivek", "realsr-x4", "cc15", "city100-nikon"])
def test_what_a_person_must_bring_is_said(name):
    with pytest.raises(BenchmarkUnavailable, match="To use it, .* folder"):
        open_benchmark(get_benchmark(name))


@pytest.mark.parametrize("task", TASKS)
def test_mini_pairs_are_read(task):
    reader = open_benchmark(get_benchmark(f"mini-{task}"))
    items = reader.items()
    pair = reader.load(items[0])
    scale = TASKS[task].scale
    assert len(items) == 8 and size_of(items) == 0
    assert pair.target.width == pair.degraded.width * scale
    assert len(reader.revision) == 64


def test_a_folder_takes_the_place_of_a_source(tmp_path):
    files = {f"{half}/{i}.png": png(8, 8, i) for i in range(15) for half in ("input", "target")}
    reader = open_benchmark(get_benchmark("lol"), put(tmp_path, files))
    assert [item.id for item in reader.items()] == [str(i) for i in range(15)]
    (tmp_path / "input/3.png").unlink()
    (tmp_path / "target/3.png").unlink()
    with pytest.raises(BenchmarkUnavailable, match="14 pairs where LoL eval15 has 15"):
        open_benchmark(get_benchmark("lol"), tmp_path).items()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BenchmarkUnavailable, match="no folder .*absent"):
        open_benchmark(get_benchmark("lol"), tmp_path / "absent").items()


def test_own_pairs_by_patterns(tmp_path):
    files = {"a/noisy_1.png": png(8, 6), "a/clean_1.png": png(8, 6, 1)}
    files |= {"b/noisy_2.png": png(8, 6), "b/clean_2.png": png(8, 6, 1)}
    own = custom_benchmark(
        str(put(tmp_path, files)), "denoise", degraded="*/noisy_*.png", target="*/clean_*.png"
    )
    reader = open_benchmark(own)
    assert [item.id for item in reader.items()] == ["a-1", "b-2"]
    assert own.scenes is None
    assert own.protocols == ("rgb-8bit",) and not own.official
    record = json.loads(own.model_dump_json())
    assert benchmark_of_record(record) == own
    listed = get_benchmark("dnd")
    assert benchmark_of_record(json.loads(listed.model_dump_json())) == listed


def test_a_damaged_record_is_told():
    with pytest.raises(InvalidRequest, match="damaged"):
        benchmark_of_record({"id": "x"})


def test_own_pairs_are_checked(tmp_path):
    for place in ("no such place", "~nobody-of-this-name/pairs", "x" * 5000, "a\0b"):
        with pytest.raises(BenchmarkUnavailable, match="neither a folder"):
            custom_benchmark(place, "denoise", degraded="a", target="b")
    with pytest.raises(InvalidRequest, match="no task"):
        custom_benchmark(str(tmp_path), "fog", degraded="a", target="b")
    with pytest.raises(InvalidRequest, match="need both"):
        custom_benchmark(str(tmp_path), "denoise", degraded="a", target="")
    with pytest.raises(InvalidRequest, match="no protocol"):
        custom_benchmark(str(tmp_path), "denoise", degraded="a", target="b", protocol="psnr")
    enlarged = custom_benchmark("org/name", "sr-x3", degraded="lr", target="hr", revision="v1")
    assert (enlarged.scale, enlarged.protocols) == (3, ("y-sr",))
    assert enlarged.source.repo == "org/name" and enlarged.source.revision == "v1"


@given(st.integers(1, 300), st.integers(1, 320), st.integers(0, 2**31))
def test_subset_is_spread_unique_and_repeatable(count, n, seed):
    items = [Item(str(i)) for i in range(count)]
    chosen = subset(items, n, seed)
    places = [int(item.id) for item in chosen]
    assert len(places) == min(n, count)
    assert places == sorted(set(places))
    assert places == [int(item.id) for item in subset(items, n, seed)]
    for part, place in enumerate(places):  # one in each part of the order
        assert part * count // len(places) <= place < (part + 1) * count // len(places)


def test_subset_is_the_same_on_every_machine():
    items = [Item(str(i)) for i in range(100)]
    assert [item.id for item in subset(items, 4, 0)] == ["6", "30", "55", "91"]
    assert [item.id for item in subset(items, 4, 1)] != ["6", "30", "55", "91"]
    with pytest.raises(InvalidRequest, match="1 or more"):
        subset(items, 0, 0)


def test_size_is_unknown_where_one_pair_does_not_tell():
    assert size_of([Item("a", 5), Item("b", 7)]) == 12
    assert size_of([Item("a", 5), Item("b", None)]) is None
    assert size_of([]) == 0


def test_added_noise_has_its_sigma_and_depends_only_on_the_pair(tmp_path):
    grey = encode_image(Picture(np.full((64, 64, 3), 128, np.uint8)), "png")
    put(tmp_path, {"a.png": grey, "b.png": grey})
    own = custom_benchmark(str(tmp_path), "denoise", degraded="*.png", target="*.png")
    noisy = own.model_copy(update={"source": own.source.model_copy(update={"noise_sigma": 25.0})})
    reader = open_benchmark(noisy)
    a, b = (reader.load(item) for item in reader.items())
    again = open_benchmark(noisy).load(reader.items()[0])
    assert np.array_equal(again.degraded.pixels, a.degraded.pixels)
    assert not np.array_equal(a.degraded.pixels, b.degraded.pixels)
    deviation = (a.degraded.pixels.astype(float) - 128).std()
    assert 24 < deviation < 26


def test_source_has_a_kind_for_every_reader():
    kinds = {row.source.kind for row in load_benchmarks().values()}
    assert {"pictures", "zip", "tars", "webdataset", "sidd", "dnd"} <= kinds
    assert {row.source.revision for row in load_benchmarks().values()} >= {"main"}
