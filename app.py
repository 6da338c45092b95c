"""MIRNet Studio: `python app.py` opens the page; on a Hugging Face Space this is the app file.

Flags, the frame of the page and its start. The tabs live in mirnet/app/restore_tab.py.
"""

import argparse
import asyncio
import contextlib
import os
from pathlib import Path

from mirnet.app.auth import Access, parse_login, parse_operator
from mirnet.errors import InvalidRequest

# No statistics are sent, whoever starts the app and however; read once, at import.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
if "SPACE_ID" in os.environ:  # torch would count the processors of the host, not the Space's share
    os.environ.setdefault("OMP_NUM_THREADS", os.environ.get("CPU_CORES", "2").partition(".")[0])
# Gradio keeps statistics of its last events for a page of its own, and counts them after each one:
# with thousands that takes longer than most events.
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "100")

HERE = Path(__file__).parent
KEEP_HOURS = 2.0
"""How long uploads and results lie on the server."""
SWEEP_SECONDS = 600
"""How often is looked for those that are older."""
BROKEN_OFF_SECONDS = 600
"""How long what there is of an upload that broke off lies there."""
GIVEN_UP_SECONDS = 10
"""The same where the disk is full: whoever still sends writes more often."""
MAX_UPLOAD = "200mb"
"""Largest file; 24 megapixels of 16-bit TIFF have 144 MB."""
MAX_EVENTS = 500
"""Clicks and calls that wait; photos wait at a desk of their own (`mirnet.app.queue`)."""
MAX_THREADS = 250
"""Each photo that waits has a thread; few of them do anything."""
MAX_SESSIONS = 300
"""Pages whose state is kept, the last used; 0.65 MB each, of which Gradio would keep 10,000."""


def read_flags(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python app.py", description="Restore photos in the browser with MIRNet."
    )
    parser.add_argument("--host", help="address to listen on (this machine only by default)")
    parser.add_argument("--port", type=int, help="port to listen on (7860 or the next free one)")
    parser.add_argument("--share", action="store_true", help="ask for a public link")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="let in only who knows this")
    parser.add_argument(
        "--max-pixels", type=int, default=100_000_000, help="largest photo (%(default)s pixels)"
    )
    parser.add_argument(
        "--keep-hours",
        type=float,
        default=KEEP_HOURS,
        help="delete uploads and results after this (%(default)g hours)",
    )
    parser.add_argument(
        "--read-only", action="store_true", help="show stored evaluations, start none"
    )
    parser.add_argument(
        "--operator",
        metavar="USER:PASSWORD",
        default=os.environ.get("MIRNET_OPERATOR") or None,
        help="who signs in at /operator to run, delete and download where others reach the page; "
        "better given in $MIRNET_OPERATOR, which other users of this machine do not see",
    )
    parser.add_argument(
        "--allow-runs",
        action="store_true",
        default=os.environ.get("MIRNET_ALLOW_RUNS", "") in ("1", "true", "yes"),
        help="let visitors start small evaluations where others reach the page "
        "(or MIRNET_ALLOW_RUNS=1)",
    )
    flags = parser.parse_args(arguments)
    if flags.max_pixels < 1:
        parser.error("--max-pixels wants a positive number")
    if not 0 < flags.keep_hours < float("inf"):
        parser.error("--keep-hours wants a positive number of hours")
    try:
        flags.auth = flags.auth and parse_login(flags.auth)
        flags.operator = flags.operator and parse_operator(flags.operator)
    except InvalidRequest as error:
        parser.error(str(error))
    return flags


