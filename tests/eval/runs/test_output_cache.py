"""The output cache: its limit, what deleted runs leave, several processes, and kill -9."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import pytest

from eval.runs import cache_eviction, output_cache
from eval.runs.cache_eviction import references
from eval.runs.output_cache import OutputCache, OutputRecord, cache_of
from eval.runs.removal import finish_removals, remove_run
from eval.runs.store import RunStore, StoredRun
from mirnet.errors import InvalidRequest
from tests.support.paths import ROOT
from tests.support.runs_factory import sha, write_run

PICTURE_BYTES = 1000
RECORD_BYTES = len(json.dumps(asdict(OutputRecord("0" * 64, 1.0, None, 1))))


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def cache_in(store: RunStore, pictures: float = 1000) -> OutputCache:
    """A cache with room for so many pictures and their records."""
    return OutputCache(store.folder / ".cache", int(pictures * (PICTURE_BYTES + RECORD_BYTES)))


def content(name: str) -> bytes:
    return name.encode() * (PICTURE_BYTES // len(name))


def put(cache: OutputCache, name: str, used: float | None = None) -> str:
    """Store an output under a key of its name; `used` sets the time of its last use."""
    picture = sha(f"picture {name}")
    cache.put(sha(name), OutputRecord(picture, 1.0, None, 1), content(picture))
    if used is not None:
        for path in (cache.picture(picture), cache._entry(sha(name))):
            os.utime(path, (used, used))
    return picture


def has(cache: OutputCache, name: str) -> bool:
    return cache.get(sha(name)) is not None


def size_of(cache: OutputCache) -> int:
    kinds = (cache.folder / "pictures", cache.folder / "made")
    return sum(path.stat().st_size for kind in kinds for path in kind.rglob("*.*"))


def run_with(store: RunStore, number: int, cache: OutputCache, *names: str) -> StoredRun:
    """A run that shows pictures, given to it by the cache."""
    stored = write_run(store.folder, id=f"20260101-12000{number}-abcdef")
    for name in names:
        picture = sha(f"picture {name}")
        cache.give(picture, content(picture), stored.output(picture))
    return stored


@pytest.fixture(params=["links", "copies"])
def disk(request, monkeypatch):
    """A disk with and without hard links."""
    if request.param == "copies":

        def no_link(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(output_cache.os, "link", no_link)
    return request.param


def test_the_cache_stays_within_its_limit_and_keeps_what_was_used_last(store):
    cache = cache_in(store, pictures=10)
    now = time.time()
    for number in range(10):
        put(cache, f"output {number}", used=now - 100 + number)
        assert size_of(cache) <= cache.max_bytes
    assert has(cache, "output 0")  # and that is its last use
    put(cache, "new")
    assert size_of(cache) <= cache.max_bytes
    assert int((cache.folder / "bytes").read_text()) == size_of(cache)
    kept = [number for number in range(10) if has(cache, f"output {number}")]
    assert kept == [0, *range(10 - len(kept) + 1, 10)] and has(cache, "new")
    assert len(list((cache.folder / "made").rglob("*.json"))) == len(kept) + 1


def test_pictures_of_no_run_go_first(store, disk):
    cache = cache_in(store, pictures=4)
    now = time.time()
    for number in range(4):
        put(cache, f"output {number}", used=now - 10_000 + number)
    run_with(store, 1, cache, "output 0", "output 1")
    put(cache, "new")
    kept = [number for number in range(4) if has(cache, f"output {number}")]
    assert {0, 1} <= set(kept) and 2 not in kept
    assert has(cache, "new")  # of no run yet


def test_a_limit_takes_nothing_away_from_a_run(store, disk):
    cache = cache_in(store, pictures=0.5)
    names = [f"output {number}" for number in range(5)]
    stored = run_with(store, 1, cache, *names)
    assert size_of(cache) <= cache.max_bytes
    for name in names:
        picture = sha(f"picture {name}")
        assert stored.output(picture).read_bytes() == content(picture)


def test_deleting_a_run_frees_what_no_other_run_has(store, disk):
    cache = cache_in(store)
    for name in ("first", "both", "second", "nobody"):
        put(cache, name)
    first = run_with(store, 1, cache, "first", "both")
    second = run_with(store, 2, cache, "both", "second")
    before = size_of(cache)
    both = cache.picture(sha("picture both"))
    assert references(both, [first.folder, second.folder]) == 2
    remove_run(first)
    assert [has(cache, name) for name in ("first", "both", "second", "nobody")] == [
        False,
        True,
        True,
        True,
    ]
    assert not cache._entry(sha("first")).exists()
    assert before - size_of(cache) >= PICTURE_BYTES
    assert int((cache.folder / "bytes").read_text()) == size_of(cache)
    remove_run(second)
    assert not has(cache, "both") and not has(cache, "second") and has(cache, "nobody")
    assert [path.name for path in store.folder.iterdir()] == [".cache"]


def test_a_deletion_that_was_killed_is_finished(store, disk):
    cache = cache_in(store)
    put(cache, "first")
    stored = run_with(store, 1, cache, "first")
    stored.folder.rename(store.folder / f".deleted-{stored.id}")
    assert has(cache, "first")
    finish_removals(store.folder)
    assert not has(cache, "first")
    assert [path.name for path in store.folder.iterdir()] == [".cache"]


def test_a_picture_that_another_process_removes_meanwhile_is_written_again(store, monkeypatch):
    cache = cache_in(store)
    link = output_cache.link_or_copy

    def late(source, target):
        source.unlink()
        link(source, target)

    monkeypatch.setattr(output_cache, "link_or_copy", late)
    stored = run_with(store, 1, cache, "lost")
    picture = sha("picture lost")
    assert stored.output(picture).read_bytes() == content(picture)


def test_what_is_being_written_stays_and_what_a_killed_process_left_goes(store):
    cache = cache_in(store)
    folder = cache.picture(put(cache, "one")).parent
    fresh, stale = folder / ".0123456789abcdef.part", folder / ".fedcba9876543210.part"
    for path in (fresh, stale):
        path.write_bytes(b"half")
    old = time.time() - cache_eviction.STALE_SECONDS - 60
    os.utime(stale, (old, old))
    assert cache.trim() == size_of(cache)
    assert fresh.exists() and not stale.exists() and has(cache, "one")
    assert OutputCache(cache.folder, 1).trim() == 4  # even above the limit
    assert fresh.exists()


def test_records_without_a_picture_go_when_room_is_made(store):
    cache = cache_in(store, pictures=3)
    cache.picture(put(cache, "gone")).unlink()
    for number in range(4):
        put(cache, f"output {number}")
    assert not cache._entry(sha("gone")).exists()


def test_bytes_are_counted_anew_where_the_count_is_damaged(store):
    cache = cache_in(store)
    put(cache, "one")
    (cache.folder / "bytes").write_text("many")
    put(cache, "two")
    assert int((cache.folder / "bytes").read_text()) == size_of(cache)


def test_one_process_makes_room_at_a_time(store, monkeypatch):
    cache = cache_in(store, pictures=1)
    inside, worst = [], []
    trim = cache_eviction.trim

    def watched(folder, max_bytes):
        inside.append(1)
        worst.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return trim(folder, max_bytes)

    monkeypatch.setattr(cache_eviction, "trim", watched)
    threads = [
        threading.Thread(target=lambda n=number: put(cache, f"output {n}")) for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worst and max(worst) == 1


LOOP = """
import hashlib, sys
from pathlib import Path
from eval.runs.output_cache import OutputCache, OutputRecord
from eval.runs.store import StoredRun
sha = lambda text: hashlib.sha256(text.encode()).hexdigest()
runs, own, limit, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cache, run = OutputCache(runs / ".cache", limit), StoredRun(runs / own)
print("begun", flush=True)
for number in range(rounds):
    picture = sha(f"picture {number}")
    png = picture.encode() * 15
    cache.put(sha(f"output {number}"), OutputRecord(picture, 1.0, None, 1), png)
    cache.get(sha(f"output {number - 1}"))
    cache.give(picture, png, run.output(picture))
