"""One visitor's restoration: its wait in the queue, its work and its stop; without widgets."""

import contextlib
import itertools
import operator
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mirnet.errors import Cancelled, InvalidRequest, WeightsUnavailable
from mirnet.images.decode import size_of
from mirnet.images.file_names import name_of
from mirnet.images.formats import SAVE_FORMATS
from mirnet.images.limits import MAX_PIXELS
from mirnet.images.network_input import check_enlarged
from mirnet.images.picture import Picture
from mirnet.images.raster import check_size
from mirnet.memory import give_back_memory
from mirnet.tasks import get_task
from mirnet.weights import catalogue
from mirnet.weights import load as weights

from .folders import free_bytes, upload_folder
from .journal import new_id
from .monitor import MONITOR
from .photo_limits import PhotoLimits
from .queue import FairQueue, QueueEntry, QueuePosition

if TYPE_CHECKING:
    from mirnet.restoration.job import RestoreJob, TileProgress
    from mirnet.restoration.result import RestoreResult

MIN_DISK_BYTES_PER_PIXEL = 12
"""Disk space per pixel of a result: a 16-bit RGB file, briefly stored twice."""


class BatchRow(NamedTuple):
    """One photo of a batch."""

    name: str
    """File name."""
    state: str = "waiting"
    """State of the photo: "waiting", "working", "done" or "failed"."""
    words: str = "waiting"
    """Text beside the file name, such as the time taken or an error."""
    key: str = ""
    """Key of the result in the cache; empty until there is one."""
    before: bytes = b""
    """Small JPEG of the photo; empty until it is restored."""
    after: bytes = b""
    """Small JPEG of the result."""


@dataclass
class Run:
    """One visitor's run, shared by the event that restores and the Stop button."""

    id: str = field(default_factory=new_id)
    """Id in the journal and on the operator's page; the visitor sees it where the run fails."""
    job: "RestoreJob | None" = None
    """The photo being restored now."""
    entry: QueueEntry | None = None
    """Queue entry of the current photo; None outside of the queue."""
    archive: Path | None = None
    """Zip file that receives the results of a batch; None for a single photo."""
    finished: int = 0
    """Number of photos in the zip."""
    rows: list[BatchRow] = field(default_factory=list)
    """State of every photo of a batch; empty for a single photo."""
    stopped: bool = False
    """Whether the visitor pressed Stop; the zip then belongs to that click."""
    replaced: bool = False
    """Whether the visitor has started a newer run."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the run no longer uses the network."""

    def cancel(self) -> None:
        """Stop the run before its next tile, or while it waits in the queue."""
        if self.entry is not None:
            self.entry.cancel()
        if self.job is not None:
            self.job.cancel()


class Runs:
    """Current runs, at most one per visitor; thread-safe."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()

    def begin(self, visitor: str) -> Run:
        """Register a new run; an older one of the same visitor is stopped."""
        run = Run()
        with self._lock:
            older = self._runs.get(visitor)
            self._runs[visitor] = run
        if older is not None:
            older.replaced = True
            older.cancel()
        return run

    def end(self, visitor: str, run: Run) -> None:
        """Remove a finished run."""
        with self._lock:
            if self._runs.get(visitor) is run:
                del self._runs[visitor]
        run.ended.set()

    def is_running(self, visitor: str) -> bool:
        """Whether a visitor has a run that has not ended."""
        with self._lock:
            return visitor in self._runs

    def stop(self, visitor: str) -> Run | None:
        """Ask a visitor's run to stop before its next tile; return it, None if there is none."""
        with self._lock:
            run = self._runs.get(visitor)
        if run is not None:
            run.stopped = True
            run.cancel()
        return run


@dataclass(frozen=True)
class RestoreRequest:
    """Settings of a restoration as a visitor chose them."""

    task: str
    """Id of the task."""
    weights: str
    """Id of the weights in the catalogue."""
    strength: float = 1.0
    """Blend of input (0) and restored photo (1)."""
    ensemble: bool = False
    """Whether to average over 8 flips and rotations of the photo."""
    tile_px: int | None = None
    """Longest side of a tile in pixels; None lets the library choose."""
    same_size: bool = False
    """Whether a super-resolution task keeps the photo's size."""
    max_pixels: int = MAX_PIXELS
    """Most pixels accepted, in the photo and in its result."""
    tiling: str = "auto"
    """Tiling method: a key of `mirnet.restoration.choices.TILINGS`."""
    engine: str = "auto"
    """Compute engine: a key of `mirnet.restoration.engines.ENGINES`, or "auto"."""
    then: str = ""
    """Id of the task of a second step; empty for one step."""
    then_weights: str = ""
    """Id of the weights of the second step."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Ids of the tasks of all steps, in their order."""
        return (self.task, self.then) if self.then else (self.task,)

    @property
    def weights_ids(self) -> tuple[str, ...]:
        """Ids of the weights of all steps, in their order."""
        return (self.weights, self.then_weights) if self.then else (self.weights,)

    @property
    def scales(self) -> tuple[int, ...]:
        """Number of times that the result of each step is wider and higher than the photo.

        Raises:
            InvalidRequest: A task is unknown.
        """
        scales = [1 if self.same_size else get_task(task).scale for task in self.tasks]
        return tuple(itertools.accumulate(scales, operator.mul))

    @property
    def scale(self) -> int:
        """Number of times that the result is wider and higher than the photo; see `scales`."""
        return self.scales[-1]


