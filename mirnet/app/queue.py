"""Fair queue for the photos of many visitors.

`FairQueue` decides whose photo is next, so that a visitor with many or large photos does not keep
the others waiting, and so that the photos in memory are bounded. It uses start-time fair queueing
(Goyal, Vin and Cheng, SIGCOMM 1996): the visitor who has used least compute time is next, and a
newcomer neither pays for the past of others nor gains from absence.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from mirnet.errors import Cancelled, InvalidRequest

SMALL_MEGAPIXELS = 2.0
"""Largest result of the lane for small photos, which does not wait for larger ones."""
SMALL_AT_ONCE = 4
"""Most small photos restored at once; more would only share the same processor."""
LARGE_MEGAPIXELS_AT_ONCE = 25.0
"""Most megapixels of large results restored at once, which bounds memory; a larger photo is
restored while no other large one is."""
MAX_WAITING = 200
"""Most waiting photos of all visitors."""
MAX_WAITING_EACH = 50
"""Most waiting photos of one visitor: the largest batch."""
SETUP_MEGAPIXELS = 0.25
"""Cost of reading and writing a photo, expressed in restored megapixels."""
POSITION_SECONDS = 2.0
"""Seconds between two looks at a waiting photo's queue position."""


@dataclass(frozen=True)
class QueuePosition:
    """Queue position of a waiting photo, sent whenever it changes."""

    before: int
    """Number of photos ahead in the queue."""

    def words(self) -> str:
        """Describe the position in a sentence.

        >>> QueuePosition(0).words(), QueuePosition(1).words(), QueuePosition(3).words()
        ('Yours is next …', '1 photo is before yours …', '3 photos are before yours …')
        """
        if not self.before:
            return "Yours is next …"
        return f"{self.before} photo{' is' if self.before == 1 else 's are'} before yours …"


@dataclass(eq=False)
class QueueEntry:
    """Queue entry of one photo; release it with `leave` or a `with` block."""

    queue: "FairQueue"
    """Queue that holds the entry."""
    visitor: str
    """Id of the visitor."""
    megapixels: float
    """Size of the result in million pixels."""
    cost: float
    """Cost in megapixels: those the network processes, plus `SETUP_MEGAPIXELS`."""
    order: tuple[float, int] = (0.0, 0)
    """Virtual start time and arrival number; the smallest is next."""
    state: str = "waiting"
    """State of the entry: "waiting", "begun" or "left"."""
    cancelled: bool = False
    """Whether the visitor cancelled the photo."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    """Notified whenever the queue changes; shared by all its entries."""

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the turn; True once it has come.

        Raises:
            Cancelled: `cancel` was called.
        """
        end = time.monotonic() + seconds
        with self.changed:
            while self.state == "waiting" and not self.cancelled:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self.changed.wait(left)
            if self.cancelled:
                raise Cancelled("The photo was taken out of the queue: press Restore again.")
            return True

    def positions(self) -> "Iterator[QueuePosition]":
        """Wait for the turn; yields the queue position whenever it changes.

        Raises:
            Cancelled: `cancel` was called.
        """
        shown = None
        while not self.wait(POSITION_SECONDS if shown is not None else 0.0):
            if (before := self.before()) != shown:
                shown = before
                yield QueuePosition(before)

    def before(self) -> int:
        """Number of photos ahead in the queue."""
        return self.queue.waiting_before(self)

    def cancel(self) -> None:
        """Mark the entry as cancelled and wake up the thread that waits."""
        with self.changed:
            self.cancelled = True
            self.changed.notify_all()

    def leave(self) -> None:
        """Leave the queue, so that the next photo can begin; later calls have no effect."""
        self.queue.leave(self)

    def __enter__(self) -> "QueueEntry":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


class _Lane:
    """Waiting line of photos of similar size, independent of other lanes.

    Args:
        room: Most load in progress at once; a single photo may always begin.
    """

    def __init__(self, room: float) -> None:
        self.room = room
        self.waiting: list[QueueEntry] = []
        self.begun: list[QueueEntry] = []
        self.now = 0.0
        """Virtual time: megapixels that each visitor could have used by now."""
        self.ends: dict[str, float] = {}
        """Virtual start time of each visitor's next photo, while it is ahead of `now`."""

    def passed(self, megapixels: float, visitor: str) -> None:
        """Advance the virtual time by the share of a visitor's photo."""
        visitors = {visitor, *(entry.visitor for entry in (*self.waiting, *self.begun))}
        self.now += megapixels / len(visitors)
        self.ends = {name: end for name, end in self.ends.items() if end > self.now}


