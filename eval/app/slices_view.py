"""The Slices view: in which slices of the benchmark one method loses to another."""

from collections.abc import Iterator

import gradio as gr

from eval.analysis.csv_tables import csv_text
from eval.analysis.slices import compared_slices, how_many
from eval.runs.document import Run
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import Update, text_area

from .downloads import WrittenFile
from .html.board import method_titles
from .html.slices import slices_table
from .run_queue import RunQueue
from .view import View, ViewRequest, method_choices, metric_choices, settle
from .view_state import ViewState

NO_SLICES = kit.empty(
    "This run has no slices",
    "Nothing is known that tells its pictures apart: no camera, ISO, noise or brightness. New runs "
    "measure their pictures, and python -m eval describe RUN adds it to an older one.",
)
SAME_METHOD = kit.empty("Two methods are compared", "Choose a second one.")


class SlicesView(View):
    """Builds the choice of two methods, and the table of slices."""

    name = "slices"

    def __init__(self, queue: RunQueue):
        super().__init__(queue)
        with gr.Row(elem_id="ev-slices-choice"):
            self.method = gr.Dropdown([], label="Where does", filterable=False, min_width=160)
            self.other = gr.Dropdown([], label="lose to", filterable=False, min_width=160)
            self.metric = gr.Dropdown(
                metric_choices(None, None),
                value="psnr_db",
                label="by",
                filterable=False,
                min_width=120,
            )
            self.data = gr.Button("CSV", size="md", min_width=80, elem_id="ev-slices-csv")
        self.words = text_area("ev-slices-words")
        self.table = text_area("ev-slices")
        self.inputs = {"metric": self.metric, "method": self.method, "other": self.other}
        self.outputs = [self.method, self.other, self.metric, self.words, self.table]
        self.triggers = [self.method.input, self.other.input, self.metric.input]

    def place(self, state: ViewState, run: Run | None) -> Update:
        """Set the choices of a state."""
        methods = method_choices(run) if run else []
        return {
            self.metric: gr.update(choices=metric_choices(run, state.protocol), value=state.metric),
            self.method: gr.update(choices=methods, value=state.method),
            self.other: gr.update(choices=methods, value=state.other),
        }

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Compare both methods in every slice of the run."""
        stored, asked, state = request.stored, request.asked, request.state
        run = request.found.run
        methods = method_choices(run)
        update: Update = {
            self.method: settle(methods, asked.method, state.method),
            self.other: settle(methods, asked.other, state.other),
            self.metric: settle(metric_choices(run, state.protocol), asked.metric, state.metric),
        }
        scores = self.queue.tables.scores(stored, state.protocol)
        slices = self.queue.tables.slices(stored, state.protocol)
        a, b = str(state.method), str(state.other)
        if not slices or a == b:
            words = SAME_METHOD if slices else NO_SLICES
            yield update | {self.words: "", self.table: words}
            return
        found = compared_slices(scores, slices, a, b, state.metric)
        titles = method_titles(run)
        yield update | {
            self.words: kit.facts(how_many(found, titles[a], titles[b])),
            self.table: slices_table(found, state, titles[a], titles[b]),
        }

    def write_table(self, state: ViewState) -> WrittenFile:
        """Name and content of the table as CSV.

        Raises:
            InvalidRequest: The run is gone, or both methods are one.
        """
        stored = self.queue.stored(str(state.run))
        valid = state.for_run(stored.header())
        scores = self.queue.tables.scores(stored, valid.protocol)
        a, b = str(valid.method), str(valid.other)
        slices = self.queue.tables.slices(stored, valid.protocol)
        found = compared_slices(scores, slices, a, b, valid.metric)
        found.insert(0, "method_a", a)
        found.insert(1, "method_b", b)
        found.insert(2, "metric", valid.metric)
        found.insert(3, "protocol", valid.protocol)
        return f"mirnet-{stored.id}-slices.csv", csv_text(found).encode()
