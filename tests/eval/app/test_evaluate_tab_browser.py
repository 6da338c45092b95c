"""The Evaluate and Blind review tabs in Debian's chromium, as visitors use them.

A test opens its link in a page that stays open, where it is not about loading one. What need not
be computed comes out of `runs_factory`.
"""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.accessibility import faults
from tests.support.evaluate_page import (
    ELSEWHERE,
    OTHER,
    PAIR,
    PICTURE,
    PLOT,
    POINT,
    RUN,
    copied_link,
    pair_shown,
    turn_to,
    wait_for_pair,
)
from tests.support.kept_pages import KEPT
from tests.support.restore_page import assert_fits

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


def test_a_run_is_started_stopped_found_again_resumed_and_opened(visit, state):
    page = visit()
    page.click("#ev-new")
    page.click("#ev-task input")
    page.click("[role=option] >> text=Remove noise")
    page.wait_for_selector("#ev-methods >> text=Total variation")
    for name in ("Ours, compact", "Total variation"):  # three classical methods
        page.click(f"#ev-methods label:has-text('{name}')")
    page.fill("#ev-n input", "8")
    page.click("#ev-more button")
    page.fill("#ev-run-title :is(input, textarea)", "Noise, three ways")
    page.wait_for_selector("#ev-estimate >> text=/8 pairs · about .* on this machine/")
    assert "at most" in page.inner_text("#ev-estimate")  # limits are told beforehand
    facts = page.inner_text("#ev-facts")
    assert "nothing to download" in facts and "Licence" in facts and "Protocol rgb" in facts
    held = state / "held"
    held.touch()  # a run of small pictures would be over before its first look
    try:
        page.click("#ev-start")
        page.wait_for_selector("#ev-bar >> text=/of 24/")
        page.click("#ev-stop:not([disabled])")
        page.wait_for_selector("#ev-bar >> text=Stopping after the current picture")
    finally:
        held.unlink()
    page.wait_for_selector("#ev-bar >> text=/^Stopped.*of 24 results/")
    done = int(re.search(r"(\d+) of 24", page.inner_text("#ev-bar"))[1])
    assert 0 < done < 24
    again = visit(path="?tab=evaluate&view=run")
    again.wait_for_selector(f"#ev-bar >> text={done} of 24")
    again.click("#ev-resume")
    again.wait_for_selector("#ev-bar .mir-done >> text=24 of 24")
    again.wait_for_selector("#ev-table tbody tr >> nth=2")
    assert again.locator("#ev-table tbody tr").count() == 3
    again.wait_for_selector("#ev-live-plot .main-svg")
    again.wait_for_selector("#ev-latest img >> nth=2", state="attached")
    assert again.locator("#ev-latest img").count() == 3
    again = visit(
        width=390, path="?tab=evaluate&view=run"
    )  # it has ended meanwhile: whoever comes back finds it
    again.wait_for_selector("#ev-bar .mir-done >> text=24 of 24")
    again.wait_for_selector("#ev-table >> text=Noise, three ways")
    again.click("#ev-open")
    again.wait_for_selector("#ev-board tbody tr >> nth=2")
    assert "not the official pictures, simulated damage" in again.inner_text("#ev-about")


def test_evaluate_opens_on_numbers_that_lead_to_their_pictures_in_two_clicks(visit):
    page = visit(path="")  # the page as a stranger opens it
    page.click("[role=tab] >> text=Evaluate")
    page.wait_for_selector("#ev-over-table >> text=recorded by us on")
    page.click("#ev-over-group >> text=Retouch")
    page.click("#ev-over-table tr:has-text('retouch-compact') td a >> nth=-1")
    page.wait_for_selector("#ev-about >> text=Recorded by us on")
    assert "view=board" in page.evaluate("location.search")
    turn_to(page, "Pictures")
    page.wait_for_selector(PICTURE)
    page.go_back()
    page.go_back()
    page.wait_for_selector("#ev-over-table >> text=retouch-compact")
    assert "group=retouch" in page.evaluate("location.search")


