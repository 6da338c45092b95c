"""Behind the Evaluate page: the queue, Stop and Resume, limits, links, kept tables, pictures."""

import threading
import time
from pathlib import Path

import pytest

from eval.analysis.table_cache import TableCache
from eval.app import run_job
from eval.app.estimate import estimate_run, megapixels_of
from eval.app.run_limits import PUBLIC_LIMITS, RunLimits
from eval.app.run_queue import RunQueue, warm_up
from eval.data.benchmarks import get_benchmark
from eval.runs.output_cache import OutputCache
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RunStore, StoredRun
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import method, write_run

METHODS = ("identity", "auto-contrast")


def order(n: int = 2, methods: tuple[str, ...] = METHODS, **changes) -> RunConfig:
    return RunConfig(get_benchmark("mini-retouch"), methods, n=n, **changes)


def ended(found: RunQueue, run_id: str, seconds: float = 60):
    """How a run stands once it is not under way any more."""
    end = time.monotonic() + seconds
    while (snapshot := found.status(run_id)).under_way and time.monotonic() < end:
        time.sleep(0.02)
    return snapshot


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def gate(monkeypatch):
    """Holds every run after each picture until it is let go."""
    allowed = threading.Semaphore(0)

    def slowly(stored, **options):
        for event in execute_run(stored, **options):
            allowed.acquire(timeout=30)
            yield event

    monkeypatch.setattr(run_job, "execute_run", slowly)
    return allowed


def test_a_run_goes_on_in_the_background_until_it_is_done(store):
    found = RunQueue(store)
    run_id = found.start(order())
    snapshot = ended(found, run_id)
    assert (snapshot.state, snapshot.done, snapshot.total) == ("done", 4, 4)
    assert store.run(run_id).header().status == "done"
    assert [line.count for line in found.progress(run_id)[0]] == [2, 2]


def test_stop_keeps_what_was_made_and_resume_makes_the_rest(store, gate):
    found = RunQueue(store)
    run_id = found.start(order())
    gate.release()
    while not found.status(run_id).done:
        time.sleep(0.02)
    found.stop(run_id)
    gate.release(10)
    snapshot = ended(found, run_id)
    assert snapshot.state == "stopped" and 0 < snapshot.done < 4
    found.resume(run_id)
    assert ended(found, run_id).state == "done"
    assert len(store.run(run_id).rows()) == 4


def test_one_run_at_a_time_and_the_queue_has_an_end(store, gate):
    found = RunQueue(store, RunLimits(queued=2))
    first, second = found.start(order()), found.start(order())
    while found.current() != first:
        time.sleep(0.02)
    assert found.status(second).state == "queued"
    with pytest.raises(InvalidRequest, match="try again later"):
        found.start(order())
    assert len(store.headers()) == 2
    found.stop(second)
    assert found.status(second).state == "stopped"
    gate.release(20)
    assert ended(found, first).state == "done"


def test_limits_are_told_before_anything_is_made(store):
    found = RunQueue(store, RunLimits(pairs=3))
    with pytest.raises(InvalidRequest, match="at most 3"):
        found.start(order(n=4))
    with pytest.raises(InvalidRequest, match="fewer pairs, methods or repeats"):
        RunQueue(store, RunLimits(megapixels=0.1)).start(order(n=4))
    with pytest.raises(InvalidRequest, match="6 repeats are too many here: choose at most 5"):
        RunQueue(store, PUBLIC_LIMITS).start(order(n=1, repeats=6))
    few = RunLimits(megapixels=3 * megapixels_of(get_benchmark("mini-retouch"))[0])
    with pytest.raises(InvalidRequest, match="1 pair with 2 methods, 2 times each, are"):
        RunQueue(store, few).start(order(n=1, repeats=2))
    assert store.headers() == [] and "3 pairs" in found.policy.limits.words()


def test_a_run_that_nobody_works_on_is_interrupted_and_can_be_resumed(store):
    stored = create_run(store, order())
    found = RunQueue(store)
    assert found.status(stored.id).state == "interrupted"
    with stored.lock():
        assert found.status(stored.id).state == "elsewhere"
    found.resume(stored.id)
    assert ended(found, stored.id).state == "done"


def test_a_run_that_cannot_begin_says_why(store, monkeypatch):
    stored = create_run(store, order())
    (stored.folder / "pairs.json").write_text('["gone"]')
    found = RunQueue(store)
    found.resume(stored.id)
    snapshot = ended(found, stored.id)
    assert snapshot.state == "failed" and "start a new run" in snapshot.words