class FairQueue:
    """Decides whose photo is next; safe between threads.

    Args:
        small_at_once: Most small photos restored at once.
        large_megapixels: Most megapixels of large photos restored at once.
        max_waiting: Most waiting photos of all visitors.
        max_waiting_each: Most waiting photos of one visitor.
    """

    def __init__(
        self,
        small_at_once: int = SMALL_AT_ONCE,
        large_megapixels: float = LARGE_MEGAPIXELS_AT_ONCE,
        max_waiting: int = MAX_WAITING,
        max_waiting_each: int = MAX_WAITING_EACH,
    ) -> None:
        self._small, self._large = _Lane(small_at_once), _Lane(large_megapixels)
        self._max_waiting, self._max_waiting_each = max_waiting, max_waiting_each
        self._changed = threading.Condition()
        self._arrivals = itertools.count()

    def enter(self, visitor: str, megapixels: float, times: float = 1.0) -> QueueEntry:
        """Add a photo to the queue.

        Args:
            visitor: Id of the visitor; the queue is fair between visitors.
            megapixels: Size of the result in million pixels.
            times: Number of times the network processes each pixel.

        Raises:
            InvalidRequest: Too many photos wait already.
        """
        with self._changed:
            waiting = [*self._small.waiting, *self._large.waiting]
            if len(waiting) >= self._max_waiting:
                raise InvalidRequest(
                    f"{len(waiting)} photos are waiting, which is as many as may: try again in a "
                    "few minutes."
                )
            if sum(entry.visitor == visitor for entry in waiting) >= self._max_waiting_each:
                raise InvalidRequest(
                    f"{self._max_waiting_each} photos of yours are waiting, which is as many as "
                    "may: wait for some of them."
                )
            lane = self._lane(megapixels)
            start = max(lane.now, lane.ends.get(visitor, 0.0))
            cost = (megapixels + SETUP_MEGAPIXELS) * times
            lane.ends[visitor] = start + cost
            order = start, next(self._arrivals)
            entry = QueueEntry(self, visitor, megapixels, cost, order, changed=self._changed)
            lane.waiting.append(entry)
            lane.waiting.sort(key=lambda other: other.order)
            self._begin(lane)
            return entry

    def charge(self, visitor: str, megapixels: float, times: float) -> None:
        """Count work that does not wait, such as a view: the visitor's next photo comes later.

        Args:
            megapixels: Size of the picture in million pixels.
            times: Cost of the work against one pass of a network.
        """
        with self._changed:
            lane = self._lane(megapixels)
            cost = megapixels * times
            lane.ends[visitor] = max(lane.now, lane.ends.get(visitor, 0.0)) + cost
            lane.passed(cost, visitor)

    def waiting_before(self, entry: QueueEntry) -> int:
        """Number of photos ahead of an entry."""
        with self._changed:
            waiting = self._lane(entry.megapixels).waiting
            return waiting.index(entry) if entry in waiting else 0

    def leave(self, entry: QueueEntry) -> None:
        """Remove an entry, begun or not."""
        with self._changed:
            lane = self._lane(entry.megapixels)
            if entry in lane.waiting:
                lane.waiting.remove(entry)
            elif entry in lane.begun:
                lane.passed(entry.cost, entry.visitor)
                lane.begun.remove(entry)
            entry.state = "left"
            self._begin(lane)

    def _lane(self, megapixels: float) -> _Lane:
        return self._small if megapixels <= SMALL_MEGAPIXELS else self._large

    def _begin(self, lane: _Lane) -> None:
        """Begin as many photos of a lane as there is room for; the caller holds `_changed`."""
        while lane.waiting:
            following = lane.waiting[0]
            room = lane.room - sum(self._size(entry) for entry in lane.begun)
            if lane.begun and self._size(following) > room:
                break
            lane.waiting.pop(0)
            lane.begun.append(following)
            following.state = "begun"
        self._changed.notify_all()

    @staticmethod
    def _size(entry: QueueEntry) -> float:
        return 1.0 if entry.megapixels <= SMALL_MEGAPIXELS else entry.megapixels
