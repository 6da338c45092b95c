"""Pictures of the benchmarks that lie in the repository, which recorded runs do not copy."""

import functools
import hashlib
from pathlib import Path

from eval.data.benchmarks import BENCHMARKS_FILE, load_benchmarks


@functools.cache
def picture_files(benchmark_id: str) -> dict[str, Path]:
    """Map the SHA-256 of every picture file of a benchmark to its path.

    Args:
        benchmark_id: Id in the catalogue; other ids, and benchmarks outside the repository, have no
            such files.
    """
    entry = load_benchmarks().get(benchmark_id)
    if entry is None or entry.source.folder is None:
        return {}
    files = sorted((BENCHMARKS_FILE.parent / entry.source.folder).rglob("*.png"))
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in files}
