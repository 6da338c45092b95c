"""The Blind review tab in Debian's chromium, as reviewers and visitors use it."""

import shutil
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs

import pytest

from eval.review.invitations import Invitation, make_link, read_link
from eval.review.votes import all_votes
from eval.runs.store import RunStore, StoredRun
from tests.support.accessibility import faults
from tests.support.evaluate_page import RUN
from tests.support.kept_pages import KEPT, Traffic
from tests.support.restore_page import assert_fits

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

TRIAL = f"[data-review-run='{RUN}']"
SITE_TAB = "#page-tabs > .tab-wrapper button[role=tab]"


@pytest.fixture
def store() -> Iterator[RunStore]:
    """Stored runs of the shared app; the first has pictures of three methods, and no votes."""
    runs = RunStore(KEPT.app.state / "runs")
    yield runs
    shutil.rmtree(runs.folder / RUN / "votes", ignore_errors=True)


@pytest.fixture
def open_query() -> Iterator[Callable]:
    """Load a page with a query; at the end no script may have failed."""
    opened: list[Traffic] = []

    def start(query: str, width: int = 1280, height: int = 900, theme: str = "light"):
        page = KEPT.window.new_page()
        opened.append(Traffic(page))
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{KEPT.app.url}{query}&__theme={theme}")
        return page

    yield start
    for traffic in opened:
        traffic.page.close()
        traffic.check(KEPT.app.url)


def link_of(store: RunStore, name: str) -> str:
    return make_link(store, Invitation(RUN, name))


def test_two_reviewers_vote_at_once_and_see_no_site(open_query, store):
    pages = [open_query(link_of(store, name)) for name in ("anna", "bert")]
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


def test_a_held_key_shows_b_in_the_place_of_a(open_query, store):
    page = open_query(link_of(store, "flicker"))
    page.wait_for_function(
        "['a', 'b'].every((side) =>"
        " document.querySelector(`#review-picture-${side} img`)?.naturalWidth > 0)"
    )

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


def test_a_stranger_tries_five_questions_with_the_keyboard(open_query, store):
    before = len(all_votes(StoredRun(store.folder / RUN)))
    page = open_query("?tab=review")
    page.wait_for_selector(TRIAL)
    assert page.is_visible(SITE_TAB)
    page.focus(TRIAL)
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
    page = visit(run=RUN, view="votes")
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


def test_review_and_trial_fit_and_pass_axe(open_query, store):
    for query, shown, theme in (
        (link_of(store, "axe"), "#review-picture-b img", "dark"),
        ("?tab=review", TRIAL, "light"),
    ):
        page = open_query(query, 390, 844, theme)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            page.wait_for_selector(shown)
            assert_fits(page)
            assert faults(page) == []
        page.close()
