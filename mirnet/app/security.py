"""Checks of every request before Gradio sees it: hosts, origins, sizes, rates; headers of answers.

One ASGI middleware, independent of Gradio. Every refusal is one sentence. Requests of a visitor are
counted by address, as `proxies.ForwardedHeaders` determined it; the limits on the total protect the
machine.

Starlette's TrustedHostMiddleware is not used: it cuts `[::1]:7860` at the first colon and answers
without a way out. Its sessions cannot be taken back by the server; see `auth.Access`.
"""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv6Address, ip_network
from urllib.parse import unquote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from .api_keys import ApiKey, bearer_token, key_of, logged_in
from .auth import VISITOR_COOKIE, visitor_cookie
from .folders import free_bytes, upload_folder
from .journal import REQUEST_ID
from .proxies import (
    FORWARDED,
    Message,
    Receive,
    Scope,
    Send,
    comes_from_another_page,
    parse_address,
)
from .rate_limit import RateLimiter, RequestLimits
from .request_body import CountedBody, Refused, too_large
from .settings import LOOPBACK

PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Content security policy of the page. Gradio's own frontend needs inline scripts and `eval`; all
other hosts are blocked, so that nothing can be loaded from or sent to them."""
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'self'"
"""Content security policy of uploads and results: opened directly, they run and load nothing."""
SPACE_SOURCES = "https://huggingface.co https://*.huggingface.co"
"""Sources that a Space's page may use: the frame around it, and its header's requests there."""


class Guard:
    """Wraps the page's ASGI application.

    Args:
        app: The application.
        alone: Whether only this machine reaches the page. Other host names are then refused, so
            that no web page can reach it through a name of its own (DNS rebinding), and requests
            are not counted.
        closed: Whether requests from other web pages are refused; implied by `alone`, and set
            where visitors log in.
        space: Whether the page is shown in the frame of a Hugging Face Space.
        proxied: Whether visitors come through a proxy or tunnel on this machine; otherwise requests
            from this machine are not counted.
        limits: Rate and size limits.
        keys: Keys of programs, whose requests are counted by the key's name.
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        alone: bool = True,
        closed: bool = True,
        space: bool = False,
        proxied: bool = False,
        limits: RequestLimits = RequestLimits(),  # noqa: B008
        keys: Sequence[ApiKey] = (),
    ):
        self.app = app
        self._keys = tuple(keys)
        self.alone, self.closed, self.space, self.limits = alone, closed, space, limits
        self.proxied = proxied
        self._rates = RateLimiter(limits.window_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        path, cookies = unquote(scope["path"]), headers.get("cookie", "")
        policy = _policy(path, self.space)
        visitor = self._visitor(scope)
        signs_in = ""
        if scope["method"] == "POST" and path.rstrip("/") in ("/login", "/operator"):
            signs_in = f"sign-ins at {path.rstrip('/')} of {visitor}"
        started = False
        # Gradio begins to answer, and says "error", before it breaks off for want of such an event.
        waits = scope["method"] == "GET" and path.startswith(_CALLS[0])
        held: list[Message] = []

        async def checked_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                if body.refused is not None and message["status"] != body.refused.status:
                    raise body.refused  # FastAPI answers 400 to whatever ends a body
                more = _headers(policy, self.space, message)
                message["headers"] = [*message.get("headers", ()), *more]
                if scope["method"] == "GET" and path == "/" and VISITOR_COOKIE not in cookies:
                    cookie = visitor_cookie(scope.get("scheme") == "https", self.space)
                    message["headers"].append((b"set-cookie", cookie.encode()))
                if signs_in and message["status"] < 400:
                    self._rates.forget(signs_in, self.limits.failed_sign_ins)
            held.append(message)
            first = len(held) == 1 or message.get("body", b"").startswith(b"event: error")
            if waits and first and not started:
                return
            started = True
            while held:
                await send(held.pop(0))

        uploads = not self.alone and scope["method"] == "POST" and _is_upload(path)
        body = CountedBody(
            receive,
            self._max_bytes(path),
            _stated_length(headers),
            (lambda size: self._charge_upload(visitor, size)) if uploads else None,
        )

        async def refuse(status: int, words: str) -> None:
            held.clear()
            await _answer(checked_send, Refused(status, words), str(scope.get(REQUEST_ID, "")))

        try:
            if signs_in and not self._rates.add(signs_in, self.limits.failed_sign_ins):
                minutes = round(self.limits.window_seconds / 60)
                raise Refused(429, f"Too many tries to sign in: wait {minutes} minutes.")
            within, key = self._with_key(scope, headers, visitor)
            visitor = f"key {key.name}" if key else visitor
            self._check(scope, path, headers, None if signs_in else visitor)
            await self.app(within, body.receive, checked_send)
        except Refused as refused:
            if not started:
                await refuse(refused.status, str(refused))
            # Otherwise the answer had begun: the server ends the connection.
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception as error:
            # Starlette hides what an application raises after its answer began, if it would have
            # known an answer to it.
            cause = error.__cause__ if isinstance(error, RuntimeError) else None
            if isinstance(cause, HTTPException):
                if not started:
                    await refuse(404, _NO_SUCH_EVENT)
                else:  # Gradio's stream has told it, as its last event
                    await send({"type": "http.response.body", "body": b""})
                return
            if isinstance(cause, OSError):
                raise cause from None
            # Gradio does not always answer calls with wrong arguments; work runs elsewhere.
            ours = isinstance(error, OSError) or not path.startswith(_CALLS)
            if started or ours or scope["method"] != "POST":
                raise
            log.warning("%s was called with what does not fit it: %r", path[:80], error)
            await refuse(422, DOES_NOT_FIT)

    # ------------------------------------------------------------ what is let in

    def _check(self, scope: Scope, path: str, headers: dict[str, str], visitor: str | None) -> None:
        """Raise `Refused` if the request violates a rule or limit."""
        method, forwarded = scope["method"], scope.get(FORWARDED)
        if self.alone and forwarded:
            raise Refused(
                421,
                "A proxy passes requests on to this page: start it with --proxy and the proxy's "
                "address, such as --proxy 127.0.0.1.",
            )
        if self.alone and _name_of(headers.get("host", "localhost")) not in LOOPBACK:
            raise Refused(
                421,
                "This page answers to localhost only. To reach it by another name, start it with "
                "--host 0.0.0.0, or with --proxy ADDRESS behind a proxy.",
            )
        if (self.alone or self.closed) and _is_foreign(method, headers, forwarded == "trusted"):
            raise Refused(403, "Another web page may not use this one: open it by itself.")
        _, found, name = path.partition("/file=")
        if found and ":/" in name[:12].replace("\\", "/"):
            raise Refused(403, "Only files of this page can be had from it.")
        size = _stated_length(headers)
        if size > self._max_bytes(path):
            raise too_large(self._max_bytes(path))
        if not self.alone:
            if method == "POST" and _is_upload(path):
                self._check_room(size)
            self._count(method, path, size, visitor)

    def _with_key(
        self, scope: Scope, headers: dict[str, str], visitor: str | None
    ) -> tuple[Scope, ApiKey | None]:
        """The request as the page is to see it, and the key that it was sent with.

        After too many unknown keys a right one counts for nothing either: guessing has no end
        where the answer to a right guess differs. A bearer token may be meant for somebody else,
        such as a proxy in front, and passes; one that comes again is no further guess.

        Raises:
            Refused: X-API-Key holds no key of ours, or too many came from there that were none.
        """
        own, token = bool(headers.get("x-api-key")), bearer_token(headers) if self._keys else ""
        if not own and not token:
            return scope, None
        tries, limit = f"{'keys' if own else 'tokens'} of {visitor}", self.limits.failed_sign_ins
        seen = f"token {hashlib.sha256(token.encode()).hexdigest()} of {visitor}"
        if not own and self._rates.is_full(seen, 1):
            return scope, None
        if self._rates.is_full(tries, limit):
            raise Refused(429, "Too many unknown keys: wait some minutes.")
        key = key_of(headers, self._keys)
        if key is not None:
            return logged_in(scope, key), key
        self._rates.add(tries, limit)
        if own:
            raise Refused(401, "This key is not known here: ask the operator for one.")
        self._rates.add(seen, 1)
        return scope, None

    def _visitor(self, scope: Scope) -> str | None:
        """Key of the visitor: IPv4 address or IPv6 network; None for this machine itself."""
        client = scope.get("client")
        name = str(client[0])[:64] if client else ""
        address = parse_address(name)
        if address is None:
            return name
        if address.is_loopback and not self.proxied:
            return None
        if isinstance(address, IPv6Address) and not address.is_loopback:
            return str(ip_network((int(address), 64), strict=False))  # one household
        return str(address)

    def _check_room(self, size: int) -> None:
        if free_bytes(upload_folder()) - size < self.limits.min_free_bytes:
            raise Refused(
                507, "There is no room for more photos here now: try again in an hour or two."
            )

    def _count(self, method: str, path: str, size: int, visitor: str | None) -> None:
        limits = self.limits
        minutes = round(limits.window_seconds / 60)
        if method != "POST" and not path.startswith(("/healthz", "/gradio_api/file=")):
            return
        if visitor is None:
            return
        if self._rates.is_full("requests", limits.all_requests):
            raise Refused(429, "Too many visitors are here now: try again in some minutes.")
        # The visitor's own limit first: what it refuses must not use up that of all.
        if not self._rates.add(f"requests of {visitor}", limits.requests):
            raise Refused(
                429, f"That is more than one visitor may ask for: wait {minutes} minutes."
            )
        self._rates.add("requests", limits.all_requests)
        if _is_upload(path):
            self._count_upload(visitor, size)

    def _count_upload(self, visitor: str, size: int) -> None:
        limits = self.limits
        if not self._rates.add(f"uploads of {visitor}", limits.upload_bytes, size):
            raise Refused(
                429,
                f"One visitor may send {limits.upload_bytes / 1e9:g} GB of photos in "
                f"{round(limits.window_seconds / 60)} minutes: wait a little.",
            )

    def _charge_upload(self, visitor: str | None, size: int) -> None:
        """Count bytes of an upload as they arrive; several at once may have filled the disk."""
        self._check_room(size)
        if size and visitor is not None:
            self._count_upload(visitor, size)

    def _max_bytes(self, path: str) -> float:
        """Largest accepted request in bytes; Gradio also limits each file of an upload."""
        return self.limits.upload_bytes if _is_upload(path) else self.limits.body_bytes


def _policy(path: str, space: bool) -> str:
    """Content security policy of a path."""
    policy = FILE_POLICY if "/file=" in path or "/file/" in path else PAGE_POLICY
    if space:
        for part in ("connect-src 'self'", "img-src 'self'", "frame-ancestors 'self'"):
            policy = policy.replace(part, f"{part} {SPACE_SOURCES}")
    return policy


def _headers(policy: str, space: bool, message: Message) -> list[tuple[bytes, bytes]]:
    """Headers that an answer lacks."""
    there = {name.lower() for name, _ in message.get("headers", ())}
    wanted = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "permissions-policy": "geolocation=(), microphone=(), payment=(), usb=()",
        "cross-origin-opener-policy": "same-origin",
    }
    if not space:
        wanted["x-frame-options"] = "SAMEORIGIN"
    return [
        (name.encode(), value.encode())
        for name, value in wanted.items()
        if name.encode() not in there
    ]