def test_the_overview_lists_own_runs_apart_from_the_recorded_ones(visit):
    page = visit(view="overview", score="ssim", group="enlarge")
    page.wait_for_selector("#ev-over-runs >> text=Six pictures")
    page.wait_for_selector("#ev-over-table caption >> text=Mean SSIM")
    assert "Six pictures" not in page.inner_text("#ev-over-table")
    page.click("#ev-over-runs a >> text=Six again")
    page.wait_for_selector("#ev-about h2 >> text=Six again")


def test_a_link_opens_the_same_view_in_a_fresh_browser(visit):
    page = visit(run=RUN, view="pictures", image="p0003", look="error", zoom="8", at="20,70")
    page.wait_for_selector("#ev-scale >> text=of 255 and more")
    wait_for_pair(page, "p0003")
    link = copied_link(page)
    assert "run=" + RUN in link and "image=p0003" in link and "at=20%2C70" in link
    fresh = KEPT.chromium.new_context()
    try:
        query = dict(part.split("=") for part in urlsplit(link).query.split("&"))
        other = visit(where=fresh, **query | {"at": "20,70", "protocol": "rgb/1"})
        other.wait_for_selector("#ev-scale >> text=of 255 and more")
        wait_for_pair(other, "p0003")
        other.wait_for_function("pictureZoom.place(document.querySelector('#ev-stage')).zoom === 8")
        place = other.evaluate("pictureZoom.place(document.querySelector('#ev-stage'))")
        assert (place["zoom"], place["across"], place["down"]) == (8, 20, 70)
    finally:
        fresh.close()


def test_a_link_of_a_plot_keeps_the_figure_and_both_methods(visit):
    page = visit(run=RUN, view="plots", plot="scatter", a="clahe", b="ours")
    page.wait_for_selector("#ev-plot .gtitle >> text=ours against clahe")
    link = copied_link(page)
    assert "plot=scatter" in link and "a=clahe" in link and "b=ours" in link


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"run": "../../etc/passwd"}, "There is no run '../../etc/passwd' here."),
        ({"run": RUN, "view": "plots", "plot": "no", "zoom": "x", "at": "9999,1"}, ""),
    ],
)
def test_a_wrong_link_is_told_in_one_sentence(visit, query, words):
    page = visit(**query)
    if words:
        page.wait_for_selector("#ev-message p")
        assert words in page.inner_text("#ev-message")
        assert "Traceback" not in page.inner_text("body")
    else:
        page.wait_for_selector(PLOT)
    assert page.locator("[data-testid=toast-body]").count() == 0


def test_the_report_sorts_by_value_shows_more_columns_and_leads_to_pictures(visit):
    page = visit(run=RUN, view="report")
    page.wait_for_selector("#ev-board tbody tr >> nth=2")
    page.wait_for_selector("#ev-report-plots .js-plotly-plot >> nth=1")
    first = "#ev-board tbody tr >> nth=0"
    assert page.inner_text(f"{first} >> th").split() == ["Method", "ours", "ours"]
    assert re.match(r"\d\d\.\d\d\n", page.inner_text(f"{first} >> td >> nth=0"))
    for _ in range(2):  # the best is first, then the worst
        page.click("#ev-board thead >> text=PSNR (dB)")
    assert "identity" in page.inner_text(first)
    assert page.locator("#ev-board thead >> text=/^Scored/").is_hidden()
    page.click("#ev-board .ev-columns summary")
    page.check("#ev-board [data-ev-columns=scored]")
    page.wait_for_selector("#ev-board thead >> text=/^Scored/")
    page.uncheck("#ev-board [data-ev-columns=scored]")
    assert page.locator("#ev-ends img").count() == 6
    page.click("#ev-board tbody a:has-text('clahe')")
    page.wait_for_selector(PICTURE)
    page.wait_for_function("location.search.includes('method=clahe')")
    turned = pair_shown(page)
    page.click("#ev-pairs .virtual-row >> nth=2 >> [role=gridcell] >> nth=0")
    page.wait_for_function(f"!document.querySelector('{PAIR}').value.endsWith({turned!r})")
    page = visit(run=RUN, view="board")
    page.click("#ev-ends a >> nth=0")
    page.wait_for_selector(PICTURE)
    page.wait_for_function("location.search.includes('which=disagree')")


