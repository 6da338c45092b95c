"""The Evaluate tab: widgets and their events. Nothing here computes or reads files of runs.

Runs belong to the program (`service.py`); the page asks how they stand every second or two while
one is under way. Everything that reads is built from stored runs alone, one view at a time.
"""

import contextlib
import csv
import io
import json
import re
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import gradio as gr

from mirnet.access import Access, Level, allows
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.tasks import TASKS, get_task

from . import ui_html
from .benchmarks import get_benchmark, load_benchmarks
from .compare import (
    Metric,
    compare_runs,
    default_baseline,
    leader,
)
from .figures import FIGURES, OF_TWO, Drawn, draw
from .methods import list_methods
from .pictures import (
    INPUT,
    TARGET,
    Place,
    Which,
    choose_pairs,
    error_of,
    filling,
    heat,
    point_of,
    scale_for,
    seen_at,
    stored_pictures,
)
from .protocols import PROTOCOLS
from .published import published_beside
from .review.ui import build_results
from .runner import Order
from .runs import Row, Run, StoredRun
from .service import RESUMABLE, Service, Snapshot, default_benchmark, default_methods

if TYPE_CHECKING:
    import pandas as pd

Update = dict[Any, Any]
"""Which widget gets what."""

FIRST_TASK = "retouch"
"""Shown first: its small benchmark is quickest to run."""
VIEWS = {
    "run": "Run",
    "board": "Leaderboard",
    "plots": "Plots",
    "pictures": "Pictures",
    "compare": "Compare",
    "votes": "Votes",
    "runs": "All runs",
}
"""Views of the tab, by their names in links."""
WHICH: dict[Which, str] = {
    "worst": "Worst",
    "best": "Best",
    "disagree": "Largest disagreement",
    "all": "All, in order",
}
"""Which pictures are looked at."""
LOOKS = {"pair": "Side by side", "slider": "Slider", "error": "Error"}
"""Ways to look at one picture."""
FILES = {
    "csv": "CSV",
    "parquet": "Parquet",
    "markdown": "Markdown",
    "latex": "LaTeX",
    "model-index": "Model card",
    "html": "HTML report",
}
"""Files a run is written as."""
MOST_SHOWN = 10
"""Pictures beside each other: input, methods, target."""
MOST_VISITORS = 1000
"""Whose newest request is remembered."""
TICK_SECONDS = 1.5
"""Between two looks at a run under way."""
PLOT_EVERY = 2
"""The live plot is drawn at every so many looks."""
NO_RUNS = ui_html.empty(
    "No runs are stored yet",
    "Open Run and press Start: the small benchmark needs no download and takes a minute.",
)
TWO_RUNS = ui_html.empty("Two runs, side by side", "Choose the second one.")
NO_RUN = ui_html.empty("No run is open", "Choose one above, or start one under Run.")

MEASURE_ROOM = """(...given) => {
  const room = document.querySelector("#ev-pictures");
  const width = (room && room.clientWidth) || Math.min(innerWidth, 1400) - 48;
  const least = Math.min(300, 0.46 * width);
  const columns = Math.max(Math.floor((width + 12) / (least + 12)), 1);
  given[given.length - 1] = Math.floor((width - 12 * (columns - 1)) / columns) - 4;
  return given;
}"""
"""Tells an event, as its last input, how many pixels a picture may have: 100 % is 100 %."""

SCRIPT = """() => {
  if (window.evReady) return;
  window.evReady = true;
  const label = () => document.querySelectorAll(".search-input:not([aria-label])").forEach(
    (box) => box.setAttribute("aria-label", "Search the table"));
  const hook = () => document.querySelectorAll("#ev-plot .js-plotly-plot").forEach((plot) => {
    if (!plot.on || plot.evSeen === plot._ev) return;
    plot.evSeen = plot._ev;
    plot.on("plotly_click", (event) => {
      const data = event.points && event.points[0] && event.points[0].customdata;
      if (!data || !data[0]) return;
      window.evPoint = JSON.stringify(data);
      document.querySelector("#ev-point").click();
    });
  });
  const seen = new MutationObserver(() => { hook(); label(); });
  seen.observe(document.body, { childList: true, subtree: true });
  document.addEventListener("click", (event) => {
    const head = event.target.closest("#evaluate .table-wrap th .header-content");
    const menu = head && head.parentElement.querySelector(".cell-menu-button");
    if (menu) setTimeout(() => menu.click());
  }, true);
  document.addEventListener("keydown", (event) => {
    const id = { ArrowLeft: "#ev-prev", ArrowRight: "#ev-next" }[event.key];
    const button = id && document.querySelector(id);
    if (!button || !button.offsetParent || button.disabled) return;
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    const typed = "input:not([type=radio]), textarea, select, [contenteditable=true]";
    if (event.target.closest(`${typed}, [role=tab], [role=slider], [role=grid]`)) return;
    event.preventDefault();
    button.click();
  });
}"""
"""A click on a point opens its picture, one on a heading of a table its menu, which sorts; arrow
keys turn pictures, not while somebody types."""

COPY_LINK = """async (...given) => {
  const [view, run, image, protocol, baseline, method, plot, score, a, b, look, zoom, across, down,
    left, right, second] = given;
  const query = new URLSearchParams({ tab: "evaluate", view });
  const add = (parts) => {
    for (const [name, value] of Object.entries(parts)) if (value) query.set(name, value);
  };
  add({ run });
  if (["board", "plots", "pictures", "compare"].includes(view)) add({ protocol });
  if (["board", "pictures"].includes(view)) add({ baseline });
  if (view === "plots") add({ plot, score });
  if (view === "plots" && ["scatter", "differences"].includes(plot)) add({ a, b });
  if (view === "pictures") add({ image, method, look });
  if (view === "pictures" && zoom) add({ zoom, at: `${across},${down}` });
  if (view === "pictures" && look === "slider") add({ left, right });
  if (view === "compare") add({ with: second });
  const link = `${location.origin}${location.pathname}?${query}`;
  try { await navigator.clipboard.writeText(link); }
  catch { window.prompt("Copy this link", link); }
  return given;
}"""
"""Puts the link of what is on the screen into the clipboard."""

SAVE_PLOT = """() => {
  const plot = document.querySelector("#ev-plot .js-plotly-plot");
  if (!plot || !window.Plotly) return;
  const { width, height } = plot.getBoundingClientRect();
  const file = { format: "FORMAT", filename: "mirnet-plot", width, height, scale: 2 };
  window.Plotly.downloadImage(plot, file);
}"""
"""Saves the figure as it stands on the screen, at twice its size."""

CLICK_FILE = """() => setTimeout(() => document.querySelector("#ev-file").click(), 200)"""
"""Downloads the file that an event has just made."""


