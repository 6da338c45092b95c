"""The Evaluate tab: composes the views and connects them with each other.

Runs belong to the program (`run_queue.RunQueue`). Each view owns its widgets and is filled by its
own events, from stored runs alone. A link is a `ViewState`; an event that leads from one view to
another writes a link and opens it, as if a visitor had pasted it.
"""

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from mirnet.app.auth import Access
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, translate_faults
from mirnet.errors import MIRNetError

from .api import Endpoints
from .compare_view import CompareView
from .downloads import Downloads, WrittenFile
from .events import ViewEvents
from .history_view import CHOOSE_FIRST, HistoryView
from .images_view import ImagesView
from .overview_view import OverviewView
from .page_files import js
from .permissions import Permissions
from .plots_view import PlotsView
from .report_view import ReportView
from .run_queue import RunQueue
from .run_view import RunView
from .slices_view import SlicesView
from .view import View
from .view_router import ViewRouter
from .view_state import VIEW_ALIASES, VIEWS, ViewState
from .votes_view import VotesView

PAGE_TABS = ("restore", "methods", "evaluate", "inside", "about", "review")
"""Tabs of the page that a link may open."""


class EvaluateTab:
    """Builds the tab inside the current `gr.Blocks` and answers its events."""

    def __init__(
        self,
        page: gr.Blocks,
        tabs: gr.Tabs,
        queue: RunQueue,
        access: Access | None = None,
    ):
        """Build the tab.

        Args:
            page: The page that is being built.
            tabs: The page's tabs; links open one of them.
            queue: Queue and store of the runs.
            access: Roles of visitors; by default everybody has the queue's default role.
        """
        self.queue = queue
        self.permissions = Permissions(queue.policy, access)
        self.tabs = tabs
        self._build()
        self._connect(page)
        self.api = Endpoints(queue, self.permissions)

    # ------------------------------------------------------------ widgets

    def _build(self) -> None:
        self.router = ViewRouter(self.queue)
        self.events = ViewEvents(self.router, self.permissions)
        self.point = gr.Textbox("", visible=False)  # ids of the clicked plot point or thumbnail
        self.sub_tabs: dict[str, gr.Tab] = {}
        with gr.Tabs(elem_id="ev-views", selected="overview") as self.router.selected:
            self.overview = self._sub_tab("overview", lambda: OverviewView(self.queue))
            self.running = self._sub_tab(
                "run", lambda: RunView(self.queue, self.permissions, self.router.run)
            )
            self.report = self._sub_tab("board", lambda: ReportView(self.queue))
            self.plots = self._sub_tab("plots", lambda: PlotsView(self.queue))
            self.slices = self._sub_tab("slices", lambda: SlicesView(self.queue))
            self.pictures = self._sub_tab(
                "pictures", lambda: ImagesView(self.queue, self.permissions, self.plots.metric)
            )
            self.compare = self._sub_tab("compare", lambda: CompareView(self.queue))
            self.votes = self._sub_tab(
                "votes", lambda: VotesView(self.queue, self.permissions, self.router.run)
            )
            self.history = self._sub_tab(
                "runs", lambda: HistoryView(self.queue, self.permissions, self.router.run)
            )
        self.router.report = self.report
        self.router.all_runs = self.history
        self.views: list[View] = [
            self.overview, self.running, self.report, self.plots, self.slices, self.pictures,
            self.compare, self.votes, self.history,
        ]  # fmt: skip
        self.downloads = Downloads()
        self.pointed = gr.Button("Point", visible="hidden", elem_id="ev-point")
        self.openers = {
            view.name: gr.Button(view.name, visible="hidden", elem_id=f"ev-open-{view.name}")
            for view in self.views
        }

    def _sub_tab(self, name: str, build: Callable[[], Any]) -> Any:
        with gr.Tab(VIEWS[name], id=name, elem_id=f"ev-tab-{name}") as self.sub_tabs[name]:
            with gr.Column() as body:
                view = build()
            view.body = body
            return view

    # ------------------------------------------------------------ events

    def _connect(self, page: gr.Blocks) -> None:
        scripts = (
            js("evaluate", aliases=tuple(VIEW_ALIASES.items())), js("picture_zoom"), js("pictures"),
        )  # fmt: skip
        for script in scripts:
            page.load(None, js=script, api_visibility="private")
        select = js("select_tab", tabs=PAGE_TABS)
        page.load(None, None, self.tabs, js=select, api_visibility="private")
        self.events.leads_on(
            page.load(
                self.arrive, None, [self.router.link, *self.running.arrival_outputs], **PRIVATE
            )
        )
        for view in self.views:
            self.events.connect(view, self.sub_tabs[view.name], self.openers[view.name])
        self.router.connect()
        self._connect_pictures()
        self._connect_history()
        form = self.running.form
        self.overview.new.click(
            form.start_from,
            [self.overview.group, form.task, form.repeats],
            [form.task, *form.by_task],
            **PRIVATE,
        )
        self.events.leads_on(
            self.overview.new.click(self.overview.new_run, None, self.router.link, **PRIVATE)
        )
        self.events.leads_on(
            self.running.opens.click(
                self.open_followed, self.running.followed, self.router.link, **PRIVATE
            )
        )
        plots = self.plots
        self.events.leads_on(
            self.pointed.click(
                self.open_point,
                [self.point, *self.router.inputs(self.plots, self.pictures)],
                self.router.link,
                js=js("read_point"),
                **PRIVATE,
            )
        )
        run_scope = [self.router.run, self.report.baseline, self.report.protocol]
        self.report.exports.connect(self.downloads, run_scope)
        self.downloads.offer(
            plots.data, lambda *values: plots.write_data(self.router.state(values, plots)),
            self.router.inputs(plots),
        )  # fmt: skip

        slices = self.slices
        self.downloads.offer(
            slices.data, lambda *values: slices.write_table(self.router.state(values, slices)),
            self.router.inputs(slices),
        )  # fmt: skip

        for kind, button in self.compare.exports.items():
            self.downloads.offer(
                button,
                functools.partial(self._write_comparison, kind),
                self.router.inputs(self.compare),
            )

    def _write_comparison(self, kind: str, *values: Any) -> WrittenFile:
        return self.compare.write_file(kind, self.router.state(values, self.compare))

    def _connect_pictures(self) -> None:
        pictures, stage = self.pictures, self.pictures.stage
        inputs = self.router.inputs(pictures)
        turns: list[tuple[list[Any], Callable[[ViewState], Update]]] = [
            (
                [
                    pictures.which.input, pictures.k.submit, pictures.k.blur,
                    pictures.method.input, pictures.other.input, pictures.slices.input,
                ],
                pictures.first_pair,
            ),
            ([pictures.prev.click], pictures.turn_back),
            ([pictures.next.click], pictures.turn_on),
        ]  # fmt: skip
        for events, turn in turns:
            mode = "always_last" if turn is pictures.first_pair else "once"
            turned = gr.on(
                events, self.turning(turn), inputs, pictures.pair, trigger_mode=mode, **PRIVATE
            )
            self.events.fill(pictures, turned)
        self.downloads.offer(
            pictures.save, pictures.write_picture, [self.router.run, pictures.pair, stage.saved]
        )

        pictures.notes.connect(self.events, pictures)
        of_pair = [self.router.run, pictures.pair, self.report.protocol]
        figure = pictures.figure
        for kind, button in figure.crops.items():
            self.downloads.offer(
                button,
                functools.partial(figure.write_crop, kind),
                [*figure.inputs, *of_pair],
                reads="read_box",
            )

    def _connect_history(self) -> None:
        history = self.history
        self.events.leads_on(
            history.again.click(
                self.resume_stored,
                self.router.run,
                [*self.running.live, self.history.checks, self.router.link],
                **PRIVATE,
            )
        )
        self.events.leads_on(
            history.delete.click(
                self.delete_stored,
                [self.router.run, history.sure],
                [history.sure, history.checks, self.router.run, self.router.link],
                **PRIVATE,
            )
        )

    # ------------------------------------------------------------ opening links

    def arrive(self, request: gr.Request) -> Update:
        """Open the view of the link and show the current run when the page is opened."""
        query = dict(request.query_params)
        link = urlencode(query) if query.get("tab") == "evaluate" else ""
        with translate_faults():
            return self.running.at_arrival(request) | {self.router.link: link}

    # ------------------------------------------------------------ from one view to another

    def open_point(self, point: str | None, *values: Any) -> str:
        """Link of the picture behind a clicked plot point or thumbnail; empty if there is none."""
        state = self.router.state(values, self.plots, self.pictures)
        wanted = self.plots.pick_point(point, state)
        return wanted.query() if wanted else ""

    def open_followed(self, run_id: str | None) -> str:
        """Link of the leaderboard of the followed run, for the button that opens its results."""
        return self.running.open_followed(run_id).query()

    def turning(self, turn: Callable[[ViewState], Update]) -> Callable[..., Update]:
        """Make the handler that switches to another picture."""

        def turned(*values: Any) -> Update:
            return turn(self.router.state(values, self.pictures))

        return turned

    def resume_stored(self, run_id: str | None, request: gr.Request) -> Update:
        """Resume a stored run and open the Run view."""
        if not run_id:
            return {self.history.checks: kit.note(CHOOSE_FIRST), self.router.link: ""}
        try:
            with translate_faults():
                update = self.running.resumed(run_id, run_id, request)
        except MIRNetError as error:
            refusal = kit.state(str(error), "failed")
            return {self.history.checks: refusal, self.router.link: ""}
        return update | {self.router.link: ViewState(view="run").query()}

    def delete_stored(
        self, run_id: str | None, sure: bool, request: gr.Request | None = None
    ) -> Update:
        """Delete a stored run and show the others."""
        update = self.history.remove(run_id, sure, request)
        link = ViewState(view="runs").query() if self.router.run in update else ""
        return update | {self.router.link: link}
