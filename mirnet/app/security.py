"""What stands between the network and the page: hosts, origins, sizes, rates and headers.

An ASGI middleware without Gradio in it. Everything it refuses it refuses in one sentence. What one
visitor may do is counted by address, which a visitor behind a proxy can make up: these limits keep
honest visitors fair to each other, and the limits for all together keep the machine up.
"""

import logging
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this machine, from itself."""
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Of the page. Gradio's own frontend needs inline scripts and `eval`; what is kept out is every
other machine, so that nothing could be loaded from or sent to one."""
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'self'"
"""Of files that visitors brought or got: opened alone, they can run and load nothing."""
SPACE_SOURCES = "https://huggingface.co https://*.huggingface.co"
"""Where the frame of a Space comes from; its header asks for likes there."""


@dataclass(frozen=True)
class Limits:
    """How much may come in."""

    body_bytes: int = 2_000_000
    """Largest request that is no upload."""
    upload_bytes: int = 2_000_000_000
    """Of one visitor in `window_seconds`: ten photos of the largest size."""
    requests: int = 900
    """Of one visitor in `window_seconds`, those that make the program work: three a second."""
    all_requests: int = 20_000
    """Of all visitors together in `window_seconds`."""
    sign_ins: int = 30
    """Tries to sign in, of all visitors together, in `window_seconds`."""
    window_seconds: float = 300.0
    """How far back is counted."""
    least_free_bytes: int = 500_000_000
    """Disk space that uploads of strangers leave free; who is alone is told by the disk itself."""
    visitors: int = 5_000
    """Whose numbers are remembered, the newest."""

    def words(self) -> str:
        """Say them in a sentence."""
        minutes = self.window_seconds / 60
        return (
            f"Every {minutes:.0f} minutes, a visitor may send {self.upload_bytes / 1e9:g} GB of "
            f"photos and {self.requests} requests."
        )


