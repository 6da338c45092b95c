"""Gentle use for an hour or more: what an app takes of the machine must not grow with its age."""

import asyncio
import statistics
import time
from typing import Any

import numpy as np

from tests.load.crowd import SMALL_PX
from tests.load.marks import as_file, marked, number_in
from tests.load.served import Sample, Served
from tests.load.visitor import Job, Page, Visitor, connections

EVERY_SECONDS = 6.0
"""Seconds between visitors; one is skipped while `MAX_AT_ONCE` are there."""
MAX_AT_ONCE = 3
"""Largest number of simultaneous visitors: gentle use, even of a busy machine."""
KEEP_HOURS = 0.1
"""Hours that uploads and results are kept; short, so that an hour shows their deletion."""
WARM_SHARE = 0.25
"""Share of the time that counts as warming up, while libraries and caches fill."""
MAX_GROWTH_MB = 200.0
"""Largest growth of resident memory after warming up, in MB."""
MAX_NEW_THREADS, MAX_NEW_FILES = 20, 40
"""Largest growth of threads and of open files after warming up."""
MIDDLE_PX = (1600, 1200)
"""Width and height of every twentieth photo, which is restored in tiles."""


async def soak(app: Served, minutes: float, every_seconds: float = EVERY_SECONDS) -> dict[str, Any]:
    """Send one visitor after another; each restores a photo or reads, some leave in the middle.

    Args:
        app: The app.
        minutes: Duration in minutes.
        every_seconds: Seconds between two visitors.

    Returns:
        Jobs and HTTP statuses, counted, and sentences about what went wrong.
    """
    page, statuses, trouble = Page(app.url), {}, []
    counts: dict[str, int] = {}
    end = time.monotonic() + 60 * minutes
    tasks: set[asyncio.Task] = set()
    async with connections() as client:
        number = 0
        while time.monotonic() < end:
            number += 1
            visitor = Visitor(page, client, statuses, f"visitor-{number}")
            kind = _kind(number)
            counts[kind] = counts.get(kind, 0) + 1
            tasks.add(asyncio.create_task(_visit(app, visitor, kind, number % 4000, trouble)))
            await asyncio.sleep(every_seconds)
            while len(tasks := {task for task in tasks if not task.done()}) >= MAX_AT_ONCE:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait_for(asyncio.gather(*tasks), 900)
    return {"visitors": counts, "statuses": statuses, "trouble": trouble}


def _kind(number: int) -> str:
    if number % 100 == 50:
        return "evaluates"
    if number % 20 == 10:
        return "restores 2 MP"
    if number % 10 == 5:
        return "leaves"
    return "reads" if number % 3 == 0 else "restores"


async def _visit(app: Served, visitor: Visitor, kind: str, number: int, trouble: list[str]) -> None:
    job = Job(kind, visitor.name, number)
    try:
        await visitor.get("")
        if kind == "reads":
            run = app.runs[number % len(app.runs)]
            await visitor.ask("evaluate_result", [run, "", ""], job)
        elif kind == "evaluates":
            methods = ["identity", "denoise-compact"]
            asked: list[Any] = ["mini-denoise", methods, 2, number, None, "soak"]
            await visitor.ask("evaluate_start", asked, job)
        else:
            size = MIDDLE_PX if kind != "restores" else SMALL_PX
            photo = as_file(marked(number, *size))
            restoring = visitor.restore("photo.jpg", photo, job)
            if kind == "leaves":
                await _leave_in_the_middle(restoring)
                return
            await restoring
            if not job.error:
                await _check(job, number)
    except Exception as error:  # one visitor's trouble is a finding, not the end
        job.error = f"{type(error).__name__}: {error}"
    if job.error:
        trouble.append(f"{kind}: {job.error}")


async def _leave_in_the_middle(restoring: Any) -> None:
    """Close the browser while a photo is being restored."""
    task = asyncio.create_task(restoring)
    await asyncio.sleep(1.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _check(job: Job, number: int) -> None:
    from mirnet.images.decode import read_image

    if number_in(read_image(job.file).pixels) != number:
        job.error = "somebody else's photo came back"


def verdict(samples: list[Sample], found: dict[str, Any]) -> dict[str, Any]:
    """Summarise the measurements and list broken promises.

    Args:
        samples: Samples of the whole time.
        found: Result of `soak`.
    """
    total = samples[-1].seconds
    warm = [sample for sample in samples if sample.seconds >= WARM_SHARE * total]
    tenth = max(len(warm) // 8, 1)
    first, last = warm[:tenth], warm[-tenth:]

    def middle(part: list[Sample], name: str) -> float:
        return statistics.median(getattr(sample, name) for sample in part)

    slope = np.polyfit([s.seconds / 3600 for s in warm], [s.rss_mb for s in warm], 1)[0]
    broken = [f"{len(found['trouble'])} visitors had trouble: {found['trouble'][:3]}"]
    broken = broken if found["trouble"] else []
    bad = {status: n for status, n in found["statuses"].items() if status >= 400}
    if bad:
        broken.append(f"HTTP statuses {bad}")
    table = {}
    for name, most in (
        ("rss_mb", MAX_GROWTH_MB),
        ("threads", MAX_NEW_THREADS),
        ("files", MAX_NEW_FILES),
        ("temporary_mb", max(middle(first, "temporary_mb"), 20.0)),
    ):
        before, after = middle(first, name), middle(last, name)
        highest = max(getattr(sample, name) for sample in samples)
        table[name] = {"warm": before, "end": after, "highest": highest}
        if after - before > most:
            broken.append(f"{name} went from {before:.0f} to {after:.0f}")
    return {
        "minutes": total / 60,
        "rss_mb_per_hour": float(slope),
        "table": table,
        "broken": broken,
    } | found
