"""Keeps runs and votes in a data set on the Hub, from which they are read back after a restart.

The data set has the layout of a `RunStore`, without pictures: `ID/run.json`, `ID/pairs.json`,
`ID/facts.jsonl`, `ID/scores.jsonl`, `ID/notes.jsonl`, `ID/selections.jsonl`, `ID/votes/*.jsonl`,
and `deleted.txt` with the ids of deleted runs. A file of lines is merged by its lines, so that
nothing appears twice and nothing is lost when several programs share a data set. A commit names the
commit it builds on: if somebody else was faster, the Hub refuses it, and everything is read and
merged before the next attempt. What the data set holds is untrusted: names, sizes and documents are
checked before a file is put into the store.
"""

import contextlib
import errno
import hashlib
import logging
import re
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from eval.data.pairs import BenchmarkUnavailable
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.files import replacing, write_file
from mirnet.number_format import counted

from .annotations import MAX_FILE_BYTES, NOTES, SELECTIONS
from .document import SampleResult
from .merging import MAX_VOTES_BYTES, merge_lines, merge_run, whole_lines
from .publish import CONTACT_SECONDS, contacted, refused
from .removal import remove_run
from .store import NotWritten, RunStore, StoredRun

if TYPE_CHECKING:
    from huggingface_hub import HfApi

log = logging.getLogger(__name__)

MINUTES = 5.0
"""Most minutes between two exchanges with the Hub."""
CHANGED_SECONDS = 60.0
"""Seconds between two looks for what is new here; the Hub takes some hundred commits an hour."""
MAX_ATTEMPTS = 5
"""Most commits that are tried in an exchange, if others commit meanwhile."""
MAX_RUNS = 20_000
"""Most runs that are read from a data set."""
MAX_BYTES = {"run.json": 4 * 2**20, "pairs.json": 16 * 2**20}
MAX_BYTES |= dict.fromkeys(("facts.jsonl", "scores.jsonl"), 256 * 2**20)
MAX_BYTES |= dict.fromkeys((NOTES, SELECTIONS), MAX_FILE_BYTES)
"""Largest size of each document in bytes; larger ones are left out."""
DELETED = "deleted.txt"
"""File with the ids of deleted runs, one a line: in the data set, and in the store."""
INCOMING = ".incoming"
"""Folder in the store for what is being read; what an interrupted program left is read again."""
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""Errors of a file that could not be written, rather than of a connection."""
_RUN_ID = r"\d{8}-\d{6}-[a-z0-9]{4,12}"
_FILE = re.compile(
    rf"({_RUN_ID})/(run\.json|pairs\.json|(?:facts|scores|notes|selections)\.jsonl"
    r"|votes/[0-9a-f]{32}\.jsonl)"
)


@dataclass(frozen=True)
class Kept:
    """State of the exchange with the data set."""

    repo: str
    """Data set as ORG/NAME."""
    state: Literal["reading", "kept", "failing"] = "reading"
    """"reading" before the first exchange, "kept" after a success, "failing" after a failure."""
    moment: datetime | None = None
    """End of the last successful exchange, UTC."""
    runs: int = 0
    """Number of runs in the data set then."""
    unmerged: int = 0
    """Number of runs that were not sent then, as they could not be merged with the data set's."""
    trouble: str = ""
    """Sentence about the last failure; empty after a success."""

    def words(self) -> str:
        """Describe in a sentence what is kept where."""
        where = f"Runs and votes go to the data set {self.repo} about a minute after a change"
        if self.state == "reading":
            return f"{where}; stored ones are being read from it."
        since = f"last at {self.moment:%H:%M} UTC" if self.moment else "never yet"
        if self.state == "failing":
            return f"{where}, {since}; the last exchange failed: {self.trouble}"
        runs = counted(self.runs, "run")
        waiting = ""
        if self.unmerged:
            waiting = f" {counted(self.unmerged, 'run')} could not be merged yet: tried again soon."
        return f"{where}, {since}: {runs}.{waiting} Their pictures stay on this machine only."


