"""One browser, one app and one page that stay open for all browser tests of a process.

Starting the app takes about ten seconds of a processor, and so does loading its page, which then
follows a link in one. A test therefore gets a page that an earlier test has used, with the link of
its own opened in it. Pages are not shared with a test that is about starting, reloading, cookies
or storage. After a failure all is started anew, for the second try as for a later test.
"""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.running import PATIENCE_MS, launch_chromium, running_app, running_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request

TOAST_CLOSE = "[data-testid=toast-close]"
QUIET_LOOKS = 3
"""Looks, 50 ms apart, at which a page has to wait for nothing before it counts as settled."""
IDLE = "() => new Promise((resolve) => requestIdleCallback(resolve, { timeout: 2000 }))"
"""Ends once the scripts of the page have nothing to do, as an answer may lead to the next event; or
after two seconds, since a page that is drawn without end is never idle, and nothing else ends the
wait."""


class Traffic:
    """What a page asks for and throws."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.thrown: list[str] = []
        self._waits: set[Request] = set()
        page.on("request", self._asked)
        page.on("requestfinished", self._answered)
        page.on("requestfailed", self._answered)
        page.on("pageerror", lambda error: self.thrown.append(str(error)))

    def _asked(self, request: "Request") -> None:
        self.hosts.add(urlsplit(request.url).netloc)
        if "/gradio_api/queue/" in request.url:  # an event, or the stream of their answers
            self._waits.add(request)

    def _answered(self, request: "Request") -> None:
        self._waits.discard(request)

    def settle(self) -> None:
        """Wait until all events of the page, and those that follow them, are answered."""
        quiet, left = 0, PATIENCE_MS / 50
        while quiet < QUIET_LOOKS:
            self.page.wait_for_timeout(50)
            self.page.evaluate(IDLE)
            quiet = 0 if self._waits else quiet + 1
            left -= 1
            waits = sorted(urlsplit(request.url).path for request in self._waits)
            assert left > 0, f"the page waits without end for an answer of {waits}"

    def check(self, url: str) -> None:
        """Check that the page has asked nobody but the app, and thrown nothing, since last time."""
        hosts, thrown = self.hosts - {""}, [*self.thrown]
        self.hosts.clear()
        self.thrown.clear()
        assert hosts <= {urlsplit(url).netloc}
        assert thrown == []


@dataclass(frozen=True)
class SharedApp:
    """The app of browser tests that need no settings of their own."""

    url: str
    """Address, with a slash at the end."""
    state: Path
    """Folder of its state, with the runs of `write_runs`; evaluations wait while it has a file
    "held"."""


class Kept:
    """Keeps what is expensive to start until `close`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._known: dict[str, Any] = {}
        self._page: tuple[str, Traffic] | None = None
        self.spoiled = False
        """Whether a test has failed, so that nothing may be used again."""

    def get(self, name: str, start: Callable[[], AbstractContextManager]) -> Any:
        """What a name stands for, started if it is not there.

        Args:
            name: What distinguishes it.
            start: Starts it; it ends when all is closed.
        """
        if name not in self._known:
            self._known[name] = self._stack.enter_context(start())
        return self._known[name]

    @property
    def playwright(self) -> "Playwright":
        """What drives browsers; a process can have one only."""
        return self.get("playwright", running_playwright)

    @property
    def chromium(self) -> "Browser":
        """The browser."""
        return self.get("chromium", lambda: launch_chromium(self.playwright))

    @property
    def window(self) -> "BrowserContext":
        """A window with one cache, in which the frontend's files load once."""
        return self.get("window", self._new_window)

    @contextmanager
    def _new_window(self):
        with self.chromium.new_context(permissions=["clipboard-read", "clipboard-write"]) as window:
            window.set_default_timeout(PATIENCE_MS)
            yield window

    @property
    def app(self) -> SharedApp:
        """The app, on a folder of stored runs."""
        return self.get("app", _shared_app)

    def page(self, name: str, load: Callable[["Page"], None]) -> Traffic:
        """The page of a name, loaded if it is not open; a page of another name is closed.

        A page that nobody looks at would go on drawing.

        Args:
            name: What distinguishes pages, such as a theme.
            load: Loads a new page.
        """
        if self._page and self._page[0] == name and not self._page[1].page.is_closed():
            return self._page[1]
        self.close_page()
        traffic = Traffic(self.window.new_page())
        self._page = name, traffic
        load(traffic.page)
        return traffic

    def close_page(self) -> None:
        """Close the page, so that the next test loads one."""
        if self._page and not self._page[1].page.is_closed():
            self._page[1].page.close()
        self._page = None

    def close(self) -> None:
        """Close the pages, the browser and the app.

        What fails meanwhile is what had failed before, such as a browser that has crashed; it must
        not fail the test that comes next.
        """
        self._page = None
        self._known.clear()
        self.spoiled = False
        with suppress(Exception):
            self._stack.close()


KEPT = Kept()


def close_toasts(page: "Page") -> None:
    """Close messages that an earlier test has left."""
    page.evaluate(
        "selector => document.querySelectorAll(selector).forEach((one) => one.click())",
        TOAST_CLOSE,
    )
    page.wait_for_selector(TOAST_CLOSE, state="detached")


@contextmanager
def _shared_app():
    from tests.support.evaluate_page import write_runs

    with tempfile.TemporaryDirectory(prefix="mirnet-tests-state-") as folder:
        state = Path(folder)
        write_runs(state / "runs")
        with running_app("tests/support/held_app.py", MIRNET_STATE_DIR=folder) as url:
            yield SharedApp(url, state)
