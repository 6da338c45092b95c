"""The Compare methods tab: several methods on one photo, in one synchronised view.

It is a tab of `eval.app`, because the classical methods are those of the evaluation, which `mirnet`
does not know: app.py puts it beside Restore. Nothing is scored or stored.
"""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from eval.methods.one_photo import (
    MAX_METHODS,
    MIN_METHODS,
    OWN_NETWORK,
    UsedPhoto,
    check_choice,
    offered_methods,
    run_methods,
    title_of_own,
)
from mirnet.app.auth import Access
from mirnet.app.jobs import Run, Runs
from mirnet.app.kit import html as kit
from mirnet.app.kit.assets import ASSETS as SHARED
from mirnet.app.kit.assets import script
from mirnet.app.kit.widgets import (
    IN_PHOTO_QUEUE,
    PRIVATE,
    Update,
    gradio_error,
    translate_faults,
)
from mirnet.app.photo_reader import PhotoReader
from mirnet.app.queue import FairQueue
from mirnet.errors import Cancelled, MIRNetError
from mirnet.tasks import TASKS, get_task

from .methods_photo import PhotoView, first_example
from .methods_stage import Comparison, MethodsStage
from .own_network import OwnNetwork
from .page_files import TEMPLATES, js

FIRST_BASELINES = 2
"""Number of classical methods that are chosen at first."""
NOT_FIRST = ("identity", "bm3d", "real-esrgan")
"""Ids of methods that are not chosen at first: they show nothing, or take long."""


