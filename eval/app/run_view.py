"""The Run view: ordering a run, and following one that is under way."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from eval.analysis.figures import draw
from eval.data.benchmarks import get_benchmark, load_benchmarks
from eval.methods.registry import list_methods
from eval.runs.runner import RunConfig
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.metrics.protocols import PROTOCOLS
from mirnet.tasks import TASKS

from . import html as ui_html
from .permissions import Permissions, owner
from .run_queue import RESUMABLE, RunQueue, Snapshot, default_benchmark, default_methods
from .scripts import SHOW_PROGRESS
from .widgets import PRIVATE, Update, shown, told, words

FIRST_TASK = "retouch"
"""Shown first: its small benchmark is quickest to run."""
TICK_SECONDS = 1.5
"""Between two looks at a run under way."""
PLOT_EVERY = 2
"""The live plot is drawn at every so many looks."""


ARRIVAL = -1
"""Number of the first look at a run, when the page is opened."""


class RunView:
    """Builds the view inside the current tab; `connect` lets its widgets act."""

    def __init__(
        self,
        service: RunQueue,
        rights: Permissions,
        run: gr.Dropdown,
        run_choices: Callable[[], list[tuple[str, str]]],
    ):
        """Build the view.

        Args:
            service: Runs, and what may be done with them.
            rights: Who may do it.
            run: The page's choice of a stored run, which gets a run that has ended.
            run_choices: What it offers.
        """
        self.service = service
        self.rights = rights
        self.run = run
        self._run_choices = run_choices
        self._build()
        self.live = [
            self.followed, self.seen, self.timer, self.bar, self.table, self.thumbs, self.plot,
            self.stop, self.resume, self.start, self.opens, self.run,
        ]  # fmt: skip
        self.offered = [self.only_look, self.ordering, self.facts]

    # ------------------------------------------------------------ widgets

    def _build(self) -> None:
        self.followed = gr.State(None)  # id of the run whose progress is shown
        self.seen = gr.State((None, 0))
        self.timer = gr.Timer(TICK_SECONDS, active=False)
        may_run = self.rights.may("runner")
        can_sign_in = self.rights.access.operator is not None
        self.only_look = gr.HTML(
            ui_html.only_look(self.service.read_only, can_sign_in), visible=not may_run
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
                self.table = words("ev-table")
                self.thumbs = words("ev-latest")
                self.plot = gr.Plot(
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
            ui_html.benchmark_facts(entry, local=self.rights.may("admin")), elem_id="ev-facts"
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
        self.protocols = gr.CheckboxGroup(
            choices=self._protocol_choices(str(benchmark)),
            value=[entry.protocols[0]],
            label="Protocol",
            elem_id="ev-protocol",
        )
        self.title = gr.Textbox(
            label="Title", placeholder="Optional: what this run is about", max_length=200,
            elem_id="ev-run-title",
        )  # fmt: skip
        self.estimate = words("ev-estimate")
        with gr.Row(elem_id="ev-buttons"):
            self.start = gr.Button(
                "Start", variant="primary", elem_id="ev-start", scale=2, min_width=110
            )
            self.stop = gr.Button("Stop", interactive=False, elem_id="ev-stop", min_width=80)
            self.resume = gr.Button("Resume", visible=False, elem_id="ev-resume", min_width=90)

    # ------------------------------------------------------------ events

    def connect(self) -> None:
        """Let the widgets act; who opens the results is the page's affair."""
        order = [self.benchmark, self.n, self.seed, self.methods, self.protocols]
        # Who chooses quickly gets what was chosen last: by default, Gradio drops it.
        latest: dict[str, Any] = {"trigger_mode": "always_last", **PRIVATE}
        self.task.input(
            self.change_task,
            self.task,
            [*order, self.facts, self.folder, self.missing, self.estimate],
            **latest,
        )
        self.benchmark.input(
            self.change_benchmark,
            [self.benchmark, self.methods],
            [self.n, self.protocols, self.facts, self.folder, self.estimate],
            **latest,
        )
        gr.on(
            [self.n.input, self.methods.input],
            self.change_size,
            [self.benchmark, self.n, self.methods],
            self.estimate,
            **latest,
        )
        self.start.click(
            self.getting_ready,
            None,
            [self.bar, self.start],
            queue=False,
            js=SHOW_PROGRESS,
            **PRIVATE,
        ).then(
            self.begin,
            [*order, self.folder, self.title],
            self.live,
            concurrency_id="evaluate",
            concurrency_limit=2,
            **PRIVATE,
        )
        self.stop.click(self.halt, self.followed, self.live, **PRIVATE)
        self.resume.click(self.go_on, self.followed, self.live, **PRIVATE)
        self.timer.tick(self.tick, [self.followed, self.seen], self.live, **PRIVATE)

    # ------------------------------------------------------------ ordering

    def _benchmark_choices(self, task: str) -> list[tuple[str, str]]:
        entries = [entry for entry in load_benchmarks().values() if entry.task == task]
        entries.sort(key=lambda entry: (entry.manual_download, entry.source.folder is None))
        return [
            (entry.title + (" · bring your own files" if entry.manual_download else ""), entry.id)
            for entry in entries
        ]

    def _method_choices(self, task: str) -> list[tuple[str, str]]:
        return [
            (entry.id if entry.title == entry.id else f"{entry.title} · {entry.id}", entry.id)
            for entry in list_methods(task)
            if entry.available
        ]

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
        local = self.rights.may("admin", request)
        pairs = min(4, entry.pairs or 4)
        return {
            self.n: pairs,
            self.protocols: gr.update(
                choices=self._protocol_choices(benchmark), value=[entry.protocols[0]]
            ),
            self.facts: ui_html.benchmark_facts(entry, local=local),
            self.folder: gr.update(visible=entry.manual_download and local, value=""),
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
        limits = self.service.limits_of(self.rights.role(request)).words()
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
        title: str | None,
        request: gr.Request,
    ) -> Iterator[Update]:
        """Check the order and put it into the queue."""
        named = (folder or "").strip()
        try:
            entry = get_benchmark(benchmark)
            if entry.manual_download and not named:
                raise InvalidRequest(
                    f"{entry.title} is not on the Hub. To use it, {entry.source.layout}, then "
                    "name that folder."
                )
            run_id = self.service.start(
                RunConfig(
                    entry,
                    tuple(methods),
                    tuple(protocols),
                    n=None if n is None else int(n),
                    seed=int(seed or 0),
                    folder=Path(named) if named and entry.manual_download else None,
                    title=title or "",
                ),
                self.rights.role(request),
                owner(request),
            )
        except MIRNetError as error:
            yield {self.bar: ui_html.safely(error), self.start: gr.update(interactive=True)}
            raise shown(error) from error
        yield self._followed(run_id, 0) | {self.start: gr.update(interactive=True)}

    def halt(self, run_id: str | None, request: gr.Request) -> Update:
        """Stop was pressed."""
        with told():
            self.service.stop(str(run_id), self.rights.role(request), owner(request))
        return self._followed(run_id, 0)

    def go_on(self, run_id: str | None, request: gr.Request) -> Update:
        """Resume was pressed."""
        with told():
            self.service.resume(str(run_id), self.rights.role(request), owner(request))
        return self._followed(run_id, 0)

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
        rows = found.run.summary if found.state == "done" else self.service.summary(run_id)
        latest = found.latest
        if ended and latest is None and count != ARRIVAL:
            latest = next(reversed(stored.rows()), None)
        update: Update = {
            self.followed: run_id,
            self.seen: (_stamp(found), count),
            self.timer: gr.Timer(active=not ended),
            self.bar: ui_html.live_bar(found),
            self.table: ui_html.live_table(found.run, rows),
            self.thumbs: ui_html.latest(stored, latest) if latest else gr.skip(),
            self.stop: gr.update(interactive=found.state in ("queued", "running")),
            self.resume: gr.update(visible=found.state in RESUMABLE),
            self.opens: gr.update(visible=ended and found.done > 0),
        }
        # The plot of a run that is done is a click away, and not all who arrive come for it.
        wanted = found.state != "done" if count == ARRIVAL else ended or count % PLOT_EVERY == 1
        if found.done and wanted:
            figure = draw(self.service.frames, stored, "distribution").figure
            update[self.plot] = gr.update(value=figure, visible=True)
        elif not found.done:
            update[self.plot] = gr.update(visible=False)
        if ended:
            update[self.run] = gr.update(choices=self._run_choices())
        return update

    def arrived(self, request: gr.Request | None = None) -> Update:
        """The page was opened: what a run would take, and what is under way."""
        update: Update = {}
        first = get_benchmark(str(default_benchmark(FIRST_TASK)))
        may_run = self.rights.may("runner", request)
        if self.rights.role(request) != self.rights.at_first:
            local = self.rights.may("admin", request)
            update = {
                self.only_look: gr.update(visible=not may_run),
                self.ordering: gr.update(visible=may_run),
                self.facts: ui_html.benchmark_facts(first, local=local),
            }
        if may_run:
            update[self.estimate] = self.change_size(
                first.id, min(4, first.pairs or 4), default_methods(FIRST_TASK), request
            )
        following = self.service.current() or self._newest()
        if following is not None:
            with contextlib.suppress(MIRNetError):
                update |= self._followed(following, ARRIVAL)
        return update

    def _newest(self) -> str | None:
        newest = next(iter(self.service.history()), None)
        return newest[0].id if newest else None


def _stamp(found: Snapshot) -> tuple[str, str, int, str]:
    return found.run.id, found.state, found.done, found.words
