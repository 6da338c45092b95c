"""Runs: to the end, killed and resumed, from the cache, on other engines, and checked again."""

import os
import subprocess

import cv2
import numpy as np
import pytest
import torch

from eval.analysis.leaderboards import leaderboard
from eval.data.pairs import BenchmarkUnavailable, pixels_sha256
from eval.methods.method import Output
from eval.methods.method_record import MethodRecord
from eval.reports.board_text import board_cells
from eval.runs.document import Run, SampleResult
from eval.runs.environment import environment
from eval.runs.executors import Executor, processes, serial
from eval.runs.output_cache import key_of
from eval.runs.run_inputs import unchanged_items, worker_spec
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import StoredRun
from eval.runs.summaries import data_sha256
from eval.runs.worker import Worker, storable
from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.encode import write_image
from mirnet.images.picture import Picture
from tests.support.own_pairs_runs import facts, finished, ordered


def test_a_run_is_stored_with_all_that_a_number_needs(folder, store):
    stored, events = finished(store, ordered(folder, n=4, seed=3, title="first  try"))
    assert [event.done for event in events] == list(range(1, 9))
    assert events[-1].total == 8
    header = stored.header()
    assert header.status == "done" and header.title == "first try"
    assert header.protocols == ["rgb-8bit/1"]
    assert header.data_sha256 and header.environment.code_sha256
    assert {method.id for method in header.methods} == {"identity", "tv"}
    assert len(stored.pairs()) == 4 and header.benchmark.of == 6
    for row in stored.rows():
        pixels = read_image(stored.output(row.output_sha256)).pixels
        assert pixels_sha256(pixels) == row.output_sha256
        assert stored.thumb(row.output_sha256).exists()
        assert stored.output(row.degraded_sha256).exists()
        assert stored.output(row.target_sha256).exists()
    identity, tv = header.summary
    assert tv.scores["psnr_db"] > identity.scores["psnr_db"] + 2
    scores = [row.scores["rgb-8bit/1"]["psnr_db"] for row in stored.rows() if row.method == "tv"]
    assert tv.scores["psnr_db"] == pytest.approx(np.mean(scores))


def test_the_list_reads_headers_and_follows_their_changes(folder, store):
    stored, _ = finished(store, ordered(folder, methods=("identity",), n=1))
    assert [run.id for run in store.headers()] == [stored.id]
    stored.write_header(stored.header().model_copy(update={"title": "renamed"}))
    assert store.headers()[0].title == "renamed"
    (store.folder / "junk").mkdir()
    (store.folder / "20260101-000000-aaaa").mkdir()
    (store.folder / "20260101-000000-aaaa/run.json").write_text("{}")
    assert len(store.headers()) == 1


def test_equal_pictures_have_infinite_psnr_and_survive_json(store, tmp_path):
    picture = Picture(np.full((40, 40, 3), 90, np.uint8))
    for half in ("input", "target"):
        (tmp_path / "same" / half).mkdir(parents=True)
        write_image(picture, tmp_path / "same" / half / "a.png")
    stored, _ = finished(store, ordered(tmp_path / "same", methods=("identity",)))
    assert stored.rows()[0].scores["rgb-8bit/1"]["psnr_db"] == np.inf
    assert stored.header().summary[0].identical == 1


def test_resuming_a_stopped_run_gives_what_an_uninterrupted_one_gives(folder, store):
    whole, _ = finished(store, ordered(folder), fresh=True)
    part = create_run(store, ordered(folder))
    events = execute_run(part, fresh=True)
    for _ in range(5):
        next(events)
    events.close()
    assert part.header().status == "stopped"
    assert len(part.rows()) == 5
    rest = list(execute_run(part, fresh=True))
    assert rest[0].done == 6 and len(rest) == 7
    assert facts(part.rows()) == facts(whole.rows())
    assert part.header().data_sha256 == whole.header().data_sha256
    assert part.header().status == "done"


def test_every_attempt_says_where_and_how_it_ended_and_rows_name_theirs(folder, store):
    stored = create_run(store, ordered(folder, methods=("identity",), n=3))
    events = execute_run(stored)
    next(events)
    events.close()
    list(execute_run(stored))
    first, second = stored.header().attempts
    assert (first.status, second.status) == ("stopped", "done")
    assert first.started <= first.ended <= second.started <= second.ended
    assert second.environment.packages == environment().packages
    assert [row.attempt for row in stored.rows()] == [1, 2, 2]


