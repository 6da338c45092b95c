"""The page in Debian's chromium: photos in, progress, results, Stop, errors, a phone's width."""

import re

import numpy as np
import pytest
import requests
from PIL import Image

import mirnet
from mirnet import TASKS
from mirnet.app.examples import examples_for
from mirnet.images.decode import read_image
from mirnet.images.encode import write_image
from mirnet.images.picture import Picture
from mirnet.images.preview import PREVIEW_PX
from tests.support.accessibility import faults
from tests.support.kept_pages import KEPT
from tests.support.restore_page import (
    FILES,
    TOAST,
    add,
    choose_mode,
    download,
    press_radio,
    restore,
    small_photo,
    try_example,
)

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


@pytest.mark.parametrize("task", ["denoise", "sr-x4"])  # the API's tests have all
def test_a_photo_is_restored_and_downloaded(page, tmp_path, task):
    photo = small_photo(tmp_path / "holiday.jpg", task)
    choose_mode(page, task)
    add(page, photo)
    restore(page)
    path = download(page, tmp_path)
    assert path.name == f"holiday-{task}.png"
    expected = mirnet.restore(photo, task).result()
    assert np.array_equal(read_image(path).pixels, expected.picture.pixels)
    facts = page.text_content("#facts")
    assert f"weights {TASKS[task].default_weights} · sha256 {expected.weights_sha256[:6]}" in facts
    # What the slider shows is the result, unharmed by the page's own encoding.
    shown = page.eval_on_selector_all("#slider img", "images => images.map((i) => i.src)")
    served = [read_image(requests.get(url, timeout=60).content).pixels for url in shown]
    assert any(np.array_equal(pixels, expected.picture.pixels) for pixels in served)


def test_the_first_sight_is_an_example_before_and_after(open_page, tmp_path):
    page = open_page()
    shown = "document.querySelector('#example-slider img').naturalWidth"
    page.wait_for_function(f"{shown} > 0")
    first = examples_for("denoise")[0]
    assert first.title in page.inner_text("#example-words")
    box = page.locator("#example-slider .image-container, #example-slider img").first.bounding_box()
    assert box["y"] < 500 and box["width"] > 400  # seen without scrolling
    choose_mode(page, "retouch")
    page.wait_for_selector(f"#example-words >> text={examples_for('retouch')[0].title}")
    add(page, small_photo(tmp_path / "own.png"))
    page.wait_for_selector("#example-slider", state="hidden")
    choose_mode(page, "lowlight")  # a photo is there: no example in its place
    assert page.is_visible("#photo img") and page.is_hidden("#example-slider")
    page.click("#photos button[aria-label=Clear]")
    page.wait_for_selector(f"#example-words >> text={examples_for('lowlight')[0].title}")


def test_a_click_on_an_example_restores_it(page, tmp_path):
    try_example(page)
    expected = mirnet.restore(examples_for("denoise")[0].path).result().picture.pixels
    shown = page.eval_on_selector_all("#slider img", "images => images.map((i) => i.src)")
    served = [read_image(requests.get(url, timeout=60).content).pixels for url in shown]
    assert any(np.array_equal(pixels, expected) for pixels in served)
    page.click("#samples .thumbnail-item >> nth=1")
    page.click("#samples .thumbnail-item >> nth=2")  # the newest click counts
    stem = examples_for("denoise")[2].path.stem
    offered = ""
    for _ in range(20):  # the first may be done and offered before the second click arrives
        page.wait_for_timeout(500)
        page.wait_for_selector("#bar .mir-done")
        offered = download(page, tmp_path).name
        if offered == f"{stem}-denoise.png":
            break
    assert offered == f"{stem}-denoise.png"
    assert page.locator(TOAST).count() == 0


