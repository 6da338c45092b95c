"""Inputs of the tab: task, photo or example, weights, and the button that starts a pass."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.tasks import TASKS, get_task
from mirnet.weights import catalogue
from mirnet.weights import load as weights

from ..examples import examples_for
from ..jobs import choose_weights
from ..kit import html
from ..kit.widgets import PRIVATE, Update, gradio_error
from ..photo_inputs import examples_gallery, examples_of, photo_file
from .trace_cache import TraceCache


class InputView:
    """The left column with the inputs.

    Args:
        traces: Runs passes through networks and keeps their records.
        key: State that receives the key of the newest pass.
    """

    def __init__(self, traces: TraceCache, key: gr.State) -> None:
        self.traces, self.key = traces, key
        first = next(iter(TASKS))
        self.chosen = gr.State(None)  # path of the photo
        self.first_key = gr.State(None)  # key of the pass that runs when the tab is opened
        self.task = gr.Dropdown(
            [(task.title, task.id) for task in TASKS.values()],
            value=first,
            label="Network for",
            filterable=False,
            elem_id="inside-task",
        )
        self.photo = photo_file("Photo", "inside-photo")
        self.samples = examples_gallery(first, "Or an example", "inside-samples", height=150)
        self.weights = gr.Dropdown(
            **self._offers(first), label="Weights", filterable=False, elem_id="inside-weights"
        )
        self.note = gr.HTML(self._note(first))
        self.go = gr.Button("Look inside", variant="primary", elem_id="inside-go")
        self.bar = gr.HTML("", elem_id="inside-bar")
        self.offers = [self.weights, self.note, self.go]

    def connect(self, tab: gr.Tab) -> None:
        """Connect the events of the view itself.

        Args:
            tab: The tab; opening it refreshes the list of weights on this machine.
        """
        # The chosen weights are not an input of these events: Gradio rejects a value that another
        # of them has just removed from the list.
        self.task.input(
            self.change_task,
            self.task,
            [*self.offers, self.samples],
            trigger_mode="always_last",
            **PRIVATE,
        )
        tab.select(self.refresh, self.task, self.offers, **PRIVATE)

    def photo_events(self) -> tuple[gr.events.Dependency, gr.events.Dependency]:
        """Connect the inputs.

        Returns:
            The events after which `chosen` holds the visitor's own photo, and an example.
        """
        outputs = [self.chosen, self.key, self.bar, self.photo]
        come = [self.photo.upload, self.photo.clear]
        own = gr.on(come, self.take, self.photo, outputs, **PRIVATE)
        return own, self.samples.select(self.take_example, self.task, outputs, **PRIVATE)

    def open_after(self, tab: gr.Tab) -> gr.events.Dependency:
        """Look at an example when the tab is first opened.

        Returns:
            The event after which `first_key` is the key of that pass, or None if there is none.
        """
        return tab.select(
            self.open_first,
            [self.chosen, self.task, self.weights],
            [self.chosen, self.key, self.first_key, self.bar, self.go],
            concurrency_id="model",
            concurrency_limit=2,
            **PRIVATE,
        )

    def start_after(self, event: Any) -> gr.events.Dependency:
        """Run a pass after an event; returns the event that sets the key of the pass.

        Args:
            event: Gradio method that registers the listener: `button.click`, or
                `dependency.success`.
        """
        pressed = event(self.queue_up, None, [self.bar, self.go], queue=False, **PRIVATE)
        return pressed.then(
            self.look,
            [self.chosen, self.task, self.weights],
            [self.key, self.bar, self.go],
            concurrency_id="model",
            concurrency_limit=2,
            **PRIVATE,
        )

    def take(self, path: str | None) -> Update:
        """Store the path of an added photo, or None after its removal."""
        return {self.chosen: path, self.key: None, self.bar: ""}

    def take_example(self, task_id: str, event: gr.SelectData) -> Update:
        """Store the path of the clicked example."""
        example = examples_for(task_id)[int(event.index)]
        return self.take(str(example.path)) | {self.photo: None}

    @staticmethod
    def forget(path: str | None) -> Any:
        """Clear the photo after it could not be read, unless a newer one is chosen."""
        return None if path is None else gr.skip()

    def change_task(self, task_id: str) -> Update:
        """Update the weights and examples for a task."""
        offers = self._offers(task_id)
        return {
            self.weights: gr.update(**offers),
            self.note: self._note(task_id),
            self.go: gr.update(interactive=bool(offers["choices"])),
            self.samples: gr.update(**examples_of(task_id)),
        }

    def refresh(self, task_id: str) -> Update:
        """Refresh the list of weights when the tab is opened."""
        choices = self._offers(task_id)["choices"]
        return {
            self.weights: gr.update(choices=choices),
            self.note: self._note(task_id),
            self.go: gr.update(interactive=bool(choices)),
        }

    def queue_up(self) -> Update:
        """Show that the pass is queued, after a click on Look inside."""
        return {
            self.bar: html.progress("Waiting for a turn …"),
            self.go: gr.update(interactive=False),
        }

    def open_first(
        self, path: str | None, task_id: str, weights_id: str | None
    ) -> Iterator[Update]:
        """Run a pass on an example when the tab is first opened, unless a photo is chosen.

        Raises:
            gr.Error: The pass failed by a fault of the program.
        """
        examples = examples_for(task_id)
        if path is not None or not examples or not weights_id:
            yield {self.first_key: None}
            return
        example = str(examples[0].path)
        yield self.queue_up() | {self.bar: html.progress("One pass through the network …")}
        idle = {self.go: gr.update(interactive=True)}
        try:
            key = self.traces.of_example(example, task_id, choose_weights(task_id, weights_id))
        except MIRNetError:  # the visitor did not request this pass
            yield idle | {self.bar: "", self.first_key: None}
            return
        except Exception as error:
            failure = gradio_error(error)
            yield idle | {self.bar: html.state(failure.message, "failed"), self.first_key: None}
            raise failure from error
        done = html.state("Done.", "done")
        yield idle | {
            self.chosen: example, self.key: key, self.first_key: key, self.bar: done
        }  # fmt: skip

    def look(self, path: str | None, task_id: str, weights_id: str | None) -> Iterator[Update]:
        """Run the photo through the network and keep the recorded pass.

        Raises:
            gr.Error: There is no photo, or the pass fails.
        """
        idle = {self.go: gr.update(interactive=True)}
        try:
            if path is None:
                raise InvalidRequest("Add a photo or click an example first.")
            chosen = choose_weights(task_id, weights_id)
            yield {self.bar: html.progress("One pass through the network …")}
            found = self.traces.run(path, task_id, chosen)
        except Exception as error:
            failure = gradio_error(error)
            yield idle | {self.bar: html.state(failure.message, "failed")}
            raise failure from error
        yield idle | {self.key: self.traces.put(found), self.bar: html.state("Done.", "done")}

    @staticmethod
    def _offers(task_id: str) -> dict[str, Any]:
        """Choices of a task's weights on this machine; the first is selected."""
        here = [e for e in catalogue.entries_for(task_id) if weights.locate(e.id) is not None]
        return {
            "choices": [(entry.title, entry.id) for entry in here],
            "value": here[0].id if here else None,
        }

    def _note(self, task_id: str) -> str:
        if self._offers(task_id)["choices"]:
            words = "The authors' networks can be chosen once Restore has downloaded them."
        else:
            title = get_task(task_id).title
            words = f"No weights for “{title}” are on this machine: download some in Restore."
        return html.small(words)
