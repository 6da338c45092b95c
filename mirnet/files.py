"""Files that several processes share: replaced and appended to whole, locked, hashed; the cache.

Readers of a replaced file or folder see the old content or the new, never a part.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .device import ThreadLock


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Let the body write a temporary file or folder, which takes the place of `path` at its end.

    The temporary name is unique and lies in the same folder, so that several processes may replace
    the same file. A file reaches the disk (fsync) before it is renamed. When the body raises, the
    temporary is removed and `path` stays as it was.

    Args:
        path: What to create or replace; its folder must exist. A folder can only be put where
            nothing or an empty folder is.

    Yields:
        The path to write, where nothing is yet.

    Raises:
        OSError: The disk is full, or the folder is absent or may not be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield temporary
        if temporary.is_file():
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            path.rmdir()  # Windows renames no folder onto another
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def write_file(path: str | os.PathLike, content: bytes | str) -> None:
    """Create or replace a file, atomically; text is written as UTF-8.

    Raises:
        OSError: See `replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def append_line(path: str | os.PathLike, line: bytes) -> None:
    """Append a line and flush it to the disk; an incomplete last line is removed first.

    Only one process at a time may append; see `PathLock`. Incomplete lines are left by processes
    that were killed.

    Args:
        path: The file; its folder must exist.
        line: The line, without its end.

    Raises:
        OSError: The disk is full or may not be written to; older lines are as they were.
    """
    with open(path, "a+b") as file:
        end = file.tell()
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                end = file.read().rfind(b"\n") + 1
                file.truncate(end)
        try:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(path, end)
            raise


class PathLock:
    """Lock of a file across threads and processes; leaving the context releases it.

    Args:
        path: The lock's own file, created beside what it protects.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        from filelock import FileLock

        # A web server may run each step of a generator in another thread.
        self._lock = FileLock(path, thread_local=False)

    @classmethod
    def beside(cls, path: Path) -> "PathLock":
        """Lock of one file: `.STEM.lock` in its folder, which must exist."""
        return cls(path.with_name(f".{path.stem}.lock"))

    def __enter__(self) -> "PathLock":
        return self

    def acquired(self, seconds: float) -> bool:
        """Try to acquire the lock for so many seconds; False if it stayed taken."""
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=seconds)
        except Timeout:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def cache_folder() -> Path:
    """Cache folder: $MIRNET_CACHE, or a folder in the system's cache folder."""
    chosen = os.environ.get("MIRNET_CACHE")
    if chosen:
        return Path(os.path.expanduser(chosen))  # ~nobody stays as it is
    from platformdirs import user_cache_path

    return user_cache_path("mirnet-studio", appauthor=False)


_hashes: dict[tuple[str, int, int], str] = {}
_hashes_lock = ThreadLock()


def file_sha256(path: Path, cancelled: Callable[[], bool] = lambda: False) -> str:
    """SHA-256 of a file, cached until its size or modification time differs.

    Args:
        cancelled: Called after every megabyte; True stops.

    Returns:
        64 hexadecimal digits; empty when cancelled.
    """
    status = path.stat()
    key = (str(path.resolve()), status.st_mtime_ns, status.st_size)
    with _hashes_lock:
        if key in _hashes:
            return _hashes[key]
    digest = hash_of(path, cancelled)
    if digest:
        with _hashes_lock:
            _hashes[key] = digest
    return digest


def hash_of(path: Path, cancelled: Callable[[], bool] = lambda: False) -> str:
    """SHA-256 of a file, read anew; see `file_sha256`."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
            if cancelled():
                return ""
    return digest.hexdigest()
