"""Where the parts of the Restore page lie, from a phone to a large screen, in Debian's chromium."""

import pytest

from tests.support.restore_page import assert_fits, press_radio, try_example

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


def test_the_page_is_centred_and_the_file_in_reach_at_every_width(page):
    sizes = ((1920, 1080), (1440, 900), (768, 1024))
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        left, right = page.eval_on_selector(
            ".gradio-container h1",
            "h1 => { const box = h1.closest('.gradio-container').getBoundingClientRect();"
            " return [box.left, document.documentElement.clientWidth - box.right]; }",
        )
        assert abs(left - right) <= 1
        assert_fits(page)
    try_example(page)
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")
        box = page.locator("#download").bounding_box()
        assert box["y"] + box["height"] <= height
        picture, bar = (
            page.locator(place).first.bounding_box() for place in ("#slider img", "#saving")
        )
        assert picture["y"] + picture["height"] <= bar["y"]  # nothing lies over the result
        assert page.inner_text("#facts").endswith("denoise-compact · Details")


def test_a_phone_needs_no_sideways_scroll(open_page):
    page = open_page(390, 844)
    assert_fits(page)
    stage, controls = (page.locator(place).bounding_box() for place in ("#stage", "#controls"))
    assert stage["y"] < 400 < controls["y"]  # the example is seen without a scroll
    try_example(page)
    assert_fits(page)
    cut = "all => all.some((part) => getComputedStyle(part).overflow !== 'visible')"
    assert not page.eval_on_selector_all("#adjust :is(.form, .block):has([type=range])", cut)
    press_radio(page, "#view", "close")
    page.wait_for_selector("#close-slider img")
    assert_fits(page)
    page.click(".overflow-menu > button >> nth=0")  # five tabs: the last are in a menu
    page.click(".overflow-dropdown button:has-text('About')")
    page.wait_for_selector("text=The weights, honestly")
    page.wait_for_selector("#self-check >> text=Self-check: all is well")
    assert_fits(page)
