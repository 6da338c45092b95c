"""The body of a request, counted as it arrives: a stated length may be missing."""

from collections.abc import Callable

from .proxies import Message, Receive

STEP = 2**20
"""Bytes that are charged at once where no length was stated."""


class Refused(Exception):
    """A refused request; its text is shown to the visitor."""

    def __init__(self, status: int, words: str):
        super().__init__(words)
        self.status = status


def too_large(max_bytes: float) -> Refused:
    """The refusal of a request with more than `max_bytes`."""
    return Refused(413, f"This is too large: at most {max_bytes / 1e6:g} MB can be sent at once.")


class CountedBody:
    """Receives the body of one request.

    Args:
        receive: The server's function.
        max_bytes: Most bytes that are taken.
        stated: Length of the body by its header, which has been charged; 0 without one.
        charge: Called with a number of bytes before they are taken, and with 0 for bytes that have
            been charged; raises `Refused`. None if nothing is charged.
    """

    def __init__(
        self,
        receive: Receive,
        max_bytes: float,
        stated: int = 0,
        charge: Callable[[int], None] | None = None,
    ):
        self._receive, self._max_bytes, self._charge = receive, max_bytes, charge
        self._received, self._looked, self._charged = 0, 0, stated
        self._stated = bool(stated)
        self.refused: Refused | None = None
        """Why the body was not taken to its end; None if it was."""

    async def receive(self) -> Message:
        """Next part of the body.

        Raises:
            Refused: The body is too long, or no more of it may be sent.
        """
        message = await self._receive()
        self._received += len(message.get("body", b""))
        try:
            self._check()
        except Refused as refused:
            self.refused = refused
            raise
        return message

    def _check(self) -> None:
        if self._received > self._max_bytes:
            raise too_large(self._max_bytes)
        while self._charge is not None and self._looked < self._received:
            self._looked += STEP
            if self._stated:  # the rest fits exactly, or is charged as it comes
                self._looked = min(self._looked, self._received)
            beyond = max(self._looked - self._charged, 0)
            self._charge(min(beyond, STEP))
            self._charged = max(self._charged, self._looked)
