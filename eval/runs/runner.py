"""Runs: create one, execute or resume one, with an iterator of events.

Whoever iterates drives the run: the command line draws the events as a progress bar, the page as
tables and plots. Closing the iterator stops the run; nothing that was reported is lost.
"""

import contextlib
import datetime
import hashlib
import math
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from eval.data.benchmarks import (
    Benchmark,
    benchmark_of_record,
    get_benchmark,
)
from eval.data.opening import open_benchmark
from eval.data.pairs import BenchmarkUnavailable, Item
from eval.data.subsets import size_of, subset
from eval.methods.registry import get_method
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.metrics.protocols import get_protocol
from mirnet.tasks import get_task

from . import executors as engines
from .document import Environment, MethodSummary, Run, RunBenchmark, SampleResult
from .output_cache import OutputCache, code_sha256, link_or_copy
from .store import RunStore, StoredRun, disk_trouble, new_id, replace_file
from .worker import Work, WorkerSpec

PACKAGES = ("torch", "numpy", "scikit-image", "scipy", "opencv-python-headless", "pillow")
"""Packages whose version may move a number."""


@dataclass(frozen=True)
class RunConfig:
    """What a person asks to be run."""

    benchmark: Benchmark
    """Which pairs there are."""
    methods: tuple[str, ...]
    """Ids of the methods, in the order they are shown in."""
    protocols: tuple[str, ...] = ()
    """Ids of the protocols, the ranking one first; the benchmark's own by default."""
    n: int | None = None
    """Pairs; None for all."""
    seed: int = 0
    """Chooses them."""
    title: str = ""
    """For people; at most 200 letters."""
    folder: Path | None = None
    """A person's own files."""
    offline: bool = False
    """Never ask the Hub."""
    fresh: bool = False
    """Make every output anew, also those made before."""
    allow_code: bool = False
    """Whether methods may be a person's own code ('module:function')."""


@dataclass(frozen=True)
class ImageScored:
    """One more picture was restored, scored and stored."""

    row: SampleResult
    """Its numbers."""
    done: int
    """Pictures done in all, those of an earlier attempt included."""
    total: int
    """Pictures in the run."""
    seconds: float
    """Since this attempt began."""
    seconds_left: float
    """Estimate, from the time each method took so far."""


def create_run(store: RunStore, config: RunConfig) -> StoredRun:
    """Check a configuration, choose its pairs and write the run's header.

    Raises:
        BenchmarkUnavailable: The benchmark cannot be had.
        InvalidRequest: A setting is out of range, or a method cannot be had.
    """
    benchmark = config.benchmark
    task = get_task(benchmark.task)
    if config.n is not None and config.n < 1:
        raise InvalidRequest(f"A subset of {config.n} pairs is none: ask for at least one.")
    if not config.methods:
        raise InvalidRequest("There is nothing to compare: name at least one method.")
    if len(set(config.methods)) < len(config.methods):
        raise InvalidRequest("A method is named twice: name each once.")
    protocols = [get_protocol(name) for name in config.protocols or benchmark.protocols]
    methods = [
        get_method(name, task.id, allow_code=config.allow_code).info for name in config.methods
    ]
    reader = open_benchmark(benchmark, folder=config.folder, offline=config.offline)
    items = reader.items()
    chosen = subset(items, len(items) if config.n is None else config.n, config.seed)
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
            seed=config.seed,
            folder=str(config.folder.resolve()) if config.folder else None,
            source={} if is_listed(benchmark) else benchmark.model_dump(mode="json"),
        ),
        protocols=[protocol.name for protocol in protocols],
        methods=methods,
        environment=environment(),
    )
    return store.create(run, [item.id for item in chosen])


def is_listed(benchmark: Benchmark) -> bool:
    """Whether a benchmark is the catalogue's of that name."""
    try:
        return get_benchmark(benchmark.id) == benchmark
    except MIRNetError:
        return False


def worker_spec(
    stored: StoredRun, *, offline: bool = False, cache: Path | None = None, allow_code: bool = False
) -> WorkerSpec:
    """Build the specification of a run's workers from its stored header.

    Raises:
        BenchmarkUnavailable: Its benchmark is not in the catalogue any more.
        InvalidRequest: Its files are damaged.
    """
    run = stored.header()
    recorded = run.benchmark
    benchmark = (
        benchmark_of_record(recorded.source) if recorded.source else get_benchmark(recorded.id)
    )
    if benchmark.source.repo and not recorded.folder:  # the branch may have moved since
        source = benchmark.source.model_copy(update={"revision": recorded.revision})
        benchmark = benchmark.model_copy(update={"source": source})
    return WorkerSpec(
        benchmark=benchmark,
        folder=Path(recorded.folder) if recorded.folder else None,
        offline=offline,
        task=run.task,
        methods=tuple(run.methods),
        protocols=tuple(name.partition("/")[0] for name in run.protocols),
        cache=cache,
        allow_code=allow_code,
    )


