"""What the loopback Hub says over HTTP: answers, folders' listings, and the handler of requests."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from tests.support.hub import LoopbackHub


CHUNK = 8 * 1024
"""Bytes sent between two checks for a fault."""


@dataclass
class Fault:
    """Fault of the requests for one path; fields can be combined."""

    status: int | None = None
    """Answer with this HTTP status."""
    error_code: str | None = None
    """X-Error-Code header: RepoNotFound, EntryNotFound, RevisionNotFound or GatedRepo."""
    silent: bool = False
    """Accept the connection and never answer."""
    cut_after: int | None = None
    """Close the connection after this many bytes of the body."""
    seconds_per_chunk: float = 0.0
    """Seconds to wait before each chunk."""
    flip_byte: bool = False
    """Send the right number of wrong bytes."""
    no_length: bool = False
    """Send no Content-Length."""
    no_ranges: bool = False
    """Ignore Range and promise no ETag."""
    html: bool = False
    """Answer with a web page."""
    times: int | None = None
    """Number of affected requests; None for all."""


@dataclass
class Request:
    """A request that was answered, or is being answered."""

    method: str
    """GET, HEAD, POST or PUT."""
    path: str
    """Path of the request with its query."""
    status: int
    """Status of the answer; 0 when there was none."""
    range: str | None
    """Range header; None without one."""
    authorization: str | None
    """Authorization header; None without one."""
    sent_bytes: int
    """Bytes of the body that were handed to the connection."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def folder_listing(files: dict[str, bytes], under: str, recursive: bool) -> list[dict[str, object]]:
    """List a folder of a repository, its folders included."""
    prefix = f"{under}/" if under else ""
    listing: dict[str, dict[str, object]] = {}
    for name, content in sorted(files.items()):
        if not name.startswith(prefix):
            continue
        parts = name.removeprefix(prefix).split("/")
        for depth in range(1, len(parts) + 1 if recursive else 2):
            path = prefix + "/".join(parts[:depth])
            oid = git_sha1(content)
            if depth < len(parts):
                listing[path] = {"type": "directory", "path": path, "oid": oid, "size": 0}
            else:
                listing[path] = {"type": "file", "path": path, "oid": oid, "size": len(content)}
    return list(listing.values())


def git_sha1(content: bytes) -> str:
    blob = b"blob %d\0" % len(content) + content
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest()


def file_answer(content: bytes) -> Answer:
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = {"Content-Type": "application/octet-stream", "ETag": etag, "Accept-Ranges": "bytes"}
    return Answer(200, headers, content)


def html_answer(text: str) -> Answer:
    return Answer(200, {"Content-Type": "text/html; charset=utf-8"}, text.encode())


def json_answer(content: object) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(content).encode())


def request_handler(hub: LoopbackHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve(body=True)

        def do_HEAD(self) -> None:
            self._serve(body=False)

        def do_POST(self) -> None:
            self._serve(body=True)

        def do_PUT(self) -> None:
            self._serve(body=True)

        def log_message(self, *_: Any) -> None:
            pass

        def _serve(self, body: bool) -> None:
            parts = urlsplit(self.path)
            fault = hub.fault_for(parts.path)
            # Noted ahead of the answer: whoever has it may look at the list at once.
            request = hub.note(
                self.command,
                self.path,
                self.headers.get("Range"),
                self.headers.get("Authorization"),
            )
            try:
                if fault.silent:
                    hub.closing.wait(60)
                    self.close_connection = True
                    return
                answer = self._answer(parts.path, parse_qs(parts.query), fault)
                request.status = answer.status
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if fault.no_length:
                    self.close_connection = True
                    self.send_header("Connection", "close")
                else:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if body:
                    for chunk in self._chunks(answer.body, fault):
                        request.sent_bytes += len(chunk)
                        self.wfile.write(chunk)
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def _answer(self, path: str, query: dict[str, list[str]], fault: Fault) -> Answer:
            # Read in any case, because the connection is used for further requests.
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fault.status is not None:
                code = {"X-Error-Code": fault.error_code} if fault.error_code else {}
                return Answer(fault.status, code)
            if fault.html:
                return html_answer("<!DOCTYPE html><html><body>Try again later</body></html>")
            if self.command in ("POST", "PUT"):
                return hub.take(self.command, path, sent)
            answer = hub.answer(path, query)
            if fault.no_ranges:
                answer.headers.pop("ETag", None)
                answer.headers.pop("Accept-Ranges", None)
                return answer
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
            unchanged = self.headers.get("If-Range") in (None, answer.headers.get("ETag"))
            if answer.status != 200 or wanted is None or not unchanged:
                return answer
            size = len(answer.body)
            first, last = int(wanted[1]), int(wanted[2] or size - 1)
            if first >= size:
                return Answer(416, {"Content-Range": f"bytes */{size}"})
            content = answer.body[first : last + 1]
            span = f"bytes {first}-{first + len(content) - 1}/{size}"
            return Answer(206, {**answer.headers, "Content-Range": span}, content)

        def _chunks(self, content: bytes, fault: Fault) -> Iterator[bytes]:
            if fault.flip_byte and content:
                middle = len(content) // 2
                flipped = bytes([content[middle] ^ 0xFF])
                content = content[:middle] + flipped + content[middle + 1 :]
            stop = len(content) if fault.cut_after is None else fault.cut_after
            for start in range(0, min(len(content), stop), CHUNK):
                time.sleep(fault.seconds_per_chunk)
                yield content[start : min(start + CHUNK, stop)]
            if stop < len(content):
                self.close_connection = True

    return Handler
