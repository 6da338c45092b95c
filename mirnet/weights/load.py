"""Find, fetch, import, check and load weights by id.

Only `fetch` opens a connection, and only when a person asked for it. What it brings, and what
`import_file` takes, is opened safely, must fit a network of ours name by name, and is kept as
safetensors in the cache; the foreign file is not. One download of an id runs at a time on a
machine. The data folder mirnet/weights/ beside this module holds our own files and is no package.
"""

import errno
import logging
import re
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mirnet.device import ThreadLock
from mirnet.errors import CheckpointRejected, InvalidRequest, MIRNetError, WeightsUnavailable
from mirnet.tasks import get_task

from . import catalogue
from . import download as downloads
from . import store as cache
from .catalogue import WeightsEntry
from .download import Transfer, by_hand, megabytes
from .store import cache_folder

if TYPE_CHECKING:
    from mirnet.models.mirnet import MIRNet
    from mirnet.models.mirnet_v2 import MIRNetV2

__all__ = [
    "FetchProgress",
    "LoadedWeights",
    "VerifyReport",
    "cache_folder",
    "fetch",
    "forget",
    "import_file",
    "load",
    "locate",
    "verify",
]

MAX_DOWNLOAD_BYTES = 600 * 10**6
"""Largest file that is downloaded, in bytes; a training state of MIRNet stays below."""
MODELS_IN_MEMORY = 2
"""How many networks `load` keeps: the one in use and the one it is compared with."""
HEARTBEAT_SECONDS = 0.2
"""Longest pause between two events of `fetch`: how soon it can be stopped."""
IMPORT_WAIT_SECONDS = 30.0
"""How long `import_file` and `forget` wait for another process that works on the same id."""

State = Literal["waiting", "downloading", "checking", "converting", "ready"]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchProgress:
    """One event of `fetch`."""

    done_bytes: int
    """Bytes downloaded so far."""
    total_bytes: int | None
    """Size of the file, once known."""
    state: State
    """What happens now; "waiting": another process downloads the same weights."""
    path: Path | None = None
    """The converted file, once ready."""


@dataclass(frozen=True)
class LoadedWeights:
    """A network in memory and exactly what it was loaded from."""

    id: str
    """Id in the catalogue, or the file's name."""
    model: "MIRNet | MIRNetV2"
    """The network in evaluation mode on the CPU; shared, so do not change it."""
    sha256: str
    """Hash of the file that was loaded."""
    path: Path
    """The file that was loaded."""
    entry: WeightsEntry | None
    """Its row in the catalogue; None for a file given by path."""


@dataclass(frozen=True)
class VerifyReport:
    """Whether a file is what it should be, and loads."""

    ok: bool
    """Whether it is and does."""
    sha256: str
    """Hash of the file as it is now."""
    expected: str | None
    """Hash on its card or in its record; None where there is none."""
    message: str
    """The verdict in one sentence."""


def locate(weights_id: str) -> Path | None:
    """The file with these weights, if it is on this machine; never opens a connection."""
    entry = catalogue.read_catalogue(catalogue.CATALOGUE_FILE).get(weights_id)
    if entry is not None and entry.kind == "embedded":
        path = catalogue.EMBEDDED_FOLDER / str(entry.file)
    else:
        path = cache.cached_file(weights_id)
    return path if path.is_file() else None


def fetch(
    weights_id: str, *, task: str = "", max_bytes: int = MAX_DOWNLOAD_BYTES
) -> Iterator[FetchProgress]:
    """Download weights on a person's request; nothing to do where they are here already.

    Closing the iterator stops the download and leaves nothing behind. Events come at least every
    `HEARTBEAT_SECONDS`.

    Args:
        weights_id: Id in the catalogue, or 'hub:org/name@revision'.
        task: For hub weights, the task to list them under; by default what their file says.
        max_bytes: Refuse larger files.

    Yields:
        Progress; the last event is "ready" and carries the path.

    Raises:
        WeightsUnavailable: Unknown id, no way to download it, or the download failed.
        CheckpointRejected: The file arrived but fits no network of ours.
        InvalidRequest: There is no such task.
    """
    entry = catalogue.get_entry(weights_id)
    if task:
        entry = replace(entry, task=get_task(task).id)
    if path := locate(weights_id):
        yield _ready(path)
        return
    if not entry.downloadable:
        raise WeightsUnavailable(f"{entry.id!r} cannot be downloaded by program: {by_hand(entry)}.")
    folder = _make_folder()
    with _Lock(weights_id) as lock:
        while not lock.acquired(HEARTBEAT_SECONDS):
            yield FetchProgress(0, entry.size_bytes, "waiting")
        if path := locate(weights_id):  # another process was faster
            yield _ready(path)
            return
        _sweep(weights_id)
        downloads.require_disk_space(folder, entry.size_bytes or 0)
        job = _Fetching(entry, max_bytes)
        try:
            yield from job.events()
        finally:
            job.stop()
        assert job.path is not None
        yield _ready(job.path)


