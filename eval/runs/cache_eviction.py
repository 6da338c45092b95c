"""Making room in the output cache: which of its files go first, and which runs have them.

Runs have names of their own for their pictures (hard links, or copies where the disk has none), so
nothing that is removed here is missing in a run. Callers hold the lock of `OutputCache`.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

KEPT_SHARE = 0.9
"""Share of the limit that is left after making room, so that not every picture makes room anew."""
REMOVED = ".deleted-"
"""Prefix of the folder of a run that was removed and whose files are being deleted."""
IN_WORK_SECONDS = 600.0
"""Time since its last use in which a run may be about to take a picture."""
STALE_SECONDS = 3600.0
"""Age at which a half-written file is one that a killed process left."""


def count(folder: Path) -> int:
    """Bytes of the cache's files; half-written ones that are stale are removed first."""
    total = 0
    for entry in _files(folder):
        with contextlib.suppress(OSError):  # removed meanwhile
            stat = entry.stat()
            if entry.name.endswith(".part") and time.time() - stat.st_mtime > STALE_SECONDS:
                os.unlink(entry.path)
            else:
                total += stat.st_size
    return total


def trim(folder: Path, max_bytes: int) -> int:
    """Remove files until the cache is within its limit.

    Pictures that no run has or is about to take go first, each kind from the one that was not used
    for longest. Nothing that is being written is touched.

    Args:
        max_bytes: Limit; where it is passed, `KEPT_SHARE` of it is left.

    Returns:
        Bytes that are left.
    """
    total = count(folder)
    if total <= max_bytes:
        return total
    records, runs, pictures = _records(folder), _runs(folder), []
    for path in _pictures(folder):
        used = max(_mtime(one) for one in (path, *records.get(path.stem, [])))
        is_wanted = time.time() - used < IN_WORK_SECONDS or references(path, runs) > 0
        pictures.append((is_wanted, used, path))
    for _, _, path in sorted(pictures):
        if total <= KEPT_SHARE * max_bytes:
            break
        total -= _remove(path, records.pop(path.stem, []))
    return total


def release(folder: Path, names: set[str]) -> int:
    """Remove those of some pictures that no run has, with their records.

    Args:
        names: Hashes that name the pictures.

    Returns:
        Bytes that were removed.
    """
    runs = _runs(folder)
    free = [path for path in _pictures(folder) if path.stem in names and not references(path, runs)]
    if not free:
        return 0
    records = _records(folder)
    return sum(_remove(path, records.pop(path.stem, [])) for path in free)


def references(picture: Path, runs: list[Path]) -> int:
    """Number of runs that have a picture of the cache; removed ones do not count.

    Args:
        picture: The picture's file.
        runs: Folders of the runs, asked one by one where nothing is linked to the file.
    """
    having = [run for run in runs if run.name.startswith(REMOVED)]
    removed = sum((run / "outputs" / picture.name).exists() for run in having)
    try:
        linked = picture.stat().st_nlink - 1 - removed
    except OSError:  # removed by hand
        return 0
    if linked > 0:
        return linked
    return sum((run / "outputs" / picture.name).exists() for run in runs if run not in having)


def _remove(picture: Path, records: list[Path]) -> int:
    """Remove a picture after the records that lead to it, and return their bytes."""
    freed = 0
    for path in (*records, picture):
        with contextlib.suppress(OSError):  # open in another program, on Windows
            size = path.stat().st_size
            path.unlink()
            freed += size
    return freed


def _records(folder: Path) -> dict[str, list[Path]]:
    """Records by the picture that they tell of; those whose picture is gone are removed."""
    found: dict[str, list[Path]] = {}
    for path in (folder / "made").glob("*/*.json"):
        try:
            name = str(json.loads(path.read_bytes())["output_sha256"])
        except (OSError, ValueError, TypeError, KeyError):
            name = ""
        if (folder / "pictures" / name[:2] / f"{name}.png").exists():
            found.setdefault(name, []).append(path)
        else:
            path.unlink(missing_ok=True)
    return found


def _pictures(folder: Path) -> Iterator[Path]:
    return (folder / "pictures").glob("*/[0-9a-f]*.png")


def _files(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """Files of pictures and records, also half-written ones."""
    for kind in ("pictures", "made"):
        for part in (folder / kind).glob("*"):
            with contextlib.suppress(OSError), os.scandir(part) as entries:
                yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))


def _runs(folder: Path) -> list[Path]:
    """Folders of the runs beside the cache, also of removed ones whose files are still there."""
    return [path for path in folder.parent.iterdir() if path != folder and path.is_dir()]


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
