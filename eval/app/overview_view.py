"""The Overview: methods by benchmarks from the recorded runs, and the newest runs under it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gradio as gr
from markupsafe import Markup

from eval.analysis.overview import GROUPS, Overview, overview
from eval.runs.recorded import recorded_headers
from mirnet.app.auth import Role, allows
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import Update, text_area
from mirnet.errors import MIRNetError
from mirnet.metrics.registry import METRICS, get_metric

from .html.overview import overview_table, own_runs, recorded_runs, trust
from .run_queue import RunQueue
from .view import Part, View, ViewRequest
from .view_state import ViewState

TICK_SECONDS = 3
"""Seconds between two updates of the list of runs while one is under way."""
READING = kit.progress("Reading the recorded runs …")
"""Stands in place of the table until the server has answered for the first time."""
MAX_NEWEST = 8
"""Most runs listed under the table."""


class OverviewView(View):
    """Builds the choice of tasks and metric, the table, and the lists of runs."""

    name = "overview"
    needs_run = False
    of_run = False
    shows_head = False

    def __init__(self, queue: RunQueue):
        super().__init__(queue)
        self.tables: dict[tuple[str, str], Overview] = {}
        with gr.Row(elem_id="ev-over-choice"):
            self.group = gr.Radio(
                [(title, name) for name, (title, _) in GROUPS.items()],
                value=next(iter(GROUPS)),
                label="Task",
                container=False,
                elem_id="ev-over-group",
                min_width=300,
            )
            self.metric = gr.Radio(
                [(metric.title, key) for key, metric in METRICS.items()],
                value=next(iter(METRICS)),
                label="Score",
                container=False,
                elem_id="ev-over-metric",
                min_width=120,
            )
            self.new = gr.Button(
                "New run", variant="primary", elem_id="ev-new", min_width=110,
                visible=not queue.policy.read_only,
            )  # fmt: skip
        self.table = text_area("ev-over-table", READING)
        self.list = RunList(queue)
        self.recorded = text_area("ev-over-recorded")
        self.inputs = {"group": self.group, "metric": self.metric}
        self.outputs = [self.table, self.recorded]
        self.triggers = [self.group.input, self.metric.input]

    @property
    def parts(self) -> list[Part]:
        """The table, and the list of runs."""
        return [self, self.list]

    def place(self, state: ViewState, run: Any) -> Update:
        """Set task and metric to those of a state."""
        return {self.group: state.group, self.metric: _metric(state)}

    def new_run(self) -> str:
        """Link of the form of a new run."""
        return ViewState(view="run").query()

    def fill_without_run(self, state: ViewState, role: Role) -> Iterator[Update]:
        """Show the table and the recorded runs, whichever run is open."""
        found = self.overview(state.group, _metric(state))
        yield {
            self.table: trust(recorded_headers()) + overview_table(found),
            self.recorded: recorded_runs(recorded_headers()),
        }

    def overview(self, group: str, metric: str) -> Overview:
        """Table of a group and metric; computed once, since recorded runs do not change.

        Raises:
            InvalidRequest: A recorded run is damaged.
        """
        key = group, metric
        if key not in self.tables:
            runs = [self.queue.stored(run.id) for run in recorded_headers()]
            self.tables[key] = overview(self.queue.tables, runs, group, get_metric(metric))
        return self.tables[key]


def _metric(state: ViewState) -> str:
    """Metric of a state that every recorded run has; optional ones give way to the ranking one."""
    return state.metric if state.metric in METRICS else next(iter(METRICS))


class RunList(Part):
    """The newest runs of this machine, and the one under way."""

    def __init__(self, queue: RunQueue):
        self.queue = queue
        self.runs = text_area("ev-over-runs")
        self.timer = gr.Timer(TICK_SECONDS, active=False)
        self.outputs = [self.runs, self.timer]
        self.triggers = [self.timer.tick]

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """List the runs, whichever run is open."""
        yield from self.fill_without_run(request.state, request.role)

    def fill_without_run(self, state: ViewState, role: Role) -> Iterator[Update]:
        """List the newest runs with their progress, and look again while one is under way."""
        history = self.queue.history()
        newest = []
        for run, _ in history[:MAX_NEWEST]:
            with contextlib.suppress(MIRNetError):  # deleted meanwhile
                newest.append(self.queue.status(run.id))
        yield {
            self.runs: own_runs(newest, len(history), allows(role, "runner")),
            self.timer: gr.Timer(active=any(found.under_way for found in newest)),
        }

    def failed(self, words: Markup) -> Update:
        """Say why the runs cannot be listed."""
        return {self.runs: words, self.timer: gr.Timer(active=False)}
