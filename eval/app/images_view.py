"""The Pictures view: selected pictures of the open run with their scores."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from eval.analysis.pictures import choose_pairs, rows_of, sha_of, strip_of
from eval.analysis.slices import pairs_in
from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.app.kit.widgets import Update, text_area, translate_errors
from mirnet.errors import InvalidRequest

from .downloads import WrittenFile, file_name
from .figure_form import FigureForm
from .html.board import method_titles
from .html.images import picture_scores, strip
from .html.slices import slice_choices
from .images_stage import ImagesStage
from .notes_form import NotesForm
from .page_files import TEMPLATES
from .permissions import Permissions
from .run_queue import RunQueue
from .tables import pairs_value
from .view import (
    Part,
    View,
    ViewRequest,
    method_choices,
    metric_choices,
    picture_choices,
    settle,
)
from .view_state import MAX_PICTURES, WHICH, ViewState

PAIRED = ("gain", "loss", "disagree")
"""Selections that compare two methods."""


class ImagesView(View):
    """Builds the selection of pictures, and the stage (`ImagesStage`) that shows the open one."""

    name = "pictures"

    def __init__(self, queue: RunQueue, permissions: Permissions, metric: gr.Dropdown):
        """Build the view.

        Args:
            queue: Queue and store of the runs.
            permissions: Rights of visitors on runs.
            metric: Dropdown of the score, which belongs to the Plots view.
        """
        super().__init__(queue)
        self.permissions = permissions
        with gr.Column(elem_id="ev-stage", elem_classes=["sync-stage"]):
            self._build()
        stage = self.stage
        self.inputs = {
            "metric": metric,
            "which": self.which,
            "k": self.k,
            "method": self.method,
            "other": self.other,
            "slices": self.slices,
            "pair": self.pair,
            "layout": stage.layout,
            "left": stage.left,
            "right": stage.right,
            "zoom": stage.zoom,
            "across": stage.across,
            "down": stage.down,
        }
        self.outputs = [
            self.pair, self.strip, self.scores, self.table, self.k, self.method, self.other,
            self.slices,
        ]  # fmt: skip
        self.triggers = [self.pair.input]
        stage.triggers = [*stage.triggers, self.pair.input]
        self.notes.triggers = [self.pair.input]
        self.rows = [(self.table, self.pick_pair)]

    @property
    def parts(self) -> list[Part]:
        """The selection of pictures, the stage, and what is written about the open picture."""
        return [self, self.stage, self.notes]

    def _build(self) -> None:
        with gr.Row(elem_id="ev-picture-bar") as bar:
            self.which = gr.Dropdown(
                [(title, name) for name, title in WHICH.items()],
                value="gain",
                label="Pictures",
                filterable=False,
                min_width=150,
                elem_id="ev-which",
            )
            with gr.Row(elem_id="ev-turn"):
                self.prev = gr.Button("←", elem_id="ev-prev", size="md", min_width=44, scale=0)
                # A picture of the page before may arrive when the choices are those of the next.
                self.pair = gr.Dropdown(
                    [], label="Picture", elem_id="ev-pair", min_width=150, allow_custom_value=True
                )
                self.next = gr.Button("→", elem_id="ev-next", size="md", min_width=44, scale=0)
        self.stage = ImagesStage(self.queue.tables, self.chosen)
        with bar:
            self.stage.layout.render()
            self.stage.left.render()
            self.stage.right.render()
            gr.HTML(TEMPLATES.render("picture_zoom"), elem_id="ev-zoom")
        self.strip = text_area("ev-choice")
        self.notes = NotesForm(self.queue, self.permissions, self.chosen)
        self.figure = FigureForm(self.queue)
        with gr.Row(elem_id="ev-choose"):
            self.method = gr.Dropdown([], label="By method", filterable=False, min_width=150)
            self.other = gr.Dropdown([], label="Compared with", filterable=False, min_width=150)
            self.slices = gr.Dropdown(
                [],
                label="Only in slices, tags, selections",
                multiselect=True,
                min_width=220,
                elem_id="ev-only",
            )  # fmt: skip
            self.k = gr.Number(
                10, label="How many", minimum=1, maximum=MAX_PICTURES, precision=0, min_width=90
            )
        self._build_table()

    def _build_table(self) -> None:
        self.scores = text_area("ev-numbers")
        with gr.Row(elem_id="ev-save"):
            self.stage.saved.render()
            self.save = gr.Button("Download PNG", size="md", min_width=140, elem_id="ev-save-png")
        self.table = gr.Dataframe(
            interactive=False,
            show_search="search",
            buttons=[],
            label="These pictures: choose a row",
            elem_id="ev-pairs",
            max_height=420,
            pinned_columns=1,
        )

    def place(self, state: ViewState, run: Run | None) -> Update:
        """Set the widgets to the choices of a state."""
        methods, pictures = (method_choices(run), picture_choices(run)) if run else ([], [])
        stage = self.stage
        return {
            self.inputs["metric"]: gr.update(
                choices=metric_choices(run, state.protocol), value=state.metric
            ),
            self.which: state.which,
            self.k: state.k,
            self.method: gr.update(choices=methods, value=state.method),
            self.other: gr.update(choices=methods, value=state.other),
            self.slices: gr.update(
                choices=[(name, name) for name in state.slices], value=list(state.slices)
            ),
            self.pair: gr.update(choices=[state.pair] if state.pair else [], value=state.pair),
            stage.layout: state.layout,
            stage.zoom: state.zoom,
            stage.across: state.across,
            stage.down: state.down,
            stage.left: gr.update(choices=pictures, value=state.left),
            stage.right: gr.update(choices=pictures, value=state.right),
        }

    def chosen(self, stored: StoredRun, state: ViewState) -> list[str]:
        """Ids of the pairs that a state selects, in display order.

        Args:
            stored: The run.
            state: State that is valid for the run.
        """
        scores = self.queue.tables.scores(stored, state.protocol)
        method, other = str(state.method), str(state.other or state.method)
        slices = self.queue.tables.slices(stored, state.protocol) if state.slices else []
        among = pairs_in(slices, state.slices)
        return choose_pairs(scores, state.which, method, other, state.k, state.metric, among)

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show the thumbnails, the scores of the open picture, and the table of all selected."""
        stored, asked, state = request.stored, request.asked, request.state
        methods, all_of_them = method_choices(request.found.run), state.which == "all"
        titles = method_titles(request.found.run)
        slices = self.queue.tables.slices(stored, state.protocol)
        known = [name for name in state.slices if name in {one.name for one in slices}]
        update: Update = {
            self.k: gr.update(visible=not all_of_them),
            self.method: settle(methods, asked.method, state.method, visible=not all_of_them),
            self.other: settle(methods, asked.other, state.other, visible=state.which in PAIRED),
            self.slices: settle(slice_choices(slices), list(asked.slices), known),
        }
        pairs = self.chosen(stored, state)
        pair = state.pair or next(iter(pairs), None)
        scores = self.queue.tables.scores(stored, state.protocol)
        if pair is None:
            yield update | {
                self.pair: gr.update(choices=[], value=None),
                self.scores: "",
                self.strip: "",
                self.table: gr.update(value=pairs_value(scores, [], state.metric, titles)),
            }
            return
        pairs = pairs if pair in pairs else [pair, *pairs]
        method = str(state.method)
        against = state.other if state.which in PAIRED and state.other != method else None
        rows = rows_of(scores, pair, str(state.protocol))
        numbered = [(f"{n} of {len(pairs)} · {name}", name) for n, name in enumerate(pairs, 1)]
        thumbnails = strip_of(stored, scores, pairs, pair, method, state.metric, against)
        yield update | {
            self.pair: settle(numbered, asked.pair, pair),
            self.scores: picture_scores(rows, str(state.protocol), state.baseline or None, titles),
            self.table: gr.update(value=pairs_value(scores, pairs, state.metric, titles)),
            self.strip: strip(
                thumbnails, pair, titles[method], state.metric, titles[against] if against else None
            ),
        }

    # ------------------------------------------------------------ another picture

    def first_pair(self, state: ViewState) -> Update:
        """Open the first picture after a change of the selection."""
        return self._turned(state.model_copy(update={"pair": None}), 1)

    def turn_on(self, state: ViewState) -> Update:
        """Open the next picture, or the first after the last."""
        return self._turned(state, 1)

    def turn_back(self, state: ViewState) -> Update:
        """Open the previous picture."""
        return self._turned(state, -1)

    def _turned(self, state: ViewState, step: int) -> Update:
        with translate_errors():
            stored = self.queue.stored(str(state.run))
            pairs = self.chosen(stored, state.for_run(stored.header()))
        if not pairs:  # a picture that was open stays: only a new selection closes it
            return {self.pair: gr.skip() if state.pair else gr.update(choices=[], value=None)}
        at = pairs.index(state.pair) if state.pair in pairs else (-1 if step > 0 else 0)
        return {self.pair: gr.update(choices=pairs, value=pairs[(at + step) % len(pairs)])}

    def pick_pair(self, state: ViewState, row: list[Any]) -> ViewState:
        """State that opens the picture of a clicked row."""
        return state.model_copy(update={"pair": str(row[0])})

    def write_picture(self, run_id: str | None, pair: str | None, name: str | None) -> WrittenFile:
        """Name and bytes of a stored picture file, unchanged.

        Raises:
            InvalidRequest: The picture is not stored.
        """
        stored = self.queue.stored(str(run_id))
        rows = [row for row in stored.rows() if row.pair == pair]
        sha256 = next((sha for sha in (sha_of(row, name) for row in rows) if sha), None)
        if sha256 is None or not stored.output(sha256).is_file():
            raise InvalidRequest("This picture is not stored here: choose another.")
        path = stored.output(sha256)
        return f"{file_name(f'{pair}-{name}')}{path.suffix}", path.read_bytes()
