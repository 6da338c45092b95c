"""Which pictures count as the official ones: those with the stored hashes, whatever their name."""

import json

import pytest

from eval.analysis.published import published_beside
from eval.data import official_pictures
from eval.data.benchmarks import get_benchmark, load_benchmarks
from eval.data.official_pictures import OFFICIAL_FILE, count_official, official_hashes
from eval.data.readers.base import Expected
from eval.data.readers.files import LocalFiles
from eval.data.readers.pictures import PicturesReader
from eval.reports.provenance import provenance
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RunStore
from tests.support.pair_files import png, put
from tests.support.paths import ROOT
from tests.support.runs_factory import write_run

SHARED = ROOT.parent / "shared/data/lowlight/LoL/eval15_first7"


def test_the_stored_hashes_are_of_benchmarks_that_papers_report_on():
    for name, entry in json.loads(OFFICIAL_FILE.read_bytes()).items():
        assert load_benchmarks()[name].official and len(entry["pairs"]) <= entry["of"]
        assert all(len(digest) == 64 for pair in entry["pairs"].values() for digest in pair)
        assert entry["source"]


def test_pairs_are_counted_once_and_by_both_hashes():
    low, high = sorted(official_hashes("lol"))[0]
    assert count_official("lol", [(low, high), (low, high)]) == 1
    assert count_official("lol", [(low, low), (None, high)]) == 0
    assert count_official("sidd", [(low, high)]) == 0


@pytest.mark.skipif(not SHARED.is_dir(), reason="the pictures are not here")
def test_the_official_pairs_that_are_here_are_known():
    reader = PicturesReader(LocalFiles(SHARED), Expected("LoL"), "input/*", "target/*")
    pairs = [reader.load(item) for item in reader.items()]
    hashes = [(pair.degraded_sha256, pair.target_sha256) for pair in pairs]
    assert count_official("lol", hashes) == len(pairs) == 7


def noise_called_lol(tmp_path):
    """A finished run on fifteen pictures of noise under the names of LoL."""
    files = {f"{half}/{i}.png": png(16, 16, i) for i in range(15) for half in ("input", "target")}
    folder = put(tmp_path / "fake", files)
    order = RunConfig(benchmark=get_benchmark("lol"), methods=("identity",), folder=folder)
    stored = create_run(RunStore(tmp_path / "runs"), order)
    list(execute_run(stored))
    return stored.header()


def test_noise_called_lol_is_not_lol(tmp_path):
    run = noise_called_lol(tmp_path)
    assert run.benchmark.pictures == "your own files, named as LoL eval15"
    assert not run.benchmark.has_official_pictures and run.benchmark.is_own
    assert published_beside(run).empty
    assert provenance(run, run.protocol)["Pictures"] == run.benchmark.pictures


def test_a_folder_with_the_official_hashes_is_official(tmp_path, monkeypatch):
    known = frozenset()

    def hashes(benchmark_id):
        return known

    monkeypatch.setattr(official_pictures, "official_hashes", hashes)
    files = {f"{half}/{i}.png": png(16, 16, i) for i in range(15) for half in ("input", "target")}
    reader = PicturesReader(
        LocalFiles(put(tmp_path / "seen", files)), Expected("LoL"), "input/*", "target/*"
    )
    pairs = [reader.load(item) for item in reader.items()]
    known = frozenset((pair.degraded_sha256, pair.target_sha256) for pair in pairs)
    run = noise_called_lol(tmp_path)
    assert run.benchmark.pictures == "official pictures, by their hashes"
    assert not run.benchmark.is_own and len(published_beside(run))
    known = frozenset(list(known)[:7])
    partly = noise_called_lol(tmp_path / "again").benchmark
    assert partly.pictures.endswith("LoL eval15, 7 of 15 pairs official by their hashes")
    assert partly.is_own


def test_a_copy_on_the_hub_is_called_one(tmp_path):
    run = write_run(tmp_path).header()
    assert run.benchmark.pictures == "a copy of the official pictures, hashes not known"
    mini = write_run(tmp_path / "mini", benchmark__official=False).header()
    assert mini.benchmark.pictures == "not the official pictures"
