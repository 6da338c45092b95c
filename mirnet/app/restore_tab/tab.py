"""Composes the Restore tab from its views and connects their events."""

from collections.abc import Callable

import gradio as gr

from ..auth import Access
from ..kit import html
from ..kit.assets import ASSETS, script
from ..kit.widgets import IN_PHOTO_QUEUE, PRIVATE
from ..photo_limits import PhotoLimits
from ..photo_reader import PhotoReader
from ..zero_gpu import ZeroGPU
from .adjust_view import AdjustView
from .compare_view import CompareView
from .download_bar import DownloadBar
from .endpoint import RestoreEndpoint
from .photos_view import PhotosView
from .preset_view import PresetView
from .restorer import Restorer
from .run_view import RunView
from .score_view import ScoreView
from .settings_view import SettingsView, second_step
from .stage_view import StageView
from .status_bar import StatusBar
from .task_view import TaskView
from .weights_view import WeightsView


class RestoreTab:
    """Builds the tab inside the current `gr.Blocks`.

    Args:
        page: The page that is being built.
        reader: Reads the photos; its limit of pixels is that of results too.
        zero_gpu: Function that restores in another process, for a Space with a shared GPU; None
            restores in this process.
        access: Roles of visitors, which decide who may download weights; by default everybody.
        limits: Limits by task and weights.
    """

    def __init__(
        self,
        page: gr.Blocks,
        reader: PhotoReader,
        zero_gpu: ZeroGPU | None = None,
        access: Access | None = None,
        limits: PhotoLimits = PhotoLimits(),  # noqa: B008
    ) -> None:
        self.restorer = Restorer(reader, zero_gpu, limits)
        self.status = StatusBar()
        self.result_key = gr.State(None)
        self.tasks = TaskView()
        mode = self.tasks.mode
        with gr.Row(elem_id="restore-columns"):
            with gr.Column(scale=3, min_width=300, elem_id="controls"):
                self.photos = PhotosView(mode, reader.max_pixels)
                self.weights = WeightsView(
                    mode, self.status, self.restorer.runs, access or Access("admin")
                )
                then = second_step(str(mode.value))
                self.status.render()
                self.photos.render_camera()
                self.settings = SettingsView(then)
                self.presets = PresetView(self.status, self.tasks, self.weights)
            with gr.Column(scale=7, min_width=320, elem_id="stage"):
                self.stage = StageView(
                    self.restorer, self.status, self.photos.selection, str(mode.value)
                )
                self.adjust = AdjustView(self.restorer)
                shown = self.restorer, self.result_key, self.adjust
                self.compare = CompareView(*shown)
                self.stage.facts.render()
                self.downloads = DownloadBar(*shown)
                self.scores = ScoreView(*shown)
        self.run = RunView(
            self.restorer, self.status, self.result_key, self.stage, self.downloads, self.adjust
        )
        self.run.use(self.photos.selection, mode, self.weights.choice, self.settings)
        self._connect_task(page)
        self._connect_run([self.status.go.click, *self._connect_photos()])
        for view in (self.compare, self.downloads, self.scores):
            view.connect()
        RestoreEndpoint(self.restorer)

    def _connect_photos(self) -> list[Callable[..., gr.events.Dependency]]:
        """Connect added photos to all views; Restore is enabled once the photo is read.

        Returns:
            Gradio methods that register a listener after an example was read, which restores it
            at once.
        """
        reading = script(ASSETS / "reading.js", progress=html.progress("Reading the photo …"))
        read = script(ASSETS / "photo_read.js")
        status, selection = self.status, self.photos.selection
        gr.on(
            self.photos.triggers,
            None,
            outputs=[status.line, status.go],
            js=reading,
            api_visibility="private",
        )
        own, examples = self.photos.connect()
        starts = []
        for taken in (*own, *examples):
            taken.then(lambda: None, None, self.result_key, **PRIVATE)
            taken.then(self.compare.clear, None, self.compare.outputs, **PRIVATE)
            added = [selection, self.tasks.mode]
            taken.then(self.adjust.show_photos, added, self.adjust.outputs, **PRIVATE)
            for view in (self.downloads, self.scores):
                taken.then(view.show_photos, selection, view.outputs, **PRIVATE)
            # A newer photo ends the wait of the one before; by default it would be left out.
            shown = taken.then(
                self.stage.show_photos,
                added,
                self.stage.outputs,
                trigger_mode="multiple",
                **IN_PHOTO_QUEUE,
            )
            shown.failure(self.photos.forget, selection, self.photos.outputs, **PRIVATE)
            shown.failure(None, outputs=[status.go], js=read, api_visibility="private")
            if taken in own:
                shown.success(None, outputs=[status.go], js=read, api_visibility="private")
            else:
                starts.append(shown.success)
        return starts

    def _connect_task(self, page: gr.Blocks) -> None:
        """Connect the choice of a mode to weights, examples, settings and the older-result note."""
        mode, weights, photos, settings = self.tasks.mode, self.weights, self.photos, self.settings
        chosen = [mode, weights.kind]
        changed = self.tasks.connect().then(weights.change_mode, chosen, weights.outputs, **PRIVATE)
        older = [self.result_key, mode]
        changed.then(self.run.warn_of_mode, older, self.status.line, **PRIVATE)
        gr.on(
            [widget.input for widget in settings.inputs],
            self.run.warn_of_settings,
            self.result_key,
            self.status.line,
            **PRIVATE,
        )
        steps = [mode, weights.choice, settings.same_size, settings.then]
        gr.on(
            [weights.choice.input, settings.same_size.input],
            settings.offer_second_steps,
            steps,
            settings.then,
            trigger_mode="multiple",
            **PRIVATE,
        )
        preset = self.presets.connect(self.adjust, self.downloads, settings)
        preset = preset.success(weights.change_mode, chosen, weights.outputs, **PRIVATE)
        for event in (changed, preset):
            event.then(
                self.stage.change_mode,
                [mode, photos.selection],
                [self.stage.board, *self.stage.example.outputs],
                **PRIVATE,
            )
        # Weights may have come or gone since the page was built.
        loaded = page.load(weights.change_mode, chosen, weights.outputs, **PRIVATE)
        for event in (changed, loaded, preset):
            follow = event.then(
                settings.change_mode, [mode, weights.choice], settings.outputs, **PRIVATE
            )
            if event is preset:
                applied = self.presets.apply_after(follow)
                applied.then(settings.offer_second_steps, steps, settings.then, **PRIVATE)
            shown = event.then(photos.change_mode, mode, photos.samples, **PRIVATE)
            shown.then(None, js=script(ASSETS / "name_samples.js"), api_visibility="private")

    def _connect_run(self, starts: list[Callable[..., gr.events.Dependency]]) -> None:
        """Connect the start of restorations; results are shown before their files are written.

        Args:
            starts: Gradio methods that register a listener after each event that starts a
                restoration.
        """
        runs = [self.run.start_after(start) for start in starts]
        self.run.connect_stop([*runs, self.weights.connect()])
        picked = self.compare.show_picked()
        picked.success(
            self.stage.show_facts, self.compare.key, self.stage.facts, **PRIVATE
        ).success(None, js=script(ASSETS / "show_result.js"), api_visibility="private")
        parts = [
            self.run.start_after(placed.success, part=True) for placed in self.stage.connect_parts()
        ]
        for running in (*runs, *parts):
            running.success(self.stage.show_result, self.result_key, self.stage.outputs, **PRIVATE)
            running.success(
                self.adjust.show_result, self.result_key, self.adjust.outputs, **PRIVATE
            )
            shown = self.compare.show_after(running)
            shown.success(
                None,
                js=script(ASSETS / "show_stage.js", place="#stage"),
                api_visibility="private",
            )
            self.scores.measure_after(shown)
            written = self.downloads.write_after(shown)
            written.success(None, js=script(ASSETS / "focus_download.js"), api_visibility="private")
        blended = self.downloads.rewrite_after(self.compare.blend())
        self.scores.remeasure_after(blended)
