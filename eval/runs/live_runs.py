"""Reading runs while they grow: each look at a run costs its new rows only."""

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path

from cachetools import LRUCache

from .document import MethodSummary, Run, SampleResult
from .store import StoredRun, parsed_row
from .summaries import RunningSummary

MAX_FOLLOWED = 16
"""Runs whose place is kept; the one that was looked at longest ago is read anew."""


class GrowingFile:
    """Complete lines of a file that others append to.

    Args:
        path: The file; it may not exist yet.
    """

    def __init__(self, path: Path):
        self.path = path
        self.lines = 0
        self._identity: int | None = None
        self._read = 0

    def new_lines(self) -> tuple[list[bytes], bool]:
        """Read the lines that were appended since the last look.

        Returns:
            The lines without their ends, and whether the file is another one than at the last look:
            then they are all of its lines.
        """
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            size, identity = file.seek(0, 2), self.path.stat().st_ino
            is_another = identity != self._identity or size < self._read
            if is_another:
                self._identity, self._read, self.lines = identity, 0, 0
            file.seek(self._read)
            lines = file.read().split(b"\n")[:-1]  # what follows the last end is not complete
            self._read += sum(map(len, lines)) + len(lines)
            self.lines += len(lines)
            return lines, is_another
        is_another, self._identity, self._read, self.lines = self._read > 0, None, 0, 0
        return [], is_another


@dataclass
class _Followed:
    """One run at the last look."""

    file: GrowingFile
    """Rows of the run."""
    summary: RunningSummary
    """Means of the rows that were read."""
    latest: SampleResult | None = None
    """The last row that was read."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while rows are read, since several visitors may follow a run."""


class LiveRuns:
    """Means and newest rows of runs, each kept from look to look. Safe to use from threads."""

    def __init__(self) -> None:
        self._runs: LRUCache[Path, _Followed] = LRUCache(MAX_FOLLOWED)
        self._counts: LRUCache[Path, GrowingFile] = LRUCache(MAX_FOLLOWED)
        self._lock = threading.Lock()

    def look(self, stored: StoredRun, run: Run) -> tuple[list[MethodSummary], SampleResult | None]:
        """Means of a run's methods so far, and its newest row.

        Raises:
            InvalidRequest: A line is damaged.
        """
        path = stored.folder / "scores.jsonl"
        with self._lock:
            followed = self._runs.setdefault(
                path, _Followed(GrowingFile(path), RunningSummary(run))
            )
        with followed.lock:
            lines, is_another = followed.file.new_lines()
            if is_another:
                followed.summary, followed.latest = RunningSummary(run), None
            first = followed.file.lines - len(lines) + 1
            try:
                rows = [
                    parsed_row(line, number, stored.id) for number, line in enumerate(lines, first)
                ]
            except Exception:
                self.forget(stored)  # the next look reads everything again
                raise
            followed.summary.add(rows)
            followed.latest = rows[-1] if rows else followed.latest
            return followed.summary.methods(), followed.latest

    def count(self, stored: StoredRun) -> int:
        """Number of a run's rows so far; 0 where there is none yet or the file cannot be read."""
        path = stored.folder / "scores.jsonl"
        with self._lock:
            file = self._counts.setdefault(path, GrowingFile(path))
            with contextlib.suppress(OSError):
                file.new_lines()
            return file.lines

    def forget(self, stored: StoredRun) -> None:
        """Drop what is kept of a run."""
        path = stored.folder / "scores.jsonl"
        with self._lock:
            self._runs.pop(path, None)
            self._counts.pop(path, None)
