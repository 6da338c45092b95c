"""Behind the Evaluate page: runs in the background, one at a time, and what the page tells of them.

A run belongs to the program and not to a browser: whoever opens the page finds it under way. What
a stranger may ask for is limited, and the page says so before anybody asks.
"""

import contextlib
import importlib
import logging
import re
import shutil
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eval.analysis.frames import Frames
from eval.data.benchmarks import Benchmark, load_benchmarks
from eval.methods.registry import list_methods
from eval.runs.document import Run, SampleResult
from eval.runs.environment import machine_name
from eval.runs.runner import ImageScored, RunConfig, create_run, execute_run, finish
from eval.runs.store import RunStore, StoredRun
from eval.runs.summaries import summarise_methods
from eval.runs.verify import Finding, verify
from mirnet.app.auth import Role, allows
from mirnet.errors import InvalidRequest, MIRNetError

State = Literal[
    "queued", "running", "stopping", "elsewhere", "interrupted", "done", "stopped", "failed"
]
"""How a run stands, also while it is under way. "elsewhere": in another process, such as the
command line; "interrupted": it says it is running and nobody works on it."""
RESUMABLE: tuple[State, ...] = ("interrupted", "stopped", "failed")
"""Those that can be gone on with."""
GUESSED_SECONDS = {"weights": 12.0, "baseline": 2.0, "custom": 2.0}
"""Seconds per megapixel of a method that no stored run of this machine has timed, by its kind."""
GUESSED_MEGAPIXELS = 0.25
"""Of a picture of a benchmark that does not say how large its pictures are."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one run may be, so that nobody occupies a machine for hours."""

    pairs: int = 5000
    """Most pairs of a run."""
    megapixels: float = 20_000.0
    """Most megapixels that all methods of a run make together."""
    queued: int = 20
    """Most runs that wait or are under way."""

    def words(self) -> str:
        """Say them in a sentence."""
        return (
            f"One run at a time; at most {self.pairs:,} pairs and {self.megapixels:,.0f} megapixels"
            f" of results a run, and {self.queued} runs waiting."
        )


PUBLIC = Limits(pairs=25, megapixels=60.0, queued=4)
"""Where strangers can reach the page."""


@dataclass(frozen=True)
class Snapshot:
    """How one run stands at this moment."""

    run: Run
    """Its header."""
    state: State
    """See `State`."""
    done: int
    """Pictures scored or failed so far, of all methods."""
    total: int
    """Pictures in all: pairs times methods."""
    seconds_left: float | None
    """Estimate while it is under way."""
    latest: SampleResult | None
    """What was made last, where it has been seen under way."""
    words: str
    """One sentence about it."""

    @property
    def under_way(self) -> bool:
        """Whether it waits or is being worked on."""
        return self.state in ("queued", "running", "stopping", "elsewhere")


@dataclass(frozen=True)
class Estimate:
    """How long a run would take on this machine."""

    seconds: float
    """In all."""
    guessed: tuple[str, ...]
    """Methods that no stored run of this machine has timed."""
    size_known: bool
    """Whether the benchmark says how large its pictures are."""


@dataclass
class _Job:
    """One run in the queue."""

    stored: StoredRun
    total: int
    limits: Limits
    owner: str
    event: ImageScored | None = None
    stop: bool = False
    words: str = ""


