"""The form of a new run: task, benchmark, methods and estimated duration."""

from pathlib import Path
from typing import Any

import gradio as gr

from eval.analysis.overview import GROUPS
from eval.data.benchmarks import Benchmark, get_benchmark, load_benchmarks
from eval.methods.registry import list_methods
from eval.runs.runner import RunConfig
from mirnet.app.kit.widgets import PRIVATE, Update, text_area
from mirnet.errors import InvalidRequest
from mirnet.metrics.protocols import PERCEPTUAL, PROTOCOLS
from mirnet.tasks import TASKS

from .estimate import default_benchmark, default_methods, estimate_run
from .html.run_form import benchmark_facts, estimate_words, missing_methods
from .own_data import FIRST_PAIRS, OWN, OwnData, not_checked, source_label
from .permissions import Permissions
from .run_options import RunOptions, repeats_up_to
from .run_queue import RunQueue
from .view import Choices

FIRST_TASK = next(iter(TASKS))
"""Default task, which is that of Restore and of the overview too."""


class RunForm:
    """Builds the form inside the current layout.

    `inputs` are the widgets whose values `config` takes.
    """

    def __init__(self, queue: RunQueue, permissions: Permissions):
        """Build the form.

        Args:
            queue: Queue and store of the runs, whose times give the estimate.
            permissions: Roles of visitors, which decide who may start runs and use folders of
                this machine.
        """
        self.queue = queue
        self.permissions = permissions
        with gr.Column(
            scale=4, min_width=300, visible=permissions.may("runner"), elem_id="ev-run-form"
        ) as self.column:
            self._build_data(FIRST_TASK)
            self._build_methods(FIRST_TASK)
            self.estimate = text_area("ev-estimate")
            with gr.Row(elem_id="ev-buttons"):
                self.start = gr.Button(
                    "Start", variant="primary", elem_id="ev-start", scale=2, min_width=110
                )
                self.stop = gr.Button("Stop", interactive=False, elem_id="ev-stop", min_width=80)
                self.resume = gr.Button("Resume", visible=False, elem_id="ev-resume", min_width=90)
        self.inputs = [
            self.benchmark, self.n, self.seed, self.methods, self.protocols, self.folder,
            self.title, self.task, self.repeats, *self.own.fields,
        ]  # fmt: skip

    def _build_data(self, task: str) -> None:
        self.task = gr.Dropdown(
            [(entry.title, entry.id) for entry in TASKS.values()],
            value=task,
            label="Task",
            filterable=False,
            elem_id="ev-task",
        )
        self.benchmark = gr.Dropdown(
            choices=_benchmark_choices(task),
            value=default_benchmark(task),
            label="Benchmark",
            filterable=False,
            elem_id="ev-benchmark",
        )
        entry = get_benchmark(str(default_benchmark(task)))
        self.facts = gr.HTML(
            benchmark_facts(entry, local=self.permissions.may("admin")), elem_id="ev-facts"
        )
        self.folder = gr.Textbox(
            label="Folder with the files, on this machine", visible=False, elem_id="ev-folder"
        )
        self.own = OwnData(self.permissions, self.queue.policy, task)
        self.n = gr.Number(
            min(FIRST_PAIRS, entry.pairs or FIRST_PAIRS),
            label="Pairs",
            minimum=1,
            precision=0,
            elem_id="ev-n",
            min_width=90,
        )

    def _build_methods(self, task: str) -> None:
        entry = get_benchmark(str(default_benchmark(task)))
        self.methods = gr.CheckboxGroup(
            choices=_method_choices(task),
            value=default_methods(task),
            label="Methods",
            elem_id="ev-methods",
        )
        self.missing = gr.HTML(missing_methods(list_methods(task)))
        options = RunOptions(
            _protocol_choices(entry.protocols),
            self.queue.policy.limits_of(self.permissions.at_first).repeats,
        )
        self.seed, self.repeats = options.seed, options.repeats
        self.protocols, self.title = options.protocols, options.title

    def connect(self) -> None:
        """Connect the widgets of the form with each other."""
        # A quick second choice must not be lost: by default, Gradio drops it.
        latest: dict[str, Any] = {"trigger_mode": "always_last", **PRIVATE}
        by_benchmark = [
            self.n, self.protocols, self.facts, self.folder, self.estimate, self.start,
            self.own.column, self.own.size, *self.own.outputs,
        ]  # fmt: skip
        self.by_task = [self.benchmark, self.methods, self.missing, *by_benchmark]
        self.task.input(self.change_task, [self.task, self.repeats], self.by_task, **latest)
        self.benchmark.input(
            self.change_benchmark,
            [self.benchmark, self.methods, self.task, self.repeats],
            by_benchmark,
            **latest,
        )
        self.folder.input(self.change_folder, [self.benchmark, self.folder], self.start, **latest)
        gr.on(
            [self.n.input, self.methods.input, self.repeats.input],
            self.change_size,
            [self.benchmark, self.n, self.methods, self.repeats],
            self.estimate,
            **latest,
        )
        self.own.connect(self.task, self.n, self.start)

    # ------------------------------------------------------------ choices

    def change_task(
        self, task: str, repeats: float | None = 1, request: gr.Request | None = None
    ) -> Update:
        """Offer the benchmarks and methods of a task."""
        benchmark, names = str(default_benchmark(task)), default_methods(task)
        return {
            self.benchmark: gr.update(choices=_benchmark_choices(task), value=benchmark),
            self.methods: gr.update(choices=_method_choices(task), value=names),
            self.missing: missing_methods(list_methods(task)),
            **self.change_benchmark(benchmark, names, task, repeats, request),
        }

    def start_from(
        self, group: str, task: str, repeats: float | None = 1, request: gr.Request | None = None
    ) -> Update:
        """Set the task to one of the overview's open table, unless it is one of that already."""
        tasks = GROUPS[group][1]
        if task in tasks:
            return {self.task: gr.skip()}
        return {self.task: tasks[0]} | self.change_task(tasks[0], repeats, request)

    def change_benchmark(
        self,
        benchmark: str,
        methods: list[str],
        task: str = FIRST_TASK,
        repeats: float | None = 1,
        request: gr.Request | None = None,
    ) -> Update:
        """Show the facts of a benchmark, before any file is fetched."""
        if benchmark == OWN:
            return self._own_chosen(task)
        entry = get_benchmark(benchmark)
        local = self.permissions.may("admin", request)
        pairs = min(FIRST_PAIRS, entry.pairs or FIRST_PAIRS)
        return {
            self.n: pairs,
            self.protocols: gr.update(
                choices=_protocol_choices(entry.protocols), value=[entry.protocols[0]]
            ),
            self.facts: benchmark_facts(entry, local=local),
            self.folder: gr.update(visible=entry.manual_download and local, value=""),
            self.estimate: self.change_size(benchmark, pairs, methods, repeats, request),
            **self.own.choose(task, False),
            self.start: gr.update(interactive=not entry.manual_download),
        }

    def _own_chosen(self, task: str) -> Update:
        """Show the fields of a data set of one's own; it starts once its pairs are checked."""
        names = _own_protocols(task)
        return {
            self.n: gr.update(),
            self.protocols: gr.update(choices=_protocol_choices(names), value=[names[0]]),
            self.facts: "",
            self.folder: gr.update(visible=False, value=""),
            self.estimate: not_checked(),
            **self.own.choose(task, True),
        }

    def change_folder(self, benchmark: str, folder: str | None) -> Any:
        """Let a run start once a benchmark without a source has a folder."""
        if benchmark == OWN:
            return gr.skip()
        named = bool((folder or "").strip())
        return gr.update(interactive=named or not get_benchmark(benchmark).manual_download)

    def change_size(
        self,
        benchmark: str,
        n: float | None,
        methods: list[str],
        repeats: float | None = 1,
        request: gr.Request | None = None,
    ) -> str:
        """Update the estimate for another number of pairs or repeats, or other methods."""
        if benchmark == OWN:
            return not_checked()
        entry, pairs = get_benchmark(benchmark), max(int(n or 1), 1)
        if entry.pairs:
            pairs = min(pairs, entry.pairs)
        limits = self.queue.policy.limits_of(self.permissions.role(request))
        estimate = estimate_run(self.queue.store, entry, pairs, methods, max(int(repeats or 1), 1))
        return estimate_words(estimate, pairs, limits.words())

    def at_arrival(self, request: gr.Request | None = None) -> Update:
        """Show the controls for the visitor's role, and the estimate, when the page is opened."""
        update: Update = {}
        entry = get_benchmark(str(default_benchmark(FIRST_TASK)))
        is_runner = self.permissions.may("runner", request)
        if self.permissions.role(request) != self.permissions.at_first:
            local = self.permissions.may("admin", request)
            update[self.column] = gr.update(visible=is_runner)
            update[self.facts] = benchmark_facts(entry, local=local)
            update[self.own.source] = gr.update(label=source_label(local))
            most = self.queue.policy.limits_of(self.permissions.role(request)).repeats
            update[self.repeats] = gr.update(**repeats_up_to(most))
        if is_runner:
            pairs = min(FIRST_PAIRS, entry.pairs or FIRST_PAIRS)
            methods = default_methods(FIRST_TASK)
            update[self.estimate] = self.change_size(entry.id, pairs, methods, request=request)
        return update

    # ------------------------------------------------------------ the run

    def config(
        self,
        benchmark: str,
        n: float | None,
        seed: float | None,
        methods: list[str],
        protocols: list[str],
        folder: str | None,
        title: str | None,
        task: str = FIRST_TASK,
        repeats: float | None = 1,
        *own: Any,
        local: bool = True,
    ) -> RunConfig:
        """Run configuration from the values of the form; see `custom_benchmark` for `local`.

        Raises:
            InvalidRequest: The benchmark needs a folder, and none is given.
            BenchmarkUnavailable: One's own data set is not described.
        """
        named = (folder or "").strip()
        entry = _entry(self.own, benchmark, task, *own, local=local)
        if entry.manual_download and not named:
            raise InvalidRequest(
                f"{entry.title} is not on the Hub. To use it, {entry.source.layout}, then "
                "name that folder."
            )
        return RunConfig(
            entry,
            tuple(methods),
            tuple(protocols),
            n=None if n is None else int(n),
            seed=int(seed or 0),
            repeats=1 if repeats is None else int(repeats),
            folder=Path(named) if named and entry.manual_download else None,
            title=title or "",
        )


