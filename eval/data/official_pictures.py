"""Picture files that are known to be the official ones of a benchmark, by their hashes.

A folder is not LoL because somebody calls it so. `official_pictures.json` holds the SHA-256 of both
files of each official pair as far as they are known; where none are, nothing is called official.
"""

import functools
import json
from collections.abc import Iterable
from pathlib import Path

OFFICIAL_FILE = Path(__file__).with_name("official_pictures.json")
"""Path of the table: by benchmark, `of` (number of its pairs), `source` (where the hashes are from)
and `pairs` (hashes of degraded picture and target by name)."""


@functools.cache
def official_hashes(benchmark_id: str) -> frozenset[tuple[str, str]]:
    """Hashes of degraded picture and target of each official pair that is known; empty for none."""
    known = json.loads(OFFICIAL_FILE.read_bytes()).get(benchmark_id, {})
    return frozenset((low, high) for low, high in known.get("pairs", {}).values())


def count_official(benchmark_id: str, pairs: Iterable[tuple[str | None, str | None]]) -> int:
    """Number of different pairs that are known to be official, by the hashes of both files.

    Args:
        benchmark_id: Id in the catalogue.
        pairs: Hashes of degraded picture and target of each scored pair.
    """
    return len(official_hashes(benchmark_id) & set(pairs))
