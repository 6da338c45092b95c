"""Reopen a stored run's inputs, unchanged: benchmark, pairs, methods and protocols."""

from pathlib import Path

from eval.data.benchmarks import benchmark_of_record, get_benchmark
from eval.data.pairs import BenchmarkUnavailable, Item
from eval.data.reader_factory import open_benchmark
from eval.data.readers.base import PairReader
from eval.data.subsets import size_of
from eval.methods.registry import get_method
from mirnet.errors import InvalidRequest
from mirnet.metrics.protocols import get_protocol

from .document import Run
from .output_cache import OutputCache
from .store import StoredRun
from .worker import WorkerSpec


def worker_spec(
    stored: StoredRun,
    *,
    offline: bool = False,
    cache: OutputCache | None = None,
    allow_code: bool = False,
) -> WorkerSpec:
    """Build the specification of a run's workers from its stored header.

    Raises:
        BenchmarkUnavailable: The run's benchmark is no longer in the catalogue.
        InvalidRequest: Files of the run are damaged.
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
        run=run.id,
    )


def unchanged_items(stored: StoredRun, run: Run, spec: WorkerSpec) -> list[Item]:
    """List a run's pairs after checking that the benchmark is unchanged; see `reopened`."""
    return reopened(stored, run, spec)[0]


def reopened(stored: StoredRun, run: Run, spec: WorkerSpec) -> tuple[list[Item], str]:
    """List a run's pairs after checking that the benchmark is unchanged.

    A folder in which only pairs that could not be read were repaired counts as unchanged.

    Returns:
        The pairs, and the revision of the benchmark now.

    Raises:
        BenchmarkUnavailable: The benchmark cannot be opened, or has changed.
        InvalidRequest: Files of the run are damaged.
    """
    reader = open_benchmark(spec.benchmark, folder=spec.folder, offline=spec.offline)
    by_id = {item.id: item for item in reader.items()}
    ids = stored.pairs()
    missing = [pair for pair in ids if pair not in by_id]
    changed = reader.revision != run.benchmark.revision
    if missing or (changed and not _only_repaired(stored, reader, by_id)):
        what = f"pair {missing[0]} is gone" if missing else f"it is now {reader.revision[:12]}"
        raise BenchmarkUnavailable(
            f"{run.benchmark.title} is not what run {run.id} began with ({what}, it was "
            f"{run.benchmark.revision[:12]}): start a new run."
        )
    return [by_id[pair] for pair in ids], reader.revision


def _only_repaired(stored: StoredRun, reader: PairReader, by_id: dict[str, Item]) -> bool:
    """Whether a local folder differs from the run's only in pairs that could not be read.

    Every other pair that was scored is read again and compared by the hashes of its files.
    """
    rows = stored.rows()
    if not reader.files.is_local or not any(row.unusable_pair for row in rows):
        return False
    scored = {
        row.pair: (row.degraded_sha256, row.target_sha256) for row in rows if not row.unusable_pair
    }
    for pair_id, hashes in scored.items():
        try:
            pair = reader.load(by_id[pair_id])
        except BenchmarkUnavailable:
            return False
        if (pair.degraded_sha256, pair.target_sha256) != hashes:
            return False
    return True


def bytes_to_fetch(stored: StoredRun, *, offline: bool = False) -> int | None:
    """Compute the bytes that reading a run's pairs downloads, with nothing cached.

    Returns:
        0 for local files, None where the source does not tell.

    Raises:
        BenchmarkUnavailable: See `unchanged_items`.
    """
    spec = worker_spec(stored, offline=offline)
    if spec.folder or not spec.benchmark.source.repo:
        return 0
    return size_of(unchanged_items(stored, stored.header(), spec))


def check_unchanged_methods(run: Run, allow_code: bool) -> None:
    """Check that weights and protocols are those that a run began with.

    Raises:
        InvalidRequest: Weights or a protocol have changed, or a method is unavailable.
    """
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
