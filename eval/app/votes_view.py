"""The Votes view: ranking by all votes on a run, and links for new reviewers.

It names methods, so it is a view of a run's scores and not part of the review page.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from eval.analysis.csv_tables import csv_text
from eval.review.ranking import rank_methods
from eval.review.reviewers import reviewer_link
from eval.review.votes import votes_table
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, translate_errors

from .page_files import js
from .review_html import card, ranking_table
from .review_tab import OpenStore, stored_run
from .run_queue import RunQueue
from .view import View, ViewRequest

NO_RUN_OPEN = ("No run is open", "Open one to see what reviewers said of it.")
INTRODUCTION = (
    "Blind review: reviewers see two results under neutral names and say which is better. Make a "
    "link for each of them here; their votes are stored with the run."
)


class ReviewResults:
    """Builds the panel with ranking, export and links inside the current layout."""

    def __init__(self, run: gr.components.Component, store: OpenStore):
        """Build the panel.

        Args:
            run: Widget that holds the id of the run.
            store: Function that opens the run store.
        """
        self.store = store
        gr.HTML(kit.note(INTRODUCTION))
        self.board = gr.HTML(card(*NO_RUN_OPEN))
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
        self.outputs = [self.board, self.download]
        self.refresh.click(self.show, run, self.outputs, **PRIVATE)
        gr.on(
            [self.name.input, self.name.submit],
            self.make_link,
            [run, self.name],
            self.link,
            trigger_mode="always_last",
            **PRIVATE,
        ).then(None, self.link, self.link, js=js("whole_link"), api_visibility="private")

    def show(self, run_id: str | None) -> Iterator[Update]:
        """Count the votes, show the ranking and offer the votes as a file."""
        if not run_id:
            yield {self.board: card(*NO_RUN_OPEN), self.download: gr.update(interactive=False)}
            return
        with translate_errors(), tempfile.TemporaryDirectory(prefix="mirnet-votes-") as folder:
            stored = stored_run(self.store(), run_id)
            file = Path(folder) / f"votes-{stored.id}.csv"
            file.write_text(csv_text(votes_table(stored)), encoding="utf-8")
            yield {
                self.board: ranking_table(rank_methods(stored)),
                self.download: gr.update(value=str(file), interactive=True),
            }

    def make_link(self, run_id: str | None, name: str) -> str:
        """Link of one reviewer; empty if there is no name."""
        if not run_id or not name.strip():
            return ""
        with translate_errors():
            return reviewer_link(run_id, name)


class VotesView(View):
    """Shows the votes on the open run."""

    name = "votes"

    def __init__(self, queue: RunQueue, run: gr.Dropdown):
        super().__init__(queue)
        self.results = ReviewResults(run, lambda: queue.store)
        self.outputs = self.results.outputs

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Count the votes."""
        yield from self.results.show(request.stored.id)
