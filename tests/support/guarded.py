"""A page behind its guard, asked without a network."""

import asyncio
from types import SimpleNamespace

from mirnet.app.security import Guard

PASSWORD = "correct horse battery"


async def page(scope, receive, send):
    """An application that reads all it is sent."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"page"})


def ask(
    guarded: Guard,
    path: str = "/",
    method: str = "GET",
    body: tuple[bytes, ...] = (b"",),
    client: str = "203.0.113.7",
    **headers: str,
) -> SimpleNamespace:
    """One request, as a server hands it over."""
    sent: list = []
    parts = list(body)
    named = {"host": "localhost:7860"} | {k.replace("_", "-"): v for k, v in headers.items()}

    async def receive():
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "client": (client, 1),
        "headers": [(k.encode(), v.encode()) for k, v in named.items()],
    }  # fmt: skip
    asyncio.run(guarded(scope, receive, send))
    start, content = sent
    return SimpleNamespace(
        status=start["status"],
        headers={k.decode(): v.decode() for k, v in start["headers"]},
        text=content["body"].decode(),
    )
