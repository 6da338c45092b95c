"""The review page and the panel with its results: widgets and their events.

Nothing that reaches the browser before a vote names a method: questions stay in the session on the
server, pictures travel as arrays, and Gradio names their files by content.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from eval.review.ranking import Ranking, ranking
from eval.review.votes import (
    MAX_COMMENT,
    QUESTIONS,
    Look,
    Outcome,
    Review,
    Vote,
    can_store,
    cast,
    export,
    open_review,
    pictures,
    reviewer_link,
)
from eval.runs.store import RunStore, StoredRun
from mirnet.app import html as ui_html
from mirnet.errors import InvalidRequest, MIRNetError

Update = dict[Any, Any]
"""Which widget gets what."""
Store = Callable[[], RunStore]
"""Gives the folder of runs when a page is opened, not when it is built."""

NO_LINK = (
    "This page needs a link",
    "Whoever asked you for a review has a link that ends in a run and your name. Open that one. "
    "Links are made under Evaluate, Votes.",
)
NO_RUN = (
    "This link leads to no run",
    "The run was removed, or the link is not complete. Ask for a new one.",
)
READ_ONLY = (
    "Votes cannot be stored here",
    "This copy is read-only: ask whoever sent you the link for one that may be written to.",
)
NO_RUN_OPEN = ("No run is open", "Open one to see what reviewers said of it.")
NO_QUESTION = "There is nothing to review yet"
LOST = "This page was open for too long, or the app was started anew: reload the page to go on."
SAID: dict[Outcome, str] = {
    "a": "A is better",
    "tie": "Equal",
    "b": "B is better",
    "skip": "Skipped",
}
"""Answers in words."""

MEASURE_ROOM = """(...given) => {
  const page = document.querySelector("#review");
  const room = (page && page.clientWidth) || Math.min(innerWidth, 1400) - 48;
  given[given.length - 1] = room >= 660 ? Math.floor((room - 16) / 2) - 4 : room - 4;
  return given;
}"""
"""Tells an event, as its last input, how many pixels a picture may have: 100 % is 100 %."""

SHORTCUTS = """() => {
  if (window.reviewShortcuts) return;
  window.reviewShortcuts = true;
  const buttons = { 1: "a", 2: "tie", 3: "b", ArrowLeft: "back", ArrowRight: "skip" };
  document.addEventListener("keydown", (event) => {
    const name = buttons[event.key];
    const button = name && document.querySelector("#review-" + name);
    if (!button || !button.offsetParent || button.disabled) return;
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    const chooser = "[type=radio], [type=checkbox], [type=range], [role=tab], [role=slider]";
    const typed = "textarea, select, [contenteditable=true], input";
    const at = event.target;
    if (at.matches(chooser) ? event.key.startsWith("Arrow") : at.matches(typed)) return;
    event.preventDefault();
    button.click();
  });
}"""
"""1, 2 and 3 answer, the arrows go back and skip; not while somebody types."""

SCROLL = '<div class="review-scroll" tabindex="0" role="region" aria-label="Votes">'
"""Around a table that may be wider than the screen; the keyboard can scroll it."""
WHOLE_LINK = "(link) => link && location.origin + location.pathname + link"
"""Puts the page's own address before a link."""

