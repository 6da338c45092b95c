"""Runs: create one, execute or resume one, with an iterator of events.

Whoever iterates drives the run: the command line draws the events as a progress bar, the page as
tables and plots. Closing the iterator stops the run; nothing that was reported is lost.
"""

import contextlib
import datetime
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eval.data.benchmarks import (
    Benchmark,
    get_benchmark,
)
from eval.data.official_pictures import count_official
from eval.data.pairs import PairUnusable
from eval.data.reader_factory import open_benchmark
from eval.data.subsets import subset
from eval.methods.imported import fitted_to
from eval.methods.method_record import MethodRecord
from eval.methods.registry import get_method
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.machine_paths import without_paths
from mirnet.metrics.protocols import get_protocol
from mirnet.tasks import get_task

from .document import Attempt, Environment, Run, RunBenchmark, SampleResult
from .environment import compute_threads, environment, environment_changes
from .executors import Executor, serial
from .output_cache import OutputCache, cache_of
from .removal import finish_removals
from .run_inputs import check_unchanged_methods, reopened, worker_spec
from .store import RunStore, StoredRun, new_id, replace_file, sync_folder
from .summaries import data_sha256, summarise_methods
from .worker import Work

MAX_REPEATS = 100
"""Most repeats of a timing."""


@dataclass(frozen=True)
class RunConfig:
    """Configuration of a new run."""

    benchmark: Benchmark
    """Benchmark that the pairs come from."""
    methods: tuple[str, ...]
    """Ids of the methods, in display order."""
    protocols: tuple[str, ...] = ()
    """Ids of the protocols, the ranking one first; the benchmark's own by default."""
    n: int | None = None
    """Number of pairs to score; None for all."""
    seed: int = 0
    """Seed of the random subset."""
    repeats: int = 1
    """Number of times that each method is timed on each picture, 1 to `MAX_REPEATS`."""
    title: str = ""
    """Display name; cut to 200 characters."""
    folder: Path | None = None
    """Local folder with the pairs; None uses the benchmark's source."""
    offline: bool = False
    """Whether the Hub is never contacted."""
    fresh: bool = False
    """Whether cached outputs are ignored and every output is computed anew."""
    allow_code: bool = False
    """Whether methods may be user-supplied code ('module:function')."""
    allow_files: bool = False
    """Whether methods may be files of this machine ('NAME=folder:PATH', 'NAME=onnx:FILE')."""


@dataclass(frozen=True)
class ImageScored:
    """Event: a picture was restored, scored and stored."""

    row: SampleResult
    """Stored row of the picture."""
    done: int
    """Number of pictures done, those of earlier attempts included."""
    total: int
    """Number of pictures in the run."""
    seconds: float
    """Seconds since this attempt began."""
    seconds_left: float
    """Estimated seconds left, from the mean time of each method so far."""


def create_run(store: RunStore, config: RunConfig) -> StoredRun:
    """Check a configuration, choose its pairs and write the run's header.

    Raises:
        BenchmarkUnavailable: The benchmark cannot be opened.
        InvalidRequest: A setting is out of range, or a method is unavailable.
    """
    benchmark = config.benchmark
    task = get_task(benchmark.task)
    if config.n is not None and config.n < 1:
        raise InvalidRequest(f"A subset of {config.n} pairs is none: ask for at least one.")
    if not 1 <= config.repeats <= MAX_REPEATS:
        raise InvalidRequest(
            f"A method cannot be timed {config.repeats} times: choose 1 to {MAX_REPEATS}."
        )
    if not config.methods:
        raise InvalidRequest("There is nothing to compare: name at least one method.")
    protocols = [get_protocol(name) for name in config.protocols or benchmark.protocols]
    methods = [
        get_method(name, task.id, allow_code=config.allow_code, allow_files=config.allow_files).info
        for name in config.methods
    ]
    if len({method.id for method in methods}) < len(methods):
        raise InvalidRequest("A method is named twice: name each once.")
    reader = open_benchmark(benchmark, folder=config.folder, offline=config.offline)
    items = reader.items()
    chosen = subset(items, len(items) if config.n is None else config.n, config.seed)
    ids = [item.id for item in items]
    methods = [fitted_to(one, ids) if one.kind == "imported" else one for one in methods]
    run = Run(
        id=new_id(),
        title=" ".join(config.title.split())[:200],
        status="running",
        created=datetime.datetime.now(datetime.UTC),
        task=task.id,
        benchmark=RunBenchmark(
            id=benchmark.id,
            title=benchmark.title,
            revision=reader.revision,
            scale=benchmark.scale,
            synthetic=benchmark.synthetic,
            official=benchmark.official,
            of=len(items),
            n=len(chosen),
            left_out=len(reader.left_out),
            seed=config.seed,
            folder=str(config.folder.resolve()) if config.folder else None,
            source={} if _is_listed(benchmark) else benchmark.model_dump(mode="json"),
        ),
        protocols=[protocol.name for protocol in protocols],
        methods=methods,
        repeats=config.repeats,
        multiply_adds=_multiply_adds(methods),
        environment=environment(),
    )
    return store.create(run, [item.id for item in chosen])


