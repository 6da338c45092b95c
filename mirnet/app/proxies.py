"""Forwarded headers: believed from trusted proxies, removed from everybody else's requests.

A proxy states in headers the visitor's address, the requested host and whether TLS was used.
Anybody can send such headers, so they count only on connections from a proxy that the operator
named.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from mirnet.errors import InvalidRequest

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LOOPBACK = ("127.0.0.0/8", "::1/128")
"""Addresses of this machine, where the tunnel of a share link ends."""
PRIVATE = (*LOOPBACK, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Private networks, from which the proxies of a Space connect."""
PREFIXES = (b"x-forwarded-", b"forwarded", b"x-real-ip")
"""Prefixes of the headers that describe a forwarded connection, in lower case."""
FORWARDED = "mirnet.forwarded"
"""Key of a request's scope: "trusted" or "unknown" for a forwarded one; absent for a direct one."""


def parse_proxies(text: str) -> tuple[str, ...]:
    """Split a list of addresses and networks, such as "127.0.0.1, 10.0.0.0/8".

    Raises:
        InvalidRequest: An item is neither an address nor a network.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        try:
            ip_network(name, strict=False)
        except ValueError as error:
            raise InvalidRequest(
                f"--proxy wants addresses or networks, such as 127.0.0.1,10.0.0.0/8: {name[:60]!r} "
                "is neither"
            ) from error
    return names


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, or None for another text.

    A server or proxy that listens on "::" may write IPv4 addresses as IPv6 ones.

    >>> parse_address("::ffff:192.0.2.1"), parse_address("unix:")
    (IPv4Address('192.0.2.1'), None)
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def comes_from_another_page(headers: Mapping[str, str], forwarded: bool) -> bool:
    """Whether the Origin of a request is another page than the one it is sent to.

    Args:
        headers: Headers by lower-case name.
        forwarded: Whether a trusted proxy passed the request on. The page's name is then that of
            X-Forwarded-Host; a proxy that replaces Host and does not say it leaves it unknown.
    """
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is None:
        return False
    name = headers.get("x-forwarded-host", "").split(",")[0].strip() if forwarded else host
    if not name:
        return False
    try:
        return urlsplit(origin).netloc not in (name, host)
    except ValueError:  # no address
        return True


class ForwardedHeaders:
    """ASGI middleware that makes a request's `client` and `scheme` true.

    Args:
        app: The application.
        proxies: Addresses and networks of trusted proxies.
    """

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], proxies: Sequence[str] = ()
    ):
        self.app = app
        self._networks = [ip_network(name, strict=False) for name in proxies]
        # uvicorn passes over networks that are written with a host, such as 10.0.0.7/8.
        names = [str(network) for network in self._networks]
        self._believing = ProxyHeadersMiddleware(app, names)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Correct or remove the forwarded headers, and pass the request on."""
        kept = [pair for pair in scope.get("headers", ()) if not pair[0].startswith(PREFIXES)]
        if len(kept) == len(scope.get("headers", ())):
            await self.app(scope, receive, send)
        elif (proxy := self._trusted(scope.get("client"))) is not None:
            forwarded = {**scope, "client": proxy, "headers": _unmapped(scope["headers"])}
            await self._believing({**forwarded, FORWARDED: "trusted"}, receive, send)  # type: ignore[arg-type]
        else:
            await self.app({**scope, "headers": kept, FORWARDED: "unknown"}, receive, send)

    def _trusted(self, client: Sequence[Any] | None) -> tuple[str, int] | None:
        """Address and port of a trusted proxy; None for anybody else."""
        address = parse_address(client[0]) if client else None
        if client is None or not any(address in network for network in self._networks if address):
            return None
        return str(address), client[1]


def _unmapped(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers in which IPv4 addresses of X-Forwarded-For are written as such."""
    return [
        (name, _MAPPED.sub(b"", value) if name == b"x-forwarded-for" else value)
        for name, value in headers
    ]


_MAPPED = re.compile(rb"(?i)(?<![\w:.])::ffff:(?=\d+\.)")
"""Beginning of an IPv4 address that is written as an IPv6 one."""