def test_strangers_are_told_no_folder_of_this_machine(store, tmp_path):
    """Neither why a run failed nor why a check cannot be made names the operator's folder."""
    gone = tmp_path / "anna's" / "LoL"
    header = {"status": "stopped", "benchmark__folder": str(gone)}
    stored = write_run(store.folder, pairs=1, methods=(method("identity"),), **header)
    queue = RunQueue(store, local=False)
    told = {
        role: " ".join(finding.detail for finding in queue.verify(stored.id, role=role))
        for role in ("runner", "admin")
    }
    assert "no folder LoL" in told["runner"] and str(tmp_path) not in told["runner"]
    assert f"no folder {gone}" in told["admin"]
    queue.resume(stored.id)
    assert ended(queue, stored.id).state == "failed"
    assert "no folder LoL" in queue.status(stored.id).words
    assert stored.header().error == queue.status(stored.id).words


def test_a_run_with_more_repeats_than_are_allowed_is_not_resumed(store):
    stored = create_run(store, order(n=1, repeats=6))
    stored.write_header(stored.header().model_copy(update={"status": "stopped"}))
    with pytest.raises(InvalidRequest, match="6 repeats are too many here: choose at most 5"):
        RunQueue(store, PUBLIC_LIMITS).resume(stored.id)
    assert "at most 5 times" in PUBLIC_LIMITS.words()


def test_read_only_starts_resumes_verifies_and_deletes_nothing(store):
    stored = write_run(store.folder)
    found = RunQueue(store, read_only=True)
    for forbidden in (
        lambda: found.start(order()),
        lambda: found.resume(stored.id),
        lambda: list(found.verify(stored.id)),
        lambda: found.delete(stored.id),
        lambda: found.stop(stored.id),
    ):
        with pytest.raises(InvalidRequest):
            forbidden()
    assert found.status(stored.id).state == "done"


def test_strangers_neither_delete_nor_name_folders_nor_run_code(store, tmp_path):
    stored = write_run(store.folder)
    found = RunQueue(store, local=False)
    with pytest.raises(InvalidRequest, match="Deleting is off"):
        found.delete(stored.id)
    with pytest.raises(InvalidRequest, match="Folders"):
        found.start(order(folder=tmp_path))
    with pytest.raises(InvalidRequest, match="command line"):
        found.start(order(allow_code=True))


def test_the_owner_deletes_a_run_and_nothing_else(store):
    stored = write_run(store.folder)
    other = write_run(store.folder, id="20260102-120000-abcdef")
    cache = OutputCache(store.folder / ".cache")
    for number, names in enumerate((("1", "2"), ("2",))):
        for name in names:
            cache.give(name * 64, b"png", (stored, other)[number].output(name * 64))
    RunQueue(store).delete(stored.id)
    assert [run.id for run in store.headers()] == [other.id]
    assert not cache.picture("1" * 64).exists() and cache.picture("2" * 64).exists()


@pytest.mark.parametrize(("limit", "kept"), [(None, True), (0, False)])
def test_runs_of_the_page_keep_outputs_as_the_setting_says(store, limit, kept):
    found = RunQueue(store, cache_gb=limit)
    assert ended(found, found.start(order(n=1))).state == "done"
    assert (store.folder / ".cache").exists() is kept


@pytest.mark.parametrize("wrong", ["", "..", "../x", "nothing", "<b>", "a" * 99, "x\x00y"])
def test_a_wrong_id_is_told_without_naming_a_folder(store, wrong):
    with pytest.raises(InvalidRequest) as told:
        RunQueue(store).status(wrong)
    assert str(store.folder) not in str(told.value)


def test_a_picture_counts_as_often_as_it_is_restored(store):
    stored = create_run(store, order(n=2, methods=("identity",), repeats=2))
    size = megapixels_of(get_benchmark("mini-retouch"))[0]
    run_job.execute_job(run_job.RunJob(stored, 1.5 * size, ""), TableCache(), lambda: False)
    header = stored.header()
    assert (header.status, len(stored.rows())) == ("stopped", 1)
    assert header.error.startswith("Stopped at the limit")


def test_the_estimate_takes_what_this_machine_measured_and_marks_guesses(store):
    found = RunQueue(store)
    bench = get_benchmark("mini-retouch")
    before = estimate_run(store, bench, 4, ["identity", "clahe"])
    assert before.guessed == ("identity", "clahe") and before.size_known
    run_id = found.start(order(methods=("identity",)))
    assert ended(found, run_id).state == "done"
    thrice = estimate_run(store, bench, 4, ["clahe"], repeats=3)
    assert thrice.seconds == pytest.approx(3 * estimate_run(store, bench, 4, ["clahe"]).seconds)
    after = estimate_run(store, bench, 4, ["identity", "clahe"])
    assert after.guessed == ("clahe",) and after.seconds < before.seconds


def test_a_warm_list_reads_no_header_again(tmp_path, monkeypatch):
    for day in (1, 2):
        write_run(tmp_path, pairs=1, id=f"2026010{day}-120000-abcdef")
    found = RunQueue(RunStore(tmp_path))
    warm_up(found).join()
    monkeypatch.setattr(StoredRun, "header", None)
    assert [run.id[:8] for run, _ in found.history()] == ["20260102", "20260101"]
