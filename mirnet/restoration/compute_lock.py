"""A fair lock that shares the processor between restorations and evaluations, tile by tile.

It orders by start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996): whoever has used least
compute time is next, and a newcomer neither pays for the past of others nor gains from absence.
"""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(eq=False)
class ComputeUsage:
    """Compute time that one restoration or evaluation has used, for fair scheduling."""

    virtual_finish: float = 0.0
    """End of the last turn in virtual time, in seconds; the next turn starts no earlier."""
    waited: float = 0.0
    """Seconds spent waiting for the lock."""


class FairLock:
    """A lock that goes to the waiter with the least use so far, then by order of arrival.

    A thread that releases a `threading.Lock` and acquires it at once mostly gets it back, and
    others starve. With this lock a small photo waits for the current tile of a large photo, not for
    all of its tiles.
    """

    def __init__(self) -> None:
        self._arrivals = itertools.count()
        self._now = 0.0
        self._open()
        if hasattr(os, "register_at_fork"):  # a fork lacks the thread that holds the lock
            os.register_at_fork(after_in_child=self._open)

    def _open(self) -> None:
        """Reset the lock: nobody holds it and nobody waits."""
        self._guard = threading.Lock()
        self._held = False
        self._waiting: list[tuple[float, int, threading.Lock]] = []

    @contextmanager
    def hold(self, usage: ComputeUsage) -> Iterator[None]:
        """Hold the lock for one turn and add its duration to `usage`.

        Args:
            usage: Compute time used so far; the waiter with the least is served next.
        """
        requested = time.perf_counter()
        start = self._acquire(usage.virtual_finish)
        began = time.perf_counter()
        usage.waited += began - requested
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            usage.virtual_finish = start + seconds
            self._release(seconds)

    def locked(self) -> bool:
        """Whether the lock is held."""
        return self._held

    def _acquire(self, virtual_finish: float) -> float:
        with self._guard:
            start = max(self._now, virtual_finish)
            if not self._held:
                self._held = True
                return start
            ticket = threading.Lock()
            ticket.acquire()
            place = start, next(self._arrivals), ticket
            self._waiting.append(place)
        try:
            ticket.acquire()  # until `_release` hands the lock over
        except BaseException:  # Ctrl+C
            with self._guard:
                waits = place in self._waiting
                if waits:
                    self._waiting.remove(place)
            if not waits:
                self._release(0.0)
            raise
        return start

    def _release(self, seconds: float) -> None:
        with self._guard:
            self._now += seconds / (len(self._waiting) + 1)
            if not self._waiting:
                self._held = False
                return
            following = min(self._waiting, key=lambda place: place[:2])
            self._waiting.remove(following)
            following[2].release()


COMPUTE_LOCK = FairLock()
"""Held while a network runs, one pass at a time, so that several restorations take turns."""
