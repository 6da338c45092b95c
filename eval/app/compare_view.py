"""The Compare view: the open run beside other runs of the same pictures."""

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from eval.analysis.run_comparison import comparable_runs, run_label
from eval.analysis.run_plots import gains_of_runs
from eval.analysis.score_tables import RANKING
from eval.analysis.training_curve import curves_of_runs, curves_plot, has_steps
from eval.reports.comparison_export import SUFFIXES, export_comparison
from eval.runs.document import Run
from eval.runs.recorded import recorded_headers
from eval.runs.store import StoredRun
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import Update, text_area
from mirnet.errors import MIRNetError
from mirnet.number_format import counted

from .compare_stage import CompareStage, chosen_runs
from .downloads import WrittenFile
from .html.compare import comparison
from .run_queue import RunQueue
from .tables import changes_value
from .view import Choices, Part, View, ViewRequest, metric_choices, settle
from .view_state import MAX_RUNS, ViewState

NO_OTHERS = kit.empty(
    "Runs side by side",
    "Choose one or more runs above: means, changes with intervals, and their pictures are shown.",
)
ONLY_ONE = kit.empty(
    "There is nothing to compare with yet",
    "No other run here has scored the same pictures under this protocol: run the benchmark again "
    "with the same pairs and seed, for example with other weights.",
)