def test_sixteen_bits_and_profile_survive_the_page(page, tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = np.random.default_rng(1).integers(0, 65536, (60, 90, 3)).astype(np.uint16)
    photo = write_image(Picture(pixels, icc_profile=profile), tmp_path / "deep.png")
    add(page, photo)
    assert "90 × 60 · 0.0054 MP · 16 bits · PNG" in page.inner_text("#facts")
    restore(page)
    expected = mirnet.restore(photo).result().picture.pixels
    result = read_image(download(page, tmp_path))
    assert (result.bits, result.icc_profile) == (16, profile)
    assert np.array_equal(result.pixels, expected)
    press_radio(page, "#format", "TIFF")
    page.wait_for_selector("#download:has-text('TIFF'):not([disabled])")
    result = read_image(download(page, tmp_path))
    assert (result.bits, result.source_format) == (16, "TIFF")
    assert np.array_equal(result.pixels, expected)


def test_restore_waits_for_a_photo_that_is_being_read(page, tmp_path):
    try_example(page)
    photo = tmp_path / "second.png"
    Image.effect_noise((2000, 1500), 40).save(photo, compress_level=1)
    page.set_input_files(FILES, [str(photo)])
    page.wait_for_selector("#photos >> text=second")
    page.click("#go")  # at once: Playwright waits until it can be pressed
    page.wait_for_selector("#bar >> text=/Tile [1-9]/")
    assert page.locator(TOAST).count() == 0
    page.wait_for_selector("#bar .mir-done")
    assert "2000 × 1500" in page.inner_text("#facts")


def test_another_task_keeps_the_kind_of_weights_and_says_what_is_shown(open_page):
    page = open_page()  # the kind would stay chosen for later tests
    choose_mode(page, "sr-x2")
    page.click("#weights input")
    page.click("text=Ours, for camera photos >> nth=0")
    page.wait_for_selector("#weights-note >> text=one network for x2, x3 and x4")
    try_example(page)
    choose_mode(page, "sr-x4")
    page.wait_for_selector(
        "#bar >> text=This is the earlier result. Press Restore to apply Enlarge x4."
    )
    page.wait_for_function("document.querySelector('#weights input').value.includes('camera')")
    choose_mode(page, "denoise")  # has none for camera photos
    page.wait_for_function("document.querySelector('#weights input').value.includes('compact')")


def test_a_soft_photo_is_sharpened_at_its_own_size(open_page, tmp_path):
    page = open_page()
    photo = small_photo(tmp_path / "soft.jpg", "sr-x2")
    press_radio(page, "#task", "sharpen")
    page.wait_for_function("document.querySelector('#weights input').value.includes('camera')")
    add(page, photo)
    restore(page)
    expected = mirnet.restore(photo, "sr-x2", weights="sr-x2-photo", same_size=True).result()
    got = read_image(download(page, tmp_path)).pixels
    assert got.shape == read_image(photo).pixels.shape
    assert np.array_equal(got, expected.picture.pixels)
    page.click("#advanced button")
    page.click("#advanced input[type=checkbox] >> nth=0")
    page.wait_for_selector("#bar >> text=Press Restore to apply the new settings")


def test_a_phones_heic_shows_and_restores(page, tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    with Image.open(small_photo(tmp_path / "small.png")) as source:
        pillow_heif.from_pillow(source).save(tmp_path / "IMG_1.heic")
    add(page, tmp_path / "IMG_1.heic")
    assert page.eval_on_selector("#photo img", "image => image.naturalWidth") == 240
    restore(page)
    assert download(page, tmp_path).name == "IMG_1-denoise.png"


def test_stop_ends_a_run_within_a_tile(page, tmp_path):
    photo = tmp_path / "large.png"
    Image.effect_noise((2800, 2000), 40).save(photo, compress_level=1)
    add(page, photo)
    assert page.eval_on_selector("#photo img", "image => image.naturalWidth") == PREVIEW_PX
    page.click("#go")
    page.wait_for_selector("#bar >> text=/Tile [1-9]/")
    assert not page.is_enabled("#go")
    page.click("#stop")
    page.wait_for_selector("#bar >> text=Stopped")
    words = page.inner_text("#bar")
    page.wait_for_timeout(1500)
    assert page.inner_text("#bar") == words  # no tile follows
    page.click("#photos button[aria-label=Clear]")
    page.wait_for_selector("#example-slider img")
    add(page, small_photo(tmp_path / "small.png"))
    restore(page)  # the network is free again


def test_a_bad_file_is_one_sentence_and_the_page_goes_on(page, tmp_path):
    bad = tmp_path / "broken.jpg"
    bad.write_bytes(examples_for("denoise")[0].path.read_bytes()[:300])
    page.set_input_files(FILES, [str(bad)])
    page.wait_for_selector(TOAST)
    words = page.inner_text(TOAST)
    assert "broken.jpg" in words
    assert "Traceback" not in words and str(tmp_path) not in words
    page.wait_for_selector("#example-slider img")
    assert "broken.jpg" in page.inner_text("#bar")
    page.click("#go")
    page.wait_for_selector(f"{TOAST} >> text=Add a photo or click an example first")
    page.wait_for_selector("#bar .mir-failed")
    add(page, small_photo(tmp_path / "small.png"))
    restore(page)


def test_ways_to_look(page):
    try_example(page)
    press_radio(page, "#view", "pair")
    page.wait_for_selector("#before img")
    page.wait_for_selector("#after img")
    assert all(page.eval_on_selector_all("#pair img", "images => images.map((i) => i.alt !== '')"))
    press_radio(page, "#view", "close")
    page.wait_for_selector("#close-slider img")
    sizes = page.eval_on_selector(
        "#close-slider img", "image => [image.clientWidth, image.naturalWidth]"
    )
    assert sizes[0] == sizes[1] == 624
    press_radio(page, "#view", "slider")
    page.wait_for_selector("#slider img")
    chosen = page.locator("#view input:checked")
    chosen.hover()
    colours = [
        chosen.evaluate(f"(radio) => getComputedStyle(radio).{name}")
        for name in ("backgroundColor", "borderColor")
    ]
    assert colours == ["rgb(15, 118, 110)"] * 2, "a chosen radio looks unchosen under the mouse"


def test_official_weights_are_offered_not_fetched(open_page):
    page = open_page()
    page.click("#weights input")
    page.click("text=download first >> nth=0")
    page.wait_for_selector("#fetch:has-text('Download')")
    note = page.inner_text("#weights-note")
    assert "non-commercial" in note
    assert "Nothing is fetched until you press Download" in note
    add(page, examples_for("denoise")[0].path)
    page.click("#go")
    page.wait_for_selector(f"{TOAST} >> text=press Download")


def test_axe_finds_nothing_before_and_after_a_restoration(page):
    page.set_viewport_size({"width": 1440, "height": 844})
    assert faults(page) == []
    try_example(page)
    page.wait_for_selector("#scores table")
    assert faults(page) == []


def test_a_phone_in_the_dark_is_dark_and_axe_finds_nothing_nor_on_about(open_page):
    page = open_page(390, 844, "dark")
    page.wait_for_function(
        "getComputedStyle(document.querySelector('.gradio-container')).backgroundColor"
        ".match(/[0-9]+/g).every((value) => value < 60)"
    )
    colour = page.eval_on_selector(
        "#task label.selected span", "span => getComputedStyle(span).color"
    )
    assert min(int(value) for value in re.findall(r"\d+", colour)[:3]) > 140
    assert faults(page) == []
    try_example(page)
    page.wait_for_selector("#scores table")
    assert faults(page) == []
    for theme, width in (("dark", 390), ("light", 1440)):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(page.url.partition("?")[0] + f"?__theme={theme}&tab=about")
        page.wait_for_selector("#self-check summary")
        assert page.inner_text(".mir-address") == page.url.partition("?")[0]
        assert faults(page) == []


def test_the_line_between_before_and_after_moves_by_keys(page):
    line = "#example-slider .outer[role=slider]"
    page.wait_for_function("document.querySelector('#example-slider img').naturalWidth > 0")
    page.focus(line)
    page.wait_for_selector(f"{line}[aria-valuenow='50']")
    left = page.locator(line).bounding_box()["x"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"{line}[aria-valuenow='60']")
    assert page.locator(line).bounding_box()["x"] > left + 30
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(f"{line}[aria-valuenow='55']")


def test_keyboard_and_screen_reader(page):
    assert page.eval_on_selector_all("img:not([alt])", "images => images.length") == 0
    page.focus("#task input[value='denoise']")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#task label.selected:has-text('Brighten')")
    page.keyboard.press("Tab")  # one stop for all tasks
    assert page.evaluate("!document.activeElement.closest('#task')")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.value") == "lowlight"
    outline = page.eval_on_selector(
        "#task label.selected", "label => getComputedStyle(label).outlineStyle"
    )
    assert outline == "solid"
    example = examples_for("lowlight")[0].title
    page.wait_for_selector(f"#samples .thumbnail-item[aria-label='{example}']")
    page.focus("#samples .thumbnail-item >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector("#download:not([disabled])")
    page.wait_for_selector("#go:not([disabled])")
    page.focus("#go")
    page.keyboard.press("Enter")
    page.wait_for_selector("#bar [role=progressbar]")
    page.wait_for_selector("#bar .mir-done")
    page.wait_for_selector("#download:focus")


def changed(page, act) -> None:
    """Do something that writes the result anew, and wait for the new file."""
    page.wait_for_selector("#download:not([disabled])")
    page.evaluate(
        """() => {
            window.rewritten = false;
            new MutationObserver(() => {
                window.rewritten ||= document.querySelector("#download").disabled;
            }).observe(document, { subtree: true, attributes: true, childList: true });
        }"""
    )
    act()
    page.wait_for_function("window.rewritten && !document.querySelector('#download').disabled")


def move(page, slider: str, value: float) -> None:
    """Move a slider, and wait for the file of the new blend."""
    changed(page, lambda: page.locator(f"#{slider} input[type=range]").fill(str(value)))


def test_sliders_blend_at_once_and_run_no_network(open_page, tmp_path):
    page = open_page()
    photo = small_photo(tmp_path / "holiday.png")
    expected = mirnet.restore(photo).result()
    add(page, photo)
    assert page.is_hidden("#adjust")
    restore(page)
    done = page.inner_text("#bar")
    shares = {"strength": 0.7, "luma": 0.4, "chroma": 0.9, "detail": 0.5}
    for slider, value in shares.items():
        move(page, slider, value)
    assert page.inner_text("#bar") == done  # no progress, no word of an earlier result
    blend = expected.blend(**shares).picture.pixels
    assert np.array_equal(read_image(download(page, tmp_path)).pixels, blend)
    shown = page.eval_on_selector_all("#slider img", "images => images.map((i) => i.src)")
    served = [read_image(requests.get(url, timeout=60).content).pixels for url in shown]
    assert any(np.array_equal(pixels, blend) for pixels in served)
    press_radio(page, "#view", "close")
    page.wait_for_selector("#close-slider img")
    shown = page.eval_on_selector_all("#close-slider img", "images => images.map((i) => i.src)")
    served = [read_image(requests.get(url, timeout=60).content).pixels for url in shown]
    assert any(np.array_equal(pixels, blend) for pixels in served)


def test_files_are_written_as_chosen(open_page, tmp_path):
    page = open_page()
    photo = small_photo(tmp_path / "holiday.jpg")
    with Image.open(photo) as image:
        exif = Image.Exif()
        exif[0x010E] = "a caption"
        exif.get_ifd(0x8825)[1] = "N"
        image.save(photo, exif=exif, quality=95)
    add(page, photo)
    restore(page)
    press_radio(page, "#format", "JPEG")
    page.wait_for_selector("#download:has-text('JPEG'):not([disabled])")
    page.click("#file-options > button")
    large = download(page, tmp_path)
    assert Image.open(large).getexif().get_ifd(0x8825)
    size = large.stat().st_size
    move(page, "quality", 60)
    for group, value in (("metadata", "no-gps"), ("metadata", "none")):
        changed(page, lambda group=group, value=value: press_radio(page, f"#{group}", value))
        path = download(page, tmp_path)
        assert path.stat().st_size < size / 2
        kept = Image.open(path).getexif()
        assert (kept.get(0x010E), dict(kept.get_ifd(0x8825))) == (
            ("a caption" if value == "no-gps" else None), {}
        )  # fmt: skip
    changed(page, lambda: page.click("#provenance input"))
    assert b"algorithmicallyEnhanced" in read_image(download(page, tmp_path)).xmp


def test_settings_are_tried_on_a_part_first(page, tmp_path):
    pixels = np.random.default_rng(0).integers(90, 160, (700, 900, 3)).astype(np.uint8)
    photo = write_image(Picture(pixels), tmp_path / "holiday.png")
    add(page, photo)
    box = page.locator("#photo img").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#bar >> text=This is a part")
    page.wait_for_selector("#close-slider img")
    shown = page.eval_on_selector_all("#close-slider img", "images => images.map((i) => i.src)")
    served = [read_image(requests.get(url, timeout=60).content).pixels for url in shown]
    parts = [  # a click hits a pixel of the screen, not of the photo
        pixels[top : top + 480, left : left + 640]
        for top in range(107, 114)
        for left in range(127, 134)
    ]
    [part] = [part for part in parts if any(np.array_equal(one, part) for one in served)]
    expected = mirnet.restore(part).result().picture.pixels
    assert any(np.array_equal(one, expected) for one in served)
    assert page.is_visible("#photo img") and page.is_hidden("#measure")
    page.click("#try-part")
    page.wait_for_selector("#bar .mir-done")
    restore(page)
    page.wait_for_selector("#slider img")
    assert page.is_hidden("#photo") and page.is_hidden("#try-part")


def test_a_lost_connection_is_told_and_the_page_goes_on_afterwards(open_page, tmp_path):
    KEPT.close_page()  # it would lose its connection, too
    page = open_page()
    add(page, small_photo(tmp_path / "small.png"))
    page.context.set_offline(True)
    try:
        page.click("#go")
        page.wait_for_selector(f"{TOAST} >> text=Connection to the server was lost")
    finally:
        page.context.set_offline(False)
    page.wait_for_selector("#photo img", state="detached")  # Gradio loads the page anew
    page.wait_for_selector("#example-slider img")
    try_example(page)