"""


def looping(store: RunStore, own: str, limit: int, rounds: int) -> subprocess.Popen:
    """Another process that makes outputs for a run of its own, the same as every other one."""
    command = [sys.executable, "-c", LOOP, str(store.folder), own, str(limit), str(rounds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_processes_at_once_lose_nothing_and_keep_the_limit(store):
    limit, rounds = 6 * 1200, 15
    both = [looping(store, f"20260101-12000{n}-abcdef", limit, rounds) for n in (1, 2)]
    for process in both:
        _, trouble = process.communicate(timeout=60)
        assert process.returncode == 0, trouble.decode()
    cache = OutputCache(store.folder / ".cache", limit)
    assert size_of(cache) <= limit
    for number in range(rounds):
        picture = sha(f"picture {number}")
        for n in (1, 2):
            found = StoredRun(store.folder / f"20260101-12000{n}-abcdef").output(picture)
            assert found.read_bytes() == picture.encode() * 15


def test_kill_in_the_middle_leaves_a_cache_that_can_be_used(store):
    limit, own = 6 * 1200, "20260101-120001-abcdef"
    process = looping(store, own, limit, 10**6)
    with process.stdout, process.stderr:
        process.stdout.readline()
        outputs, end = store.folder / own / "outputs", time.monotonic() + 30
        while time.monotonic() < end and len(list(outputs.glob("*.png"))) < 12:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    cache = OutputCache(store.folder / ".cache", limit)
    assert cache.trim() <= limit and size_of(cache) <= limit
    for path in [*outputs.glob("*.png"), *(cache.folder / "pictures").glob("*/*.png")]:
        assert path.read_bytes() == path.stem.encode() * 15
    for path in (cache.folder / "made").rglob("*.json"):
        assert len(json.loads(path.read_bytes())["output_sha256"]) == 64
    put(cache, "afterwards")
    assert has(cache, "afterwards")


def test_the_limit_is_a_number_of_gigabytes_and_0_is_no_cache(tmp_path):
    assert cache_of(tmp_path, 0) is None
    assert cache_of(tmp_path, 0.5) == OutputCache(tmp_path / ".cache", 500_000_000)
    assert cache_of(tmp_path).max_bytes == 10_000_000_000
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(InvalidRequest, match="give 0 or more"):
            cache_of(tmp_path, wrong)
