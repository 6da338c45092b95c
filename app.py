"""MIRNet Studio: `python app.py` opens the page; on a Hugging Face Space this is the app file.

Settings, build, launch. The tabs lie in `mirnet.app` and `eval.app`.
"""

import os
import signal

# No statistics are sent, whoever starts the app and however; read once, at import.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
if "SPACE_ID" in os.environ:  # torch would count the processors of the host, not the Space's share
    os.environ.setdefault("OMP_NUM_THREADS", os.environ.get("CPU_CORES", "2").partition(".")[0])
# The server would believe forwarded headers of everybody on this machine; see mirnet.app.proxies.
os.environ["FORWARDED_ALLOW_IPS"] = ""
# Gradio keeps statistics of its last events for a page of its own, and counts them after each one:
# with thousands that takes longer than most events.
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "100")


def build(max_pixels: int, service=None, keep_hours: float | None = None, access=None, limits=None):
    """Build the page.

    Args:
        max_pixels: Most pixels accepted, in a photo and in its result.
        service: An `eval.app.run_queue.RunQueue` for the Evaluate tab; by default one for a
            page that others can reach.
        keep_hours: Age in hours at which uploads and results are deleted; None for `KEEP_HOURS`.
        access: An `Access` with the roles of visitors; by default everybody may do what the
            service allows.
        limits: `PhotoLimits` by task and weights; by default none.

    Returns:
        A `gradio.Blocks` with its queue, ready for `launch`.
    """
    from eval.app.evaluate_tab import EvaluateTab
    from eval.app.methods_tab import MethodsTab
    from eval.app.review_tab import ReviewTab
    from eval.app.run_queue import RunQueue
    from mirnet.app.auth import Access
    from mirnet.app.inside_tab import InsideTab
    from mirnet.app.monitor import MONITOR
    from mirnet.app.page import Tab, about_tab, build_page
    from mirnet.app.photo_limits import PhotoLimits
    from mirnet.app.photo_reader import PhotoReader
    from mirnet.app.restore_tab import RestoreTab
    from mirnet.app.settings import KEEP_HOURS
    from mirnet.app.zero_gpu import on_shared_gpu

    service = service or RunQueue(local=False)
    keep_hours = KEEP_HOURS if keep_hours is None else keep_hours
    access = access or Access(service.policy.capped())
    MONITOR.add_source(service.jobs)
    reader = PhotoReader(max_pixels)
    tabs = [
        Tab(
            "restore",
            "Restore",
            lambda page, row, tab: RestoreTab(
                page, reader, on_shared_gpu(), access, limits or PhotoLimits()
            ),
        ),
        Tab(
            "methods",
            "Compare methods",
            lambda page, row, tab: MethodsTab(page, tab, reader, access),
        ),
        Tab(
            "evaluate",
            "Evaluate",
            lambda page, row, tab: EvaluateTab(page, row, service, access),
            "evaluate",
        ),
        Tab(
            "review",
            "Blind review",
            lambda page, row, tab: ReviewTab(
                page, lambda: service.store, tab, read_only=service.policy.read_only
            ),
        ),
        Tab("inside", "Look inside", lambda page, row, tab: InsideTab(tab, reader)),
        about_tab(max_pixels, keep_hours),
    ]
    return build_page(tabs, keep_hours)


def launch_options(access=None, alone: bool = True, closed: bool = False, proxies=()) -> dict:
    """Arguments of `launch` for every start; see `mirnet.app.serving.launch_options`."""
    from eval.app.page_files import style_sheets
    from mirnet.app import serving

    return serving.launch_options(access, alone, closed, style_sheets(), proxies)


def main() -> None:
    """Start the page and stay until Ctrl+C."""
    from mirnet.app.settings import read_settings

    settings = read_settings()

    from eval.app.run_queue import RunQueue, warm_up
    from mirnet.app import journal
    from mirnet.app.auth import Access
    from mirnet.app.cleanup import own_folder
    from mirnet.app.hub_login import space_owner
    from mirnet.memory import keep_freed_memory, use_few_arenas

    use_few_arenas()
    keep_freed_memory()
    if not os.environ.get("GRADIO_TEMP_DIR"):
        os.environ["GRADIO_TEMP_DIR"] = str(own_folder())
    access = Access(
        settings.everyone,
        settings.operator_login,
        settings.on_space,
        settings.keys,
        space_owner(),
    )
    if settings.journal:
        journal.write_to()
    own = settings.everyone == "admin"
    service = RunQueue(read_only=settings.read_only, local=own, cache_gb=settings.output_cache_gb)
    page = build(settings.max_pixels, service, settings.keep_hours, access, settings.photo_limits)
    results = keep_results(service)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the page as Ctrl+C does
    page.launch(
        server_name=settings.server_name,
        server_port=settings.port,
        share=settings.public_link,
        auth=settings.login,
        prevent_thread_lock=True,
        **launch_options(access, settings.alone, settings.auth is not None, settings.proxies),
    )
    warm_up(service)
    if settings.public_link and not page.share_url:
        print(f"No public link could be made; the page goes on here: {page.local_url}")
    if not own and not settings.read_only:
        print(settings.permissions())
    page.block_thread()
    service.close()
    if results is not None:
        results.close()


def keep_results(service):
    """Keep runs and votes in the data set named by $MIRNET_RESULTS_REPO, and read them back now.

    Args:
        service: The `RunQueue` whose store is kept.

    Returns:
        The `ResultsRepo` at work; None if no data set is named, or nothing may be written.
    """
    from eval.runs.publish import results_repo
    from eval.runs.results_repo import ResultsRepo
    from eval.runs.store import where_results_are_kept
    from mirnet.app import health

    repo = results_repo()
    if repo is None or service.policy.read_only:
        on_space = "SPACE_ID" in os.environ
        health.add_check("results", lambda: (True, where_results_are_kept(on_space)))
        return None
    results = ResultsRepo(service.store, repo)
    health.add_check("results", lambda: (results.kept.state != "failing", results.kept.words()))
    results.start()
    return results


if __name__ == "__main__":
    main()