class CompareView(View):
    """Builds the choice of runs and of the baseline run, the table of changes, and its plot."""

    name = "compare"

    def __init__(self, queue: RunQueue):
        super().__init__(queue)
        with gr.Row(elem_id="ev-compare-choice"):
            self.others = gr.Dropdown(
                [], value=[], label="Compare the stored run with", multiselect=True,
                max_choices=MAX_RUNS, min_width=280, scale=4, elem_id="ev-others",
            )  # fmt: skip
            self.against = gr.Dropdown(
                [], label="Baseline run", filterable=False, min_width=180, scale=2,
                visible=False, elem_id="ev-against",
            )  # fmt: skip
            self.metric = gr.Dropdown(
                metric_choices(None, None), value=RANKING.key, label="Score", filterable=False,
                min_width=110, visible=False, elem_id="ev-compare-metric",
            )  # fmt: skip
        self.offered = text_area("ev-offered")
        self.compared = gr.HTML(NO_OTHERS, elem_id="ev-compared")
        with gr.Row(visible=False, elem_id="ev-compare-files") as self.files:
            self.exports = {
                name: gr.Button(
                    title, size="sm", min_width=90, scale=0, elem_id=f"ev-compare-{name}"
                )
                for name, title in (("csv", "CSV"), ("latex", "LaTeX"))
            }
        self.plot = gr.Plot(
            show_label=False, container=False, visible=False, elem_id="ev-compare-plot"
        )
        self.curves = gr.Plot(
            show_label=False, container=False, visible=False, elem_id="ev-compare-curves"
        )
        self.stage = CompareStage(queue)
        self.changes = gr.Dataframe(
            interactive=False,
            show_search="search",
            buttons=[],
            label="Changes, largest first: choose a row to see its pictures",
            visible=False,
            elem_id="ev-changes",
            max_height=480,
        )
        self.inputs = {
            "others": self.others,
            "against": self.against,
            "metric": self.metric,
            "method": self.stage.method,
            "pair": self.stage.pair,
        }
        self.outputs = [
            self.others, self.against, self.metric, self.offered, self.compared, self.files,
            self.plot, self.curves, self.changes,
        ]  # fmt: skip
        self.triggers = [self.others.input, self.against.input, self.metric.input]
        self.stage.triggers = [*self.stage.triggers, *self.triggers]
        self.rows = [(self.changes, self.pick_change)]

    @property
    def parts(self) -> list[Part]:
        """The table and plot, and the pictures."""
        return [self, self.stage]

    def place(self, state: ViewState, run: Run | None) -> Update:
        """Offer the runs that can be compared, and select those of the state."""
        if run is None:
            return {}
        stage, stored = self.stage, self._headers()
        choices, _ = _choices(run, state, stored)
        return {
            self.others: gr.update(choices=choices, value=list(state.others)),
            self.against: gr.update(
                choices=_baselines(run, state, stored), value=state.against or run.id
            ),
            self.metric: gr.update(choices=metric_choices(run, state.protocol), value=state.metric),
            stage.method: gr.update(choices=[(str(state.method),) * 2], value=state.method),
            stage.pair: gr.update(choices=[state.pair] if state.pair else [], value=state.pair),
        }

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show what changed, or why the runs cannot be compared."""
        run, asked, state = request.found.run, request.asked, request.state
        stored = self._headers()
        choices, elsewhere = _choices(run, state, stored)
        chosen = bool(state.others)
        update: Update = {
            self.others: settle(choices, list(asked.others), list(state.others)),
            self.against: settle(
                _baselines(run, state, stored),
                asked.against,
                state.against or run.id,
                visible=chosen,
            ),
            self.metric: settle(
                metric_choices(run, state.protocol), asked.metric, state.metric, visible=chosen
            ),
            self.offered: kit.small(elsewhere) if elsewhere and choices else "",
        }
        if not chosen:
            yield update | self._nothing(NO_OTHERS if choices else ONLY_ONE)
            return
        try:
            runs = chosen_runs(self.queue, state)
            found = self.queue.tables.comparison(runs, state.protocol)
        except MIRNetError as error:
            yield update | self._nothing(kit.note(str(error), warn=True))
            return
        some = bool(len(found.changes))
        yield update | {
            self.compared: comparison(found, state.metric),
            self.files: gr.update(visible=some),
            self.plot: gr.update(value=gains_of_runs(found, state.metric), visible=some),
            self.curves: self._curves(runs, state),
            self.changes: gr.update(value=changes_value(found.changes), visible=some),
        }

    def _curves(self, runs: list[StoredRun], state: ViewState) -> Any:
        """Checkpoint curves of all runs in one plot; hidden where none has such weights."""
        if not any(has_steps(stored.header()) for stored in runs):
            return gr.update(visible=False)
        scored = [
            (stored.header(), self.queue.tables.scores(stored, state.protocol)) for stored in runs
        ]
        table = curves_of_runs(scored, state.metric)
        if table.empty:
            return gr.update(visible=False)
        return gr.update(value=curves_plot(table, state.metric), visible=True)

    def _nothing(self, words: str) -> Update:
        """Words in place of a comparison."""
        hidden = gr.update(visible=False)
        return {
            self.compared: words, self.files: hidden, self.plot: hidden, self.curves: hidden,
            self.changes: hidden,
        }  # fmt: skip

    def _headers(self) -> dict[str, Run]:
        """Headers of the stored and the recorded runs by id."""
        stored = {run.id: run for run, _ in self.queue.history()}
        return stored | {run.id: run for run in recorded_headers()}

    def pick_change(self, state: ViewState, row: list[str]) -> ViewState:
        """State that shows the pictures of a clicked row."""
        return state.model_copy(update={"pair": str(row[0]), "method": str(row[1])})

    def write_file(self, kind: str, state: ViewState) -> WrittenFile:
        """Name and content of the comparison as a file.

        Raises:
            InvalidRequest: A run is gone, or see `eval.reports.comparison_export`.
        """
        valid = state.for_run(self.queue.stored(str(state.run)).header())
        runs = chosen_runs(self.queue, valid)
        found = self.queue.tables.comparison(runs, valid.protocol)
        content = export_comparison(found, kind, valid.metric)
        return f"mirnet-{found.baseline.id}-compared{SUFFIXES[kind]}", content


def _choices(run: Run, state: ViewState, stored: Mapping[str, Run]) -> tuple[Choices, str]:
    """Runs to choose from, those of the state included, and a sentence on those left out.

    Args:
        run: The open run.
        state: State that is valid for it.
        stored: Headers of all runs by id.
    """
    offered = comparable_runs(run, stored.values(), state.protocol)
    ids = {other.id for other in offered}
    of_link = [name for name in state.others if name not in ids]
    same = [other for other in stored.values() if other.benchmark.id == run.benchmark.id]
    left_out = len({other.id for other in same} - ids - {run.id, *state.others})
    words = ""
    if left_out:
        be = "is" if left_out == 1 else "are"
        words = (
            f"{counted(left_out, 'other run')} on {run.benchmark.title} {be} not listed: only runs "
            "with the same set of pictures under the same protocol are."
        )
    return [
        *((run_label(other), other.id) for other in offered),
        *((_label_of(name, stored), name) for name in of_link),
    ], words


def _baselines(run: Run, state: ViewState, stored: Mapping[str, Run]) -> Choices:
    """The open run and the chosen ones; see `_choices`."""
    return [(run_label(run), run.id), *((_label_of(name, stored), name) for name in state.others)]


def _label_of(run_id: str, stored: Mapping[str, Run]) -> str:
    """Label of a chosen run, which may have been deleted or may never have been stored here.

    Such a run is offered all the same: Gradio refuses every event of a dropdown whose value is not
    one of its choices, and the visitor takes it away there.
    """
    return run_label(stored[run_id]) if run_id in stored else f"{run_id} · not here"