def build(max_pixels: int, service=None, keep_hours: float = KEEP_HOURS, access=None):
    """Build the page.

    Args:
        max_pixels: Most pixels accepted, in a photo and in its result.
        service: An `eval.app.run_queue.RunQueue` for the Evaluate tab; by default one that anybody
            may reach.
        keep_hours: How long uploads and results lie on the server.
        access: An `Access`, who may do what; by default all may do what the service allows.

    Returns:
        A `gradio.Blocks` with its queue, ready for `launch`.
    """
    import gradio as gr

    from eval.app.evaluate_tab import EvaluateTab
    from eval.app.review_tab import build as build_review
    from eval.app.run_queue import RunQueue
    from mirnet.app import health
    from mirnet.app.about import about as about_text
    from mirnet.app.about import self_check
    from mirnet.app.inside_tab import InsideTab
    from mirnet.app.restore_tab import RestoreTab

    service = service or RunQueue(local=False)
    access = access or Access(service.capped())

    keep_seconds = max(round(keep_hours * 3600), 1)
    with gr.Blocks(
        title="MIRNet Studio",
        delete_cache=(min(SWEEP_SECONDS, keep_seconds), keep_seconds),
        analytics_enabled=False,
    ) as page:
        gr.HTML(
            '<header class="mir-header"><h1>MIRNet Studio</h1>'
            "<p>Noise, darkness, small size, dull colours: restored at full resolution, "
            "on this machine.</p></header>"
        )
        with gr.Tabs() as tabs:
            with gr.Tab("Restore", id="restore"):
                RestoreTab(page, max_pixels, on_shared_gpu(), access)
            with gr.Tab("Evaluate", id="evaluate", elem_id="evaluate"):
                EvaluateTab(page, tabs, service, access)
            with gr.Tab("Blind review", id="review"):
                build_review(page, lambda: service.store, read_only=service.read_only)
            with gr.Tab("Look inside", id="inside") as inside:
                InsideTab(inside, max_pixels)
            with gr.Tab("About", id="about") as about:
                gr.HTML(about_text(max_pixels, keep_hours))
                found = gr.HTML(elem_id="self-check")
                about.select(
                    lambda: self_check(health.check()),
                    None,
                    found,
                    api_visibility="private",
                    show_progress="hidden",
                )
    # Where the queue could be gone around, nothing would be limited.
    return page.queue(max_size=MAX_EVENTS, default_concurrency_limit=4, api_open=False)


def on_shared_gpu():
    """On a Space with a shared GPU (ZeroGPU), the function that borrows it; None elsewhere."""
    try:
        import spaces
        from spaces.config import Config
    except ImportError:
        return None
    if not Config.zero_gpu:
        return None
    from mirnet.app.zero_gpu import gpu_seconds, place_weights, restore_apart

    place_weights("cuda")
    return spaces.GPU(restore_apart, duration=gpu_seconds)


def look() -> dict:
    """Theme, style sheet and script, as `launch` takes them."""
    import gradio as gr

    from mirnet.app.kit.assets import page_head, style_sheets

    fonts = ["Inter", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.zinc,
        radius_size=gr.themes.sizes.radius_md,
        font=fonts,
        font_mono=["ui-monospace", "Liberation Mono", "monospace"],
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_400",
        button_primary_background_fill_hover_dark="*primary_300",
        button_primary_text_color_dark="*neutral_950",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        color_accent="*primary_700",
        color_accent_soft="*primary_50",
        color_accent_soft_dark="#12302d",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        slider_color="*primary_700",
        slider_color_dark="*primary_400",
        checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_500",
        checkbox_border_color_selected="*primary_700",
    )
    sheets = [*style_sheets(), HERE / "eval/app/assets/evaluate.css"]
    return {"theme": theme, "css_paths": sheets, "head": page_head()}


def launch_options(access=None, alone: bool = True, closed: bool = False) -> dict:
    """What every start has in common, the tests' too.

    Args:
        access: Who may do what; brings the page to sign in.
        alone: Whether only this machine reaches the page.
        closed: Whether other web pages may not use this one.
    """
    from starlette.middleware import Middleware

    from mirnet.app.examples import EXAMPLES_FOLDER
    from mirnet.app.security import Guard

    guard = Middleware(Guard, alone=alone, closed=closed, space="SPACE_ID" in os.environ)
    routes = [health_route(), *(access or Access()).routes()]
    return look() | {
        "max_file_size": MAX_UPLOAD,
        "max_threads": MAX_THREADS,
        "state_session_capacity": MAX_SESSIONS,
        "run_history": False,
        "ssr_mode": False,
        # Gradio else asks for its own page, and ends the start where that takes over 3 seconds.
        "_frontend": False,
        "footer_links": ["api", "settings"],
        "allowed_paths": [str(EXAMPLES_FOLDER)],
        "app_kwargs": {
            "routes": routes,
            "middleware": [guard],
            "lifespan": sweeping,
            "exception_handlers": {OSError: disk_trouble},
        },
    }


