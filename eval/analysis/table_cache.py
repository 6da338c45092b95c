"""Cache of the tables of stored runs, so that switching views reads nothing anew.

A table is kept in memory and, for a run that has ended, beside the runs as well, so that the next
start of the program opens it as quickly. Cached tables are derived: they are computed again when
a run's files have changed, and may be deleted at any time.
"""

import contextlib
import functools
import hashlib
import io
import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from cachetools import LRUCache

from eval.runs.annotations import NOTES, SELECTIONS
from eval.runs.store import StoredRun, replace_file
from mirnet.errors import InvalidRequest
from mirnet.metrics.registry import METRICS, OPTIONAL

from .leaderboards import leaderboard
from .run_comparison import Changes, RunComparison, changes_of_runs, compare_runs
from .score_tables import chosen_protocol, scores_frame
from .slices import Slice, slices_of

if TYPE_CHECKING:
    import pandas as pd

Made = TypeVar("Made")

MAX_TABLES = 24
"""Number of tables kept in memory; 5,000 pictures and four methods take about 20 MB."""
WORTH_KEEPING = 2000
"""Number of rows from which the tables of an ended run are kept on disk too."""
TABLE_CACHE_FOLDER = ".views"
"""Name of the folder of cached tables, beside the runs."""
TABLE_FILES = ("run.json", "scores.jsonl", "pairs.json", "facts.jsonl")
"""Files of a run that tables are computed from."""
TABLE_CODE = (
    "eval/analysis/*.py",
    "eval/data/benchmarks.toml",
    "eval/data/scenes.py",
    "eval/runs/common_pictures.py",
    "eval/runs/document.py",
    "eval/runs/store.py",
    "mirnet/metrics/*.py",
)
"""Files whose change may change a table."""


class TableCache:
    """Cache of the tables of runs and of their comparisons, computed once for the same files.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._tables: LRUCache[tuple, tuple[tuple, Any]] = LRUCache(MAX_TABLES)
        """Version and content of each table by its subject."""
        self._lock = threading.Lock()
        self._making: WeakValueDictionary[tuple, threading.Lock] = WeakValueDictionary()
        """Locks of tables that are looked up or made, as long as somebody holds them."""

    def scores(self, stored: StoredRun, protocol: str | None = None) -> "pd.DataFrame":
        """Return `scores_frame` of a run; the table is shared and must not be changed.

        Raises:
            InvalidRequest: The run is damaged, or lacks the protocol or baseline.
        """
        name = chosen_protocol(stored.header(), protocol)
        return self._table(stored, ("scores", name), lambda: scores_frame(stored, name))

    def board(
        self, stored: StoredRun, baseline: str | None, protocol: str | None = None
    ) -> "pd.DataFrame":
        """Return `leaderboard` of a run; the table is shared and must not be changed.

        Raises:
            InvalidRequest: The run is damaged, or lacks the protocol or baseline.
        """
        name = chosen_protocol(stored.header(), protocol)
        return self._table(
            stored,
            ("board", name, baseline or ""),
            lambda: leaderboard(stored, baseline, name, self.scores(stored, name)),
        )

    def slices(self, stored: StoredRun, protocol: str | None = None) -> list[Slice]:
        """Return `slices_of` a run; the list is shared and must not be changed.

        Raises:
            InvalidRequest: The run is damaged, or lacks the protocol.
        """
        name = chosen_protocol(stored.header(), protocol)
        subject = _subject(stored, ("slices", name))
        version = (*_version(stored), _stamp(stored, (NOTES, SELECTIONS)))
        return self._once(subject, version, lambda: slices_of(stored, self.scores(stored, name)))

    def changes(self, runs: Sequence[StoredRun], protocol: str | None = None) -> Changes:
        """Return `changes_of_runs`; the table is shared and must not be changed.

        Raises:
            InvalidRequest: See `run_comparison.compare_runs`.
        """
        return self._of_runs(
            "changes", runs, protocol, partial(changes_of_runs, scores=self.scores)
        )

    def comparison(self, runs: Sequence[StoredRun], protocol: str | None = None) -> RunComparison:
        """Return `compare_runs`; its tables are shared and must not be changed.

        Raises:
            InvalidRequest: See `run_comparison.compare_runs`.
        """
        make = partial(compare_runs, changes=self.changes)
        return self._of_runs("comparison", runs, protocol, make)

    def _of_runs(
        self,
        kind: str,
        runs: Sequence[StoredRun],
        protocol: str | None,
        make: Callable[[Sequence[StoredRun], str], Made],
    ) -> Made:
        """The object kept for several runs in this order, else a new one by `make`."""
        name = chosen_protocol(runs[0].header(), protocol)
        others = [str(stored.folder) for stored in runs[1:]]
        subject = _subject(runs[0], (kind, name, *others))
        return self._once(subject, tuple(map(_version, runs)), lambda: make(runs, name))

    def forget(self, run_id: str) -> None:
        """Drop a run's tables from memory."""
        with self._lock:
            for key in [key for key in self._tables if key[0] == run_id]:
                del self._tables[key]

    def _table(
        self, stored: StoredRun, what: tuple[str, ...], make: "Callable[[], pd.DataFrame]"
    ) -> "pd.DataFrame":
        """Table from memory, else from disk, else made and kept in both."""
        subject, version = _subject(stored, what), _version(stored)
        key = (*subject, *version)

        def read_or_make() -> "pd.DataFrame":
            table = _read(stored, key)
            if table is None:
                table = make()
                _write(stored, key, table)
            return table

        return self._once(subject, version, read_or_make)

    def _once(self, subject: tuple, version: tuple, make: Callable[[], Made]) -> Made:
        """The object kept in memory for a subject in a version, else a new one by `make`.

        A new version takes the place of an older one: a run that is under way, or that notes are
        written on, pushes no table of another run out.
        """
        key = (*subject, *version)
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:  # two visitors of one run make its tables once
            with self._lock:
                kept = self._tables.get(subject)
                if kept is not None and kept[0] == version:
                    return kept[1]
            made = make()
            with self._lock:
                self._tables[subject] = version, made
        return made


