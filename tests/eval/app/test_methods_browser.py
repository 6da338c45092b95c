"""The Compare methods tab in Debian's chromium."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.accessibility import faults
from tests.support.kept_pages import KEPT
from tests.support.restore_page import assert_fits

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

PICTURES = "#methods-stage .sync-picture img"


@pytest.fixture
def opened() -> Iterator[Callable[..., "sync_api.Page"]]:
    """Follow the tab's link in a new page."""
    pages = []

    def start(width: int, height: int, theme: str) -> "sync_api.Page":
        page = KEPT.window.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{KEPT.app.url}?tab=methods&__theme={theme}")
        page.wait_for_function(f"document.querySelectorAll('{PICTURES}').length === 2")
        page.wait_for_function(f"document.querySelector('{PICTURES}').naturalWidth > 1")
        return page

    yield start
    for page in pages:
        page.close()


def test_first_sight_then_a_blind_vote_and_one_zoom_for_all(opened):
    page = opened(1280, 900, "light")
    assert faults(page) == []
    page.check("#methods-blind input")
    for name in page.query_selector_all("#methods-choice input:checked"):
        name.uncheck()
    for title in ("Unchanged", "Auto contrast"):
        if page.query_selector(f"#methods-choice label:has-text('{title}')") is None:
            title = "Total variation"
        page.check(f"#methods-choice label:has-text('{title}') input")
    page.click("#methods-go")
    page.wait_for_selector("#methods-vote label:has-text('No difference')")
    assert "Total variation" not in page.inner_text("#methods-pictures")
    page.click("#methods-vote label:has-text('A')")
    page.wait_for_selector("#methods-about >> text=Your choice: A")
    assert "Total variation" in page.inner_text("#methods-pictures")

    def places() -> set[str]:
        script = "all => all.map(one => getComputedStyle(one).transform)"
        return set(page.eval_on_selector_all(PICTURES, script))

    assert len(places()) == 1
    before = places()
    page.hover(PICTURES)
    page.mouse.wheel(0, -400)
    page.wait_for_function(
        "([picture, before]) => getComputedStyle(document.querySelector(picture)).transform"
        " !== before",
        arg=[PICTURES, *before],
    )
    assert len(places()) == 1
    page.click("#methods-stage .picture-zoom button:has-text('Fit')")
    assert places() == before
    page.click("#methods-stage .picture-zoom button:has-text('400 %')")
    zoomed = places()
    page.keyboard.press("ArrowRight")
    assert len(places()) == 1 and places() != zoomed
    assert faults(page) == []


def test_a_phone_in_the_dark(opened):
    page = opened(390, 844, "dark")
    assert_fits(page)
    assert faults(page) == []
    stage, controls = (
        page.locator(f"#methods-{place}").bounding_box() for place in ("stage", "controls")
    )
    assert stage["y"] < controls["y"]  # the example is seen without a scroll