_CALLS = tuple(f"/gradio_api/{name}" for name in ("call/", "upload", "queue/", "run/", "api/"))
DOES_NOT_FIT = "This does not fit the endpoint: /gradio_api/info tells its parameters."
"""Answer to a call with wrong arguments."""
_NO_SUCH_EVENT = "There is no such event here: send one with POST, and ask with the id it returns."
log = logging.getLogger(__name__)


def _is_upload(path: str) -> bool:
    return path.rstrip("/") == "/gradio_api/upload"


def _stated_length(headers: dict[str, str]) -> int:
    """Length of the body in bytes by its header; 0 if it is not stated."""
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else 0


def _name_of(host: str) -> str:
    """Host name of a Host header without the port, which may follow an IPv6 address in brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_foreign(method: str, headers: dict[str, str], proxied: bool) -> bool:
    """Whether the request comes from another web page rather than from a followed link.

    Browsers state it in Sec-Fetch-Site if the page is on https or on this machine; elsewhere
    Origin is compared with the page's host name, if that is known behind a proxy.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        followed = headers.get("sec-fetch-mode") == "navigate" and method in ("GET", "HEAD")
        return site in ("cross-site", "same-site") and not followed
    return comes_from_another_page(headers, proxied)


async def _answer(send: Send, refused: Refused, request_id: str = "") -> None:
    """Send a refusal in the form of Gradio's frontend, which shows `detail` to the visitor."""
    import json

    body = json.dumps({"detail": str(refused), "request": request_id}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if refused.status == 429:
        headers.append((b"retry-after", b"60"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
