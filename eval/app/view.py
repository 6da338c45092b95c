"""Base classes and helpers shared by the views of the Evaluate tab."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import gradio as gr
from markupsafe import Markup

from eval.analysis.pictures import INPUT, TARGET
from eval.analysis.run_comparison import run_label
from eval.runs.document import Run
from eval.runs.recorded import recorded_headers
from eval.runs.store import StoredRun
from mirnet.app.auth import Role
from mirnet.app.kit.widgets import Update
from mirnet.errors import InvalidRequest
from mirnet.metrics.protocols import shown_metrics

from .html.board import method_label
from .run_queue import RunQueue
from .run_status import Snapshot
from .view_state import ViewState

NO_BODY = "ev-no-body"
"""Class of the column of a view whose widgets are hidden."""
Choices = list[tuple[str, str]]
"""Choices of a dropdown: title and value of each."""


class ViewRequest(NamedTuple):
    """A request to fill a view."""

    stored: StoredRun
    """The open run."""
    found: Snapshot
    """Snapshot of the open run."""
    asked: ViewState
    """State of the widgets."""
    state: ViewState
    """State of the widgets, made valid for the run."""
    role: Role
    """Role of the visitor who sent the request."""
    may_annotate: bool = False
    """Whether the visitor may write tags, notes and selections of the run."""


class Part:
    """Widgets that are filled by one event.

    `outputs` are what `fill` writes; `triggers` are the events of widgets after which the part is
    filled again.
    """

    outputs: list[gr.components.Component]
    triggers: Sequence[Any] = ()

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Fill the part for a request.

        Raises:
            MIRNetError: The request cannot be shown; the tab shows the message in its place.
        """
        raise NotImplementedError

    def fill_without_run(self, state: ViewState, role: Role) -> Iterator[Update]:
        """Fill the part when no run is open; by default it stays as it is."""
        yield from ()

    def failed(self, words: Markup) -> Update:
        """Say in place of the part's content why it cannot be shown.

        Args:
            words: The sentence.
        """
        raise NotImplementedError


class View(Part):
    """One view of the tab: builds its widgets inside the current layout, and fills them.

    `inputs` are the widgets of `ViewState` fields, by field name. `rows` are tables with clickable
    rows, each with a function that maps the current state and the cells of the clicked row to the
    state to open.
    """

    name: ClassVar[str]
    """Name in links; a key of `view_state.VIEWS`."""
    needs_run: ClassVar[bool] = True
    """Whether the view needs an open run."""
    of_run: ClassVar[bool] = True
    """Whether the view is filled from the open run, if there is one."""
    shows_head: ClassVar[bool] = True
    """Whether the header of the open run is shown above the view."""

    body: gr.Column
    """Holds all widgets of the view; set once the view is built."""

    def __init__(self, queue: RunQueue):
        self.queue = queue
        self.inputs: dict[str, gr.components.Component] = {}
        self.rows: list[tuple[gr.Dataframe, Callable[[ViewState, list[Any]], ViewState]]] = []

    def show_body(self, shown: bool) -> Update:
        """Show the widgets of the view, or none of them where there is nothing to show in them.

        The style sheet hides them: Gradio forgets which of the widgets in a column were hidden
        themselves when the column comes back.
        """
        return {self.body: gr.update(elem_classes=[] if shown else [NO_BODY])}

    @property
    def parts(self) -> list[Part]:
        """Parts filled concurrently, each by its own event; the first is the view itself."""
        return [self]

    def place(self, state: ViewState, run: Run | None) -> Update:
        """Set the widgets of `inputs` to a state.

        Args:
            state: State that is valid for the run.
            run: The open run; None only if `needs_run` is false.
        """
        return {}


def metric_choices(run: Run | None, protocol: str | None) -> Choices:
    """Metrics that a run has under a protocol, its first one by default, as (title, key)."""
    name = protocol or (run.protocol if run else "")
    return [(metric.label, metric.key) for metric in shown_metrics(name)]


def method_choices(run: Run) -> Choices:
    """Choices of a run's methods."""
    return [(method_label(method), method.id) for method in run.methods]


def picture_choices(run: Run) -> Choices:
    """Choices of a run's pictures: input, methods and target."""
    return [("Input", INPUT), *method_choices(run), ("Target", TARGET)]


def settle(
    choices: Choices,
    asked: str | Sequence[str] | None,
    valid: str | Sequence[str] | None,
    **more: Any,
) -> Any:
    """Update a dropdown's choices, and its value only if the current one is not valid.

    The visitor may change the value while the event runs, and that change must not be lost. A value
    that is no longer offered must not stay: Gradio refuses every event that sends it.

    Args:
        choices: New choices.
        asked: Value that the browser sent; several, in their order, of a dropdown of several.
        valid: Valid value for this run, of the same type.
        more: Other properties of the widget.
    """
    if asked != valid:
        more["value"] = valid
    return gr.update(choices=choices, **more)


def run_choices(queue: RunQueue, chosen: str | None = None) -> Choices:
    """Choices of stored runs, newest first, then the recorded ones.

    Args:
        queue: Queue and store of the runs.
        chosen: Id of the run that the list is set to, where its value stays as it is. It is offered
            even if it is deleted or damaged: Gradio refuses each event that sends a value outside
            the choices, and shows the refusal in words of its own.
    """
    rows: list[tuple[Run, str]] = [*queue.history()]
    rows += [(run, "recorded by us") for run in recorded_headers()]
    found = [(f"{run_label(run)} · {state}", run.id) for run, state in rows]
    if chosen and chosen not in [run_id for _, run_id in found]:
        state = "damaged" if is_stored(queue, chosen) else "deleted"
        found.append((f"{chosen} · {state}", chosen))
    return found


def is_stored(queue: RunQueue, run_id: str | None) -> bool:
    """Whether there is a run with an id, damaged or not."""
    try:
        queue.stored(str(run_id))
    except InvalidRequest:
        return False
    return True
