"""The Blind review tab: asks one question after another, to invited reviewers and on trial.

A reviewer's signed link opens a review whose votes are stored with the run; without one, anybody
can try a few questions, whose votes are kept in the session only.

Nothing sent to the browser before a vote names a method: questions stay in the session on the
server, pictures are passed as arrays, and Gradio names their files by content.
"""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from markupsafe import Markup

from eval.review.invitations import read_link
from eval.review.questions import DEFAULT_QUESTIONS
from eval.review.ranking import rank_methods
from eval.review.reviews import Review, Trial, accept, start_trial
from eval.review.trials import list_trials
from eval.review.votes import Outcome, Vote, can_store
from eval.runs.store import RunStore, StoredRun
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, translate_errors, translate_faults
from mirnet.errors import InvalidRequest, MIRNetError

from .html.review import card, question_head, thanks, trial_cards, trial_end
from .page_files import js
from .review_stage import ReviewStage, question_at

OpenStore = Callable[[], RunStore]
"""Function that opens the run store; called when a page is opened, not when it is built."""

NO_TRIAL = (
    "No review is open",
    "There is no run with pictures of two methods to try. Evaluate some methods first; links for "
    "reviewers are made there, under Votes.",
)
OPENING = ("Opening ...", "Reviews and runs to try are looked for.")
NOT_OPENED = "This page could not be opened"
BAD_LINK = "This link opens no review"
NO_RUN = (
    "This link leads to no run",
    "The run was removed. Ask whoever sent you the link for a new one.",
)
READ_ONLY = (
    "Votes cannot be stored here",
    "This copy is read-only: ask whoever sent you the link for one that may be written to.",
)
NO_VOTES = "This review cannot go on"
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


def is_invitation(query: Mapping[str, str]) -> bool:
    """Whether the page's address is a reviewer's link, valid or not."""
    named = any(query.get(name) for name in ("run", "reviewer", "key"))
    return query.get("tab") == "review" and named


