"""Gives up requests that a visitor does not wait for any more."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from mirnet.app.kit.widgets import Update

MAX_VISITORS = 1000
"""Visitors whose newest request is remembered."""


class NewestRequests:
    """Tells which request of a visitor is the newest, so that older ones can be given up."""

    def __init__(self) -> None:
        self._newest: OrderedDict[Any, object] = OrderedDict()

    def only_newest(self, visitor: Any, updates: Iterator[Update]) -> Iterator[Update]:
        """Pass updates on until the same visitor has a newer request.

        Args:
            visitor: Hashable; names the visitor and what is filled.
            updates: Of this request.
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
