"""Who may do what: visitors restore, look and vote; the operator may do everything.

On one's own machine, where nobody else reaches the page, everybody is the operator. Elsewhere the
operator signs in at /operator with the name and password of `--operator` or $MIRNET_OPERATOR.
"""

import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any, Literal, get_args
from urllib.parse import parse_qs

from mirnet.errors import InvalidRequest

Role = Literal["viewer", "runner", "admin"]
"""What somebody may do, each role all of the one before. "viewer": restore, see stored runs, vote.
"runner": start, stop, resume and verify evaluations within limits. "admin": also without these
limits, delete runs, name folders of this machine, download weights."""
SETTING = "MIRNET_OPERATOR"
"""Environment variable with the operator's NAME:PASSWORD."""
COOKIE = "mirnet-operator"
MIN_PASSWORD = 12
"""Characters of an operator's password."""
SIGNED_IN_SECONDS = 12 * 3600.0
"""How long a sign-in lasts."""
MAX_SIGNED_IN = 100
"""Sign-ins that are remembered, the newest."""
MAX_FORM_BYTES = 4096
"""Largest form that is read."""


def parse_login(text: str, of: str = "--auth") -> tuple[str, str]:
    """Split NAME:PASSWORD.

    Raises:
        InvalidRequest: One of the two is missing.
    """
    name, _, password = text.partition(":")
    if not (name and password):
        raise InvalidRequest(f"{of} wants USER:PASSWORD, such as {of} anna:secret")
    return name, password


def parse_operator(text: str, of: str = "--operator") -> tuple[str, str]:
    """Split the operator's NAME:PASSWORD; the password must not be quick to guess.

    Raises:
        InvalidRequest: One of the two is missing, or the password is short.
    """
    name, password = parse_login(text, of)
    if len(password) < MIN_PASSWORD:
        raise InvalidRequest(f"{of} wants a password of at least {MIN_PASSWORD} characters")
    return name, password


def lowest(*roles: Role) -> Role:
    """The lowest of some roles.

    >>> lowest("admin", "viewer")
    'look'
    """
    return min(roles, key=get_args(Role).index)


def allows(role: Role, wanted: Role) -> bool:
    """Whether a role is enough.

    >>> allows("runner", "admin"), allows("admin", "runner")
    (False, True)
    """
    return get_args(Role).index(role) >= get_args(Role).index(wanted)


class Access:
    """Tells what the sender of a request may do.

    Args:
        everyone: What all may do.
        operator: Name and password of the operator; None: nobody can sign in.
    """

    def __init__(self, everyone: Role = "viewer", operator: tuple[str, str] | None = None):
        self.everyone = everyone
        self.operator = operator
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def role(self, request: Any) -> Role:
        """What the sender of a request may do.

        Args:
            request: Anything with `cookies` by name, such as a `gradio.Request`; None for nobody in
                particular.
        """
        cookies = getattr(request, "cookies", None)
        if cookies is None:
            return self.everyone
        if not isinstance(cookies, Mapping):
            cookies = dict(cookies)
        return "admin" if self._is_signed_in(cookies.get(COOKIE)) else self.everyone

    def sign_in(self, name: str, password: str) -> str | None:
        """Check name and password; give the cookie's value where they are right."""
        if self.operator is None:
            return None
        given, right = (f"{n}:{p}".encode() for n, p in ((name, password), self.operator))
        if not hmac.compare_digest(given, right):
            return None
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._until[token] = time.monotonic() + SIGNED_IN_SECONDS
            while len(self._until) > MAX_SIGNED_IN:
                self._until.pop(next(iter(self._until)))
        return token

    def sign_out(self, token: str | None) -> None:
        """Forget a sign-in."""
        with self._lock:
            self._until.pop(token or "", None)

    def _is_signed_in(self, token: str | None) -> bool:
        if not token:
            return False
        with self._lock:
            return self._until.get(token, 0.0) > time.monotonic()

    # ------------------------------------------------------------ the page to sign in

    def routes(self) -> list[Any]:
        """The page /operator, for Starlette."""
        from starlette.responses import HTMLResponse, RedirectResponse
        from starlette.routing import Route

        async def page(request: Any) -> Any:
            if request.method != "POST":
                return HTMLResponse(self._form(allows(self.role(request), "admin")))
            form = parse_qs((await _body(request)).decode("utf-8", "replace"))
            if "out" in form:
                self.sign_out(request.cookies.get(COOKIE))
                answer = RedirectResponse("./", 303)
                answer.delete_cookie(COOKIE)
                return answer
            name, password = (form.get(field, [""])[0] for field in ("name", "password"))
            token = self.sign_in(name, password)
            if token is None:
                return HTMLResponse(self._form(False, "Name or password is wrong."), 403)
            answer = RedirectResponse("./?tab=evaluate", 303)
            answer.set_cookie(
                COOKIE,
                token,
                max_age=int(SIGNED_IN_SECONDS),
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https"
                or request.headers.get("x-forwarded-proto") == "https",
            )
            return answer

        return [Route("/operator", page, methods=["GET", "POST"])]

    def _form(self, signed_in: bool, wrong: str = "") -> str:
        if self.operator is None:
            inner = (
                "<p>Nobody can sign in here: start the program with --operator NAME:PASSWORD, or "
                f"with {SETTING} in its environment.</p>"
            )
        elif signed_in:
            inner = (
                '<p>You are signed in. <a href="./?tab=evaluate">Go to the page</a></p>'
                '<form method="post"><button name="out" value="1">Sign out</button></form>'
            )
        else:
            inner = (
                '<form method="post">'
                '<label>Name <input name="name" autocomplete="username" required autofocus></label>'
                '<label>Password <input name="password" type="password" required '
                'autocomplete="current-password"></label><button>Sign in</button></form>'
            )
        said = f'<p role="alert" class="wrong">{wrong}</p>' if wrong else ""
        return _PAGE.format(said=said, inner=inner)


async def _body(request: Any) -> bytes:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MAX_FORM_BYTES:
            return b""
    return content


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Operator · MIRNet Studio</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 Inter, "Segoe UI", Roboto, sans-serif; max-width: 26rem; margin: 12vh auto;
  padding: 0 1rem; }}
h1 {{ font-size: 1.35rem; }}
label {{ display: block; margin: 12px 0; }}
input {{ display: block; width: 100%; box-sizing: border-box; padding: 9px 10px; font: inherit;
  border: 1px solid #8a8f98; border-radius: 8px; background: transparent; color: inherit; }}
button {{ padding: 10px 18px; font: inherit; font-weight: 600; border: 0; border-radius: 8px;
  background: #0f766e; color: #fff; cursor: pointer; }}
.wrong {{ color: #c2410c; font-weight: 600; }}
a {{ color: #0f766e; }}
@media (prefers-color-scheme: dark) {{
  a {{ color: #5eead4; }} .wrong {{ color: #fdba74; }}
}}
</style></head><body><main><h1>Operator</h1>
<p>Visitors restore photos, look at results and vote. The operator also runs evaluations, deletes
runs and downloads weights.</p>{said}{inner}</main></body></html>"""
