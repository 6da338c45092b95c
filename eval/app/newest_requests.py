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

    def only_newest(
        self, visitor: Any, updates: Iterator[Update], unchanged: Update
    ) -> Iterator[Update]:
        """Pass updates on until the same visitor has a newer request.

        Each update repeats the ones before it: the browser merges updates that arrive together and
        would lose the values of widgets that only the earlier one sets.

        Args:
            visitor: Hashable key of the visitor and the filled part.
            unchanged: Update of a request without any of its own, because a generator that yields
                nothing makes Gradio clear all outputs, after the newer request has filled them.
        """
        mine = object()
        self._newest[visitor] = mine
        self._newest.move_to_end(visitor)
        while len(self._newest) > MAX_VISITORS:
            self._newest.popitem(last=False)
        shown: Update = {}
        for update in updates:
            if self._newest.get(visitor, mine) is not mine:
                break
            shown |= update
            yield dict(shown)
        if not shown:
            yield unchanged
