"""The Blind review tab, which asks one question after another; opened by a reviewer's link.

Nothing sent to the browser before a vote names a method: questions stay in the session on the
server, pictures are passed as arrays, and Gradio names their files by content.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from eval.review.questions import DEFAULT_QUESTIONS
from eval.review.ranking import rank_methods
from eval.review.reviews import Review, open_review
from eval.review.votes import Outcome, can_store, store_vote
from eval.runs.store import RunStore, StoredRun
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, translate_errors
from mirnet.errors import InvalidRequest

from .page_files import js
from .review_html import card, question_head, thanks
from .review_stage import ReviewStage, question_at

OpenStore = Callable[[], RunStore]
"""Function that opens the run store; called when a page is opened, not when it is built."""

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
WHO = (
    "Who are you?",
    "Two pictures at a time; you say which is better, or that they are equal.",
)
NO_QUESTION = "There is nothing to review yet"
MAX_ID = 40
"""Longest id of a run in a link, in characters."""


def stored_run(store: RunStore, run_id: str) -> StoredRun:
    """A run by the id in a link; the message names no folder of the server.

    Raises:
        InvalidRequest: There is no such run.
    """
    missing = InvalidRequest(f"There is no run {run_id[:MAX_ID]!r} here: check the link.")
    if len(run_id) > MAX_ID:
        raise missing
    try:
        return store.run(run_id)
    except InvalidRequest as error:
        raise missing from error


class ReviewTab:
    """Builds the tab inside the current `gr.Blocks` and answers its events.

    When the page loads it reads `tab`, `run` and `reviewer` from the link, and does nothing unless
    `tab` is "review".
    """

    def __init__(
        self,
        page: gr.Blocks,
        store: OpenStore,
        *,
        read_only: bool = False,
        max_questions: int = DEFAULT_QUESTIONS,
    ):
        """Build the tab.

        Args:
            page: The page that is being built.
            store: Function that opens the run store.
            read_only: Whether voting is off.
            max_questions: Most questions for one reviewer.
        """
        self.store = store
        self.read_only = read_only
        self.max_questions = max_questions
        with gr.Column(elem_id="review"):
            self._build()
        self._connect(page)

    def _build(self) -> None:
        self.review = gr.State(None)  # names methods, so it stays on the server
        self.run_id = gr.State("")
        self.number = gr.Number(0, visible=False, precision=0)
        self.board = gr.HTML(card(*NO_LINK), elem_id="review-board")
        with gr.Column(visible=False, elem_id="review-who") as self.who:
            self.name = gr.Textbox(
                label="Your name",
                info="Stored with your votes; the same name continues where it stopped.",
                max_length=80,
                elem_id="review-name",
            )
            self.begin = gr.Button("Begin", variant="primary", elem_id="review-begin")
        self.stage = ReviewStage()
        self.again = gr.Button("Look at my answers again", visible=False, elem_id="review-again")

    def _connect(self, page: gr.Blocks) -> None:
        stage = self.stage
        # One event writes question and pictures together: a vote is on the pictures one sees.
        question: dict[str, Any] = {
            "outputs": [
                self.review, self.run_id, self.board, self.who, self.number, stage.skip, stage.back,
                stage.comment, self.again, *stage.outputs,
            ],
            "js": js("review_room"),
            **PRIVATE,
        }  # fmt: skip
        pictures: dict[str, Any] = {"outputs": stage.outputs, "js": js("review_room"), **PRIVATE}
        here = [self.review, self.number]
        page.load(None, js=js("review_keys"), api_visibility="private")
        page.load(self.open, stage.inputs, **question)
        gr.on(
            [self.begin.click, self.name.submit],
            self.start,
            [self.run_id, self.name, *stage.inputs],
            **question,
        )
        for outcome, button in stage.answers.items():
            button.click(self.answering(outcome), [*here, stage.comment, *stage.inputs], **question)
        stage.skip.click(self.pass_over, [*here, stage.comment, *stage.inputs], **question)
        stage.back.click(self.go_back, [*here, *stage.inputs], **question)
        self.again.click(self.first, [self.review, *stage.inputs], **question)
        controls = [stage.view.input, stage.context.input, stage.across.release, stage.down.release]
        gr.on(controls, stage.show, [*here, *stage.inputs], **pictures)
        for picture in (stage.a, stage.b):
            picture.select(stage.zoom, [*here, *stage.inputs], **pictures)
        gr.api(
            self.results,
            api_name="review_results",
            api_description="Ranking of a run's methods by all reviewers' votes: Bradley-Terry "
            "strengths with 95 % intervals beside mean PSNR and SSIM. run: id of the run.",
        )

    # ------------------------------------------------------------ opening

    def open(self, request: gr.Request, *look: Any) -> Update:
        """Open the review of the link when the page is opened."""
        query = request.query_params
        if query.get("tab") != "review":
            return {self.board: card(*NO_LINK)}
        return self.start(query.get("run", ""), query.get("reviewer", ""), *look)

    def start(self, run_id: str, name: str, *look: Any) -> Update:
        """Open a reviewer's review of a run, or show what is missing."""
        if not run_id:
            return {self.board: card(*NO_LINK)}
        try:
            stored = stored_run(self.store(), run_id)
            stored.header()
        except InvalidRequest:
            return {self.board: card(*NO_RUN)}
        if self.read_only or not can_store(stored):
            return {self.board: card(*READ_ONLY)}
        if not name.strip():
            return {
                self.run_id: run_id,
                self.board: card(*WHO),
                self.who: gr.update(visible=True),
            }
        try:
            review = open_review(stored, name, self.max_questions)
            number = review.first_open()
        except InvalidRequest as error:
            return {self.run_id: run_id, self.board: card(NO_QUESTION, str(error))}
        opened = {self.review: review, self.who: gr.update(visible=False)}
        return opened | self._at(review, number, *look)

    # ------------------------------------------------------------ answering

    def answering(self, outcome: Outcome) -> Callable[..., Update]:
        """Make the handler of an answer's button."""

        def answer(review: Review | None, number: float, comment: str, *look: Any) -> Update:
            return self.answer(review, number, comment, outcome, *look)

        return answer

    def answer(
        self, review: Review | None, number: float, comment: str, outcome: Outcome, *look: Any
    ) -> Update:
        """Store a vote on the question on the screen, and show the next one."""
        review, place = question_at(review, number)
        if self.read_only:
            raise gr.Error(READ_ONLY[1], print_exception=False)
        with translate_errors():
            store_vote(review.stored, review.reviewer, review.questions[place], outcome, comment)
        return self._at(review, place + 1, *look)

    def pass_over(self, review: Review | None, number: float, comment: str, *look: Any) -> Update:
        """Show the next question; store "skip" unless the current one has an answer."""
        review, place = question_at(review, number)
        with translate_errors():
            answered = review.votes()[place]
        if answered:
            return self._at(review, place + 1, *look)
        return self.answer(review, place, comment, "skip", *look)

    def go_back(self, review: Review | None, number: float, *look: Any) -> Update:
        """Show the previous question."""
        review, place = question_at(review, number)
        return self._at(review, max(place - 1, 0), *look)

    def first(self, review: Review | None, *look: Any) -> Update:
        """Show the first question again."""
        review, place = question_at(review, 0)
        return self._at(review, place, *look)

    def _at(self, review: Review, number: int, *look: Any) -> Update:
        """Show a question, or the closing card after the last one."""
        with translate_errors():
            votes = review.votes()
        if number >= len(review.questions):
            return {
                self.board: thanks(votes),
                self.stage.column: gr.update(visible=False),
                self.again: gr.update(visible=True),
            }
        vote, board = votes[number], question_head(number, votes)
        try:
            drawn = self.stage.draw(review, number, *look)
        except InvalidRequest as error:
            drawn = self.stage.blank()
            board += kit.state(str(error), "failed")
        return {
            self.number: number,
            self.board: board,
            self.stage.back: gr.update(interactive=number > 0),
            self.stage.skip: "Next →" if vote else "Skip →",
            self.stage.comment: vote.comment if vote else "",
            self.again: gr.update(visible=False),
        } | drawn

    # ------------------------------------------------------------ API

    def results(self, run: str) -> dict[str, Any]:
        """Give a program the ranking of a run."""
        with translate_errors():
            return rank_methods(stored_run(self.store(), run)).as_json()
