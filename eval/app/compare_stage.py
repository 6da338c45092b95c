"""Pictures of the Compare view: one pair by one method in every chosen run, with one zoom."""

import math
from collections.abc import Iterator

import gradio as gr
from markupsafe import Markup

from eval.analysis.pictures import INPUT, shown_whole
from eval.analysis.run_comparison import run_label
from eval.analysis.run_pictures import RunPicture, pictures_of_runs
from eval.analysis.score_tables import RANKING
from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import Update, text_area
from mirnet.errors import MIRNetError
from mirnet.metrics.registry import get_metric

from .page_files import TEMPLATES
from .run_queue import RunQueue
from .view import Part, ViewRequest, settle
from .view_state import ViewState

MAX_SHOWN = 10
"""Most pictures side by side: input, results of runs, and target."""
MAX_RESULTS = MAX_SHOWN - 2
"""Most results of runs among them."""
MAX_LISTED = 500
"""Most pairs offered, those with the largest change."""


def chosen_runs(queue: RunQueue, state: ViewState) -> list[StoredRun]:
    """Runs of a state that is valid for its run, the baseline run first.

    Raises:
        InvalidRequest: One of them is not stored here.
    """
    ids = [str(state.run), *state.others]
    first = state.against or ids[0]
    return [queue.stored(run_id) for run_id in (first, *(one for one in ids if one != first))]


class CompareStage(Part):
    """Builds the choice of pair and method, and the pictures of all runs."""

    def __init__(self, queue: RunQueue):
        self.queue = queue
        with gr.Column(visible=False, elem_id="ev-compare-stage", elem_classes=["sync-stage"]) as (
            self.stage
        ):
            with gr.Row(elem_id="ev-compare-bar"):
                self.method = gr.Dropdown(
                    [], label="Pictures of", filterable=False, min_width=150,
                    elem_id="ev-compare-method",
                )  # fmt: skip
                # A picture of the page before may arrive when the choices are those of the next.
                self.pair = gr.Dropdown(
                    [], label="Picture, largest change first", min_width=190,
                    allow_custom_value=True, elem_id="ev-compare-pair",
                )  # fmt: skip
                gr.HTML(TEMPLATES.render("picture_zoom"))
            self.words = text_area("ev-compare-words")
            with gr.Row(elem_id="ev-compare-pictures", elem_classes=["sync-pictures"]):
                self.images = [
                    gr.Image(
                        format="png", interactive=False, visible=False, buttons=[],
                        min_width=200, elem_classes=["sync-picture"],
                    )
                    for _ in range(MAX_SHOWN)
                ]  # fmt: skip
        self.outputs = [self.stage, self.method, self.pair, self.words, *self.images]
        self.triggers = [self.method.input, self.pair.input]

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show the pictures of the pair with the largest change, or of the chosen one."""
        asked, state = request.asked, request.state
        if not state.others:
            yield {self.stage: gr.update(visible=False)}
            return
        try:
            runs = chosen_runs(self.queue, state)
            changes = self.queue.tables.changes(runs, state.protocol).table
        except MIRNetError:  # the table says why
            yield {self.stage: gr.update(visible=False)}
            return
        headers, known = [stored.header() for stored in runs], set(changes.method)
        methods = [one.id for one in headers[0].methods if one.id in known]
        if not methods:
            yield {self.stage: gr.update(visible=False)}
            return
        method = str(state.method if state.method in known else methods[0])
        own = changes[changes.method == method].drop_duplicates("pair").head(MAX_LISTED)
        pairs = list(own.pair)
        pair = str(state.pair if state.pair in pairs else pairs[0])
        change = f"{RANKING.stem}_change"
        listed = [
            (f"{name} · {RANKING.text(size, '+')}", name)
            for name, size in zip(own.pair, own[change], strict=True)
        ]
        found, without = pictures_of_runs(
            runs, pair, method, state.metric, str(state.protocol), self.queue.tables.scores,
            MAX_RESULTS,
        )  # fmt: skip
        yield {
            self.stage: gr.update(visible=True),
            self.method: settle([(one, one) for one in methods], asked.method, method),
            self.pair: settle(listed, asked.pair, pair),
            **self._pictures(found, headers, pair, state.metric),
            self.words: _words(found, [run for run in headers if run.id in without], len(runs)),
        }

    def failed(self, words: Markup) -> Update:
        """Say why there are no pictures."""
        hidden = {image: gr.update(visible=False, value=None) for image in self.images}
        return {self.stage: gr.update(visible=True), self.words: words, **hidden}

    def _pictures(self, found: list[RunPicture], runs: list[Run], pair: str, metric: str) -> Update:
        update: Update = {}
        for place, image in enumerate(self.images):
            if place >= len(found):
                update[image] = gr.update(visible=False, value=None)
                continue
            label = _label(found[place], runs, metric)
            update[image] = gr.update(
                visible=True,
                value=shown_whole(found[place].pixels),
                label=label,
                alt_text=f"{label}, picture {pair}",
            )
        return update


def _label(picture: RunPicture, runs: list[Run], metric: str) -> str:
    """Run and score above a picture."""
    if not picture.run:
        return "Input" if picture.name == INPUT else "Target"
    run = next(run for run in runs if run.id == picture.run)
    score = "" if math.isnan(picture.score) else f" · {get_metric(metric).text(picture.score)}"
    first = " (baseline)" if run.id == runs[0].id else ""
    return f"{run_label(run)}{first}{score}"


def _words(found: list[RunPicture], without: list[Run], runs: int) -> str:
    """Say which pictures of how many runs are missing."""
    results = sum(1 for picture in found if picture.run)
    if without and not results:
        return kit.note("None of these runs keeps its pictures here: only numbers are stored.")
    names = ", ".join(map(run_label, without))
    lines = kit.note(f"No picture of this pair is stored in {names}.") if without else ""
    if results + len(without) < runs:
        lines += kit.note(f"The results of the first {results} runs that keep one are shown.")
    return lines