STYLE = """<style>
.review-style { display: none; }
#review { gap: 12px; }
#review .review-head {
  display: flex; flex-wrap: wrap; gap: 2px 16px; align-items: baseline; margin-bottom: 8px;
}
#review .review-head h2 { margin: 0; font-size: 20px; }
#review .review-head p { margin: 0; color: var(--body-text-color-subdued); }
#review .review-head .review-said { color: var(--link-text-color); font-weight: 600; }
#review .form:has(> #review-view) {
  display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: center; border: 0;
  background: none; box-shadow: none;
}
#review-view { flex: 0 1 auto; padding: 0; border: 0; background: none; }
#review-view label { background: none; border: 1px solid var(--border-color-primary); }
#review-view label.selected { border-color: var(--color-accent); }
#review-context-box { flex: 0 1 auto; }
#review-pictures, #review-context { gap: 16px; }
#review-pictures img, #review-context img { max-height: 76vh; object-fit: contain; }
#review-pictures img { cursor: zoom-in; }
.review-close :is(#review-pictures, #review-context) img {
  width: auto; max-height: none; margin: 0 auto; object-fit: none; cursor: zoom-out;
}
#review label[data-testid="block-label"] {
  position: static; display: block; padding: 6px 10px; border: 0; background: none;
  box-shadow: none; color: var(--body-text-color-subdued);
}
#review label[data-testid="block-label"] svg { display: none; }
#review label[data-testid="block-label"] span { margin: 0; width: auto; height: auto; }
#review-answers button { min-height: 52px; }
.review-card {
  max-width: 640px; margin: 24px auto; padding: 28px; text-align: center;
  border: 1px dashed var(--border-color-primary); border-radius: 12px;
  background: var(--background-fill-secondary);
}
.review-card h2 { margin: 0 0 8px; font-size: 20px; }
.review-card p { margin: 4px 0; color: var(--body-text-color-subdued); }
.gradio-container .prose :is(table.review-table, .review-table tr) { border: 0; }
.gradio-container .prose table.review-table { width: 100%; border-collapse: collapse; }
.gradio-container .prose .review-table :is(th, td) {
  padding: 6px 12px 6px 0; border: 0; border-bottom: 1px solid var(--border-color-primary);
  text-align: left; vertical-align: top; font-size: 13px;
}
.gradio-container .prose .review-table :is(th, td):first-child { min-width: 15ch; }
.gradio-container .prose .review-table .review-number {
  text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap;
}
.review-card .review-scroll { background: none; }
.review-card .review-table { margin-top: 16px; }
.review-note { margin: 8px 0 0; font-size: 13px; color: var(--body-text-color-subdued); }
@media (max-width: 700px) {
  .gradio-container:has(#review-stage) { overflow: clip !important; }
  #review-answers {
    position: sticky; bottom: 0; z-index: 5; flex-wrap: nowrap; gap: 8px; padding: 8px 0;
    background: var(--body-background-fill);
  }
  #review-answers button { min-width: 0 !important; padding: 6px; font-size: 14px; }
  #review-pictures img { max-height: 60vh; }
}
</style>"""
"""Of the review page and of its results."""


def build(
    page: gr.Blocks, store: Store, *, read_only: bool = False, questions: int = QUESTIONS
) -> "ReviewPage":
    """Build the review page inside the current `gr.Blocks` and answer its events.

    When the page loads it reads `tab`, `run` and `reviewer` from the link, and does nothing unless
    `tab` is "review".

    Args:
        page: The page that is being built.
        store: Gives the folder of runs.
        read_only: Whether voting is off.
        questions: Most questions of one reviewer.
    """
    return ReviewPage(page, store, read_only, questions)


def build_results(run: gr.components.Component, store: Store) -> "ReviewResults":
    """Build the panel that shows what all reviewers said, and makes links for new ones.

    It names methods: it belongs beside a run's scores, not on the review page. Votes are counted
    when its button is pressed, or `show` is asked.

    Args:
        run: Holds the id of the run, such as a `gr.State` or a hidden text box.
        store: Gives the folder of runs.
    """
    return ReviewResults(run, store)


