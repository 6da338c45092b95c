"""Fixtures of the app's tests: pages in a browser, and a self-check without leftovers."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

import app
from mirnet.app import health
from tests.support.kept_pages import KEPT, Traffic
from tests.support.restore_page import start_over

if TYPE_CHECKING:
    from playwright import sync_api


@pytest.fixture(autouse=True)
def no_added_checks(monkeypatch) -> None:
    """Checks that a started app adds to its process do not outlive the test."""
    monkeypatch.setattr(health, "_added", {})


@pytest.fixture
def address() -> str:
    """Address of the app that browser tests share."""
    return KEPT.app.url


@pytest.fixture
def open_page(address) -> Iterator[Callable[..., "sync_api.Page"]]:
    """Load a page; at the end, it must have asked nobody but the app, and thrown nothing."""
    opened: list[Traffic] = []

    def start(
        width: int = 1280,
        height: int = 900,
        theme: str = "light",
        shows: str = "#task label.selected",
        **query: str,
    ) -> "sync_api.Page":
        page = KEPT.window.new_page()
        opened.append(Traffic(page))
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{address}?{urlencode(query | {'__theme': theme})}")
        page.wait_for_selector(shows)
        return page

    yield start
    for traffic in opened:
        traffic.page.close()
        traffic.check(address)


@pytest.fixture
def page(address) -> Iterator["sync_api.Page"]:
    """The Restore tab without a photo, in a page that earlier tests have used."""

    def load(page: "sync_api.Page") -> None:
        page.goto(f"{address}?__theme=light")
        page.wait_for_selector("#task label.selected")

    traffic = KEPT.page("restore", load)
    start_over(traffic)
    yield traffic.page
    traffic.check(address)


@pytest.fixture(scope="module")
def server():
    """The app, started once in this process; yields its address."""
    page = app.build(max_pixels=5_000_000)
    page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **app.launch_options()
    )
    yield page.local_url
    page.close()


@pytest.fixture(scope="module")
def client(server):
    from gradio_client import Client

    return Client(server, verbose=False)