def _entry(own: OwnData, benchmark: str, task: str, *values: Any, local: bool) -> Benchmark:
    """Benchmark that the form names, or the data set that its own fields describe."""
    return (
        own.benchmark(task, *values, local=local) if benchmark == OWN else get_benchmark(benchmark)
    )


def _benchmark_choices(task: str) -> Choices:
    entries = [entry for entry in load_benchmarks().values() if entry.task == task]
    entries.sort(key=lambda entry: (entry.manual_download, entry.source.folder is None))
    return [
        (entry.title + (" · bring your own files" if entry.manual_download else ""), entry.id)
        for entry in entries
    ] + [("Your own data set …", OWN)]


def _method_choices(task: str) -> Choices:
    return [
        (entry.id if entry.title == entry.id else f"{entry.title} · {entry.id}", entry.id)
        for entry in list_methods(task)
        if entry.available
    ]


def _protocol_choices(protocols: tuple[str, ...]) -> Choices:
    return [(PROTOCOLS[name].title, name) for name in (*protocols, PERCEPTUAL.id)]


def _own_protocols(task: str) -> tuple[str, ...]:
    """Protocols of a data set of one's own, the usual one of the task first."""
    if TASKS[task].scale > 1:
        return ("y-sr", "y-crop", "rgb-8bit")
    return ("rgb-8bit", "rgb", "matlab-rgb-3d")
