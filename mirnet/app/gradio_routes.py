"""Which of Gradio's own routes are served, and what reaches them.

Gradio brings routes for features that this page does not have: functions of components, screen
recordings, links to a state, other Spaces' files. They take uploads that nothing counts or deletes,
or fail at what strangers send. Only routes that the page and `gradio_client` use are let through.
"""

import json

from starlette.datastructures import QueryParams

from .proxies import Message, Receive, Scope, Send

PAGES = (
    "/",
    "/config",
    "/favicon.ico",
    "/healthz",
    "/login",
    "/logout",
    "/manifest.json",
    "/metrics",
    "/operator",
    "/operator/jobs",
    "/pwa_icon",
    "/pwa_icon/192",
    "/pwa_icon/512",
    "/robots.txt",
    "/theme.css",
    "/login/huggingface",
    "/login/callback",
    *(
        f"/gradio_api/{name}"
        for name in (
            "app_id",
            "cancel",
            "info",
            "login_check",
            "openapi.json",
            "queue/data",
            "queue/join",
            "queue/status",
            "reset",
            "startup-events",
            "theme.css",
            "token",
            "upload",
            "upload_progress",
            "user",
        )
    ),
)
"""Routes that are served, with or without a slash at the end.

Gradio would draw an icon of any size; its manifest names two."""
FAMILIES = (
    "/assets/",
    "/static/",
    *(f"/gradio_api/{name}" for name in ("api/", "call/", "file=", "file/", "heartbeat/", "run/")),
)
"""Beginnings of routes that are served."""
_LISTED = frozenset(PAGES)


class ServedRoutes:
    """ASGI middleware that answers 404 to everything but the routes that the page uses.

    Args:
        app: Gradio's application.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif is_served(scope["path"], scope.get("query_string", b"")):
            headers = [_without_own_ranges(pair) for pair in scope["headers"]]
            await self.app({**scope, "headers": headers}, receive, send)
        else:
            await _not_here(send)


def is_served(path: str, query: bytes = b"") -> bool:
    """Whether a path is one of ours; of the page there is one, and Gradio fails at others.

    >>> is_served("/gradio_api/call/restore"), is_served("/gradio_api/component_server")
    (True, False)
    >>> is_served("/operator/"), is_served("/", b"page=2"), is_served("/", b"tab=review")
    (True, False, True)
    >>> is_served("//"), is_served("//operator"), is_served("/pwa_icon/192")
    (False, False, True)
    """
    if path.startswith("//"):  # the name of a host, where a browser takes it as a link
        return False
    if path in ("/", "/config") and QueryParams(query).get("page"):
        return False
    return path in _LISTED or path.removesuffix("/") in _LISTED or path.startswith(FAMILIES)


def _without_own_ranges(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A header in a form in which Starlette answers parts of files, and not Gradio.

    Gradio answers "bytes=0-9" with all headers of the request, cookies and keys included, and fails
    at several parts. It compares letter by letter; the unit's case has no meaning (RFC 9110, 14.1).
    """
    name, value = pair
    if name != b"range" or not value.strip().lower().startswith(b"bytes="):
        return pair
    return name, b"Bytes=" + value.strip()[len(b"bytes=") :]


async def _not_here(send: Send) -> None:
    body = json.dumps({"detail": "Not Found"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    start: Message = {"type": "http.response.start", "status": 404, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