@dataclass(frozen=True)
class Ask:
    """What is to be shown; in the order of `EvaluateTab.asks`."""

    view: str
    """One of `VIEWS`."""
    run: str | None
    """Id of the run."""
    protocol: str | None
    """Name with version."""
    baseline: str | None
    """Id of a method."""
    metric: Metric
    """Score of plots and choices."""
    plot: str
    """One of `FIGURES`."""
    a: str | None
    """Of a figure of two methods, the one that the other is measured against."""
    b: str | None
    """The other."""
    which: Which
    """Which pictures."""
    method: str | None
    """By whose score."""
    other: str | None
    """The second method, of disagreements."""
    k: float
    """How many pictures."""
    pair: str | None
    """Id of the picture's pair."""
    look: str
    """One of `LOOKS`."""
    left: str | None
    """Of the slider."""
    right: str | None
    """Of the slider."""
    zoom: int
    """See `eval.pictures.Place`."""
    across: float
    """Percent."""
    down: float
    """Percent."""
    second: str | None
    """Id of the run to compare with."""
    room_px: float
    """Width of one picture on the screen."""

    @property
    def place(self) -> Place:
        """What part of the pictures."""
        room = int(min(max(self.room_px or 320, 160), 1200))
        if self.look == "slider":
            room = min(max(room, 640), 1000)
        return Place(int(self.zoom), self.across / 100, self.down / 100, room, room * 3 // 4)


class EvaluateTab:
    """Builds the tab inside the current `gr.Blocks` and answers its events."""

    def __init__(
        self, page: gr.Blocks, tabs: gr.Tabs, service: Service, access: Access | None = None
    ):
        """Build the tab.

        Args:
            page: The page that is being built.
            tabs: The page's tabs; links open one of them.
            service: Runs, and what may be done with them.
            access: Who may do what; what the service allows, by default.
        """
        self.service = service
        self.access = access or Access(service.capped())
        self.tabs = tabs
        self._first_level = self.service.capped(self.access.everyone)
        self._newest_fill: OrderedDict[str | None, object] = OrderedDict()
        self._build()
        self._connect(page)
        self._add_endpoints()

    def level(self, request: gr.Request | None) -> Level:
        """What whoever sends a request may do with runs."""
        return self.service.capped(self.access.level(request))

    # ------------------------------------------------------------ widgets

    def _build(self) -> None:
        self.view = gr.Textbox("run", visible=False)  # a link is made of it in the browser
        self.message = _words("ev-message")
        with gr.Row(visible=False, elem_id="ev-head") as self.head:
            self.run = gr.Dropdown(
                choices=self._run_choices(),
                label="Stored run",
                elem_id="ev-run",
                scale=5,
                min_width=260,
            )
            self.copy = gr.Button("Copy link", elem_id="ev-copy", size="md", min_width=110)
        self.about = _words("ev-about")
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
        self.followed = gr.State(None)  # id of the run whose progress is shown
        self.seen = gr.State((None, 0))
        self.timer = gr.Timer(TICK_SECONDS, active=False)
        may_run = allows(self._first_level, "run")
        self.only_look = gr.HTML(
            ui_html.only_look(self.service.read_only, self.access.operator is not None),
            visible=not may_run,
        )
        with gr.Row(equal_height=False, elem_id="ev-desk"):
            with gr.Column(
                scale=4, min_width=300, visible=may_run, elem_id="ev-order"
            ) as self.ordering:
                self._build_order()
            with gr.Column(scale=7, min_width=320, elem_id="ev-live"):
                self.bar = gr.HTML(
                    ui_html.empty(
                        "Progress appears here",
                        "Press Start: scores come in picture by picture, and you may close this "
                        "page meanwhile.",
                    )
                    if may_run
                    else "",
                    elem_id="ev-bar",
                )
                self.opens = gr.Button(
                    "Open the results", visible=False, variant="primary", elem_id="ev-open"
                )
                self.live = _words("ev-table")
                self.thumbs = _words("ev-latest")
                self.live_plot = gr.Plot(
                    show_label=False, visible=False, elem_id="ev-live-plot", container=False
                )

    def _build_order(self) -> None:
        task = FIRST_TASK
        benchmark = default_benchmark(task)
        self.task = gr.Dropdown(
            [(entry.title, entry.id) for entry in TASKS.values()],
            value=task,
            label="Task",
            filterable=False,
            elem_id="ev-task",
        )
        self.benchmark = gr.Dropdown(
            choices=self._benchmark_choices(task),
            value=benchmark,
            label="Benchmark",
            filterable=False,
            elem_id="ev-benchmark",
        )
        entry = get_benchmark(str(benchmark))
        self.facts = gr.HTML(
            ui_html.benchmark_facts(entry, local=allows(self._first_level, "operate")),
            elem_id="ev-facts",
        )
        self.folder = gr.Textbox(
            label="Folder with the files, on this machine", visible=False, elem_id="ev-folder"
        )
        with gr.Row():
            self.n = gr.Number(
                min(4, entry.pairs or 4),
                label="Pairs",
                minimum=1,
                precision=0,
                elem_id="ev-n",
                min_width=90,
            )
            self.seed = gr.Number(
                0, label="Seed", minimum=0, precision=0, elem_id="ev-seed", min_width=90
            )
        self.methods = gr.CheckboxGroup(
            choices=self._method_choices(task),
            value=default_methods(task),
            label="Methods",
            elem_id="ev-methods",
        )
        self.missing = gr.HTML(ui_html.missing_methods(list_methods(task)))
        self.protocol_ordered = gr.CheckboxGroup(
            choices=self._protocol_choices(str(benchmark)),
            value=[entry.protocols[0]],
            label="Protocol",
            elem_id="ev-protocol",
        )
        self.estimate = _words("ev-estimate")
        with gr.Row(elem_id="ev-buttons"):
            self.start = gr.Button(
                "Start", variant="primary", elem_id="ev-start", scale=2, min_width=110
            )
            self.stop = gr.Button("Stop", interactive=False, elem_id="ev-stop", min_width=80)
            self.resume = gr.Button("Resume", visible=False, elem_id="ev-resume", min_width=90)

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
        self.board_words = _words("ev-board-words")
        with gr.Row(elem_id="ev-files"):
            self.file_buttons = {
                name: gr.Button(title, size="sm", min_width=90, elem_id=f"ev-file-{name}")
                for name, title in FILES.items()
            }
        self.published = _words("ev-published")
        self.made = _words("ev-made")

    def _build_plots(self) -> None:
        with gr.Row():
            self.plot_name = gr.Dropdown(
                [(title, name) for name, title in FIGURES.items()],
                value="distribution",
                label="Figure",
                filterable=False,
                min_width=180,
                elem_id="ev-figure",
            )
            self.metric = gr.Dropdown(
                [("PSNR (dB)", "psnr_db"), ("SSIM", "ssim")],
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
        gr.HTML(ui_html.note("Click a point to open its picture."))
        with gr.Row(elem_id="ev-plot-files"):
            self.png = gr.Button("PNG", size="sm", min_width=80, elem_id="ev-png")
            self.svg = gr.Button("SVG", size="sm", min_width=80, elem_id="ev-svg")
            self.data = gr.Button("Data (CSV)", size="sm", min_width=100, elem_id="ev-data")

    def _build_pictures(self) -> None:
        with gr.Row(elem_id="ev-choose"):
            self.which = gr.Dropdown(
                [(title, name) for name, title in WHICH.items()],
                value="worst",
                label="Pictures",
                filterable=False,
                min_width=150,
                elem_id="ev-which",
            )
            self.k = gr.Number(10, label="How many", minimum=1, maximum=1000, precision=0,
                               min_width=90)  # fmt: skip
            self.method = gr.Dropdown([], label="By method", filterable=False, min_width=150)
            self.other = gr.Dropdown([], label="Second method", filterable=False, min_width=150)
        with gr.Row(elem_id="ev-turn"):
            self.prev = gr.Button("←", elem_id="ev-prev", size="md", min_width=60, scale=0)
            self.pair = gr.Dropdown(
                [], label="Picture", elem_id="ev-pair", min_width=180, show_label=False
            )
            self.next = gr.Button("→", elem_id="ev-next", size="md", min_width=60, scale=0)
        with gr.Row(elem_id="ev-looks"):
            self.look = gr.Radio(
                [(title, name) for name, title in LOOKS.items()],
                value="pair",
                label="View",
                elem_id="ev-look",
                min_width=260,
            )
            self.zoom = gr.Radio(
                [("Whole", 0), ("100 %", 1), ("200 %", 2), ("400 %", 4)],
                value=0,
                label="Size: choose, or click a picture",
                elem_id="ev-zoom",
                min_width=260,
            )
        with gr.Row(visible=False, elem_id="ev-sides") as self.sides:
            self.left = gr.Dropdown([], label="Left", filterable=False, min_width=140)
            self.right = gr.Dropdown([], label="Right", filterable=False, min_width=140)
        with gr.Row(visible=False, elem_id="ev-place") as self.placing:
            self.across = gr.Slider(0, 100, 50, step=1, label="Left to right, %", min_width=240)
            self.down = gr.Slider(0, 100, 50, step=1, label="Top to bottom, %", min_width=240)
        self.trouble = _words("ev-trouble")
        self.slider = gr.ImageSlider(
            label="Left of the line · right of it",
            type="numpy",
            format="png",
            interactive=False,
            visible=False,
            max_height=760,
            buttons=["fullscreen"],
            elem_id="ev-slider",
        )
        with gr.Row(elem_id="ev-pictures") as self.grid:
            self.images = [
                gr.Image(
                    format="png",
                    interactive=False,
                    visible=False,
                    buttons=[],
                    min_width=200,
                    elem_classes=["ev-picture"],
                )
                for _ in range(MOST_SHOWN)
            ]
        self.legend = _words("ev-scale")
        self.numbers = _words("ev-numbers")
        with gr.Row(elem_id="ev-save"):
            self.saved = gr.Dropdown(
                [], label="Full resolution", filterable=False, min_width=160, elem_id="ev-saved"
            )
            self.save = gr.Button("Download PNG", size="md", min_width=140, elem_id="ev-save-png")
        self.pairs = gr.Dataframe(
            interactive=False,
            show_search="search",
            buttons=[],
            label="These pictures: choose a row",
            elem_id="ev-pairs",
            max_height=320,
            pinned_columns=1,
        )

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
        self.history = gr.Dataframe(
            headers=HISTORY,
            interactive=False,
            show_search="search",
            buttons=[],
            label="Choose a row to open the run",
            elem_id="ev-history",
            max_height=480,
        )
        self.no_runs = _words("ev-no-runs")
        self.managed = _words("ev-managed")
        with gr.Row(elem_id="ev-manage"):
            self.check = gr.Button(
                "Verify a sample",
                size="md",
                elem_id="ev-verify",
                interactive=allows(self._first_level, "run"),
            )
            self.again = gr.Button("Resume", size="md", elem_id="ev-again", interactive=False)
            may_delete = allows(self._first_level, "operate")
            self.delete = gr.Button("Delete", size="md", visible=may_delete, elem_id="ev-delete")
            self.sure = gr.Checkbox(
                False,
                label="Yes, delete it for good",
                visible=may_delete,
                container=False,
                elem_id="ev-sure",
            )
        self.checks = _words("ev-checks")

    # ------------------------------------------------------------ events

    def _connect(self, page: gr.Blocks) -> None:
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self.asks = [
            self.view, self.run, self.protocol, self.baseline, self.metric, self.plot_name,
            self.plot_a, self.plot_b, self.which, self.method, self.other, self.k, self.pair,
            self.look, self.left, self.right, self.zoom, self.across, self.down, self.second,
            self.room_px,
        ]  # fmt: skip
        self.shown = [
            self.message, self.head, self.about, self.board, self.board_words, self.published,
            self.made, self.plot, self.pair, self.trouble, self.slider, self.grid, *self.images,
            self.legend, self.numbers, self.saved, self.pairs, self.compared, self.changes,
            self.history, self.no_runs, self.placing, self.sides, self.second,
            self.plot_a, self.plot_b, self.metric, self.votes.board, self.votes.download,
            self.again, self.managed,
        ]  # fmt: skip
        self.choices = [
            self.run, self.protocol, self.baseline, self.method, self.other, self.left, self.right,
            self.pair, self.view, self.views, self.which, self.zoom, self.across, self.down,
            self.look, self.metric, self.plot_name, self.plot_a, self.plot_b, self.second,
            self.message,
        ]  # fmt: skip
        fill: dict[str, Any] = {
            "fn": self.fill, "inputs": self.asks, "outputs": self.shown, "js": MEASURE_ROOM,
            **private,
        }  # fmt: skip
        choose: dict[str, Any] = {"outputs": self.choices, **private}
        page.load(None, js=SCRIPT, api_visibility="private")
        live = [
            self.followed, self.seen, self.timer, self.bar, self.live, self.thumbs, self.live_plot,
            self.stop, self.resume, self.start, self.opens, self.run,
        ]  # fmt: skip
        offered = [self.only_look, self.ordering, self.check, self.delete, self.sure, self.facts]
        page.load(
            self.arrive, None, [*self.choices, self.tabs, *live, self.estimate, *offered], **private
        ).then(**fill)
        for name, tab in self.view_tabs.items():
            tab.select(self.turning(name), self.view, [self.view, self.head], **private).then(
                **fill
            )
        self.run.input(self.open_run, [self.run, self.view], **choose).then(**fill)
        gr.on(
            [
                self.protocol.input, self.baseline.input, self.metric.input, self.plot_name.input,
                self.plot_a.input, self.plot_b.input, self.look.input, self.zoom.input,
                self.left.input, self.right.input, self.across.release, self.down.release,
                self.pair.input, self.second.input,
            ],
            trigger_mode="always_last",  # who chooses quickly gets the last choice
            **fill,
        )  # fmt: skip
        gr.on(
            [self.which.input, self.k.submit, self.k.blur, self.method.input, self.other.input],
            self.first_pair,
            self.asks,
            self.pair,
            trigger_mode="always_last",
            **private,
        ).then(**fill)
        self.prev.click(self.turn_back, self.asks, self.pair, **private).then(**fill)
        self.next.click(self.turn_on, self.asks, self.pair, **private).then(**fill)
        self.board.select(self.pick_method, self.asks, **choose).then(**fill)
        self.pairs.select(self.pick_pair, None, self.pair, **private).then(**fill)
        self.pointed.click(self.pick_point, self.point, js="() => [window.evPoint]", **choose).then(
            **fill
        )
        for image in self.images:
            image.select(
                self.look_at,
                self.asks,
                [self.zoom, self.across, self.down],
                js=MEASURE_ROOM,
                **private,
            ).then(**fill)
        self.history.select(self.pick_run, None, **choose).then(**fill)
        self.copy.click(
            self.copied,
            [
                self.view, self.run, self.pair, self.protocol, self.baseline, self.method,
                self.plot_name, self.metric, self.plot_a, self.plot_b, self.look, self.zoom,
                self.across, self.down, self.left, self.right, self.second,
            ],
            None,
            js=COPY_LINK,
            **private,
        )  # fmt: skip
        self._connect_files(private)
        self._connect_run(private, live, fill, choose)

    def _connect_files(self, private: dict[str, Any]) -> None:
        for name, button in self.file_buttons.items():
            button.click(
                self.writing(name), [self.run, self.baseline, self.protocol], self.file, **private
            ).success(None, js=CLICK_FILE, api_visibility="private")
        self.data.click(self.write_data, self.asks, self.file, **private).success(
            None, js=CLICK_FILE, api_visibility="private"
        )
        self.save.click(
            self.write_picture, [self.run, self.pair, self.saved], self.file, **private
        ).success(None, js=CLICK_FILE, api_visibility="private")
        for name, button in (("png", self.png), ("svg", self.svg)):
            button.click(None, js=SAVE_PLOT.replace("FORMAT", name), api_visibility="private")

    def _connect_run(
        self,
        private: dict[str, Any],
        live: list[Any],
        fill: dict[str, Any],
        choose: dict[str, Any],
    ) -> None:
        order = [self.benchmark, self.n, self.seed, self.methods, self.protocol_ordered]
        self.task.input(
            self.change_task,
            self.task,
            [*order, self.facts, self.folder, self.missing, self.estimate],
            **private,
        )
        self.benchmark.input(
            self.change_benchmark,
            [self.benchmark, self.methods],
            [self.n, self.protocol_ordered, self.facts, self.folder, self.estimate],
            **private,
        )
        gr.on(
            [self.n.input, self.methods.input],
            self.change_size,
            [self.benchmark, self.n, self.methods],
            self.estimate,
            **private,
        )
        self.start.click(
            self.getting_ready, None, [self.bar, self.start], queue=False, **private
        ).then(
            self.begin,
            [*order, self.folder],
            live,
            concurrency_id="evaluate",
            concurrency_limit=2,
            **private,
        )
        self.stop.click(self.halt, self.followed, live, **private)
        self.resume.click(self.go_on, self.followed, live, **private)
        self.timer.tick(self.tick, [self.followed, self.seen], live, **private)
        self.opens.click(self.open_followed, self.followed, **choose).then(**fill)
        self.again.click(
            self.go_on_stored, self.run, [*live, self.view, self.views, self.head], **private
        )
        self.check.click(
            self.verify,
            self.run,
            self.checks,
            concurrency_id="model",
            concurrency_limit=2,
            **private,
        )
        self.delete.click(
            self.remove, [self.run, self.sure], [self.sure, self.checks, *self.choices], **private
        ).then(**fill)

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

    def _benchmark_choices(self, task: str) -> list[tuple[str, str]]:
        entries = [entry for entry in load_benchmarks().values() if entry.task == task]
        entries.sort(key=lambda entry: (entry.brought, entry.source.folder is None))
        return [
            (entry.title + (" · bring your own files" if entry.brought else ""), entry.id)
            for entry in entries
        ]

    def _method_choices(self, task: str) -> list[tuple[str, str]]:
        return [(entry.title, entry.id) for entry in list_methods(task) if entry.available]

    def _protocol_choices(self, benchmark: str) -> list[tuple[str, str]]:
        return [(PROTOCOLS[name].title, name) for name in get_benchmark(benchmark).protocols]

    def change_task(self, task: str, request: gr.Request | None = None) -> Update:
        """Another task: its benchmarks and its methods."""
        benchmark = str(default_benchmark(task))
        names = default_methods(task)
        return {
            self.benchmark: gr.update(choices=self._benchmark_choices(task), value=benchmark),
            self.methods: gr.update(choices=self._method_choices(task), value=names),
            self.missing: ui_html.missing_methods(list_methods(task)),
            **self.change_benchmark(benchmark, names, request),
        }

    def change_benchmark(
        self, benchmark: str, methods: list[str], request: gr.Request | None = None
    ) -> Update:
        """Another benchmark: what it is, before anything is fetched."""
        entry = get_benchmark(benchmark)
        local = allows(self.level(request), "operate")
        pairs = min(4, entry.pairs or 4)
        return {
            self.n: pairs,
            self.protocol_ordered: gr.update(
                choices=self._protocol_choices(benchmark), value=[entry.protocols[0]]
            ),
            self.facts: ui_html.benchmark_facts(entry, local=local),
            self.folder: gr.update(visible=entry.brought and local, value=""),
            self.estimate: self.change_size(benchmark, pairs, methods, request),
        }

    def change_size(
        self,
        benchmark: str,
        n: float | None,
        methods: list[str],
        request: gr.Request | None = None,
    ) -> str:
        """Another size: about how long it takes."""
        entry, pairs = get_benchmark(benchmark), max(int(n or 1), 1)
        if entry.pairs:
            pairs = min(pairs, entry.pairs)
        limits = self.service.limits_of(self.level(request)).words()
        return ui_html.estimate(self.service.estimate(entry, pairs, methods), pairs, limits)

    # ------------------------------------------------------------ running

    def getting_ready(self) -> Update:
        """Start was pressed: the words for the time until the pairs are known."""
        return {
            self.bar: ui_html.progress("Reading the list of pairs …"),
            self.start: gr.update(interactive=False),
        }

    def begin(
        self,
        benchmark: str,
        n: float | None,
        seed: float | None,
        methods: list[str],
        protocols: list[str],
        folder: str | None,
        request: gr.Request,
    ) -> Iterator[Update]:
        """Check the order and put it into the queue."""
        named = (folder or "").strip()
        try:
            entry = get_benchmark(benchmark)
            if entry.brought and not named:
                raise InvalidRequest(
                    f"{entry.title} is not on the Hub. To use it, {entry.source.layout}, then "
                    "name that folder."
                )
            run_id = self.service.start(
                Order(
                    entry,
                    tuple(methods),
                    tuple(protocols),
                    n=None if n is None else int(n),
                    seed=int(seed or 0),
                    folder=Path(named) if named and entry.brought else None,
                ),
                self.level(request),
                _owner(request),
            )
        except MIRNetError as error:
            yield {self.bar: ui_html.safely(error), self.start: gr.update(interactive=True)}
            raise _shown(error) from error
        yield self._followed(run_id, 0) | {self.start: gr.update(interactive=True)}

    def halt(self, run_id: str | None, request: gr.Request) -> Update:
        """Stop was pressed."""
        with _told():
            self.service.stop(str(run_id), self.level(request), _owner(request))
        return self._followed(run_id, 0)

    def go_on(self, run_id: str | None, request: gr.Request) -> Update:
        """Resume was pressed."""
        with _told():
            self.service.resume(str(run_id), self.level(request), _owner(request))
        return self._followed(run_id, 0)

    def go_on_stored(self, run_id: str | None, request: gr.Request) -> Update:
        """Resume was pressed beside a stored run: show how it gets on."""
        update = self.go_on(run_id, request)
        return update | {
            self.view: "run",
            self.views: gr.update(selected="run"),
            self.head: gr.update(visible=False),
        }

    def tick(self, run_id: str | None, seen: tuple) -> Any:
        """Look how the run under way stands; nothing is sent where nothing has changed."""
        stamp, count = seen
        try:
            found = self.service.status(str(run_id))
        except MIRNetError:  # deleted meanwhile
            return {self.timer: gr.Timer(active=False)}
        if _stamp(found) == stamp:
            return {self.timer: gr.skip()}
        return self._followed(run_id, count + 1, found)

    def _followed(self, run_id: str | None, count: int, found: Snapshot | None = None) -> Update:
        """Progress, table, latest picture and now and then the plot of a run."""
        if run_id is None:
            return {self.timer: gr.Timer(active=False)}
        found = found or self.service.status(run_id)
        stored = self.service.stored(run_id)
        ended = not found.under_way
        update: Update = {
            self.followed: run_id,
            self.seen: (_stamp(found), count),
            self.timer: gr.Timer(active=not ended),
            self.bar: ui_html.live_bar(found),
            self.live: ui_html.live_table(found.run, self.service.summary(run_id)),
            self.thumbs: ui_html.latest(stored, found.latest) if found.latest else gr.skip(),
            self.stop: gr.update(interactive=found.state in ("queued", "running")),
            self.resume: gr.update(visible=found.state in RESUMABLE),
            self.opens: gr.update(visible=ended and found.done > 0),
        }
        if found.done and (ended or count % PLOT_EVERY == 1):
            figure = draw(self.service.frames, stored, "distribution").figure
            update[self.live_plot] = gr.update(value=figure, visible=True)
        elif not found.done:
            update[self.live_plot] = gr.update(visible=False)
        if ended:
            update[self.run] = gr.update(choices=self._run_choices())
        return update

    def open_followed(self, run_id: str | None) -> Update:
        """Show the results of the run that has just ended."""
        return self._opened(run_id, "board")

    # ------------------------------------------------------------ opening

    def arrive(self, request: gr.Request) -> Update:
        """The page was opened: read the link, and look what is under way."""
        query = request.query_params
        update: Update = {self.run: gr.update(choices=self._run_choices())}
        first = get_benchmark(str(default_benchmark(FIRST_TASK)))
        level = self.level(request)
        if level != self._first_level:
            update |= self._offered(level)
            update[self.facts] = ui_html.benchmark_facts(first, local=allows(level, "operate"))
        if allows(level, "run"):
            update[self.estimate] = self.change_size(
                first.id, min(4, first.pairs or 4), default_methods(FIRST_TASK), request
            )
        following = self.service.current() or self._interrupted()
        if following is not None:
            with contextlib.suppress(MIRNetError):
                update |= self._followed(following, 1)
                update[self.run] = gr.update(choices=self._run_choices())
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
        return update | opened | self._as_linked(query, run_id)

    def _offered(self, level: Level) -> Update:
        """Buttons for what somebody of a level may do."""
        may_run, may_delete = allows(level, "run"), allows(level, "operate")
        return {
            self.only_look: gr.update(visible=not may_run),
            self.ordering: gr.update(visible=may_run),
            self.check: gr.update(interactive=may_run),
            self.delete: gr.update(visible=may_delete),
            self.sure: gr.update(visible=may_delete),
        }

    def _as_linked(self, query: Mapping[str, str], run_id: str) -> Update:
        """What else a link may ask for; what the run does not have is left as usual."""
        run = self.service.stored(run_id).header()
        ids = [method.id for method in run.methods]
        names = [INPUT, *ids, TARGET]
        runs = [other.id for other, _ in self.service.history() if other.id != run_id]
        offered: tuple[tuple[str, Any, Collection[str]], ...] = (
            ("protocol", self.protocol, run.protocols),
            ("baseline", self.baseline, ids),
            ("method", self.method, ids),
            ("plot", self.plot_name, FIGURES),
            ("score", self.metric, get_args(Metric)),
            ("a", self.plot_a, ids),
            ("b", self.plot_b, ids),
            ("look", self.look, LOOKS),
            ("left", self.left, names),
            ("right", self.right, names),
        )
        update: Update = {}
        for name, widget, known in offered:
            if query.get(name) in known:
                update[widget] = gr.update(value=query[name])
                if isinstance(known, list):  # those that depend on the run
                    update[widget]["choices"] = known
        if query.get("zoom") in ("1", "2", "4"):
            update[self.zoom] = int(query["zoom"])
        at = re.fullmatch(r"(\d{1,3}),(\d{1,3})", query.get("at", ""))
        if at:
            update |= {self.across: min(int(at[1]), 100), self.down: min(int(at[2]), 100)}
        if query.get("with") in runs:
            update[self.second] = gr.update(
                choices=self._run_choices(but=run_id), value=query["with"]
            )
        return update

    def _interrupted(self) -> str | None:
        """The newest run, where it waits to be gone on with."""
        newest = next(iter(self.service.history()), None)
        if newest is None or newest[1] not in ("interrupted", "elsewhere", "stopped"):
            return None
        return newest[0].id

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
        names = [INPUT, *ids, TARGET]
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
            self.protocol: gr.update(choices=run.protocols, value=run.protocol),
            self.baseline: gr.update(choices=[("nothing", ""), *ids], value=base or ""),
            self.plot_a: gr.update(choices=ids, value=base if base != best else other),
            self.plot_b: gr.update(choices=ids, value=best),
            self.second: gr.update(choices=self._run_choices(but=run.id), value=None),
            self.method: gr.update(choices=ids, value=best),
            self.other: gr.update(choices=ids, value=other),
            self.left: gr.update(choices=names, value=INPUT),
            self.right: gr.update(choices=names, value=best),
            self.pair: gr.update(choices=chosen, value=pair),
            self.which: "all" if pair else "worst",
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
        while len(self._newest_fill) > MOST_VISITORS:
            self._newest_fill.popitem(last=False)
        for update in self._views(Ask(*given), self.level(request)):
            if self._newest_fill.get(visitor, mine) is not mine:
                return
            yield update

    def _views(self, ask: Ask, level: Level) -> Iterator[Update]:
        hidden = {self.head: gr.update(visible=ask.view != "run"), self.about: ""}
        if ask.view == "run":
            yield hidden
            return
        if ask.view == "runs":
            yield hidden | self._history()
            if not ask.run:
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
                two = gr.update(visible=ask.plot in OF_TWO)
                yield {
                    self.plot: self._draw(stored, ask).figure,
                    self.plot_a: two,
                    self.plot_b: two,
                    self.metric: gr.update(visible=ask.plot != "published"),
                }
            elif ask.view == "pictures":
                yield self._pictures(stored, found.run, ask)
            elif ask.view == "compare" and ask.second:
                yield self._compared(stored, ask)
            elif ask.view == "compare":
                yield {self.compared: TWO_RUNS, self.changes: gr.update(visible=False)}
            elif ask.view == "votes":
                yield from self.votes.show(ask.run)
            elif ask.view == "runs":
                yield {
                    self.managed: ui_html.note(f"The run above, {ask.run}:"),
                    self.again: gr.update(
                        interactive=found.state in RESUMABLE and allows(level, "run")
                    ),
                }
        except MIRNetError as error:
            yield {self.message: ui_html.note(str(error), warn=True)}

    def _board(self, stored: StoredRun, run: Run, ask: Ask) -> Update:
        baseline = ask.baseline or None
        board = self.service.frames.board(stored, baseline, ask.protocol or None)
        return {
            self.board: gr.update(value=_board_value(board)),
            self.board_words: ui_html.best_words(board, baseline),
            self.published: ui_html.published_table(published_beside(run)),
            self.made: ui_html.methods_table(run),
        }

    def _draw(self, stored: StoredRun, ask: Ask) -> Drawn:
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

    # ------------------------------------------------------------ pictures

    def _chosen(self, ask: Ask) -> list[str]:
        stored = self.service.stored(str(ask.run))
        run = stored.header()
        scores = self.service.frames.scores(stored, ask.protocol or None)
        method = ask.method or leader(run)
        which = ask.which if ask.which in get_args(Which) else "worst"
        k = int(min(max(ask.k or 10, 1), 1000))
        return choose_pairs(scores, which, method, ask.other or method, k, ask.metric)

    def _pictures(self, stored: StoredRun, run: Run, ask: Ask) -> Update:
        pairs = self._chosen(ask)
        pair = ask.pair or (pairs[0] if pairs else None)
        scores = self.service.frames.scores(stored, ask.protocol or None)
        looks = {
            self.placing: gr.update(visible=ask.zoom > 0),
            self.sides: gr.update(visible=ask.look == "slider"),
        }
        if pair is None:
            words = "No picture has a score yet." if not len(scores) else "Nothing was scored here."
            return looks | self._no_pictures(ui_html.note(words))
        choices = pairs if pair in pairs else [pair, *pairs]
        rows = _rows(scores, pair, ask.protocol or run.protocol)
        update: Update = looks | {
            self.pair: gr.update(
                choices=[(f"{n} of {len(choices)} · {name}", name)
                         for n, name in enumerate(choices, 1)],
            ),
            self.numbers: ui_html.picture_numbers(
                rows, ask.protocol or run.protocol, ask.baseline or None
            ),
            self.pairs: gr.update(value=_pairs_value(scores, choices, ask.metric)),
        }  # fmt: skip
        if not ask.pair:  # one that was asked for stays: somebody may have turned on meanwhile
            update[self.pair]["value"] = pair
        try:
            found = stored_pictures(stored, rows)
        except MIRNetError as error:
            return update | self._no_pictures(ui_html.note(str(error), warn=True), keep=True)
        update |= {
            self.trouble: "",
            self.saved: gr.update(choices=list(found), value=_one_of(ask.right, found)),
        }
        if ask.look == "slider":
            left, right = _one_of(ask.left, found), _one_of(ask.right, found)
            pixels = tuple(
                filling(seen_at(found[name], ask.place), ask.place) for name in (left, right)
            )
            label = f"{left}, left of the line · {right}, right of it"
            return update | {
                self.slider: gr.update(value=pixels, visible=True, label=label),
                self.grid: gr.update(visible=False),
                self.legend: "",
            }
        return update | self._grid(found, rows, ask)

    def _grid(self, found: dict[str, Any], rows: list[Row], ask: Ask) -> Update:
        """Input, every method and target beside each other, or the errors of each."""
        legend = ""
        if ask.look == "error" and TARGET in found:
            target = found.pop(TARGET)
            errors = {
                name: error_of(pixels, target)
                for name, pixels in found.items()
                if pixels.shape == target.shape
            }
            scale = scale_for(list(errors.values()))
            found = {name: heat(error, scale) for name, error in errors.items()}
            legend = ui_html.heat_legend(scale)
        elif ask.look == "error":
            legend = ui_html.note("This pair has no target, so there is no error to show.")
        scored = {row.method: next(iter(row.scores.values()), None) for row in rows}
        update: Update = {
            self.slider: gr.update(visible=False),
            self.grid: gr.update(
                visible=True, elem_classes=["ev-close"] if ask.zoom else ["ev-whole"]
            ),
            self.legend: legend,
        }
        names = _shown_names(list(found))
        for place, image in enumerate(self.images):
            if place >= len(names):
                update[image] = gr.update(visible=False, value=None)
                continue
            name = names[place]
            score = scored.get(name)
            label = {INPUT: "Input", TARGET: "Target"}.get(name, name)
            if score is not None:
                label += f" · {ui_html.number(score.psnr_db, 2)} dB"
            update[image] = gr.update(
                visible=True,
                value=seen_at(found[name], ask.place),
                label=label,
                alt_text=f"{label}, picture {ask.pair or rows[0].pair}",
            )
        return update

    def _no_pictures(self, words: str, keep: bool = False) -> Update:
        update: Update = {
            self.trouble: words,
            self.slider: gr.update(visible=False),
            self.grid: gr.update(visible=False),
            self.legend: "",
            self.saved: gr.update(choices=[], value=None),
        }
        return update if keep else update | {self.numbers: ""}

    def first_pair(self, *given: Any) -> Any:
        """Other pictures were asked for: begin with the first."""
        with _told():
            pairs = self._chosen(Ask(*given))
        return gr.update(choices=pairs, value=pairs[0] if pairs else None)

    def turn_on(self, *given: Any) -> Any:
        """The next picture; after the last comes the first."""
        return self._turned(Ask(*given), 1)

    def turn_back(self, *given: Any) -> Any:
        """The picture before."""
        return self._turned(Ask(*given), -1)

    def _turned(self, ask: Ask, step: int) -> Any:
        with _told():
            pairs = self._chosen(ask)
        if not pairs:
            return gr.skip()
        at = pairs.index(ask.pair) if ask.pair in pairs else (-1 if step > 0 else 0)
        return gr.update(choices=pairs, value=pairs[(at + step) % len(pairs)])

    def look_at(self, event: gr.SelectData, *given: Any) -> Update:
        """A point of a picture was clicked: show true pixels around it, in all of them."""
        ask = Ask(*given)
        with _told():
            stored = self.service.stored(str(ask.run))
            scores = self.service.frames.scores(stored, ask.protocol or None)
            found = stored_pictures(
                stored, _rows(scores, str(ask.pair), ask.protocol or stored.header().protocol)
            )
        pixels = found.get(TARGET, next(iter(found.values())))
        shown = seen_at(pixels, ask.place)
        closer = replace(ask, zoom=max(int(ask.zoom), 1))
        across, down = point_of(
            event.index[0],
            event.index[1],
            shown.shape[:2],
            pixels.shape[:2],
            Place(int(ask.zoom), ask.place.across, ask.place.down, closer.place.width_px,
                  closer.place.height_px),
        )  # fmt: skip
        return {
            self.zoom: closer.zoom,
            self.across: round(100 * across),
            self.down: round(100 * down),
        }

    # ------------------------------------------------------------ from tables and plots

    def pick_method(self, event: gr.SelectData, *given: Any) -> Update:
        """A row of the leaderboard was chosen: that method's worst pictures."""
        method, ask = str(event.row_value[0]), Ask(*given)
        with _told():
            pairs = self._chosen(replace(ask, which="worst", method=method))
        return {
            self.method: method,
            self.right: method,
            self.which: "worst",
            self.pair: gr.update(choices=pairs, value=pairs[0] if pairs else None),
            self.view: "pictures",
            self.views: gr.update(selected="pictures"),
        }

    def pick_pair(self, event: gr.SelectData) -> Any:
        """A row of the table of pictures was chosen."""
        return str(event.row_value[0])

    def pick_point(self, point: str) -> Update:
        """A point of a plot was clicked: its picture."""
        try:
            pair, method = json.loads(point)
        except (TypeError, ValueError):
            return {self.message: gr.skip()}
        pair, method = str(pair)[:200], str(method)[:200]
        return {
            self.pair: gr.update(choices=[pair], value=pair),
            self.method: method,
            self.view: "pictures",
            self.views: gr.update(selected="pictures"),
        }

    def pick_run(self, event: gr.SelectData) -> Update:
        """A row of the history was chosen."""
        return self._opened(str(event.row_value[0]), "runs")

    # ------------------------------------------------------------ two runs, and all of them

    def _compared(self, stored: StoredRun, ask: Ask) -> Update:
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
                value=_changes_value(found.changes), visible=bool(len(found.changes))
            ),
        }

    def _history(self) -> Update:
        history = self.service.history()
        return {
            self.history: gr.update(
                value={"data": [_history_row(run, state) for run, state in history],
                       "headers": HISTORY},
                visible=bool(history),
            ),
            self.no_runs: "" if history else NO_RUNS,
        }  # fmt: skip

    def verify(self, run_id: str | None, request: gr.Request) -> Iterator[str]:
        """Recompute a sample, and show every check as it is made."""
        if not run_id:
            yield ui_html.note("Choose a run first.")
            return
        yield ui_html.findings([], complete=False)
        rows = []
        try:
            for finding in self.service.verify(run_id, level=self.level(request)):
                rows.append(finding)
                yield ui_html.findings(rows, complete=False)
        except MIRNetError as error:
            yield ui_html.safely(error)
            return
        yield ui_html.findings(rows, complete=True)

    def remove(self, run_id: str | None, sure: bool, request: gr.Request | None = None) -> Update:
        """Delete was pressed."""
        if not run_id or not sure:
            words = "Choose a run and tick the box first: a deleted run does not come back."
            return {self.checks: ui_html.note(words, warn=True)}
        with _told():
            self.service.delete(run_id, self.level(request))
        return {
            self.sure: False,
            self.checks: ui_html.state(f"Run {run_id} is deleted.", "done"),
            self.run: gr.update(choices=self._run_choices(), value=None),
        }

    # ------------------------------------------------------------ files

    def writing(self, name: str) -> Callable[..., Iterator[Any]]:
        """Make the handler of a button that writes a file."""

        def write(run_id: str | None, baseline: str | None, protocol: str | None) -> Iterator[Any]:
            from .export import SUFFIXES, export
            from .report import html_report

            with _told(), tempfile.TemporaryDirectory(prefix="mirnet-") as folder:
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
        ask = Ask(*given)
        with _told(), tempfile.TemporaryDirectory(prefix="mirnet-") as folder:
            stored = self.service.stored(str(ask.run))
            table = self._draw(stored, ask).table
            path = Path(folder) / f"mirnet-{stored.id}-{ask.plot}.csv"
            path.write_text(_safe_csv(table), encoding="utf-8")
            yield str(path)

    def write_picture(
        self, run_id: str | None, pair: str | None, name: str | None
    ) -> Iterator[Any]:
        """Hand out a stored picture as it is."""
        with _told(), tempfile.TemporaryDirectory(prefix="mirnet-") as folder:
            stored = self.service.stored(str(run_id))
            rows = [row for row in stored.rows() if row.pair == pair]
            wanted = next(
                (sha for sha in (_sha_of(row, name) for row in rows) if sha is not None), None
            )
            if wanted is None or not stored.output(wanted).is_file():
                raise InvalidRequest("This picture is not stored here: choose another.")
            clean = "".join(c if c.isalnum() or c in "._-" else "-" for c in f"{pair}-{name}")
            path = Path(folder) / f"{clean[:120]}.png"
            path.write_bytes(stored.output(wanted).read_bytes())
            yield str(path)

    # ------------------------------------------------------------ for programs

    def _add_endpoints(self) -> None:
        for name, function in (
            ("evaluation_benchmarks", self.api_benchmarks),
            ("evaluation_methods", self.api_methods),
            ("evaluate_start", self.api_start),
            ("evaluate_status", self.api_status),
            ("evaluate_result", self.api_result),
            ("evaluate_report", self.api_report),
        ):
            gr.api(
                function,
                api_name=name,
                api_description=str(function.__doc__).split("\n\n")[0],
            )

    def api_benchmarks(self, task: str = "") -> list[dict[str, Any]]:
        """List the benchmarks of a task, or all of them."""
        rows = [entry for entry in load_benchmarks().values() if task in ("", entry.task)]
        return [asdict(entry) | {"brought": entry.brought} for entry in rows]

    def api_methods(self, task: str) -> list[dict[str, Any]]:
        """List what can be compared on a task, and what is missing for the rest."""
        with _told():
            return [asdict(choice) for choice in list_methods(task)]

    def api_start(
        self,
        benchmark: str,
        methods: list[str],
        pairs: int = 0,
        seed: int = 0,
        protocols: list[str] | None = None,
        title: str = "",
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Start an evaluation: its id comes back at once. pairs: 0 for all."""
        with _told():
            order = Order(
                get_benchmark(benchmark),
                tuple(methods),
                tuple(protocols or ()),
                n=pairs or None,
                seed=seed,
                title=title,
            )
            return self.api_status(self.service.start(order, self.level(request), _owner(request)))

    def api_status(self, run: str) -> dict[str, Any]:
        """Tell how a run stands. run: its id."""
        with _told():
            found = self.service.status(run)
        return {
            "run": found.run.id,
            "state": found.state,
            "done": found.done,
            "total": found.total,
            "seconds_left": found.seconds_left,
            "words": found.words,
        }

    def api_result(self, run: str, baseline: str = "", protocol: str = "") -> dict[str, Any]:
        """Give a run's header and leaderboard. run: its id; baseline: method to pair with."""
        with _told():
            stored = self.service.stored(run)
            header = stored.header()
            board = self.service.frames.board(
                stored, baseline or default_baseline(header), protocol or None
            )
        rows = json.loads(board.to_json(orient="records"))
        return {"run": header.model_dump(mode="json"), "leaderboard": rows}

    def api_report(self, run: str, baseline: str = "") -> str:
        """Give a run as one HTML page that needs nothing else. run: its id."""
        from .report import html_report

        with _told():
            return html_report(self.service.stored(run), baseline or None)


# ---------------------------------------------------------------- values of tables and figures

BOARD: dict[str, tuple[str, int, str]] = {
    "Method": ("method", 0, ""),
    "PSNR (dB)": ("psnr_db", 2, ""),
    "PSNR, 95 %": ("psnr", 2, ""),
    "SSIM": ("ssim", 4, ""),
    "SSIM, 95 %": ("ssim", 4, ""),
    "Difference (dB)": ("difference_db", 2, "+"),
    "Difference, 95 %": ("difference", 2, "+"),
    "p": ("p_value", 3, ""),
    "Wins (%)": ("win_rate", 0, ""),
    "s/MP": ("s_per_mp", 3, ""),
    "Parameters": ("parameters", 0, ","),
    "Scored": ("count", 0, ""),
}
"""Columns of the leaderboard: where each comes from, its digits and its sign; an interval from the
columns `_low` and `_high`."""
HISTORY = ["Run", "Status", "Title", "Task", "Pairs", "Methods", "Protocol", "Best (dB)"]
"""Columns of the history."""
_RIGHT = "text-align: right; font-variant-numeric: tabular-nums;"


def _words(name: str) -> gr.HTML:
    """A place for words, which takes no room while there are none."""
    return gr.HTML("", elem_id=name, elem_classes=["ev-words"])


def _cells(data: list[list[Any]], shown: list[list[str]], bold: set[tuple[int, int]]) -> Any:
    """Cells that sort by value and read as text; numbers to the right."""
    styling = [
        [
            ("" if column == 0 or isinstance(value, str) else _RIGHT)
            + ("font-weight: 700;" if (line, column) in bold else "")
            for column, value in enumerate(row)
        ]
        for line, row in enumerate(data)
    ]
    return {"display_value": shown, "styling": styling}


def _board_value(board: "pd.DataFrame") -> dict[str, Any]:
    data: list[list[Any]] = []
    shown: list[list[str]] = []
    for row in board.to_dict("records"):
        values: list[Any] = []
        words: list[str] = []
        for title, (column, digits, sign) in BOARD.items():
            value, text = _board_cell(row, title, column, digits, sign)
            values.append(value)
            words.append(text)
        data.append(values)
        shown.append(words)
    bold = set()
    for place, (title, (column, _, _)) in enumerate(BOARD.items()):
        if title in ("PSNR (dB)", "SSIM"):
            most = board[column].max()
            bold |= {(line, place) for line, value in enumerate(board[column]) if value == most}
    return {"data": data, "headers": list(BOARD), "metadata": _cells(data, shown, bold)}


def _board_cell(
    row: dict[Any, Any], title: str, column: str, digits: int, sign: str
) -> tuple[Any, str]:
    """What a cell sorts by, and what it says."""
    if column == "method":
        return str(row[column]), str(row[column])
    if title.endswith("95 %"):
        low, high = (_plain(row[f"{column}_{end}"]) for end in ("low", "high"))
        text = f"{ui_html.number(low, digits, sign)} to {ui_html.number(high, digits, sign)}"
        return low, ui_html.DASH if low is None else text
    plain = _plain(row[column])
    if plain is None:
        return None, ui_html.DASH
    if column == "win_rate":
        plain *= 100
    text = ui_html.number(plain, digits, sign)
    if column == "p_value" and plain < 0.001 or column == "s_per_mp" and 0 < plain < 0.001:
        text = "< 0.001"
    if column == "difference_db" and row["tied"]:
        text = f"tied {text}"
    if column == "count" and row["failed"]:
        text = f"{text}, {row['failed']} failed"
    return plain, text


def _plain(value: Any) -> float | None:
    import pandas as pd

    if pd.isna(value):
        return None
    number = float(value)
    return number if abs(number) != float("inf") else None


def _pairs_value(scores: "pd.DataFrame", pairs: list[str], metric: Metric) -> dict[str, Any]:
    """One row for each picture, a column for each method."""
    digits = 2 if metric == "psnr_db" else 4
    names = list(scores.method.cat.categories)
    part = scores[scores.pair.isin(set(pairs))]
    wide = part.pivot_table(
        index="pair", columns="method", values=metric, observed=False, dropna=False
    ).reindex(index=pairs, columns=names)
    data: list[list[Any]] = [
        [pair, *map(_plain, row)] for pair, row in zip(pairs, wide.to_numpy(), strict=True)
    ]
    shown = [[row[0], *(ui_html.number(value, digits) for value in row[1:])] for row in data]
    bold = {
        (line, place)
        for line, row in enumerate(data)
        for place, value in enumerate(row[1:], 1)
        if value is not None and value == max(v for v in row[1:] if v is not None)
    }
    return {"data": data, "headers": ["Picture", *names], "metadata": _cells(data, shown, bold)}


def _changes_value(changes: "pd.DataFrame", most: int = 500) -> dict[str, Any]:
    data, shown = [], []
    for row in changes.head(most).to_dict("records"):
        numbers = [row["psnr_a"], row["psnr_b"], row["psnr_change"], row["ssim_change"]]
        plain = [_plain(value) for value in numbers]
        forms = ((2, ""), (2, ""), (3, "+"), (4, "+"))
        texts = [ui_html.number(v, *form) for v, form in zip(numbers, forms, strict=True)]
        same = "same" if row["same_output"] else "differs"
        data.append([row["pair"], row["method"], *plain, same])
        shown.append([row["pair"], row["method"], *texts, same])
    heads = ["Picture", "Method", "First (dB)", "Second (dB)", "Change (dB)", "Change SSIM",
             "Output"]  # fmt: skip
    return {"data": data, "headers": heads, "metadata": _cells(data, shown, set())}


def _history_row(run: Run, state: str) -> list[Any]:
    known = [line.psnr_db for line in run.summary if line.psnr_db == line.psnr_db]
    return [
        run.id,
        state,
        run.name,
        get_task(run.task).title if run.task in TASKS else run.task,
        run.benchmark.n,
        len(run.methods),
        run.protocol,
        round(max(known), 2) if known else None,
    ]


def _rows(scores: "pd.DataFrame", pair: str, protocol: str) -> list[Row]:
    """The rows of one pair, as a run stores them, from the kept table."""
    fields = set(Row.model_fields) - {"scores"}
    rows = []
    for record in scores[scores.pair == pair].to_dict("records"):
        known = {name: _known(record[name]) for name in fields}
        known["cached"] = bool(known["cached"])
        known["method"] = str(known["method"])
        for name in ("tiles", "width", "height"):
            known[name] = None if known[name] is None else int(known[name])
        score = {"psnr_db": record["psnr_db"], "ssim": record["ssim"]}
        scored = record["psnr_db"] == record["psnr_db"]
        rows.append(Row(**known, scores={protocol: score} if scored else {}))
    return rows


def _known(value: Any) -> Any:
    return None if value is None or value != value else value


def _sha_of(row: Row, name: str | None) -> str | None:
    if name == INPUT:
        return row.degraded_sha256
    if name == TARGET:
        return row.target_sha256
    return row.output_sha256 if row.method == name else None


def _shown_names(names: list[str]) -> list[str]:
    """At most `MOST_SHOWN`, with input and target among them."""
    if len(names) <= MOST_SHOWN:
        return names
    ends = [name for name in names if name == TARGET]
    return [name for name in names if name != TARGET][: MOST_SHOWN - len(ends)] + ends


def _one_of(name: str | None, found: dict[str, Any]) -> str:
    return name if name in found else list(found)[-1]


def _stamp(found: Snapshot) -> tuple[str, str, int, str]:
    return found.run.id, found.state, found.done, found.words


def _safe_csv(table: "pd.DataFrame") -> str:
    """Write a table so that no spreadsheet takes text for a formula (OWASP, CSV injection)."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.itertuples(index=False):
        writer.writerow(
            f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" else cell for cell in row
        )
    return file.getvalue()


def _owner(request: gr.Request | None) -> str:
    """Who may stop what a request starts."""
    return str(getattr(request, "session_hash", "") or "")


def _shown(error: MIRNetError) -> gr.Error:
    """Our sentence as the page's message."""
    return gr.Error(str(error), duration=12, print_exception=False)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn our sentences into the page's messages."""
    try:
        yield
    except MIRNetError as error:
        raise _shown(error) from error
