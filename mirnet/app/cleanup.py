"""The folder for uploads and results of one program, and the removal of old files from it.

Gradio deletes the files that it knows when it ends. It does not know of interrupted uploads, and a
program that is killed leaves all of its own. So each program gets a folder of its own, which nobody
else on the machine may read; the next one to start removes the folders of programs that have ended,
and a `Sweeper` removes interrupted uploads and old files.
"""

import getpass
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

_locks: list[Any] = []
"""Locks of this program's folders, held until it ends."""


def own_folder(parent: Path | None = None) -> Path:
    """Make this program's folder, and remove those of programs that have ended.

    A program holds the lock file of its folder, NAME.lock, as long as it runs: neither a clock nor
    process ids, which containers with a common folder count each for itself, say anything about it.

    Args:
        parent: Folder that holds the folders of all programs; in the system's temporary folder
            by default.

    Returns:
        The folder: empty, readable by this user alone.
    """
    home = parent or _home()
    for folder in home.iterdir():
        if folder.is_dir() and re.fullmatch(r"page-[0-9a-f]{16}", folder.name):
            _remove_if_ended(folder)
    own = home / f"page-{secrets.token_hex(8)}"
    _locks.append(_locked(_lock_file(own)))
    own.mkdir(mode=0o700)
    return own


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _locked(path: Path) -> Any:
    """Take a lock at once.

    Raises:
        filelock.Timeout: Another program holds it.
    """
    import filelock

    lock = filelock.FileLock(path, mode=0o600)
    lock.acquire(timeout=0)
    return lock


def _remove_if_ended(folder: Path) -> None:
    import filelock

    path = _lock_file(folder)
    try:
        lock = _locked(path)
    except (filelock.Timeout, OSError):  # in use, or of another user
        return
    try:
        shutil.rmtree(folder, ignore_errors=True)
        path.unlink(missing_ok=True)
    finally:
        lock.release()


class Sweeper:
    """Removes interrupted uploads, all other files that are too old, and empty folders.

    Gradio's own cleanup task crashes for good if an upload arrives while it iterates over its file
    names ("Set changed size during iteration"), and leaves a folder for each upload, so it is not
    relied on. Files carry the time of a clock that may be set while the program runs; their ages
    are kept on one that is not.

    Args:
        folder: Upload folder: unfinished uploads are temporary files in it, finished ones lie in
            folders below it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._last = steady_seconds()
        self._born: dict[Path, tuple[int, float]] = {}

    def sweep(
        self, interrupted_seconds: float, keep_seconds: float, kept: Collection[str] = ()
    ) -> int:
        """Remove what is due.

        Args:
            interrupted_seconds: Seconds since its last byte after which a temporary file is
                removed, and an empty folder since its last file.
            keep_seconds: Age in seconds at which any other file is removed.
            kept: Paths of files that belong to the page.

        Returns:
            Number of files and folders removed.
        """
        removed, last, self._last = 0, self._last, steady_seconds()
        before, self._born = self._born, {}
        for path in sorted(self.folder.rglob("*"), reverse=True):  # files before their folders
            try:
                found = path.lstat()
                is_folder = stat.S_ISDIR(found.st_mode)
                if str(path) in kept or is_folder and any(path.iterdir()):
                    continue
                unfinished = path.parent == self.folder and path.name.startswith("tmp")
                by_content = is_folder or unfinished
                written = found.st_mtime_ns if by_content else found.st_ctime_ns
                born = before.get(path, (0, 0.0))
                if born[0] != written:  # since the sweep before
                    age = min(max(time.time() - written / 1e9, 0.0), self._last - last)
                    born = (written, self._last - age)
                if self._last - born[1] <= (interrupted_seconds if by_content else keep_seconds):
                    self._born[path] = born
                    continue
                path.rmdir() if is_folder else path.unlink()
                removed += 1
            except OSError:  # finished, filled or removed meanwhile, or owned by another user
                continue
        return removed


def steady_seconds() -> float:
    """Time on a clock that nobody sets; it counts time asleep where the system has such a clock."""
    boot_clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_clock is None else time.clock_gettime(boot_clock)


def _home() -> Path:
    """Folder of this user for all programs; a new one if another user owns that name."""
    home = Path(tempfile.gettempdir()) / f"mirnet-studio-{_user()}"
    home.mkdir(mode=0o700, exist_ok=True)
    found = home.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if mine and stat.S_ISDIR(found.st_mode) and (os.name != "posix" or not found.st_mode & 0o077):
        return home
    return Path(tempfile.mkdtemp(prefix="mirnet-studio-"))


def _user() -> str:
    if hasattr(os, "getuid"):
        return str(os.getuid())
    return re.sub(r"\W", "_", getpass.getuser())
