"""Simultaneous visitors of the page, and checks of the answers that they get.

Nothing here depends on how fast the machine is: promises are about what comes back, to whom, in
which order, and what it costs. Times are reported and not judged.
"""

import asyncio
import io
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from mirnet.images.decode import read_image
from mirnet.restoration.api import restore
from tests.load.marks import as_file, marked, number_in
from tests.load.served import Served
from tests.load.visitor import Job, Page, Visitor, connections

SMALL_PX, LARGE_PX = (300, 200), (4000, 3000)
"""Width and height of the photos: 0.06 and 12 megapixels."""
MAX_RSS_MB = 4096
"""Largest resident memory of the app, in MB."""
GREEDY_BEFORE = 6
"""Largest number of one visitor's photos finished while a visitor with one photo waits."""


@dataclass(frozen=True)
class Plan:
    """Numbers of visitors of each kind."""

    small: int = 50
    """Visitors with one small photo."""
    large: int = 5
    """Visitors with a photo of 12 megapixels."""
    greedy: int = 20
    """Photos of one visitor who sends them all at once, ahead of the others."""
    evaluations: int = 2
    """Number of running evaluations."""
    readers: int = 20
    """Visitors who read stored runs until the others are done."""
    large_px: tuple[int, int] = LARGE_PX
    """Width and height of a large photo."""


