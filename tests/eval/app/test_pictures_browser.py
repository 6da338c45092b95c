"""The Pictures view in Debian's chromium: zoom, box, arrow keys, and the tabs above it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from eval.runs.annotations import NOTES, SELECTIONS, store_note
from eval.runs.store import StoredRun
from tests.support.evaluate_page import PICTURE, pair_shown
from tests.support.kept_pages import KEPT
from tests.support.review_runs import with_pictures
from tests.support.runs_factory import method, write_run

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

FIRST_NOTES = "first-notes"
WIDE = "20251231-120000-abcdef"
"""Run with wide pictures and notes; older than the runs that other files of tests know."""
HEIGHT, WIDTH = 40, 4000
"""Size of the stored pictures, which the stage shows reduced to 3,000 pixels."""


@contextmanager
def stored_wide_run() -> Iterator[StoredRun]:
    """The run in the shared app's folder, which goes with the app."""
    methods = tuple(method(name) for name in ("identity", "ours"))
    run = write_run(KEPT.app.state / "runs", pairs=3, methods=methods, id=WIDE)
    for pair in run.pairs():
        store_note(run, pair, [], f"of {pair}")
    shutil.copyfile(run.folder / NOTES, run.folder.parents[1] / FIRST_NOTES)
    yield with_pictures(run, HEIGHT, WIDTH)


@pytest.fixture
def wide_run() -> None:
    """The run with a note on each picture, and nothing that an earlier test has written to it.

    The notes keep their times: a page that stays open would take later ones for somebody else's.
    """
    run = KEPT.get("wide run", stored_wide_run)
    (run.folder / SELECTIONS).unlink(missing_ok=True)
    shutil.copyfile(run.folder.parents[1] / FIRST_NOTES, run.folder / NOTES)


@pytest.fixture
def page(visit, wide_run):
    page = visit(run=WIDE, view="pictures")
    page.wait_for_selector(f"{PICTURE} >> nth=2")
    page.wait_for_function("document.querySelector('#ev-pictures img').naturalWidth > 0")
    page.wait_for_selector("#ev-scale .sync-place[data-seen]", state="attached")
    return page


def box_of(page) -> list[int]:
    return page.evaluate("pictureZoom.place(document.querySelector('#ev-stage')).box")


def test_the_box_of_a_figure_is_in_pixels_of_the_stored_picture(page):
    assert page.evaluate("document.querySelector('#ev-pictures img').naturalWidth") == 3000
    assert box_of(page) == [0, 0, WIDTH, HEIGHT]


def test_arrow_keys_move_zoomed_pictures_and_turn_to_the_next_only_elsewhere(page):
    first = pair_shown(page)
    page.click("#ev-zoom button:has-text('400 %')")
    before = box_of(page)
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "left => pictureZoom.place(document.querySelector('#ev-stage')).box[0] > left",
        arg=before[0],
    )
    page.wait_for_timeout(1000)
    assert pair_shown(page) == first
    page.focus("#ev-next")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"!document.querySelector('#ev-pair input').value.endsWith({first!r})")


def test_another_picture_chosen_by_its_name_is_shown(page):
    first = pair_shown(page)
    page.click("#ev-pair input")
    page.click("[role=option] >> nth=2")
    page.wait_for_function(
        "first => [...document.querySelectorAll('#ev-pictures img')]"
        ".every((one) => !one.offsetParent || !one.alt.includes(first))",
        arg=first,
    )


def test_the_tabs_of_the_views_stay_where_they_are_without_the_head_of_a_run(page):
    tab = page.locator("#ev-views [role=tab] >> nth=0")
    top = tab.bounding_box()["y"]
    assert page.locator("#ev-head").bounding_box()["y"] > top
    tab.click()
    page.wait_for_selector("#ev-over-table td")
    page.wait_for_selector("#ev-head", state="hidden")
    assert tab.bounding_box()["y"] == top


def test_a_typed_note_outlives_a_change_of_a_selection_and_goes_with_its_picture(page):
    note = page.locator("#ev-note :is(input, textarea)")
    has = "text => document.querySelector('#ev-note :is(input, textarea)').value === text"
    page.click("#ev-notes > button")
    page.wait_for_function(has, arg=f"of {pair_shown(page)}")
    note.fill("typed")
    page.fill("#ev-selection input", "some")
    page.keyboard.press("Enter")
    page.click("#ev-selection-add")
    page.wait_for_selector("#ev-noted >> text=Selection some has 1 picture.")
    page.wait_for_selector("#ev-written >> text=some")
    assert note.input_value() == "typed"
    page.click("#ev-note-save")
    page.wait_for_selector("#ev-written >> text=typed")
    page.click("#ev-next")
    page.wait_for_function(
        "() => /^of p/.test(document.querySelector('#ev-note :is(input, textarea)').value)"
    )
    assert page.inner_text("#ev-noted").strip() == ""
    page.click("#ev-prev")
    page.wait_for_function(has, arg="typed")


def test_all_controls_above_the_pictures_are_in_the_window_of_a_tablet(page):
    page.set_viewport_size({"width": 768, "height": 900})
    for part in ("#ev-turn", "#ev-zoom button:has-text('400 %')"):
        box = page.locator(part).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 768, part
