"""Fixtures of the app's tests: the page in a browser, and a self-check without leftovers."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

import app
from mirnet.app import health
from tests.support.running import PATIENCE_MS, running_app, running_chromium

if TYPE_CHECKING:
    from playwright import sync_api


@pytest.fixture(autouse=True)
def no_added_checks(monkeypatch) -> None:
    """Checks that a started app adds to its process do not outlive the test."""
    monkeypatch.setattr(health, "_added", {})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """`python app.py`, started once as a person would."""
    with running_app() as url:
        yield url


@pytest.fixture(scope="module")
def window() -> Iterator["sync_api.BrowserContext"]:
    """One browser with one cache, so that the frontend's files load once."""
    with running_chromium() as chromium:
        yield chromium.new_context()


@pytest.fixture
def open_page(window, address) -> Iterator[Callable[..., "sync_api.Page"]]:
    """Open the page; at the end, it must have asked nobody but the app, and thrown nothing."""
    hosts: set[str] = set()
    faults: list[str] = []
    pages = []

    def start(width: int = 1280, height: int = 900, theme: str = "light") -> "sync_api.Page":
        page = window.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{address}?__theme={theme}")
        page.wait_for_selector("#task label.selected")
        return page

    yield start
    for page in pages:
        page.close()
    assert hosts - {""} == {urlsplit(address).netloc}
    assert faults == []


@pytest.fixture
def page(open_page) -> "sync_api.Page":
    return open_page()


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
