"""The output cache: the same weights, settings and picture are not restored twice.

A key covers everything an output depends on: the method's settings, weights and package versions,
the code of this project that runs it, the picture, the task and the size. Pictures are kept once by
the hash of their pixels; runs hard-link to them where the disk allows, so a copy costs nothing.

    .cache/pictures/SH/SHA.png   pictures, by the hash of their pixels
    .cache/made/KE/KEY.json      what made an output (`OutputRecord`), by its key
    .cache/bytes                 bytes of both together

A run's pictures are names of its own: what is removed here is never missing there.
"""

import contextlib
import functools
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eval.methods.method_record import MethodRecord
from mirnet.errors import InvalidRequest
from mirnet.files import PathLock, replacing

from . import cache_eviction
from .store import disk_trouble, replace_file

CODE = (
    "mirnet/*.py",
    "mirnet/images/**/*.py",
    "mirnet/models/*.py",
    "mirnet/restoration/**/*.py",
    "mirnet/weights/*.py",
    "eval/methods/**/*.py",
)
"""Files whose change may change an output."""
EXCLUDED_CODE = {"__main__.py", "preview.py", "download.py"}
"""Names of files among them that never change an output."""
DEFAULT_GB = 10.0
"""Default limit of the cache, in units of 10**9 bytes."""
LOCK_SECONDS = 60.0
"""Longest wait for another process that counts or removes files of the cache."""


@functools.cache
def code_sha256() -> str:
    """Hash over the code that restores."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for pattern in CODE:
        for path in sorted(root.glob(pattern)):
            if path.name not in EXCLUDED_CODE:
                digest.update(path.read_bytes())
    return digest.hexdigest()


def key_of(
    method: MethodRecord, degraded_sha256: str, task: str, size: tuple[int, int], device: str
) -> str:
    """Build the key of an output: a hash over all that it depends on.

    Args:
        size: Height and width of the result.
        device: "cpu", "cuda" or "mps", which compute other last digits.
    """
    parts = {
        "method": method.model_dump(mode="json", exclude={"title", "training_step"}),
        "code": code_sha256(),
        "degraded": degraded_sha256,
        "task": task,
        "size": size,
        "device": device if method.kind in ("weights", "onnx") else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class OutputRecord:
    """Provenance of an output in the cache: its hash, time and memory."""

    output_sha256: str
    """Hash of the output's pixels, which names its picture file."""
    seconds: float | None
    """Time of the method alone, in seconds; None for a result that was made elsewhere."""
    peak_mb: float | None
    """Peak resident memory of the process in megabytes; None where unknown."""
    tiles: int
    """Number of tiles that the picture was processed in."""
    run: str = ""
    """Id of the run that computed and timed the output."""
    threads: int | None = None
    """Number of compute threads while it was timed."""
    file_sha256: str | None = None
    """Hash of the file of an imported result; None for one that was computed."""
    repeats: int = 1
    """Number of timings; `seconds` is their median."""
    seconds_low: float | None = None
    """Quickest of the repeats; None for one."""
    seconds_high: float | None = None
    """Slowest of the repeats; None for one."""
    own_peak_mb: float | None = None
    """Peak memory of the method alone, in megabytes; None where unknown."""


