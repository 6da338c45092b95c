"""Tags, note and selections of the open picture: shown to all, changed by those who may."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from eval.analysis.pictures import MAX_PAIRS
from eval.runs.annotations import (
    MAX_NAME,
    MAX_NOTE,
    MAX_TAGS,
    NoteChanged,
    add_to_selection,
    delete_selection,
    notes_of,
    remove_from_selection,
    selections_of,
    store_note,
    store_selection,
    tags_of,
    time_of,
)
from eval.runs.store import RecordedRun, StoredRun
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, text_area, translate_faults
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.number_format import counted

from .html.notes import written
from .permissions import Permissions
from .run_queue import RunQueue
from .view import Part, View, ViewRequest
from .view_state import ViewState

if TYPE_CHECKING:
    from .events import ViewEvents

ChoosePairs = Callable[[StoredRun, ViewState], list[str]]
"""Function that returns the ids of the pairs that a state selects."""
BUTTONS = {
    "shown": "Save the shown pictures",
    "add": "Add this picture",
    "remove": "Remove this picture",
    "delete": "Delete the selection",
}
"""Titles of the changes of a selection."""


class NotesForm(Part):
    """Builds what is written about the open picture, and the panel that changes it.

    Args:
        queue: Queue and store of the runs.
        permissions: Rights of visitors on runs.
        choose: Function that returns the ids of the pairs that a state selects.
    """

    def __init__(self, queue: RunQueue, permissions: Permissions, choose: ChoosePairs):
        self.queue = queue
        self.permissions = permissions
        self.choose = choose
        self.written = text_area("ev-written")
        self.opened = gr.State(("", ""))  # run and pair that are open
        with gr.Accordion(
            "Tags, note and selections", open=False, visible=False, elem_id="ev-notes"
        ) as self.panel:
            self.of = gr.Textbox("", visible=False)  # RUN/PAIR that the fields belong to
            self.read = gr.Textbox("", visible=False)  # time of the note that was loaded
            with gr.Row(elem_id="ev-note-fields"):
                self.tags = gr.Dropdown(
                    [], value=[], multiselect=True, allow_custom_value=True,
                    max_choices=MAX_TAGS, label="Tags of this picture: choose, or type and Enter",
                    min_width=240, elem_id="ev-tags",
                )  # fmt: skip
                self.note = gr.Textbox(
                    "", label="Note", max_length=MAX_NOTE, lines=1, min_width=240,
                    elem_id="ev-note",
                )  # fmt: skip
                self.save = gr.Button(
                    "Save", size="md", min_width=90, scale=0, elem_id="ev-note-save"
                )
            with gr.Row(elem_id="ev-selection-fields"):
                self.selection = gr.Dropdown(
                    [], value=None, allow_custom_value=True, min_width=240,
                    label=f"Selection: choose, or type a name of at most {MAX_NAME} characters",
                    elem_id="ev-selection",
                )  # fmt: skip
                self.buttons = {
                    name: gr.Button(
                        title, size="md", min_width=110, scale=0, elem_id=f"ev-selection-{name}"
                    )
                    for name, title in BUTTONS.items()
                }
        self.line = text_area("ev-noted")
        self.outputs = [self.written, self.panel, self.opened, self.tags, self.selection]

    def connect(self, events: "ViewEvents", view: View) -> None:
        """Connect the buttons; the view is filled again after each change.

        The fields are loaded only for another picture or run: what is typed outlives a refused
        change, and a change of a selection.
        """
        self.opened.change(
            self.load,
            self.opened,
            [self.of, self.read, self.tags, self.note, self.line],
            trigger_mode="always_last",
            **PRIVATE,
        )
        saved = self.save.click(
            self.save_note, [self.of, self.read, self.tags, self.note],
            [self.read, self.line], **PRIVATE,
        )  # fmt: skip
        events.fill(view, saved)
        for change, button in self.buttons.items():
            changed = button.click(
                self.changing(change, lambda values: events.router.state(values, view)),
                [self.selection, self.of, *events.router.inputs(view)],
                self.line,
                **PRIVATE,
            )
            events.fill(view, changed)

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show what is written about the open picture, and the panel to whoever may write."""
        stored, state = request.stored, request.state
        pair = state.pair or next(iter(self.choose(stored, state)), "")
        notes, selections = notes_of(stored), selections_of(stored)
        may_write = request.may_annotate and bool(pair) and not isinstance(stored, RecordedRun)
        yield {
            self.written: written(notes.get(pair), selections, pair, state),
            self.panel: gr.update(visible=may_write),
            self.opened: (stored.id, pair),
            self.tags: gr.update(choices=list(tags_of(notes))),
            self.selection: gr.update(choices=list(selections)),
        }

    def failed(self, words: Markup) -> Update:
        """Say why nothing can be written about the picture."""
        return {self.written: words, self.panel: gr.update(visible=False)}

    def load(self, opened: tuple[str, str]) -> Update:
        """Set the fields to what is stored on a picture that was opened.

        Args:
            opened: Id of the run, and of the pair.
        """
        run_id, pair = opened
        own = None
        with contextlib.suppress(MIRNetError), translate_faults():  # MIRNetError: deleted meanwhile
            own = notes_of(self.queue.stored(run_id)).get(pair)
        return {
            self.of: f"{run_id}/{pair}",
            self.read: time_of(own),
            self.tags: list(own.tags) if own else [],
            self.note: own.note if own else "",
            self.line: "",
        }

    def save_note(
        self,
        of: str | None,
        read: str | None,
        tags: list[str] | None,
        note: str | None,
        request: gr.Request,
    ) -> Update:
        """Store tags and note of a picture, and say so.

        What somebody else has stored since the fields were loaded is not replaced at once: it is
        shown, what is typed stays, and saving again replaces what was shown.

        Args:
            of: The picture as RUN/PAIR: another run may be chosen meanwhile.
            read: `time_of` the note that the fields were loaded from, or that was shown since.
        """
        run_id, _, pair = str(of or "").partition("/")
        try:
            with translate_faults():
                self.permissions.require_annotator(run_id, request)
                stored = self.queue.stored(run_id)
                made = store_note(stored, pair, tags or [], note or "", read or "")
        except NoteChanged as error:
            words = f"{error} Your text is kept in the fields: press Save again to replace theirs."
            return {self.read: time_of(error.newer), self.line: kit.state(words, "failed")}
        except MIRNetError as error:
            return {self.line: kit.state(str(error), "failed")}
        kept = made if made.tags or made.note else None
        saved = kit.state(f"Tags and note of {pair} are saved.", "done")
        return {self.read: time_of(kept), self.line: saved}

    def changing(
        self, change: str, state_of: Callable[[tuple[Any, ...]], ViewState]
    ) -> Callable[..., Markup]:
        """Make the handler of one of `BUTTONS`.

        Args:
            state_of: Builds the state from the values of the view's widgets.
        """

        def changed(name: str | None, of: str | None, request: gr.Request, *values: Any) -> Markup:
            run_id, _, pair = str(of or "").partition("/")
            state = state_of(values).model_copy(update={"run": run_id})
            try:
                with translate_faults():
                    self.permissions.require_annotator(run_id, request)
                    said = self._change(change, str(name or ""), pair, state)
            except MIRNetError as error:
                return kit.state(str(error), "failed")
            return kit.state(said, "done")

        return changed

    def _change(self, change: str, typed: str, pair: str, state: ViewState) -> str:
        """Change a selection; returns what to say about it."""
        stored = self.queue.stored(str(state.run))
        if change == "add":
            made = add_to_selection(stored, typed, pair)
        elif change == "remove":
            made = remove_from_selection(stored, typed, pair)
        elif change == "delete":
            made = delete_selection(stored, typed)
        else:
            pairs = self.choose(stored, state.for_run(stored.header()))[:MAX_PAIRS]
            if not pairs:
                raise InvalidRequest("No picture is shown: change the choice first.")
            made = store_selection(stored, typed, pairs)
        if not made.pairs:
            return f"Selection {made.name} is deleted."
        return f"Selection {made.name} has {counted(len(made.pairs), 'picture')}."
