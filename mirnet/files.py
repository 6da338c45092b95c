"""Atomic replacement of files and folders: readers see the old content or the new, never a part."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