def hover_over_point(page) -> dict:
    """Move the mouse to a point until its label is there: a plot may still be drawn or laid out."""
    for _ in range(20):
        page.wait_for_function(POINT)
        if not (point := page.evaluate(POINT)):
            continue
        page.mouse.move(point["x"] + 40, point["y"] + 40)
        page.mouse.move(point["x"], point["y"])
        label = page.locator(f"#ev-plot .hoverlayer text tspan:text-is('{point['pair']}')")
        page.wait_for_timeout(500)
        if label.count():
            return point
    raise AssertionError("no point of the plot shows its label")


def test_a_point_of_a_plot_opens_its_picture(visit):
    page = visit(run=RUN, view="plots")
    point = hover_over_point(page)
    assert re.fullmatch(r"p000\d", point["pair"])
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector(PICTURE)
    wait_for_pair(page, point["pair"])


def test_a_small_picture_opens_it_and_the_address_follows(visit):
    page = visit(run=RUN, view="pictures")
    page.wait_for_selector(".ev-strip [aria-current]")
    small = page.locator(".ev-strip button")
    assert small.count() == 6
    pair = small.nth(4).get_attribute("data-pair")
    small.nth(4).click()
    wait_for_pair(page, pair)
    page.wait_for_selector(f".ev-strip [data-pair={pair}][aria-current]")
    page.wait_for_function(f"location.search.includes('image={pair}')")
    page.wait_for_function(f"document.activeElement.dataset.pair === '{pair}'")
    page.click("[role=tab]:has-text('Restore')")
    page.wait_for_function("location.search === ''")
    page.click("[role=tab]:has-text('Evaluate')")
    page.wait_for_function("location.search.includes('tab=evaluate')")
    page.reload()
    page.wait_for_selector(PAIR)
    wait_for_pair(page, pair)  # in the same order as before
    page.wait_for_function(f"document.querySelector('{PAIR}').value.startsWith('5 of 6')")


TAB_TITLES = {
    "review": "Blind review",
    "evaluate": "Evaluate",
    "about": "About",
    "nothing": "Restore",
}
"""Title of the tab that a link with `tab` opens."""


def test_the_tab_of_the_address_is_selected_before_the_server_answers():
    page = KEPT.window.new_page()
    page.route("**/queue/join*", lambda route: None)  # is never answered
    try:
        for tab, title in TAB_TITLES.items():
            page.goto(f"{KEPT.app.url}?tab={tab}")
            page.wait_for_selector(f"#page-tabs [aria-selected=true]:has-text('{title}')")
    finally:
        page.close()


def test_the_wheel_zooms_all_pictures_and_marks_one_place_in_all_and_the_address_follows(visit):
    page = visit(run=RUN, view="pictures")
    page.wait_for_selector(f"{PICTURE} >> nth=2")
    page.wait_for_function("document.querySelector('#ev-pictures img').naturalWidth > 0")
    page.hover(f"{PICTURE} >> nth=1")
    page.mouse.wheel(0, -800)
    page.wait_for_function("location.search.includes('zoom=')")
    shown = page.locator(PICTURE)
    moves = shown.evaluate_all(
        "all => all.map((one) => new DOMMatrix(getComputedStyle(one).transform).toFloat64Array())"
        ".map((m) => [m[0], m[12], m[13]])"
    )
    # Columns differ by fractions of a pixel in width.
    assert len(moves) > 3 and moves[0][0] > 1
    assert all(abs(a - b) < 0.5 for one in moves for a, b in zip(one, moves[0], strict=True))
    rings = page.locator("#ev-pictures .image-frame:visible").evaluate_all(
        "all => all.map((one) => parseFloat(getComputedStyle(one, '::after').left))"
    )
    assert rings[0] > 0 and max(rings) - min(rings) < 0.5
    page.wait_for_selector("#ev-pictures label:has-text('Error of Method ours')")
    page.click("#ev-zoom button:has-text('Fit')")
    page.wait_for_function("!location.search.includes('zoom=')")


