"""Choice of the weights, facts about them, and their download."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from mirnet.errors import InvalidRequest
from mirnet.tasks import get_task
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights.fetch import fetch

from ..auth import Access, allows
from ..jobs import Runs
from ..kit.widgets import PRIVATE, Update, gradio_error
from . import html
from .modes import MODES
from .status_bar import StatusBar

BUSY = "A restoration is running: let it end or press Stop, then download the weights."


class WeightsView:
    """The list of weights, a note about the chosen ones, and Download if they are missing.

    Args:
        mode: State with the id of the chosen mode.
        status: Status bar for the progress of downloads.
        runs: Registry of runs and downloads, so that Stop ends them.
        access: Roles of visitors, which decide who may download.
    """

    def __init__(self, mode: gr.State, status: StatusBar, runs: Runs, access: Access) -> None:
        self.mode, self.status, self.runs, self.access = mode, status, runs, access
        first = MODES[mode.value].task
        self.kind = gr.State("")  # title of the weights chosen last
        self.choice = gr.Dropdown(
            **self._choices(first), label="Weights", elem_id="weights", filterable=False
        )
        note = self._note(first, str(self.choice.value))
        self.note = gr.HTML(note, elem_id="weights-note")
        self.fetch = gr.Button("Download", visible=False, elem_id="fetch", size="md")
        self.outputs = [self.choice, self.note, self.fetch]

    def connect(self) -> gr.events.Dependency:
        """Connect the events of the view itself; returns the event of the download."""
        self.choice.input(
            self.choose,
            [self.mode, self.choice],
            [self.note, self.fetch, self.kind],
            trigger_mode="always_last",
            **PRIVATE,
        )
        return self.fetch.click(
            self.download,
            [self.mode, self.choice],
            [*self.status.outputs, *self.outputs],
            concurrency_id="downloads",
            concurrency_limit=1,
            **PRIVATE,
        )

    def change_mode(
        self, mode_id: str, kind: str = "", request: gr.Request | None = None
    ) -> Update:
        """Update the list for a mode, and select weights of the last chosen kind if it has any."""
        mode = MODES[mode_id]
        alike = (entry.id for entry in catalogue.entries_for(mode.task) if entry.title == kind)
        choices = self._choices(mode.task, next(alike, mode.weights))
        offer = self._offer(mode.task, choices["value"], request)
        return {self.choice: gr.update(**choices)} | offer

    def choose(
        self, mode_id: str, weights_id: str | None, request: gr.Request | None = None
    ) -> Update:
        """Show the chosen weights and remember their kind for other modes."""
        entry = catalogue.load_catalogue().get(weights_id or "")
        kind = entry.title if entry else ""
        return self._offer(MODES[mode_id].task, weights_id, request) | {self.kind: kind}

    def download(
        self, mode_id: str, weights_id: str | None, request: gr.Request
    ) -> Iterator[Update]:
        """Download the chosen weights; Stop ends it.

        Raises:
            gr.Error: A run of this visitor goes on, the weights are unknown, or not to be had.
        """
        visitor = str(request.session_hash)
        if self.runs.is_running(visitor):
            raise gradio_error(InvalidRequest(BUSY))
        run = self.runs.begin(visitor)
        status = self.status
        try:
            task_id = MODES[mode_id].task
            ids = [entry.id for entry in catalogue.entries_for(task_id)]
            if weights_id not in ids:
                raise InvalidRequest("Choose weights first.")
            if not self._may_download(request):
                raise InvalidRequest("Only the operator of this page downloads weights.")
            for event in fetch(str(weights_id)):
                yield status.busy() | status.progress(*html.fetch_words(event))
            yield (
                status.idle()
                | status.show("The weights are here: press Restore.", "done")
                | {self.choice: gr.update(**self._choices(task_id, weights_id))}
                | self._offer(task_id, weights_id, request)
            )
        except Exception as error:
            failure = gradio_error(error, run.id)
            yield status.idle() | status.show(failure.message, "failed")
            raise failure from error
        finally:
            self.runs.end(visitor, run)

    def _choices(self, task_id: str, wanted: str | None = None) -> dict[str, Any]:
        entries = catalogue.entries_for(task_id)
        ids = [entry.id for entry in entries]
        return {
            "choices": [(html.weights_label(entry), entry.id) for entry in entries],
            "value": wanted if wanted in ids else (ids[0] if ids else None),
        }

    def _offer(self, task_id: str, weights_id: str | None, request: gr.Request | None) -> Update:
        """Show facts of the chosen weights, and Download if they are not on this machine."""
        entry = catalogue.load_catalogue().get(weights_id or "")
        absent = entry is not None and entry.downloadable and not weights.locate(entry.id)
        label = f"Download · {html.size_text(entry)}" if entry is not None else "Download"
        return {
            self.note: self._note(task_id, weights_id, request),
            self.fetch: gr.update(visible=absent and self._may_download(request), value=label),
        }

    def _note(self, task_id: str, weights_id: str | None, request: gr.Request | None = None) -> str:
        entry = catalogue.load_catalogue().get(weights_id or "")
        return html.weights_note(get_task(task_id), entry, self._may_download(request))

    def _may_download(self, request: gr.Request | None) -> bool:
        return allows(self.access.role(request), "admin")