def test_a_run_is_not_resumed_with_other_software_without_a_word(folder, store, monkeypatch):
    stored = create_run(store, ordered(folder, methods=("tv",), n=2))
    next(events := execute_run(stored))
    events.close()
    here = environment()
    newer = here.model_copy(update={"packages": here.packages | {"scipy": "99.0"}})
    monkeypatch.setattr("eval.runs.runner.environment", lambda: newer)
    with pytest.raises(InvalidRequest, match="scipy .*, now 99.0: .* new run, or .* --mixed"):
        next(execute_run(stored))
    assert len(stored.header().attempts) == 1
    cached = set((store.folder / ".cache/made").rglob("*.json"))
    list(execute_run(stored, allow_changed=True))
    assert stored.header().attempts[1].environment.packages["scipy"] == "99.0"
    assert stored.header().environment.packages == here.packages
    assert set((store.folder / ".cache/made").rglob("*.json")) == cached  # not under the old key


def test_the_same_picture_is_not_restored_twice(folder, store, monkeypatch):
    first, _ = finished(store, ordered(folder, methods=("tv",)))
    second, events = finished(store, ordered(folder, methods=("identity", "tv")))
    assert [event.row.cached for event in events if event.row.method == "tv"] == [True] * 6
    assert facts(first.rows()).items() <= facts(second.rows()).items()
    output = first.output(first.rows()[0].output_sha256)
    assert output.stat().st_nlink >= 3  # the cache and both runs share one file
    _, events = finished(store, ordered(folder, methods=("tv",)), fresh=True)
    assert not any(event.row.cached for event in events)
    monkeypatch.setattr("eval.runs.output_cache.code_sha256", lambda: "changed")
    _, events = finished(store, ordered(folder, methods=("tv",)))
    assert not any(event.row.cached for event in events)


def test_a_time_of_another_run_says_which(folder, store):
    first, _ = finished(store, ordered(folder, methods=("tv",), n=2))
    assert [row.timed_in for row in first.rows()] == [None] * 2
    second, _ = finished(store, ordered(folder, methods=("tv", "identity"), n=2))
    own, reused = {row.method: row for row in second.rows()}.values()
    if own.cached:
        own, reused = reused, own
    assert reused.method == "tv" and reused.timed_in == first.id and own.timed_in is None
    lines = {line.method: line for line in second.header().summary}
    assert lines["tv"].seconds_per_megapixel is None  # not measured by this run
    assert lines["identity"].seconds_per_megapixel is not None
    board = leaderboard(second, None).set_index("method")
    assert board.timed_in["tv"] == first.id and board.timed_in["identity"] == ""
    cells = {row["Method"]: row["s/MP"] for row in board_cells(leaderboard(second, None))}
    assert cells["tv"].endswith(f"(from {first.id})") and "(" not in cells["identity"]
    _, events = finished(store, ordered(folder, methods=("tv",), n=2), fresh=True)
    assert events[0].row.timed_in is None


def test_outputs_of_another_device_are_other_outputs():
    network = MethodRecord(id="ours", title="", kind="weights", weights_sha256="0" * 64)
    classical = MethodRecord(id="tv", title="", kind="baseline")
    keys = [
        key_of(method, "1" * 64, "denoise", (8, 8), device)
        for method in (network, classical)
        for device in ("cpu", "cuda")
    ]
    assert keys[0] != keys[1] and keys[2] == keys[3]


def test_workers_have_the_threads_that_the_header_says(folder, store):
    """Several workers divide the threads, and each row says what its seconds were measured with."""
    given = []

    def work(spec, jobs):
        given.append(spec.threads)
        yield from serial.work(spec, jobs)

    stored = create_run(store, ordered(folder, methods=("identity",), n=1))
    before = torch.get_num_threads()
    try:
        list(execute_run(stored, executor=Executor(work, threads=before + 1)))
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(before)
    assert given == [before + 1] == [stored.header().environment.threads]
    assert stored.rows()[0].threads == before + 1
    assert processes(2).threads == max(before // 2, 1)
    assert processes(10_000).threads == 1


def test_waiting_for_others_is_no_time_of_a_method(folder, store, monkeypatch):
    stored = create_run(store, ordered(folder, methods=("identity",), n=1))
    spec = worker_spec(stored)
    worker = Worker(spec)
    item = unchanged_items(stored, stored.header(), spec)[0]
    waiting = lambda picture, size: Output(picture.pixels, waited_seconds=2.5)  # noqa: E731
    monkeypatch.setattr(worker, "restorer", lambda method: waiting)
    clock = iter([100.0, 103.0])
    monkeypatch.setattr("eval.runs.worker.time.perf_counter", lambda: next(clock))
    _, made = worker.restore(worker.pair(item), "identity")
    assert made.seconds == pytest.approx(0.5)


def test_a_damaged_cache_is_not_believed(folder, store):
    first, _ = finished(store, ordered(folder, methods=("tv",), n=1))
    sha256 = first.rows()[0].output_sha256
    kept = next((store.folder / ".cache/pictures").rglob(f"{sha256}.png"))
    kept.unlink()
    write_image(Picture(np.zeros((48, 60, 3), np.uint8)), kept)
    second, events = finished(store, ordered(folder, methods=("tv",), n=1))
    assert not events[0].row.cached
    assert facts(second.rows()) == facts(first.rows())


@pytest.mark.slow
def test_processes_and_ray_give_the_same_rows(folder, store):
    alone, _ = finished(store, ordered(folder), fresh=True)
    several, _ = finished(store, ordered(folder), fresh=True, executor=processes(2))
    assert facts(several.rows()) == facts(alone.rows())
    pytest.importorskip("ray")
    from eval.runs.ray_cluster import ray_executor

    cluster, _ = finished(store, ordered(folder), fresh=True, executor=ray_executor(2))
    assert facts(cluster.rows()) == facts(alone.rows())


def test_a_benchmark_that_changed_is_refused(folder, store, tmp_path):
    moved = tmp_path / "moved"
    subprocess.run(["cp", "-r", str(folder), str(moved)], check=True)
    stored = create_run(store, ordered(moved, methods=("identity",)))
    for half in ("input", "target"):
        (moved / half / "5.png").rename(moved / half / "9.png")
    with pytest.raises(BenchmarkUnavailable, match="pair 5 is gone"):
        list(execute_run(stored))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n": 0}, "at least one"),
        ({"methods": ()}, "name at least one method"),
        ({"methods": ("tv", "tv")}, "named twice"),
        ({"methods": ("nothing",)}, "nothing"),
        ({"protocols": ("psnr",)}, "no protocol"),
    ],
)
def test_orders_that_make_no_sense_are_refused_before_anything_is_written(
    folder, store, change, sentence
):
    order = RunConfig(**{**ordered(folder).__dict__, **change})
    with pytest.raises(InvalidRequest, match=sentence):
        create_run(store, order)
    assert not store.folder.exists()


