"""Forwarded headers: believed from trusted proxies, removed from everybody else's requests.

A proxy states in headers the visitor's address, the requested host and whether TLS was used.
Anybody can send such headers, so they count only on connections from a proxy that the operator
named.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

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
        self._believing = ProxyHeadersMiddleware(app, list(proxies))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Correct or remove the forwarded headers, and pass the request on."""
        kept = [pair for pair in scope.get("headers", ()) if not pair[0].startswith(PREFIXES)]
        if len(kept) == len(scope.get("headers", ())):
            await self.app(scope, receive, send)
        elif self._trusts(scope.get("client")):
            scope[FORWARDED] = "trusted"
            await self._believing(scope, receive, send)  # type: ignore[arg-type]
        else:
            await self.app({**scope, "headers": kept, FORWARDED: "unknown"}, receive, send)

    def _trusts(self, client: Sequence[Any] | None) -> bool:
        try:
            address = ip_address(client[0] if client else "")
        except ValueError:
            return False
        return any(address in network for network in self._networks)
