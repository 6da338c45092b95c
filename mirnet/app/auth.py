"""Roles: viewers restore, look and vote; runners start evaluations; admins may do everything.

On one's own machine, where nobody else reaches the page, everybody is an admin. Elsewhere the
operator becomes one by signing in at /operator with the name and password of `--operator` or
$MIRNET_OPERATOR.
"""

import hmac
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from cachetools import TTLCache

from mirnet.errors import InvalidRequest

from .api_keys import ApiKey, key_of
from .hub_login import is_owner
from .proxies import comes_from_another_page
from .roles import Role as Role
from .roles import allows as allows
from .templates import render

SETTING = "MIRNET_OPERATOR"
"""Environment variable with the operator's NAME:PASSWORD."""
COOKIE = "mirnet-operator"
"""Cookie that holds a sign-in's token."""
VISITOR_COOKIE = "mirnet-visitor"
"""Cookie with a secret token that identifies a browser's runs after a reload."""
VISITOR_SECONDS = 30 * 24 * 3600
"""Lifetime of a visitor's cookie in seconds."""
MIN_PASSWORD = 12
"""Shortest password of an operator, in characters."""
SIGNED_IN_SECONDS = 12 * 3600
"""Lifetime of a sign-in in seconds."""
MAX_SIGNED_IN = 100
"""Most sign-ins that are remembered."""
MAX_FORM_BYTES = 4096
"""Largest sign-in form that is read, in bytes."""


def parse_login(text: str, flag: str = "--auth") -> tuple[str, str]:
    """Split NAME:PASSWORD.

    Args:
        text: The setting's value, "NAME:PASSWORD".
        flag: Name of the setting, used in the error message.

    Raises:
        InvalidRequest: One of the two is missing.
    """
    name, _, password = text.partition(":")
    if not (name and password):
        raise InvalidRequest(f"{flag} wants USER:PASSWORD, such as {flag} anna:secret")
    return name, password


def parse_operator(text: str) -> tuple[str, str]:
    """Split the operator's NAME:PASSWORD; the password must not be quick to guess.

    Raises:
        InvalidRequest: One of the two is missing, or the password is short.
    """
    name, password = parse_login(text, "--operator")
    if len(password) < MIN_PASSWORD:
        raise InvalidRequest(f"--operator wants a password of at least {MIN_PASSWORD} characters")
    return name, password


def visitor_of(request: Any) -> str:
    """Id of the visitor who sent a request: a browser's token, or a program's session.

    Args:
        request: Anything with `cookies` by name or a `session_hash`, such as a `gradio.Request`.

    Returns:
        An unguessable id; a new one for a request with neither token nor session.
    """
    token = str(dict(getattr(request, "cookies", None) or {}).get(VISITOR_COOKIE, ""))
    if re.fullmatch(r"[\w-]{22}", token):
        return token
    return str(getattr(request, "session_hash", "") or secrets.token_urlsafe(16))


def visitor_cookie(secure: bool, embedded: bool) -> str:
    """A Set-Cookie header with a new token for a browser.

    Args:
        secure: Whether the page came over TLS.
    """
    where = "SameSite=None; Secure; Partitioned" if embedded else "SameSite=Lax"
    if secure and not embedded:
        where += "; Secure"
    token = secrets.token_urlsafe(16)
    return f"{VISITOR_COOKIE}={token}; Path=/; Max-Age={VISITOR_SECONDS}; HttpOnly; {where}"


