"""One run of the queue, and its execution."""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from eval.analysis.table_cache import TableCache
from eval.runs.document import SampleResult
from eval.runs.executors import serial
from eval.runs.ray_cluster import executor_of_page
from eval.runs.runner import ImageScored, execute_run, finish
from eval.runs.store import StoredRun
from mirnet.app.monitor import fault
from mirnet.errors import MIRNetError

log = logging.getLogger(__name__)


@dataclass
class RunJob:
    """One run that waits or runs in this program."""

    stored: StoredRun
    """The run."""
    max_megapixels: float
    """Megapixels of results after which the run is stopped."""
    owner: str
    """Window that may stop it; see `permissions.owner`."""
    cache_gb: float | None = None
    """Limit of the output cache; see `eval.runs.output_cache.cache_of`."""
    event: ImageScored | None = None
    """The newest result."""
    stop: bool = False
    """Set to end the run after the current picture."""
    since: float = field(default_factory=time.monotonic)
    """Time of `time.monotonic` when it entered the queue."""


def execute_job(job: RunJob, tables: TableCache, is_closing: Callable[[], bool]) -> None:
    """Execute a run until it is done, stopped or failed; nothing is raised.

    Args:
        job: The run; its `event` is updated after every picture.
        tables: Cache of tables, which receives the leaderboard of the run at the end.
        is_closing: Whether the program is being closed; called after each picture.
    """
    stored = job.stored
    try:
        _execute(job, is_closing)
    except MIRNetError as error:
        log.warning("Run %s ended early: %s", stored.id, error)
        with contextlib.suppress(MIRNetError):  # where it failed before its first picture
            if not stored.is_held():
                finish(stored, "failed", str(error))
    except Exception as error:
        log.exception("Run %s failed", stored.id)
        words = fault(error, stored.id)
        with contextlib.suppress(MIRNetError):
            finish(stored, "failed", words)
    finally:
        with contextlib.suppress(MIRNetError):  # so that the first look at it is quick
            from eval.analysis.score_tables import default_baseline

            tables.board(stored, default_baseline(stored.header()))


def _restored_megapixels(row: SampleResult) -> float:
    """Megapixels of a result, as often as it was restored for its time."""
    return (row.megapixels or 0.0) * (1 if row.cached else row.repeats)


def _execute(job: RunJob, is_closing: Callable[[], bool]) -> None:
    stored, reason = job.stored, ""
    megapixels = sum(map(_restored_megapixels, stored.rows()))
    works = execute_run(stored, cache_gb=job.cache_gb, executor=executor_of_page() or serial)
    with contextlib.closing(works) as events:  # type: ignore[type-var]
        for event in events:
            job.event = event
            megapixels += _restored_megapixels(event.row)
            if event.done < event.total and megapixels > job.max_megapixels:
                reason = (
                    f"Stopped at the limit of {job.max_megapixels:,.0f} megapixels a run: all "
                    "results so far are kept."
                )
                break
            if job.stop or is_closing():
                break
    if reason:
        stored.write_header(stored.header().model_copy(update={"error": reason}))
