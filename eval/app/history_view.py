"""The All runs view: the list of stored runs, and actions on the open run."""

from collections.abc import Iterator
from typing import Any, get_args

import gradio as gr

from eval.runs.document import Run
from eval.runs.recorded import recorded_headers
from mirnet.app.auth import Role, allows
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, text_area, translate_faults
from mirnet.errors import MIRNetError
from mirnet.tasks import TASKS

from .html.compare import findings
from .html.overview import no_own_runs, recorded_runs
from .permissions import Permissions
from .run_queue import RunQueue
from .run_status import RESUMABLE, State
from .tables import HISTORY, history_row, history_value
from .view import View, ViewRequest, is_stored, run_choices
from .view_state import ViewState

NONE_MATCH = kit.note("No runs made here match these filters.")
CHOOSE_FIRST = "Choose a run first."


class HistoryView(View):
    """Builds the list of runs with its filters, and the buttons that verify, resume and delete."""

    name = "runs"
    needs_run = False

    def __init__(self, queue: RunQueue, permissions: Permissions, run: gr.Dropdown):
        """Build the view.

        Args:
            queue: Queue and store of the runs.
            permissions: Roles of visitors and their rights on runs.
            run: The tab's dropdown with the open run.
        """
        super().__init__(queue)
        self.permissions = permissions
        self.run = run
        self._build_list()
        self._build_buttons()
        self.inputs = {"task": self.task, "status": self.status}
        self.outputs = [
            self.history, self.no_runs, self.recorded, self.allowed, self.check, self.again,
            self.delete, self.sure,
        ]  # fmt: skip
        self.triggers = [self.task.input, self.status.input]
        self.rows = [(self.history, self.pick_run)]
        self.check.click(
            self.verify, run, self.checks, concurrency_id="model", concurrency_limit=2, **PRIVATE
        )

    def _build_list(self) -> None:
        with gr.Row(elem_id="ev-only"):
            self.task = gr.Dropdown(
                [("All tasks", ""), *((entry.title, entry.id) for entry in TASKS.values())],
                value="",
                label="Task",
                filterable=False,
                min_width=150,
                elem_id="ev-only-task",
            )
            self.status = gr.Dropdown(
                [("Any status", ""), *((state, state) for state in get_args(State))],
                value="",
                label="Status",
                filterable=False,
                min_width=150,
                elem_id="ev-only-state",
            )
        self.history = gr.Dataframe(
            headers=HISTORY,
            interactive=False,
            show_search="search",
            buttons=[],
            label="Choose a row to open the run; the other tabs then show it",
            elem_id="ev-history",
            max_height=480,
        )
        self.no_runs = text_area("ev-no-runs")
        self.recorded = text_area("ev-recorded-runs")

    def _build_buttons(self) -> None:
        self.allowed = text_area("ev-managed")
        is_admin = self.permissions.may("admin")
        with gr.Row(elem_id="ev-manage"):
            self.check = gr.Button(
                "Verify a sample",
                size="md",
                elem_id="ev-verify",
                interactive=self.permissions.may("runner"),
            )
            self.again = gr.Button("Resume", size="md", elem_id="ev-again", interactive=False)
            self.delete = gr.Button("Delete", size="md", visible=is_admin, elem_id="ev-delete")
            self.sure = gr.Checkbox(
                False,
                label="Yes, delete it for good",
                visible=is_admin,
                container=False,
                elem_id="ev-sure",
            )
        self.checks = text_area("ev-checks")

    def place(self, state: ViewState, run: Run | None) -> Update:
        """Set the filters to those of a state."""
        tasks, states = ["", *TASKS], ["", *get_args(State)]
        return {
            self.task: state.task if state.task in tasks else "",
            self.status: state.status if state.status in states else "",
        }

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show the list, and the buttons that the visitor may use on the open run."""
        yield self.listing(request.state, request.role) | self.buttons(
            request.found.run, request.found.state, request.role, request.found.recorded
        )

    def fill_without_run(self, state: ViewState, role: Role) -> Iterator[Update]:
        """Show the list when no run is open."""
        yield self.listing(state, role) | self.buttons(None, None, role)

    def listing(self, state: ViewState, role: Role) -> Update:
        """Update the lists to the runs that match the filters, those of this machine first."""
        history = self.queue.history()
        rows = [
            history_row(run, status)
            for run, status in history
            if state.task in ("", run.task) and state.status in ("", status)
        ]
        recorded = [
            run
            for run in recorded_headers()
            if state.task in ("", run.task) and state.status in ("", run.status)
        ]
        none = NONE_MATCH if history else kit.note(no_own_runs(allows(role, "runner")))
        return {
            self.history: gr.update(value=history_value(rows), visible=bool(rows)),
            self.no_runs: "" if rows else none,
            self.recorded: recorded_runs(recorded, opened=not history),
        }

    def buttons(
        self, run: Run | None, state: State | None, role: Role, recorded: bool = False
    ) -> Update:
        """Show the buttons that the visitor's role allows; without an open run they are off."""
        is_runner = run is not None and allows(role, "runner")
        may_delete = allows(role, "admin") and not recorded
        return {
            self.allowed: kit.note(self._allowed(run.id, role, recorded)) if run else "",
            self.check: gr.update(interactive=is_runner),
            self.again: gr.update(interactive=is_runner and state in RESUMABLE),
            self.delete: gr.update(visible=may_delete, interactive=run is not None),
            self.sure: gr.update(visible=may_delete),
        }

    def _allowed(self, run_id: str, role: Role, recorded: bool) -> str:
        if self.queue.policy.read_only:
            return "This copy only shows results: nothing is recomputed, resumed or deleted here."
        if recorded:
            return f"The run that is open, {run_id}, comes with the program and cannot be deleted:"
        if not allows(role, "admin"):
            return f"The run that is open, {run_id}; only the owner of the machine deletes runs:"
        return f"The run that is open, {run_id}:"

    # ------------------------------------------------------------ events

    def pick_run(self, state: ViewState, row: list[Any]) -> ViewState:
        """State that opens the run of a clicked row."""
        return state.model_copy(update={"run": str(row[HISTORY.index("Run")])})

    def verify(self, run_id: str | None, request: gr.Request) -> Iterator[str]:
        """Recompute a sample of the run, and show each check once it is done."""
        if not run_id:
            yield kit.note(CHOOSE_FIRST)
            return
        yield findings([], complete=False)
        rows = []
        try:
            with translate_faults():
                for finding in self.queue.verify(run_id, role=self.permissions.role(request)):
                    rows.append(finding)
                    yield findings(rows, complete=False)
        except MIRNetError as error:
            yield kit.state(str(error), "failed")
            return
        yield findings(rows, complete=True)

    def remove(self, run_id: str | None, sure: bool, request: gr.Request | None = None) -> Update:
        """Delete the run if the confirmation box is ticked."""
        if not run_id or not sure:
            words = "Tick the box first: it is for good." if run_id else CHOOSE_FIRST
            return {self.checks: kit.note(words, warn=True)}
        line = kit.state(f"Run {run_id} is deleted.", "done")
        try:
            with translate_faults():
                self.queue.delete(run_id, self.permissions.role(request))
        except MIRNetError as error:
            line = kit.state(str(error), "failed")
            if is_stored(self.queue, run_id):
                return {self.checks: line}
        return {
            self.sure: False,
            self.checks: line,
            self.run: gr.update(choices=run_choices(self.queue), value=None),
        }
