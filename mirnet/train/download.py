"""Download one file whose size and hash are known, over HTTP, resuming where it broke off."""

import contextlib
from pathlib import Path
from urllib.parse import urlsplit

from mirnet.download import Answer, BrokenOff, receive
from mirnet.errors import InvalidRequest
from mirnet.files import file_sha256

TIMEOUT_SECONDS = 5.0, 15.0
"""Timeouts in seconds for a connection and for the next bytes."""


class ServerUnreachable(InvalidRequest):
    """The server cannot be connected to; further files from it would fail too."""


def download(url: str, path: Path, size: int, sha256: str) -> None:
    """Download a file; `path` exists only once its size and hash are right.

    Bytes are appended to `path` + '.part'. A part of an earlier call is continued, and deleted if
    the complete file has the wrong hash.

    Args:
        url: Address of the file; redirects are followed.

    Raises:
        ServerUnreachable: The server cannot be connected to.
        InvalidRequest: The server lacks the file, sends another one, or the connection breaks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    continued = part.exists()
    if _length(part) < size:
        _append(url, part, size)
    if _length(part) == size and file_sha256(part) == sha256:
        part.replace(path)
        return
    part.unlink()
    if continued:
        return download(url, path, size, sha256)
    raise InvalidRequest(f"{url} is not the file that the manifest names (size or hash differ)")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _append(url: str, part: Path, size: int) -> None:
    """Append the bytes that are missing, at most one byte more than `size` in all."""

    def check(answer: Answer) -> None:
        status = answer.response.status_code
        if status in (401, 403, 404, 410, 451):
            raise InvalidRequest(f"{url} is not handed out by its server (status {status})")

    chunks = receive(url, timeout=TIMEOUT_SECONDS, start=_length(part), check=check)
    try:
        with contextlib.closing(chunks), part.open("r+b" if part.exists() else "wb") as file:
            for position, content in chunks:
                file.seek(position)
                file.truncate()
                file.write(content[: size + 1 - position])
                if position + len(content) > size:
                    return
    except BrokenOff as error:
        if not error.reached:
            raise ServerUnreachable(f"{urlsplit(url).netloc} cannot be reached") from error
        raise InvalidRequest(f"{url} could not be downloaded because {error.reason}") from error