def _subject(stored: StoredRun, what: tuple[str, ...]) -> tuple[str, ...]:
    """Subject of a table: the run and the kind of table."""
    return (stored.id, str(stored.folder), *what)


def _version(stored: StoredRun) -> tuple:
    """Version of a run's tables: the code that makes them, and the state of the run's files."""
    return ((code_fingerprint(), *METRICS, *OPTIONAL), _stamp(stored))


@functools.cache
def code_fingerprint() -> str:
    """Hash over the code that makes tables and the versions of the packages that compute them.

    A table kept on disk by another version of this program is not read.
    """
    import numpy
    import pandas
    import scipy

    digest = hashlib.sha256(
        f"{numpy.__version__} {pandas.__version__} {scipy.__version__}".encode()
    )
    root = Path(__file__).parents[2]
    for pattern in TABLE_CODE:
        for path in sorted(root.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamp(stored: StoredRun, names: tuple[str, ...] = TABLE_FILES) -> tuple[int, ...]:
    """Modification times and sizes of files of a run."""
    found: list[int] = []
    for name in names:
        with contextlib.suppress(OSError):
            stat = (stored.folder / name).stat()
            found += [stat.st_mtime_ns, stat.st_size]
    return tuple(found)


def _place(stored: StoredRun, key: tuple) -> Any:
    digest = hashlib.sha256(json.dumps([*key[2:]]).encode()).hexdigest()[:24]
    return stored.folder.parent / TABLE_CACHE_FOLDER / f"{stored.id}-{digest}.parquet"


def _read(stored: StoredRun, key: tuple) -> "pd.DataFrame | None":
    import pandas as pd

    path = _place(stored, key)
    if not path.is_file():
        return None
    try:
        table = pd.read_parquet(path)
        ids = [method.id for method in stored.header().methods]
        table["method"] = pd.Categorical(table.method, ids, ordered=True)
    except (OSError, ValueError, AttributeError):  # half written, or of another version
        return None
    return table


def _write(stored: StoredRun, key: tuple, table: "pd.DataFrame") -> None:
    run = stored.header()
    if run.status != "done" or run.benchmark.n * len(run.methods) < WORTH_KEEPING:
        return
    buffer = io.BytesIO()
    table.astype({"method": str}).to_parquet(buffer, index=False)
    with contextlib.suppress(InvalidRequest):  # a read-only store is read without
        for older in _place(stored, key).parent.glob(f"{stored.id}-*.parquet"):
            if not _is_current(older, stored):
                with contextlib.suppress(OSError):
                    older.unlink()
        replace_file(_place(stored, key), buffer.getvalue())


def _is_current(path: Any, stored: StoredRun) -> bool:
    """Whether a kept table is younger than the run's files."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns >= max(
            (stored.folder / name).stat().st_mtime_ns for name in ("run.json", "scores.jsonl")
        )
    return False