def test_back_returns_to_the_view_and_the_picture_before(visit):
    page = visit(run=RUN)
    page.wait_for_selector("#ev-board tbody tr >> nth=2")
    page.wait_for_function("location.search.includes('view=board')")
    turn_to(page, "Pictures")
    page.wait_for_selector(".ev-strip [aria-current]")
    page.wait_for_function("location.search.includes('image=')")
    first = pair_shown(page)
    page.click("#ev-next")
    page.wait_for_function("first => !location.search.includes(`image=${first}`)", arg=first)
    page.go_back()
    wait_for_pair(page, first)
    page.go_back()
    page.wait_for_selector("#ev-board tbody tr >> nth=2 >> visible=true")
    page.wait_for_function("location.search.includes('view=board')")
    page.go_forward()
    page.wait_for_selector(PICTURE)
    wait_for_pair(page, first)


def test_the_newest_run_opens_by_itself(visit):
    page = visit(path="?tab=evaluate&view=run")
    page.wait_for_selector("#ev-start")
    turn_to(page, "Report")
    page.wait_for_selector("#ev-board tbody tr")
    assert "run=20" in page.evaluate("location.search")


def test_the_history_is_filtered(visit):
    page = visit(view="runs")
    page.wait_for_selector("#ev-history .virtual-row >> nth=2")
    page.click("#ev-only-task input")
    page.click("[role=option] >> text=Enlarge x3")
    page.wait_for_selector("#ev-no-runs >> text=No runs made here match these filters.")
    page.click("#ev-only-task input")
    page.click("[role=option] >> text=All tasks")
    page.click("#ev-history [role=gridcell]:has-text('Six again')")
    page.wait_for_selector("#ev-about h2 >> text=Six again")


def test_every_figure_is_drawn_and_saved(visit):
    page = visit(run=RUN, view="plots")
    for title in ("Paired differences", "Two methods", "Quality and time", "Cumulative scores",
                  "Gain by input quality", "Published", "Score distribution"):  # fmt: skip
        before = page.wait_for_selector(f"{PLOT} >> nth=0").evaluate(
            "svg => svg.closest('.js-plotly-plot').querySelector('.gtitle')?.textContent"
        )
        page.click("#ev-plot-name input")
        page.click(f"[role=option] >> text='{title}'")
        page.wait_for_function(
            "before => document.querySelector('#ev-plot .gtitle')?.textContent !== before",
            arg=before,
        )
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<svg"), ("data", b"pair,method")):
        with page.expect_download() as event:
            page.click(f"#ev-{kind}")
        saved = Path(event.value.path()).read_bytes()
        assert saved.startswith(start)
        assert event.value.suggested_filename.startswith(f"mirnet-{RUN}-distribution")
        assert kind != "svg" or b"rgb(255, 255, 255)" in saved or b"white" in saved  # its ground


def test_nothing_moves_for_who_asked_for_that(visit):
    page = visit(run=RUN, view="pictures")
    page.wait_for_selector("#ev-pictures img:visible")
    longest = """() => Math.max(...[...document.querySelectorAll("*")].flatMap((element) => {
      const { transitionDuration, animationDuration } = getComputedStyle(element);
      return `${transitionDuration},${animationDuration}`.split(",").map(parseFloat);
    }))"""
    assert page.evaluate(longest) > 0.01
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(longest) < 0.001  # seconds


