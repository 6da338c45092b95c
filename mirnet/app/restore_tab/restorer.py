"""State shared by the views of the Restore tab: limits, queue, results and runs; no widgets."""

import contextlib
import functools
import importlib
import itertools
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mirnet.images.picture import Picture
from mirnet.images.preview import crop, detailed_place

from ..jobs import (
    QueuePosition,
    RestoreRequest,
    Run,
    Runs,
    restore_photo,
    restore_when_scheduled,
)
from ..kit.widgets import translate_errors
from ..photo_limits import PhotoLimits
from ..queue import FairQueue, QueueEntry
from ..result_cache import KeptResult, PictureCache, ResultCache
from ..zero_gpu import ZeroGPU, restore_through

if TYPE_CHECKING:
    from collections.abc import Generator

    from mirnet.restoration.job import TileProgress
    from mirnet.restoration.result import RestoreResult

PART_PX = (640, 480)
"""Width and height in pixels of the result of a part that is tried first."""


class Restorer:
    """Reads and restores photos for the tab, and keeps the newest results.

    Args:
        max_pixels: Most pixels accepted, in a photo and in its result.
        zero_gpu: Function that restores in another process, for a Space with a shared GPU; None
            restores in this process.
        limits: Limits by task and weights.
    """

    def __init__(
        self,
        max_pixels: int,
        zero_gpu: ZeroGPU | None = None,
        limits: PhotoLimits = PhotoLimits(),  # noqa: B008
    ) -> None:
        self.max_pixels = max_pixels
        self.limits = limits
        self.results = ResultCache()
        self.pictures = PictureCache(max_pixels)
        self.runs = Runs()
        self.queue = FairQueue()
        self.settled = Settled()
        self._zero_gpu = zero_gpu
        self._warming = threading.Lock()
        self._turns: dict[str, QueueEntry] = {}
        self._turns_lock = threading.Lock()

    def read(self, photo: Picture | str) -> Picture:
        """Read a photo within the limits; a file is decoded once while its picture is kept.

        Args:
            photo: Path of the file; a picture is returned as it is.

        Raises:
            ImageRejected: The photo cannot be read or is too large.
        """
        return photo if isinstance(photo, Picture) else self.pictures.read(photo)

    def part(self, path: str, scale: int, place: tuple[float, float] | None) -> Picture:
        """Cut a part out of a photo, small enough to be restored in about a second.

        Args:
            scale: Factor by which the result is larger.
            place: Centre of the part, as shares of width and height; None for the place with most
                detail.

        Raises:
            ImageRejected: The photo cannot be read or is too large.
        """
        picture = self.read(path)
        size = PART_PX[0] // scale, PART_PX[1] // scale
        if place is None:
            across, down = detailed_place(picture, *size)
        else:
            across = (place[0] * picture.width - size[0] / 2) / max(picture.width - size[0], 1)
            down = (place[1] * picture.height - size[1] / 2) / max(picture.height - size[1], 1)
        part = crop(picture, across, down, *size)
        # A view would keep the whole photo in memory as long as the part's result is kept.
        alpha = None if part.alpha is None else part.alpha.copy()
        part = part.with_pixels(part.pixels.copy(), alpha)
        return replace(part, name=f"{picture.name}-part")

    def restore(
        self, photo: Picture | str, wanted: RestoreRequest, run: Run, visitor: str
    ) -> "Generator[QueuePosition | TileProgress | RestoreResult]":
        """Restore one photo when the queue schedules it, in this process or on the shared GPU.

        Args:
            photo: The photo, or the path of its file, which is decoded once.
            run: Its fields are set to the current work, so that Stop can end it.
            visitor: Id of the visitor; the queue is fair between visitors.

        Yields:
            Queue positions, tile events, then the result.

        Raises:
            MIRNetError: See `mirnet.app.jobs.restore_when_scheduled`.
        """
        if self._zero_gpu:
            work = functools.partial(restore_through, self._zero_gpu, read=self.read)
        else:
            work = functools.partial(restore_photo, run=run, read=self.read)
        return restore_when_scheduled(self.queue, visitor, photo, wanted, run, work, self.limits)

    @contextlib.contextmanager
    def turn(self, visitor: str, megapixels: float, times: float = 1.0) -> Iterator[QueueEntry]:
        """Enter the queue of photos with other work than a restoration, such as scores.

        A visitor has one such turn: a new one, and `end_turn`, cancel the one before.

        Args:
            megapixels: Size of the picture in million pixels.
            times: Cost of the work against one pass of the network.

        Yields:
            The entry, which is to be waited for.

        Raises:
            InvalidRequest: Too many photos wait already.
        """
        with self.queue.enter(visitor, megapixels, times) as entry:
            with self._turns_lock:
                earlier, self._turns[visitor] = self._turns.get(visitor), entry
            if earlier is not None:
                earlier.cancel()
            try:
                yield entry
            finally:
                with self._turns_lock:
                    if self._turns.get(visitor) is entry:
                        del self._turns[visitor]

    def end_turn(self, visitor: str) -> None:
        """Cancel a visitor's `turn`, whether it waits or has begun, if there is one."""
        with self._turns_lock:
            entry = self._turns.pop(visitor, None)
        if entry is not None:
            entry.cancel()

    def result(self, key: str | None) -> "RestoreResult":
        """Look a result up for an event of the page.

        Raises:
            gr.Error: The result was evicted.
        """
        return self.kept(key).result

    def kept(self, key: str | None) -> KeptResult:
        """Look a result with its previews up; see `result`."""
        with translate_errors():
            return self.results.get(key)

    def warm_up(self) -> None:
        """Import torch and compile the engine's code in the background, once a photo is added."""

        def work() -> None:
            with self._warming:
                importlib.import_module("mirnet.restoration.api")
                importlib.import_module("mirnet.restoration.engines.winograd").compile_ahead()

        threading.Thread(target=work, name="warm-up", daemon=True).start()


class Settled:
    """Tells whether an event is a visitor's newest, so that slow work is done once they pause."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._numbers = itertools.count()

    def wait(self, visitor: str, seconds: float) -> bool:
        """Wait; False if the visitor has caused another such event meanwhile."""
        number = self._newest[visitor] = next(self._numbers)
        time.sleep(seconds)
        if self._newest.get(visitor) != number:
            return False
        del self._newest[visitor]
        return True


class ScratchFolder:
    """A folder that exists until Gradio has copied the files of one `yield` into its cache."""

    def __enter__(self) -> Path:
        self._folder = tempfile.TemporaryDirectory(prefix="mirnet-", ignore_cleanup_errors=True)
        return Path(self._folder.name)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()
