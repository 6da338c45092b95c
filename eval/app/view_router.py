"""From a link to a filled view of the Evaluate tab, and the header that all views share."""

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr
from markupsafe import Markup

from mirnet.app.auth import Role
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, gradio_error, text_area
from mirnet.errors import MIRNetError

from .html.board import run_head
from .page_files import js
from .report_view import ReportView
from .run_queue import RunQueue
from .view import Part, View, ViewRequest, is_stored, run_choices
from .view_state import VIEWS, ViewState, view_name

NO_RUNS = kit.empty("There is no run yet", "Runs are started under Run.")
NO_RUN = kit.empty("No run is open", "Choose one above, or start one under Run.")


class ViewRouter:
    """Builds the header above the views, opens links, and fills views with the open run.

    `outputs` are the widgets that `shown` writes for the first part of a view, besides the part's.
    """

    report: ReportView
    """View with the choice of protocol and baseline; set once the views are built."""
    all_runs: View
    """View that a link to a run that is not there leads to; set once the views are built."""
    selected: gr.Tabs
    """The tabs of the views; set once they are built."""

    def __init__(self, queue: RunQueue):
        self.queue = queue
        self.view = gr.Textbox("overview", visible=False)  # name of the view that is open
        self.link = gr.Textbox("", visible=False)  # link to open next
        self.address = gr.Textbox("", visible=False)  # link of what is on the screen
        self.message = text_area("ev-message")
        with gr.Row(visible=False, elem_id="ev-head") as self.head:
            self.run = gr.Dropdown(
                choices=run_choices(queue),
                label="Stored run",
                elem_id="ev-run",
                scale=5,
                min_width=260,
            )
            self.copy = gr.Button("Copy link", elem_id="ev-copy", size="md", min_width=110)
        self.about = text_area("ev-about")
        self.outputs = [self.view, self.head, self.run, self.about, self.message, self.address]

    def connect(self) -> None:
        """Connect the run dropdown and the button for links."""
        self.run.input(None, self.run, js=js("open_run"), api_visibility="private")
        self.copy.click(self.copied, None, None, js=js("copy_link"), **PRIVATE)

    def copied(self) -> None:
        """Show a message that the link was copied to the clipboard."""
        gr.Info("The link is copied: whoever opens it sees the same.", duration=4)

    # ------------------------------------------------------------ state

    @property
    def scope(self) -> dict[str, gr.components.Component]:
        """Widgets of the `ViewState` fields that all views share, by field name."""
        return {
            "view": self.view,
            "run": self.run,
            "protocol": self.report.protocol,
            "baseline": self.report.baseline,
        }

    def inputs(self, *views: View) -> list[gr.components.Component]:
        """Widgets whose values form the state of views; `state` takes these values."""
        fields = dict(self.scope)
        for view in views:
            fields |= view.inputs
        return list(fields.values())

    def state(self, values: tuple[Any, ...], *views: View) -> ViewState:
        """Build the state from the values of `inputs`; its view is the first of `views`."""
        fields = dict.fromkeys(self.scope)
        for view in views:
            fields |= dict.fromkeys(view.inputs)
        known = dict(zip(fields, values, strict=True))
        return ViewState.lenient(known | {"view": views[0].name})

    # ------------------------------------------------------------ showing

    @property
    def open_outputs(self) -> list[Any]:
        """Widgets that `open` writes besides those of the view."""
        report, listing = self.report, self.all_runs
        return [
            self.message, self.run, report.protocol, report.baseline, self.view, self.selected,
            self.head, self.about, listing.body, *listing.outputs,
        ]  # fmt: skip

    def open(self, view: View, query: Mapping[str, str], role: Role = "viewer") -> Update:
        """Select a view and set its widgets from a link; `filling` then fills it.

        Choices of the link that the run lacks get their default. If the run does not exist, a
        message is shown above the list of all runs.

        Args:
            view: The view of the link.
            query: Fields of the link.
            role: Role of the visitor.
        """
        state = ViewState.from_query(query).model_copy(update={"view": view.name})
        run_id = state.run or (self.queue.shown_first() if view.needs_run else None)
        message = _unknown_view(query.get("view", ""))
        opened = {self.view: view.name, self.selected: gr.update(selected=view.name)}
        if not run_id:
            return opened | {self.message: message} | view.place(state, None)
        try:
            stored = self.queue.stored(run_id)
            run, pairs = stored.header(), stored.pairs()
        except MIRNetError as error:
            return self._to_all_runs(kit.note(str(error), warn=True), role)
        state = state.for_run(run)
        if state.pair is not None and state.pair not in pairs:
            message = kit.note(f"This run has no picture {state.pair[:60]!r}: here is another.")
            state = state.model_copy(update={"pair": None, "which": "gain"})
        return opened | {
            self.message: message,
            self.run: gr.update(choices=run_choices(self.queue), value=run.id),
            **self.report.scope(state, run),
            **view.place(state, run),
        }

    def _to_all_runs(self, words: Markup, role: Role) -> Update:
        """Open the list of all runs with a message, and close the run that was open."""
        listing = self.all_runs
        update: Update = {
            self.message: words,
            self.run: gr.update(choices=run_choices(self.queue), value=None),
            self.view: listing.name,
            self.selected: gr.update(selected=listing.name),
            self.head: gr.update(visible=listing.shows_head),
            self.about: "",
            **listing.show_body(True),
        }
        for filled in listing.fill_without_run(ViewState(view=listing.name), role):
            update |= filled
        return update

    def shown(
        self, view: View, part: Part, asked: ViewState, role: Role, may_annotate: bool = False
    ) -> Iterator[Update]:
        """Fill a part; the first part of a view also shows the head of the run."""
        header: Update = {
            self.view: view.name,
            self.head: gr.update(visible=view.shows_head),
            self.about: "",
            self.address: asked.query(),
            **view.show_body(True),
        }
        try:
            if not asked.run or not view.of_run:
                if view.needs_run:
                    header[self.about] = NO_RUN if self.queue.shown_first() else NO_RUNS
                    header |= view.show_body(False)
                if part is view:
                    yield header
                yield from part.fill_without_run(asked, role)
                return
            found = self.queue.status(asked.run)
            state = asked.for_run(found.run)
            address = {self.address: state.query()}
            yield header | address | {self.about: run_head(found)} if part is view else address
            stored = self.queue.stored(asked.run)
            yield from part.fill(ViewRequest(stored, found, asked, state, role, may_annotate))
        except MIRNetError as error:
            yield self._failed(view, part, asked, str(error))
            if part is view and not view.needs_run:
                yield view.show_body(True)
                yield from part.fill_without_run(asked, role)
        except Exception as error:
            told = gradio_error(error)
            yield self._failed(view, part, asked, told.message)
            raise told from error

    def _failed(self, view: View, part: Part, asked: ViewState, words: str) -> Update:
        """Say why a part cannot be filled, and show nothing of what it held before.

        A run that is gone is not chosen any more; a damaged one stays chosen.
        """
        if part is not view:
            return part.failed(kit.note(words, warn=True))
        gone = bool(asked.run) and not is_stored(self.queue, asked.run)
        if gone:
            words += " It may have been deleted: choose another one above."
        update: Update = {
            self.head: gr.update(visible=True),
            self.about: kit.note(words, warn=True),
            **view.show_body(False),
        }
        if gone:
            update[self.run] = gr.update(choices=run_choices(self.queue), value=None)
        elif asked.run:
            update[self.run] = gr.update(choices=run_choices(self.queue, asked.run))
        return update

    def unchanged(self) -> Update:
        """An update that changes nothing; without a yield, Gradio would clear all outputs."""
        return {self.address: gr.skip()}


def _unknown_view(name: str) -> Any:
    """A note about an unknown view in a link; empty if the view exists."""
    if not name or view_name(name) in VIEWS:
        return ""
    return kit.note(f"Unknown view: {name[:40]!r}. This is the report.")
