"""Seconds until a browser paints something of the page, while two processes keep the machine busy.

Times are those of the browser: `performance.getEntriesByType("paint")`, in milliseconds from the
start of the navigation. Each visit has a window of its own, with an empty cache.
"""

import contextlib
import multiprocessing
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

from mirnet.errors import InvalidRequest
from tests.support.running import CHROMIUM, PATIENCE_MS, running_app, running_chromium

BUSY = 2
"""Processes that compute without end beside the page."""
TARGET_SECONDS = 2.0
"""Most seconds until the first contentful paint."""
PAINTS = """() => {
  const found = Object.fromEntries(
    performance.getEntriesByType("paint").map((one) => [one.name, one.startTime]));
  return "first-contentful-paint" in found ? found : null;
}"""
"""Milliseconds of each paint by name; null before the first contentful one."""


class Paint(NamedTuple):
    """One visit of the page."""

    link: str
    """What was opened: the query of the address."""
    first_paint: float
    """Seconds until anything was painted."""
    contentful: float
    """Seconds until the first text or picture was painted."""


def _compute() -> None:
    number = 1
    while True:
        number = (number * 1103515245 + 12345) % 2**31


@contextlib.contextmanager
def busy_processes(count: int = BUSY) -> Iterator[list[multiprocessing.Process]]:
    """Keep `count` processes computing until the block ends."""
    started = [multiprocessing.Process(target=_compute, daemon=True) for _ in range(count)]
    for process in started:
        process.start()
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.join()


def first_paints(
    visits: int = 3, links: tuple[str, ...] = ("", "?tab=evaluate"), busy: int = BUSY
) -> Iterator[Paint]:
    """Start the app, visit it, and read what the browser says of its paints.

    Args:
        visits: Visits of each link.
        links: Queries of the addresses.
        busy: Processes that compute beside the page.

    Raises:
        InvalidRequest: There is no chromium.
    """
    if CHROMIUM is None:
        raise InvalidRequest("There is no chromium here: install it, apt-get install chromium.")
    with (
        tempfile.TemporaryDirectory(prefix="mirnet-paint-") as folder,
        running_app(MIRNET_STATE_DIR=folder) as url,
        running_chromium() as browser,
        busy_processes(busy),
    ):
        for link in links:
            for _ in range(visits):
                with browser.new_context() as window:
                    page = window.new_page()
                    page.goto(url + link, wait_until="commit")
                    found = page.wait_for_function(PAINTS, timeout=PATIENCE_MS).json_value()
                yield Paint(
                    link, found["first-paint"] / 1000, found["first-contentful-paint"] / 1000
                )