def test_networks_are_scored_unrounded_and_whole(folder, store):
    stored, _ = finished(store, ordered(folder, methods=("denoise-compact",), n=1))
    row = stored.rows()[0]
    assert read_image(stored.output(row.output_sha256)).pixels.dtype == np.uint16
    assert row.tiles == 1
    info = stored.header().methods[0]
    assert info.weights_sha256 and info.parameters and info.packages


def test_storing_rounds_to_sixteen_bits():
    assert storable(np.array([[[-0.1, 0.5, 1.2]]], np.float32)).tolist() == [[[0, 32768, 65535]]]
    eight = np.zeros((1, 1, 3), np.uint8)
    assert storable(eight) is eight


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_results_are_stored_however_they_lie_in_memory(folder, store, monkeypatch, dtype):
    """A network's channels come first, and what is mirrored or cut out is no array of its own."""

    def turned(picture, size):
        pixels = (
            (picture.pixels / 255).astype(np.float32) if dtype is np.float32 else picture.pixels
        )
        return Output(np.asfortranarray(pixels.astype(dtype)[::-1, ::-1])[::-1, ::-1])

    monkeypatch.setattr(Worker, "restorer", lambda self, method: turned)
    stored, _ = finished(store, ordered(folder, ("identity",), n=1), fresh=True)
    [row] = stored.rows()
    assert row.error is None
    assert pixels_sha256(read_image(stored.output(row.output_sha256)).pixels) == row.output_sha256


def test_a_result_that_cannot_be_written_costs_its_own_row_alone(folder, store, monkeypatch):
    def broken(pixels):
        raise ValueError("no room in /home/anna/secret/x")

    monkeypatch.setattr("eval.runs.worker.thumbnail", broken)
    stored, _ = finished(store, ordered(folder, n=1))
    assert stored.header().status == "done"
    assert {row.error for row in stored.rows()} == {"ValueError: no room in x"}


def test_ids_that_are_no_ids_reach_no_file(store):
    for run_id in ("../etc", "", "a/b", "run.json", ".cache"):
        with pytest.raises(InvalidRequest, match="no run"):
            store.run(run_id)
    with pytest.raises(InvalidRequest, match="64 hexadecimal"):
        StoredRun(store.folder).output("../../x")


def test_a_damaged_line_is_named(store, folder):
    stored, _ = finished(store, ordered(folder, methods=("identity",), n=2))
    path = stored.folder / "scores.jsonl"
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(InvalidRequest, match="Line 1"):
        stored.rows()


def test_rows_and_headers_survive_a_round_trip(store, folder):
    stored, _ = finished(store, ordered(folder, methods=("identity",), n=1))
    row, header = stored.rows()[0], stored.header()
    assert SampleResult.model_validate_json(row.model_dump_json()) == row
    assert Run.model_validate_json(header.model_dump_json()) == header
    assert data_sha256([row]) == header.data_sha256


def test_the_environment_says_what_ran(monkeypatch):
    found = environment()
    assert found.packages["torch"] and found.threads >= 1
    assert str(os.cpu_count()) in found.machine
