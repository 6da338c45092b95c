"""Download one file whose size and hash are known, over HTTP, resuming where it broke off."""

import time
from pathlib import Path
from urllib.parse import urlsplit

from mirnet.errors import InvalidRequest
from mirnet.files import file_sha256

CHUNK_BYTES = 16 * 2**10
"""Bytes read from the connection at a time."""
TIMEOUT_SECONDS = 5.0, 15.0
"""Timeouts in seconds for a connection and for the next bytes."""
MAX_RETRIES = 3
"""Most consecutive retries of a broken connection without a new byte."""
RETRY_PAUSE_SECONDS = 0.5
"""Pause in seconds before a retry."""


class ServerUnreachable(InvalidRequest):
    """The server cannot be connected to; further files from it would fail too."""


def download(url: str, path: Path, size: int, sha256: str) -> None:
    """Download a file; `path` exists only once its size and hash are right.

    Bytes are appended to `path` + '.part'. A part of an earlier call is continued, and deleted if
    the complete file has the wrong hash. pooch checks hashes too, but cannot resume a download.

    Args:
        url: Address of the file; redirects are followed.
        path: Path of the downloaded file.
        size: Expected size in bytes.
        sha256: Expected SHA-256.

    Raises:
        ServerUnreachable: The server cannot be connected to.
        InvalidRequest: The server lacks the file, sends another one, or the connection breaks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    continued = part.exists()
    failures = 0
    while (start := _length(part)) < size:
        problem = _append(url, part, start, size)
        if not problem:
            break
        failures = 1 if _length(part) > start else failures + 1
        if failures > MAX_RETRIES:
            raise InvalidRequest(f"{url} could not be downloaded because {problem}")
        time.sleep(RETRY_PAUSE_SECONDS)
    if _length(part) == size and file_sha256(part) == sha256:
        part.replace(path)
        return
    part.unlink()
    if continued:
        return download(url, path, size, sha256)
    raise InvalidRequest(f"{url} is not the file that the manifest names (size or hash differ)")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _append(url: str, part: Path, start: int, size: int) -> str:
    """Append the bytes from `start` on, at most one byte more than `size` in all.

    Returns:
        Message of a failure worth a retry; empty on success.
    """
    import requests

    # Offsets count bytes of the file, so no compression on the way.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
            status = answer.status_code
            if status in (401, 403, 404, 410, 451):
                raise InvalidRequest(f"{url} is not handed out by its server (status {status})")
            if status not in (200, 206):
                return f"the server answers with status {status}"
            begins = answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            position = start if status == 206 and begins else 0
            with part.open("r+b" if part.exists() else "wb") as file:
                file.seek(position)
                file.truncate()
                for chunk in answer.iter_content(CHUNK_BYTES):
                    file.write(chunk[: size + 1 - position])
                    position += len(chunk)
                    if position > size:
                        return ""
    except requests.exceptions.ConnectTimeout as error:
        raise ServerUnreachable(f"{urlsplit(url).netloc} cannot be reached") from error
    except requests.exceptions.ConnectionError as error:
        if _length(part) == start == 0:
            raise ServerUnreachable(f"{urlsplit(url).netloc} cannot be reached") from error
        return "the connection broke"
    except requests.exceptions.RequestException:
        return "the connection broke"
    return "" if position == size else "the file ended early"
