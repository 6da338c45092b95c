"""Reads the photos of visitors: each file is decoded once, in its turn in the queue of photos."""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator

import cachetools

from mirnet.errors import Cancelled
from mirnet.images.decode import size_of
from mirnet.images.file_names import name_of
from mirnet.images.picture import Picture
from mirnet.images.raster import check_size

from .jobs import Run
from .kit.widgets import Update
from .queue import FairQueue, QueueEntry, QueuePosition
from .result_cache import PictureCache

DECODE_TIMES = 0.1
"""Cost of decoding in the queue of photos, as a share of one pass of a network."""
VIEW_TIMES = 0.01
"""Cost of a view of a result, likewise."""
FILE_TIMES = 0.1
"""Cost of writing a result as a file, likewise."""

MAX_REMEMBERED = 3000
"""Most newest photos, of a visitor for a purpose each, that are remembered."""


class PhotoReader:
    """Decodes photos, and gives other work than restorations a turn in the queue of photos.

    All tabs of a page share one, so that their photos are decoded once and share a memory limit.

    Args:
        max_pixels: Most pixels accepted in a photo.
    """

    def __init__(self, max_pixels: int) -> None:
        self.max_pixels = max_pixels
        self.pictures = PictureCache(max_pixels)
        self.queue = FairQueue()
        self._turns: dict[tuple[str, str], QueueEntry] = {}
        self._turns_lock = threading.Lock()
        self._newest: cachetools.LRUCache[tuple[str, str], object] = cachetools.LRUCache(
            MAX_REMEMBERED
        )

    def read(self, photo: Picture | str) -> Picture:
        """Read a photo at once; for work that has its turn in the queue already.

        Args:
            photo: Path of the file; a picture is returned as it is.

        Raises:
            ImageRejected: The photo cannot be read or is too large.
        """
        return photo if isinstance(photo, Picture) else self.pictures.read(photo)

    def read_when_scheduled(
        self,
        path: str,
        visitor: str,
        purpose: str,
        show: Callable[[QueuePosition], Update],
        run: Run | None = None,
    ) -> Generator[Update, None, Picture]:
        """Read a photo in its turn, or at once if it is in memory; closing leaves the queue.

        Args:
            path: Path of the file.
            visitor: Id of the visitor; the queue is fair between visitors.
            purpose: What the photo is read for; a visitor's next photo for it cancels the wait.
            show: Function that makes the page's update for a queue position.
            run: Its `entry` is set to the queue entry, so that Stop can end the wait.

        Yields:
            What `show` makes, whenever the queue position changes.

        Returns:
            The picture.

        Raises:
            ImageRejected: The photo cannot be read or is too large.
            InvalidRequest: Too many photos wait already.
            Cancelled: The wait was ended.
        """
        self.end_turn(visitor, purpose)
        picture = self.pictures.find(path)
        if picture is None:
            width, height = size_of(path)
            check_size(name_of(path)[1], width, height, self.max_pixels)
            with self.turn(visitor, purpose, width * height / 1e6, DECODE_TIMES) as entry:
                if run is not None:
                    run.entry = entry
                for position in entry.positions():
                    yield show(position)
                picture = self.read(path)
                if entry.cancelled:
                    raise Cancelled("The photo was taken out of the queue: add it again.")
        return picture

    @contextlib.contextmanager
    def newest(self, visitor: str, purpose: str) -> Iterator[Callable[[], None]]:
        """Begin a visitor's newest photo for a purpose, which ends the one before.

        Yields:
            A function that raises `Cancelled` once there is a newer one.

        Raises:
            Cancelled: In place of any error, if there is a newer photo by then.
        """
        key, token = (visitor, purpose), object()
        with self._turns_lock:
            self._newest[key] = token
        self.end_turn(visitor, purpose)

        def check() -> None:
            if self._newest.get(key, token) is not token:
                raise Cancelled("A newer photo has come.")

        try:
            yield check
        except Exception:
            check()
            raise

    @contextlib.contextmanager
    def turn(
        self, visitor: str, purpose: str, megapixels: float, times: float
    ) -> Iterator[QueueEntry]:
        """Enter the queue of photos with other work than a restoration, such as scores.

        A visitor has one such turn for a purpose: a new one, and `end_turn`, cancel the one before.

        Args:
            megapixels: Size of the picture in million pixels.
            times: Cost of the work against one pass of a network.

        Yields:
            The entry, which is to be waited for.

        Raises:
            InvalidRequest: Too many photos wait already.
        """
        key = visitor, purpose
        with self.queue.enter(visitor, megapixels, times) as entry:
            with self._turns_lock:
                earlier, self._turns[key] = self._turns.get(key), entry
            if earlier is not None:
                earlier.cancel()
            try:
                yield entry
            finally:
                with self._turns_lock:
                    if self._turns.get(key) is entry:
                        del self._turns[key]

    def end_turn(self, visitor: str, purpose: str) -> None:
        """Cancel a visitor's `turn`, whether it waits or has begun, if there is one."""
        with self._turns_lock:
            entry = self._turns.pop((visitor, purpose), None)
        if entry is not None:
            entry.cancel()
