"""The queue in which photos of many visitors wait.

`FairQueue` decides whose photo is next, so that a visitor with many photos or large ones does not
keep the others waiting, and so that only so many lie in memory. It orders by start-time fair
queueing (Goyal, Vin and Cheng, SIGCOMM 1996): the visitor who has had least of the machine is next,
and a newcomer neither pays for the past of others nor gains from absence.
"""

import itertools
import threading
import time
from dataclasses import dataclass, field

from mirnet.errors import Cancelled, InvalidRequest

SMALL_MEGAPIXELS = 2.0
"""Results up to this size do not wait for larger ones."""
SMALL_AT_ONCE = 4
"""Small photos under way; more would only take turns more often."""
LARGE_MEGAPIXELS_AT_ONCE = 25.0
"""Megapixels of results of large photos under way, which bounds memory; one that is larger than
this is restored while no other large one is."""
MAX_WAITING = 200
"""Photos that wait, of all visitors."""
MAX_WAITING_EACH = 50
"""Photos that wait of one visitor: as many as a batch may have."""
SETUP_MEGAPIXELS = 0.25
"""What reading and writing cost, in megapixels restored."""


@dataclass(eq=False)
class QueueEntry:
    """One photo's place in the queue; leave it when done, by `with` or by `leave`."""

    queue: "FairQueue"
    """Where it waits."""
    visitor: str
    """Whose photo it is."""
    megapixels: float
    """Million pixels of its result."""
    cost: float
    """Megapixels that the network sees, and `SETUP_MEGAPIXELS` for the rest."""
    order: tuple[float, int] = (0.0, 0)
    """Place in virtual time and number of arrival; the smallest is next."""
    state: str = "waiting"
    """"waiting", "begun" or "left"."""
    cancelled: bool = False
    """Whether the visitor no longer wants it."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    """Notified whenever the queue changes; shared by all its entries."""

    def wait(self, seconds: float) -> bool:
        """Wait for the turn, up to some seconds; True when it has come.

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

    def before(self) -> int:
        """How many photos wait ahead of it."""
        return self.queue.waiting_before(self)

    def cancel(self) -> None:
        """Wake up whoever waits with it."""
        with self.changed:
            self.cancelled = True
            self.changed.notify_all()

    def leave(self) -> None:
        """Make room for the next; without effect the second time."""
        self.queue.leave(self)

    def __enter__(self) -> "QueueEntry":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


class _Lane:
    """Photos of similar size, which wait for each other and for no others.

    Args:
        room: How much may be under way; one photo may always.
    """

    def __init__(self, room: float) -> None:
        self.room = room
        self.waiting: list[QueueEntry] = []
        self.begun: list[QueueEntry] = []
        self.now = 0.0
        """The virtual time: megapixels that each visitor could have had by now."""
        self.ends: dict[str, float] = {}
        """Where each visitor's next photo stands, as long as that is ahead of `now`."""

    def passed(self, megapixels: float) -> None:
        """Let the virtual time go on by a photo's share."""
        visitors = {entry.visitor for entry in (*self.waiting, *self.begun)}
        self.now += megapixels / (len(visitors) or 1)
        self.ends = {name: end for name, end in self.ends.items() if end > self.now}


class FairQueue:
    """Decides whose photo is next; safe between threads.

    Args:
        small_at_once: Small photos under way.
        large_megapixels: Megapixels of large ones under way.
        max_waiting: Photos that may wait in all.
        max_waiting_each: Photos that may wait of one visitor.
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
            visitor: Who asks; fairness is between these.
            megapixels: Of the result.
            times: How often the network sees each pixel.

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

    def waiting_before(self, entry: QueueEntry) -> int:
        """How many photos wait ahead of one."""
        with self._changed:
            waiting = self._lane(entry.megapixels).waiting
            return waiting.index(entry) if entry in waiting else 0

    def leave(self, entry: QueueEntry) -> None:
        """Take a photo away, begun or not."""
        with self._changed:
            lane = self._lane(entry.megapixels)
            if entry in lane.waiting:
                lane.waiting.remove(entry)
            elif entry in lane.begun:
                lane.passed(entry.cost)
                lane.begun.remove(entry)
            entry.state = "left"
            self._begin(lane)

    def _lane(self, megapixels: float) -> _Lane:
        return self._small if megapixels <= SMALL_MEGAPIXELS else self._large

    def _begin(self, lane: _Lane) -> None:
        """Begin as many of a lane as there is room for; `_changed` is held."""
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