class ReviewPage:
    """One question after another; see `build`."""

    def __init__(self, page: gr.Blocks, store: Store, read_only: bool, questions: int):
        self.store = store
        self.read_only = read_only
        self.questions = questions
        gr.HTML(STYLE, elem_classes=["review-style"])
        with gr.Column(elem_id="review"):
            self._build()
        self._connect(page)

    # ------------------------------------------------------------ widgets

    def _build(self) -> None:
        self.review = gr.State(None)  # what the reviewer may not see stays here, on the server
        self.run_id = gr.State("")
        self.board = gr.HTML(_card(*NO_LINK), elem_id="review-board")
        with gr.Column(visible=False, elem_id="review-who") as self.who:
            self.name = gr.Textbox(
                label="Your name",
                info="Stored with your votes; the same name goes on where it stopped.",
                max_length=80,
                elem_id="review-name",
            )
            self.begin = gr.Button("Begin", variant="primary", elem_id="review-begin")
        with gr.Column(visible=False, elem_id="review-stage") as self.stage:
            self.place = gr.Number(0, visible=False, precision=0)
            self.room_px = gr.Number(640, visible=False)
            self._build_pictures()
            self._build_answers()
        self.again = gr.Button("Look at my answers again", visible=False, elem_id="review-again")

    def _build_pictures(self) -> None:
        sides: dict[str, Any] = {
            "format": "png",
            "interactive": False,
            "buttons": [],
            "min_width": 320,
        }
        with gr.Row(elem_id="review-pictures"):
            self.a = gr.Image(label="A", alt_text="Picture A", elem_id="review-picture-a", **sides)
            self.b = gr.Image(label="B", alt_text="Picture B", elem_id="review-picture-b", **sides)
        with gr.Row(visible=False, elem_id="review-context") as self.beside:
            self.input = gr.Image(label="Input", alt_text="Input of both", **sides)
            self.target = gr.Image(label="Target", alt_text="Target of both", **sides)

    def _build_answers(self) -> None:
        with gr.Row(elem_id="review-answers"):
            self.answers: dict[Outcome, gr.Button] = {
                "a": gr.Button("A better · 1", variant="primary", elem_id="review-a", min_width=90),
                "tie": gr.Button("Equal · 2", elem_id="review-tie", min_width=90),
                "b": gr.Button("B better · 3", variant="primary", elem_id="review-b", min_width=90),
            }
        with gr.Row(elem_id="review-steps"):
            self.back = gr.Button("← Back", elem_id="review-back", size="md", min_width=90)
            self.skip = gr.Button("Skip →", elem_id="review-skip", size="md", min_width=90)
        with gr.Row(elem_id="review-looks"):
            self.view = gr.Radio(
                [("Whole picture", "whole"), ("True pixels, 100 %", "close")],
                value="whole",
                label="View: choose, or click a picture",
                elem_id="review-view",
                min_width=320,
            )
            self.context = gr.Checkbox(
                False,
                label="Show input and target",
                container=False,
                elem_id="review-context-box",
                min_width=200,
            )
        with gr.Row(visible=False, elem_id="review-point") as self.point:
            self.across = gr.Slider(0, 100, 50, step=1, label="Left to right, %", min_width=260)
            self.down = gr.Slider(0, 100, 50, step=1, label="Top to bottom, %", min_width=260)
        self.comment = gr.Textbox(
            label="Comment on this question, if you like",
            max_length=MAX_COMMENT,
            elem_id="review-comment",
        )

    # ------------------------------------------------------------ events

    def _connect(self, page: gr.Blocks) -> None:
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        pictured = [self.a, self.b, self.input, self.target, self.beside, self.point, self.stage]
        pictured += [self.view, self.across, self.down]
        everything = [
            self.review, self.run_id, self.board, self.who, self.place, self.skip, self.back,
            self.comment, self.again, *pictured,
        ]  # fmt: skip
        look = [self.view, self.context, self.across, self.down, self.room_px]
        asked = [self.review, self.place]
        whole: dict[str, Any] = {"outputs": everything, "js": MEASURE_ROOM, **private}
        part: dict[str, Any] = {"outputs": pictured, "js": MEASURE_ROOM, **private}
        page.load(None, js=SHORTCUTS, api_visibility="private")
        page.load(self.open, look, **whole)
        gr.on(
            [self.begin.click, self.name.submit],
            self.start,
            [self.run_id, self.name, *look],
            **whole,
        )
        for outcome, button in self.answers.items():
            button.click(self.answering(outcome), [*asked, self.comment, *look], **whole)
        self.skip.click(self.pass_over, [*asked, self.comment, *look], **whole)
        self.back.click(self.go_back, [*asked, *look], **whole)
        self.again.click(self.first, [self.review, *look], **whole)
        gr.on(
            [self.view.input, self.context.input, self.across.release, self.down.release],
            self.show,
            [*asked, *look],
            **part,
        )
        for picture in (self.a, self.b):
            picture.select(self.look_at, [*asked, *look], **part)
        gr.api(
            self.results,
            api_name="review_results",
            api_description="Ranking of a run's methods by all reviewers' votes: Bradley-Terry "
            "strengths with 95 % intervals beside mean PSNR and SSIM. run: id of the run.",
        )

    # ------------------------------------------------------------ opening

    def open(self, request: gr.Request, *look: Any) -> Update:
        """The page was opened: read the link."""
        query = request.query_params
        if query.get("tab") != "review":
            return {self.board: _card(*NO_LINK)}
        return self.start(query.get("run", ""), query.get("reviewer", ""), *look)

    def start(self, run_id: str, name: str, *look: Any) -> Update:
        """Begin with a run as a reviewer, or say what is missing."""
        if not run_id:
            return {self.board: _card(*NO_LINK)}
        try:
            stored = _stored(self.store, run_id)
            stored.header()
        except InvalidRequest:
            return {self.board: _card(*NO_RUN)}
        if self.read_only or not can_store(stored):
            return {self.board: _card(*READ_ONLY)}
        if not name.strip():
            words = "Two pictures at a time; you say which is better, or that they are equal."
            return {
                self.run_id: run_id,
                self.board: _card("Who are you?", words),
                self.who: gr.update(visible=True),
            }
        try:
            review = open_review(stored, name, self.questions)
            place = review.place()
        except InvalidRequest as error:
            return {self.run_id: run_id, self.board: _card(NO_QUESTION, str(error))}
        return {self.review: review, self.who: gr.update(visible=False)} | self._at(
            review, place, *look
        )

    # ------------------------------------------------------------ answering

    def answering(self, outcome: Outcome) -> Callable[..., Update]:
        """Make the handler of an answer's button."""

        def answer(review: Review | None, place: float, comment: str, *look: Any) -> Update:
            return self.answer(review, place, comment, outcome, *look)

        return answer

    def answer(
        self, review: Review | None, place: float, comment: str, outcome: Outcome, *look: Any
    ) -> Update:
        """Store a vote on the question on the screen, and go on."""
        review, number = _asked(review, place)
        if self.read_only:
            raise gr.Error(READ_ONLY[1], print_exception=False)
        with _shown():
            cast(review.stored, review.reviewer, review.questions[number], outcome, comment)
        return self._at(review, number + 1, *look)

    def pass_over(self, review: Review | None, place: float, comment: str, *look: Any) -> Update:
        """Go on without an answer; an answer given before stays."""
        review, number = _asked(review, place)
        with _shown():
            answered = review.votes()[number]
        if answered:
            return self._at(review, number + 1, *look)
        return self.answer(review, number, comment, "skip", *look)

    def go_back(self, review: Review | None, place: float, *look: Any) -> Update:
        """Show the question before."""
        review, number = _asked(review, place)
        return self._at(review, max(number - 1, 0), *look)

    def first(self, review: Review | None, *look: Any) -> Update:
        """Show the first question again."""
        review, number = _asked(review, 0)
        return self._at(review, number, *look)

    def _at(self, review: Review, place: int, *look: Any) -> Update:
        """Show a question, or thanks after the last one."""
        with _shown():
            votes = review.votes()
        if place >= len(review.questions):
            return {
                self.board: thanks(votes),
                self.stage: gr.update(visible=False),
                self.again: gr.update(visible=True),
            }
        vote, trouble = votes[place], ""
        try:
            drawn = self.show(review, place, *look)
        except gr.Error as error:  # the reviewer must still be able to skip it
            drawn = {self.a: None, self.b: None, self.stage: gr.update(visible=True)}
            trouble = ui_html.state(str(error.message), "failed")
        return {
            self.place: place,
            self.board: head(place, votes) + trouble,
            self.back: gr.update(interactive=place > 0),
            self.skip: "Next →" if vote else "Skip →",
            self.comment: vote.comment if vote else "",
            self.again: gr.update(visible=False),
        } | drawn

    # ------------------------------------------------------------ looking

    def show(
        self,
        review: Review | None,
        place: float,
        view: str,
        context: bool,
        across: float,
        down: float,
        room_px: float,
    ) -> Update:
        """Draw the pictures of the question on the screen."""
        review, number = _asked(review, place)
        close = view == "close"
        look = Look(close, context, across / 100, down / 100, int(room_px or 640))
        with _shown():
            found = pictures(review.stored, review.questions[number], look)
        return {
            self.a: found["a"],
            self.b: found["b"],
            self.input: gr.update(value=found.get("input"), visible="input" in found),
            self.target: gr.update(value=found.get("target"), visible="target" in found),
            self.beside: gr.update(visible=context),
            self.point: gr.update(visible=close),
            self.stage: gr.update(
                visible=True, elem_classes=["review-close"] if close else ["review-whole"]
            ),
        }

    def look_at(
        self,
        review: Review | None,
        place: float,
        view: str,
        context: bool,
        across: float,
        down: float,
        room_px: float,
        event: gr.SelectData,
    ) -> Update:
        """A picture was clicked: show true pixels around that point, or the whole again."""
        if view == "close":
            return {self.view: "whole"} | self.show(
                review, place, "whole", context, across, down, room_px
            )
        review, number = _asked(review, place)
        with _shown():
            whole = pictures(review.stored, review.questions[number], Look())["a"]
        height, width = whole.shape[:2]
        across = round(100 * min(event.index[0] / max(width - 1, 1), 1))
        down = round(100 * min(event.index[1] / max(height - 1, 1), 1))
        moved = {self.view: "close", self.across: across, self.down: down}
        return moved | self.show(review, number, "close", context, across, down, room_px)

    # ------------------------------------------------------------ programs

    def results(self, run: str) -> dict[str, Any]:
        """Give a program the ranking of a run."""
        with _shown():
            return ranking(_stored(self.store, run)).as_json()


