"""The Plots view: one plot of the open run, and its export to files."""

import json
from collections.abc import Iterator
from typing import Any

import gradio as gr
from markupsafe import Markup

from eval.analysis.csv_tables import csv_text
from eval.analysis.plot_style import why_empty
from eval.analysis.plots import PLOTS
from eval.analysis.score_tables import RANKING
from eval.runs.document import Run
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import Update, text_area
from mirnet.errors import MIRNetError

from .downloads import WrittenFile
from .html.board import published_words
from .page_files import js
from .report_parts import draw_plot
from .run_queue import RunQueue
from .view import Part, View, ViewRequest, method_choices, metric_choices, settle
from .view_state import ViewState


class PlotsView(View):
    """Builds the plot and its choices; a click on a point opens its picture."""

    name = "plots"

    def __init__(self, queue: RunQueue):
        super().__init__(queue)
        with gr.Row():
            self.choice = gr.Dropdown(
                [(plot.title, name) for name, plot in PLOTS.items()],
                value="distribution",
                label="Plot",
                filterable=False,
                min_width=180,
                elem_id="ev-plot-name",
            )
            self.metric = gr.Dropdown(
                metric_choices(None, None),
                value=RANKING.key,
                label="Score",
                filterable=False,
                min_width=120,
            )
            self.b = gr.Dropdown(
                [], label="Method", filterable=False, min_width=140, elem_id="ev-plot-b"
            )
            self.a = gr.Dropdown(
                [], label="Against", filterable=False, min_width=140, elem_id="ev-plot-a"
            )
            self.unverified = gr.Checkbox(
                False,
                label="Unverified numbers too",
                visible=False,
                min_width=180,
                elem_id="ev-unverified",
            )
        self.plot = gr.Plot(show_label=False, elem_id="ev-plot", container=False)
        self.reading = text_area("ev-reading")
        with gr.Row(elem_id="ev-plot-files"):
            self.png = gr.Button("PNG", size="sm", min_width=80, elem_id="ev-png")
            self.svg = gr.Button("SVG", size="sm", min_width=80, elem_id="ev-svg")
            self.data = gr.Button("Data (CSV)", size="sm", min_width=100, elem_id="ev-data")
        self.others = OtherPlots(queue)
        for kind, button in (("png", self.png), ("svg", self.svg)):
            button.click(None, js=js("save_plot", format=kind), api_visibility="private")
        self.inputs: dict[str, Any] = {
            "plot": self.choice,
            "metric": self.metric,
            "a": self.a,
            "b": self.b,
            "unverified": self.unverified,
        }
        self.outputs = [
            self.plot, self.reading, self.metric, self.a, self.b, self.unverified
        ]  # fmt: skip
        self.triggers = [widget.input for widget in self.inputs.values()]
        self.others.triggers = self.triggers

    @property
    def parts(self) -> list[Part]:
        """The chosen plot, and the others below it."""
        return [self, self.others]

    def place(self, state: ViewState, run: Run | None) -> Update:
        """Set plot, score and both methods to those of a state."""
        choices = method_choices(run) if run else []
        return {
            self.choice: state.plot,
            self.metric: gr.update(choices=metric_choices(run, state.protocol), value=state.metric),
            self.a: gr.update(choices=choices, value=state.a),
            self.b: gr.update(choices=choices, value=state.b),
            self.unverified: state.unverified,
        }

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Draw the plot."""
        run, asked, state = request.found.run, request.asked, request.state
        of_two, choices = PLOTS[state.plot].of_two, method_choices(run)
        yield {
            self.plot: draw_plot(self.queue, request.stored, state.plot, state).figure,
            self.reading: _reading(run, state),
            self.a: settle(choices, asked.a, state.a, visible=of_two),
            self.b: settle(choices, asked.b, state.b, visible=of_two),
            self.metric: settle(metric_choices(run, state.protocol), asked.metric, state.metric),
            self.unverified: gr.update(visible=state.plot == "published"),
        }

    def write_data(self, state: ViewState) -> WrittenFile:
        """Name and content of a file with the table behind the plot."""
        stored = self.queue.stored(str(state.run))
        table = draw_plot(self.queue, stored, state.plot, state.for_run(stored.header())).table
        return f"mirnet-{stored.id}-{state.plot}.csv", csv_text(table).encode()

    def pick_point(self, point: str | None, state: ViewState) -> ViewState | None:
        """State that opens the picture of a clicked point, or the worst pictures of its method.

        Args:
            point: Ids of pair and method as a JSON list; either may be empty.
            state: State of the widgets.

        Returns:
            The state; None if the point belongs to no picture and no method of the run.
        """
        try:
            pair, method = (str(name)[:200] for name in json.loads(point or ""))
            run = self.queue.stored(str(state.run)).header()
        except (TypeError, ValueError, MIRNetError):
            return None
        known = method in [entry.id for entry in run.methods]
        if not pair:  # a box, a mean, or a published number
            return state.worst_of(method) if known else None
        changes = {"view": "pictures", "pair": pair} | ({"method": method} if known else {})
        return state.model_copy(update=changes)


class OtherPlots(Part):
    """All plots but the chosen one, small and side by side."""

    def __init__(self, queue: RunQueue):
        self.queue = queue
        self.title = text_area("ev-others-title")
        with gr.Row(elem_id="ev-other-plots"):
            self.plots = {
                name: gr.Plot(show_label=False, container=False, min_width=300, visible=False)
                for name in PLOTS
            }
        self.missing = text_area("ev-others-missing")
        self.outputs = [self.title, self.missing, *self.plots.values()]

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Draw the plots that have something to show, and say why the others are left out.

        All come in one update, because Gradio loses some of several.
        """
        state = request.state
        run = request.found.run
        update: Update = {self.title: kit.heading("All plots")}
        missing = Markup("")
        for name, plot in self.plots.items():
            update[plot] = gr.update(visible=False)
            if name == state.plot or not PLOTS[name].applies_to(run, len(run.methods)):
                continue
            drawn = draw_plot(self.queue, request.stored, name, state)
            if words := why_empty(drawn.figure):
                missing += kit.small(f"{PLOTS[name].title} is left out. {words}")
            else:
                update[plot] = gr.update(value=drawn.figure, visible=True)
        yield update | {self.missing: missing}

    def failed(self, words: Markup) -> Update:
        """Say why there are no other plots."""
        hidden = {plot: gr.update(visible=False) for plot in self.plots.values()}
        return {self.title: words, self.missing: "", **hidden}


def _reading(run: Run, state: ViewState) -> Markup:
    """Explanation of a plot and of a click on it."""
    words = PLOTS[state.plot].reading
    if state.plot == "published":
        return kit.note(words) + published_words(run, state.protocol)
    if state.plot in ("speed", "perception", "training"):
        return kit.note(f"{words} A click opens the method's worst pictures.")
    return kit.note(f"{words} A click opens the picture.")