class Access:
    """Tells the role of the sender of a request.

    Sign-ins are tokens that the server remembers, so that signing out ends them; a signed session
    cookie could not be taken back.

    Args:
        everyone: Role of all visitors.
        operator: Name and password of the operator; None if nobody can sign in.
        embedded: Whether the page stands in the frame of another site, as on a Hugging Face Space:
            the cookie then belongs to this page in that frame (SameSite=None; Partitioned).
        keys: Keys of programs, which give the roles that they name.
        hub_owner: Owner of this Space, who operates it after signing in with the Hub; None where
            that is not possible.
    """

    def __init__(
        self,
        everyone: Role = "viewer",
        operator: tuple[str, str] | None = None,
        embedded: bool = False,
        keys: Sequence[ApiKey] = (),
        hub_owner: str | None = None,
    ):
        self.everyone = everyone
        self.hub_owner = hub_owner
        self.keys = tuple(keys)
        self.operator = operator
        self.embedded = embedded
        self._tokens: TTLCache[str, bool] = TTLCache(MAX_SIGNED_IN, SIGNED_IN_SECONDS)
        self._lock = threading.Lock()

    def role(self, request: Any) -> Role:
        """Role of the sender of a request.

        Args:
            request: Anything with `cookies` by name, such as a `gradio.Request`; None for a
                visitor without a session.
        """
        headers = getattr(request, "headers", None) or {}
        key = key_of(headers, self.keys)
        if key is not None:
            return key.role if allows(key.role, self.everyone) else self.everyone
        cookies = getattr(request, "cookies", None)
        if cookies is None:
            return self.everyone
        if not isinstance(cookies, Mapping):
            cookies = dict(cookies)
        if _is_of_another_page(headers):
            return self.everyone  # it was sent with this visitor's cookie
        signed_in = self._is_signed_in(cookies.get(COOKIE)) or is_owner(request, self.hub_owner)
        return "admin" if signed_in else self.everyone

    def sign_in(self, name: str, password: str) -> str | None:
        """Check name and password; return the cookie's value, or None if they are wrong."""
        if self.operator is None:
            return None
        given, right = (f"{n}:{p}".encode() for n, p in ((name, password), self.operator))
        if not hmac.compare_digest(given, right):
            return None
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = True
        return token

    def sign_out(self, token: str | None) -> None:
        """End the sign-in with this token."""
        with self._lock:
            self._tokens.pop(token or "", None)

    def _is_signed_in(self, token: str | None) -> bool:
        with self._lock:
            return bool(token) and token in self._tokens

    # ------------------------------------------------------------ the page to sign in

    def routes(self) -> list[Any]:
        """Starlette routes of the sign-in page /operator."""
        from starlette.responses import HTMLResponse, RedirectResponse
        from starlette.routing import Route

        async def page(request: Any) -> Any:
            if request.method != "POST":
                return HTMLResponse(self.form(allows(self.role(request), "admin")))
            form = parse_qs((await read_form(request)).decode("utf-8", "replace"))
            if "out" in form:
                self.sign_out(request.cookies.get(COOKIE))
                answer = RedirectResponse("./", 303)
                answer.delete_cookie(COOKIE)
                return answer
            name, password = (form.get(field, [""])[0] for field in ("name", "password"))
            token = self.sign_in(name, password)
            if token is None:
                return HTMLResponse(self.form(False, "Name or password is wrong."), 403)
            answer = RedirectResponse("./?tab=evaluate", 303)
            answer.set_cookie(
                COOKIE,
                token,
                max_age=SIGNED_IN_SECONDS,
                httponly=True,
                samesite="none" if self.embedded else "strict",
                secure=self.embedded or request.url.scheme == "https",
            )
            if self.embedded:  # Starlette's argument for "Partitioned" needs Python 3.14
                header, content = answer.raw_headers.pop()
                answer.raw_headers.append((header, content + b"; Partitioned"))
            return answer

        return [Route("/operator", page, methods=["GET", "POST"])]

    def form(self, signed_in: bool, wrong: str = "") -> str:
        """HTML of the sign-in page /operator.

        Args:
            signed_in: Whether the visitor is an admin.
            wrong: Error message of the last attempt; empty if there is none.
        """
        return render(
            "operator",
            open=self.operator is not None,
            hub_owner=self.hub_owner,
            signed_in=signed_in,
            wrong=wrong,
            variable=SETTING,
        )


def _is_of_another_page(headers: Mapping[str, str]) -> bool:
    """Whether another web page sent a request.

    Browsers say so where the page has TLS. Without it a page of another port of the same host is
    told by its Origin alone: cookies do not tell ports apart.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("cross-site", "same-site")
    # Headers that no trusted proxy sent have been removed.
    forwarded = any(headers.get(f"x-forwarded-{name}") for name in ("for", "host", "proto"))
    return comes_from_another_page(headers, forwarded)


async def read_form(request: Any) -> bytes:
    """Body of a small form; empty if it has more than `MAX_FORM_BYTES`."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MAX_FORM_BYTES:
            return b""
    return content