def import_file(
    path: str | Path,
    *,
    id: str | None = None,  # noqa: A002
    task: str | None = None,
    title: str | None = None,
) -> WeightsEntry:
    """Take over a weights file a person has: checked, converted and kept in the cache.

    Args:
        path: Any file `checkpoints.read_checkpoint` opens; it is left as it is.
        id: An official id, which says what the file should be; or a new id; by default one made
            from the file's name.
        task: Id of the task; by default that of the official id, or what the file says.
        title: Name shown in lists; by default the file's name.

    Returns:
        The entry under which the weights are offered from now on.

    Raises:
        CheckpointRejected: The file is unsafe, damaged, or fits no network of ours.
        InvalidRequest: The id or task is not possible, or the task cannot be guessed.
        WeightsUnavailable: Another file was recorded for this official id.
    """
    path = Path(path)
    known = catalogue.read_catalogue(catalogue.CATALOGUE_FILE).get(id or "")
    if known is not None and known.kind == "embedded":
        raise InvalidRequest(f"{id!r} is the name of our own weights: choose another id.")
    if id is None:
        id = _id_from_name(path)  # noqa: A001
    if known is None and not catalogue.is_valid_id(id):
        raise InvalidRequest(
            f"{id[:80]!r} cannot be an id: use 1 to 64 of a-z, 0-9, '.', '_' and '-'."
        )
    if known is not None and task not in (None, known.task):
        raise InvalidRequest(
            f"{id!r} are weights for {known.task}, not {task}: leave --task out or choose another "
            "id."
        )
    task = known.task if known else task or cache.read_notes(path).get("task")
    if not task:
        raise InvalidRequest(
            f"{path.name} does not say what it restores: add --task with denoise, sr-x2, sr-x3, "
            "sr-x4, lowlight or retouch."
        )
    get_task(task)
    if not path.is_file():
        raise CheckpointRejected(f"There is no weights file {path.name!r}: check the path.")
    folder = _make_folder()
    entry = known or WeightsEntry(
        id=id,
        title=title or path.stem,
        task=task,
        architecture="",
        kind="imported",
        licence="unknown",
        source=path.name,
    )
    with _Lock(id) as lock:
        if not lock.acquired(IMPORT_WAIT_SECONDS):
            raise WeightsUnavailable(f"Another process is busy with {id!r}: try again later.")
        work = Path(
            tempfile.mkdtemp(dir=folder, prefix=f"{cache.file_stem(id)}.", suffix=".partial")
        )
        try:
            original = cache.file_sha256(path)
            if known is not None:  # a file of one's own may change at will
                _check_original(entry, original, None)
            transfer = Transfer(max_bytes=0, folder=work)
            _convert(path, entry, path.name, original, transfer)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return catalogue.load_catalogue()[id]


def forget(weights_id: str) -> bool:
    """Delete cached weights and the hash recorded for them, so that a changed file is accepted.

    Returns:
        Whether there was anything to delete.

    Raises:
        WeightsUnavailable: They are embedded, or another process works on them.
    """
    entry = catalogue.read_catalogue(catalogue.CATALOGUE_FILE).get(weights_id)
    if entry is not None and entry.kind == "embedded":
        raise WeightsUnavailable(f"{weights_id!r} are part of the program and cannot be forgotten.")
    files = [cache.cached_file(weights_id), cache.record_file(weights_id)]
    if not any(file.exists() for file in files):
        return False
    with _Lock(weights_id) as lock:
        if not lock.acquired(IMPORT_WAIT_SECONDS):
            raise WeightsUnavailable(
                f"Another process is busy with {weights_id!r}: try again later."
            )
        for file in files:
            file.unlink(missing_ok=True)
    return True


def verify(weights_id: str) -> VerifyReport:
    """Hash a weights file anew, compare, and try to build the network.

    Raises:
        WeightsUnavailable: Unknown id, or not on this machine.
    """
    from .checkpoints import load_weights

    entry = catalogue.get_entry(weights_id)
    path = _present(entry)
    sha256 = cache.file_sha256(path)
    expected, original = _expected(entry)
    if expected is not None and sha256 != expected:
        return VerifyReport(False, sha256, expected, str(_changed(entry)))
    if entry.sha256 is not None and original is not None and original != entry.sha256:
        return VerifyReport(
            False,
            sha256,
            expected,
            f"{weights_id} was made from a file with sha256 {original[:12]}, the catalogue names "
            f"{entry.sha256[:12]}: run `python -m mirnet weights forget {weights_id}` and fetch it "
            "again.",
        )
    try:
        load_weights(path)
    except CheckpointRejected as error:
        return VerifyReport(False, sha256, expected, str(error))
    how = "the hash is as recorded" if expected else "no hash is recorded to compare with"
    return VerifyReport(True, sha256, expected, f"{weights_id} loads, and {how}.")