@dataclass(frozen=True)
class OutputCache:
    """A folder of outputs, shared by the runs beside it; any number of processes may use it."""

    folder: Path
    """The folder; its runs lie beside it."""
    max_bytes: int = int(DEFAULT_GB * 10**9)
    """Limit of the files' bytes. Above it pictures of no run are removed, then those that were not
    used for longest."""

    def picture(self, sha256: str) -> Path:
        """Path of a picture by the hash of its pixels."""
        return self.folder / "pictures" / sha256[:2] / f"{sha256}.png"

    def get(self, key: str) -> OutputRecord | None:
        """Look up an output; None where it or its picture is missing."""
        entry = self._entry(key)
        try:
            made = OutputRecord(**json.loads(entry.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        if not self.picture(made.output_sha256).exists():
            return None
        with contextlib.suppress(OSError):  # its time is that of its last use
            os.utime(entry)
        return made

    def put(self, key: str, made: OutputRecord, png: bytes) -> None:
        """Store an output and its picture.

        Raises:
            NotWritten: The disk is full or may not be written to.
        """
        added = self._put_picture(made.output_sha256, png)
        entry = self._entry(key)
        content = json.dumps(made.__dict__).encode()
        before = _size(entry)
        replace_file(entry, content)
        self._count(added + len(content) - before)

    def give(self, sha256: str, png: bytes, target: Path) -> None:
        """Give a picture to a run, under the run's own name of it.

        Args:
            sha256: Hash of its pixels.
            png: Content of its file.

        Raises:
            NotWritten: The disk is full or may not be written to.
        """
        added = self._put_picture(sha256, png)
        try:
            link_or_copy(self.picture(sha256), target)
        except FileNotFoundError:  # another process made room meanwhile
            replace_file(target, png)
        except OSError as error:
            raise disk_trouble(target, error) from error
        self._count(added)

    def trim(self) -> int:
        """Count the bytes anew, remove what is above the limit and return what is left.

        What killed processes left half written is removed too.
        """
        with self._locked():
            return self._write_total(cache_eviction.trim(self.folder, self.max_bytes))

    def release(self, names: set[str]) -> int:
        """Remove the pictures of a deleted run that no other run has, with what tells of them.

        Args:
            names: Hashes of the run's pictures.

        Returns:
            Bytes that were removed.
        """
        freed = 0
        with self._locked():
            freed = cache_eviction.release(self.folder, names)
            self._write_total(self._total_after(-freed))
        return freed

    def _put_picture(self, sha256: str, png: bytes) -> int:
        """Store a picture that is not there yet, and return the bytes that were added."""
        picture = self.picture(sha256)
        if picture.exists():
            return 0
        replace_file(picture, png)
        return len(png)

    def _count(self, added: int) -> None:
        """Add to the bytes of the cache, and make room above the limit."""
        if not added:
            return
        with self._locked():
            total = self._total_after(added)
            if total > self.max_bytes:
                total = cache_eviction.trim(self.folder, self.max_bytes)
            self._write_total(total)

    def _total_after(self, change: int) -> int:
        """Bytes of the cache after a change that was made; counted anew where none are written."""
        with contextlib.suppress(OSError, ValueError):
            return max(int((self.folder / "bytes").read_text()) + change, 0)
        return cache_eviction.count(self.folder)

    def _write_total(self, total: int) -> int:
        path = self.folder / "bytes"
        try:
            path.write_text(str(total))
        except OSError:  # a full disk: it is counted anew
            path.unlink(missing_ok=True)
        return total

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold off other processes; the body runs without the lock where one hangs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with PathLock(self.folder / ".lock") as lock:
            lock.acquired(LOCK_SECONDS)
            yield

    def _entry(self, key: str) -> Path:
        return self.folder / "made" / key[:2] / f"{key}.json"


def cache_of(runs: Path, max_gb: float | None = None) -> OutputCache | None:
    """Output cache of a folder of runs.

    Args:
        max_gb: Limit in units of 10**9 bytes; None for `DEFAULT_GB`. 0 is no cache.

    Raises:
        InvalidRequest: The limit is negative or no number.
    """
    limit = DEFAULT_GB if max_gb is None else max_gb
    if not math.isfinite(limit) or limit < 0:
        raise InvalidRequest(f"The output cache cannot have {limit} GB: give 0 or more.")
    return OutputCache(runs / ".cache", int(limit * 10**9)) if limit else None


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file to a second name, or copy it where the disk has no hard links.

    Raises:
        OSError: The disk is full or may not be written to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part:
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)


def _size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
