"""Parts of a run's report under its board: two plots, and the pictures at both ends."""

import math
from collections.abc import Iterator

import gradio as gr
import numpy as np
from markupsafe import Markup

from eval.analysis.pictures import Thumbnail, strip_of
from eval.analysis.plots import DrawnPlot, draw
from eval.analysis.score_tables import RANKING, UNTOUCHED, paired_scores
from eval.runs.store import StoredRun
from mirnet.app.kit.widgets import Update, text_area

from .html.report import ends_strip
from .html.report_sections import part_heading
from .run_queue import RunQueue
from .view import Part, ViewRequest
from .view_state import ViewState

MAX_ENDS = 4
"""Most pictures shown from each end."""


def draw_plot(queue: RunQueue, stored: StoredRun, name: str, state: ViewState) -> DrawnPlot:
    """Draw a plot by name for a state that is valid for the run."""
    return draw(
        queue.tables,
        stored,
        name,
        state.metric,
        state.protocol,
        state.baseline or None,
        state.a,
        state.b,
        state.unverified,
    )


def has_ends(state: ViewState) -> bool:
    """Whether a state that is valid for its run pairs two different methods."""
    return state.b != (state.baseline or state.a)


class ReportPlots(Part):
    """The two plots that matter: every picture, and quality against time or the input."""

    def __init__(self, queue: RunQueue):
        self.queue = queue
        self.title = text_area("ev-report-plots-title")
        with gr.Row(elem_id="ev-report-plots"):
            self.plots = [
                gr.Plot(show_label=False, container=False, min_width=300, visible=False)
                for _ in range(2)
            ]
        self.outputs = [self.title, *self.plots]

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Draw both plots; they come in one update, because Gradio loses some of several."""
        update: Update = {self.title: part_heading("plots", "Plots")}
        for plot, name in zip(self.plots, self._names(request), strict=True):
            drawn = draw_plot(self.queue, request.stored, name, request.state)
            update[plot] = gr.update(value=drawn.figure, visible=True)
        yield update

    def failed(self, words: Markup) -> Update:
        """Say why there are no plots."""
        hidden = {plot: gr.update(visible=False) for plot in self.plots}
        return {self.title: part_heading("plots", "Plots") + words, **hidden}

    def _names(self, request: ViewRequest) -> tuple[str, str]:
        """Figures that the run has data for."""
        state = request.state
        board = self.queue.tables.board(request.stored, state.baseline or None, state.protocol)
        if np.isfinite(board.s_per_mp).any():
            return "distribution", "speed"
        ids = {method.id for method in request.found.run.methods}
        return "distribution", "input" if ids & set(UNTOUCHED) else "cumulative"


class ReportEnds(Part):
    """The pictures on which the leader gains most and least over the method it is paired with."""

    def __init__(self, queue: RunQueue):
        self.queue = queue
        self.strip = text_area("ev-ends")
        self.outputs = [self.strip]

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show the strip; nothing if no two methods are paired."""
        state = request.state
        if not has_ends(state):
            yield {self.strip: ""}
            return
        method, against = str(state.b), str(state.baseline or state.a)
        scores = self.queue.tables.scores(request.stored, state.protocol)
        both = paired_scores(scores, against, method, RANKING.key)
        both = both[np.isfinite(both.difference)].sort_values("difference", kind="stable")
        least = list(both.pair.head(min(MAX_ENDS, len(both) // 2)))
        most = list(both.pair.tail(min(MAX_ENDS, len(both) - len(least))))[::-1]

        def thumbnails(pairs: list[str]) -> list[Thumbnail]:
            if not pairs:
                return []
            found = strip_of(request.stored, scores, pairs, pairs[0], method, RANKING.key, against)
            return [one for one in found if not math.isnan(one.score)]

        yield {self.strip: ends_strip(thumbnails(most), thumbnails(least), state, method, against)}

    def failed(self, words: Markup) -> Update:
        """Say why there are no pictures."""
        return {self.strip: words}
