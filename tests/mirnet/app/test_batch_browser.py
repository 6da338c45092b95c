"""Batches that can be looked at, and ground truth beside a result, in Debian's chromium."""

import pytest

from tests.support.accessibility import faults
from tests.support.restore_page import add, restore, small_photo, try_example

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


def test_a_photo_of_a_batch_opens_before_and_after_and_the_zip_stays(page, tmp_path):
    add(page, *(small_photo(tmp_path / f"{name}.png") for name in ("one", "two")))
    restore(page)
    label = page.inner_text("#download")
    assert page.locator("#board [data-result] img").count() == 4
    page.focus("#board [data-result] >> nth=1")
    page.keyboard.press("Enter")
    page.wait_for_selector("#slider img")
    page.wait_for_selector("#facts >> text=denoise-compact")
    assert page.get_attribute("#board [data-result] >> nth=1", "aria-pressed") == "true"
    assert "ZIP" in label and page.inner_text("#download") == label
    # Gradio's widget of several files has its chooser within a button.
    assert [name for name, _ in faults(page) if name != "nested-interactive"] == []


def test_ground_truth_is_a_third_picture_with_both_errors(page):
    try_example(page)
    page.wait_for_selector("#truth img >> nth=2")
    labels = page.inner_text("#truth")
    assert "Clean original" in labels and "Error after, black 0 to bright" in labels
    assert faults(page) == []
