"""Choosing some pairs of a benchmark, and what reading them downloads."""

import hashlib
from collections.abc import Hashable, Sequence

from mirnet.errors import InvalidRequest

from .pairs import Item


def subset(items: Sequence[Item], n: int, seed: int) -> list[Item]:
    """Choose pairs by seed, spread evenly: the order is cut into `n` parts, one pair from each.

    The choice within a part is a hash of seed and part, so it is the same on every machine.

    Args:
        n: Number of pairs to choose; as many as there are, or more, gives all.

    Raises:
        InvalidRequest: `n` is below 1.

    >>> [item.id for item in subset([Item(str(i)) for i in range(100)], 4, seed=0)]
    ['6', '30', '55', '91']
    """
    if n < 1:
        raise InvalidRequest(f"A subset of {n} pairs cannot be scored: choose 1 or more.")
    if n >= len(items):
        return list(items)
    chosen = []
    for part in range(n):
        start, end = part * len(items) // n, (part + 1) * len(items) // n
        drawn = hashlib.sha256(f"{seed} {part}".encode()).digest()
        chosen.append(items[start + int.from_bytes(drawn[:8], "big") % (end - start)])
    return chosen


def size_of(items: Sequence[Item]) -> int | None:
    """Bytes that reading these pairs downloads, where nothing of them was fetched before.

    Pairs that are fetched together (rows of one row group) are counted once. What listing the pairs
    downloads is not included: see `PairReader.upfront_bytes`.

    Returns:
        The size, or None where the source does not tell.
    """
    units: dict[Hashable, int] = {}
    for item in items:
        if item.bytes is None:
            return None
        units[item.id if item.fetched_with is None else item.fetched_with] = item.bytes
    return sum(units.values())
