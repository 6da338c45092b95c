"""Reading parts of a remote file, and calls that must answer in time."""

import io
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .pairs import BenchmarkUnavailable

MAX_RANGE_BYTES = 2**31
"""Largest number of bytes requested, and held in memory, at once."""

_T = TypeVar("_T")


class RangeFile(io.RawIOBase):
    """A file of known size whose bytes are fetched as they are read.

    Args:
        fetch: Function of (start, length) that returns those bytes.
        size: Size of the file in bytes.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self.size_bytes = size
        self._fetch = fetch
        self._at = 0
        self._window = (0, b"")

    def readable(self) -> bool:
        """Return True: the file can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: the position can be set."""
        return True

    def tell(self) -> int:
        """Byte offset of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of the next read, as for every binary file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size_bytes}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def prefetch(self, start: int, end: int) -> None:
        """Fetch the bytes in [start, end) with one request and serve reads inside from them."""
        start, end = max(start, 0), min(end, self.size_bytes)
        self._window = (start, self._ask(start, end - start))

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes, or all that are left."""
        left = max(self.size_bytes - self._at, 0)
        length = left if size is None or size < 0 else min(size, left)
        first, window = self._window
        if first <= self._at and self._at + length <= first + len(window):
            content = window[self._at - first : self._at - first + length]
        else:
            content = self._ask(self._at, length)
        self._at += length
        return content

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer and return the number of bytes."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _ask(self, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        if length > MAX_RANGE_BYTES:
            raise BenchmarkUnavailable(
                f"The file asks for {length / 1e9:.1f} GB to be read at once, more than the limit "
                f"of {MAX_RANGE_BYTES / 1e9:.1f} GB: it is damaged, or packed in too large pieces."
            )
        return self._fetch(start, length)


def call_within(seconds: float, call: Callable[[], _T]) -> _T:
    """Run a call in a thread and give up after some seconds, name look-up and silence included.

    Raises:
        TimeoutError: The call took longer.
        Exception: What the call raises.
    """
    done: queue.Queue[tuple[bool, Any]] = queue.Queue()

    def work() -> None:
        try:
            done.put((True, call()))
        except BaseException as error:
            done.put((False, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        succeeded, value = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds} s") from None
    if not succeeded:
        raise value
    return value
