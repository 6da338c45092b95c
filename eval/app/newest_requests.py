"""Cancels outdated requests of a visitor."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from mirnet.app.kit.widgets import Update

MAX_VISITORS = 1000
"""Most visitors whose newest request is remembered."""


class NewestRequests:
    """Tracks the newest request of each visitor, so that older ones can be cancelled."""

    def __init__(self) -> None:
        self._newest: OrderedDict[Any, object] = OrderedDict()

    def only_newest(self, visitor: Any, updates: Iterator[Update]) -> Iterator[Update]:
        """Pass updates on until the same visitor has a newer request.

        Args:
            visitor: Hashable key of the visitor and the filled part.
            updates: Updates of this request.
        """
        mine = object()
        self._newest[visitor] = mine
        self._newest.move_to_end(visitor)
        while len(self._newest) > MAX_VISITORS:
            self._newest.popitem(last=False)
        for update in updates:
            if self._newest.get(visitor, mine) is not mine:
                return
            yield update