class ReviewResults:
    """Ranking, export and links; see `build_results`."""

    def __init__(self, run: gr.components.Component, store: Store):
        self.store = store
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        gr.HTML(STYLE, elem_classes=["review-style"])
        self.board = gr.HTML(_card(*NO_RUN_OPEN))
        with gr.Row():
            self.refresh = gr.Button("Count the votes", size="md", min_width=140)
            self.download = gr.DownloadButton(
                "Votes as CSV", size="md", min_width=140, interactive=False
            )
        with gr.Row():
            self.name = gr.Textbox(
                label="Link for a reviewer",
                placeholder="Name, or a token nobody guesses",
                max_length=80,
                min_width=240,
            )
            self.link = gr.Textbox(
                label="Send this link to the reviewer",
                interactive=False,
                buttons=["copy"],
                min_width=240,
            )
        self.refresh.click(self.show, run, [self.board, self.download], **private)
        gr.on(
            [self.name.input, self.name.submit],
            self.make_link,
            [run, self.name],
            self.link,
            trigger_mode="always_last",
            **private,
        ).then(None, self.link, self.link, js=WHOLE_LINK, api_visibility="private")

    def show(self, run_id: str | None) -> Iterator[Update]:
        """Count the votes, show the ranking and offer the votes as a file."""
        if not run_id:
            yield {self.board: _card(*NO_RUN_OPEN), self.download: gr.update(interactive=False)}
            return
        with _shown(), tempfile.TemporaryDirectory(prefix="mirnet-votes-") as folder:
            stored = _stored(self.store, run_id)
            file = Path(folder) / f"votes-{stored.id}.csv"
            file.write_bytes(export(stored))
            yield {
                self.board: results_table(ranking(stored)),
                self.download: gr.update(value=str(file), interactive=True),
            }

    def make_link(self, run_id: str | None, name: str) -> str:
        """Write the link of one reviewer."""
        if not run_id or not name.strip():
            return ""
        with _shown():
            return reviewer_link(run_id, name)


