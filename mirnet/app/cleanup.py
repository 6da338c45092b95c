"""The folder for uploads and results of one program, and the removal of old files from it.

Gradio deletes the files that it knows when it ends. It does not know of interrupted uploads, and a
program that is killed leaves all of its own. So each program gets a folder of its own, which nobody
else on the machine may read; the next one to start removes the folders of programs that have ended,
and `sweep` removes interrupted uploads and old files.
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


def sweep(
    folder: Path, interrupted_seconds: float, keep_seconds: float, kept: Collection[str] = ()
) -> int:
    """Remove interrupted uploads, and all other files that are too old.

    Gradio's own cleanup task crashes for good if an upload arrives while it iterates over its file
    names ("Set changed size during iteration"), so it is not relied on.

    Args:
        folder: Upload folder: unfinished uploads are temporary files in it, finished ones lie in
            folders below it.
        interrupted_seconds: Seconds since its last byte after which a temporary file is removed.
        keep_seconds: Age in seconds at which any other file is removed.
        kept: Paths of files that belong to the page.

    Returns:
        Number of files removed.
    """
    removed = 0
    for path in folder.rglob("*"):
        try:
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) or str(path) in kept:
                continue
            if path.parent == folder and path.name.startswith("tmp"):
                due = found.st_mtime + interrupted_seconds
            else:
                due = found.st_ctime + keep_seconds
            if time.time() > due:
                path.unlink()
                removed += 1
        except OSError:  # finished or removed meanwhile, or owned by another user
            continue
    return removed


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
