"""Packing pairs for the Hub, reading them back over a counted wire, uploading."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval.data.benchmarks import custom_benchmark, get_benchmark
from eval.data.pack import DATA_FILE, pack, push
from eval.data.pairs import BenchmarkUnavailable
from eval.data.reader_factory import open_benchmark
from eval.data.subsets import size_of, subset
from mirnet.errors import InvalidRequest
from tests.support.pair_files import png, put

PARQUET = "/datasets/org/packed/resolve/"


def files_of_pairs(count: int, side: int = 96) -> dict[str, bytes]:
    return {
        f"{half}/{i:03d}.png": png(side, side, 2 * i + (half == "target"))
        for i in range(count)
        for half in ("input", "target")
    }


@pytest.fixture
def own(tmp_path: Path):
    folder = put(tmp_path / "pairs", files_of_pairs(24))
    return custom_benchmark(str(folder), "denoise", degraded="input/*", target="target/*")


def sent_bytes(hub, least: int = 0) -> int:
    """What was sent of the packed file; the server counts just after the client has its bytes."""
    until = time.monotonic() + 5
    while hub.bytes_sent(PARQUET) < least and time.monotonic() < until:
        time.sleep(0.01)
    return hub.bytes_sent(PARQUET)


def remote(revision: str | None = None):
    return custom_benchmark(
        "org/packed", "denoise", degraded="degraded", target="target", revision=revision
    )


def test_packed_files_are_the_originals(own, tmp_path):
    report = pack(own, tmp_path / "packed", "org/packed")
    again = open_benchmark(own, tmp_path / "packed")
    first, last = (again.load(item) for item in (again.items()[0], again.items()[-1]))
    source = Path(own.source.folder)
    for pair, name in ((first, "000"), (last, "023")):
        assert pair.id == name
        original = (source / f"input/{name}.png").read_bytes()
        assert pair.degraded_sha256 == hashlib.sha256(original).hexdigest()
        assert again.originals(again.items()[int(name)])[0] == original
    assert report.pairs == 24 and len(report.sha256) == 64
    assert report.bytes == sum(p.stat().st_size for p in report.folder.rglob("*") if p.is_file())


def test_card_says_what_a_reader_must_know(own, tmp_path):
    report = pack(
        own.model_copy(update={"synthetic": True, "licence": "CC0"}),
        tmp_path / "p",
        "org/packed",
        n=3,
    )
    card = (report.folder / "README.md").read_text()
    for words in (
        "Not official",
        "Synthetic",
        "CC0",
        "`rgb-8bit/1`",
        report.sha256,
        "3 of 24 pairs",
    ):
        assert words in card


def test_datasets_decodes_both_columns(own, tmp_path):
    pack(own, tmp_path / "packed", "org/packed", n=2, rows_per_group=4)
    code = (
        "from datasets import load_dataset; import sys\n"
        "row = load_dataset(sys.argv[1], split='test')[1]\n"
        "print(row['id'], row['degraded'].size, row['target'].size, row['width'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "packed")],
        env={**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.stdout.split(maxsplit=1)[1].strip() == "(96, 96) (96, 96) 96", told.stderr


@pytest.mark.parametrize("n", [1, 4, 8])
def test_reading_some_pairs_fetches_about_their_bytes(own, tmp_path, hub, weights_cache, n):
    report = pack(own, tmp_path / "packed", "org/packed")
    content = (report.folder / DATA_FILE).read_bytes()
    hub.add_repo("org/packed", {DATA_FILE: content}, kind="dataset")
    reader = open_benchmark(remote())
    items = reader.items()
    footer = sent_bytes(hub, 65_536)
    chosen = subset(items, n, seed=3)
    promised = size_of(chosen)
    own_bytes = sum(
        len(half) for item in chosen for half in open_benchmark(own).originals(_like(own, item.id))
    )
    for item in chosen:
        assert reader.load(item).id == item.id
    fetched = sent_bytes(hub, footer + promised) - footer
    assert footer < 70_000  # the index, however large the set
    assert own_bytes <= fetched <= 1.05 * own_bytes
    assert fetched == promised


def _like(own, pair_id: str):
    return next(item for item in open_benchmark(own).items() if item.id == pair_id)


def test_pairs_of_one_row_group_are_counted_and_fetched_once(own, tmp_path, hub, weights_cache):
    report = pack(own, tmp_path / "packed", "org/packed", rows_per_group=4)
    content = (report.folder / DATA_FILE).read_bytes()
    hub.add_repo("org/packed", {DATA_FILE: content}, kind="dataset")
    reader = open_benchmark(remote())
    items = reader.items()
    before = sent_bytes(hub, 65_536)
    for item in items[:4]:
        reader.load(item)
    size = size_of(items[:4])
    assert sent_bytes(hub, before + size) - before == size == items[0].bytes
    assert [item.id for item in items[:2]] == ["000", "001"]


def test_a_changed_picture_is_noticed(own, tmp_path):
    report = pack(own, tmp_path / "packed", "org/packed", n=2)
    path = report.folder / DATA_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    reader = open_benchmark(own, report.folder)
    with pytest.raises(BenchmarkUnavailable, match="damaged|hash differs"):
        for item in reader.items():
            reader.load(item)


def test_nothing_half_made_stays(own, tmp_path):
    (Path(own.source.folder) / "target/020.png").write_bytes(png(5, 5))
    with pytest.raises(BenchmarkUnavailable, match="Pair 020: the target has 5 x 5"):
        pack(own, tmp_path / "made/packed", "org/packed")
    assert list((tmp_path / "made").iterdir()) == []


def test_requests_that_cannot_be_met(own, tmp_path):
    with pytest.raises(InvalidRequest, match="write org/name"):
        pack(own, tmp_path / "x", "packed")
    with pytest.raises(InvalidRequest, match="choose 1 or more"):
        pack(own, tmp_path / "x", "org/packed", rows_per_group=0)
    with pytest.raises(InvalidRequest, match="is there already"):
        pack(own, Path(own.source.folder), "org/packed")
    with pytest.raises(InvalidRequest, match="truth hidden"):
        pack(get_benchmark("dnd"), tmp_path / "x", "org/packed")
    with pytest.raises(InvalidRequest, match="no packed set"):
        push(tmp_path, "org/packed")


@pytest.mark.parametrize("lfs", [False, True])
def test_push_uploads_what_can_be_read_again(own, tmp_path, hub, weights_cache, monkeypatch, lfs):
    if lfs:  # the Hub's newer storage has a native client that speaks to no test server
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        hub.lfs_bytes = 1000
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    report = pack(own, tmp_path / "packed", "org/packed", n=5)
    commit = push(report.folder, "org/packed")
    assert hub.files_of("org/packed")[DATA_FILE] == (report.folder / DATA_FILE).read_bytes()
    reader = open_benchmark(remote())
    assert len(reader.items()) == 5 and reader.revision == commit
    assert push(report.folder, "org/packed")  # a second time is an update
    assert bool(hub.seen("/lfs/")) == lfs


def test_push_without_permission_is_told(own, tmp_path, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    report = pack(own, tmp_path / "packed", "org/packed", n=1)
    hub.read_only = True
    with pytest.raises(BenchmarkUnavailable, match="hf auth login"):
        push(report.folder, "org/packed")


def test_push_to_a_dead_hub_is_told(own, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    report = pack(own, tmp_path / "packed", "org/packed", n=1)
    with pytest.raises(BenchmarkUnavailable, match="cannot be reached.*push again"):
        push(report.folder, "org/packed")
