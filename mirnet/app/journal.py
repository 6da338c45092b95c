"""The journal: one JSON line for each request, job and error, with ids that the visitor also sees.

Lines never hold names of files, addresses of visitors, cookies or tokens. They go to the logger
"mirnet.journal"; `write_to` sends them to a stream. `RequestJournal` gives each request its id,
which the answer carries in the header X-Request-Id.
"""

import datetime
import json
import logging
import re
import secrets
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TextIO

from .proxies import Message, Receive, Scope, Send

log = logging.getLogger("mirnet.journal")

REQUEST_ID = "mirnet.request_id"
"""Key of a request's scope with its id."""
LEFT = 499
"""Status of a request whose sender left before the answer began, as nginx has it."""
ROUTES = (
    "/gradio_api/upload",
    "/gradio_api/file",
    "/gradio_api/queue",
    "/gradio_api/run",
    "/gradio_api/call",
    "/gradio_api/info",
    "/healthz",
    "/metrics",
    "/operator",
    "/login",
    "/assets",
    "/config",
)
"""Beginnings of paths that a line names; the rest of a path may hold the name of a file."""
MAX_TEXT = 300
"""Longest text of an error, in characters."""
_UNSAFE = re.compile(
    r"""(['"])(?:(?!\1).)*\1"""  # quoted: names of files, values
    r"|\b(?:hf_|gh[pousr]_)\w+"  # tokens
    r"|(?<![\w.])[\w.~-]*[/\\][^\s:,;]+"  # paths
)


def new_id() -> str:
    """Make an id of 8 hexadecimal digits for a request, a job or an error."""
    return secrets.token_hex(4)


def scrub(text: str) -> str:
    """Remove what may be the name of a file or a token from the text of an error.

    >>> scrub("[Errno 2] No such file: '/tmp/anna/beach.jpg'"), scrub("cannot open a/b.png now")
    ('[Errno 2] No such file: …', 'cannot open … now')
    """
    return _UNSAFE.sub("…", text)[:MAX_TEXT]


def write(kind: str, **facts: Any) -> None:
    """Write a line.

    Args:
        kind: "request", "job" or "error".
        facts: Further fields; the caller leaves out names of files, addresses and secrets.
    """
    if log.isEnabledFor(logging.INFO):
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        log.info(json.dumps({"time": now, "kind": kind, **facts}, ensure_ascii=False))


def write_to(stream: TextIO | None = None) -> None:
    """Send the journal to a stream, by default standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


def describe(error: BaseException) -> dict[str, Any]:
    """Facts about an error for a line: its type, its scrubbed text and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    where = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"type": type(error).__name__, "text": scrub(str(error)), "where": where}


def route_of(path: str) -> str:
    """The part of a path that a line may name.

    >>> route_of("/gradio_api/file=/tmp/x/beach.jpg"), route_of("/"), route_of("/x.png")
    ('/gradio_api/file', '/', 'other')
    """
    if path == "/":
        return path
    return next((route for route in ROUTES if path.startswith(route)), "other")


class RequestJournal:
    """ASGI middleware that gives each request an id, and writes a line when it has been answered.

    Args:
        app: The application.
        answered: Called with method, route and status of each answered request.
        failed: Called with an unexpected error and the request's id.
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        answered: Callable[[str, str, int], None],
        failed: Callable[[Exception, str], object],
    ):
        self.app = app
        self.answered, self.failed = answered, failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = new_id()
        began, status = time.perf_counter(), 0

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                header = (b"x-request-id", request_id.encode())
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        method, route = scope["method"], route_of(scope["path"])
        try:
            await self.app(scope, receive, noting_send)
        except Exception as error:
            status = status or 500
            self.failed(error, request_id)
            raise
        finally:
            status = status or LEFT
            seconds = round(time.perf_counter() - began, 4)
            self.answered(method, route, status)
            write(
                "request",
                id=request_id,
                method=method,
                route=route,
                status=status,
                seconds=seconds,
            )
