"""What stays in memory for a visitor's next click: the newest results, up to a number of bytes."""

import secrets
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import cachetools

from mirnet.errors import InvalidRequest

if TYPE_CHECKING:
    from mirnet.restoration.result import RestoreResult  # noqa: F401  # of ResultCache's base

MAX_BYTES = 600 * 2**20
"""Memory that kept results may take: two photos of 24 megapixels with 16 bits."""

_T = TypeVar("_T")


class LRUCache(Generic[_T]):
    """Values under keys that cannot be guessed, until their share of memory is used up.

    Safe between threads. The least recently used values make room; the newest stays in any case.

    Args:
        max_bytes: Memory that all values may take.
        size: Bytes that one value takes.
        gone: Sentence for a visitor whose value had to make room.
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
            InvalidRequest: It had to make room for newer ones, or there never was one.
        """
        with self._lock:
            if key is not None and key in self._values:
                return self._values[key]
        raise InvalidRequest(self._gone)


class ResultCache(LRUCache["RestoreResult"]):
    """The newest results, so that another file format or a closer look needs no new run."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(
            max_bytes,
            lambda result: result.nbytes,
            "This result is no longer kept: press Restore again.",
        )