class ReviewTab:
    """Builds the tab inside the current `gr.Blocks` and answers its events.

    When the page loads it checks the link, and does nothing unless its `tab` is "review".
    """

    def __init__(
        self,
        page: gr.Blocks,
        store: OpenStore,
        tab: gr.Tab | None = None,
        *,
        read_only: bool = False,
        max_questions: int = DEFAULT_QUESTIONS,
    ):
        """Build the tab.

        Args:
            page: The page that is being built.
            store: Function that opens the run store.
            tab: The tab; the runs to try are listed when it is opened.
            read_only: Whether voting is off.
            max_questions: Most questions for one reviewer.
        """
        self.store = store
        self.read_only = read_only
        self.max_questions = max_questions
        with gr.Column(elem_id="review"):
            self._build()
        self._connect(page, tab)

    def _build(self) -> None:
        self.review = gr.State(None)  # names methods, so it stays on the server
        self.number = gr.Number(0, visible=False, precision=0)
        self.trial_run = gr.Textbox("", visible=False)  # id of the run whose card was clicked
        self.board = gr.HTML(card(*OPENING), elem_id="review-board")
        self.stage = ReviewStage()
        with gr.Row(elem_id="review-end"):
            self.again = gr.Button(
                "Look at my answers again", visible=False, elem_id="review-again"
            )
            self.others = gr.Button("Try another", visible=False, elem_id="review-others")
        self.try_it = gr.Button("Try", visible="hidden", elem_id="review-try")

    def _connect(self, page: gr.Blocks, tab: gr.Tab | None) -> None:
        stage = self.stage
        # One event writes question and pictures together: a vote is on the pictures one sees.
        question: dict[str, Any] = {
            "outputs": [
                self.review, self.board, self.number, stage.skip, stage.back, stage.comment,
                self.again, self.others, *stage.outputs,
            ],
            "js": js("review_room"),
            **PRIVATE,
        }  # fmt: skip
        pictures: dict[str, Any] = {"outputs": stage.outputs, "js": js("review_room"), **PRIVATE}
        here = [self.review, self.number]
        page.load(None, js=js("review_keys"), api_visibility="private")
        page.load(self.open, stage.inputs, **question)
        if tab is not None:
            tab.select(self.list_trials, self.review, self.board, **PRIVATE)
        self.try_it.click(
            self.try_run, [self.trial_run, *stage.inputs], **question | {"js": js("review_try")}
        )
        self.others.click(self.leave_trial, self.review, **question | {"js": None})
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
        return self._told(lambda: self._opened(request.query_params, *look))

    def _told(self, find: Callable[[], Update]) -> Update:
        """Update of the page, or a card that says why there is none."""
        try:
            with translate_faults():
                return find()
        except MIRNetError as error:
            return {self.board: card(NOT_OPENED, str(error))}
        except gr.Error as error:
            return {self.board: card(NOT_OPENED, error.message)}

    def _opened(self, query: Mapping[str, str], *look: Any) -> Update:
        if query.get("tab") != "review":
            return {self.review: None}
        if not is_invitation(query):
            return self.list_trials(None)
        try:
            invitation = read_link(self.store(), query)
        except InvalidRequest as error:
            return {self.board: card(BAD_LINK, str(error))}
        try:
            stored = stored_run(self.store(), invitation.run)
            stored.header()
        except InvalidRequest:
            return {self.board: card(*NO_RUN)}
        if self.read_only or not can_store(stored):
            return {self.board: card(*READ_ONLY)}
        try:
            review = accept(stored, invitation, self.max_questions)
            number = review.first_open()
        except InvalidRequest as error:
            return {self.board: card(NO_QUESTION, str(error))}
        return {self.review: review} | self._at(review, number, *look)

    def list_trials(self, review: Review | None, request: gr.Request | None = None) -> Update:
        """List the runs that can be tried, unless a review is open or is being opened.

        Args:
            review: The review of this session.
            request: Request of the tab's event. The tab of a reviewer's link is selected before
                `open` has answered, whose question must not be written over.
        """
        if review is not None or (request is not None and is_invitation(request.query_params)):
            return {self.board: gr.skip()}
        return self._told(self._trials)

    def _trials(self) -> Update:
        trials = list_trials(self.store())
        return {self.board: trial_cards(trials) if trials else card(*NO_TRIAL)}

    def try_run(self, run_id: str, *look: Any) -> Update:
        """Start a trial on a run of the list."""
        try:
            with translate_faults():
                trial = start_trial(stored_run(self.store(), run_id))
        except MIRNetError as error:
            listed = self.list_trials(None)
            return {self.board: kit.state(str(error), "failed") + listed[self.board]}
        return {self.review: trial} | self._at(trial, 0, *look)

    def leave_trial(self, review: Review | None) -> Update:
        """Leave a finished trial, and list the runs again."""
        return {
            self.review: None,
            self.again: gr.update(visible=False),
            self.others: gr.update(visible=False),
        } | self.list_trials(None)

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
        if self.read_only and not isinstance(review, Trial):
            raise gr.Error(READ_ONLY[1], print_exception=False)
        with translate_errors():
            review.vote(place, outcome, comment)
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
        try:
            with translate_faults():
                votes = review.votes()
                if number >= len(review.questions):
                    return self._ended(review, votes)
        except MIRNetError as error:
            return self._stopped(review, card(NO_VOTES, str(error)))
        vote, board = votes[number], question_head(number, votes)
        try:
            with translate_faults():
                drawn = self.stage.draw(review, number, *look)
        except MIRNetError as error:
            drawn = self.stage.blank()
            board += kit.state(str(error), "failed")
        return {
            self.number: number,
            self.board: board,
            self.stage.back: gr.update(interactive=number > 0),
            self.stage.skip: "Next →" if vote else "Skip →",
            self.stage.comment: vote.comment if vote else "",
            self.again: gr.update(visible=False),
            self.others: gr.update(visible=False),
        } | drawn

    def _stopped(self, review: Review, words: Markup) -> Update:
        """Say why a review cannot go on; a trial is left, and the runs to try are listed below."""
        update: Update = {self.board: words, self.stage.column: gr.update(visible=False)}
        if not isinstance(review, Trial):
            return update
        left = self.leave_trial(review)
        return update | left | {self.board: words + left[self.board]}

    def _ended(self, review: Review, votes: list[Vote | None]) -> Update:
        """Show the closing card; that of a trial names the methods.

        Raises:
            InvalidRequest: The run of a trial is gone.
        """
        ended: Update = {self.stage.column: gr.update(visible=False)}
        if not isinstance(review, Trial):
            return ended | {self.board: thanks(votes), self.again: gr.update(visible=True)}
        titles = {method.id: method.title for method in review.stored.header().methods}
        board = trial_end(review.questions, votes, titles)
        return ended | {self.board: board, self.others: gr.update(visible=True)}

    # ------------------------------------------------------------ API

    def results(self, run: str) -> dict[str, Any]:
        """Give a program the ranking of a run."""
        with translate_errors():
            return rank_methods(stored_run(self.store(), run)).as_json()