def _multiply_adds(methods: list[MethodRecord]) -> dict[str, float]:
    """Multiply-adds of the networks among methods that tell, in 10**9 a megapixel; by id."""
    from eval.methods import networks, onnx_complexity

    count = {"weights": networks.multiply_adds_of, "onnx": onnx_complexity.multiply_adds_of}
    found = {method.id: count[method.kind](method) for method in methods if method.kind in count}
    return {name: number for name, number in found.items() if number is not None}


def _is_listed(benchmark: Benchmark) -> bool:
    """Whether a benchmark equals the catalogue's entry of its id."""
    try:
        return get_benchmark(benchmark.id) == benchmark
    except MIRNetError:
        return False


def execute_run(
    stored: StoredRun,
    *,
    offline: bool = False,
    fresh: bool = False,
    cache_gb: float | None = None,
    allow_code: bool = False,
    allow_changed: bool = False,
    executor: Executor = serial,
) -> Iterator[ImageScored]:
    """Execute what is left of a run, be it new or interrupted.

    Args:
        offline: Never contact the Hub.
        fresh: Ignore cached outputs and compute every output anew.
        cache_gb: Limit of the output cache; see `output_cache.cache_of`.
        allow_code: Whether methods may be user-supplied code.
        allow_changed: Whether a run may be resumed with other code, packages or another device
            than it began with.

    Yields:
        `ImageScored` after every stored row.

    Raises:
        BenchmarkUnavailable: The source cannot be read, or no pair of it can; the run can be
            resumed. A pair that cannot be scored is marked in its rows, and the others are scored.
        InvalidRequest: Another process holds the run, the disk is full, or the benchmark, the
            protocols, the weights, the code or the packages are no longer those the run began with.
    """
    with stored.lock():
        run = stored.header()
        cache = None if fresh else cache_of(stored.folder.parent, cache_gb)
        spec = worker_spec(stored, offline=offline, cache=cache, allow_code=allow_code)
        spec = replace(spec, threads=executor.threads, repeats=run.repeats)
        items, revision = reopened(stored, run, spec)
        check_unchanged_methods(run, allow_code)
        had = {(row.pair, row.method): row for row in stored.rows() if row.error is None}
        where = environment().model_copy(update={"threads": executor.threads or compute_threads()})
        changes = environment_changes(run.environment, where)
        if had and changes and not allow_changed:
            raise InvalidRequest(
                f"Run {run.id} began with {'; '.join(changes)}: its numbers would mix both. Start "
                "a new run, or resume it with --mixed to accept that."
            )
        if changes:  # a cached output would be of the other environment, or enter it under its name
            spec = replace(spec, cache=None)
            cache = None
        if cache is not None:
            finish_removals(stored.folder.parent)
            cache.trim()
        jobs = [
            (item, method.id)
            for item in items
            for method in run.methods
            if (item.id, method.id) not in had
        ]
        _begin_attempt(stored, where, revision, is_first=not had)
        number, described = len(run.attempts) + 1, set(stored.facts())
        left = _TimeLeft(len(items), [method.id for method in run.methods])
        for row in had.values():
            left.add(row)
        began = time.perf_counter()
        with _finishing(stored):
            with contextlib.closing(executor.work(spec, jobs)) as works:  # type: ignore[type-var]
                for done, found in enumerate(works, len(had) + 1):
                    work = replace(found, row=found.row.model_copy(update={"attempt": number}))
                    if work.facts and work.row.pair not in described:
                        stored.append_facts(work.row.pair, work.facts)
                        described.add(work.row.pair)
                    _keep(stored, work, cache)
                    left.add(work.row)
                    elapsed = time.perf_counter() - began
                    total = len(had) + len(jobs)
                    yield ImageScored(work.row, done, total, elapsed, left.seconds())
            rows = stored.rows()
            if rows and all(row.unusable_pair for row in rows):
                raise PairUnusable(f"No pair can be scored. {rows[0].error}")


