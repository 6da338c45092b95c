"""The Run view: the form of a new run, and the run under way beside it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gradio as gr

from eval.analysis.figures import draw
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, gradio_error, text_area, translate_errors
from mirnet.errors import MIRNetError

from .html.live_run import means_table, newest_result, progress_bar
from .html.run_form import viewer_only
from .page_files import js
from .permissions import Permissions, owner
from .run_form import RunForm
from .run_queue import RunQueue
from .snapshot import RESUMABLE, Snapshot
from .view import View, run_choices
from .view_state import ViewState

TICK_SECONDS = 1.5
"""Time between two updates of a run under way."""
PLOT_EVERY = 2
"""The live plot is drawn at every so many updates."""
ARRIVAL = -1
"""Number of the first update, when the page is opened."""
NOTHING_YET = kit.empty(
    "Progress appears here",
    "Press Start: scores come in picture by picture, and you may close this page meanwhile.",
)


class RunView(View):
    """Builds the form and the live run. `live` are the widgets that follow a run under way."""

    name = "run"
    needs_run = False
    shows_head = False

    def __init__(self, queue: RunQueue, permissions: Permissions, run: gr.Dropdown):
        """Build the view.

        Args:
            queue: Has the runs.
            permissions: Who may start, stop and resume them.
            run: The tab's choice of the open run, which then offers a run that has ended.
        """
        super().__init__(queue)
        self.permissions = permissions
        self.run = run
        self.followed = gr.State(None)  # id of the run whose progress is shown
        self.seen = gr.State((None, 0))
        self.timer = gr.Timer(TICK_SECONDS, active=False)
        is_runner = permissions.may("runner")
        can_sign_in = permissions.access.operator is not None
        self.viewer_only = gr.HTML(
            viewer_only(queue.policy.read_only, can_sign_in), visible=not is_runner
        )
        with gr.Row(equal_height=False, elem_id="ev-desk"):
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
        form.stop.click(self.stop, self.followed, self.live, **PRIVATE)
        form.resume.click(self.resume, self.followed, self.live, **PRIVATE)
        self.timer.tick(self.tick, [self.followed, self.seen], self.live, **PRIVATE)

    # ------------------------------------------------------------ events

    def getting_ready(self) -> Update:
        """Start was pressed: say what happens until the pairs are known."""
        return {
            self.bar: kit.progress("Reading the list of pairs …"),
            self.form.start: gr.update(interactive=False),
        }

    def start(self, request: gr.Request, *values: Any) -> Iterator[Update]:
        """Create the run that the form asks for, and follow it.

        Args:
            request: Of the visitor.
            values: Of `RunForm.inputs`.
        """
        ready = {self.form.start: gr.update(interactive=True)}
        try:
            config = self.form.config(*values)
            run_id = self.queue.start(config, self.permissions.role(request), owner(request))
        except MIRNetError as error:
            yield ready | {self.bar: kit.state(str(error), "failed")}
            raise gradio_error(error) from error
        yield self.follow(run_id, 0) | ready | self._open(run_id)

    def stop(self, run_id: str | None, request: gr.Request) -> Update:
        """Stop was pressed."""
        with translate_errors():
            self.queue.stop(str(run_id), self.permissions.role(request), owner(request))
        return self.follow(run_id, 0)

    def resume(self, run_id: str | None, request: gr.Request) -> Update:
        """Resume was pressed."""
        with translate_errors():
            self.queue.resume(str(run_id), self.permissions.role(request), owner(request))
        return self.follow(run_id, 0)

    def tick(self, run_id: str | None, seen: tuple) -> Update:
        """Update the run under way; nothing is sent where nothing has changed."""
        stamp, count = seen
        try:
            found = self.queue.status(str(run_id))
        except MIRNetError:  # deleted meanwhile
            return {self.timer: gr.Timer(active=False)}
        if _stamp(found) == stamp:
            return {self.timer: gr.skip()}
        return self.follow(run_id, count + 1, found)

    def open_followed(self, run_id: str | None) -> ViewState:
        """The results of the run that is followed."""
        return ViewState(view="board", run=run_id)

    # ------------------------------------------------------------ the live run

    def at_arrival(self, request: gr.Request | None = None) -> Update:
        """The page was opened: show what the visitor may do, and the run under way or newest."""
        update = self.form.at_arrival(request)
        if self.permissions.role(request) != self.permissions.at_first:
            is_runner = self.permissions.may("runner", request)
            update[self.viewer_only] = gr.update(visible=not is_runner)
        followed = self.queue.current() or self.queue.newest()
        if followed is not None:
            with contextlib.suppress(MIRNetError):
                update |= self.follow(followed, ARRIVAL) | self._open(followed)
        return update

    def _open(self, run_id: str) -> Update:
        """Make a run the one that the other views show."""
        return {self.run: gr.update(choices=run_choices(self.queue), value=run_id)}

    @property
    def arrival_outputs(self) -> list[Any]:
        """Widgets that `at_arrival` writes."""
        form = self.form
        return [*self.live, self.viewer_only, form.column, form.facts, form.estimate]

    def follow(self, run_id: str | None, count: int, found: Snapshot | None = None) -> Update:
        """Progress, means, newest picture and now and then the plot of a run.

        Args:
            run_id: Id of the run.
            count: Number of the update.
            found: State of the run, where it is known.
        """
        if run_id is None:
            return {self.timer: gr.Timer(active=False)}
        found = found or self.queue.status(run_id)
        stored = self.queue.stored(run_id)
        ended = not found.under_way
        rows = found.run.summary if found.state == "done" else self.queue.summary(run_id)
        latest = found.latest
        if ended and latest is None and count != ARRIVAL:
            latest = next(reversed(stored.rows()), None)
        update: Update = {
            self.followed: run_id,
            self.seen: (_stamp(found), count),
            self.timer: gr.Timer(active=not ended),
            self.bar: progress_bar(found),
            self.table: means_table(found.run, rows),
            self.latest: newest_result(stored, latest) if latest else gr.skip(),
            self.form.stop: gr.update(interactive=found.state in ("queued", "running")),
            self.form.resume: gr.update(visible=found.state in RESUMABLE),
            self.opens: gr.update(visible=ended and found.done > 0),
        }
        if found.done and _wants_plot(found, count):
            figure = draw(self.queue.frames, stored, "distribution").figure
            update[self.plot] = gr.update(value=figure, visible=True)
        elif not found.done:
            update[self.plot] = gr.update(visible=False)
        if ended:
            update[self.run] = gr.update(choices=run_choices(self.queue))
        return update


def _wants_plot(found: Snapshot, count: int) -> bool:
    """Whether an update draws the plot; at arrival not of a run that is done, one click away."""
    if count == ARRIVAL:
        return found.state != "done"
    return not found.under_way or count % PLOT_EVERY == 1


def _stamp(found: Snapshot) -> tuple[str, str, int, str]:
    return found.run.id, found.state, found.done, found.words
