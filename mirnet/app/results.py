"""In-memory cache of the newest results for a visitor's next click, bounded by bytes."""

import secrets
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import cachetools

from mirnet.errors import InvalidRequest

if TYPE_CHECKING:
    from mirnet.restoration.result import RestoreResult  # noqa: F401  # of ResultCache's base

MAX_BYTES = 600 * 2**20
"""Memory limit for cached results in bytes: two 16-bit photos of 24 megapixels."""

_T = TypeVar("_T")


class LRUCache(Generic[_T]):
    """Cache with unguessable keys that evicts the least recently used values; thread-safe.

    The newest value always stays, whatever its size.

    Args:
        max_bytes: Memory limit for all values.
        size: Function that gives the size of a value in bytes.
        gone: Error message for a visitor whose value was evicted.
    """

    def __init__(self, max_bytes: int, size: Callable[[_T], int], gone: str) -> None:
        self._values: cachetools.LRUCache[str, _T] = cachetools.LRUCache(
            max_bytes, getsizeof=lambda value: min(size(value), max_bytes)
        )
        self._gone = gone
        self._lock = threading.Lock()

    def put(self, value: _T) -> str:
        """Keep a value and return its key."""
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._values[key] = value
        return key

    def get(self, key: str | None) -> _T:
        """Look a value up.

        Raises:
            InvalidRequest: The value was evicted, or the key is unknown.
        """
        with self._lock:
            if key is not None and key in self._values:
                return self._values[key]
        raise InvalidRequest(self._gone)


class ResultCache(LRUCache["RestoreResult"]):
    """Cache of the newest results, so that another format or view needs no new run."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(
            max_bytes,
            lambda result: result.nbytes,
            "This result is no longer kept: press Restore again.",
        )
