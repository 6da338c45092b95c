"""The Run view: the form of a new run beside the live view of the current run."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from markupsafe import Markup

from eval.analysis.plots import draw
from mirnet.app.auth import Role, allows
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, text_area, told_in_place, translate_errors
from mirnet.errors import MIRNetError

from .html.live_run import means_table, newest_result, progress_bar
from .html.run_form import viewer_only
from .page_files import js
from .permissions import Permissions, owner
from .run_form import RunForm
from .run_queue import RunQueue
from .run_status import RESUMABLE, Snapshot
from .view import View, is_stored, run_choices
from .view_state import ViewState

TICK_SECONDS = 1.5
"""Seconds between two updates of the current run."""
PLOT_GROWTH = 1.25
"""Growth of the number of results after which the live plot is drawn again: all drawings of a run
together cost a few times the last one."""
NOTHING_YET = kit.empty(
    "Progress appears here",
    "Press Start: scores come in picture by picture, and you may close this page meanwhile.",
)


class RunView(View):
    """Builds the form and the live view, whose widgets are `live`."""

    name = "run"
    needs_run = False
    of_run = False
    shows_head = False

    def __init__(self, queue: RunQueue, permissions: Permissions, run: gr.Dropdown):
        """Build the view.

        Args:
            queue: Queue and store of the runs.
            permissions: Roles of visitors, which decide who may start, stop and resume runs.
            run: The tab's dropdown with the open run; finished runs are added to it.
        """
        super().__init__(queue)
        self.permissions = permissions
        self.run = run
        self.followed = gr.State(None)  # id of the run whose progress is shown
        self.seen = gr.State((None, 0))  # what was shown, and the number of results in the plot
        self.timer = gr.Timer(TICK_SECONDS, active=False)
        is_runner = permissions.may("runner")
        can_sign_in = permissions.access.operator is not None
        self.viewer_only = gr.HTML(
            viewer_only(queue.policy.read_only, can_sign_in), visible=not is_runner
        )
        with gr.Row(equal_height=False, elem_id="ev-run-columns"):
            self.form = RunForm(queue, permissions)
            with gr.Column(scale=7, min_width=320, elem_id="ev-live"):
                self.bar = gr.HTML(NOTHING_YET if is_runner else "", elem_id="ev-bar")
                self.opens = gr.Button(
                    "Open the results", visible=False, variant="primary", elem_id="ev-open"
                )
                self.table = text_area("ev-table")
                self.latest = text_area("ev-latest")
                self.plot = gr.Plot(
                    show_label=False, visible=False, elem_id="ev-live-plot", container=False
                )
        self.live = [
            self.followed, self.seen, self.timer, self.bar, self.table, self.latest, self.plot,
            self.form.stop, self.form.resume, self.form.start, self.opens, self.run,
        ]  # fmt: skip
        self.outputs = []
        self._connect()

    def _connect(self) -> None:
        form = self.form
        form.connect()
        form.start.click(
            self.getting_ready,
            None,
            [self.bar, form.start],
            queue=False,
            js=js("show_progress"),
            **PRIVATE,
        ).then(
            self.start,
            form.inputs,
            self.live,
            concurrency_id="evaluate",
            concurrency_limit=2,
            **PRIVATE,
        )
        followed = [self.followed, self.run]
        form.stop.click(self.stop, followed, self.live, **PRIVATE)
        form.resume.click(self.resume, followed, self.live, **PRIVATE)
        self.timer.tick(self.watch, [self.followed, self.seen, self.run], self.live, **PRIVATE)

    # ------------------------------------------------------------ events

    def getting_ready(self) -> Update:
        """Show a message after a click on Start, until the pairs are known."""
        return {
            self.bar: kit.progress("Reading the list of pairs …"),
            self.form.start: gr.update(interactive=False),
        }

    def start(self, request: gr.Request, *values: Any) -> Iterator[Update]:
        """Create the run of the form from the values of `RunForm.inputs`, and follow it."""
        ready = {self.form.start: gr.update(interactive=True)}

        def started() -> Update:
            role = self.permissions.role(request)
            config = self.form.config(*values, local=self.queue.policy.is_admin(role))
            run_id = self.queue.start(config, role, owner(request))
            self.permissions.note_owner(run_id, request)
            return self.follow(run_id) | ready | self._open(run_id)

        yield from told_in_place(started, lambda words: ready | self._failed(words))

    def _failed(self, words: str) -> Update:
        """Say in place of progress why there is none."""
        return self._nothing_of(kit.state(words, "failed"))

    def _nothing_of(self, words: Markup) -> Update:
        """Show a sentence in place of progress, and nothing of any run beside it."""
        return {
            self.bar: words,
            self.followed: None,
            self.timer: gr.Timer(active=False),
            self.table: "",
            self.latest: "",
            self.plot: gr.update(visible=False),
            self.opens: gr.update(visible=False),
            self.form.stop: gr.update(interactive=False),
            self.form.resume: gr.update(visible=False),
        }

    def stop(self, run_id: str | None, chosen: str | None, request: gr.Request) -> Update:
        """Stop the followed run."""
        with translate_errors():
            return self._after(self.queue.stop, run_id, chosen, request)

    def resume(self, run_id: str | None, chosen: str | None, request: gr.Request) -> Update:
        """Resume the followed run."""
        with translate_errors():
            return self.resumed(run_id, chosen, request)

    def resumed(self, run_id: str | None, chosen: str | None, request: gr.Request) -> Update:
        """Resume a run and follow it.

        Args:
            run_id: Id of the run.
            chosen: Id of the run in the tab's dropdown.
            request: Request of the visitor.

        Raises:
            InvalidRequest: The run may not be resumed by the visitor, or not at all.
        """
        return self._after(self.queue.resume, run_id, chosen, request)

    def _after(
        self,
        change: Callable[[str, Role, str], None],
        run_id: str | None,
        chosen: str | None,
        request: gr.Request,
    ) -> Update:
        """Change a run and follow it; of one that is gone nothing is shown any more."""
        role = self.permissions.role(request)
        try:
            change(str(run_id), role, owner(request))
        except MIRNetError:
            if is_stored(self.queue, run_id) or not allows(role, "runner"):
                raise
            return self._gone(run_id, chosen)
        return self.follow(run_id, chosen=chosen)

    def _gone(self, run_id: str | None, chosen: str | None) -> Update:
        """Say that the followed run was deleted, and offer those that are there."""
        words = (
            f"Run {str(run_id)[:40]} was deleted meanwhile: start another, or open a stored one."
        )
        return self._failed(words) | {self.run: gr.update(choices=run_choices(self.queue, chosen))}

    def watch(self, run_id: str | None, seen: tuple, chosen: str | None = None) -> Iterator[Update]:
        """Update the live view at a tick of the timer, which a fault stops: it would come again."""
        yield from told_in_place(lambda: self.tick(run_id, seen, chosen), self._failed)

    def tick(self, run_id: str | None, seen: tuple, chosen: str | None = None) -> Update:
        """Update the live view; nothing is sent if nothing has changed."""
        stamp, drawn = seen
        try:
            found = self.queue.status(str(run_id))
        except MIRNetError as error:
            if not is_stored(self.queue, run_id):
                return self._gone(run_id, chosen)
            return self._failed(str(error))
        if _stamp(found) == stamp:
            return {self.timer: gr.skip()}
        return self.follow(run_id, drawn, found, chosen=chosen)

    def open_followed(self, run_id: str | None) -> ViewState:
        """State that shows the leaderboard of the followed run."""
        return ViewState(view="board", run=run_id)

    # ------------------------------------------------------------ the live run

    def at_arrival(self, request: gr.Request | None = None) -> Update:
        """Show the visitor's controls and the current or newest run when the page is opened."""
        update = self.form.at_arrival(request)
        if self.permissions.role(request) != self.permissions.at_first:
            is_runner = self.permissions.may("runner", request)
            update[self.viewer_only] = gr.update(visible=not is_runner)
        followed = self.queue.current() or self.queue.newest()
        if followed is not None:
            with contextlib.suppress(MIRNetError):
                return update | self.follow(followed, at_arrival=True) | self._open(followed)
        return update | self._open(self.queue.shown_first())

    def _open(self, run_id: str | None) -> Update:
        """Select a run in the tab's dropdown, so that the other views show it."""
        return {self.run: gr.update(choices=run_choices(self.queue), value=run_id)}

    @property
    def arrival_outputs(self) -> list[Any]:
        """Widgets that `at_arrival` writes."""
        form = self.form
        return [
            *self.live, self.viewer_only, form.column, form.facts, form.estimate, form.own.source,
            form.repeats,
        ]  # fmt: skip

    def follow(
        self,
        run_id: str | None,
        drawn: int = 0,
        found: Snapshot | None = None,
        at_arrival: bool = False,
        chosen: str | None = None,
    ) -> Update:
        """Update progress, means, newest picture and, where it has grown enough, the plot of a run.

        Args:
            run_id: Id of the run.
            drawn: Number of results in the plot that is shown.
            found: Snapshot of the run, if it is already known.
            at_arrival: Whether the page is being opened: an ended run is then told in a line.
            chosen: Id of the run in the tab's dropdown, which may be another one.
        """
        if run_id is None:
            return {self.timer: gr.Timer(active=False)}
        found = found or self.queue.status(run_id)
        stored = self.queue.stored(run_id)
        ended = not found.under_way
        if at_arrival and found.state == "done":
            rows, latest = found.run.summary, None
        else:
            rows, latest = self.queue.progress(run_id)
        wants_plot = found.done > 0 and _wants_plot(found, drawn, at_arrival)
        update: Update = {
            self.followed: run_id,
            self.seen: (_stamp(found), found.done if wants_plot else drawn),
            self.timer: gr.Timer(active=not ended),
            self.bar: progress_bar(found),
            self.table: means_table(found.run, rows),
            self.latest: newest_result(stored, latest) if latest else gr.skip(),
            self.form.stop: gr.update(interactive=found.state in ("queued", "running")),
            self.form.resume: gr.update(visible=found.state in RESUMABLE),
            self.opens: gr.update(visible=ended and found.done > 0),
        }
        if wants_plot:
            figure = draw(self.queue.tables, stored, "distribution").figure
            update[self.plot] = gr.update(value=figure, visible=True)
        elif not found.done:
            update[self.plot] = gr.update(visible=False)
        if ended:
            update[self.run] = gr.update(choices=run_choices(self.queue, chosen))
        return update


def _wants_plot(found: Snapshot, drawn: int, at_arrival: bool) -> bool:
    """Whether an update draws the plot; not on arrival for a finished run."""
    if at_arrival:
        return found.state != "done"
    return not found.under_way or found.done >= drawn * PLOT_GROWTH


def _stamp(found: Snapshot) -> tuple[str, str, int, str]:
    return found.run.id, found.state, found.done, found.words
