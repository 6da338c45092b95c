"""The Report view: the board of the open run, two plots, pictures at both ends, and exports."""

from collections.abc import Iterator

import gradio as gr

from eval.runs.document import Run
from mirnet.app.kit.widgets import Update, text_area

from .downloads import ExportButtons
from .html.board import board_notes, methods_table, protocol_label, published_words
from .html.report import board_table
from .report_parts import ReportEnds, ReportPlots
from .run_queue import RunQueue
from .view import Choices, Part, View, ViewRequest, method_choices, settle
from .view_state import ViewState


class BoardView(View):
    """Builds the leaderboard, and the choice of protocol and baseline that other views use too."""

    name = "board"

    def __init__(self, queue: RunQueue):
        super().__init__(queue)
        with gr.Row():
            self.protocol = gr.Dropdown([], label="Protocol", filterable=False, min_width=180)
            self.baseline = gr.Dropdown([], label="Compare with", filterable=False, min_width=180)
        self.board = text_area("ev-board")
        self.notes = text_area("ev-board-words")
        self.plots = ReportPlots(queue)
        self.ends = ReportEnds(queue)
        self.exports = ExportButtons(queue)
        self.published = text_area("ev-published")
        self.methods = text_area("ev-made")
        self.outputs = [
            self.protocol, self.baseline, self.board, self.notes, self.published, self.methods
        ]  # fmt: skip
        self.triggers = [self.protocol.input, self.baseline.input]

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

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show the leaderboard, published numbers, and how the methods were run."""
        run, asked, state = request.found.run, request.asked, request.state
        baseline = state.baseline or None
        board = self.queue.tables.board(request.stored, baseline, state.protocol)
        yield {
            self.protocol: settle(_protocol_choices(run), asked.protocol, state.protocol),
            self.baseline: settle(_baseline_choices(run), asked.baseline, state.baseline),
            self.board: board_table(board, run, state),
            self.notes: board_notes(board, baseline),
            self.published: published_words(run, state.protocol),
            self.methods: methods_table(run),
        }


def _protocol_choices(run: Run) -> Choices:
    return [(protocol_label(name), name) for name in run.protocols]


def _baseline_choices(run: Run) -> Choices:
    return [("Nothing", ""), *method_choices(run)]


def worst_of(state: ViewState, method: str) -> ViewState:
    """The state that shows the worst pictures of a method."""
    return state.model_copy(
        update={
            "view": "pictures",
            "which": "worst",
            "method": method,
            "right": method,
            "pair": None,
        }
    )