# ---------------------------------------------------------------- words


def head(place: int, votes: list[Vote | None]) -> str:
    """Progress, the question, and the answer given before.

    Args:
        place: Number of the question, from 0.
        votes: On every question.
    """
    vote, total = votes[place], len(votes)
    said = f'<p class="review-said">Your answer: {SAID[vote.outcome]}</p>' if vote else ""
    done = sum(found is not None for found in votes)
    return (
        f'<div class="review-head" role="status"><h2>Which picture is better?</h2>{said}</div>'
        + ui_html.progress(f"{place + 1} of {total}", done / total)
    )


def thanks(votes: list[Vote | None]) -> str:
    """What a reviewer sees after the last question: thanks, and what was voted."""
    rows = "".join(
        f'<tr><th scope="row">Question {number}</th><td>{SAID[vote.outcome] if vote else "–"}</td>'
        f"<td>{escape(vote.comment) if vote else ''}</td></tr>"
        for number, vote in enumerate(votes, 1)
    )
    answered = sum(vote is not None and vote.outcome != "skip" for vote in votes)
    return (
        '<div class="review-card" role="status"><h2>Thank you!</h2>'
        f"<p>{answered} of {len(votes)} questions answered, and stored with the run. You can close "
        "this page, or change an answer; the methods stay unnamed so that you still can.</p>"
        f'{SCROLL}<table class="review-table"><thead><tr><th scope="col">'
        'Question</th><th scope="col">You said</th><th scope="col">Comment</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></div>"
    )