def execute_run(
    stored: StoredRun,
    *,
    offline: bool = False,
    fresh: bool = False,
    allow_code: bool = False,
    engine: engines.Engine = engines.serial,
) -> Iterator[ImageScored]:
    """Do what a run still lacks: new runs and interrupted ones alike.

    Args:
        stored: The run.
        offline: Never ask the Hub.
        fresh: Make every output anew, also those made before.
        allow_code: Whether methods may be a person's own code.
        engine: Where the work is done.

    Yields:
        `ImageScored` after every stored row.

    Raises:
        BenchmarkUnavailable: A pair cannot be read; the run can be resumed.
        InvalidRequest: Another process holds the run, the disk is full, or the benchmark, the
            protocols or the weights are no longer those the run began with.
    """
    with stored.lock():
        stored.drop_torn_line()
        run = stored.header()
        cache = None if fresh else stored.folder.parent / ".cache"
        spec = worker_spec(stored, offline=offline, cache=cache, allow_code=allow_code)
        items = unchanged_items(stored, run, spec)
        _check_methods(run, allow_code)
        had = {(row.pair, row.method): row for row in stored.rows() if row.error is None}
        jobs = [
            (item, method.id)
            for item in items
            for method in run.methods
            if (item.id, method.id) not in had
        ]
        stored.write_header(run.model_copy(update={"status": "running", "error": None}))
        pace = _Pace(len(items), [method.id for method in run.methods])
        for row in had.values():
            pace.saw(row)
        began, done = time.perf_counter(), len(had)
        status, trouble = "stopped", None
        try:
            with contextlib.closing(engine(spec, jobs)) as works:  # type: ignore[type-var]
                for work in works:
                    _keep(stored, work, cache)
                    done += 1
                    pace.saw(work.row)
                    yield ImageScored(
                        work.row,
                        done,
                        len(had) + len(jobs),
                        time.perf_counter() - began,
                        pace.seconds_left(),
                    )
            status = "done"
        except MIRNetError as error:
            status, trouble = "failed", str(error)
            raise
        finally:
            with contextlib.suppress(InvalidRequest):  # a full disk: the rows are what counts
                finish(stored, status, trouble)


def finish(stored: StoredRun, status: str, trouble: str | None) -> None:
    """Write how a run ended, and what its rows come to.

    Raises:
        InvalidRequest: The disk is full or may not be written to.
    """
    run, rows = stored.header(), stored.rows()
    update = {
        "status": status,
        "error": trouble,
        "ended": datetime.datetime.now(datetime.UTC),
        "data_sha256": data_sha256(rows),
        "summary": [summary(run, method.id, rows) for method in run.methods],
    }
    stored.write_header(run.model_copy(update=update))


def data_sha256(rows: list[SampleResult]) -> str:
    """Fingerprint the pictures that rows are about, whatever their config."""
    pairs = sorted({f"{row.pair} {row.degraded_sha256} {row.target_sha256}" for row in rows})
    return hashlib.sha256("\n".join(pairs).encode()).hexdigest()


def summary(run: Run, method_id: str, rows: list[SampleResult]) -> MethodSummary:
    """Average a method's rows under the run's first protocol."""
    mine = [row for row in rows if row.method == method_id]
    scored = [row.scores[run.protocol] for row in mine if run.protocol in row.scores]
    keys = dict.fromkeys(key for score in scored for key in score)
    values = {key: np.array([score[key] for score in scored if key in score]) for key in keys}
    timed = [(row.seconds, row.megapixels) for row in mine if row.seconds and row.megapixels]
    size = sum(megapixels for _, megapixels in timed)
    return MethodSummary(
        method=method_id,
        count=len(scored),
        failed=sum(row.error is not None for row in mine),
        identical=sum(any(math.isinf(value) for value in score.values()) for score in scored),
        scores={key: _finite_mean(found) for key, found in values.items()},
        seconds_per_megapixel=sum(seconds for seconds, _ in timed) / size if timed else None,
    )