Work = Callable[[Picture | str, RestoreRequest], "Generator[TileProgress | RestoreResult]"]
"""Function that restores one photo: yields tile events, then the result."""


def restore_when_scheduled(
    queue: FairQueue,
    visitor: str,
    photo: Picture | str,
    request: RestoreRequest,
    run: Run,
    work: Work,
    limits: PhotoLimits = PhotoLimits(),  # noqa: B008
) -> "Generator[QueuePosition | TileProgress | RestoreResult]":
    """Restore one photo when the queue schedules it; closing the iterator leaves the queue.

    Args:
        visitor: Id of the visitor; the queue is fair between visitors.
        run: Its `entry` is set to the queue entry, so that another thread can cancel it.

    Yields:
        The queue position whenever it changes; then everything `work` yields.

    Raises:
        MIRNetError: The photo or its result is too large, too many photos wait, it was cancelled,
            or see `restore_photo`.
    """
    if isinstance(photo, Picture):
        width, height = photo.width, photo.height
    else:
        width, height = size_of(photo)
    label = name_of(photo)[1]
    check_size(label, width, height, request.max_pixels)
    check_enlarged(label, width, height, request.scale, request.max_pixels)
    pixels = [width * height * scale**2 for scale in request.scales]
    for task, weights_id, count in zip(request.tasks, request.weights_ids, pixels, strict=True):
        limits.check(task, weights_id, count)
    if free_bytes(upload_folder()) < MIN_DISK_BYTES_PER_PIXEL * pixels[-1]:
        raise InvalidRequest(
            "The disk of the machine that runs this page is full: its owner has to make room."
        )
    views = 8 if request.ensemble else 1
    if run.stopped:
        raise Cancelled("Stopped: press Restore again.")
    tasks, weights_ids = (" then ".join(ids) for ids in (request.tasks, request.weights_ids))
    watched = MONITOR.watch(run.id, tasks, weights_ids, pixels[-1] / 1e6, run.cancel)
    largest = max(pixels)  # the memory that it needs; all steps count for the time alone
    times = views * sum(pixels) / largest
    with watched as started, queue.enter(visitor, largest / 1e6, times) as entry:
        run.entry = entry
        yield from entry.positions()
        started()
        with contextlib.closing(work(photo, request)) as events:
            yield from events


def restore_photo(
    photo: Picture | str,
    request: RestoreRequest,
    run: Run,
    load: "Callable[[str], weights.LoadedWeights] | None" = None,
    device: str | None = None,
    read: Callable[[Picture | str], Picture] | None = None,
) -> "Generator[TileProgress | RestoreResult]":
    """Restore one photo; closing the iterator stops it before the next tile.

    Args:
        run: Its `job` is set to the current restoration, so that another thread can cancel it.
        load: Function that gives weights by their id; None for `weights.load`.
        device: Compute device, as for `mirnet.restore`.
        read: Function that gives the decoded photo; None decodes the file.

    Yields:
        One event per tile, then the result.

    Raises:
        MIRNetError: The photo, the weights or a setting cannot be used.
    """
    from mirnet.restoration.api import restore

    load = load or weights.load
    restoration = restore(
        photo if read is None else read(photo),
        request.task,
        weights=load(request.weights),
        then=request.then or None,
        then_weights=load(request.then_weights) if request.then else None,
        strength=request.strength,
        ensemble=request.ensemble,
        tile_px=request.tile_px,
        same_size=request.same_size,
        max_pixels=request.max_pixels,
        tiling=request.tiling,
        device=device,
        engine=request.engine,
    )
    run.job = restoration
    try:
        yield from restoration
        yield restoration.result()
    finally:  # `yield from` has closed the restoration
        run.job = None
        give_back_memory()


def choose_weights(task_id: str, weights_id: str | None) -> str:
    """Check a choice of weights; strangers may name catalogue entries only, no paths or Hub ids.

    Raises:
        InvalidRequest: Unknown task, or weights of another task.
        WeightsUnavailable: No such weights here.
    """
    task = get_task(task_id)
    entries = catalogue.entries_for(task.id)
    ids = [entry.id for entry in entries]
    chosen = weights_id or task.default_weights
    if chosen not in ids:
        offers = f"choose from {', '.join(ids)}" if ids else "none are known here"
        raise InvalidRequest(f"{task.title} cannot use the weights {chosen[:80]!r}: {offers}.")
    if weights.locate(chosen) is None:
        raise WeightsUnavailable(
            f"The weights {chosen!r} are not on this machine: press Download below their name, or "
            f"run `python -m mirnet weights fetch {chosen}`."
        )
    return chosen


def result_name(picture: Picture, tasks: Sequence[str], save_format: str) -> str:
    """File name of a result, such as holiday-denoise.png or holiday-denoise-sr-x2.png."""
    return f"{picture.name}-{'-'.join(tasks)}{SAVE_FORMATS[save_format].suffixes[0]}"


def unused_name(name: str, taken: list[str]) -> str:
    """Make a name unlike those already taken: a-denoise.png, a-denoise-2.png."""
    path, number, free = Path(name), 2, name
    while free in taken:
        free = f"{path.stem}-{number}{path.suffix}"
        number += 1
    return free
