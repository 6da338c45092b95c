"""The Evaluate tab in a page that browser tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.support.evaluate_page import open_link
from tests.support.kept_pages import KEPT, Traffic, close_toasts
from tests.support.running import PATIENCE_MS

if TYPE_CHECKING:
    from playwright import sync_api


@pytest.fixture
def state() -> Path:
    """Folder of the app's state."""
    return KEPT.app.state


@pytest.fixture
def visit() -> Iterator[Callable[..., "sync_api.Page"]]:
    """Open a link; at the end the page must have asked nobody else, and thrown nothing."""
    used: list[Traffic] = []

    def start(
        width: int = 1280,
        height: int = 900,
        theme: str = "light",
        *,
        path: str | None = None,
        where=None,
        **query: str,
    ) -> "sync_api.Page":
        """Open a link in the page that is kept.

        Args:
            width: Of the window, in pixels.
            height: Of the window.
            theme: "light" or "dark".
            path: Query with which the page is loaded anew, in place of a link.
            where: Window in which a new page is loaded.
            query: Fields of the link.
        """
        if path is None:
            asked = f"?{urlencode({'tab': 'evaluate'} | query | {'__theme': theme})}"
        else:
            asked = path

        def load(page) -> None:
            page.set_default_timeout(PATIENCE_MS)
            page.set_viewport_size({"width": width, "height": height})
            page.goto(KEPT.app.url + asked)
            page.wait_for_selector(
                "#ev-views button[role=tab]:visible, #task label.selected:visible"
            )

        if where:
            traffic = Traffic(where.new_page())
            load(traffic.page)
        else:
            if path is not None:
                KEPT.close_page()
            loaded = []
            traffic = KEPT.page(f"evaluate {theme}", lambda page: (load(page), loaded.append(page)))
            if not loaded:
                page = traffic.page
                traffic.settle()  # an answer to the earlier test would undo the link
                page.set_viewport_size({"width": width, "height": height})
                page.emulate_media(reduced_motion="no-preference")
                close_toasts(page)
                page.evaluate("window.evBoard = null")  # columns that a visitor chose
                with page.expect_request("**/gradio_api/queue/join*"):
                    open_link(page, **query)
        traffic.settle()
        used.append(traffic)
        return traffic.page

    yield start
    for traffic in used:
        traffic.check(KEPT.app.url)
