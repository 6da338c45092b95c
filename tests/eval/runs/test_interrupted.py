"""Runs that are killed, meet faults or lose their disk, and go on."""

import itertools
import signal
import subprocess
import sys
import time

import psutil
import pytest

from eval.data.pairs import BenchmarkUnavailable
from eval.runs.executors import Executor, processes, serial
from eval.runs.runner import create_run, execute_run
from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest
from tests.support.own_pairs_runs import facts, finished, ordered
from tests.support.paths import ROOT


def test_what_nobody_foresaw_fails_a_run_with_its_error(folder, store):
    def broken(spec, jobs):
        yield from itertools.islice(serial.work(spec, jobs), 1)
        raise ZeroDivisionError("by chance")

    stored = create_run(store, ordered(folder, methods=("identity",), n=2))
    with pytest.raises(ZeroDivisionError):
        list(execute_run(stored, executor=Executor(broken)))
    header = stored.header()
    assert (header.status, header.attempts[0].status) == ("failed", "failed")
    assert "ZeroDivisionError: by chance" in header.error and len(stored.rows()) == 1


def test_names_of_pictures_reach_the_disk_before_the_row_that_tells_of_them(
    folder, store, monkeypatch
):
    calls = []
    monkeypatch.setattr(
        "eval.runs.runner.sync_folder", lambda folder: calls.append((folder.name, rows()))
    )
    stored = create_run(store, ordered(folder, methods=("identity",), n=2))

    def rows():
        return len(stored.rows())

    list(execute_run(stored))
    assert calls == [("outputs", 0), ("thumbs", 0), ("outputs", 1), ("thumbs", 1)]


def test_kill_9_loses_at_most_the_picture_in_work(folder, store):
    whole, _ = finished(store, ordered(folder, methods=("tv", "nlm")))
    command = [sys.executable, "-m", "eval", "run", "--benchmark", str(folder), "--task"]
    command += ["denoise", "--degraded", "input/*", "--target", "target/*", "--methods", "tv,nlm"]
    command += ["--fresh", "--out", str(store.folder / "killed")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    lines = 0
    while lines < 3 and time.monotonic() < deadline and process.poll() is None:
        found = list((store.folder / "killed").glob("*/scores.jsonl"))
        lines = found[0].read_bytes().count(b"\n") if found else 0
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = RunStore(store.folder / "killed")
    stored = killed.run(killed.headers()[0].id)
    before = stored.rows()
    assert 3 <= len(before) <= 12
    with (stored.folder / "scores.jsonl").open("ab") as file:
        file.write(b'{"pair": "torn')
    done = subprocess.run(
        [sys.executable, "-m", "eval", "resume", stored.id, "--out", str(killed.folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "done" in done.stdout
    assert facts(stored.rows()) == facts(whole.rows())


def test_two_processes_on_one_run_refuse_politely(folder, store):
    stored = create_run(store, ordered(folder, n=1))
    code = "import sys, time; from pathlib import Path; from eval.runs.store import StoredRun\n"
    code += "with StoredRun(Path(sys.argv[1])).lock(): print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(stored.folder)], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline().strip() == b"held"
        assert stored.is_held()
        with pytest.raises(InvalidRequest, match="under way in another process"):
            next(execute_run(stored))
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert not stored.is_held()


def test_a_killed_worker_ends_the_run_in_a_sentence_and_loses_nothing(folder, store):
    stored = create_run(store, ordered(folder))
    events = execute_run(stored, fresh=True, executor=processes(1))
    next(events)
    for child in psutil.Process().children(recursive=True):
        if "spawn_main" in " ".join(child.cmdline()):
            child.kill()
    with pytest.raises(InvalidRequest, match="has ended by itself"):
        list(events)
    header, kept = stored.header(), stored.rows()
    assert header.status == "failed" and "resume the run" in header.error
    assert 1 <= len(kept) < 12
    list(execute_run(stored, fresh=True))
    assert facts(stored.rows()).items() >= facts(kept).items()
    assert len(stored.rows()) == 12


def test_one_method_that_fails_says_so_and_the_others_go_on(folder, store, monkeypatch):
    order = ordered(folder, methods=("identity", "statistics:mean"), n=2, allow_code=True)
    stored, _ = finished(store, order, allow_code=True)
    bad = [row for row in stored.rows() if row.method != "identity"]
    assert len(bad) == 2 and all(row.error and row.output_sha256 is None for row in bad)
    assert [found.failed for found in stored.header().summary] == [0, 2]


def test_a_pair_that_cannot_be_read_is_marked_and_read_again_on_resuming(folder, store, tmp_path):
    broken = tmp_path / "broken"
    subprocess.run(["cp", "-r", str(folder), str(broken)], check=True)
    good = (broken / "input/3.png").read_bytes()
    (broken / "input/3.png").write_bytes(b"\0" * len(good))
    stored = create_run(store, ordered(broken, methods=("identity",)))
    assert [event.done for event in execute_run(stored)] == [1, 2, 3, 4, 5, 6]
    assert stored.header().status == "done"
    before = stored.header().data_sha256
    assert [row.pair for row in stored.rows() if row.unusable_pair] == ["3"]
    (broken / "input/3.png").write_bytes(good)
    assert [event.done for event in execute_run(stored)] == [6]
    assert not any(row.error for row in stored.rows())
    assert stored.header().data_sha256 != before  # of five pairs, and of six


def test_a_source_that_cannot_be_read_ends_the_run_and_can_be_resumed(folder, store, tmp_path):
    broken = tmp_path / "broken"
    subprocess.run(["cp", "-r", str(folder), str(broken)], check=True)
    stored = create_run(store, ordered(broken, methods=("identity",)))
    events = execute_run(stored)
    next(events)
    (broken / "input").rename(tmp_path / "away")
    with pytest.raises(BenchmarkUnavailable, match="cannot be read"):
        list(events)
    assert stored.header().status == "failed" and "cannot be read" in stored.header().error
    (tmp_path / "away").rename(broken / "input")
    assert [event.done for event in execute_run(stored)][-1] == 6
    assert stored.header().error is None


def test_a_full_disk_ends_in_a_sentence_and_keeps_what_was_there(folder, store, monkeypatch):
    stored = create_run(store, ordered(folder, methods=("identity",)))
    events = execute_run(stored)
    next(events)
    before = (stored.folder / "scores.jsonl").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InvalidRequest, match="No space left on device"):
        next(events)
    monkeypatch.undo()
    assert (stored.folder / "scores.jsonl").read_bytes() == before
    assert not list(stored.folder.rglob("*.part"))
    assert len(list(execute_run(stored))) == 5
