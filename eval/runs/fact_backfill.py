"""Adding the facts of its pairs to a run that was made before facts were stored."""

from collections.abc import Iterator
from pathlib import Path

from eval.data.pairs import BenchmarkUnavailable, PairUnusable
from eval.data.reader_factory import open_benchmark

from .pair_measures import measure
from .run_inputs import worker_spec
from .store import StoredRun


def describe_pairs(
    stored: StoredRun, folder: Path | None = None, offline: bool = False
) -> Iterator[str]:
    """Store the facts of every pair of a run that has none yet.

    Only pairs whose files have the hashes that the run scored are described.

    Args:
        stored: The run; its scores are left as they are.
        folder: Local folder of the pairs, where the run does not say where they are.
        offline: Whether the Hub is never contacted.

    Yields:
        Ids of the pairs as they are described.

    Raises:
        BenchmarkUnavailable: The pairs cannot be read, or none of them is that of the run.
        InvalidRequest: The run is read-only, damaged, or under way in another process.
    """
    with stored.lock():
        spec = worker_spec(stored, offline=offline)
        reader = open_benchmark(spec.benchmark, folder=folder or spec.folder, offline=offline)
        by_id = {item.id: item for item in reader.items()}
        scored = {
            row.pair: (row.degraded_sha256, row.target_sha256)
            for row in stored.rows()
            if not row.unusable_pair
        }
        known, found = stored.facts(), 0
        for pair_id, hashes in scored.items():
            if pair_id in known or pair_id not in by_id:
                continue
            try:
                pair = reader.load(by_id[pair_id])
            except PairUnusable:
                continue
            if (pair.degraded_sha256, pair.target_sha256) != hashes:
                continue
            stored.append_facts(pair_id, reader.facts_of(by_id[pair_id]) | measure(pair))
            found += 1
            yield pair_id
        if not found and scored.keys() - known.keys():
            raise BenchmarkUnavailable(
                f"None of these pictures is one that run {stored.id} scored: name the folder with "
                "its pairs."
            )
