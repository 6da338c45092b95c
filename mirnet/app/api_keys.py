"""Keys for programs: each has a name, a secret and a role, given by the operator.

A program sends its key in the header X-API-Key, or as `Authorization: Bearer`. It then has the
key's role, and its requests are counted by the key's name instead of its address.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from mirnet.errors import InvalidRequest

from .proxies import Scope
from .roles import Role

MIN_KEY = 20
"""Shortest key in characters."""


@dataclass(frozen=True)
class ApiKey:
    """One key."""

    name: str
    """Name in limits and logs."""
    sha256: bytes
    """Hash of the secret."""
    role: Role
    """Role of a program with this key."""


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """Read keys such as "ci:3f2c...:runner,lab:9ab1...".

    Raises:
        InvalidRequest: An item is not NAME:KEY or NAME:KEY:ROLE, a key is short, or a name is
            given twice. The message does not repeat a key.
    """
    keys: dict[str, ApiKey] = {}
    for number, item in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
        name, _, rest = item.partition(":")
        secret, _, role = rest.partition(":")
        role = role or "viewer"
        if not re.fullmatch(r"[\w-]{1,40}", name) or role not in get_args(Role):
            raise InvalidRequest(
                f"--api-keys wants NAME:KEY or NAME:KEY:ROLE with a role of "
                f"{', '.join(get_args(Role))}: item {number} is not"
            )
        if len(secret) < MIN_KEY:
            raise InvalidRequest(
                f"--api-keys: the key of {name} has less than {MIN_KEY} characters"
            )
        if name in keys:
            raise InvalidRequest(f"--api-keys names {name} twice")
        keys[name] = ApiKey(name, _hash(secret), role)  # type: ignore[arg-type]
    return tuple(keys.values())


def key_of(headers: Mapping[str, str], keys: Sequence[ApiKey]) -> ApiKey | None:
    """The key that a request was sent with; None without one of ours.

    Args:
        headers: Headers of the request by lower-case name.
    """
    given = headers.get("x-api-key", "") or bearer_token(headers)
    if not given:
        return None
    found, digest = None, _hash(given.strip())
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def bearer_token(headers: Mapping[str, str]) -> str:
    """The token of `Authorization: Bearer`; empty without one, and with another scheme."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def logged_in(scope: Scope, key: ApiKey) -> Scope:
    """A request with a key, as Gradio sees it after a log-in on the page of `--auth`.

    Gradio lets in who sends a cookie with a token that it remembers. The token stays in this
    program: it changes with each start and is sent to nobody.

    Args:
        scope: Scope of the request, with Gradio's application as "app".

    Returns:
        The same scope where the page has no log-in; otherwise a copy with the cookie.
    """
    page = scope.get("app")
    if getattr(page, "auth", None) is None:
        return scope
    token = f"key-{hmac.new(_PROCESS, key.sha256, 'sha256').hexdigest()}"
    page.tokens[token] = f"key {key.name}"  # type: ignore[union-attr]
    cookies = [value for name, value in scope["headers"] if name == b"cookie"]
    cookies.append(f"access-token-unsecure-{page.cookie_id}={token}".encode())  # type: ignore[union-attr]
    others = [pair for pair in scope["headers"] if pair[0] != b"cookie"]
    return {**scope, "headers": [*others, (b"cookie", b"; ".join(cookies))]}


_PROCESS = secrets.token_bytes(32)
"""Secret of this program, from which the tokens of keys are made."""


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
