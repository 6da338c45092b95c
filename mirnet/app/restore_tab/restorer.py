"""State shared by the views of the Restore tab: limits, queue, results and runs; no widgets."""

import functools
import importlib
import itertools
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mirnet.images.picture import Picture
from mirnet.images.preview import crop, detailed_place

from ..jobs import (
    RestoreRequest,
    Run,
    Runs,
    restore_photo,
    restore_when_scheduled,
)
from ..kit.widgets import translate_errors
from ..photo_limits import PhotoLimits
from ..photo_reader import PhotoReader
from ..queue import QueuePosition
from ..result_cache import KeptResult, ResultCache
from ..zero_gpu import ZeroGPU, restore_through

if TYPE_CHECKING:
    from collections.abc import Generator

    from mirnet.restoration.job import TileProgress
    from mirnet.restoration.result import RestoreResult

PART_PX = (640, 480)
"""Width and height in pixels of the result of a part that is tried first."""


class Restorer:
    """Restores photos for the tab, and keeps the newest results.

    Args:
        reader: Reads the photos; its limit of pixels is that of results too.
        zero_gpu: Function that restores in another process, for a Space with a shared GPU; None
            restores in this process.
        limits: Limits by task and weights.
    """

    def __init__(
        self,
        reader: PhotoReader,
        zero_gpu: ZeroGPU | None = None,
        limits: PhotoLimits = PhotoLimits(),  # noqa: B008
    ) -> None:
        self.reader = reader
        self.limits = limits
        self.results = ResultCache()
        self.runs = Runs()
        self.settled = Settled()
        self._zero_gpu = zero_gpu
        self._warming = threading.Lock()

    @staticmethod
    def part(picture: Picture, scale: int, place: tuple[float, float] | None) -> Picture:
        """Cut a part out of a photo, small enough to be restored in about a second.

        Args:
            scale: Factor by which the result is larger.
            place: Centre of the part, as shares of width and height; None for the place with most
                detail.
        """
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
            work = functools.partial(restore_through, self._zero_gpu, read=self.reader.read)
        else:
            work = functools.partial(restore_photo, run=run, read=self.reader.read)
        return restore_when_scheduled(
            self.reader.queue, visitor, photo, wanted, run, work, self.limits
        )

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