@contextlib.asynccontextmanager
async def sweeping(server):
    """While the page is up, remove uploads that broke off, and all that lay there long enough."""
    from gradio.utils import get_upload_folder

    from mirnet.app.cleanup import sweep

    page = server.get_blocks()
    every, keep_seconds = page.delete_cache or (SWEEP_SECONDS, float("inf"))
    full = server.state.disk_full = asyncio.Event()

    async def work():
        while True:
            broken_off_seconds = BROKEN_OFF_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(full.wait(), every)
                full.clear()
                await asyncio.sleep(GIVEN_UP_SECONDS + 1)
                broken_off_seconds = GIVEN_UP_SECONDS
            folder, parts = Path(get_upload_folder()), list(page.blocks.values())
            # Pictures of the page itself lie there too.
            kept = set().union(*(getattr(part, "keep_in_cache", ()) for part in parts))
            await asyncio.to_thread(sweep, folder, broken_off_seconds, keep_seconds, kept)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()


async def disk_trouble(request, error: OSError):
    """Say what is wrong where an upload finds no room, and let go of what came of it.

    Everything else stays loud.
    """
    import errno

    from starlette.responses import PlainTextResponse

    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        raise error
    request.app.state.disk_full.set()
    words = "The disk of the machine that runs this page is full: its owner has to make room."
    return PlainTextResponse(words, 507)


def health_route():
    """The self-check for monitors: /healthz, 200 where all is well and 503 where not."""
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from mirnet.app import health

    def healthz(request):
        found = health.document(health.check(hub="hub" in request.query_params))
        return JSONResponse(found, 200 if found["ok"] else 503)

    return Route("/healthz", healthz)


def main() -> None:
    """Start the page and stay until Ctrl+C."""
    from eval.app.run_queue import RunQueue, warm_up
    from mirnet.app.cleanup import own_folder
    from mirnet.memory import keep_freed_memory, use_few_arenas

    use_few_arenas()
    keep_freed_memory()
    flags = read_flags()
    if not os.environ.get("GRADIO_TEMP_DIR"):
        os.environ["GRADIO_TEMP_DIR"] = str(own_folder())
    on_space = "SPACE_ID" in os.environ
    share = flags.share and not on_space
    alone = flags.host in (None, "localhost", "127.0.0.1", "::1") and not share and not on_space
    access = Access(
        "admin" if alone else "runner" if flags.allow_runs else "viewer", flags.operator
    )
    service = RunQueue(read_only=flags.read_only, local=alone)
    page = build(flags.max_pixels, service, flags.keep_hours, access)
    keep_results(service)
    page.launch(
        server_name=flags.host,
        server_port=flags.port,
        share=share,
        auth=flags.auth,
        prevent_thread_lock=True,
        **launch_options(access, alone, closed=flags.auth is not None),
    )
    warm_up()
    if share and not page.share_url:
        print(f"No public link could be made; the page goes on here: {page.local_url}")
    if not alone and not flags.read_only:
        print(who_may(flags.allow_runs, flags.operator is not None))
    page.block_thread()
    service.close()


def who_may(allow_runs: bool, operator: bool) -> str:
    """Say on the terminal what others may do, where others reach the page."""
    runs = "start small evaluations" if allow_runs else "not start evaluations (--allow-runs)"
    signs = "signs in at /operator" if operator else "is nobody (--operator USER:PASSWORD)"
    return f"Visitors may restore photos, look at results, vote and {runs}; the operator {signs}."


def keep_results(service) -> None:
    """Send new runs to the data set named by $MIRNET_RESULTS_REPO, where one is."""
    from eval.runs import publish as publishing
    from mirnet.errors import MIRNetError

    repo = publishing.results_repo()
    if repo is None or service.read_only:
        return
    try:
        publishing.scheduler(service.store, repo)
    except MIRNetError as error:
        print(f"Runs stay on this machine: {error}")


if __name__ == "__main__":
    main()
