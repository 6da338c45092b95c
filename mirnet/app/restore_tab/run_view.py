"""Events of Restore and Stop: a photo gives a kept result, several photos a zip of files."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.images.encode import SaveOptions
from mirnet.images.picture import Picture

from ..jobs import RestoreRequest, Run
from ..kit import html as kit
from ..kit.assets import ASSETS, script
from ..kit.widgets import PRIVATE, Update, gradio_error
from ..result_cache import KeptResult
from . import html
from .adjust_view import AdjustView
from .batch import batch_table, restore_batch, stopped_rows, stopped_words
from .download_bar import DownloadBar
from .modes import title
from .photos_view import Selection
from .restorer import Restorer
from .settings_view import SettingsView
from .stage_view import StageView
from .status_bar import StatusBar

if TYPE_CHECKING:
    from mirnet.restoration.blending import Blend

STOP_WAIT_SECONDS = 120.0
"""Longest time that Stop waits for the current tile, in seconds."""
PART_DONE = "This is a part, judged on its own. Press Restore for the whole photo."
OLDER_RESULT = "This is the earlier result. Press Restore to apply {}."


class RunView:
    """Runs restorations; `result_key` is the key of the newest result of a single photo.

    Args:
        restorer: Restores photos and keeps the results.
        status: Status bar for progress and errors.
        result_key: State that receives the key.
        stage: View that shows the list of a batch.
        downloads: View that offers the zip of a batch.
        adjust: Sliders that determine the blend in the zip.
    """

    def __init__(
        self,
        restorer: Restorer,
        status: StatusBar,
        result_key: gr.State,
        stage: StageView,
        downloads: DownloadBar,
        adjust: AdjustView,
    ) -> None:
        self.restorer, self.status, self.result_key = restorer, status, result_key
        self.stage, self.downloads, self.adjust = stage, downloads, adjust
        self.inputs: list[gr.components.Component] = []

    def use(
        self, selection: gr.State, mode: gr.State, weights: gr.Dropdown, settings: SettingsView
    ) -> None:
        """Set the widgets whose values determine what `run` does."""
        self.inputs = [
            selection, mode, weights, *self.adjust.inputs, *self.downloads.inputs, *settings.inputs
        ]  # fmt: skip

    def start_after(self, event: Any, part: bool = False) -> gr.events.Dependency:
        """Restore after an event, such as a click on Restore; returns the event that restores.

        Args:
            event: Gradio method that registers the listener: `button.click`, or
                `dependency.success`.
            part: Whether only the part at the stage's place is restored.
        """
        pressed = event(self.queue_up, None, self.status.outputs, queue=False, **PRIVATE)
        pressed.then(None, js=script(ASSETS / "focus_stop.js"), api_visibility="private")
        return pressed.then(
            self.run_part if part else self.run,
            [self.stage.place, *self.inputs] if part else self.inputs,
            [*self.status.outputs, self.result_key, self.stage.board, *self.downloads.outputs],
            concurrency_limit=None,  # the queue of photos decides
            **PRIVATE,
        )

    def connect_stop(self, cancels: list[Any]) -> None:
        """Let Stop end these events."""
        self.status.stop.click(
            self.halt,
            self.result_key,
            [*self.status.outputs, self.stage.board, *self.downloads.outputs],
            cancels=cancels,
            concurrency_limit=None,
            **PRIVATE,
        )

    def warn_of_mode(self, key: str | None, mode_id: str) -> Update:
        """Warn after a change of mode that the result shown is from the mode before."""
        return self._warn(key, title(mode_id))

    def warn_of_settings(self, key: str | None) -> Update:
        """Warn after a change of settings that the result shown is from the settings before."""
        return self._warn(key, "the new settings")

    def _warn(self, key: str | None, change: str) -> Update:
        message = OLDER_RESULT.format(change)
        return self.status.show(message) if key else {self.status.line: gr.skip()}

    def queue_up(self) -> Update:
        """Show that the photo is queued, after a click on Restore."""
        return self.status.busy() | self.status.progress("Waiting for a turn …")

    def run(
        self,
        selection: Selection,
        mode_id: str,
        weights_id: str | None,
        request: gr.Request,
        *values: Any,
        part: bool = False,
        place: tuple[float, float] | None = None,
    ) -> Iterator[Update]:
        """Restore the selected photo or photos.

        Args:
            request: Request, which identifies the visitor.
            values: Values of the sliders, of the file's choices and of `SettingsView.inputs`.
            part: Whether to restore only a part of the photo.
            place: Centre of the part; see `Restorer.part`.

        Raises:
            gr.Error: There is no photo, or none can be restored with these settings.
        """
        visitor = str(request.session_hash)
        run = self.restorer.runs.begin(visitor)
        status = self.status
        try:
            if not selection.paths:
                raise InvalidRequest("Add a photo or click an example first.")
            shares, choices, settings = self._parted(values)
            wanted = SettingsView.request(
                mode_id, weights_id, self.restorer.reader.max_pixels, *settings
            )
            options = self.downloads.options(*choices)
            yield status.progress("Reading the photo, loading the network …")
            if part:
                whole = yield from self.restorer.reader.read_when_scheduled(
                    selection.paths[0], visitor, "part", status.waiting, run
                )
                photo = self.restorer.part(whole, wanted.scale, place)
                yield from self._run_one(photo, wanted, run, visitor, options, part)
            elif len(selection.paths) == 1:
                yield from self._run_one(selection.paths[0], wanted, run, visitor, options)
            else:
                mix = self.adjust.mix(wanted.tasks, *shares)
                yield from self._run_many(selection.paths, wanted, run, visitor, options, mix)
        except Exception as error:
            if isinstance(error, MIRNetError) and (run.stopped or run.replaced):
                # Another event reports the state; without a yield, Gradio would clear all outputs.
                yield {status.line: gr.skip()}
                return
            failure = gradio_error(error, run.id)
            yield status.idle() | status.show(failure.message, "failed")
            raise failure from error
        finally:
            self.restorer.runs.end(visitor, run)

    def run_part(
        self,
        place: tuple[float, float] | None,
        selection: Selection,
        mode_id: str,
        weights_id: str | None,
        request: gr.Request,
        *values: Any,
    ) -> Iterator[Update]:
        """Restore a part of the photo; arguments as for `run`."""
        given = selection, mode_id, weights_id, request
        yield from self.run(*given, *values, part=True, place=place)

    def halt(self, key: str | None, request: gr.Request) -> Iterator[Update]:
        """Stop the visitor's run before its next tile."""
        status = self.status
        message = "Stopped. Your previous result is still here." if key else "Stopped."
        run = self.restorer.runs.stop(str(request.session_hash))
        if run is None:  # it was still waiting, or has just ended
            yield status.idle() | status.show(message)
            return
        yield status.progress("Stopping after the tile under way …") | {
            status.stop: gr.update(interactive=False)
        }
        run.ended.wait(STOP_WAIT_SECONDS)
        update: Update = {}
        if run.rows:
            update[self.stage.board] = batch_table(stopped_rows(run.rows))
        if run.archive is not None and run.finished:
            message = stopped_words(run.finished)
            update |= self.downloads.offer(run.archive)
        yield status.idle() | update | status.show(message)
        if run.archive is not None and not run.finished:
            shutil.rmtree(run.archive.parent, ignore_errors=True)

    def _parted(self, values: tuple[Any, ...]) -> tuple[Any, Any, Any]:
        """Split the values of `run` into those of sliders, file and settings."""
        first, second = len(self.adjust.inputs), len(self.downloads.inputs)
        return values[:first], values[first : first + second], values[first + second :]

    def _run_one(
        self,
        photo: Picture | str,
        wanted: RestoreRequest,
        run: Run,
        visitor: str,
        options: SaveOptions,
        part: bool = False,
    ) -> Iterator[Update]:
        from mirnet.restoration.result import RestoreResult

        result: RestoreResult | None = None
        with contextlib.closing(self.restorer.restore(photo, wanted, run, visitor)) as events:
            for event in events:
                if isinstance(event, RestoreResult):
                    result = event
                else:
                    yield self.status.progress(*html.event_words(event))
        assert result is not None
        done = f"Done in {kit.duration(result.seconds)}."
        if part:
            done = PART_DONE
        yield (
            self.status.idle()
            | self.status.show(done, "done")
            | self.downloads.writing(str(options.format))
            | {self.result_key: self.restorer.results.put(KeptResult(result, part))}
        )

    def _run_many(
        self,
        paths: tuple[str, ...],
        wanted: RestoreRequest,
        run: Run,
        visitor: str,
        options: SaveOptions,
        mix: "Blend",
    ) -> Iterator[Update]:
        steps = restore_batch(self.restorer, paths, wanted, run, visitor, options, mix)
        with contextlib.closing(steps):
            for step in steps:
                update: Update = {self.stage.board: batch_table(run.rows)}
                if step.words:
                    update = self.status.progress(step.words, step.share)
                if step.share == 1.0:
                    update |= self._finished(run)
                yield update

    def _finished(self, run: Run) -> Update:
        """Offer the zip of a finished batch and show its summary."""
        failed = len(run.rows) - run.finished
        message = f"{run.finished} of {len(run.rows)} photos restored."
        if failed:
            message += f" {failed} could not be: the list says why."
        kind = "done" if run.finished else "failed"
        update = self.status.idle() | self.status.show(message, kind)
        if run.finished and run.archive is not None:
            update |= self.downloads.offer(run.archive)
        return update