_models: OrderedDict[tuple[str, int, int], LoadedWeights] = OrderedDict()
_models_lock = ThreadLock()


def load(id_or_path: str | Path, *, allow_paths: bool = False) -> LoadedWeights:
    """Load weights, or take them from the two networks kept in memory; never opens a connection.

    Safe to call from several threads; one file is read at a time.

    Args:
        id_or_path: Id in the catalogue, 'hub:org/name@revision', or, where allowed, the path of a
            weights file or of a folder with model.safetensors.
        allow_paths: Accept paths. Leave it off where strangers choose the value.

    Raises:
        WeightsUnavailable: Unknown id, not downloaded yet, or changed on disk.
        CheckpointRejected: The file fits no network of ours.
    """
    name = str(id_or_path)
    entry: WeightsEntry | None = None
    if isinstance(id_or_path, Path) and allow_paths:
        path = _file_at(id_or_path)
    else:
        try:
            entry = catalogue.get_entry(name)
            path = _present(entry)
        except WeightsUnavailable:
            if entry is not None or not allow_paths or not Path(name).exists():
                raise
            path = _file_at(Path(name))
    from .checkpoints import load_weights

    with _models_lock:
        status = path.stat()
        key = (str(path.resolve()), status.st_mtime_ns, status.st_size)
        if key in _models:
            _models.move_to_end(key)
            kept = _models[key]
            return replace(kept, id=entry.id if entry else path.name, entry=entry)
        sha256 = cache.file_sha256(path)
        if entry is not None and _expected(entry)[0] not in (None, sha256):
            raise _changed(entry)
        loaded = LoadedWeights(
            entry.id if entry else path.name, load_weights(path), sha256, path, entry
        )
        _models[key] = loaded
        while len(_models) > MODELS_IN_MEMORY:
            _models.popitem(last=False)
        return loaded


class _Fetching:
    """One download in a thread of its own, observed and stopped from the generator."""

    def __init__(self, entry: WeightsEntry, max_bytes: int) -> None:
        self.entry = entry
        self.state: State = "downloading"
        self.path: Path | None = None
        self.error: BaseException | None = None
        stem = cache.file_stem(entry.id)
        work = tempfile.mkdtemp(dir=cache.weights_folder(), prefix=f"{stem}.", suffix=".partial")
        self.transfer = Transfer(max_bytes=max_bytes, folder=Path(work))
        self.thread = threading.Thread(target=self._run, name=f"fetch {entry.id}", daemon=True)

    def events(self) -> Iterator[FetchProgress]:
        """Start, and report until the work is done; raise what went wrong."""
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
        """End the thread. One that hangs in the network cleans up after itself when it wakes."""
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
            original = cache.file_sha256(arrived.path, transfer.cancel.is_set)
            transfer.check()
            _check_original(entry, original, arrived.sha256)
            self.state = "converting"
            self.path = _convert(arrived.path, entry, arrived.origin, original, transfer)
        except downloads.Cancelled:
            log.info("The download of %s was stopped", entry.id)
        except OSError as error:
            self.error = _disk_trouble(error)
        except BaseException as error:
            self.error = error
        finally:
            shutil.rmtree(transfer.folder, ignore_errors=True)


class _Lock:
    """One worker per id, across threads and processes."""

    def __init__(self, weights_id: str) -> None:
        from filelock import FileLock

        # A web server may run each step of a generator in another thread.
        path = cache.weights_folder() / f"{cache.file_stem(weights_id)}.lock"
        self._lock = FileLock(path, thread_local=False)

    def __enter__(self) -> "_Lock":
        return self

    def acquired(self, seconds: float) -> bool:
        """Try for so long."""
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=seconds)
        except Timeout:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _convert(
    path: Path, entry: WeightsEntry, origin: str, original_sha256: str, transfer: Transfer
) -> Path:
    """Open a foreign file safely, check every tensor, and put it into the cache in one step."""
    from .checkpoints import build_model, read_checkpoint, save_weights

    notes = cache.read_notes(path)
    model = build_model(read_checkpoint(path), path.name)
    architecture = model.architecture
    if entry.architecture not in ("", architecture):
        raise CheckpointRejected(
            f"{path.name} holds a {architecture}, but {entry.id!r} are weights of "
            f"{entry.architecture}: import it under another id."
        )
    record = cache.Record(
        id=entry.id,
        kind=entry.kind,
        task=entry.task or _task_of(notes),
        title=entry.title,
        architecture=architecture,
        origin=origin,
        original_sha256=original_sha256,
        sha256="",
        licence=entry.licence,
    )
    header = {key: value for key, value in vars(record).items() if key != "sha256"}
    converted = save_weights(model, transfer.folder / "converted.safetensors", header)
    record = replace(record, sha256=cache.file_sha256(converted))
    transfer.check()
    target = cache.cached_file(entry.id)
    converted.replace(target)
    cache.write_record(record)
    return target


