"""Looking at a data set of one's own before it is evaluated: its pairs, and the first of them."""

from dataclasses import dataclass

from mirnet.hub import hub_endpoint

from .benchmarks import Benchmark
from .hub import ANSWER_SECONDS
from .hub_errors import HubErrors
from .pairs import BenchmarkUnavailable, Pair, PairUnusable
from .range_file import call_within
from .reader_factory import open_benchmark
from .readers.base import PairReader

TRIED_PAIRS = 3
"""Pairs that are read, from the first on, until one can be scored."""
VISITOR_BYTES = 200 * 10**6
"""Most bytes that a visitor may let this machine fetch before the first picture is restored."""


@dataclass(frozen=True)
class PairsFound:
    """Contents of a data set."""

    title: str
    """Name of the data set."""
    count: int
    """Number of pairs."""
    left_out: tuple[str, ...]
    """Files beside the pictures that are no pictures."""
    first: Pair
    """First pair that can be read."""
    files: tuple[str, str] | None
    """Paths of its degraded picture and its target; None where they are no files."""
    unreadable: tuple[str, ...]
    """Sentence about each pair before it, which cannot be scored."""


def look_at_pairs(benchmark: Benchmark, *, max_bytes: int | None = None) -> PairsFound:
    """List the pairs of a data set and read the first.

    Args:
        benchmark: Data set made by `custom_benchmark`.
        max_bytes: Most bytes to fetch for the list, and for the pair; None for no limit.

    Raises:
        BenchmarkUnavailable: It is not there, its pairs do not go together, or none of the first
            `TRIED_PAIRS` can be read; `about` says what to change.
    """
    reader = open_benchmark(benchmark)
    require_small(reader, max_bytes)
    items, troubles = reader.items(), []
    for item in items[:TRIED_PAIRS]:
        _require_bytes(item.bytes or 0, max_bytes, reader)
        try:
            pair = reader.load(item)
        except PairUnusable as error:
            troubles.append(error)
            continue
        return PairsFound(
            benchmark.title,
            len(items),
            tuple(reader.left_out),
            pair,
            reader.files_of(item),
            tuple(map(str, troubles)),
        )
    raise troubles[0]


def require_small(reader: PairReader, max_bytes: int | None) -> None:
    """Check how much is fetched before the pairs are known.

    Raises:
        BenchmarkUnavailable: It is more than `max_bytes`.
    """
    if max_bytes is not None:
        _require_bytes(reader.upfront_bytes(), max_bytes, reader)


def require_public(repo: str) -> None:
    """Check that everybody may read a data set, not only the owner of this machine's token.

    Raises:
        BenchmarkUnavailable: The Hub does not show it to a stranger, or does not answer.
    """
    from huggingface_hub import HfApi

    errors = HubErrors(repo, "main")
    with errors.translated():
        found = call_within(
            ANSWER_SECONDS,
            lambda: HfApi(endpoint=hub_endpoint(), token=False).dataset_info(
                repo, timeout=ANSWER_SECONDS
            ),
        )
    if found.private or found.gated:
        raise errors.gated()


def _require_bytes(size: int, max_bytes: int | None, reader: PairReader) -> None:
    if max_bytes is not None and size > max_bytes:
        raise BenchmarkUnavailable(
            f"{size / 1e6:.0f} MB of {reader.files.label} would have to be fetched for its first "
            f"pair, more than the {max_bytes / 1e6:.0f} MB that visitors may: evaluate it on your "
            "own machine."
        )
