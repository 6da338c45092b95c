"""The queue of photos that many visitors wait in.

`FairQueue` decides whose photo is begun next, so that a visitor with many photos or large ones does not keep the others
waiting, and so that only so many lie in memory. It orders by start-time fair queueing (Goyal, Vin
and Cheng, SIGCOMM 1996): whoever has had least of the machine is next, and whoever comes anew
neither pays for the past of others nor gains from being away.
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
    """One photo's place at the desk; leave it when done, by `with` or by `leave`."""

    desk: "FairQueue"
    """Where it waits."""
    visitor: str
    """Whose photo it is."""
    megapixels: float
    """Of its result."""
    cost: float
    """Megapixels that the network sees, and some for the rest."""
    order: tuple[float, int] = (0.0, 0)
    """Who has the smallest is next."""
    state: str = "waiting"
    """"waiting", "begun" or "left"."""
    cancelled: bool = False
    """Whether the visitor no longer wants it."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    """Of the desk."""

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
        return self.desk.waiting_before(self)

    def cancel(self) -> None:
        """Wake up whoever waits with it."""
        with self.changed:
            self.cancelled = True
            self.changed.notify_all()

    def leave(self) -> None:
        """Make room for the next; without effect the second time."""
        self.desk.leave(self)

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
        visitors = {ticket.visitor for ticket in (*self.waiting, *self.begun)}
        self.now += megapixels / (len(visitors) or 1)
        self.ends = {name: end for name, end in self.ends.items() if end > self.now}


class FairQueue:
    """Gives photos their turn.

    Args:
        small_at_once: Small photos under way.
        large_megapixels: Megapixels of large ones under way.
        most: Photos waiting in all.
        most_each: Photos waiting of one visitor.
    """

    def __init__(
        self,
        small_at_once: int = SMALL_AT_ONCE,
        large_megapixels: float = LARGE_MEGAPIXELS_AT_ONCE,
        most: int = MAX_WAITING,
        most_each: int = MAX_WAITING_EACH,
    ) -> None:
        self._small, self._large = _Lane(small_at_once), _Lane(large_megapixels)
        self._most, self._most_each = most, most_each
        self._changed = threading.Condition()
        self._arrivals = itertools.count()

    def ticket(self, visitor: str, megapixels: float, times: float = 1.0) -> QueueEntry:
        """Ask for a turn.

        Args:
            visitor: Who asks; fairness is between these.
            megapixels: Of the result.
            times: How often the network sees each pixel.

        Raises:
            InvalidRequest: Too many photos wait already.
        """
        with self._changed:
            waiting = [*self._small.waiting, *self._large.waiting]
            if len(waiting) >= self._most:
                raise InvalidRequest(
                    f"{len(waiting)} photos are waiting, which is as many as may: try again in a "
                    "few minutes."
                )
            if sum(ticket.visitor == visitor for ticket in waiting) >= self._most_each:
                raise InvalidRequest(
                    f"{self._most_each} photos of yours are waiting, which is as many as may: wait "
                    "for some of them."
                )
            lane = self._lane(megapixels)
            start = max(lane.now, lane.ends.get(visitor, 0.0))
            cost = (megapixels + SETUP_MEGAPIXELS) * times
            lane.ends[visitor] = start + cost
            order = start, next(self._arrivals)
            ticket = QueueEntry(self, visitor, megapixels, cost, order, changed=self._changed)
            lane.waiting.append(ticket)
            lane.waiting.sort(key=lambda other: other.order)
            self._begin(lane)
            return ticket

    def waiting_before(self, ticket: QueueEntry) -> int:
        """How many photos wait ahead of one."""
        with self._changed:
            waiting = self._lane(ticket.megapixels).waiting
            return waiting.index(ticket) if ticket in waiting else 0

    def leave(self, ticket: QueueEntry) -> None:
        """Take a photo away, begun or not."""
        with self._changed:
            lane = self._lane(ticket.megapixels)
            if ticket in lane.waiting:
                lane.waiting.remove(ticket)
            elif ticket in lane.begun:
                lane.passed(ticket.cost)
                lane.begun.remove(ticket)
            ticket.state = "left"
            self._begin(lane)

    def _lane(self, megapixels: float) -> _Lane:
        return self._small if megapixels <= SMALL_MEGAPIXELS else self._large

    def _begin(self, lane: _Lane) -> None:
        """Begin as many of a lane as there is room for; `_changed` is held."""
        while lane.waiting:
            following = lane.waiting[0]
            room = lane.room - sum(self._size(ticket) for ticket in lane.begun)
            if lane.begun and self._size(following) > room:
                break
            lane.waiting.pop(0)
            lane.begun.append(following)
            following.state = "begun"
        self._changed.notify_all()

    @staticmethod
    def _size(ticket: QueueEntry) -> float:
        return 1.0 if ticket.megapixels <= SMALL_MEGAPIXELS else ticket.megapixels