def _finite_mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan


def unchanged_items(stored: StoredRun, run: Run, spec: WorkerSpec) -> list[Item]:
    """Find a run's pairs again.

    Raises:
        BenchmarkUnavailable: The benchmark cannot be had, or is another one by now.
        InvalidRequest: Files of the run are damaged.
    """
    reader = open_benchmark(spec.benchmark, folder=spec.folder, offline=spec.offline)
    by_id = {item.id: item for item in reader.items()}
    ids = stored.pairs()
    missing = [pair for pair in ids if pair not in by_id]
    if missing or reader.revision != run.benchmark.revision:
        what = f"pair {missing[0]} is gone" if missing else f"it is now {reader.revision[:12]}"
        raise BenchmarkUnavailable(
            f"{run.benchmark.title} is not what run {run.id} began with ({what}, it was "
            f"{run.benchmark.revision[:12]}): start a new run."
        )
    return [by_id[pair] for pair in ids]


def to_fetch(stored: StoredRun, *, offline: bool = False) -> int | None:
    """Bytes that reading a run's pairs downloads, where nothing of them was fetched before.

    Returns:
        0 for local files, None where the source does not tell.

    Raises:
        BenchmarkUnavailable: See `unchanged_items`.
    """
    spec = worker_spec(stored, offline=offline)
    if spec.folder or not spec.benchmark.source.repo:
        return 0
    return size_of(unchanged_items(stored, stored.header(), spec))


def _check_methods(run: Run, allow_code: bool) -> None:
    for info in run.methods:
        now = get_method(info.id, run.task, settings=info.settings, allow_code=allow_code).info
        if now.weights_sha256 != info.weights_sha256:
            raise InvalidRequest(
                f"The weights {info.id} are not those that run {run.id} began with (now "
                f"{str(now.weights_sha256)[:12]}, then {str(info.weights_sha256)[:12]}): start a "
                "new run."
            )
    for name in run.protocols:
        protocol = get_protocol(name.partition("/")[0])
        if protocol.name != name:
            raise InvalidRequest(
                f"Run {run.id} uses {name}, and this version computes {protocol.name}: start a new "
                "run."
            )


def _keep(stored: StoredRun, work: Work, cache: Path | None) -> None:
    """Store pictures first and the row last, so that a row never speaks of what is not there."""
    shelf = OutputCache(cache) if cache else None
    for name, content in work.pictures:
        path = stored.output(name)
        if path.exists():
            continue
        if shelf is None:
            replace_file(path, content)
            continue
        if not shelf.picture(name).exists():
            replace_file(shelf.picture(name), content)
        try:
            link_or_copy(shelf.picture(name), path)
        except OSError as error:
            raise disk_trouble(path, error) from error
    for name, content in work.thumbs:
        if not stored.thumb(name).exists():
            replace_file(stored.thumb(name), content)
    stored.append(work.row)


class _Pace:
    """Estimates the time left: methods differ by a thousand in speed, so each has its own mean."""

    def __init__(self, pairs: int, methods: list[str]):
        self._left = dict.fromkeys(methods, pairs)
        self._times: dict[str, list[float]] = {method: [] for method in methods}

    def saw(self, row: SampleResult) -> None:
        self._left[row.method] -= 1
        if row.seconds is not None and not row.cached:
            self._times[row.method].append(row.seconds)

    def seconds_left(self) -> float:
        return sum(
            left * float(np.mean(self._times[method] or [0.0]))
            for method, left in self._left.items()
        )


def environment() -> Environment:
    """Say where this process runs."""
    import torch

    from mirnet.device import choose_device

    root = Path(__file__).parents[2]
    commit = _git(root, "rev-parse", "HEAD")
    return Environment(
        commit=commit,
        dirty=bool(commit and _git(root, "status", "--porcelain", "--untracked-files=no")),
        code_sha256=code_sha256(),
        python=platform.python_version(),
        packages={name: metadata.version(name) for name in PACKAGES},
        machine=_machine(),
        threads=torch.get_num_threads(),
        device=choose_device().type,
    )


def _git(root: Path, *arguments: str) -> str | None:
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _machine() -> str:
    """Processor, cores and memory in words."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    parts = [name, f"{os.cpu_count()} cores"]
    with contextlib.suppress(OSError, ValueError, AttributeError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        parts.append(f"{memory / 2**30:.0f} GiB")
    return ", ".join(parts)
