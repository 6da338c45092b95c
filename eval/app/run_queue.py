"""Queue that executes runs in the background, one at a time.

A run belongs to the program and not to a browser: it is visible to everybody who opens the page.
"""

import contextlib
import importlib
import re
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from eval.analysis.table_cache import TableCache
from eval.runs.document import MethodSummary, Run, SampleResult
from eval.runs.live_runs import LiveRuns
from eval.runs.recorded import has_pictures, recorded_headers
from eval.runs.removal import remove_run
from eval.runs.results_repo import forget_run
from eval.runs.runner import RunConfig, create_run, finish
from eval.runs.store import RecordedRun, RunStore, StoredRun
from eval.runs.verify import Finding, verify
from mirnet.app.auth import Role, allows
from mirnet.app.monitor import Job
from mirnet.errors import InvalidRequest, MIRNetError

from .run_job import RunJob, execute_job
from .run_limits import RunLimits, RunPolicy
from .run_status import RESUMABLE, Snapshot, State, sentence, state_without_job


class RunQueue:
    """Starts, stops and deletes runs, and reports their state.

    Every method that changes something takes the visitor's role (`mirnet.app.auth`).

    Args:
        store: Store of the runs.
        limits: Limits of every run; by default those of a private or public machine.
        read_only: Whether starting, resuming, verifying and deleting are off for everybody.
        local: Whether only this machine reaches the page; see `RunPolicy`.
        cache_gb: Limit of the output cache; see `eval.runs.output_cache.cache_of`.
    """

    def __init__(
        self,
        store: RunStore | None = None,
        limits: RunLimits | None = None,
        read_only: bool = False,
        local: bool = True,
        cache_gb: float | None = None,
    ):
        self.store = store or RunStore()
        self.policy = RunPolicy(limits, read_only, local)
        self.cache_gb = cache_gb
        self.tables = TableCache()
        self._live = LiveRuns()
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._waiting: deque[RunJob] = deque()
        self._current: RunJob | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    # ------------------------------------------------------------ changing runs

    def start(self, config: RunConfig, role: Role | None = None, owner: str = "") -> str:
        """Create a run and put it into the queue.

        Args:
            config: Configuration of the run; methods in local code files are refused.
            role: Role of the visitor.
            owner: Key of the owner, who may stop the run besides an admin.

        Returns:
            Id of the run.

        Raises:
            InvalidRequest: The run exceeds the limits, is not valid, or the role may not start it.
            BenchmarkUnavailable: The files of the benchmark cannot be fetched.
        """
        self._require_open(role)
        limits = self.policy.limits_of(role)
        if config.allow_code:
            raise InvalidRequest("Code of this machine is run from the command line only.")
        if config.folder is not None and not self.policy.is_admin(role):
            raise InvalidRequest("Folders of this machine cannot be named from here.")
        limits.check(config)
        self.policy.check_source(config.benchmark, role)
        with self._starting:
            self._require_room(limits)
            stored = create_run(self.store, config)
            try:
                limits.check_size(stored.header())
                self._enqueue(RunJob(stored, limits.megapixels, owner, self.cache_gb))
            except MIRNetError:
                shutil.rmtree(stored.folder, ignore_errors=True)
                raise
        return stored.id

    def resume(self, run_id: str, role: Role | None = None, owner: str = "") -> None:
        """Queue a stopped, failed or interrupted run again.

        Raises:
            InvalidRequest: There is no such run, it cannot be resumed, or the role may not start
                runs.
        """
        self._require_open(role)
        limits = self.policy.limits_of(role)
        with self._starting:
            found = self.status(run_id)
            _require_resumable(found)
            limits.check_size(found.run)
            self._require_room(limits)
            self._enqueue(RunJob(self.store.run(run_id), limits.megapixels, owner, self.cache_gb))

    def stop(self, run_id: str, role: Role | None = None, owner: str = "") -> None:
        """Stop a run after the current picture, or remove it from the queue.

        Raises:
            InvalidRequest: There is no such run, this program does not execute it, or the visitor
                does not own it.
        """
        own = self.policy.capped(role)
        if not allows(own, "runner"):
            raise InvalidRequest("Results can be looked at here: nothing can be stopped.")
        with self._lock:
            job, position = self._job(run_id)
            if job is None:
                raise InvalidRequest(
                    f"Run {run_id[:40]} is not under way in this program: stop it where it was "
                    "started."
                )
            if not allows(own, "admin") and job.owner != owner:
                raise InvalidRequest(
                    "Somebody else started this run: it ends by itself, and yours comes next."
                )
            job.stop = True
            if position:
                self._waiting.remove(job)
        if position:
            finish(job.stored, "stopped", None)

    def delete(self, run_id: str, role: Role | None = None) -> None:
        """Remove a run with all its pictures.

        Raises:
            InvalidRequest: There is no such run, it is in progress, or the role may not delete.
        """
        if not self.policy.is_admin(role):
            raise InvalidRequest("Deleting is off here: only the owner of the machine may do it.")
        found, stored = self.status(run_id), self.store.run(run_id)
        if found.under_way:
            raise InvalidRequest(f"Run {run_id} is {found.state}: stop it first.")
        remove_run(stored)
        self.tables.forget(run_id)
        self._live.forget(stored)
        with contextlib.suppress(OSError):  # a full disk; the run is gone here
            forget_run(self.store, run_id)

    def verify(self, run_id: str, sample: int = 3, role: Role | None = None) -> Iterator[Finding]:
        """Recompute a sample of a run, and name folders of this machine to admins alone.

        Raises:
            InvalidRequest: There is no such run, or the role may not start computations.
        """
        self._require_open(role)
        found = verify(self.store.run(run_id), sample=sample)
        yield from found if self.policy.is_admin(role) else map(Finding.without_folders, found)

    def close(self, seconds: float = 10.0) -> None:
        """Stop all runs, and wait at most `seconds` for the current picture."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _require_open(self, role: Role | None) -> None:
        self.policy.require_runner(role)
        if self._closed:
            raise InvalidRequest("The program is being closed: start it again.")

    def _require_room(self, limits: RunLimits) -> None:
        with self._lock:
            busy = len(self._waiting) + (self._current is not None)
        if busy >= limits.queued:
            raise InvalidRequest(
                f"{busy} runs are waiting or under way, which is as many as may: try again later."
            )

    # ------------------------------------------------------------ the thread

    def _enqueue(self, job: RunJob) -> None:
        with self._lock:
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="evaluation", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._closed or not self._waiting:
                    self._thread, self._current = None, None
                    return
                self._current = job = self._waiting.popleft()
            execute_job(job, self.tables, lambda: self._closed)

    # ------------------------------------------------------------ reading runs

    def _job(self, run_id: str) -> tuple[RunJob | None, int]:
        """Job of a run and its queue position from 1, or 0 for the running one."""
        # A run that was stopped and resumed at once waits until its first job has ended.
        for position, job in enumerate(self._waiting, 1):
            if job.stored.id == run_id:
                return job, position
        current = self._current
        return (current if current and current.stored.id == run_id else None), 0

    def jobs(self) -> list[Job]:
        """Runs of this program that wait or are under way, for the operator's page."""
        with self._lock:
            states = [(self._current, "running")] if self._current else []
            states += [(job, "waiting") for job in self._waiting]
        return [_as_job(job, state, self.stop) for job, state in states]

    def current(self) -> str | None:
        """Id of the current run, or of the first waiting one; None if there is none."""
        with self._lock:
            job = self._current or next(iter(self._waiting), None)
            return job.stored.id if job else None

    def status(self, run_id: str) -> Snapshot:
        """State and progress of a run.

        Raises:
            InvalidRequest: There is no such run, or it is damaged.
        """
        stored = self.stored(run_id)
        with self._lock:
            job, position = self._job(run_id)
        return _snapshot(stored, job, position, self._live)

    def stored(self, run_id: str) -> StoredRun:
        """Stored run with an id; the error message names no folder of the server.

        Raises:
            InvalidRequest: There is no such run.
        """
        return _stored(self.store, run_id)

    def history(self) -> list[tuple[Run, State]]:
        """All runs of this machine with their states, newest first; recorded ones are apart."""
        rows: list[tuple[Run, State]] = []
        for run in self.store.headers():
            if run.status != "running":
                rows.append((run, run.status))
                continue
            with contextlib.suppress(InvalidRequest):  # deleted meanwhile
                rows.append((run, self.status(run.id).state))
        return rows

    def newest(self) -> str | None:
        """Id of the newest run of this machine; None where no run is stored."""
        return next((run.id for run, _ in self.history()), None)

    def shown_first(self) -> str | None:
        """Id of the run that views show before one is chosen: the newest, or a recorded one.

        A recorded one is one with pictures.
        """
        return self.newest() or next(
            (run.id for run in recorded_headers() if has_pictures(run)), None
        )

    def progress(self, run_id: str) -> tuple[list[MethodSummary], SampleResult | None]:
        """Means of a run so far and its newest row; see `LiveRuns.look`."""
        stored = self.stored(run_id)
        return self._live.look(stored, stored.header())


