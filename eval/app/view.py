"""What the views of the Evaluate tab have in common."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import gradio as gr

from eval.analysis.pictures import INPUT, TARGET
from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.app.auth import Role
from mirnet.app.kit.widgets import Update

from .html.board import method_label
from .run_queue import RunQueue
from .snapshot import Snapshot
from .view_state import ViewState

Choices = list[tuple[str, str]]
"""Titles and values of a list to choose from."""


class ViewRequest(NamedTuple):
    """What a view is asked to show."""

    stored: StoredRun
    """The run that is open."""
    found: Snapshot
    """State of that run."""
    asked: ViewState
    """State as the widgets have it."""
    state: ViewState
    """The same state, made valid for the run."""
    role: Role
    """Of the visitor."""


class Part:
    """Widgets that are filled by one event.

    `outputs` are what `fill` writes; `triggers` are the events of widgets after which the part is
    filled again.
    """

    outputs: list[gr.components.Component]
    triggers: Sequence[Any] = ()

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show what is asked for.

        Raises:
            MIRNetError: It cannot be shown; the tab says why.
        """
        raise NotImplementedError


class View(Part):
    """One view of the tab: builds its widgets inside the current layout, and fills them.

    `inputs` are the widgets that hold fields of `ViewState`, by field. `rows` are tables whose rows
    lead elsewhere, each with the function that gives the state to show from the present one and
    the cells of the row.
    """

    name: ClassVar[str]
    """Name in links; a key of `view_state.VIEWS`."""
    needs_run: ClassVar[bool] = True
    """Whether nothing can be shown while no run is open."""
    shows_head: ClassVar[bool] = True
    """Whether the head of the open run stands above the view."""

    def __init__(self, queue: RunQueue):
        self.queue = queue
        self.inputs: dict[str, gr.components.Component] = {}
        self.rows: list[tuple[gr.Dataframe, Callable[[ViewState, list[Any]], ViewState]]] = []

    @property
    def parts(self) -> list[Part]:
        """Parts that are filled at once, each by its own event; the view itself is the first."""
        return [self]

    def place(self, state: ViewState, run: Run | None) -> Update:
        """Put a state into the widgets of `inputs`.

        Args:
            state: Valid for the run.
            run: The open run; None only where `needs_run` is false.
        """
        return {}


def method_choices(run: Run) -> Choices:
    """The methods of a run to choose from."""
    return [(method_label(method), method.id) for method in run.methods]


def picture_choices(run: Run) -> Choices:
    """Input, methods and target of a run to choose from."""
    return [("Input", INPUT), *method_choices(run), ("Target", TARGET)]


def settle(choices: Choices, asked: str | None, valid: str | None, **more: Any) -> Any:
    """Update a list to choose from; its value is left alone where it was valid.

    While an event is under way somebody may have chosen again, and that choice must stay.

    Args:
        choices: What the list offers.
        asked: The value that the browser sent.
        valid: The value for this run.
        more: Other properties of the widget.
    """
    if asked != valid:
        more["value"] = valid
    return gr.update(choices=choices, **more)


def run_choices(queue: RunQueue, other_than: str | None = None) -> Choices:
    """Stored runs to choose from, newest first.

    Args:
        queue: Has the runs.
        other_than: Id of a run that is left out; runs of its benchmark come first.
    """
    rows = queue.history()
    bench = next((run.benchmark.id for run, _ in rows if run.id == other_than), None)
    if bench is not None:
        rows.sort(key=lambda row: row[0].benchmark.id != bench)
    return [
        (f"{run.name} · {run.created:%Y-%m-%d %H:%M} · {state}", run.id)
        for run, state in rows
        if run.id != other_than
    ]
