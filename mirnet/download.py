"""Reads a file over HTTP, and goes on where a connection broke."""

import re
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import requests

CHUNK_BYTES = 16 * 2**10
"""Bytes read from a connection at a time, between two chances to stop."""
MAX_RETRIES = 3
"""Largest number of retries in a row without a new byte."""
RETRY_PAUSE_SECONDS = 0.5
"""Pause in seconds before a retry."""


class BrokenOff(Exception):
    """The file did not arrive; callers tell a person what to do.

    Args:
        reason: Clause that says why, such as "the connection broke".
        position: Offset of the first byte that is missing.
        reached: Whether the server was connected to at all.
    """

    def __init__(self, reason: str, position: int, reached: bool = True):
        super().__init__(reason)
        self.reason, self.position, self.reached = reason, position, reached


class Answer(NamedTuple):
    """One answer of the server, before its content is read."""

    response: "requests.Response"
    """Status, headers and connection, after redirects."""
    position: int
    """Offset in the file of the first byte that follows; 0 after others if it begins anew."""
    total_bytes: int | None
    """Size of the whole file; None if the server does not say."""


class Chunk(NamedTuple):
    """Bytes of the file."""

    position: int
    """Offset of the first one; 0 after others if the server began anew."""
    content: bytes
    """The bytes."""


def receive(
    url: str,
    *,
    timeout: tuple[float, float],
    start: int = 0,
    end: int | None = None,
    headers: dict[str, str] | None = None,
    changeable: bool = False,
    check: Callable[[Answer], object] = lambda answer: None,
    pause: Callable[[float], object] = time.sleep,
) -> Generator[Chunk]:
    """Yield a file, or a part of it, piece by piece.

    Args:
        url: Address; redirects are followed.
        timeout: Seconds to wait for a connection and for the next bytes.
        start: Offset of the first byte that is wanted.
        end: Offset after the last one; None for all.
        headers: More headers of the request.
        changeable: Whether the file may differ between requests. It is gone on with only where the
            server confirms that it did not, and otherwise begun anew.
        check: Sees every answer before its content; may raise, which ends the download.
        pause: Waits for so many seconds before a retry; may raise.

    Raises:
        BrokenOff: The server cannot be reached, is silent, or breaks off again and again.
    """
    import requests

    position, answered, failures, validator = start, False, 0, ""
    while True:
        began = position
        # Offsets count bytes of the file, so no compression on the way.
        ask = {**(headers or {}), "Accept-Encoding": "identity"}
        if position or end is not None:
            ask["Range"] = f"bytes={position}-{'' if end is None else end - 1}"
        if position and changeable:
            ask["If-Range"] = validator
        reason = "the connection broke"
        try:
            with requests.get(url, headers=ask, stream=True, timeout=timeout) as response:
                answered = True
                position, total = _extent(response, position)
                check(Answer(response, position, total))
                if response.status_code in (200, 206):
                    validator = _validator(response)
                    for content in response.iter_content(CHUNK_BYTES):
                        yield Chunk(position, content)
                        position += len(content)
                    if position >= (position if total is None else min(total, end or total)):
                        return
                    reason = "the file ended early"
                else:
                    reason = f"the server answers with status {response.status_code}"
        except requests.exceptions.ReadTimeout as error:
            if not answered:
                raise BrokenOff("the server does not answer", position) from error
        except requests.exceptions.RequestException as error:
            if not answered:
                raise BrokenOff("it cannot be reached", position, reached=False) from error
        failures = 1 if position > began else failures + 1
        if failures > MAX_RETRIES:
            raise BrokenOff(reason, position)
        if changeable and not validator:
            position = 0
        pause(RETRY_PAUSE_SECONDS)


def _extent(response: "requests.Response", wanted: int) -> tuple[int, int | None]:
    """Offset of the first byte of an answer, and the size of the whole file if it is known."""
    part = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if response.status_code == 206 and part and int(part[1]) == wanted:
        return wanted, int(part[2]) if part[2] != "*" else None
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _validator(response: "requests.Response") -> str:
    """Header by which a server tells whether a file changed (RFC 9110, section 13.1.5)."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