def _task_of(notes: dict[str, str]) -> str:
    try:
        return get_task(notes.get("task", "")).id
    except InvalidRequest:
        return ""


def _check_original(entry: WeightsEntry, original: str, promised: str | None) -> None:
    """Compare a file's hash with all that is known about it.

    Raises:
        WeightsUnavailable: It is another file.
    """
    if promised is not None and original != promised:
        raise WeightsUnavailable(
            f"The file of {entry.id!r} arrived with sha256 {original[:12]} where its server "
            f"promised {promised[:12]}: it was damaged on the way, try again."
        )
    if entry.kind == "official" and entry.sha256 not in (None, original):
        raise WeightsUnavailable(
            f"The file of {entry.id!r} has sha256 {original[:12]}, the catalogue expects "
            f"{str(entry.sha256)[:12]}: it is damaged or another file, so it is not used; "
            f"{by_hand(entry)}."
        )
    record = cache.read_record(entry.id)
    if record is not None and record.original_sha256 not in ("", original):
        raise WeightsUnavailable(
            f"The file of {entry.id!r} has sha256 {original[:12]}, but the first one seen had "
            f"{record.original_sha256[:12]}: its source has changed it; if you trust the new one, "
            f"run `python -m mirnet weights forget {entry.id}` and try again."
        )


def _expected(entry: WeightsEntry) -> tuple[str | None, str | None]:
    """Hash the file should have, and hash of the file it was converted from, where known."""
    if entry.kind == "embedded":
        card = catalogue.read_card(entry)
        return (card.sha256 if card else None), None
    record = cache.read_record(entry.id)
    if record is None:
        return None, None
    return record.sha256 or None, record.original_sha256 or None


def _changed(entry: WeightsEntry) -> WeightsUnavailable:
    if entry.kind == "embedded":
        return WeightsUnavailable(
            f"The file of {entry.id!r} does not have the hash on its card, so it is not used: "
            "get the program's files again."
        )
    return WeightsUnavailable(
        f"The file of {entry.id!r} changed on disk after it was checked, so it is not used: run "
        f"`python -m mirnet weights forget {entry.id}` and fetch or import it again."
    )


def _present(entry: WeightsEntry) -> Path:
    """The entry's file.

    Raises:
        WeightsUnavailable: It is not on this machine.
    """
    path = locate(entry.id)
    if path is not None:
        return path
    if not entry.downloadable:
        raise WeightsUnavailable(f"{entry.id!r} is not here yet: {by_hand(entry)}.")
    size = f" (about {megabytes(entry.size_bytes)})" if entry.size_bytes else ""
    raise WeightsUnavailable(
        f"{entry.id!r} is not downloaded yet{size}: download it first, in the page or with "
        f"`python -m mirnet weights fetch {entry.id}`."
    )


def _file_at(path: Path) -> Path:
    """A weights file, or the one inside a folder written by `save_pretrained`."""
    if not path.is_dir():
        return path
    inside = path / catalogue.DEFAULT_HUB_FILE
    if not inside.is_file():
        raise CheckpointRejected(
            f"The folder {path.name!r} has no {catalogue.DEFAULT_HUB_FILE}: give a folder written "
            "by `save_pretrained`, or a weights file."
        )
    return inside


def _id_from_name(path: Path) -> str:
    stem = re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._")[:50] or "imported"
    return f"{stem}-imported" if catalogue.is_reserved(stem) else stem


def _make_folder() -> Path:
    folder = cache.weights_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _disk_trouble(error) from error
    return folder


def _disk_trouble(error: OSError) -> MIRNetError:
    if error.errno == errno.ENOSPC:
        return WeightsUnavailable(
            f"The disk of the cache folder {cache_folder()} is full: make room, or point "
            "MIRNET_CACHE at a folder on another disk."
        )
    return WeightsUnavailable(
        f"The cache folder {cache_folder()} cannot be written ({error.strerror or error}): point "
        "MIRNET_CACHE at a folder of yours."
    )


def _sweep(weights_id: str) -> None:
    """Remove what killed processes left; the id's lock is held, so nobody is using it."""
    pattern = re.compile(re.escape(cache.file_stem(weights_id)) + r"\.\w+\.partial")
    for leftover in cache.weights_folder().iterdir():
        if pattern.fullmatch(leftover.name):
            shutil.rmtree(leftover, ignore_errors=True)


def _ready(path: Path) -> FetchProgress:
    size = path.stat().st_size
    return FetchProgress(size, size, "ready", path)
