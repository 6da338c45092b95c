"""Batches that can be looked at, and ground truth beside a result, in Debian's chromium."""

import re
import shutil
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

import mirnet
from mirnet.images.decode import read_image
from tests.support.accessibility import faults
from tests.support.restore_page import add, download, press_radio, restore, small_photo, try_example

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


def test_several_photos_come_back_as_one_zip(page, tmp_path):
    sample = small_photo(tmp_path / "sample.jpg")
    names = ("one.jpg", "two.jpg", "two.png", "broken.png")
    for name in names[:2]:
        shutil.copy(sample, tmp_path / name)
    grey = np.random.default_rng(2).integers(0, 256, (40, 30)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "two.png"), grey)
    (tmp_path / "broken.png").write_text("nothing")
    add(page, *(tmp_path / name for name in names))
    press_radio(page, "#format", "WebP")
    restore(page)
    assert "3 of 4 photos restored. 1 could not be" in page.inner_text("#bar")
    assert page.locator("#board tr.mir-failed").inner_text().count("broken.png") >= 1
    assert "two-denoise-2.webp" in page.inner_text("#board tr >> nth=2")
    with zipfile.ZipFile(download(page, tmp_path)) as archive:
        assert archive.namelist() == [
            "one-denoise.webp",
            "two-denoise.webp",
            "two-denoise-2.webp",
        ]
        assert read_image(archive.read("two-denoise-2.webp")).pixels.shape == (40, 30, 3)


def test_a_stopped_batch_hands_over_what_was_finished(page, tmp_path):
    small, large = small_photo(tmp_path / "a-small.png"), tmp_path / "b-large.png"
    Image.effect_noise((2800, 2000), 40).save(large, compress_level=1)
    add(page, small, large)
    page.click("#go")
    page.wait_for_selector("#bar >> text=/Photo 2 of 2 · Tile [1-9]/")
    page.click("#stop")
    page.wait_for_selector("#bar >> text=Stopped")
    assert "finished" in page.inner_text("#bar")
    rows = page.locator("#board tr").all_inner_texts()
    assert "MP" in rows[0] and rows[1].endswith("stopped, not restored")
    page.wait_for_selector("#download:not([disabled])")
    with zipfile.ZipFile(download(page, tmp_path)) as archive:
        assert archive.namelist() == ["a-small-denoise.png"]
        expected = mirnet.restore(small, task="denoise").result().picture.pixels
        got = read_image(archive.read("a-small-denoise.png")).pixels
        assert np.array_equal(got, expected)


def test_ground_truth_is_a_third_picture_with_both_errors(page):
    try_example(page)
    page.wait_for_selector("#truth img >> nth=2")
    labels = page.inner_text("#truth")
    assert "Clean original" in labels and "Error after, black 0 to bright" in labels
    assert faults(page) == []


def test_an_example_is_measured_against_its_original(page):
    try_example(page)
    page.wait_for_selector("#scores table")
    table = page.inner_text("#scores")
    assert len(re.findall(r"\d\d\.\d\d dB", table)) == 2
    assert len(re.findall(r"0\.\d{4}", table)) == 2
    assert "PSNR over all RGB values" in table