class MethodsTab:
    """Builds the tab inside the current `gr.Blocks`.

    Args:
        page: The page that is being built.
        tab: The tab that is being built; an example is shown when it is first opened.
        reader: Reads the photos.
        access: Roles of visitors, which decide who may add a network; by default everybody.
    """

    def __init__(
        self, page: gr.Blocks, tab: gr.Tab, reader: PhotoReader, access: Access | None = None
    ) -> None:
        self.reader = reader
        self.access = access or Access("admin")
        self.runs = Runs()
        self.queue = FairQueue(small_at_once=1)
        gr.HTML(TEMPLATES.render("methods_head"))
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300, elem_id="methods-controls"):
                self._build_inputs()
            with gr.Column(
                scale=9, min_width=320, elem_id="methods-stage", elem_classes=["sync-stage"]
            ):
                self.stage = MethodsStage()
        self._connect(page, tab)

    def _build_inputs(self) -> None:
        first = next(iter(TASKS))
        self.task = gr.Dropdown(
            [(task.title, task.id) for task in TASKS.values()],
            value=first,
            label="Task",
            filterable=False,
            elem_id="methods-task",
        )
        self.line = gr.HTML("", elem_id="methods-line", render=False)
        self.photo = PhotoView(self.reader, first, self.line)
        self.methods = gr.CheckboxGroup(
            **self._offers(first),
            label=f"Methods, {MIN_METHODS} to {MAX_METHODS}",
            elem_id="methods-choice",
        )
        self.own = OwnNetwork(self.access)
        self.blind = gr.Checkbox(
            False, label="Blind: hide the names until I have voted", elem_id="methods-blind"
        )
        with gr.Row(elem_id="methods-buttons"):
            self.go = gr.Button("Compare", variant="primary", elem_id="methods-go", min_width=120)
            self.stop = gr.Button("Stop", interactive=False, elem_id="methods-stop", min_width=80)
        self.line.render()

    def _connect(self, page: gr.Blocks, tab: gr.Tab) -> None:
        page.load(None, js=js("picture_zoom"), api_visibility="private")
        status = [self.line, self.go, self.stop]
        stage = self.stage
        shown = stage.outputs
        tab.select(
            self.first_sight, [self.task, self.photo.path, stage.comparison], shown, **PRIVATE
        )
        tab.select(self.own.offer, None, self.own.file, **PRIVATE)
        tried = gr.on([self.own.file.upload, self.own.file.clear], self.take_network, self.own.file,
                      [self.own.settings, self.own.file, self.line], **PRIVATE)  # fmt: skip
        # The task and the ticks may change while the network is tried.
        tried.then(self.offer_network, [self.own.settings, self.task, self.methods], self.methods,
                   **PRIVATE)  # fmt: skip
        self.task.input(
            self.change_task,
            [self.task, self.own.settings],
            [self.methods, self.photo.samples, *self.photo.outputs, *shown],
            trigger_mode="always_last",
            **PRIVATE,
        )
        self.photo.connect(self.task, stage)
        pressed = self.go.click(self.queue_up, None, status, queue=False, **PRIVATE)
        compared = pressed.then(
            self.compare,
            [self.photo.path, self.task, self.methods, self.blind, self.own.settings],
            [*status, *shown],
            **IN_PHOTO_QUEUE,
        )
        show = script(SHARED / "show_stage.js", place="#methods-stage")
        compared.success(None, js=show, api_visibility="private")
        self.stop.click(self.halt, None, self.line, queue=False, **PRIVATE)
        stage.vote.input(stage.reveal, [stage.vote, stage.comparison], shown, **PRIVATE)

    # ------------------------------------------------------------ inputs

    @staticmethod
    def _offers(task_id: str, own: dict[str, Any] | None = None) -> dict[str, Any]:
        """Choices of a task's methods on this machine, and those that are chosen at first.

        Args:
            task_id: Id of the task.
            own: Settings of the visitor's own network, which is chosen too; None without one.
        """
        offered = offered_methods(task_id)
        baselines = [one.id for one in offered if one.kind == "baseline"]
        classical = [name for name in baselines if name not in NOT_FIRST][:FIRST_BASELINES]
        default = get_task(task_id).default_weights
        ours = [one.id for one in offered if one.id == default]
        added = [(title_of_own(own), OWN_NETWORK)] if own else []
        return {
            "choices": [*((one.title, one.id) for one in offered), *added],
            "value": ours + classical + [name for _, name in added],
        }

    def take_network(self, path: str | None, request: gr.Request) -> Update:
        """Try the network of an added file; say at once why it cannot be used."""
        try:
            with translate_faults():
                own, line = self.own.take(path, request), ""
        except MIRNetError as error:
            own, line = None, kit.state(str(error), "failed")
        update = {self.own.settings: own, self.line: line}
        return update | ({self.own.file: None} if line else {})

    def offer_network(
        self, own: dict[str, Any] | None, task_id: str, chosen: list[str] | None
    ) -> Update:
        """Offer a network that was tried and choose it besides the others; without one, none."""
        others = [name for name in chosen or [] if name != OWN_NETWORK]
        value = [*others, OWN_NETWORK] if own else others
        return {self.methods: gr.update(**self._offers(task_id, own) | {"value": value})}

    def change_task(self, task_id: str, own: dict[str, Any] | None) -> Update:
        """Offer the methods and examples of another task, and show its first example."""
        methods = {self.methods: gr.update(**self._offers(task_id, own))}
        return methods | self.photo.change_task(task_id)

    # ------------------------------------------------------------ showing

    def first_sight(self, task_id: str, path: str | None, comparison: Comparison | None) -> Update:
        """Show an example before and after when the tab is opened, unless a photo is there."""
        if path is not None or comparison is not None:
            return {self.stage.about: gr.skip()}
        return self.stage.show_example(task_id)

    # ------------------------------------------------------------ comparing

    def queue_up(self) -> Update:
        """Show that the comparison is queued, after a click on Compare."""
        return {
            self.line: kit.progress("Waiting for a turn …"),
            self.go: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
        }

    def halt(self, request: gr.Request) -> Update:
        """Stop the visitor's comparison after the method under way."""
        if self.runs.stop(str(request.session_hash)) is None:
            return {self.line: kit.state("Nothing is under way.")}
        return {self.line: kit.progress("Stopping after the method under way …")}

    def compare(
        self,
        path: str | None,
        task_id: str,
        method_ids: list[str],
        blind: bool,
        own: dict[str, Any] | None,
        request: gr.Request,
    ) -> Iterator[Update]:
        """Run the chosen methods on the photo, or on the task's example if there is none."""
        visitor = str(request.session_hash)
        run = self.runs.begin(visitor)
        idle = {self.go: gr.update(interactive=True), self.stop: gr.update(interactive=False)}
        try:
            ids = check_choice(method_ids, task_id, own)
            if OWN_NETWORK in ids:
                self.own.require_operator(request)
            chosen = path or first_example(task_id)
            used = yield from self.photo.read(chosen, task_id, visitor, "comparison", run)
            with self.queue.enter(visitor, used.picture.megapixels, len(ids)) as entry:
                run.entry = entry
                for position in entry.positions():
                    yield self.photo.waiting(position)
                yield from self._run(used, task_id, ids, blind, own, run)
        except Cancelled:
            yield {self.line: gr.skip() if run.replaced else kit.state("Stopped.")}
        except MIRNetError as error:
            yield {self.line: kit.state(str(error), "failed")}
        except Exception as error:
            told = gradio_error(error, run.id)
            yield idle | {self.line: kit.state(told.message, "failed")}
            raise told from error
        finally:
            self.runs.end(visitor, run)
        if not run.replaced:
            yield idle

    def _run(
        self,
        used: UsedPhoto,
        task_id: str,
        ids: list[str],
        blind: bool,
        own: dict[str, Any] | None,
        run: Run,
    ) -> Iterator[Update]:
        task, done = get_task(task_id), []
        titles = {name: title for title, name in self._offers(task_id, own)["choices"]}
        results = run_methods(used, task, ids, own)
        about = {self.stage.about: kit.facts(used.words)} if used.words else {self.stage.about: ""}
        yield self.stage.show_input(used) | about
        for number, name in enumerate(ids):
            now = f"{number + 1} of {len(ids)}" + ("" if blind else f" · {titles[name]}")
            yield {self.line: kit.progress(now, number / len(ids))}
            result = next(results)
            if run.stopped or run.replaced:
                raise Cancelled("Stopped: press Compare again.")
            done.append(result)
            if not blind:
                yield self.stage.show_named(done)
        words = " ".join(one.error for one in done if one.error)
        line = kit.state(words, "failed") if words else kit.state("Done.", "done")
        if blind:
            yield self.stage.show_hidden(used, done) | {self.line: line}
        else:
            yield {self.line: line}
