"""Stored and linked markup in Debian's chromium: wherever words from outside are shown, none runs.

Every word of a run, its pictures' names, votes and reviewers is hostile here. Whatever ran would
set `window.pwned` or ask a host that is not there; the page's policy (CSP) would forbid the latter,
and every breach of it is seen too.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from PIL import Image

from eval.reports.export import export
from eval.reports.html import html_report
from eval.review.invitations import Invitation, make_link
from eval.review.votes import Vote, all_votes
from eval.runs.document import Run, SampleResult
from eval.runs.store import RunStore, StoredRun
from tests.support.evaluate_page import follow, open_link
from tests.support.kept_pages import KEPT, SharedApp
from tests.support.review_runs import with_pictures
from tests.support.running import PATIENCE_MS, running_app
from tests.support.runs_factory import method, sha, write_run

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

RUN = "20260101-120000-abcdef"
OTHER = "20260102-120000-abcdef"
EVIL = (
    "\"'><img src=x onerror=\"window.pwned=1;fetch('//evil.invalid')\"><script>pwned=2</script>"
    "<svg onload=pwned=3>[a](javascript:pwned=4)</textarea></style>$\\href{javascript:pwned=5}{x}$"
)
"""Breaks out of attributes and elements; Markdown, a template and LaTeX in one."""


PICTURES_ENDED = """() => [...document.images].every(
  (picture) => picture.complete || picture.loading === "lazy")"""
"""Whether every picture has come or failed; those far below the screen are not asked for."""


def hostile_run(folder: Path, **fields) -> StoredRun:
    """A finished run with pictures in which everything that may be text is hostile."""
    title = EVIL
    methods = (
        method("identity", title=EVIL, settings={EVIL: EVIL}, packages={EVIL: EVIL}),
        method(f"m{EVIL}", title=EVIL, kind="weights", weights_sha256=sha("w")),
    )
    stored = write_run(
        folder, pairs=3, methods=methods, title=title, error=EVIL,
        benchmark__title=EVIL, benchmark__id=EVIL, benchmark__revision=EVIL, thumbs=True, **fields,
    )  # fmt: skip
    run = stored.header()
    environment = run.environment.model_copy(
        update={"machine": EVIL, "device": EVIL, "python": EVIL, "packages": {EVIL: EVIL}}
    )
    stored.write_header(run.model_copy(update={"environment": environment}))
    rows = [row.model_copy(update={"pair": row.pair + EVIL}) for row in stored.rows()]
    rows.append(SampleResult(pair=f"broken{EVIL}", method=f"m{EVIL}", error=EVIL))
    stored.write_pairs(list(dict.fromkeys(row.pair for row in rows)))
    (stored.folder / "scores.jsonl").write_text(
        "".join(row.model_dump_json(exclude_defaults=True) + "\n" for row in rows)
    )
    return with_pictures(stored, 60, 90)


@contextmanager
def hostile_app() -> Iterator[SharedApp]:
    """An app on a folder of two hostile runs."""
    with tempfile.TemporaryDirectory(prefix="mirnet-tests-state-") as folder:
        runs = Path(folder) / "runs"
        hostile_run(runs)
        hostile_run(runs, id=OTHER, seed=1, status="stopped")
        with running_app(MIRNET_STATE_DIR=folder) as url:
            yield SharedApp(url, Path(folder))


@pytest.fixture
def hostile() -> Iterator[SharedApp]:
    """The app, on which nobody has voted; started anew after a failure, as all that is kept."""
    kept = KEPT.get("hostile app", hostile_app)
    yield kept
    shutil.rmtree(kept.state / "runs" / RUN / "votes", ignore_errors=True)


@pytest.fixture
def state(hostile) -> Path:
    return hostile.state


@pytest.fixture
def address(hostile) -> str:
    return hostile.url


@pytest.fixture
def window() -> "sync_api.BrowserContext":
    return KEPT.get("hostile window", lambda: KEPT.chromium.new_context())


@pytest.fixture
def visit(window, address) -> Iterator[Callable[..., "sync_api.Page"]]:
    """Open a link; at the end nothing has run, nobody else was asked, and no policy broken."""
    hosts: set[str] = set()
    said: list[str] = []
    pages = []

    def start(path: str = "", **query: str) -> "sync_api.Page":
        page = window.new_page()
        pages.append(page)
        page.set_default_timeout(2 * PATIENCE_MS)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on(
            "dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        page.on(
            "console",
            lambda message: "Content Security Policy" in message.text and said.append(message.text),
        )
        page.goto(f"{address}{path}?{urlencode(query)}")
        return page

    yield start
    for page in pages:
        assert_nothing_ran(page)
        page.close()
    assert hosts - {""} == {urlsplit(address).netloc}
    assert said == []


def assert_nothing_ran(page) -> None:
    """Look for what markup on the screen would have left, once its pictures had time to fail."""
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    assert page.evaluate(
        "[...document.querySelectorAll('a[href]')].filter("
        "(a) => a.protocol === 'javascript:').length"
    ) == 0  # fmt: skip
    assert page.query_selector("img[onerror], svg[onload], img[src='x']") is None


def test_stored_markup_is_only_words_in_every_view(visit):
    page = visit(tab="evaluate", run=RUN)
    plot, picture = "#ev-plot .js-plotly-plot .main-svg", "#ev-pictures img:visible"
    for query, shown in (
        ({"view": "board"}, "#ev-board tbody tr"),
        ({"view": "plots"}, plot),
        ({"view": "plots", "plot": "scatter"}, plot),
        ({"view": "plots", "plot": "speed"}, plot),
        ({"view": "pictures"}, picture),
        ({"view": "pictures", "look": "error"}, picture),
        ({"view": "compare", "with": OTHER}, "#ev-compared table"),
        ({"view": "votes"}, "#ev-votes >> text=Nobody has voted"),
        ({"view": "runs"}, "#ev-history .virtual-row"),
    ):
        follow(page, run=RUN, **query)
        page.wait_for_selector(shown)
        page.hover(shown.split(" ")[0])
        assert_nothing_ran(page)
        assert "onerror" in page.inner_text("body") or query["view"] in ("votes", "plots")


def test_markup_in_a_link_of_the_evaluation_is_only_words(visit):
    page = visit(tab="evaluate", run=RUN, view="pictures")
    page.wait_for_selector("#ev-pictures img:visible")
    told = {"view": "Unknown view", "image": "This run has no picture", "run": "There is no run"}
    for name in ("view", "image", "with", "method", "protocol", "run"):
        view = "compare" if name == "with" else "pictures"
        open_link(page, **{"run": RUN, "view": view, name: EVIL})
        if name in told:  # the others are ignored, or named in a list
            page.wait_for_selector(f"#ev-message >> text={told[name]}")
        assert_nothing_ran(page)


@pytest.mark.parametrize(
    "query", [{"tab": EVIL}, {"tab": "review", "run": EVIL, "reviewer": EVIL, "key": EVIL}]
)
def test_markup_in_a_link_of_the_page_is_only_words(visit, query):
    page = visit(**query)
    page.wait_for_selector("#task:visible, #review-board:visible")


def test_names_and_comments_of_reviewers_are_only_words(visit, state):
    link = make_link(RunStore(state / "runs"), Invitation(RUN, f"anna{EVIL}"))
    page = visit(**dict(parse_qsl(link[1:])))
    page.wait_for_selector("#review-a")
    for number in range(1, 4):
        page.wait_for_selector(f"#review-board >> text={number} of 3")
        page.fill("#review-comment textarea, #review-comment input", EVIL)
        page.click("#review-a")
    page.wait_for_selector("text=Thank you!")
    assert "onerror" in page.inner_text("#review-board")
    stored = StoredRun(state / "runs" / RUN)
    assert all(EVIL[:40] in vote.comment for vote in all_votes(stored))
    back = visit(**dict(parse_qsl(link[1:])))
    back.wait_for_selector("text=Thank you!")


def test_names_of_files_and_what_is_said_of_them_are_only_words(visit, tmp_path):
    evil = "<img src=x onerror=window.pwned=1>"
    good, bad = tmp_path / f"{evil}.png", tmp_path / f"{evil}.jpg"
    Image.new("RGB", (32, 32), "teal").save(good)
    bad.write_text("no picture")
    page = visit()
    page.set_input_files("#photos input[type=file]", [good, bad])
    page.wait_for_selector(".mir-batch")
    page.click("#go")
    page.wait_for_selector("#bar >> text=1 of 2 photos restored")
    page.wait_for_selector(".mir-batch >> text=text file")
    page = visit()
    page.set_input_files("#photos input[type=file]", bad)
    page.wait_for_selector("[data-testid=toast-body]")


def test_the_report_runs_nothing_and_asks_nobody(window, state, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(html_report(StoredRun(state / "runs" / RUN)), encoding="utf-8")
    page = window.new_page()
    page.set_default_timeout(2 * PATIENCE_MS)
    asked, stopped, said = [], {}, []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: stopped.update({request.url: request.failure}))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: message.type == "error" and said.append(message.text))
    page.goto(path.as_uri())
    page.wait_for_selector("#figure-0 .main-svg")
    page.wait_for_function(PICTURES_ENDED)
    assert "onerror" in page.inner_text("body")
    assert page.evaluate("window.pwned") is None and page.query_selector("img[onerror]") is None
    assert {url for url in asked if not url.startswith(("data:", "blob:"))} == {path.as_uri()}
    # The policy itself: what would have to be forbidden is.
    for event, script in (
        ("console", "fetch('http://evil.invalid/').catch(() => {})"),
        (
            "requestfailed",
            "document.body.insertAdjacentHTML('beforeend', '<img src=http://evil.invalid/>')",
        ),
        (
            "console",
            "document.body.append(Object.assign(document.createElement('script'),"
            "{textContent: 'window.pwned = 1'}))",
        ),
    ):
        with page.expect_event(event):
            page.evaluate(script)
    assert page.evaluate("window.pwned") is None
    assert {stopped.get(url) for url in asked if "evil" in url} == {"csp"}
    assert sum("Content Security Policy" in text for text in said) >= 3
    page.close()


def test_exported_markdown_carries_no_markup_of_others(state):
    text = export(StoredRun(state / "runs" / RUN), "markdown").decode()
    assert "pwned" in text and "<img" not in text and "<script" not in text
    assert not re.search(r"(?<!\\)\]\(javascript", text)


def test_the_page_of_the_operator_runs_nothing(visit):
    page = visit("operator", name=EVIL)
    page.wait_for_selector("h1")


def test_hostile_votes_in_a_file_are_only_words(visit, state):
    """Somebody wrote the file of votes by hand."""
    stored = StoredRun(state / "runs" / RUN)
    row = stored.rows()[0]
    run: Run = stored.header()
    vote = Vote(
        pair=row.pair[:200], a=run.methods[0].id[:200], b=run.methods[1].id[:200], outcome="a",
        reviewer=EVIL[:80], time=run.created, comment=EVIL[:500],
    )  # fmt: skip
    page = visit(tab="evaluate", run=RUN, view="votes")
    page.wait_for_selector("#ev-votes >> text=Nobody has voted")
    (stored.folder / "votes").mkdir()
    (stored.folder / "votes" / f"{'0' * 32}.jsonl").write_text(json.dumps(
        json.loads(vote.model_dump_json())) + "\n")  # fmt: skip
    page.click("text=Count the votes")
    page.wait_for_selector("#ev-votes .review-note")
    assert_nothing_ran(page)