class ResultsRepo:
    """Exchanges runs and votes between a store and a data set.

    Args:
        store: The runs.
        repo: Data set as ORG/NAME; created if it does not exist.
        private: Whether only its owners may see it; a public one is then refused.
    """

    def __init__(self, store: RunStore, repo: str, private: bool = True):
        self.store, self.repo, self.private = store, repo, private
        self.kept = Kept(repo)
        self._there: dict[str, str] = {}
        self._head: str | None = None
        self._unmerged: set[str] = set()
        """Runs here that differ from those of the data set and could not be merged with them."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------ in the background

    def start(self) -> None:
        """Exchange now, soon after changes and every few minutes, in a thread of its own."""
        self._thread = threading.Thread(target=self._work, name="results", daemon=True)
        self._thread.start()

    def close(self, seconds: float = 20.0) -> None:
        """Exchange once more and stop; returns after `seconds` at the latest."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            ended, began = self._stop.is_set(), time.monotonic()
            stamp: list[tuple[str, int, int]] | None = _stamp(self.store)
            try:
                self.exchange()
            except MIRNetError:
                stamp = None  # tried again soon
            if ended:
                return
            while not self._stop.wait(CHANGED_SECONDS):
                if time.monotonic() - began >= 60 * MINUTES or _stamp(self.store) != stamp:
                    break

    # ------------------------------------------------------------ an exchange

    def exchange(self) -> Kept:
        """Read what is new in the data set, then send what is new here.

        Returns:
            The state afterwards, which is also kept in `kept`.

        Raises:
            BenchmarkUnavailable: The Hub cannot be reached or refuses.
            InvalidRequest: The data set is public and a private one is wanted, or the disk is full.
        """
        try:
            api = contacted(self.repo, self.private)
            for _ in range(MAX_ATTEMPTS):
                self._read(api)
                if self._send(api):
                    break
            else:
                raise BenchmarkUnavailable(
                    f"Others write to {self.repo} all the time: the next exchange tries again."
                )
        except MIRNetError as error:
            self.kept = replace(self.kept, state="failing", trouble=str(error))
            log.warning("results were not exchanged: %s", error)
            raise
        runs = len({path.partition("/")[0] for path in self._there if "/" in path})
        self.kept = Kept(self.repo, "kept", datetime.now(UTC), runs, len(self._unmerged))
        return self.kept

    def _read(self, api: "HfApi") -> None:
        """Merge the newest commit into the store, if it is another than the last one."""
        incoming = self.store.folder / INCOMING
        try:
            api.create_repo(self.repo, repo_type="dataset", private=self.private, exist_ok=True)
            head = str(api.dataset_info(self.repo, timeout=CONTACT_SECONDS).sha)
            if head == self._head and not self._unmerged:
                return
            there, wanted = self._listed(api, head)
            incoming.mkdir(parents=True, exist_ok=True)
            if wanted:
                api.snapshot_download(
                    self.repo,
                    repo_type="dataset",
                    revision=head,
                    local_dir=incoming,
                    allow_patterns=wanted,
                )
            for path in wanted:
                there[path] = _sha256((incoming / path).read_bytes())
        except MIRNetError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                raise _not_written(error) from error
            raise refused(self.repo, error) from error
        try:
            self._merge(incoming)
        except OSError as error:
            raise _not_written(error) from error
        shutil.rmtree(incoming, ignore_errors=True)
        self._there, self._head = there, head

    def _listed(self, api: "HfApi", head: str) -> tuple[dict[str, str], list[str]]:
        """List a commit: hashes of files that are the same here, and paths of the others."""
        from huggingface_hub.hf_api import RepoFile

        same: dict[str, str] = {}
        wanted: list[str] = []
        runs: set[str] = set()
        for entry in api.list_repo_tree(
            self.repo, recursive=True, revision=head, repo_type="dataset"
        ):
            if not isinstance(entry, RepoFile) or not is_acceptable(entry.path, entry.size):
                continue
            runs.add(entry.path.partition("/")[0])
            if len(runs) > MAX_RUNS:
                log.warning("%s has more than %d runs: the rest is left out", self.repo, MAX_RUNS)
                break
            here = self.store.folder / entry.path
            content = here.read_bytes() if here.is_file() else None
            if content is not None and _git_sha1(content) == entry.blob_id:
                same[entry.path] = _sha256(content)
            else:
                wanted.append(entry.path)
        return same, wanted

    def _merge(self, incoming: Path) -> None:
        """Put what was read into the store; a run that is not here yet appears as a whole.

        A run that cannot be merged is not sent, so that nothing of it in the data set is replaced.

        Raises:
            NotWritten: The disk is full or may not be written to.
            OSError: The disk is full or may not be written to.
        """
        merge_lines(incoming / DELETED, self.store.folder / DELETED)
        deleted = deleted_runs(self.store)
        for run_id in deleted:
            with contextlib.suppress(InvalidRequest):  # not here, or a link
                remove_run(StoredRun(self.store.folder / run_id))
        unmerged: set[str] = set()
        for folder in sorted(incoming.iterdir()):
            if not re.fullmatch(_RUN_ID, folder.name) or folder.name in deleted:
                continue
            here = self.store.folder / folder.name
            try:
                _check_rows(folder / "scores.jsonl")
                if here.is_dir():
                    if not merge_run(folder, StoredRun(here)):
                        unmerged.add(folder.name)
                elif StoredRun(folder).header().id != folder.name:
                    raise InvalidRequest(f"run.json in {folder.name} is that of another run.")
                else:
                    with replacing(here) as temporary:
                        shutil.copytree(folder, temporary)
            except NotWritten:
                raise
            except InvalidRequest as error:
                log.warning("a run of %s was left out: %s", self.repo, error)
                if here.is_dir():
                    unmerged.add(folder.name)
        self._unmerged = unmerged

    def _send(self, api: "HfApi") -> bool:
        """Commit what is new here; False if somebody else committed meanwhile."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, errors

        here = dict(documents(self.store))
        changed: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(path, content)
            for path, content in here.items()
            if self._there.get(path) != _sha256(content)
            and path.partition("/")[0] not in self._unmerged
        ]
        deleted = deleted_runs(self.store)
        gone = [path for path in self._there if path.partition("/")[0] in deleted]
        changed += [CommitOperationDelete(path) for path in gone]
        if not changed:
            return True
        try:
            done = api.create_commit(
                self.repo,
                repo_type="dataset",
                operations=changed,
                commit_message=f"Keep {len(here)} files of runs",
                parent_commit=self._head,
            )
        except errors.HfHubHTTPError as error:
            if error.response.status_code in (409, 412):
                return False
            raise refused(self.repo, error) from error
        except Exception as error:
            raise refused(self.repo, error) from error
        self._head = str(done.oid)
        self._there |= {
            change.path_in_repo: _sha256(here[change.path_in_repo])
            for change in changed
            if change.path_in_repo in here
        }
        for path in gone:
            del self._there[path]
        return True


# ---------------------------------------------------------------- files


def is_acceptable(path: str, size: int) -> bool:
    """Whether a file of a data set is a document of a run of acceptable size.

    >>> is_acceptable("20260101-120000-abcdef/run.json", 900), is_acceptable("../run.json", 900)
    (True, False)
    """
    if path == DELETED:
        return size <= MAX_VOTES_BYTES
    found = _FILE.fullmatch(path)
    return bool(found) and size <= MAX_BYTES.get(found[2], MAX_VOTES_BYTES)  # type: ignore[index]


def documents(store: RunStore) -> Iterator[tuple[str, bytes]]:
    """Documents of all runs by their path in the data set; files of lines end with a whole line."""
    deleted = deleted_runs(store)
    if deleted:
        yield DELETED, "".join(f"{run}\n" for run in sorted(deleted)).encode()
    for header in store.headers():
        folder = store.folder / header.id
        if header.id in deleted:
            continue
        for path in (*(folder / name for name in MAX_BYTES), *folder.glob("votes/*.jsonl")):
            name = PurePosixPath(header.id, path.relative_to(folder).as_posix()).as_posix()
            with contextlib.suppress(OSError):
                if is_acceptable(name, path.stat().st_size):
                    yield name, whole_lines(path)


def deleted_runs(store: RunStore) -> set[str]:
    """Ids of runs that were deleted here or elsewhere."""
    with contextlib.suppress(OSError):
        lines = (store.folder / DELETED).read_text(encoding="utf-8", errors="replace").split()
        return {line for line in lines if re.fullmatch(_RUN_ID, line)}
    return set()


def forget_run(store: RunStore, run_id: str) -> None:
    """Note that a run was deleted, so that it is not read back."""
    ids = sorted({*deleted_runs(store), run_id})
    write_file(store.folder / DELETED, "".join(f"{known}\n" for known in ids))


def _check_rows(path: Path) -> None:
    """Refuse a file with a damaged line, which no program of ours writes."""
    if not path.is_file():
        return
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            SampleResult.model_validate_json(line)
        except ValidationError as error:
            raise InvalidRequest(f"Line {number} of {path.name} is damaged.") from error


def _not_written(error: OSError) -> InvalidRequest:
    return InvalidRequest(f"Stored runs could not be written here ({error.strerror}): make room.")


def _stamp(store: RunStore) -> list[tuple[str, int, int]]:
    """Sizes and times of all documents, which change whenever something is stored."""
    paths = [store.folder / DELETED, *store.folder.glob("[0-9]*/*.json*")]
    found = []
    for path in (*paths, *store.folder.glob("[0-9]*/votes/*.jsonl")):
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((str(path), status.st_mtime_ns, status.st_size))
    return sorted(found)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_sha1(content: bytes) -> str:
    """Name that git, and so the Hub, gives to a file with this content."""
    head = b"blob %d\0" % len(content)
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