@dataclass
class Outcome:
    """Outcome of a crowd."""

    plan: Plan
    """Plan of the crowd."""
    jobs: list[Job] = field(default_factory=list)
    """Jobs of all requests to the queue."""
    statuses: dict[int, int] = field(default_factory=dict)
    """Number of answers by HTTP status."""
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Final states of the evaluations."""
    seconds: float = 0.0
    """Seconds from the first visitor to the last."""
    quiet_read_seconds: list[float] = field(default_factory=list)
    """Seconds of each read before the others came."""

    def of(self, what: str) -> list[Job]:
        """Select the jobs of one kind."""
        return [job for job in self.jobs if job.what == what]


class Crowd:
    """Sends visitors to an app.

    Args:
        app: App to visit.
        plan: Numbers of visitors.
    """

    def __init__(self, app: Served, plan: Plan) -> None:
        self.app, self.plan = app, plan
        self.page = Page(app.url)
        self.outcome = Outcome(plan)
        self.photos: dict[int, bytes] = {}
        """The file sent, by its number."""
        self._over = asyncio.Event()

    async def come(self) -> Outcome:
        """Send all visitors, and wait for the last one."""
        plan, outcome = self.plan, self.outcome
        kinds = ["greedy"] * plan.greedy + ["small"] * plan.small + ["large"] * plan.large
        for number, kind in enumerate(kinds, 1):
            size = plan.large_px if kind == "large" else SMALL_PX
            self.photos[number] = as_file(marked(number, *size), "JPEG")
        async with connections() as client:
            self._client = client
            for _ in range(3):
                job = await self._read_once(self._visitor("quiet"), 0)
                outcome.quiet_read_seconds.append(job.seconds)
            outcome.jobs.clear()
            began = time.monotonic()
            readers = [asyncio.create_task(self._read(n)) for n in range(plan.readers)]
            runs = [asyncio.create_task(self._evaluate(n)) for n in range(plan.evaluations)]
            greedy = self._visitor("greedy")
            tasks = []
            for number, kind in enumerate(kinds, 1):
                visitor = greedy if kind == "greedy" else self._visitor(f"{kind}-{number}")
                job = Job(kind, visitor.name, number)
                outcome.jobs.append(job)
                tasks.append(asyncio.create_task(self._restore(visitor, job)))
                if number == plan.greedy:
                    await asyncio.sleep(1)  # its photos are all in the queue
            await asyncio.gather(*tasks)
            outcome.runs = await asyncio.gather(*runs)
            self._over.set()
            await asyncio.gather(*readers)
            outcome.seconds = time.monotonic() - began
        return outcome

    def _visitor(self, name: str) -> Visitor:
        return Visitor(self.page, self._client, self.outcome.statuses, name)

    async def _restore(self, visitor: Visitor, job: Job) -> None:
        try:
            await visitor.restore(f"photo-{job.number}.jpg", self.photos[job.number], job)
        except Exception as error:  # one visitor's trouble is a finding, not the end
            job.error = f"{type(error).__name__}: {error}"

    async def _read(self, number: int) -> None:
        visitor = self._visitor(f"reader-{number}")
        turn = number
        while not self._over.is_set():
            await self._read_once(visitor, turn)
            turn += 1
            await asyncio.sleep(2)

    async def _read_once(self, visitor: Visitor, turn: int) -> Job:
        """Read a stored run once, as a program or as the page does."""
        job = Job("read", visitor.name)
        self.outcome.jobs.append(job)
        run = self.app.runs[turn % len(self.app.runs)]
        try:
            if turn % 4 == 0:
                job.asked = time.monotonic()
                content = await visitor.get("")
                job.ended = time.monotonic()
                if b"MIRNet Studio" not in content:
                    job.error = "not the page"
            elif turn % 4 == 1:
                await visitor.ask("evaluate_report", [run, ""], job)
            else:
                await visitor.ask("evaluate_result", [run, "", ""], job)
                if not job.error and run not in str(job.data):
                    job.error = "another run"
        except Exception as error:  # as above
            job.error = f"{type(error).__name__}: {error}"
        job.data = None  # reports are large
        return job

    async def _evaluate(self, number: int) -> dict[str, Any]:
        visitor = self._visitor(f"evaluation-{number}")
        methods = ["identity", "denoise-compact", "tv"][: 2 + number % 2]
        asked: list[Any] = ["mini-denoise", methods, 0, 0, None, f"load {number}"]
        job = await visitor.ask("evaluate_start", asked, Job("evaluate", visitor.name))
        if job.error:
            return {"run": "", "state": job.error, "done": 0, "total": -1}
        state = job.data[0]
        while state["state"] in ("queued", "running", "stopping"):
            await asyncio.sleep(2)
            job = await visitor.ask("evaluate_status", [state["run"]], Job("read", visitor.name))
            self.outcome.jobs.append(job)
            if job.error:
                return state | {"state": job.error}
            state = job.data[0]
        return state


def broken_promises(outcome: Outcome, app: Served, photos: dict[int, bytes]) -> list[str]:
    """Check the promises of the service.

    Args:
        outcome: Outcome of the crowd.
        app: The app they came to.
        photos: Photos sent, by number.

    Returns:
        A sentence for each promise that was broken.
    """
    broken = []
    bad = {status: n for status, n in outcome.statuses.items() if status >= 400}
    if bad:
        broken.append(f"HTTP statuses {bad}")
    for job in outcome.jobs:
        if job.error or job.ended is None:
            broken.append(f"{job.what} of {job.visitor} was lost: {job.error or 'never ended'}")
    photo_jobs = [job for job in outcome.jobs if job.number >= 0]
    for job in photo_jobs:
        if job.error:
            continue
        pixels = read_image(job.file).pixels
        if number_in(pixels) != job.number:
            broken.append(f"{job.visitor} got the photo of number {number_in(pixels)}")
        if job.what == "large" and job is not outcome.of("large")[0]:
            continue  # one of them takes long enough
        with engines_of(app.cache):
            own = own_result(photos[job.number])
        if not np.array_equal(pixels, own):
            broken.append(f"The result of {job.visitor} differs from the library's own")
    for run in outcome.runs:
        if run["state"] != "done" or run["done"] != run["total"]:
            broken.append(f"Evaluation {run}")
    if app.samples and max(sample.rss_mb for sample in app.samples) > MAX_RSS_MB:
        broken.append(f"Resident memory was over {MAX_RSS_MB} MB")
    return broken + unfair(outcome)


@contextmanager
def engines_of(cache: Path) -> Iterator[None]:
    """Let the library compute with the engines that an app timed and kept.

    Engines round some values differently, and each cache folder keeps a choice of its own: only
    with the app's choice are the library's results bit-identical to the app's.

    Args:
        cache: Cache folder of the app.

    Raises:
        AssertionError: The library needed an engine for which the app had kept no choice.
    """
    path = cache / "engines.json"
    kept = path.read_bytes() if path.exists() else b""
    with patch.dict(os.environ, MIRNET_CACHE=str(cache)):
        yield
    known = path.read_bytes() if path.exists() else b""
    assert known == kept, "the library timed engines: the app had kept no choice"


def own_result(photo: bytes) -> np.ndarray:
    """Restore a file with the library, for comparison."""
    return restore(io.BytesIO(photo).getvalue(), "denoise").result().picture.pixels


def unfair(outcome: Outcome) -> list[str]:
    """List waits of one visitor for another that should not occur."""
    broken = []
    ends = [job.ended for job in outcome.of("greedy") if job.ended]
    for job in outcome.of("small"):
        if job.ended is None:
            continue
        ahead = sum(job.asked < end < job.ended for end in ends)
        if ahead > GREEDY_BEFORE:
            broken.append(f"{job.visitor} waited for {ahead} photos of the visitor with many")
    large = [job.ended for job in outcome.of("large") if job.ended]
    small = [job.ended for job in outcome.of("small") if job.ended]
    if large and small and sum(end < max(large) for end in small) < len(small) / 2:
        broken.append("Most small photos waited for all the large ones")
    waited = [job for job in outcome.of("small") if job.seconds > 20]
    if waited and not any(job.places for job in waited):
        broken.append("Nobody was told how many were before them")
    return broken


def spread(values: list[float]) -> dict[str, float]:
    """Compute the median, 95th percentile and maximum of times."""
    if not values:
        return {}
    return {
        "median": statistics.median(values),
        "p95": float(np.percentile(values, 95)),
        "longest": max(values),
    }


def facts(outcome: Outcome, app: Served) -> dict[str, Any]:
    """Collect all measurements for a JSON file."""
    quiet = outcome.quiet_read_seconds
    return {
        "seconds": outcome.seconds,
        "jobs": {
            what: {"count": len(jobs), "lost": sum(bool(job.error) for job in jobs)}
            | {"seconds": spread([job.seconds for job in jobs if job.ended])}
            for what in ("small", "greedy", "large", "read")
            if (jobs := outcome.of(what))
        },
        "read_before_seconds": spread(quiet),
        "statuses": {str(status): n for status, n in sorted(outcome.statuses.items())},
        "told_a_place": sum(
            bool(job.places) for what in ("small", "greedy", "large") for job in outcome.of(what)
        ),
        "places": sorted({word for job in outcome.of("small") for word in job.places}),
        "evaluations": outcome.runs,
        "order": [
            job.visitor
            for job in sorted(
                (job for job in outcome.jobs if job.number >= 0 and job.ended),
                key=lambda job: job.ended or 0.0,
            )
        ],
        "rss_mb": {
            "first": app.samples[0].rss_mb,
            "highest": max(sample.rss_mb for sample in app.samples),
            "last": app.samples[-1].rss_mb,
        },
        "threads": max(sample.threads for sample in app.samples),
        "open_files": max(sample.files for sample in app.samples),
        "temporary_mb": max(sample.temporary_mb for sample in app.samples),
    }


def empty_folder(folder: Path) -> Path:
    """Make a folder for the app; an existing one must be empty."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty: name another --folder.")
    return folder