def test_files_of_a_run_are_downloaded(visit):
    page = visit(run=RUN)
    page.wait_for_selector("#ev-board tbody tr")
    for kind in ("csv", "html"):
        with page.expect_download() as event:
            page.click(f"#ev-file-{kind}")
        assert event.value.suggested_filename == f"mirnet-{RUN}.{kind}"
        assert "p0003" in Path(event.value.path()).read_text(encoding="utf-8")


def test_two_runs_are_compared_or_refused_in_words(visit):
    page = visit(run=RUN, view="compare", **{"with": OTHER})
    page.wait_for_selector("#ev-compared table")
    page.wait_for_selector("#ev-compare-plot .js-plotly-plot .main-svg")
    page.wait_for_selector("#ev-compare-pictures img:visible")
    page.wait_for_selector("#ev-changes .virtual-row")
    assert "Six again" in page.inner_text("#ev-others")
    page = visit(run=RUN, view="compare", **{"with": ELSEWHERE})
    page.wait_for_selector("#ev-compared .mir-warn")
    assert "different protocols cannot be compared" in page.inner_text("#ev-compared")


def test_the_keyboard_is_enough(visit):
    page = visit(run=RUN, view="pictures")
    page.wait_for_selector(PICTURE)
    first = pair_shown(page)
    page.focus("#ev-next")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"!document.querySelector('{PAIR}').value.endsWith({first!r})")
    page.keyboard.press("ArrowLeft")
    wait_for_pair(page, first)
    page.focus("#ev-views button[role=tab]:has-text('Pictures')")
    page.keyboard.press("ArrowRight")  # whatever has the focus
    page.wait_for_function(f"!document.querySelector('{PAIR}').value.endsWith({first!r})")
    page.keyboard.press("ArrowLeft")
    wait_for_pair(page, first)
    page.focus("#ev-next")
    page.wait_for_function(
        "pair => [...document.querySelectorAll('#ev-pictures img')]"
        ".every((picture) => !picture.offsetParent || picture.alt.includes(pair))",
        arg=first,
    )
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"!document.querySelector('{PAIR}').value.endsWith({first!r})")
    turned = pair_shown(page)
    page.focus("#ev-pairs .search-input")
    page.keyboard.press("ArrowLeft")  # who types keeps the picture
    page.wait_for_timeout(500)
    assert pair_shown(page) == turned
    page.focus("#ev-views button[role=tab]:has-text('Report')")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ev-board tbody tr")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "#ev-over-table td"),
        ({"view": "run"}, "#ev-start"),
        ({"run": RUN}, "#ev-board tbody tr"),
        ({"run": RUN, "view": "plots"}, PLOT),
        ({"run": RUN, "view": "pictures"}, PICTURE),
        ({"run": RUN, "view": "slices"}, "#ev-slices :is(table, .mir-empty)"),
        ({"run": RUN, "view": "compare", "with": OTHER}, "#ev-compared table"),
        ({"run": RUN, "view": "votes"}, "#ev-votes >> text=Nobody has voted"),
        ({"run": RUN, "view": "runs"}, "#ev-history .virtual-row"),
    ],
    ids=["overview", "run", "board", "plots", "pictures", "slices", "compare", "votes", "runs"],
)
def test_every_view_on_a_phone_in_the_dark_and_by_axe(visit, query, found):
    page = visit(390, 844, "dark", **query)
    page.wait_for_selector(found)
    page.wait_for_timeout(300)
    assert_fits(page)
    dark = "getComputedStyle(document.querySelector('.gradio-container')).backgroundColor"
    assert all(int(part) < 60 for part in re.findall(r"\d+", page.evaluate(dark))[:3])
    assert faults(page) == []


def test_words_of_a_figure_read_in_the_dark(visit):
    page = visit(390, 844, "dark", run=RUN, view="plots")
    page.wait_for_selector(f"{PLOT} .xtick text")
    for words in (".xtick text", ".gtitle", ".ytitle"):
        colour = page.eval_on_selector(f"#ev-plot {words}", "text => getComputedStyle(text).fill")
        assert min(int(part) for part in re.findall(r"\d+", colour)[:3]) > 200, words