def _as_job(job: RunJob, state: str, stop: Callable[[str, Role], None]) -> Job:
    """A run on the operator's page, which stops it by its id."""
    return Job(
        id=job.stored.id,
        title="evaluation",
        megapixels=None,
        stop=partial(stop, job.stored.id, "admin"),
        state=state,
        since=job.since,
    )


def _stored(store: RunStore, run_id: str) -> StoredRun:
    """Find a run by an id from outside; see `RunQueue.stored`."""
    absent = InvalidRequest(f"There is no run {str(run_id)[:40]!r} here.")
    if not re.fullmatch(r"[0-9a-z-]{1,40}", run_id or ""):
        raise absent
    try:
        return store.run(run_id)
    except InvalidRequest as error:
        raise absent from error


def _require_resumable(found: Snapshot) -> None:
    """Refuse to go on with a run that has ended well, or whose methods are code of this machine."""
    run_id = found.run.id
    if found.state not in RESUMABLE:
        raise InvalidRequest(f"Run {run_id} is {found.state}: nothing to resume.")
    if any(method.kind == "custom" and ":" in method.id for method in found.run.methods):
        raise InvalidRequest(
            f"Run {run_id} has methods that are code of this machine: resume it from the command "
            f"line, `python -m eval resume {run_id}`."
        )


