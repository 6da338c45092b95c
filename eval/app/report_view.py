"""The Report view: one page about the open run, from its board to the command that repeats it."""

from collections.abc import Iterator

import gradio as gr

from eval.analysis.costs import costs
from eval.runs.document import Run
from mirnet.app.kit.widgets import Update, text_area

from .downloads import ExportButtons
from .html.board import board_notes, protocol_label, published_words
from .html.report import board_table
from .html.report_sections import (
    cost_section,
    part_heading,
    repeat_section,
    report_nav,
    statistics_section,
)
from .page_files import js
from .report_parts import ReportEnds, ReportPlots, has_ends
from .run_queue import RunQueue
from .view import Choices, Part, View, ViewRequest, method_choices, settle
from .view_state import ViewState


class ReportView(View):
    """Builds the report of a run, and the choice of protocol and baseline that all views share."""

    name = "board"

    def __init__(self, queue: RunQueue):
        super().__init__(queue)
        self.nav = text_area("ev-report-nav")
        with gr.Row():
            self.protocol = gr.Dropdown([], label="Protocol", filterable=False, min_width=180)
            self.baseline = gr.Dropdown([], label="Compare with", filterable=False, min_width=180)
        self.board = text_area("ev-board")
        self.notes = text_area("ev-board-words")
        self.plots = ReportPlots(queue)
        self.ends = ReportEnds(queue)
        self.statistics = text_area("ev-statistics")
        self.published = text_area("ev-published")
        self.cost = text_area("ev-cost")
        self.repeat = text_area("ev-made")
        self.exports = ExportButtons(queue)
        self.columns = gr.Textbox("", visible=False)
        self.sort = gr.Textbox("", visible=False)
        self.chosen = gr.Button("Columns", visible="hidden", elem_id="ev-board-chosen")
        self.chosen.click(
            None,
            None,
            [self.columns, self.sort],
            js=js("read_board"),
            api_visibility="private",
        )
        self.inputs = {"columns": self.columns, "sort": self.sort}
        self.outputs = [
            self.nav, self.protocol, self.baseline, self.board, self.notes, self.statistics,
            self.published, self.cost, self.repeat,
        ]  # fmt: skip
        self.triggers = [self.protocol.input, self.baseline.input]
        self.plots.triggers = self.ends.triggers = self.triggers

    @property
    def parts(self) -> list[Part]:
        """The board, the plots, and the pictures at both ends."""
        return [self, self.plots, self.ends]

    def scope(self, state: ViewState, run: Run) -> Update:
        """Put protocol and baseline of a state, valid for the run, into their lists."""
        return {
            self.protocol: gr.update(choices=_protocol_choices(run), value=state.protocol),
            self.baseline: gr.update(choices=_baseline_choices(run), value=state.baseline),
        }

    def place(self, state: ViewState, run: Run | None) -> Update:
        """Set columns and order of the board to those of a state."""
        return {self.columns: state.columns, self.sort: state.sort}

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show the board, statistics, published numbers, cost, and how the run is repeated."""
        run, asked, state = request.found.run, request.asked, request.state
        baseline = state.baseline or None
        board = self.queue.tables.board(request.stored, baseline, state.protocol)
        published = published_words(run, state.protocol)
        scores = self.queue.tables.scores(request.stored, state.protocol)
        there = {"published": bool(published), "ends": has_ends(state)}
        yield {
            self.nav: report_nav(state, {part for part, is_there in there.items() if not is_there}),
            self.protocol: settle(_protocol_choices(run), asked.protocol, state.protocol),
            self.baseline: settle(_baseline_choices(run), asked.baseline, state.baseline),
            self.board: board_table(board, run, state),
            self.notes: board_notes(board, baseline),
            self.statistics: statistics_section(board, baseline),
            self.published: published and part_heading("published", "Published") + published,
            self.cost: cost_section(costs(scores), board, run),
            self.repeat: repeat_section(run),
        }


def _protocol_choices(run: Run) -> Choices:
    return [(protocol_label(name), name) for name in run.protocols]


def _baseline_choices(run: Run) -> Choices:
    return [("Nothing", ""), *method_choices(run)]
