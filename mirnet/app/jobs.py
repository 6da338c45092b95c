"""What the page does for a visitor, without widgets: one restoration, results kept, runs to stop.

Finished results stay in memory, the newest ones, so that another file format or a closer look needs
no new run. Photos wait for their turn at a desk (`turns.py`). `LRUCache` and `Runs` are safe to call
from several threads.
"""

import contextlib
import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

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

MAX_BYTES = 600 * 2**20
"""How much memory kept results may take: two photos of 24 megapixels with 16 bits."""

ROOM_BYTES = 12
"""Of disk that each pixel of a result may need: a file of 16 bits, twice for a moment."""
WORDS_SECONDS = 2.0
"""Between two looks at how many photos are before one that waits."""

_T = TypeVar("_T")


class LRUCache(Generic[_T]):
    """The newest of what was made, until its share of memory is used up.

    Args:
        max_bytes: How much memory it may take; the newest stays in any case.
        size: Bytes that one takes.
        gone: Sentence for who asks for one that had to make room.
    """

    def __init__(self, max_bytes: int, size: Callable[[_T], int], gone: str) -> None:
        self._max_bytes, self._size, self._gone = max_bytes, size, gone
        self._kept: OrderedDict[str, _T] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, made: _T) -> str:
        """Keep one and return its key; the oldest ones make room for it."""
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._kept[key] = made
            while (
                len(self._kept) > 1 and sum(map(self._size, self._kept.values())) > self._max_bytes
            ):
                self._kept.popitem(last=False)
        return key

    def get(self, key: str | None) -> _T:
        """Look one up.

        Raises:
            InvalidRequest: It had to make room for newer ones.
        """
        with self._lock:
            if key is not None and key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        raise InvalidRequest(self._gone)

    def _bytes(self) -> int:
        return sum(map(self._size, self._kept.values()))


class ResultCache(LRUCache["RestoreResult"]):
    """The newest results."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(
            max_bytes,
            lambda result: result.picture.pixels.nbytes + result.before.pixels.nbytes,
            "This result is no longer kept: press Restore again.",
        )


@dataclass
class Run:
    """One visitor's run, seen by its own event and by the Stop button."""

    restoration: "RestoreJob | None" = None
    """The photo being restored now."""
    ticket: QueueEntry | None = None
    """The photo that waits or is being restored, at the desk."""
    archive: Path | None = None
    """The zip that is being filled, for several photos."""
    finished: int = 0
    """Photos in the zip."""
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    """How far each of several photos is, as `mirnet.app.html.batch_table` shows it."""
    stopped: bool = False
    """Whether the visitor pressed Stop; the zip then belongs to that click."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the run has let go of the network."""

    def cancel(self) -> None:
        """End it before its next tile, or while it waits."""
        if self.ticket is not None:
            self.ticket.cancel()
        if self.restoration is not None:
            self.restoration.cancel()


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
    """What a person asked for."""

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
    """An event while it is not this photo's turn."""

    before: int
    """Photos that wait ahead of it."""

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
    desk: FairQueue, visitor: str, path: str, order: RestoreRequest, run: Run, work: Work
) -> "Generator[QueuePosition | TileProgress | RestoreResult]":
    """Restore one file when its turn has come; closing the iterator gives its place back.

    Args:
        desk: Decides whose turn it is.
        visitor: Who asks.
        path: A file on this machine.
        order: What to do.
        run: Learns of the ticket, so that another thread can cancel it.
        work: Restores the file.

    Yields:
        Where it stands whenever that has changed; then what `work` yields.

    Raises:
        MIRNetError: Too many photos wait, it was cancelled, or see `restore_file`.
    """
    width, height = size_of(path)
    enlarged = 1 if order.same_size else get_task(order.task).scale ** 2
    pixels = width * height * enlarged
    if shutil.disk_usage(tempfile.gettempdir()).free < ROOM_BYTES * pixels:
        raise InvalidRequest(
            "The disk of the machine that runs this page is full: its owner has to make room."
        )
    views = 8 if order.ensemble else 1
    if run.stopped:
        raise Cancelled("Stopped: press Restore again.")
    with desk.ticket(visitor, pixels / 1e6, views) as ticket:
        run.ticket = ticket
        told = None
        while not ticket.wait(WORDS_SECONDS if told is not None else 0.0):
            if (before := ticket.before()) != told:
                told = before
                yield QueuePosition(before)
        with contextlib.closing(work(path, order)) as events:
            yield from events


def restore_file(
    path: str,
    order: RestoreRequest,
    run: Run,
    loaded: "weights.LoadedWeights | None" = None,
    device: str | None = None,
) -> "Generator[TileProgress | RestoreResult]":
    """Restore one file; closing the iterator stops it before the next tile.

    Args:
        path: A file on this machine.
        order: What to do.
        run: Learns which restoration is under way, so that another thread can cancel it.
        loaded: The weights of the order, where they are already in memory.
        device: Where to compute, as `mirnet.restore` takes it.

    Yields:
        One event a tile, then the result.

    Raises:
        MIRNetError: The photo, the weights or a setting cannot be used.
    """
    from mirnet.restoration.api import restore

    restoration = restore(
        path,
        order.task,
        weights=loaded or weights.load(order.weights),
        strength=order.strength,
        ensemble=order.ensemble,
        tile_px=order.tile_px,
        same_size=order.same_size,
        max_pixels=order.max_pixels,
        tiling=order.tiling,
        device=device,
        engine=order.engine,
    )
    run.restoration = restoration
    try:
        yield from restoration
        yield restoration.result()
    finally:  # `yield from` has closed the restoration
        run.restoration = None
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
