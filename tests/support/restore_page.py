"""The Restore page in a browser: its address, and steps that several tests take."""

from pathlib import Path

from PIL import Image

from mirnet.app.examples import examples_for
from mirnet.app.restore_tab.modes import CARDS, MODES
from tests.support.kept_pages import Traffic, close_toasts

FILES = "#photos input[type=file]"


CLEAR = "#photos button[aria-label=Clear]"


TOAST = "[data-testid=toast-body]"


def small_photo(path: Path, task: str = "denoise") -> Path:
    """Crop a real photo to a part that is quick to restore."""
    with Image.open(examples_for(task)[0].path) as photo:
        photo.convert("RGB").crop((200, 100, 440, 290)).save(path, quality=95)
    return path


def start_over(traffic: Traffic) -> None:
    """Take back what an earlier test did: its photos and their results, view, format and mode."""
    page = traffic.page
    page.set_viewport_size({"width": 1280, "height": 900})
    traffic.settle()
    close_toasts(page)
    for group, first in (("#view", "slider"), ("#format", "PNG")):
        if page.is_visible(f"{group} label:not(.selected):has(input[value={first}])"):
            press_radio(page, group, first)
            traffic.settle()
    if page.is_hidden("#example-slider"):
        if page.is_hidden(CLEAR):  # an example has no such button
            page.set_input_files(FILES, [str(examples_for("denoise")[0].path)])
            page.wait_for_selector(CLEAR)
            traffic.settle()
        page.click(CLEAR)
        page.wait_for_selector("#example-slider img")
    if not page.is_checked("#task input[value=denoise]"):
        choose_mode(page, "denoise")
    traffic.settle()
    page.evaluate("scrollTo(0, 0)")
    for left in (
        "#bar .mir-done",
        "#bar .mir-failed",
        "#board .mir-batch",
        "#photo img",
        "#slider img",
        "#pair img",
        "#close-slider img",
        "#scores table",
        "#truth img",
        "#download:not([disabled])",
    ):
        page.wait_for_selector(left, state="hidden")


def choose_mode(page, mode: str) -> None:
    """Choose a card, and its scale where it has several; wait for its examples."""
    card = next(value for value, card in CARDS.items() if mode in card.modes.values())
    press_radio(page, "#task", card)
    if len(CARDS[card].modes) > 1:
        press_radio(page, "#scale", mode)
    title = examples_for(MODES[mode].task)[0].title
    page.wait_for_selector(f"#samples >> text={title}")


def add(page, *paths: Path) -> None:
    page.set_input_files(FILES, [str(path) for path in paths])
    if len(paths) == 1:
        page.wait_for_selector("#photo img")
    else:
        page.wait_for_selector("#board .mir-batch")


def try_example(page, number: int = 0) -> None:
    """Click an example, which restores it at once."""
    page.click(f"#samples .thumbnail-item >> nth={number}")
    page.wait_for_selector("#bar .mir-done")
    page.wait_for_selector("#slider img")
    page.wait_for_selector("#download:not([disabled])")


def restore(page) -> None:
    page.click("#go")
    page.wait_for_selector("#bar .mir-done")
    page.wait_for_selector("#download:not([disabled])")


def download(page, folder: Path) -> Path:
    with page.expect_download() as event:
        page.click("#download")
    path = folder / event.value.suggested_filename
    event.value.save_as(path)
    return path


def press_radio(page, group: str, value: str) -> None:
    """Click a radio button once its label is still and unobstructed."""
    label = f"{group} label:has(input[value='{value}'])"
    page.click(label)
    page.wait_for_selector(f"{label}.selected")


def assert_fits(page) -> None:
    """Check that nothing is wider than the window, scrolled or cut off."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    parts = ".mir-header, [id]:is(.block, .row, .column, button), .mir-about > *"
    outside = page.eval_on_selector_all(
        parts,
        """found => found.filter((part) => part.checkVisibility()).map((part) =>
            [part.id || part.className, part.getBoundingClientRect()])
            .filter(([, box]) => box.left < 0 || box.right > innerWidth)
            .map(([name, box]) => `${name}: ${box.left} to ${box.right}`)""",
    )
    assert outside == []
