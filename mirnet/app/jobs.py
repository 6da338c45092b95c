"""One visitor's restoration: waiting in the queue, running, being stopped; no widgets here."""

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mirnet.errors import Cancelled, InvalidRequest, WeightsUnavailable
from mirnet.images.decode import size_of
from mirnet.images.formats import SAVE_FORMATS
from mirnet.images.picture import Picture
from mirnet.memory import give_back_memory
from mirnet.tasks import get_task
from mirnet.weights import catalogue
from mirnet.weights import load as weights

from .queue import FairQueue, QueueEntry

if TYPE_CHECKING:
    from mirnet.restoration.job import RestoreJob, TileProgress
    from mirnet.restoration.result import RestoreResult

MIN_DISK_BYTES_PER_PIXEL = 12
"""Disk space that each pixel of a result may need: a file of 16 bits, twice for a moment."""
POSITION_SECONDS = 2.0
"""Time between two looks at how many photos are ahead of one that waits."""


class BatchRow(NamedTuple):
    """One photo of a batch."""

    name: str
    """File name."""
    state: str = "waiting"
    """"waiting", "working", "done" or "failed"."""
    words: str = "waiting"
    """What happened to it."""


@dataclass
class Run:
    """One visitor's run, seen by its own event and by the Stop button."""

    job: "RestoreJob | None" = None
    """The photo being restored now."""
    entry: QueueEntry | None = None
    """Its place in the queue, until the photo is restored."""
    archive: Path | None = None
    """The zip that is being filled, for several photos."""
    finished: int = 0
    """Photos in the zip."""
    rows: list[BatchRow] = field(default_factory=list)
    """How far each of several photos is."""
    stopped: bool = False
    """Whether the visitor pressed Stop; the zip then belongs to that click."""
    replaced: bool = False
    """Whether the visitor has begun another run since."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the run has let go of the network."""

    def cancel(self) -> None:
        """End it before its next tile, or while it waits."""
        if self.entry is not None:
            self.entry.cancel()
        if self.job is not None:
            self.job.cancel()


class Runs:
    """The runs under way, one per visitor."""

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
        """Forget a run."""
        with self._lock:
            if self._runs.get(visitor) is run:
                del self._runs[visitor]
        run.ended.set()

    def stop(self, visitor: str) -> Run | None:
        """Ask a visitor's run to stop before its next tile; None where there is none."""
        with self._lock:
            run = self._runs.get(visitor)
        if run is not None:
            run.stopped = True
            run.cancel()
        return run


@dataclass(frozen=True)
class RestoreRequest:
    """What a visitor asked for."""

    task: str
    """Id of the task."""
    weights: str
    """Id in the catalogue."""
    strength: float = 1.0
    """0 to 1."""
    ensemble: bool = False
    """Average over 8 views."""
    tile_px: int | None = None
    """Longest side of a tile; None lets the library choose."""
    same_size: bool = False
    """Do not enlarge for super-resolution."""
    max_pixels: int = 0
    """Most pixels accepted."""
    tiling: str = "auto"
    """How tiles agree: a key of `mirnet.restoration.choices.TILINGS`."""
    engine: str = "auto"
    """What computes: a key of `mirnet.restoration.engines.ENGINES`, or "auto"."""


@dataclass(frozen=True)
class QueuePosition:
    """An event while a photo waits."""

    before: int
    """Number of photos that wait ahead of it."""

    def words(self) -> str:
        """Say it in a sentence.

        >>> QueuePosition(0).words(), QueuePosition(1).words(), QueuePosition(3).words()
        ('Yours is next …', '1 photo is before yours …', '3 photos are before yours …')
        """
        if not self.before:
            return "Yours is next …"
        return f"{self.before} photo{' is' if self.before == 1 else 's are'} before yours …"


Work = Callable[[str, RestoreRequest], "Generator[TileProgress | RestoreResult]"]
"""Restores one file: tile events, then the result."""


def in_turn(
    queue: FairQueue, visitor: str, path: str, request: RestoreRequest, run: Run, work: Work
) -> "Generator[QueuePosition | TileProgress | RestoreResult]":
    """Restore one file when its turn has come; closing the iterator gives its place back.

    Args:
        queue: Decides whose turn it is.
        visitor: Who asks.
        path: A file on this machine.
        request: What to do.
        run: Learns of the place in the queue, so that another thread can cancel it.
        work: Restores the file.

    Yields:
        Where it stands whenever that has changed; then what `work` yields.

    Raises:
        MIRNetError: Too many photos wait, it was cancelled, or see `restore_file`.
    """
    width, height = size_of(path)
    enlarged = 1 if request.same_size else get_task(request.task).scale ** 2
    pixels = width * height * enlarged
    if shutil.disk_usage(tempfile.gettempdir()).free < MIN_DISK_BYTES_PER_PIXEL * pixels:
        raise InvalidRequest(
            "The disk of the machine that runs this page is full: its owner has to make room."
        )
    views = 8 if request.ensemble else 1
    if run.stopped:
        raise Cancelled("Stopped: press Restore again.")
    with queue.enter(visitor, pixels / 1e6, views) as entry:
        run.entry = entry
        shown = None
        while not entry.wait(POSITION_SECONDS if shown is not None else 0.0):
            if (before := entry.before()) != shown:
                shown = before
                yield QueuePosition(before)
        with contextlib.closing(work(path, request)) as events:
            yield from events


def restore_file(
    path: str,
    request: RestoreRequest,
    run: Run,
    loaded: "weights.LoadedWeights | None" = None,
    device: str | None = None,
) -> "Generator[TileProgress | RestoreResult]":
    """Restore one file; closing the iterator stops it before the next tile.

    Args:
        path: A file on this machine.
        request: What to do.
        run: Learns which restoration is under way, so that another thread can cancel it.
        loaded: The weights of the request, where they are already in memory.
        device: Where to compute, as `mirnet.restore` takes it.

    Yields:
        One event a tile, then the result.

    Raises:
        MIRNetError: The photo, the weights or a setting cannot be used.
    """
    from mirnet.restoration.api import restore

    restoration = restore(
        path,
        request.task,
        weights=loaded or weights.load(request.weights),
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


def result_name(picture: Picture, task_id: str, save_format: str) -> str:
    """File name of a result, such as holiday-denoise.png."""
    return f"{picture.name}-{task_id}{SAVE_FORMATS[save_format].suffixes[0]}"


def unused_name(name: str, taken: list[str]) -> str:
    """Make a name unlike those already taken: a-denoise.png, a-denoise-2.png."""
    path, number, free = Path(name), 2, name
    while free in taken:
        free = f"{path.stem}-{number}{path.suffix}"
        number += 1
    return free
