"""How long the page takes to come: the command line, the server's first answer, the first page.

Each is a process of its own, started anew each time, so imports count. The server is asked every
tenth of a second. Processor seconds are those of a process and its children.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.support.paths import ROOT
from tests.support.running import CHROMIUM, PATIENCE_MS, app_process, running_chromium


@dataclass
class Startup:
    """Times of one step, one for each start."""

    what: str
    """The step."""
    seconds: list[float]
    """Wall time."""
    processor_seconds: list[float]
    """Processor time of the step's processes."""

    def medians(self) -> tuple[float, float]:
        """Median wall time and median processor time."""
        return statistics.median(self.seconds), statistics.median(self.processor_seconds)


def startup_times(times: int = 5) -> list[Startup]:
    """Start everything so many times.

    Returns:
        The steps in their order; that of the browser only where chromium is installed.
    """
    found: dict[str, Startup] = {}
    for _ in range(times):
        for what, seconds, processor in _one_start():
            one = found.setdefault(what, Startup(what, [], []))
            one.seconds.append(seconds)
            one.processor_seconds.append(processor)
    return list(found.values())


def _one_start() -> Iterator[tuple[str, float, float]]:
    began, used = time.perf_counter(), _ended_children()
    command = [sys.executable, "app.py", "--help"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    yield "python app.py --help", time.perf_counter() - began, _ended_children() - used
    with tempfile.TemporaryDirectory(prefix="mirnet-bench-") as state:
        began = time.perf_counter()
        with app_process({"MIRNET_STATE_DIR": state}) as app:
            seconds = time.perf_counter() - began
            yield "python app.py to its first answer", seconds, _processor(app.process.pid)
            if CHROMIUM is not None:
                with _browser_page() as page:
                    others = _children()
                    began = time.perf_counter()
                    page.goto(app.url)
                    page.wait_for_selector("#task label.selected")
                    seconds = time.perf_counter() - began
                    yield "first page in a browser that runs", seconds, _children() - others


@contextmanager
def _browser_page():
    with running_chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page


def _ended_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _children() -> float:
    """Processor seconds of all running children of this process: the app and the browser."""
    return sum(_processor(child.pid) for child in psutil.Process().children())


def _processor(pid: int) -> float:
    process = psutil.Process(pid)
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
