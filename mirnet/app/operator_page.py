"""Pages for the operator: jobs, disk and errors at /operator/jobs, numbers at /metrics."""

import os
from typing import Any
from urllib.parse import parse_qs

from . import health
from .auth import Access, read_form
from .monitor import CONTENT_TYPE, MONITOR, Monitor
from .roles import allows
from .templates import render


def operator_routes(access: Access, monitor: Monitor = MONITOR) -> list[Any]:
    """Starlette routes of the operator's pages; everybody else is sent to sign in, or refused.

    Args:
        monitor: What is shown.
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.routing import Route

    async def jobs(request: Any) -> Response:
        if not allows(access.role(request), "admin"):
            return RedirectResponse("../operator", 303)
        if request.method != "POST":
            return HTMLResponse(await run_in_threadpool(overview, monitor))
        form = parse_qs((await read_form(request)).decode("utf-8", "replace"))
        monitor.stop(form.get("stop", [""])[0])
        return RedirectResponse("./jobs", 303)

    async def metrics(request: Any) -> Response:
        if not allows(access.role(request), "admin"):
            words = (
                "These numbers are the operator's: sign in at /operator, or send a key of theirs."
            )
            return PlainTextResponse(words, 403)
        numbers = await run_in_threadpool(monitor.numbers)
        return Response(numbers, media_type=CONTENT_TYPE)

    return [
        Route("/operator/jobs", jobs, methods=["GET", "POST"]),
        Route("/metrics", metrics),
    ]


def overview(monitor: Monitor) -> str:
    """HTML of the page with jobs, checks and errors."""
    jobs = sorted(monitor.jobs(), key=lambda job: (job.state != "running", -job.seconds))
    return render(
        "operator_jobs",
        running=[job for job in jobs if job.state == "running"],
        waiting=[job for job in jobs if job.state != "running"],
        findings=health.check(hub=False),
        errors=monitor.errors(),
        process=os.getpid(),
    )
