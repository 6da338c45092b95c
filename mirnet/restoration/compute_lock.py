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
class Share:
    """Compute time that one restoration or evaluation has used, for fair scheduling."""

    end: float = 0.0
    """Earliest place of its next turn in virtual time, in seconds of the lock."""
    waited: float = 0.0
    """Seconds that it has waited for the lock."""


class FairLock:
    """A lock that goes to whoever has held it least, and among equals to whoever asked first.

    `threading.Lock` goes to whoever asks at the right moment: a thread that lets go and asks again
    at once mostly gets it back, and others starve. Here a small photo waits for the tile under way
    and not for all tiles of a large one.
    """

    def __init__(self) -> None:
        self._arrivals = itertools.count()
        self._now = 0.0
        self._open()
        if hasattr(os, "register_at_fork"):  # whoever holds it was not copied, so never lets go
            os.register_at_fork(after_in_child=self._open)

    def _open(self) -> None:
        """Reset the lock: nobody holds it and nobody waits."""
        self._guard = threading.Lock()
        self._held = False
        self._waiting: list[tuple[float, int, threading.Lock]] = []

    @contextmanager
    def of(self, share: Share) -> Iterator[None]:
        """Hold the lock for one turn and add its duration to a share.

        Args:
            share: Of whoever wants to compute; the smallest one that waits is next.
        """
        asked = time.perf_counter()
        start = self._acquire(share.end)
        began = time.perf_counter()
        share.waited += began - asked
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            share.end = start + seconds
            self._release(seconds)

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._held

    def _acquire(self, end: float) -> float:
        with self._guard:
            start = max(self._now, end)
            if not self._held:
                self._held = True
                return start
            mine = threading.Lock()
            mine.acquire()
            place = start, next(self._arrivals), mine
            self._waiting.append(place)
        try:
            mine.acquire()  # until `_release` hands the lock over
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
