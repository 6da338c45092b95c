"""Monitoring for the operator: jobs under way, the newest errors, and numbers for Prometheus."""

import contextlib
import datetime
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from mirnet.errors import Cancelled, MIRNetError

from . import journal
from .folders import free_bytes, upload_folder

MAX_ERRORS = 50
"""Most errors that are remembered."""
SECONDS_BUCKETS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
"""Upper bounds of the histograms, in seconds."""
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Media type of `Monitor.numbers`."""


@dataclass
class Job:
    """A photo or an evaluation that waits or is under way."""

    id: str
    """Id that the visitor also sees, or the id of the run."""
    title: str
    """Task and weights, or the benchmark; never the name of a file."""
    megapixels: float | None
    """Size of the result in million pixels; None for an evaluation."""
    stop: Callable[[], None]
    """Stops the job."""
    state: str = "waiting"
    """"waiting" or "running"."""
    since: float = field(default_factory=time.monotonic)
    """Time of `time.monotonic` when the state began."""

    @property
    def seconds(self) -> int:
        """Seconds in this state."""
        return round(time.monotonic() - self.since)


@dataclass(frozen=True)
class ErrorRecord:
    """One unexpected error."""

    id: str
    """Id that the visitor also sees."""
    moment: datetime.datetime
    """Time, UTC."""
    job: str
    """Id of the job or request; empty if there was none."""
    type: str
    """Class of the exception."""
    text: str
    """Text of the exception without names of files and tokens."""
    where: tuple[str, ...]
    """Last frames, outermost first."""


class Monitor:
    """Keeps what the operator sees; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._errors: deque[ErrorRecord] = deque(maxlen=MAX_ERRORS)
        self._sources: list[Callable[[], list[Job]]] = []
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._photos = Counter(
            "mirnet_photos", "Photos by outcome.", ["task", "weights", "outcome"], registry=registry
        )
        self._wait = Histogram(
            "mirnet_photo_wait_seconds",
            "Time in the queue.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._work = Histogram(
            "mirnet_photo_work_seconds",
            "Time from the queue to the result.",
            ["task", "weights"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._requests = Counter(
            "mirnet_requests",
            "Answered requests.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._failures = Counter("mirnet_errors", "Unexpected errors.", registry=registry)
        for state in ("waiting", "running"):
            gauge = Gauge(f"mirnet_jobs_{state}", f"Jobs that are {state}.", registry=registry)
            gauge.set_function(partial(self._count, state))
        free = Gauge(
            "mirnet_disk_free_bytes", "Free disk space for uploads and results.", registry=registry
        )
        free.set_function(lambda: free_bytes(upload_folder()))

    def add_source(self, jobs: Callable[[], list[Job]]) -> None:
        """Add jobs of another room, such as evaluations."""
        self._sources.append(jobs)

    def jobs(self) -> list[Job]:
        """Jobs that wait or are under way."""
        with self._lock:
            own = list(self._jobs.values())
        return [*own, *(job for source in self._sources for job in source())]

    def errors(self) -> list[ErrorRecord]:
        """The newest errors, newest first."""
        with self._lock:
            return list(reversed(self._errors))

    def stop(self, job_id: str) -> bool:
        """Stop a job; False if there is none of this id."""
        job = next((job for job in self.jobs() if job.id == job_id), None)
        if job is not None:
            job.stop()
        return job is not None

    @contextlib.contextmanager
    def watch(
        self, job_id: str, task: str, weights: str, megapixels: float, stop: Callable[[], None]
    ) -> Iterator[Callable[[], None]]:
        """Watch the job of a photo.

        Args:
            megapixels: Size of the result in million pixels.

        Yields:
            A function to call when the photo's turn has come.
        """
        job = Job(job_id, f"{task} · {weights}", megapixels, stop)
        waited, outcome = 0.0, "done"

        def started() -> None:
            nonlocal waited
            waited = time.monotonic() - job.since
            job.state, job.since = "running", time.monotonic()
            self._wait.observe(waited)

        with self._lock:
            self._jobs[job_id] = job
        try:
            yield started
        except (Cancelled, GeneratorExit):
            outcome = "stopped"
            raise
        except MIRNetError:
            outcome = "refused"
            raise
        except BaseException:
            outcome = "failed"
            raise
        finally:
            with self._lock:
                self._jobs.pop(job_id, None)
            self._photos.labels(task, weights, outcome).inc()
            seconds = time.monotonic() - job.since if job.state == "running" else 0.0
            if outcome == "done":
                self._work.labels(task, weights).observe(seconds)
            journal.write(
                "job",
                id=job_id,
                task=task,
                weights=weights,
                megapixels=round(megapixels, 3),
                waited=round(waited, 3),
                seconds=round(seconds, 3),
                outcome=outcome,
            )

    def failed(self, error: BaseException, job: str = "") -> str:
        """Remember an unexpected error; returns the id to show to the visitor.

        Args:
            job: Id of the job or request.
        """
        facts = journal.describe(error)
        error_id = journal.new_id()
        record = ErrorRecord(
            error_id,
            datetime.datetime.now(datetime.UTC),
            job,
            facts["type"],
            facts["text"],
            tuple(facts["where"]),
        )
        with self._lock:
            self._errors.append(record)
        self._failures.inc()
        journal.write("error", id=error_id, job=job, **facts)
        return error_id

    def answered(self, method: str, route: str, status: int) -> None:
        """Count an answered request; statuses of 400 and more are refusals and errors."""
        self._requests.labels(method if method in _METHODS else "other", route, status).inc()

    def numbers(self) -> bytes:
        """All numbers in Prometheus's text format."""
        return generate_latest(self._registry)

    def _count(self, state: str) -> int:
        return sum(job.state == state for job in self.jobs())


_METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS")

MONITOR = Monitor()
"""Monitor of this program's jobs and requests."""


def fault(error: BaseException, job: str = "") -> str:
    """Remember an unexpected error; returns what the visitor is told, with the ids of the journal.

    Args:
        job: Id of the job; empty if there was none.
    """
    number = MONITOR.failed(error, job)
    name = f"error {number} of job {job}" if job else f"error {number}"
    return f"This failed, and the fault is ours: the program's log has it as {name}."
