"""Runs and votes that outlive a restart: kept in a data set, read back, merged."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from eval.data.pairs import BenchmarkUnavailable
from eval.review.questions import Question
from eval.review.votes import all_votes, store_vote
from eval.runs.annotations import notes_of, store_note
from eval.runs.results_repo import INCOMING, ResultsRepo, forget_run
from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest
from mirnet.files import PathLock
from tests.support.hub import Fault, LoopbackHub
from tests.support.paths import ROOT
from tests.support.runs_factory import write_run

REPO = "us/results"
OTHER_RUN = "20260102-000000-bbbbbb"


@pytest.fixture
def here(tmp_path) -> RunStore:
    """A store with a run and a vote."""
    stored = write_run(tmp_path / "here", pairs=3, thumbs=True)
    store_vote(stored, "Anna", question(stored), "a")
    return RunStore(tmp_path / "here")


def question(stored, number: int = 0) -> Question:
    shas = ["0" * 64] * 2
    return Question(stored.pairs()[number], "identity", "ours", *shas, None, None)


def the_run(store: RunStore):
    (header, *_) = [run for run in store.headers() if run.id != OTHER_RUN]
    return store.run(header.id)


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_new_machine_reads_back_runs_and_votes(hub: LoopbackHub, here, tmp_path):
    kept = ResultsRepo(here, REPO).exchange()
    assert (kept.state, kept.runs) == ("kept", 1) and "1 run." in kept.words()
    there = RunStore(tmp_path / "there")
    ResultsRepo(there, REPO).exchange()
    one, other = the_run(here), the_run(there)
    assert other.header() == one.header() and other.rows() == one.rows()
    assert other.pairs() == one.pairs() and all_votes(other) == all_votes(one)
    assert not (there.folder / INCOMING).exists()
    assert not any("thumbs" in name or "outputs" in name for name in hub.files_of(REPO))


def test_nothing_is_sent_or_read_twice(hub: LoopbackHub, here):
    work = ResultsRepo(here, REPO)
    work.exchange()
    work.exchange()
    assert len(hub.seen(f"/api/datasets/{REPO}/commit/")) == 1
    again = ResultsRepo(here, REPO)  # a restart with its disk
    again.exchange()
    assert len(hub.seen(f"/api/datasets/{REPO}/commit/")) == 1
    assert not hub.seen(f"/datasets/{REPO}/resolve/")


def test_two_programs_share_a_data_set_without_doubles_or_losses(hub, here, tmp_path):
    one = ResultsRepo(here, REPO)
    one.exchange()
    there = RunStore(tmp_path / "there")
    two = ResultsRepo(there, REPO)
    two.exchange()
    store_vote(the_run(here), "Anna", question(the_run(here), 1), "b")
    store_vote(the_run(there), "Anna", question(the_run(there), 2), "tie")
    store_vote(the_run(there), "Ben", question(the_run(there)), "a")
    for work in (two, one, two, one):
        work.exchange()
    for store in (here, there):
        votes = all_votes(the_run(store))
        assert [(vote.reviewer, vote.outcome) for vote in votes] == [
            ("Anna", "a"),
            ("Anna", "b"),
            ("Anna", "tie"),
            ("Ben", "a"),
        ]
        assert len(the_run(store).rows()) == len(write_run(tmp_path / "new", pairs=3).rows())


def test_a_commit_of_somebody_else_is_merged_before_the_next_attempt(hub, here, tmp_path):
    there = RunStore(tmp_path / "there")
    there.folder.mkdir()
    work, other = ResultsRepo(here, REPO), ResultsRepo(there, REPO)
    work.exchange()
    other.exchange()
    write_run(there.folder, id=OTHER_RUN)
    store_vote(the_run(here), "Ben", question(the_run(here)), "b")
    read = work._read

    def read_and_be_late(api):
        read(api)
        other.exchange()

    work._read = read_and_be_late
    work.exchange()
    assert {run.id for run in here.headers()} == {run.id for run in there.headers()} | {OTHER_RUN}
    names = hub.files_of(REPO)
    assert f"{OTHER_RUN}/run.json" in names and any("/votes/" in name for name in names)


def test_a_run_that_went_on_elsewhere_is_completed_here(hub, tmp_path):
    done = write_run(tmp_path / "there", pairs=4)
    shutil.copytree(done.folder, tmp_path / "here" / done.id)
    store = RunStore(tmp_path / "here")
    half = store.run(done.id)
    lines = (half.folder / "scores.jsonl").read_bytes().splitlines(keepends=True)
    (half.folder / "scores.jsonl").write_bytes(b"".join(lines[:3]) + b'{"torn')
    half.write_header(done.header().model_copy(update={"status": "running", "ended": None}))
    ResultsRepo(RunStore(tmp_path / "there"), REPO).exchange()
    with half.lock():  # a process works on it
        ResultsRepo(store, REPO).exchange()
        assert half.header().status == "running"
    (half.folder / "scores.jsonl").write_bytes(b"".join(lines[:3]) + b'{"torn')
    ResultsRepo(store, REPO).exchange()
    assert half.header() == done.header()
    assert sorted(map(repr, half.rows())) == sorted(map(repr, done.rows()))


def shared(here, there) -> tuple[ResultsRepo, ResultsRepo]:
    """Two programs with the same run, the first of which has sent another note and vote since."""
    one, two = ResultsRepo(here, REPO), ResultsRepo(there, REPO)
    one.exchange()
    two.exchange()
    store_note(the_run(here), "p0000", ["of A"], "")
    store_vote(the_run(here), "Anna", question(the_run(here), 1), "b")
    one.exchange()
    store_note(the_run(there), "p0001", ["of B"], "")
    store_vote(the_run(there), "Anna", question(the_run(there), 2), "tie")
    return one, two


@pytest.mark.parametrize("held", [".notes.lock", "votes"])
def test_a_run_that_somebody_writes_into_is_merged_later_and_not_sent(
    hub, here, tmp_path, monkeypatch, held
):
    there = RunStore(tmp_path / "there")
    one, two = shared(here, there)
    monkeypatch.setattr("eval.runs.annotations.LOCK_SECONDS", 0.0)
    monkeypatch.setattr("eval.runs.merging.LOCK_SECONDS", 0.0)
    before, folder = hub.files_of(REPO), the_run(there).folder
    (votes,) = (folder / "votes").glob("*.jsonl")
    with PathLock(folder / held) if held != "votes" else PathLock.beside(votes) as lock:
        assert lock.acquired(0)
        kept = two.exchange()
    assert hub.files_of(REPO) == before
    assert kept.unmerged == 1 and "1 run could not be merged yet" in kept.words()
    assert two.exchange().unmerged == 0
    one.exchange()
    for store in (here, there):
        assert set(notes_of(the_run(store))) == {"p0000", "p0001"}
        assert len(all_votes(the_run(store))) == 3


def test_a_full_disk_stops_the_exchange_until_there_is_room(hub, here, tmp_path, monkeypatch):
    there = RunStore(tmp_path / "there")
    one, two = shared(here, there)
    before = hub.files_of(REPO)

    for name in ("notes.jsonl", "scores.jsonl"):
        if name == "scores.jsonl":  # a row of elsewhere, which cannot be stored here
            rows = (the_run(here).folder / name).read_bytes()
            (the_run(there).folder / name).write_bytes(rows[: rows.index(b"\n") + 1])
            monkeypatch.setattr("eval.runs.store.append_line", full_disk)
        else:
            monkeypatch.setattr("eval.runs.merging.write_file", full_disk)
        two._head = None
        for _ in range(2):
            with pytest.raises(InvalidRequest, match="No space left"):
                two.exchange()
        assert hub.files_of(REPO) == before and two.kept.state == "failing"
        monkeypatch.undo()
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
    two.exchange()
    one.exchange()
    assert set(notes_of(the_run(here))) == {"p0000", "p0001"}
    assert notes_of(the_run(here)) == notes_of(the_run(there))
    assert the_run(there).rows() == the_run(here).rows()


def test_a_run_that_waits_to_be_merged_still_waits_after_a_full_disk(
    hub, here, tmp_path, monkeypatch
):
    there = RunStore(tmp_path / "there")
    _, two = shared(here, there)
    before = hub.files_of(REPO)
    monkeypatch.setattr("eval.runs.annotations.LOCK_SECONDS", 0.0)
    with PathLock(the_run(there).folder / ".notes.lock") as lock:
        assert lock.acquired(0)
        two.exchange()
    with monkeypatch.context() as patched:
        patched.setattr("eval.runs.results_repo.merge_run", full_disk)
        with pytest.raises(InvalidRequest, match="No space left"):
            two.exchange()
    assert two.exchange().unmerged == 0
    assert len(notes_of(the_run(there))) == 2 and hub.files_of(REPO) != before


def test_a_deleted_run_does_not_come_back(hub, here, tmp_path):
    there = RunStore(tmp_path / "there")
    one, two = ResultsRepo(here, REPO), ResultsRepo(there, REPO)
    one.exchange()
    two.exchange()
    gone = the_run(here)
    forget_run(here, gone.id)
    shutil.rmtree(gone.folder)
    one.exchange()
    assert set(hub.files_of(REPO)) == {"deleted.txt"}
    two.exchange()
    assert not there.headers() and not here.headers()
    two.exchange()
    assert set(hub.files_of(REPO)) == {"deleted.txt"}


def test_what_is_no_run_is_left_out(hub, here, tmp_path):
    stored = the_run(here)
    good = {f"{stored.id}/{path.name}": path.read_bytes() for path in stored.folder.glob("*.json*")}
    bad = {
        "20260103-000000-cccccc/run.json": b"{}",
        f"{OTHER_RUN}/run.json": good[f"{stored.id}/run.json"],  # the id of another run
        "20260104-000000-dddddd/scores.jsonl": b"not a row\n",
        f"{stored.id}/votes/../../evil.jsonl": b"{}",
        "../outside/run.json": b"{}",
        ".index.json": b"{}",
        "README.md": b"Mine",
    }
    hub.add_repo(REPO, {**good, **bad}, kind="dataset")
    there = RunStore(tmp_path / "there")
    work = ResultsRepo(there, REPO, private=False)
    work.exchange()
    assert [run.id for run in there.headers()] == [stored.id]
    assert {path.name for path in tmp_path.iterdir()} == {"here", "there"}
    assert hub.files_of(REPO)["README.md"] == b"Mine"


def test_a_hub_in_trouble_leaves_everything_and_is_told(hub, here):
    work = ResultsRepo(here, REPO)
    hub.fail("/api/", Fault(status=503))
    with pytest.raises(BenchmarkUnavailable, match="with error 503"):
        work.exchange()
    assert work.kept.state == "failing" and "never yet" in work.kept.words()
    hub.heal()
    assert work.exchange().state == "kept"
    hub.fail(f"/api/datasets/{REPO}/commit", Fault(status=500))
    store_vote(the_run(here), "Ben", question(the_run(here)), "a")
    with pytest.raises(BenchmarkUnavailable):
        work.exchange()
    hub.heal()
    work.exchange()
    assert sum("/votes/" in name for name in hub.files_of(REPO)) == 2


READER = """
import sys
from pathlib import Path
from eval.runs.results_repo import ResultsRepo
from eval.runs.store import RunStore
ResultsRepo(RunStore(Path(sys.argv[1])), "us/results").exchange()
"""


def test_a_reader_killed_in_the_middle_leaves_whole_runs_only(hub, here, tmp_path):
    for number in range(4):
        write_run(here.folder, pairs=3, id=f"20260105-00000{number}-eeeeee")
    ResultsRepo(here, REPO).exchange()
    folder = tmp_path / "there"
    hub.fail(f"/datasets/{REPO}/resolve/", Fault(seconds_per_chunk=0.4))
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(folder)],
        cwd=ROOT,
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
    )
    try:
        ends = time.monotonic() + 120
        while len(hub.seen(f"/datasets/{REPO}/resolve/", "GET")) < 3:
            assert process.poll() is None and time.monotonic() < ends
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    store = RunStore(folder)
    shown = [path for path in folder.iterdir() if re.match(r"\d", path.name)]
    assert all((path / "scores.jsonl").is_file() for path in shown) and len(shown) < 5
    hub.heal()
    ResultsRepo(store, REPO).exchange()
    assert [run.id for run in store.headers()] == [run.id for run in here.headers()]
    for run in here.headers():
        assert store.run(run.id).rows() == here.run(run.id).rows()


def test_the_thread_exchanges_at_the_start_after_changes_and_at_the_end(hub, here, monkeypatch):
    monkeypatch.setattr("eval.runs.results_repo.CHANGED_SECONDS", 0.05)
    work = ResultsRepo(here, REPO)
    work.start()
    try:
        _until(lambda: work.kept.state == "kept")
        store_vote(the_run(here), "Ben", question(the_run(here)), "a")
        _until(lambda: sum("/votes/" in name for name in hub.files_of(REPO)) == 2)
    finally:
        store_vote(the_run(here), "Cleo", question(the_run(here)), "a")
        work.close()
    assert sum("/votes/" in name for name in hub.files_of(REPO)) == 3


def _until(reached, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends
        time.sleep(0.05)