def _snapshot(stored: StoredRun, job: RunJob | None, position: int, live: LiveRuns) -> Snapshot:
    """State and progress of a run with its job, if it has one, at a position of the queue."""
    run = stored.header()
    state = _state(run, stored, job, position)
    event = job.event if job else None
    total = run.benchmark.n * len(run.methods)
    done = event.done if event else total
    if event is None and state != "done":
        done = live.count(stored)
    return Snapshot(
        run=run,
        state=state,
        done=min(done, total),
        total=total,
        seconds_left=event.seconds_left if event and state == "running" else None,
        latest=event.row if event else None,
        words=sentence(run, state, position),
        recorded=isinstance(stored, RecordedRun),
    )


def _state(run: Run, stored: StoredRun, job: RunJob | None, position: int) -> State:
    if job is None:
        return state_without_job(run, stored)
    if position:
        return "queued"
    if run.status != "running" and job.event is not None:
        return run.status  # the header is written a moment before the queue moves on
    return "stopping" if job.stop else "running"


def warm_up(queue: RunQueue) -> threading.Thread:
    """Import slow modules and read the list of runs in the background, before a page needs them.

    Returns:
        The thread that does it, started.
    """
    names = (
        "mirnet.restoration.api",
        "pandas",
        "pyarrow.parquet",
        "plotly.graph_objects",
        "scipy.stats",
        "cv2",
    )
    thread = threading.Thread(
        target=lambda: [*map(importlib.import_module, names), queue.store.headers()],
        name="warm-up",
        daemon=True,
    )
    thread.start()
    return thread
