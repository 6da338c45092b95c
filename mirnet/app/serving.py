"""Serving of the page: limits, routes, disk errors, removal of old files."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from . import health
from .auth import Access
from .cleanup import Sweeper
from .examples import EXAMPLES_FOLDER
from .gradio_routes import ServedRoutes
from .journal import RequestJournal
from .monitor import MONITOR
from .operator_page import operator_routes
from .page import SWEEP_SECONDS, appearance
from .proxies import ForwardedHeaders
from .result_cache import drop_expired
from .security import DOES_NOT_FIT, Guard

INTERRUPTED_SECONDS = 600
"""Age in seconds at which an interrupted upload is deleted."""
INTERRUPTED_SECONDS_FULL = 10
"""Age in seconds of an interrupted upload on a full disk; active uploads write more often."""
MAX_UPLOAD = "200mb"
"""Largest uploaded file; a 16-bit TIFF of 24 megapixels takes 144 MB."""
MAX_THREADS = 250
"""Threads for events: each waiting photo occupies one, and few of them compute."""
MAX_SESSIONS = 300
"""Most recent pages whose state is kept, 0.65 MB each; Gradio's default is 10,000."""


def launch_options(
    access: Access | None = None,
    alone: bool = True,
    closed: bool = False,
    more_sheets: Sequence[Path] = (),
    proxies: Sequence[str] = (),
) -> dict[str, Any]:
    """Arguments of `gradio.Blocks.launch` that all starts share, those of the tests too.

    Args:
        access: Roles of visitors; also adds the sign-in page.
        alone: Whether only this machine reaches the page.
        closed: Whether requests from other web pages are refused.
        more_sheets: Style sheets in addition to those of `mirnet.app`.
        proxies: Addresses and networks of trusted proxies.
    """
    space = "SPACE_ID" in os.environ
    access = access or Access()
    middleware = [
        Middleware(RequestJournal, answered=MONITOR.answered, failed=MONITOR.failed),
        Middleware(ForwardedHeaders, proxies=proxies),
        Middleware(
            Guard,
            alone=alone,
            closed=closed,
            space=space,
            proxied=bool(proxies),
            keys=access.keys,
        ),
        Middleware(ServedRoutes),
    ]
    routes = [Route("/healthz", healthz), *access.routes(), *operator_routes(access)]
    return appearance(more_sheets) | {
        "max_file_size": MAX_UPLOAD,
        "max_threads": MAX_THREADS,
        "state_session_capacity": MAX_SESSIONS,
        "run_history": False,
        # Otherwise every visitor reads how often each function failed.
        "enable_monitoring": False,
        "ssr_mode": False,
        # Otherwise Gradio requests its own page and aborts the start if that takes over 3 seconds.
        "_frontend": False,
        "footer_links": ["api", "settings"],
        "allowed_paths": [str(EXAMPLES_FOLDER)],
        "app_kwargs": {
            "routes": routes,
            "middleware": middleware,
            "lifespan": sweeping,
            "exception_handlers": {OSError: disk_trouble, RequestValidationError: does_not_fit},
        },
    }


def healthz(request: Request) -> JSONResponse:
    """Self-check for monitors: status 200 if all checks pass, else 503."""
    found = health.document(health.check(hub="hub" in request.query_params))
    return JSONResponse(found, 200 if found["ok"] else 503)


@contextlib.asynccontextmanager
async def sweeping(server: Any) -> AsyncIterator[None]:
    """Remove interrupted uploads, and expired files and results, while the page is served."""
    from gradio.utils import get_upload_folder

    page = server.get_blocks()
    every, keep_seconds = page.delete_cache or (SWEEP_SECONDS, float("inf"))
    full = server.state.disk_full = asyncio.Event()
    sweeper = Sweeper(Path(get_upload_folder()))

    async def work() -> None:
        while True:
            interrupted_seconds = INTERRUPTED_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(full.wait(), every)
                full.clear()
                await asyncio.sleep(INTERRUPTED_SECONDS_FULL + 1)
                interrupted_seconds = INTERRUPTED_SECONDS_FULL
            parts = list(page.blocks.values())
            # The folder also holds pictures of the page itself.
            kept = set().union(*(getattr(part, "keep_in_cache", ()) for part in parts))
            await asyncio.to_thread(sweeper.sweep, interrupted_seconds, keep_seconds, kept)
            drop_expired(keep_seconds)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()


async def does_not_fit(request: Request, error: RequestValidationError) -> JSONResponse:
    """Answer a body of the wrong form.

    FastAPI repeats what was sent, and fails where that is no JSON, such as NaN.
    """
    return JSONResponse({"detail": DOES_NOT_FIT}, 422)


async def disk_trouble(request: Request, error: OSError) -> PlainTextResponse:
    """Answer an upload that failed on a full disk with a message, and delete what was written.

    A path that is too long for a file is the sender's mistake.

    Raises:
        OSError: Any other error.
    """
    if error.errno == errno.ENAMETOOLONG:
        return PlainTextResponse("Not Found", 404)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        raise error
    request.app.state.disk_full.set()
    words = "The disk of the machine that runs this page is full: its owner has to make room."
    return PlainTextResponse(words, 507)
