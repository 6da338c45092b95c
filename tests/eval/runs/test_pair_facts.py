"""Facts of pairs in stored runs: measured once, kept, merged, and added to older runs."""

import json
import shutil

import numpy as np
import pytest

from eval.data.benchmarks import get_benchmark
from eval.data.pairs import BenchmarkUnavailable, Pair
from eval.runs.fact_backfill import describe_pairs
from eval.runs.merging import merge_run
from eval.runs.pair_measures import measure
from eval.runs.results_repo import is_acceptable
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RECORDED_FOLDER, RunStore
from mirnet.images.picture import Picture


def measured(given: np.ndarray, truth: np.ndarray | None) -> dict:
    target = None if truth is None else Picture(truth)
    return measure(Pair("a", Picture(given), target, "", None))


def test_noise_brightness_and_input_quality_are_measured():
    truth = np.full((64, 64, 3), 100, np.uint8)
    noise = np.random.default_rng(0).normal(0, 10, truth.shape)
    given = np.clip(np.rint(truth + noise), 0, 255).astype(np.uint8)
    found = measured(given, truth)
    assert found["brightness"] == pytest.approx(100, abs=0.5)
    assert found["noise_sigma"] == pytest.approx(10, rel=0.1)
    assert found["input_psnr_db"] == pytest.approx(20 * np.log10(25.5), abs=0.2)
    assert found["texture"] == 0


def test_what_cannot_be_measured_is_left_out():
    flat = np.zeros((1, 1, 3), np.uint8)
    assert measured(flat, flat) == {"brightness": 0}  # equal: no finite PSNR; too small for noise
    grown = measured(np.zeros((16, 16, 3), np.uint16), np.zeros((32, 32, 3), np.uint16))
    assert grown == {"brightness": 0, "texture": 0}  # of another size, and without any detail


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    config = RunConfig(get_benchmark("mini-denoise"), ("identity", "wavelet"), n=2)
    run = create_run(RunStore(tmp_path_factory.mktemp("runs")), config)
    list(execute_run(run))
    return run


def test_a_run_keeps_one_line_for_each_pair(stored):
    lines = (stored.folder / "facts.jsonl").read_text().splitlines()
    assert [json.loads(line)["pair"] for line in lines] == stored.pairs()
    facts = stored.facts()[stored.pairs()[0]]
    assert "Poisson-Gaussian" in facts["degradation"] and facts["noise_sigma"] > 1


def test_an_older_run_is_described_and_a_damaged_line_is_left_out(stored, tmp_path):
    store = RunStore(tmp_path)
    shutil.copytree(stored.folder, tmp_path / stored.id)
    older, first = store.run(stored.id), stored.pairs()[0]
    (older.folder / "facts.jsonl").write_bytes(b'[1]\nno json\n{"pair": "x"}\n' + b"[" * 9999)
    assert older.facts() == {}
    (older.folder / "facts.jsonl").unlink()
    assert list(describe_pairs(older, offline=True)) == stored.pairs()
    assert older.facts()[first] == stored.facts()[first]
    assert list(describe_pairs(older, offline=True)) == []


def test_other_pictures_do_not_describe_a_run(stored, tmp_path):
    shutil.copytree(stored.folder, tmp_path / stored.id)
    other = RunStore(tmp_path).run(stored.id)
    (other.folder / "facts.jsonl").unlink()
    rows = (other.folder / "scores.jsonl").read_text()
    sha = other.rows()[0].degraded_sha256
    wrong = "".join(line.replace(str(sha), "0" * 64) + "\n" for line in rows.splitlines()
                    if str(sha) in line)  # fmt: skip
    (other.folder / "scores.jsonl").write_text(wrong)
    with pytest.raises(BenchmarkUnavailable, match="None of these pictures"):
        list(describe_pairs(other, offline=True))


def test_facts_come_back_from_the_data_set_of_results(stored, tmp_path):
    assert is_acceptable(f"{stored.id}/facts.jsonl", 1000)
    shutil.copytree(stored.folder, tmp_path / stored.id)
    here = RunStore(tmp_path).run(stored.id)
    (here.folder / "facts.jsonl").unlink()
    assert merge_run(stored.folder, here) and here.facts() == stored.facts()


def test_every_recorded_run_has_the_facts_of_its_pairs():
    store = RunStore()
    for path in RECORDED_FOLDER.glob("*/run.json"):
        recorded = store.run(path.parent.name)
        assert {*recorded.facts()} == {*recorded.pairs()}, path
