"""Faults: processes that are killed, and concurrent processes."""

import asyncio
import os
import signal

import numpy as np
import psutil

from eval.runs.store import StoredRun
from tests.faults.tools import (
    ORDER,
    Place,
    ask,
    facts,
    fault,
    nothing_half_written,
    only_run,
    quoted,
    refused,
    restore,
    rows_in,
    succeeded,
    until,
    whole,
)
from tests.load.crowd import engines_of, own_result
from tests.load.marks import as_file, marked
from tests.load.visitor import Job, Page, Visitor, connections
from tests.support.running import App


def same_as_library(job: Job, photo: bytes, place: Place) -> None:
    """Check that a result of an app in `place` is bit-identical to the library's."""
    from mirnet.images.decode import read_image

    assert not job.error, job.error
    with engines_of(place.cache):
        own = own_result(photo)
    assert np.array_equal(read_image(job.file).pixels, own), "another result"


@fault("kill -9 of the app while it restores a photo in tiles")
def app_restoring(place: Place) -> str:
    photo = as_file(marked(1, 2000, 1500))

    async def killed() -> Job:
        async with connections() as client:
            visitor = Visitor(Page(app.url), client, {})
            job = Job("restore", visitor.name)
            task = asyncio.create_task(visitor.restore("photo.jpg", photo, job))
            while job.began is None:
                assert not task.done(), f"ended before its first tile: {job.error}"
                await asyncio.sleep(0.01)
            os.kill(app.process.pid, signal.SIGKILL)
            await asyncio.gather(task, return_exceptions=True)
            return job

    with place.app() as app:
        job = asyncio.run(killed())
    assert job.error and not job.ended, "a killed app reported a result"
    with place.app() as app:
        same_as_library(restore(app.url, photo), photo, place)
    return (
        "the visitor's connection breaks; the app started again restores it, bit for bit the same"
    )


@fault("kill -9 of the app while it evaluates")
def app_evaluating(place: Place) -> str:
    methods = ["identity", "tv", "denoise-compact"]
    with place.app() as app:
        run_id = ask(app.url, "evaluate_start", "mini-denoise", methods, 4, 0, None, "").data[0]
        stored = place.store.run(run_id["run"])
        until(lambda: rows_in(stored) >= 5, "five pictures")
        reported = ask(app.url, "evaluate_status", stored.id).data[0]["done"]
        os.kill(app.process.pid, signal.SIGKILL)
        app.process.wait()
    kept = len(stored.rows())
    assert kept >= reported, f"{reported} were reported and {kept} are there"
    with place.app() as app:
        found = ask(app.url, "evaluate_status", stored.id).data[0]
        assert found["state"] == "interrupted", found
        assert "All results so far are kept" in found["words"], found
        photo = as_file(marked(2, 300, 200))
        same_as_library(restore(app.url, photo), photo, place)
    succeeded(place.run("-m", "eval", "resume", stored.id))
    assert facts(stored.rows()) == whole(place), "another result than without the fault"
    return f"{reported} pictures were reported and {kept} kept; resumed, bit for bit the same"


def _kill_a_worker(place: Place, *engine: str) -> str:
    process = place.begin("-m", "eval", "run", *ORDER, "--fresh", *engine)
    until(lambda: place.store.headers() and rows_in(only_run(place.store)) >= 2, "two pictures")
    workers = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]
    assert workers, "there are no workers"
    workers[0].kill()
    said = " ".join((process.communicate(timeout=600)[1] or "").split())
    assert "Traceback" not in said, said[-400:]
    assert process.returncode in (0, 2), f"exit {process.returncode}: {said[-300:]}"
    return "went on without it" if process.returncode == 0 else quoted(said)


@fault("kill -9 of a worker process while it evaluates")
def worker_evaluating(place: Place) -> str:
    said = _kill_a_worker(place, "--engine", "processes", "--workers", "2")
    stored = only_run(place.store)
    if stored.header().status != "done":
        succeeded(place.run("-m", "eval", "resume", stored.id))
    assert facts(stored.rows()) == whole(place), "another result than without the fault"
    nothing_half_written(place.state)
    return f"{said}; to the end, bit for bit the same"


@fault("two apps on one folder of state")
def two_apps(place: Place) -> str:
    methods = ["identity", "denoise-compact"]

    def started(app: App, seed: int) -> StoredRun:
        found = ask(app.url, "evaluate_start", "mini-denoise", methods, 8, seed, None, "").data[0]
        return place.store.run(found["run"])

    with place.app() as one, place.app() as two:
        first = started(one, 0)
        until(lambda: rows_in(first) >= 1, "a picture")
        os.killpg(one.process.pid, signal.SIGSTOP)  # its run cannot end while others look at it
        try:
            seen = ask(two.url, "evaluate_status", first.id).data[0]
            assert seen["state"] == "elsewhere", seen
            refused(place.run("-m", "eval", "resume", first.id), "under way in another process")
            second = started(two, 1)
        finally:
            os.killpg(one.process.pid, signal.SIGCONT)
        for app, stored in ((one, second), (two, first)):  # each sees the other's to its end
            until(
                lambda app=app, stored=stored: (
                    ask(app.url, "evaluate_status", stored.id).data[0]["state"] == "done"
                ),
                "the other app's run",
                every=0.5,
            )
    for stored in (first, second):
        assert len(stored.rows()) == 16
    nothing_half_written(place.state)
    return "each shows the other's run as under way elsewhere; both are complete"
