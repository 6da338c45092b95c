"""The Votes view: ranking by all votes on a run, metrics against them, links for new reviewers.

It names methods, so it is a view of a run's scores and not part of the review page.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from eval.analysis.csv_tables import csv_text
from eval.review.invitations import Invitation, make_link
from eval.review.metric_agreement import metric_agreement
from eval.review.ranking import rank_methods
from eval.review.reviewers import clean_reviewer
from eval.review.votes import Vote, all_votes, check_votable, votes_table
from eval.runs.store import RecordedRun
from mirnet.app.auth import Role, allows
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, text_area, translate_errors, translate_faults
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.number_format import counted

from .html.review import agreement_table, card, ranking_table
from .page_files import js
from .permissions import Permissions
from .review_tab import OpenStore, stored_run
from .run_queue import RunQueue
from .view import NO_BODY, View, ViewRequest

NO_RUN_OPEN = ("No run is open", "Open one to see what reviewers said of it.")
NO_VOTES = kit.empty(
    "Nobody has voted on this run yet",
    "Send reviewers a link of their own. The ranking of the methods by votes, and which metrics "
    "agree with it, then stand here.",
)
RECORDED = kit.empty(
    "Recorded runs take no votes",
    "This run was recorded by the project and is read-only. To collect votes, start a run of your "
    "own under Run, open it here, and send each reviewer a link.",
)
NOT_COUNTED = "The votes cannot be counted"
INTRODUCTION = (
    "Blind review: reviewers see two results under neutral names and say which is better. Make a "
    "link for each of them here: it is signed, so nobody can vote under another name. Their votes "
    "are stored with the run."
)


OPERATOR_ONLY = (
    "Only the operator makes links here: sign in at /operator, or run "
    "`python -m eval invite RUN NAME` on the machine."
)
OPERATOR_INVITES = kit.note("Links for reviewers are made by the operator of this page.")
LINK_LABEL = "Link of the reviewer"


class ReviewResults:
    """Builds the panel with ranking, export and links inside the current layout."""

    def __init__(self, run: gr.Dropdown | gr.Textbox, store: OpenStore, permissions: Permissions):
        """Build the panel.

        Args:
            run: Widget that holds the id of the run.
            store: Function that opens the run store.
            permissions: Who may make links.
        """
        self.store, self.permissions = store, permissions
        self.board = gr.HTML(card(*NO_RUN_OPEN), elem_id="ev-votes")
        with gr.Column() as self.form:
            self._build_form()
        self.outputs: list[Any] = [self.board, self.form, self.download, self.metrics]
        self._connect(run)

    def _build_form(self) -> None:
        with gr.Row():
            self.refresh = gr.Button("Count the votes", size="md", min_width=140)
            self.download = gr.DownloadButton(
                "Votes as CSV", size="md", min_width=140, interactive=False
            )
            self.metrics = gr.DownloadButton(
                "Metrics against votes as CSV", size="md", min_width=140, interactive=False
            )
        with gr.Column(visible=self.permissions.may("admin")) as self.inviting:
            self._build_invitations()
        self.not_inviting = text_area("votes-no-links")

    def _build_invitations(self) -> None:
        gr.HTML(kit.note(INTRODUCTION))
        with gr.Row(elem_id="votes-links"):
            self.name = gr.Textbox(
                label="Invite a reviewer",
                placeholder="Name",
                max_length=80,
                min_width=240,
                elem_id="votes-name",
            )
            self.link = gr.Textbox(
                label=LINK_LABEL,
                interactive=False,
                buttons=["copy"],
                min_width=240,
                elem_id="votes-link",
            )
        self.unchanged = gr.Checkbox(
            False, label="Ask about the unchanged input too", container=False
        )

    def _connect(self, run: gr.Dropdown | gr.Textbox) -> None:
        self.refresh.click(self.count, run, self.outputs, **PRIVATE)
        # "change" holds however a name comes: typed, pasted, filled in. The link of the name before
        # goes at once, so that nobody copies it for the new one.
        wipe = js("wipe_link")
        for event in (self.name.change, self.unchanged.change, run.change):
            event(None, None, self.link, js=wipe, api_visibility="private")
            event(
                self.make_link,
                [run, self.name, self.unchanged],
                self.link,
                trigger_mode="always_last",
                **PRIVATE,
            ).then(None, self.link, self.link, js=js("whole_link"), api_visibility="private")

    def count(self, run_id: str | None) -> Iterator[Update]:
        """Count the votes after a click; see `show`."""
        with translate_faults():
            yield from self.show(run_id)

    def show(self, run_id: str | None) -> Iterator[Update]:
        """Count the votes, show ranking and metrics, and offer both as files."""
        if not run_id:
            yield self._uncounted(*NO_RUN_OPEN)
            return
        try:
            yield from self._counted(run_id)
        except MIRNetError as error:
            yield self._uncounted(NOT_COUNTED, str(error))

    def invitations(self, role: Role) -> Update:
        """Show the form of invitations to those who may invite, and a sentence to others."""
        may_invite = allows(role, "admin")
        return {
            self.inviting: gr.update(visible=may_invite),
            self.not_inviting: "" if may_invite else OPERATOR_INVITES,
        }

    def _uncounted(self, title: str, words: str) -> Update:
        off = gr.update(interactive=False)
        return {
            self.board: card(title, words),
            self.form: gr.update(elem_classes=[]),
            self.download: off,
            self.metrics: off,
        }

    def _counted(self, run_id: str) -> Iterator[Update]:
        with tempfile.TemporaryDirectory(prefix="mirnet-votes-") as folder:
            stored = stored_run(self.store(), run_id)
            if isinstance(stored, RecordedRun):
                yield {self.board: RECORDED, self.form: gr.update(elem_classes=[NO_BODY])}
                return
            agreement = metric_agreement(stored)
            files = {
                self.download: (f"votes-{stored.id}.csv", votes_table(stored)),
                self.metrics: (f"metrics-against-votes-{stored.id}.csv", agreement),
            }
            ranking = rank_methods(stored)
            if ranking.votes:
                content = ranking_table(ranking) + agreement_table(agreement)
            else:
                content = _without_answers(all_votes(stored))
            update: Update = {self.board: content, self.form: gr.update(elem_classes=[])}
            for button, (name, table) in files.items():
                file = Path(folder) / name
                file.write_text(csv_text(table), encoding="utf-8")
                update[button] = gr.update(value=str(file), interactive=True)
            yield update

    def make_link(
        self,
        run_id: str | None,
        name: str | None,
        unchanged: bool,
        request: gr.Request | None = None,
    ) -> Any:
        """Signed link of one reviewer, with the reviewer's name above it; empty without a name."""
        if not run_id or not name or not any(letter.isalnum() for letter in name):
            return gr.update(value="", label=LINK_LABEL)
        with translate_errors():
            if not self.permissions.may("admin", request):
                raise InvalidRequest(OPERATOR_ONLY)
            stored = stored_run(self.store(), run_id)
            check_votable(stored)
            link = make_link(self.store(), Invitation(stored.id, name, unchanged))
        return gr.update(value=link, label=f"Link of {clean_reviewer(name)}")


def _without_answers(votes: list[Vote]) -> Markup:
    """Sentence on a run whose votes rank no method.

    Args:
        votes: All votes on it, skipped questions included.
    """
    if not votes:
        return NO_VOTES
    skipped = sum(vote.outcome == "skip" for vote in votes)
    were = "was" if skipped == 1 else "were"
    words = f"{counted(skipped, 'question')} {were} skipped." if skipped else ""
    if skipped < len(votes):
        words += " The other votes are on repeated questions, or on methods that the run lacks."
    return kit.empty("No vote on this run ranks its methods yet", words.strip())


class VotesView(View):
    """Shows the votes on the open run."""

    name = "votes"

    def __init__(self, queue: RunQueue, permissions: Permissions, run: gr.Dropdown):
        super().__init__(queue)
        self.results = ReviewResults(run, lambda: queue.store, permissions)
        self.outputs = [
            *self.results.outputs, self.results.inviting, self.results.not_inviting
        ]  # fmt: skip

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Count the votes, and show who may invite reviewers how."""
        yield self.results.invitations(request.role)
        yield from self.results.show(request.stored.id)
