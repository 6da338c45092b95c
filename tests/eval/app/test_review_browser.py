"""The Blind review tab in Debian's chromium, as reviewers and visitors use it."""

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs

import pytest

from eval.review.invitations import Invitation, make_link, read_link
from eval.review.votes import all_votes
from eval.runs.store import RunStore, StoredRun
from tests.support.accessibility import faults
from tests.support.restore_page import assert_fits
from tests.support.review_runs import NAMES, with_pictures
from tests.support.running import PATIENCE_MS, running_app, running_chromium
from tests.support.runs_factory import method, write_run

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

RUN = "20260101-120000-abcdef"
SITE_TAB = "#page-tabs > .tab-wrapper button[role=tab]"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> RunStore:
    """One run of three methods with pictures."""
    folder = tmp_path_factory.mktemp("state") / "runs"
    methods = tuple(method(name) for name in NAMES)
    with_pictures(write_run(folder, methods=methods, pairs=6, thumbs=True), 120, 180)
    return RunStore(folder)


@pytest.fixture(scope="module")
def context(store) -> Iterator[tuple]:
    """The app, and one browser window with its cache."""
    state = str(store.folder.parent)
    with running_app(MIRNET_STATE_DIR=state) as url, running_chromium() as browser:
        yield url, browser.new_context()


@pytest.fixture
def visit(context) -> Iterator[Callable]:
    """Open a query of the page; at the end no script may have failed."""
    url, window = context
    pages, thrown = [], []

    def start(query: str, width: int = 1280, height: int = 900, theme: str = "light"):
        page = window.new_page()
        pages.append(page)
        page.set_default_timeout(PATIENCE_MS)
        page.set_viewport_size({"width": width, "height": height})
        page.on("pageerror", lambda error: thrown.append(str(error)))
        page.goto(f"{url}{query}&__theme={theme}")
        return page

    yield start
    for page in pages:
        page.close()
    assert thrown == []


def link_of(store: RunStore, name: str) -> str:
    return make_link(store, Invitation(RUN, name))


def test_two_reviewers_vote_at_once_and_see_no_site(visit, store):
    pages = [visit(link_of(store, name)) for name in ("anna", "bert")]
    for page in pages:
        page.wait_for_selector("#review-board >> text=1 of")
        assert not page.is_visible(SITE_TAB)
    for number in range(2, 5):
        for page in pages:  # both requests are under way before either is awaited
            page.keyboard.press("1" if page is pages[0] else "3")
        for page in pages:
            page.wait_for_selector(f"#review-board >> text=/^{number} of/")
    votes = all_votes(StoredRun(store.folder / RUN))
    said = {name: [vote.outcome for vote in votes if vote.reviewer == name]
            for name in ("anna", "bert")}  # fmt: skip
    assert said == {"anna": ["a"] * 3, "bert": ["b"] * 3}


def test_a_held_key_shows_b_in_the_place_of_a(visit, store):
    page = visit(link_of(store, "flicker"))
    page.wait_for_selector("#review-picture-a img")

    def sources() -> list[str]:
        return [
            page.get_attribute(f"#review-picture-{side} img", "src") or "" for side in ("a", "b")
        ]

    own = sources()
    page.keyboard.down("f")
    assert sources() == [own[1], own[1]] and own[0] != own[1]
    page.keyboard.up("f")
    assert sources() == own
    page.focus("#review-flicker")
    page.keyboard.down("Space")
    assert sources() == [own[1], own[1]]
    page.keyboard.up("Space")
    assert sources() == own
    page.focus("#review-comment textarea, #review-comment input")
    page.keyboard.down("f")
    assert sources() == own


def test_a_stranger_tries_five_questions_with_the_keyboard(visit, store):
    before = len(all_votes(StoredRun(store.folder / RUN)))
    page = visit("?tab=review")
    page.wait_for_selector("[data-review-run]")
    assert page.is_visible(SITE_TAB)
    page.focus("[data-review-run]")
    page.keyboard.press("Enter")
    for number in range(1, 6):
        page.wait_for_selector(f"#review-board >> text={number} of 5")
        page.keyboard.press("2")
    page.wait_for_selector("text=These were yours")
    assert "Method clahe" in page.inner_text("#review-board")
    assert len(all_votes(StoredRun(store.folder / RUN))) == before
    page.click("#review-others")
    page.wait_for_selector("[data-review-run]")


def test_a_pasted_name_gets_its_own_link(visit, store):
    page = visit(f"?tab=evaluate&run={RUN}&view=votes")
    for name in ("carla", "doris"):
        page.click("#votes-name input, #votes-name textarea")
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(name)  # as a paste: one event for the whole text
        page.wait_for_selector(f"text=Link of {name}")
        page.wait_for_function(
            "name => [...document.querySelectorAll('#votes-link input, #votes-link textarea')]"
            ".some((box) => box.value.startsWith('http') && box.value.includes(name))",
            arg=name,
        )
        link = page.input_value("#votes-link input, #votes-link textarea")
        query = {key: value[0] for key, value in parse_qs(link.partition("?")[2]).items()}
        assert read_link(store, query).reviewer == name


@pytest.mark.parametrize("width", [390, 1280])
def test_review_and_trial_fit_and_pass_axe(visit, store, width):
    page = visit(link_of(store, f"axe-{width}"), width, 844, "dark")
    page.wait_for_selector("#review-picture-b img")
    page.wait_for_timeout(300)
    assert_fits(page)
    assert faults(page) == []
    page = visit("?tab=review", width, 844)
    page.wait_for_selector("[data-review-run]")
    assert_fits(page)
    assert faults(page) == []