class Counter:
    """Adds up what came within the last seconds, for some thousand keys; safe between threads.

    Time is cut into windows, and what came in the window before counts by the part of it that is
    still within reach, so that two numbers are kept for each key however much comes.
    """

    def __init__(self, seconds: float, keys: int, now: Callable[[], float] = time.monotonic):
        self._seconds, self._most, self._now = seconds, keys, now
        self._kept: OrderedDict[str, tuple[int, float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: str, amount: float, most: float) -> bool:
        """Count it where it stays within `most`; say whether it does."""
        moment = self._now() / self._seconds
        window = int(moment)
        with self._lock:
            last, count, before = self._kept.pop(key, (window, 0.0, 0.0))
            if last != window:
                count, before = 0.0, count if last == window - 1 else 0.0
            fits = count + before * (1 - (moment - window)) + amount <= most
            self._kept[key] = (window, count + amount if fits else count, before)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return fits

    def __len__(self) -> int:
        return len(self._kept)


class Refused(Exception):
    """A request that goes no further; its text is for the visitor."""

    def __init__(self, status: int, words: str):
        super().__init__(words)
        self.status = status


class Guard:
    """Wraps the page's ASGI application.

    Args:
        app: The application.
        alone: Whether only this machine reaches the page: then other names for it are refused, so
            that no web page can reach it by a name of its own (DNS rebinding), and nobody is
            counted.
        closed: Whether other web pages may not use this one: always so where `alone`, and where
            visitors log in.
        space: Whether the page stands in the frame of a Hugging Face Space.
        limits: How much may come in.
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        alone: bool = True,
        closed: bool = True,
        space: bool = False,
        limits: Limits = Limits(),  # noqa: B008
    ):
        self.app = app
        self.alone, self.closed, self.space, self.limits = alone, closed, space, limits
        self._requests = Counter(limits.window_seconds, limits.visitors)
        self._uploads = Counter(limits.window_seconds, limits.visitors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        path = unquote(scope["path"])
        policy = self._policy(path)
        started = False
        # Gradio begins to answer, and says "error", before it breaks off for want of such an event.
        waits = scope["method"] == "GET" and path.startswith(_CALLS[0])
        held: list[Message] = []

        async def told(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers(policy, message)]
            held.append(message)
            if waits and (len(held) == 1 or message.get("body", b"").startswith(b"event: error")):
                return
            started = True
            while held:
                await send(held.pop(0))

        received = 0
        most = self._most_bytes(path)

        async def measured() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise _too_large(most)
            return message

        try:
            self._check(scope["method"], path, headers, scope.get("client"))
            await self.app(scope, measured, told)
        except Refused as refused:
            if started:
                raise
            held.clear()
            await _answer(told, refused)
        except Exception as error:
            # What does not fit an endpoint, Gradio does not always answer; work is done elsewhere.
            ours = isinstance(error, OSError) or not path.startswith(_CALLS)
            if held and not started and getattr(error.__cause__, "status_code", 0) == 404:
                held.clear()
                await _answer(told, Refused(404, _NO_SUCH_EVENT))
                return
            if started or ours or scope["method"] != "POST":
                raise
            log.warning("%s was called with what does not fit it: %r", path[:80], error)
            await _answer(told, Refused(422, _DOES_NOT_FIT))

    # ------------------------------------------------------------ what is let in

    def _check(
        self, method: str, path: str, headers: dict[str, str], client: Iterable[Any] | None
    ) -> None:
        """Raise `Refused` for what goes no further."""
        if self.alone and _name_of(headers.get("host", "localhost")) not in LOOPBACK:
            raise Refused(
                421,
                "This page answers to localhost only. To reach it by another name, start it with "
                "--host 0.0.0.0.",
            )
        if (self.alone or self.closed) and _is_foreign(method, headers):
            raise Refused(403, "Another web page may not use this one: open it by itself.")
        _, found, name = path.partition("/file=")
        if found and ":/" in name[:12].replace("\\", "/"):
            raise Refused(403, "Only files of this page can be had from it.")
        length = headers.get("content-length", "0")
        size = int(length) if length.isascii() and length.isdigit() else 0
        if size > self._most_bytes(path):
            raise _too_large(self._most_bytes(path))
        if not self.alone:
            if method == "POST" and _is_upload(path):
                self._check_room(size)
            self._count(method, path, size, _visitor(headers, client))

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if free - size < self.limits.least_free_bytes:
            raise Refused(
                507, "There is no room for more photos here now: try again in an hour or two."
            )

    def _count(self, method: str, path: str, size: int, visitor: str | None) -> None:
        limits = self.limits
        minutes = round(limits.window_seconds / 60)
        if method == "POST" and path.rstrip("/") in ("/login", "/operator"):
            if not self._requests.add("sign in", 1, limits.sign_ins):
                raise Refused(429, f"Too many tries to sign in: wait {minutes} minutes.")
            return
        if method != "POST" and not path.startswith(("/healthz", "/gradio_api/file=")):
            return
        if visitor is None:
            return
        if not self._requests.add("all", 1, limits.all_requests):
            raise Refused(429, "Too many visitors are here now: try again in some minutes.")
        if not self._requests.add(f"of {visitor}", 1, limits.requests):
            raise Refused(
                429, f"That is more than one visitor may ask for: wait {minutes} minutes."
            )
        if _is_upload(path) and not self._uploads.add(visitor, size, limits.upload_bytes):
            raise Refused(
                429,
                f"One visitor may send {limits.upload_bytes / 1e9:g} GB of photos in {minutes} "
                "minutes: wait a little.",
            )

    def _most_bytes(self, path: str) -> float:
        """Of one request; files of an upload have Gradio's own limit, each."""
        return self.limits.upload_bytes if _is_upload(path) else self.limits.body_bytes

    # ------------------------------------------------------------ what is sent back

    def _policy(self, path: str) -> str:
        policy = FILE_POLICY if "/file=" in path or "/file/" in path else PAGE_POLICY
        if self.space:
            for part in ("connect-src 'self'", "img-src 'self'", "frame-ancestors 'self'"):
                policy = policy.replace(part, f"{part} {SPACE_SOURCES}")
        return policy

    def _headers(self, policy: str, message: Message) -> list[tuple[bytes, bytes]]:
        there = {name.lower() for name, _ in message.get("headers", ())}
        wanted = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "permissions-policy": "geolocation=(), microphone=(), payment=(), usb=()",
            "cross-origin-opener-policy": "same-origin",
        }
        if not self.space:
            wanted["x-frame-options"] = "SAMEORIGIN"
        return [
            (name.encode(), value.encode())
            for name, value in wanted.items()
            if name.encode() not in there
        ]


_CALLS = ("/gradio_api/call/", "/gradio_api/upload", "/gradio_api/queue/", "/gradio_api/run/")
_DOES_NOT_FIT = "This does not fit the endpoint: /gradio_api/info tells its parameters."
_NO_SUCH_EVENT = "There is no such event here: send one with POST, and ask with the id it returns."
log = logging.getLogger(__name__)


def _is_upload(path: str) -> bool:
    return path.rstrip("/") == "/gradio_api/upload"


def _name_of(host: str) -> str:
    """A host without its port, as in `[::1]:7860`."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_foreign(method: str, headers: dict[str, str]) -> bool:
    """Whether another web page asks, not a person who follows a link.

    Browsers say so in Sec-Fetch-Site where the page is on https or on this machine; elsewhere
    Origin is compared with Host.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        followed = headers.get("sec-fetch-mode") == "navigate" and method in ("GET", "HEAD")
        return site in ("cross-site", "same-site") and not followed
    origin = headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc != headers.get("host", "")


def _visitor(headers: dict[str, str], client: Iterable[Any] | None) -> str | None:
    """Who asks; None for a person at this machine, who is not counted."""
    forwarded = headers.get("x-forwarded-for", "").split(",")[0].strip()[:64]
    if forwarded:
        return forwarded
    address = str(next(iter(client), "")) if client else ""
    return None if address in LOOPBACK else address


def _too_large(most: float) -> Refused:
    return Refused(413, f"This is too large: at most {most / 1e6:g} MB can be sent at once.")


async def _answer(send: Send, refused: Refused) -> None:
    """Answer as Gradio's frontend reads it: `detail` is shown to the visitor."""
    import json

    body = json.dumps({"detail": str(refused)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if refused.status == 429:
        headers.append((b"retry-after", b"60"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
