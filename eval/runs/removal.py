"""Deleting runs, with what the output cache holds for them alone."""

import contextlib
import shutil
from pathlib import Path

from mirnet.errors import InvalidRequest

from .cache_eviction import REMOVED
from .output_cache import OutputCache
from .store import RecordedRun, StoredRun


def remove_run(stored: StoredRun) -> None:
    """Take a run out of its store in one step, then delete its files and free the cache.

    Raises:
        InvalidRequest: The run is recorded by the project or a link, or cannot be deleted.
    """
    if isinstance(stored, RecordedRun):
        raise InvalidRequest(f"Run {stored.id} came with the program: it is not deleted here.")
    if stored.folder.is_symlink():
        raise InvalidRequest(f"Run {stored.id} is a link to another folder: delete it by hand.")
    try:
        stored.folder.rename(stored.folder.with_name(REMOVED + stored.id))
    except OSError as error:
        raise InvalidRequest(
            f"Run {stored.id} could not be deleted ({error.strerror or error})."
        ) from error
    finish_removals(stored.folder.parent)


def finish_removals(runs: Path) -> None:
    """Delete the files of removed runs, also of those whose removal was interrupted."""
    for removed in runs.glob(f"{REMOVED}*"):
        names = {path.stem for path in (removed / "outputs").glob("*.png")}
        if names and (runs / ".cache").is_dir():  # before the names of its pictures are lost
            with contextlib.suppress(OSError):  # a read-only disk
                OutputCache(runs / ".cache").release(names)
        shutil.rmtree(removed, ignore_errors=True)
