"""Downloads weights by id, on a user's request, with progress.

A downloaded file is opened safely, must fit a network of ours name by name, and is stored in the
cache as safetensors; the foreign file is deleted.
One download of an id runs at a time on a machine.
"""

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mirnet.errors import WeightsUnavailable
from mirnet.files import file_sha256
from mirnet.tasks import get_task

from . import catalogue, store
from . import download as downloads
from .catalogue import WeightsEntry
from .convert import check_original, convert, disk_trouble, make_folder, sweep
from .download import by_hand
from .download_state import Stopped, Transfer, require_disk_space
from .load import locate

MAX_DOWNLOAD_BYTES = 600 * 10**6
"""Largest file that is downloaded, in bytes; a training state of MIRNet stays below."""
HEARTBEAT_SECONDS = 0.2
"""Longest pause between two events of `fetch`: how soon it can be stopped."""

State = Literal["waiting", "downloading", "checking", "converting", "ready"]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchProgress:
    """One event of `fetch`."""

    done_bytes: int
    """Bytes downloaded so far."""
    total_bytes: int | None
    """Size of the file in bytes; None until known."""
    state: State
    """Current stage; "waiting": another process downloads the same weights."""
    path: Path | None = None
    """Converted file; None until ready."""


def fetch(
    weights_id: str, *, task: str = "", max_bytes: int = MAX_DOWNLOAD_BYTES
) -> Iterator[FetchProgress]:
    """Download weights on a user's request, unless they are on this machine already.

    Closing the iterator stops the download and leaves nothing behind. Events come at least every
    `HEARTBEAT_SECONDS`.

    Args:
        weights_id: Id in the catalogue, or 'hub:org/name@revision'.
        task: Task to list hub weights under; None for the task in their file.
        max_bytes: Refuse larger files.

    Yields:
        Progress; the last event is "ready" and carries the path.

    Raises:
        WeightsUnavailable: Unknown id, no way to download it, or the download failed.
        CheckpointRejected: The file arrived but fits no network of ours.
        InvalidRequest: The task is unknown.
    """
    entry = catalogue.get_entry(weights_id)
    if task:
        entry = entry.model_copy(update={"task": get_task(task).id})
    if path := locate(weights_id):
        yield _ready(path)
        return
    if not entry.downloadable:
        raise WeightsUnavailable(f"{entry.id!r} cannot be downloaded by program: {by_hand(entry)}.")
    folder = make_folder()
    with store.weights_lock(weights_id) as lock:
        while not lock.acquired(HEARTBEAT_SECONDS):
            yield FetchProgress(0, entry.size_bytes, "waiting")
        if path := locate(weights_id):  # another process was faster
            yield _ready(path)
            return
        sweep(weights_id)
        require_disk_space(folder, entry.size_bytes or 0)
        job = _Fetching(entry, max_bytes)
        try:
            yield from job.events()
        finally:
            job.stop()
        assert job.path is not None
        yield _ready(job.path)


class _Fetching:
    """One download in a thread of its own, observed and stopped from the generator."""

    def __init__(self, entry: WeightsEntry, max_bytes: int) -> None:
        self.entry = entry
        self.state: State = "downloading"
        self.path: Path | None = None
        self.error: BaseException | None = None
        stem = store.file_stem(entry.id)
        work = tempfile.mkdtemp(dir=store.weights_folder(), prefix=f"{stem}.", suffix=".partial")
        self.transfer = Transfer(max_bytes=max_bytes, folder=Path(work))
        self.thread = threading.Thread(target=self._run, name=f"fetch {entry.id}", daemon=True)

    def events(self) -> Iterator[FetchProgress]:
        """Start the download and yield progress until it ends; raises its error."""
        transfer = self.transfer
        self.thread.start()
        while True:
            yield FetchProgress(
                transfer.done_bytes, transfer.total_bytes or self.entry.size_bytes, self.state
            )
            self.thread.join(HEARTBEAT_SECONDS)
            if not self.thread.is_alive():
                break
            waited = time.monotonic() - (transfer.began or time.monotonic())
            limit = downloads.contact_seconds(self.entry)
            if not transfer.contacted.is_set() and waited > limit:
                raise downloads.unreachable(self.entry)
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        """Stop the thread; one that waits for the network cleans up when its read returns."""
        self.transfer.stop()
        if self.thread.ident is None:  # closed before the first event was taken
            shutil.rmtree(self.transfer.folder, ignore_errors=True)
        else:
            self.thread.join(2.0 if self.transfer.contacted.is_set() else 0.1)

    def _run(self) -> None:
        entry, transfer = self.entry, self.transfer
        try:
            arrived = downloads.download(entry, transfer)
            self.state = "checking"
            original = file_sha256(arrived.path, transfer.cancel.is_set)
            transfer.check()
            check_original(entry, original, arrived.sha256)
            self.state = "converting"
            self.path = convert(arrived.path, entry, arrived.origin, original, transfer)
        except Stopped:
            log.info("The download of %s was stopped", entry.id)
        except OSError as error:
            self.error = disk_trouble(error)
        except BaseException as error:
            self.error = error
        finally:
            shutil.rmtree(transfer.folder, ignore_errors=True)


def _ready(path: Path) -> FetchProgress:
    size = path.stat().st_size
    return FetchProgress(size, size, "ready", path)
