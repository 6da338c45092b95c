"""The Evaluate tab: widgets and their events. Nothing here computes or reads files of runs.

Runs belong to the program (`service.py`); the page asks how they stand every second or two while
one is under way. Everything that reads is built from stored runs alone, one view at a time.
"""

import json
import re
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import gradio as gr

from eval.analysis.csv_tables import csv_text
from eval.analysis.figures import FIGURES, Drawn, draw
from eval.analysis.pictures import INPUT, TARGET
from eval.analysis.published import published_beside
from eval.analysis.run_comparison import compare_runs
from eval.analysis.score_tables import default_baseline, leader
from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.app.auth import Access, Role, allows
from mirnet.errors import MIRNetError
from mirnet.metrics.registry import METRICS
from mirnet.tasks import TASKS

from . import html as ui_html
from .api import Endpoints
from .images_view import PicturesView
from .permissions import Permissions
from .review_tab import build_results
from .run_queue import RESUMABLE, RunQueue, State
from .run_view import RunView
from .scripts import CLICK_FILE, COPY_LINK, MEASURE_ROOM, SAVE_PLOT, SCRIPT, SHOW_LINK
from .tables import BOARD, HISTORY, board_value, changes_value, history_row, history_value
from .view_state import LOOKS, VIEWS, WHICH, ViewState
from .widgets import PRIVATE, Update, told, words

if TYPE_CHECKING:
    pass

FILES = {
    "csv": "CSV",
    "parquet": "Parquet",
    "markdown": "Markdown",
    "latex": "LaTeX",
    "model-index": "Model card",
    "html": "HTML report",
}
"""Files a run is written as."""
MAX_VISITORS = 1000
"""Whose newest request is remembered."""
NO_RUNS = ui_html.empty(
    "No runs are stored yet",
    "Open Run and press Start: the small benchmark needs no download and takes a minute.",
)
TWO_RUNS = ui_html.empty("Two runs, side by side", "Choose the second one.")
ONE_RUN = ui_html.empty(
    "There is nothing to compare with yet", "Only this run is stored: run another."
)
NO_RUN = ui_html.empty("No run is open", "Choose one above, or start one under Run.")


