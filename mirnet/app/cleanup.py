"""The folder for uploads and results of one program, and the removal of old files from it.

Gradio deletes the files that it knows when it ends. It does not know of interrupted uploads, and a
program that is killed leaves all of its own. So each program gets a folder of its own, which nobody
else on the machine may read; the next one to start removes the folders of programs that have ended,
and `sweep` removes interrupted uploads and old files.
"""

import getpass
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Collection
from pathlib import Path


def own_folder(parent: Path | None = None) -> Path:
    """Make this program's folder, and remove those of programs that have ended.

    Args:
        parent: Folder that holds the folders of all programs; in the system's temporary folder
            by default.

    Returns:
        The folder: empty, readable by this user alone.
    """
    home = parent or _home()
    for folder in home.iterdir():
        if re.fullmatch(r"\d+-\d+", folder.name) and not _is_alive(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
    own = home / _name(os.getpid())
    own.mkdir(mode=0o700, exist_ok=True)
    return own


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


def _name(process: int) -> str:
    """Name of a process's folder: id and start time, because ids are used again."""
    import psutil

    return f"{process}-{int(psutil.Process(process).create_time())}"


def _is_alive(name: str) -> bool:
    import psutil

    try:
        return _name(int(name.partition("-")[0])) == name
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # process of another user
        return True