def _begin_attempt(stored: StoredRun, where: Environment, revision: str, is_first: bool) -> None:
    """Write the header of a run that starts, or goes on.

    Args:
        where: The machine, packages and code of the attempt.
        revision: Revision of the benchmark's source.
        is_first: Whether no row was stored by an earlier attempt.
    """
    run = stored.header()
    attempt = Attempt(environment=where, started=datetime.datetime.now(datetime.UTC))
    update: dict[str, object] = {
        "status": "running",
        "error": None,
        "attempts": [*run.attempts, attempt],
        "benchmark": run.benchmark.model_copy(update={"revision": revision}),
    }
    if is_first:
        update["environment"] = where
    stored.write_header(run.model_copy(update=update))


@contextlib.contextmanager
def _finishing(stored: StoredRun) -> Iterator[None]:
    """Write how an attempt ended: done, failed with the reason, or stopped from outside."""
    status, trouble = "stopped", None
    try:
        yield
        status = "done"
    except MIRNetError as error:
        status, trouble = "failed", str(error)
        raise
    except Exception as error:
        status = "failed"
        trouble = f"The program has a fault ({type(error).__name__}: {str(error)[:200]})."
        raise
    finally:
        with contextlib.suppress(InvalidRequest):  # a full disk: the rows are what counts
            finish(stored, status, trouble)


def finish(stored: StoredRun, status: str, trouble: str | None) -> None:
    """Write the final status of a run and the summary of its rows.

    Raises:
        InvalidRequest: The disk is full or may not be written to.
    """
    run, rows = stored.header(), stored.rows()
    now = datetime.datetime.now(datetime.UTC)
    attempts = run.attempts
    if attempts and attempts[-1].ended is None:
        last = attempts[-1].model_copy(update={"ended": now, "status": status})
        attempts = [*attempts[:-1], last]
    update = {
        "status": status,
        "error": without_paths(trouble) if trouble else None,
        "ended": now,
        "attempts": attempts,
        "data_sha256": data_sha256(rows),
        "benchmark": run.benchmark.model_copy(
            update={"official_pairs": _count_official(run, rows)}
        ),
        "summary": summarise_methods(run, rows),
    }
    stored.write_header(run.model_copy(update=update))


def _count_official(run: Run, rows: list[SampleResult]) -> int:
    hashes = {(row.degraded_sha256, row.target_sha256) for row in rows}
    return 0 if run.benchmark.source else count_official(run.benchmark.id, hashes)


def _keep(stored: StoredRun, work: Work, cache: OutputCache | None) -> None:
    """Store pictures first and the row last, so that every row's pictures exist."""
    for name, content in work.pictures:
        path = stored.output(name)
        if path.exists():
            continue
        if cache is None:
            replace_file(path, content)
        else:
            cache.give(name, content, path)
    for name, content in work.thumbs:
        if not stored.thumb(name).exists():
            replace_file(stored.thumb(name), content)
    if work.pictures:
        for folder in ("outputs", "thumbs"):
            sync_folder(stored.folder / folder)
    stored.append(work.row)


class _TimeLeft:
    """Estimates the time left: methods differ by a thousand in speed, so each has its own mean."""

    def __init__(self, pairs: int, methods: list[str]):
        self._left = dict.fromkeys(methods, pairs)
        self._times: dict[str, list[float]] = {method: [] for method in methods}

    def add(self, row: SampleResult) -> None:
        self._left[row.method] -= 1
        if row.seconds is not None and not row.cached:
            self._times[row.method].append(row.seconds)

    def seconds(self) -> float:
        return sum(
            left * float(np.mean(self._times[method] or [0.0]))
            for method, left in self._left.items()
        )