class EvaluateTab:
    """Builds the tab inside the current `gr.Blocks` and answers its events."""

    def __init__(
        self, page: gr.Blocks, tabs: gr.Tabs, service: RunQueue, access: Access | None = None
    ):
        """Build the tab.

        Args:
            page: The page that is being built.
            tabs: The page's tabs; links open one of them.
            service: Runs, and what may be done with them.
            access: Who may do what; what the service allows, by default.
        """
        self.service = service
        self.rights = Permissions(service, access)
        self.tabs = tabs
        self._newest_fill: OrderedDict[str | None, object] = OrderedDict()
        self._build()
        self._connect(page)
        self.programs = Endpoints(service, self.rights)

    # ------------------------------------------------------------ widgets

    def _build(self) -> None:
        self.view = gr.Textbox("run", visible=False)  # a link is made of it in the browser
        self.message = words("ev-message")
        with gr.Row(visible=False, elem_id="ev-head") as self.head:
            self.run = gr.Dropdown(
                choices=self._run_choices(),
                label="Stored run",
                elem_id="ev-run",
                scale=5,
                min_width=260,
            )
            self.copy = gr.Button("Copy link", elem_id="ev-copy", size="md", min_width=110)
        self.about = words("ev-about")
        with gr.Tabs(elem_id="ev-views", selected="run") as self.views:
            self.view_tabs: dict[str, gr.Tab] = {}
            build = {
                "run": self._build_run,
                "board": self._build_board,
                "plots": self._build_plots,
                "pictures": self._build_pictures,
                "compare": self._build_compare,
                "votes": self._build_votes,
                "runs": self._build_runs,
            }
            for name, title in VIEWS.items():
                with gr.Tab(title, id=name) as tab:
                    build[name]()
                self.view_tabs[name] = tab
        self.file = gr.DownloadButton("File", visible="hidden", elem_id="ev-file")
        self.point = gr.Textbox(visible=False)
        self.pointed = gr.Button("Point", visible="hidden", elem_id="ev-point")
        self.room_px = gr.Number(320, visible=False)

    def _build_run(self) -> None:
        self.running = RunView(self.service, self.rights, self.run, self._run_choices)

    def _build_pictures(self) -> None:
        self.pictures = PicturesView(self.service)

    def _build_board(self) -> None:
        with gr.Row():
            self.protocol = gr.Dropdown([], label="Protocol", filterable=False, min_width=180)
            self.baseline = gr.Dropdown([], label="Compare with", filterable=False, min_width=180)
        self.board = gr.Dataframe(
            headers=list(BOARD),
            interactive=False,
            show_search="search",
            buttons=[],
            show_label=False,
            elem_id="ev-board",
            pinned_columns=1,
            max_height=560,
        )
        self.board_words = words("ev-board-words")
        with gr.Row(elem_id="ev-files"):
            self.file_buttons = {
                name: gr.Button(title, size="sm", min_width=90, elem_id=f"ev-file-{name}")
                for name, title in FILES.items()
            }
        self.published = words("ev-published")
        self.made = words("ev-made")

    def _build_plots(self) -> None:
        with gr.Row():
            self.plot_name = gr.Dropdown(
                [(figure.title, name) for name, figure in FIGURES.items()],
                value="distribution",
                label="Figure",
                filterable=False,
                min_width=180,
                elem_id="ev-figure",
            )
            self.metric = gr.Dropdown(
                [(metric.label, key) for key, metric in METRICS.items()],
                value="psnr_db",
                label="Score",
                filterable=False,
                min_width=120,
            )
            self.plot_b = gr.Dropdown(
                [], label="Method", filterable=False, min_width=140, elem_id="ev-plot-b"
            )
            self.plot_a = gr.Dropdown(
                [], label="Against", filterable=False, min_width=140, elem_id="ev-plot-a"
            )
        self.plot = gr.Plot(show_label=False, elem_id="ev-plot", container=False)
        self.reading = words("ev-reading")
        with gr.Row(elem_id="ev-plot-files"):
            self.png = gr.Button("PNG", size="sm", min_width=80, elem_id="ev-png")
            self.svg = gr.Button("SVG", size="sm", min_width=80, elem_id="ev-svg")
            self.data = gr.Button("Data (CSV)", size="sm", min_width=100, elem_id="ev-data")

    def _build_compare(self) -> None:
        self.second = gr.Dropdown(
            choices=self._run_choices(),
            value=None,
            label="Compare the stored run with",
            elem_id="ev-second",
        )
        self.compared = gr.HTML(TWO_RUNS, elem_id="ev-compared")
        self.changes = gr.Dataframe(
            interactive=False,
            show_search="search",
            buttons=[],
            label="Changes, largest first",
            visible=False,
            elem_id="ev-changes",
            max_height=480,
        )

    def _build_votes(self) -> None:
        gr.HTML(
            ui_html.note(
                "Blind review: reviewers see two results under neutral names and say which is "
                "better. Make a link for each of them here; their votes are stored with the run."
            )
        )
        self.votes = build_results(self.run, lambda: self.service.store)

    def _build_runs(self) -> None:
        with gr.Row(elem_id="ev-only"):
            self.only_task = gr.Dropdown(
                [("All tasks", ""), *((entry.title, entry.id) for entry in TASKS.values())],
                value="",
                label="Task",
                filterable=False,
                min_width=150,
                elem_id="ev-only-task",
            )
            self.only_state = gr.Dropdown(
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
        self.no_runs = words("ev-no-runs")
        self.managed = words("ev-managed")
        with gr.Row(elem_id="ev-manage"):
            self.check = gr.Button(
                "Verify a sample",
                size="md",
                elem_id="ev-verify",
                interactive=self.rights.may("runner"),
            )
            self.again = gr.Button("Resume", size="md", elem_id="ev-again", interactive=False)
            may_delete = self.rights.may("admin")
            self.delete = gr.Button("Delete", size="md", visible=may_delete, elem_id="ev-delete")
            self.sure = gr.Checkbox(
                False,
                label="Yes, delete it for good",
                visible=may_delete,
                container=False,
                elem_id="ev-sure",
            )
        self.checks = words("ev-checks")

    # ------------------------------------------------------------ events

    def _connect(self, page: gr.Blocks) -> None:
        seen = self.pictures
        self.asks = [
            self.view, self.run, self.protocol, self.baseline, self.metric, self.plot_name,
            self.plot_a, self.plot_b, seen.which, seen.method, seen.other, seen.k, seen.pair,
            seen.look, seen.left, seen.right, seen.zoom, seen.across, seen.down, self.second,
            self.only_task, self.only_state, self.room_px,
        ]  # fmt: skip
        self.shown = [
            self.message, self.head, self.about, self.board, self.board_words, self.published,
            self.made, self.plot, self.reading, *seen.shown, self.compared, self.changes,
            self.history, self.no_runs, self.second, self.plot_a, self.plot_b, self.metric,
            self.votes.board, self.votes.download, self.again, self.managed,
        ]  # fmt: skip
        self.choices = [
            self.run, self.protocol, self.baseline, seen.method, seen.other, seen.left, seen.right,
            seen.pair, self.view, self.views, seen.which, seen.k, seen.zoom, seen.across, seen.down,
            seen.look, self.metric, self.plot_name, self.plot_a, self.plot_b, self.second,
            self.message,
        ]  # fmt: skip
        links = [
            self.view, self.run, seen.pair, self.protocol, self.baseline, seen.method,
            self.plot_name, self.metric, self.plot_a, self.plot_b, seen.look, seen.zoom,
            seen.across, seen.down, seen.left, seen.right, self.second, seen.which, seen.k,
            seen.other,
        ]  # fmt: skip

        def show(event: Any) -> None:
            """After an event, show what is asked for now, and its link as the address."""
            event.then(self.fill, self.asks, self.shown, js=MEASURE_ROOM, **PRIVATE).then(
                None, links, None, js=SHOW_LINK, api_visibility="private"
            )

        choose: dict[str, Any] = {"outputs": self.choices, **PRIVATE}
        page.load(None, js=SCRIPT, api_visibility="private")
        show(
            page.load(
                self.arrive,
                None,
                [
                    *self.choices,
                    self.tabs,
                    *self.running.live,
                    self.running.estimate,
                    *self.running.offered,
                    self.check,
                    self.delete,
                    self.sure,
                ],
                **PRIVATE,
            )
        )
        for name, tab in self.view_tabs.items():
            show(tab.select(self.turning(name), self.view, [self.view, self.head], **PRIVATE))
        show(
            self.run.input(
                self.open_run, [self.run, self.view], trigger_mode="always_last", **choose
            )
        )
        gr.on(
            [
                self.protocol.input, self.baseline.input, self.metric.input, self.plot_name.input,
                self.plot_a.input, self.plot_b.input, seen.look.input, seen.zoom.input,
                seen.left.input, seen.right.input, seen.across.release, seen.down.release,
                seen.pair.input, self.second.input, self.only_task.input, self.only_state.input,
            ],
            self.fill,
            self.asks,
            self.shown,
            js=MEASURE_ROOM,
            trigger_mode="always_last",  # who chooses quickly gets the last choice
            **PRIVATE,
        ).then(None, links, None, js=SHOW_LINK, api_visibility="private")  # fmt: skip
        show(self.board.select(self.pick_method, self.asks, **choose))
        point = "(_, ...given) => [window.evPoint, ...given]"
        show(self.pointed.click(self.pick_point, [self.point, *self.asks], js=point, **choose))
        show(self.history.select(self.pick_run, None, **choose))
        self.copy.click(self.copied, links, None, js=COPY_LINK, **PRIVATE)
        seen.connect(self.asks, show)
        self._connect_files()
        self.running.connect()
        show(self.running.opens.click(self.open_followed, self.running.followed, **choose))
        self.again.click(
            self.go_on_stored,
            self.run,
            [*self.running.live, self.view, self.views, self.head],
            **PRIVATE,
        )
        self.check.click(
            self.verify,
            self.run,
            self.checks,
            concurrency_id="model",
            concurrency_limit=2,
            **PRIVATE,
        )
        show(
            self.delete.click(
                self.remove,
                [self.run, self.sure],
                [self.sure, self.checks, *self.choices],
                **PRIVATE,
            )
        )

    def _connect_files(self) -> None:
        for name, button in self.file_buttons.items():
            button.click(
                self.writing(name), [self.run, self.baseline, self.protocol], self.file, **PRIVATE
            ).success(None, js=CLICK_FILE, api_visibility="private")
        self.data.click(self.write_data, self.asks, self.file, **PRIVATE).success(
            None, js=CLICK_FILE, api_visibility="private"
        )
        self.pictures.save.click(
            self.pictures.write_picture,
            [self.run, self.pictures.pair, self.pictures.saved],
            self.file,
            **PRIVATE,
        ).success(None, js=CLICK_FILE, api_visibility="private")
        for name, button in (("png", self.png), ("svg", self.svg)):
            button.click(None, js=SAVE_PLOT.replace("FORMAT", name), api_visibility="private")

    # ------------------------------------------------------------ choices

    def _run_choices(self, but: str | None = None) -> list[tuple[str, str]]:
        """Stored runs, youngest first; beside one, those of its benchmark before the others."""
        rows = self.service.history()
        bench = next((run.benchmark.id for run, _ in rows if run.id == but), None)
        if bench is not None:
            rows.sort(key=lambda row: row[0].benchmark.id != bench)
        return [
            (f"{run.name} · {run.created:%Y-%m-%d %H:%M} · {state}", run.id)
            for run, state in rows
            if run.id != but
        ]

    def go_on_stored(self, run_id: str | None, request: gr.Request) -> Update:
        """Resume was pressed beside a stored run: show how it gets on."""
        update = self.running.go_on(run_id, request)
        return update | {
            self.view: "run",
            self.views: gr.update(selected="run"),
            self.head: gr.update(visible=False),
        }

    def open_followed(self, run_id: str | None) -> Update:
        """Show the results of the run that has just ended."""
        return self._opened(run_id, "board")

    # ------------------------------------------------------------ opening

    def arrive(self, request: gr.Request) -> Update:
        """The page was opened: read the link, and look what is under way."""
        query = request.query_params
        update = self.running.arrived(request) | {self.run: gr.update(choices=self._run_choices())}
        role = self.rights.role(request)
        if role != self.rights.at_first:
            may_delete = gr.update(visible=allows(role, "admin"))
            update[self.check] = gr.update(interactive=allows(role, "runner"))
            update |= {self.delete: may_delete, self.sure: may_delete}
        tab = query.get("tab", "")
        if tab in ("restore", "evaluate", "inside", "about", "review"):
            update[self.tabs] = gr.update(selected=tab)
        if tab != "evaluate":
            return update
        view = query.get("view", "")
        run_id, pair = query.get("run", ""), query.get("image")
        if not run_id:
            wanted = view if view in VIEWS else "run"
            newest = self._newest()
            if newest and wanted not in ("run", "runs"):
                return update | self._opened(newest, wanted)
            return update | {self.view: wanted, self.views: gr.update(selected=wanted)}
        opened = self._opened(run_id, view if view in VIEWS else "board", pair)
        if self.protocol not in opened:
            return update | opened
        if view and view not in VIEWS:
            opened[self.message] = ui_html.note(
                f"This link names a view that there is not, {view[:40]!r}: here is the leaderboard."
            )
        return update | opened | self._as_linked(query, run_id, opened)

    def _as_linked(self, query: Mapping[str, str], run_id: str, opened: Update) -> Update:
        """What else a link may ask for; what the run does not have is left as it was opened."""
        run = self.service.stored(run_id).header()
        ids = [method.id for method in run.methods]
        names = [INPUT, *ids, TARGET]
        runs = [other.id for other, _ in self.service.history() if other.id != run_id]
        offered: tuple[tuple[str, Any, Collection[str]], ...] = (
            ("protocol", self.protocol, run.protocols),
            ("baseline", self.baseline, ["", *ids]),
            ("method", self.pictures.method, ids),
            ("other", self.pictures.other, ids),
            ("which", self.pictures.which, WHICH),
            ("plot", self.plot_name, FIGURES),
            ("score", self.metric, METRICS),
            ("a", self.plot_a, ids),
            ("b", self.plot_b, ids),
            ("look", self.pictures.look, LOOKS),
            ("left", self.pictures.left, names),
            ("right", self.pictures.right, names),
        )
        update: Update = {}
        for name, widget, known in offered:
            if query.get(name) in known:
                before = opened.get(widget)
                kept = before if isinstance(before, dict) else gr.update()
                update[widget] = kept | {"value": query[name]}
        if re.fullmatch(r"[1-9]\d{0,3}", query.get("k", "")):
            update[self.pictures.k] = int(query["k"])
        if query.get("zoom") in ("1", "2", "4"):
            update[self.pictures.zoom] = int(query["zoom"])
        at = re.fullmatch(r"(\d{1,3}),(\d{1,3})", query.get("at", ""))
        if at:
            update |= {
                self.pictures.across: min(int(at[1]), 100),
                self.pictures.down: min(int(at[2]), 100),
            }
        if query.get("with") in runs:
            update[self.second] = gr.update(
                choices=self._run_choices(but=run_id), value=query["with"]
            )
        return update

    def _newest(self) -> str | None:
        newest = next(iter(self.service.history()), None)
        return newest[0].id if newest else None

    def turning(self, name: str) -> Callable[[str], Update]:
        """Make the handler of a view's tab."""

        def turn(view: str) -> Update:
            # A link that opens a view selects its tab too: by then somebody may have gone on.
            kept = gr.skip() if view == name else name
            return {self.view: kept, self.head: gr.update(visible=name != "run")}

        return turn

    def open_run(self, run_id: str | None, view: str) -> Update:
        """A stored run was chosen."""
        return self._opened(run_id, view)

    def _opened(self, run_id: str | None, view: str, pair: str | None = None) -> Update:
        """Choices of a run; an unknown one is told in a sentence and changes nothing else."""
        try:
            stored = self.service.stored(str(run_id))
            run = stored.header()
            known = stored.pairs()
        except MIRNetError as error:
            return {
                self.message: ui_html.note(str(error), warn=True),
                self.run: gr.update(choices=self._run_choices(), value=None),
                self.view: "runs",
                self.views: gr.update(selected="runs"),
            }
        words = ""
        if pair is not None and pair not in known:
            words = ui_html.note(f"This run has no picture {pair[:60]!r}: here is another.")
            pair = None
        ids = [method.id for method in run.methods]
        titled = [(ui_html.method_label(method), method.id) for method in run.methods]
        names = [("Input", INPUT), *titled, ("Target", TARGET)]
        best = leader(run)
        others = [name for name in ids if name != best]
        other = default_baseline(run)
        if other == best or other is None:
            other = others[0] if others else best
        base = default_baseline(run)
        chosen = [pair] if pair else []
        return {
            self.message: words,
            self.run: gr.update(choices=self._run_choices(), value=run.id),
            self.protocol: gr.update(
                choices=[(ui_html.protocol_label(name), name) for name in run.protocols],
                value=run.protocol,
            ),
            self.baseline: gr.update(choices=[("Nothing", ""), *titled], value=base or ""),
            self.plot_a: gr.update(choices=titled, value=base if base != best else other),
            self.plot_b: gr.update(choices=titled, value=best),
            self.second: gr.update(choices=self._run_choices(but=run.id), value=None),
            self.pictures.method: gr.update(choices=titled, value=best),
            self.pictures.other: gr.update(choices=titled, value=other),
            self.pictures.left: gr.update(choices=names, value=INPUT),
            self.pictures.right: gr.update(choices=names, value=best),
            self.pictures.pair: gr.update(choices=chosen, value=pair),
            self.pictures.which: "all" if pair else "worst",
            self.view: view,
            self.views: gr.update(selected=view),
        }

    def copied(self, *_: Any) -> None:
        """Say that the link is in the clipboard."""
        gr.Info("The link is copied: whoever opens it sees the same.", duration=4)

    # ------------------------------------------------------------ showing

    def fill(self, request: gr.Request, *given: Any) -> Iterator[Update]:
        """Show the view that is open; what a visitor does not wait for any more is not sent."""
        visitor, mine = request.session_hash, object()
        self._newest_fill[visitor] = mine
        self._newest_fill.move_to_end(visitor)
        while len(self._newest_fill) > MAX_VISITORS:
            self._newest_fill.popitem(last=False)
        for update in self._views(ViewState(*given), self.rights.role(request)):
            if self._newest_fill.get(visitor, mine) is not mine:
                return
            yield update

    def _views(self, ask: ViewState, role: Role) -> Iterator[Update]:
        hidden = {self.head: gr.update(visible=ask.view != "run"), self.about: ""}
        if ask.view == "run":
            yield hidden
            return
        if ask.view == "runs":
            yield hidden | self._history(ask)
            if not ask.run:
                yield {self.managed: "", self.again: gr.update(interactive=False)}
                return
        if not ask.run:
            words = NO_RUN if self.service.history() else NO_RUNS
            yield hidden | {self.about: words}
            return
        try:
            found = self.service.status(ask.run)
            head = {self.head: gr.update(visible=True), self.about: ui_html.run_head(found)}
            yield head
            stored = self.service.stored(ask.run)
            if ask.view == "board":
                yield self._board(stored, found.run, ask)
            elif ask.view == "plots":
                two = gr.update(visible=FIGURES[ask.plot].of_two)
                yield {
                    self.plot: self._draw(stored, ask).figure,
                    self.reading: self._reading(found.run, ask.plot, ask.protocol or None),
                    self.plot_a: two,
                    self.plot_b: two,
                    self.metric: gr.update(visible=FIGURES[ask.plot].of_any_metric),
                }
            elif ask.view == "pictures":
                yield self.pictures.show(stored, found.run, ask)
            elif ask.view == "compare" and ask.second:
                yield self._compared(stored, ask)
            elif ask.view == "compare":
                empty = TWO_RUNS if len(self.service.history()) > 1 else ONE_RUN
                yield {self.compared: empty, self.changes: gr.update(visible=False)}
            elif ask.view == "votes":
                yield from self.votes.show(ask.run)
            elif ask.view == "runs":
                yield {
                    self.managed: ui_html.note(self._may(ask.run, role)),
                    self.again: gr.update(
                        interactive=found.state in RESUMABLE and allows(role, "runner")
                    ),
                }
        except MIRNetError as error:
            yield {self.message: ui_html.note(str(error), warn=True)}

    def _board(self, stored: StoredRun, run: Run, ask: ViewState) -> Update:
        baseline = ask.baseline or None
        board = self.service.frames.board(stored, baseline, ask.protocol or None)
        return {
            self.board: gr.update(value=board_value(board)),
            self.board_words: ui_html.best_words(board, baseline),
            self.published: ui_html.published_table(
                published_beside(run, ask.protocol or None)
            ),
            self.made: ui_html.methods_table(run),
        }

    def _reading(self, run: Run, plot: str, protocol: str | None) -> str:
        """How to read a figure, and what can be done with it."""
        if plot == "published":
            beside = ui_html.published_table(published_beside(run, protocol))
            return ui_html.note(FIGURES[plot].reading) + beside
        one = "A click opens the method's worst pictures."
        return ui_html.note(
            f"{FIGURES[plot].reading} {one if plot == 'speed' else 'A click opens the picture.'}"
        )

    def _draw(self, stored: StoredRun, ask: ViewState) -> Drawn:
        return draw(
            self.service.frames,
            stored,
            ask.plot,
            ask.metric,
            ask.protocol or None,
            ask.baseline or None,
            ask.a,
            ask.b,
        )

    # ------------------------------------------------------------ from tables and plots

    def pick_method(self, event: gr.SelectData, *given: Any) -> Update:
        """A row of the leaderboard was chosen: that method's worst pictures."""
        return self._worst_of(str(event.row_value[0]), ViewState(*given))

    def _worst_of(self, method: str, ask: ViewState) -> Update:
        with told():
            pairs = self.pictures.chosen(replace(ask, which="worst", method=method))
        return {
            self.pictures.method: method,
            self.pictures.right: method,
            self.pictures.which: "worst",
            self.pictures.pair: gr.update(choices=pairs, value=pairs[0] if pairs else None),
            self.view: "pictures",
            self.views: gr.update(selected="pictures"),
        }

    def pick_point(self, point: str, *given: Any) -> Update:
        """A point or a small picture was clicked: its picture, or its method's worst ones."""
        ask = ViewState(*given)
        try:
            pair, method = (str(name)[:200] for name in json.loads(point))
            run = self.service.stored(str(ask.run)).header()
        except (TypeError, ValueError, MIRNetError):
            return {self.message: gr.skip()}
        known = method in [entry.id for entry in run.methods]
        if not pair:  # a box, a mean, or somebody's published number
            return self._worst_of(method, ask) if known else {self.message: gr.skip()}
        return {
            self.pictures.pair: gr.update(choices=[pair], value=pair),
            self.pictures.method: method if known else gr.skip(),
            self.view: "pictures",
            self.views: gr.update(selected="pictures"),
        }

    def pick_run(self, event: gr.SelectData) -> Update:
        """A row of the history was chosen."""
        return self._opened(str(event.row_value[HISTORY.index("Run")]), "runs")

    # ------------------------------------------------------------ two runs, and all of them

    def _compared(self, stored: StoredRun, ask: ViewState) -> Update:
        """Two runs, or why they cannot be compared."""
        try:
            found = compare_runs(stored, self.service.stored(str(ask.second)), ask.protocol or None)
        except MIRNetError as error:
            return {
                self.compared: ui_html.note(str(error), warn=True),
                self.changes: gr.update(visible=False),
            }
        return {
            self.compared: ui_html.comparison(found),
            self.changes: gr.update(
                value=changes_value(found.changes), visible=bool(len(found.changes))
            ),
        }

    def _history(self, ask: ViewState) -> Update:
        history = self.service.history()
        rows = [
            history_row(run, state)
            for run, state in history
            if ask.only_task in ("", run.task) and ask.only_state in ("", state)
        ]
        none = "" if rows else ui_html.note("No run is of this task and status.")
        return {
            self.history: gr.update(value=history_value(rows), visible=bool(rows)),
            self.no_runs: none if history else NO_RUNS,
        }

    def _may(self, run_id: str, role: Role) -> str:
        """What may be done with a run here, in words."""
        if self.service.read_only:
            return "This copy only shows results: nothing is recomputed, resumed or deleted here."
        if not allows(role, "admin"):
            return f"The run that is open, {run_id}; the owner of the machine deletes runs there:"
        return f"The run that is open, {run_id}:"

    def verify(self, run_id: str | None, request: gr.Request) -> Iterator[str]:
        """Recompute a sample, and show every check as it is made."""
        if not run_id:
            yield ui_html.note("Choose a run first.")
            return
        yield ui_html.findings([], complete=False)
        rows = []
        try:
            for finding in self.service.verify(run_id, role=self.rights.role(request)):
                rows.append(finding)
                yield ui_html.findings(rows, complete=False)
        except MIRNetError as error:
            yield ui_html.safely(error)
            return
        yield ui_html.findings(rows, complete=True)

    def remove(self, run_id: str | None, sure: bool, request: gr.Request | None = None) -> Update:
        """Delete was pressed."""
        if not run_id or not sure:
            words = "Choose a run first." if not run_id else "Tick the box first: it is for good."
            return {self.checks: ui_html.note(words, warn=True)}
        with told():
            self.service.delete(run_id, self.rights.role(request))
        return {
            self.sure: False,
            self.checks: ui_html.state(f"Run {run_id} is deleted.", "done"),
            self.run: gr.update(choices=self._run_choices(), value=None),
        }

    # ------------------------------------------------------------ files

    def writing(self, name: str) -> Callable[..., Iterator[Any]]:
        """Make the handler of a button that writes a file."""

        def write(run_id: str | None, baseline: str | None, protocol: str | None) -> Iterator[Any]:
            from eval.reports.export import SUFFIXES, export
            from eval.reports.html import html_report

            with told(), tempfile.TemporaryDirectory(prefix="mirnet-") as folder:
                stored = self.service.stored(str(run_id))
                if name == "html":
                    content = html_report(stored, baseline or None).encode()
                else:
                    content = export(stored, name, baseline or None, protocol or None)
                suffix = ".html" if name == "html" else SUFFIXES[name]
                path = Path(folder) / f"mirnet-{stored.id}{suffix}"
                path.write_bytes(content)
                yield str(path)

        return write

    def write_data(self, *given: Any) -> Iterator[Any]:
        """Write the table behind the figure."""
        ask = ViewState(*given)
        with told(), tempfile.TemporaryDirectory(prefix="mirnet-") as folder:
            stored = self.service.stored(str(ask.run))
            table = self._draw(stored, ask).table
            path = Path(folder) / f"mirnet-{stored.id}-{ask.plot}.csv"
            path.write_text(csv_text(table), encoding="utf-8")
            yield str(path)