class RunQueue:
    """Starts, stops and tells about runs.

    Args:
        store: The runs.
        limits: Of every run.
        read_only: Whether nothing may be started, resumed, verified or deleted, by nobody.
        local: Whether only this machine reaches the page: then whoever is not named by a `Role`
            may do everything, and else run within limits.

    Every method that does something takes the role of whoever asks (`mirnet.app.auth`).
    """

    def __init__(
        self,
        store: RunStore | None = None,
        limits: Limits | None = None,
        read_only: bool = False,
        local: bool = True,
    ):
        self.store = store or RunStore()
        self.limits = limits or (Limits() if local else PUBLIC)
        self.read_only = read_only
        self.local = local
        self.frames = Frames()
        self._lock = threading.Lock()
        self._ordering = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._current: _Job | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    # ------------------------------------------------------------ asking for runs

    def capped(self, role: Role | None = None) -> Role:
        """What somebody of a role may do here; a copy that is read-only allows nobody more."""
        if self.read_only:
            return "viewer"
        return role or ("admin" if self.local else "runner")

    def limits_of(self, role: Role | None = None) -> Limits:
        """What one run of somebody may be."""
        if self.local or not allows(self.capped(role), "admin"):
            return self.limits
        return Limits()

    def start(self, order: RunConfig, role: Role | None = None, owner: str = "") -> str:
        """Check an order and put it into the queue.

        Args:
            order: What to run; `allow_code` is not taken from here.
            role: Of whoever asks.
            owner: Who may stop the run again, beside the operator.

        Returns:
            The run's id.

        Raises:
            InvalidRequest: It is over the limits, wrong, or nothing may be started here.
            BenchmarkUnavailable: The benchmark cannot be had.
        """
        self._require_open(role)
        limits = self.limits_of(role)
        if order.allow_code:
            raise InvalidRequest("Code of this machine is run from the command line only.")
        if order.folder is not None and not allows(self.capped(role), "admin"):
            raise InvalidRequest("Folders of this machine cannot be named from here.")
        _check_limits(order, limits)
        with self._ordering:
            self._require_room(limits)
            stored = create_run(self.store, order)
            try:
                run = stored.header()
                if run.benchmark.n > limits.pairs:
                    raise _too_many(run.benchmark.n, limits)
                self._enqueue(stored, run, limits, owner)
            except MIRNetError:
                shutil.rmtree(stored.folder, ignore_errors=True)
                raise
        return stored.id

    def resume(self, run_id: str, role: Role | None = None, owner: str = "") -> None:
        """Go on with a run that was stopped, failed or interrupted.

        Raises:
            InvalidRequest: There is no such run, it cannot be gone on with, or nothing may be
                started here.
        """
        self._require_open(role)
        limits = self.limits_of(role)
        with self._ordering:
            found = self.status(run_id)
            if found.state not in RESUMABLE:
                raise InvalidRequest(f"Run {found.run.id} is {found.state}: nothing to resume.")
            if any(method.kind == "custom" and ":" in method.id for method in found.run.methods):
                raise InvalidRequest(
                    f"Run {found.run.id} has methods that are code of this machine: resume it from "
                    f"the command line, `python -m eval resume {found.run.id}`."
                )
            if found.run.benchmark.n > limits.pairs:
                raise _too_many(found.run.benchmark.n, limits)
            self._require_room(limits)
            self._enqueue(self.store.run(run_id), found.run, limits, owner)

    def stop(self, run_id: str, role: Role | None = None, owner: str = "") -> None:
        """End a run after the picture under way, or take it out of the queue.

        Raises:
            InvalidRequest: There is no such run, it is not under way here, or somebody else's.
        """
        may = self.capped(role)
        if not allows(may, "runner"):
            raise InvalidRequest("Results can be looked at here: nothing can be stopped.")
        with self._lock:
            job = self._job(run_id)
            if job is not None and not allows(may, "admin") and job.owner != owner:
                raise InvalidRequest(
                    "Somebody else started this run: it ends by itself, and yours comes next."
                )
            waited = job is not None and job in self._waiting
            if job is not None:
                job.stop = True
                if waited:
                    self._waiting.remove(job)
        if job is None:
            raise InvalidRequest(
                f"Run {run_id[:40]} is not under way in this program: stop it where it was started."
            )
        if waited:
            finish(job.stored, "stopped", None)

    def delete(self, run_id: str, role: Role | None = None) -> None:
        """Remove a run with all its pictures.

        Raises:
            InvalidRequest: There is no such run, it is under way, or deleting is off.
        """
        if not allows(self.capped(role), "admin"):
            raise InvalidRequest("Deleting is off here: only the owner of the machine may do it.")
        found, stored = self.status(run_id), self.store.run(run_id)
        if found.under_way:
            raise InvalidRequest(f"Run {run_id} is {found.state}: stop it first.")
        if stored.folder.is_symlink():
            raise InvalidRequest(f"Run {run_id} is a link to another folder: delete it by hand.")
        aside = stored.folder.with_name(f".deleted-{stored.id}")
        try:
            stored.folder.rename(aside)
        except OSError as error:
            raise InvalidRequest(
                f"Run {run_id} could not be deleted ({error.strerror or error})."
            ) from error
        shutil.rmtree(aside, ignore_errors=True)
        self.frames.forget(run_id)

    def verify(self, run_id: str, sample: int = 3, role: Role | None = None) -> Iterator[Finding]:
        """Recompute a sample of a run; see `eval.runs.verify.verify`.

        Raises:
            InvalidRequest: There is no such run, or nothing may be computed here.
        """
        self._require_open(role)
        yield from verify(self.store.run(run_id), sample=sample)

    def close(self, seconds: float = 10.0) -> None:
        """Stop everything and wait for the picture under way, up to some seconds."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _require_open(self, role: Role | None) -> None:
        if not allows(self.capped(role), "runner"):
            who = (
                "This copy only shows results"
                if self.read_only
                else "Only the operator starts evaluations here"
            )
            raise InvalidRequest(f"{who}: run MIRNet Studio on your own machine to make some.")
        if self._closed:
            raise InvalidRequest("The program is being closed: start it again.")

    def _require_room(self, limits: Limits) -> None:
        with self._lock:
            busy = len(self._waiting) + (self._current is not None)
        if busy >= limits.queued:
            raise InvalidRequest(
                f"{busy} runs are waiting or under way, which is as many as may: try again later."
            )

    # ------------------------------------------------------------ the work

    def _enqueue(self, stored: StoredRun, run: Run, limits: Limits, owner: str) -> None:
        with self._lock:
            job = _Job(stored, run.benchmark.n * len(run.methods), limits, owner)
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
            self._run(job)

    def _run(self, job: _Job) -> None:
        stored = job.stored
        try:
            made = sum(row.megapixels or 0.0 for row in stored.rows())
            with contextlib.closing(execute_run(stored)) as events:  # type: ignore[type-var]
                for event in events:
                    job.event = event
                    made += event.row.megapixels or 0.0
                    if event.done < event.total and made > job.limits.megapixels:
                        job.words = (
                            f"Stopped at the limit of {job.limits.megapixels:,.0f} megapixels a "
                            "run: what was made until then is here."
                        )
                        break
                    if job.stop or self._closed:
                        break
            if job.words:
                stored.write_header(stored.header().model_copy(update={"error": job.words}))
        except MIRNetError as error:
            log.warning("Run %s ended early: %s", stored.id, error)
            with contextlib.suppress(MIRNetError):  # where it failed before its first picture
                if not stored.is_held():
                    finish(stored, "failed", str(error))
        except Exception:
            log.exception("Run %s failed", stored.id)
            with contextlib.suppress(MIRNetError):
                finish(stored, "failed", "The program has a fault; its log says more.")
        finally:
            with contextlib.suppress(MIRNetError):  # so that the first look at it is quick
                from eval.analysis.score_tables import default_baseline

                self.frames.board(stored, default_baseline(stored.header()))

    # ------------------------------------------------------------ telling

    def _job(self, run_id: str) -> _Job | None:
        jobs = [*self._waiting, *([self._current] if self._current else [])]
        return next((job for job in jobs if job.stored.id == run_id), None)

    def current(self) -> str | None:
        """Id of the run under way, or of the first that waits."""
        with self._lock:
            if self._current is not None:
                return self._current.stored.id
            return self._waiting[0].stored.id if self._waiting else None

    def status(self, run_id: str) -> Snapshot:
        """How a run stands.

        Raises:
            InvalidRequest: There is no such run, or it is damaged.
        """
        stored = self.stored(run_id)
        with self._lock:
            job = self._job(run_id)
            waits = (
                list(self._waiting).index(job) + 1
                if job is not None and job in self._waiting
                else 0
            )
        run = stored.header()
        state = self._state(run, stored, job, waits > 0)
        event = job.event if job else None
        total = run.benchmark.n * len(run.methods)
        if event is not None:
            done = event.done
        elif state == "done":
            done = total
        else:
            done = _lines(stored.folder / "scores.jsonl")
        return Snapshot(
            run=run,
            state=state,
            done=min(done, total),
            total=total,
            seconds_left=event.seconds_left if event and state == "running" else None,
            latest=event.row if event else None,
            words=_words(run, state, waits),
        )

    def stored(self, run_id: str) -> StoredRun:
        """One run by the id in a link; what it says of a wrong one names no folder.

        Raises:
            InvalidRequest: There is no such run.
        """
        try:
            if not re.fullmatch(r"[0-9a-z-]{1,40}", run_id or ""):
                raise InvalidRequest("no id")
            return self.store.run(run_id)
        except InvalidRequest as error:
            raise InvalidRequest(f"There is no run {str(run_id)[:40]!r} here.") from error

    def _state(self, run: Run, stored: StoredRun, job: _Job | None, waits: bool) -> State:
        if waits:
            return "queued"
        if job is not None:
            # The header is written a moment before the queue moves on.
            ended = run.status != "running" and job.event is not None
            if ended:
                return run.status
            return "stopping" if job.stop else "running"
        if run.status == "running":
            try:
                return "elsewhere" if stored.is_held() else "interrupted"
            except OSError:  # a read-only disk has no locks, and nobody works on it
                return "interrupted"
        return run.status

    def history(self) -> list[tuple[Run, State]]:
        """All runs with how they stand, youngest first."""
        rows: list[tuple[Run, State]] = []
        for run in self.store.headers():
            if run.status != "running":
                rows.append((run, run.status))
                continue
            with contextlib.suppress(InvalidRequest):  # deleted meanwhile
                rows.append((run, self.status(run.id).state))
        return rows

    def summary(self, run_id: str) -> list[Any]:
        """Means of a run so far: a `MethodSummary` for each method, in the run's order.

        Raises:
            InvalidRequest: There is no such run, or it is damaged.
        """
        stored = self.stored(run_id)
        run, rows = stored.header(), stored.rows()
        return summarise_methods(run, rows)

    # ------------------------------------------------------------ how long it takes

    def estimate(self, benchmark: Benchmark, pairs: int, methods: list[str]) -> Estimate:
        """Estimate a run from how long the same methods took on this machine.

        Args:
            benchmark: What to run on.
            pairs: How many.
            methods: Ids.
        """
        size, known = megapixels_of(benchmark)
        timed = self._timed()
        kinds = {choice.id: choice.kind for choice in list_methods(benchmark.task)}
        pace = {
            name: timed.get(name, GUESSED_SECONDS[kinds.get(name, "custom")]) for name in methods
        }
        return Estimate(
            seconds=pairs * size * sum(pace.values()),
            guessed=tuple(name for name in methods if name not in timed),
            size_known=known,
        )

    def _timed(self) -> dict[str, float]:
        """Seconds per megapixel of each method, in the newest run of this machine that has it."""
        here = machine_name()
        found: dict[str, float] = {}
        for run in self.store.headers():
            if run.environment.machine != here:
                continue
            for line in run.summary:
                if line.seconds_per_megapixel is not None:
                    found.setdefault(line.method, line.seconds_per_megapixel)
        return found


def _check_limits(order: RunConfig, limits: Limits) -> None:
    pairs = order.n if order.n is not None else order.benchmark.pairs
    if pairs is not None and order.benchmark.pairs is not None:
        pairs = min(pairs, order.benchmark.pairs)
    if pairs is None:
        return
    if pairs > limits.pairs:
        raise _too_many(pairs, limits)
    size, known = megapixels_of(order.benchmark)
    total = pairs * size * len(order.methods)
    if known and total > limits.megapixels:
        raise InvalidRequest(
            f"{pairs} pairs with {len(order.methods)} methods are {total:,.0f} megapixels, and "
            f"a run here may have {limits.megapixels:,.0f}: choose fewer pairs or methods."
        )


def _too_many(pairs: int, limits: Limits) -> InvalidRequest:
    return InvalidRequest(
        f"{pairs:,} pairs are too many for one run here: choose at most {limits.pairs:,}."
    )


def warm_up() -> None:
    """Import in the background what a first photo and a first look at a run need: seconds."""
    names = (
        "mirnet.restoration.api",
        "pandas",
        "pyarrow.parquet",
        "plotly.graph_objects",
        "scipy.stats",
        "cv2",
    )
    threading.Thread(
        target=lambda: [importlib.import_module(name) for name in names],
        name="warm-up",
        daemon=True,
    ).start()


def megapixels_of(benchmark: Benchmark) -> tuple[float, bool]:
    """Megapixels of one result, and whether the benchmark says so or it is a guess.

    >>> from eval.data.benchmarks import get_benchmark
    >>> megapixels_of(get_benchmark("lol")), megapixels_of(get_benchmark("set14-x2"))
    ((0.24, True), (0.25, False))
    """
    size = re.match(r"(\d+) x (\d+)", benchmark.size)
    if size is None:
        return GUESSED_MEGAPIXELS, False
    return int(size[1]) * int(size[2]) / 1e6, True


def default_benchmark(task: str) -> str | None:
    """Id of the benchmark to offer first: one that lies in the repository, so that it just runs."""
    known = [benchmark for benchmark in load_benchmarks().values() if benchmark.task == task]
    local = [benchmark for benchmark in known if benchmark.source.folder is not None]
    return next((benchmark.id for benchmark in [*local, *known]), None)


def default_methods(task: str) -> list[str]:
    """Ids to begin with: our weights where they are here, and two that need no network."""
    here = [choice for choice in list_methods(task) if choice.available]
    learned = [choice.id for choice in here if choice.kind == "weights"][:1]
    return [*learned, *[choice.id for choice in here if choice.kind == "baseline"][:2]]


def _lines(path: Path) -> int:
    """How many lines a file has; none where it is not there."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    return 0


def _words(run: Run, state: State, place: int) -> str:
    if state == "queued":
        return f"Waiting: number {place} in the queue."
    if state == "interrupted":
        return "Interrupted: the program ended before the run did. Nothing that was made is lost."
    if state == "elsewhere":
        return "Under way in another process, such as the command line."
    told = {
        "running": "Under way.",
        "stopping": "Stopping after the picture under way …",
        "done": "Done.",
        "stopped": "Stopped. Nothing that was made is lost.",
        "failed": "Failed.",
    }
    if state in ("failed", "stopped") and run.error:
        return run.error
    return told[state]
