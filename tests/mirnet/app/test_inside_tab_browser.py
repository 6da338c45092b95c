"""The Look inside tab in Debian's chromium: maps, plots, moving, mistakes, a phone's width."""

from collections.abc import Iterator

import numpy as np
import pytest
import requests

from mirnet.app.examples import examples_for
from mirnet.images.decode import read_image
from mirnet.inside import plots
from mirnet.inside.trace import trace
from tests.support.accessibility import faults
from tests.support.kept_pages import KEPT
from tests.support.restore_page import TOAST, assert_fits

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

FILES = "#inside-photo input[type=file]"
SAMPLE = "#inside-samples .thumbnail-item >> nth=0"


@pytest.fixture
def no_page() -> None:
    """Close the page, so that the test gets one that its link has just opened."""
    KEPT.close_page()


@pytest.fixture
def page(address) -> Iterator["sync_api.Page"]:
    """The tab as its link opens it, or as an earlier test left it."""

    def load(page) -> None:
        page.goto(f"{address}?tab=inside&__theme=light")
        looked(page)  # at an example, before any click

    traffic = KEPT.page("inside", load)
    yield traffic.page
    traffic.check(address)


def looked(page) -> None:
    """Wait until a pass is shown."""
    page.wait_for_selector("#inside-bar .mir-done")
    page.wait_for_selector("#inside-restored img")
    for plot in ("channels", "fusion", "energies"):
        page.wait_for_selector(f"#inside-{plot} .main-svg")


def address_of(page, picture: str) -> str:
    return page.eval_on_selector(f"#inside-{picture} img", "image => image.src")


def pixels(page, picture: str) -> np.ndarray:
    return read_image(requests.get(address_of(page, picture), timeout=60).content).pixels


def marked_at(page, picture: str, across: float, down: float) -> list[list[float]]:
    """Hover over a place of a picture, and return where each marked picture has its mark."""
    page.locator(f"{picture} img").scroll_into_view_if_needed()
    box = page.locator(f"{picture} img").bounding_box()
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
    page.wait_for_selector(".mir-marked", state="attached")
    return page.eval_on_selector_all(
        ".mir-marked",
        """blocks => blocks.map((block) => {
          const outer = block.getBoundingClientRect();
          const image = block.querySelector("img").getBoundingClientRect();
          const { left, top } = getComputedStyle(block, "::after");
          return [(outer.left + parseFloat(left) - image.left) / image.width,
                  (outer.top + parseFloat(top) - image.top) / image.height];
        })""",
    )


def test_an_example_is_looked_into_from_its_link(no_page, page):
    assert page.get_attribute(".mir-diagram", "aria-label")
    found = trace(examples_for("denoise")[0].path, "denoise")
    assert plots.facts(found).split(" · one pass")[0] in page.inner_text("#inside-facts")
    assert np.array_equal(pixels(page, "restored"), found.restored.pixels)
    for stream in range(3):
        for what, name in (("energy", "energy"), ("attention", "context attention")):
            expected = plots.map_picture(found.find(name, 1, stream, 1)).pixels
            assert np.array_equal(pixels(page, f"{what}-{stream}"), expected)
    alts = page.eval_on_selector_all(".mir-three img", "images => images.map((i) => i.alt)")
    assert len(set(alts)) == 6 and all("stream" in alt for alt in alts)

    places = marked_at(page, "#inside-energy-2", 0.25, 0.5)
    assert len(places) == 8  # input, output and six maps
    for across, down in places:
        assert across == pytest.approx(0.25, abs=0.02) and down == pytest.approx(0.5, abs=0.02)
    page.mouse.move(2, 2)
    page.wait_for_selector(".mir-marked", state="detached")

    before = address_of(page, "energy-1")
    page.click("#inside-where label:has-text('Second')")
    page.wait_for_function(
        "before => document.querySelector('#inside-energy-1 img').src !== before", arg=before
    )
    expected = plots.map_picture(found.find("energy", 1, 1, 2)).pixels
    assert np.array_equal(pixels(page, "energy-1"), expected)
    page.click("#inside-stream label:has-text('Quarter')")
    page.wait_for_selector("text=Quarter receives no other")
    page.wait_for_selector("#inside-fusion", state="hidden")
    page.wait_for_selector("#inside-channels .gtitle:has-text('Quarter')")


def test_a_bad_upload_is_one_sentence_and_the_page_goes_on(page, tmp_path):
    bad = tmp_path / "broken.jpg"
    bad.write_bytes(examples_for("denoise")[0].path.read_bytes()[:300])
    page.set_input_files(FILES, str(bad))
    page.wait_for_selector(TOAST)
    words = page.inner_text(TOAST)
    assert "broken" in words and "Traceback" not in words and str(tmp_path) not in words
    page.click("#inside-go")
    page.wait_for_selector(f"{TOAST} >> text=Add a photo or click an example first")
    page.wait_for_selector("#inside-bar .mir-failed")
    page.click(SAMPLE)
    looked(page)


def test_another_task_on_a_phone_in_the_dark(open_page):
    KEPT.close_page()
    page = open_page(390, 900, "dark", SAMPLE, tab="inside")
    looked(page)
    assert_fits(page)
    page.click("#inside-task input")
    page.click("ul[role=listbox] >> text=Retouch")
    page.wait_for_selector(f"#inside-samples >> text={examples_for('retouch')[0].title}")
    page.click(SAMPLE)
    page.wait_for_selector("#inside-facts >> text=retouch-compact")
    looked(page)
    assert faults(page) == []
    page.wait_for_selector("#inside-curve .main-svg")
    page.wait_for_selector("#inside-matrix .main-svg")
    assert_fits(page)
    assert page.locator(TOAST).count() == 0
    ink = page.eval_on_selector(
        "#inside-energies .gtitle", "text => getComputedStyle(text).fill.match(/[0-9]+/g)[0]"
    )
    assert int(ink) > 140
