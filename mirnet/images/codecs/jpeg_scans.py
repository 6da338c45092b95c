"""Whether the scans of a JPEG picture without end marker are whole (ITU-T T.81, annexes A and G).

A decoder fills in scans and restart intervals that are missing, without a word. Headers tell what
there must be: each component, each coefficient to its last bit, each restart marker of the last
scan. That the coded bits behind the last marker are complete is for the caller to find out.
"""

import re
from typing import NamedTuple

_PROGRESSIVE = (0xC2, 0xCA)
_LOSSLESS = (0xC3, 0xCB)
"""Frame headers of lossless pictures, whose unit is a sample in place of 8 x 8."""
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")


class _Component(NamedTuple):
    """One component of a frame, with its sampling factors."""

    name: int
    across: int
    down: int


class Scans:
    """Records the frame and scan headers of a picture, in their order in the file."""

    def __init__(self) -> None:
        self._code = 0
        self._components: list[_Component] = []
        self._missing: dict[int, list[int]] = {}
        """Bits that each coefficient of a component lacks; 16 for one that no scan has."""
        self._interval = 0
        self._last: tuple[int, list[int]] = (0, [])
        """Start of the last scan's coded bits, and the components that it has."""

    def add_frame(self, code: int, body: bytes) -> None:
        """Record a frame header: its marker's code, and what follows its length."""
        self._code = code
        for at in range(6, len(body) - 2, 3):
            factors = body[at + 1]
            self._components.append(_Component(body[at], factors >> 4 or 1, factors & 15 or 1))
        self._missing = {component.name: [16] * 64 for component in self._components}

    def add_interval(self, body: bytes) -> None:
        """Record the restart interval, for the scans that follow."""
        self._interval = int.from_bytes(body[:2], "big")

    def add_scan(self, body: bytes, start: int) -> None:
        """Record a scan header that is whole, and where its coded bits start."""
        count = body[0] if body else 0
        if len(body) < 4 + 2 * count:
            return
        names = [body[1 + 2 * i] for i in range(count)]
        first, last, bits = body[1 + 2 * count : 4 + 2 * count]
        if self._code not in _PROGRESSIVE:
            first, last, bits = 0, 63, 0
        for name in names:
            if name in self._missing:
                for coefficient in range(first, min(last, 63) + 1):
                    self._missing[name][coefficient] = bits & 15
        self._last = (start, names)

    def are_whole(self, data: bytes, width: int, height: int) -> bool:
        """Whether every component, coefficient and restart marker is there.

        Args:
            data: The picture, up to where its coded bits end.
            width: Width in pixels.
            height: Height in pixels.
        """
        if not self._missing or any(any(bits) for bits in self._missing.values()):
            return False
        start, names = self._last
        if not self._interval:
            return True
        found = sum(1 for _ in _RESTART.finditer(data, start))
        return found >= (self._units(names, width, height) - 1) // self._interval

    def _units(self, names: list[int], width: int, height: int) -> int:
        """Number of minimum coded units of a scan (A.2)."""
        side = 1 if self._code in _LOSSLESS else 8
        most_across = max(component.across for component in self._components)
        most_down = max(component.down for component in self._components)
        if len(names) > 1:
            return -(-width // (side * most_across)) * -(-height // (side * most_down))
        (only,) = (component for component in self._components if component.name == names[0])
        columns = -(-width * only.across // most_across)
        rows = -(-height * only.down // most_down)
        return -(-columns // side) * -(-rows // side)