def results_table(found: Ranking) -> str:
    """A ranking as a table with its caption."""
    heads = ("Strength", "95 % interval", "Wins", "Ties", "Losses", "PSNR (dB)", "SSIM")
    body = ""
    for row in found.table.to_dict("records"):
        low, high = _number(row["low"], 2), _number(row["high"], 2)
        cells = (
            _number(row["strength"], 2),
            "–" if low == "–" else f"{low} to {high}",
            *(str(row[name]) for name in ("wins", "ties", "losses")),
            _number(row["psnr_db"], 2),
            _number(row["ssim"], 4),
        )
        name = " · ".join(dict.fromkeys([row["method"], row["title"]]))
        body += f'<tr><th scope="row">{escape(name)}</th>' + "".join(
            f'<td class="review-number">{cell}</td>' for cell in cells
        )
        body += "</tr>"
    columns = "".join(f'<th scope="col" class="review-number">{head}</th>' for head in heads)
    return (
        f'{SCROLL}<table class="review-table"><thead><tr><th scope="col">Method'
        f"</th>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<p class="review-note">{escape(found.words)} PSNR and SSIM: protocol '
        f"{escape(found.protocol)}.</p>"
    )


def _number(value: float, digits: int) -> str:
    return "–" if value != value else f"{round(value, digits) + 0.0:.{digits}f}"  # never -0.00


def _card(title: str, words: str) -> str:
    return f'<div class="review-card"><h2>{escape(title)}</h2><p>{escape(words)}</p></div>'


# ---------------------------------------------------------------- helpers


def _stored(store: Store, run_id: str) -> StoredRun:
    """A run by the id in a link; the message names no folder of the server.

    Raises:
        InvalidRequest: It is not here.
    """
    missing = InvalidRequest(f"There is no run {run_id[:40]!r} here: check the link.")
    if len(run_id) > 40:
        raise missing
    try:
        return store().run(run_id)
    except InvalidRequest as error:
        raise missing from error


def _asked(review: Review | None, place: float) -> tuple[Review, int]:
    if review is None:
        raise gr.Error(LOST, print_exception=False)
    return review, min(max(int(place or 0), 0), len(review.questions) - 1)


@contextlib.contextmanager
def _shown() -> Iterator[None]:
    """Turn our sentences into the page's messages."""
    try:
        yield
    except MIRNetError as error:
        raise gr.Error(str(error), duration=12, print_exception=False) from error
