"""Presets: the settings of the tab saved as a small TOML file, and loaded from one."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from mirnet.errors import InvalidRequest
from mirnet.images.formats import save_format
from mirnet.weights import catalogue

from ..kit.assets import ASSETS, script
from ..kit.widgets import PRIVATE, Update, translate_errors
from .adjust_view import AdjustView
from .download_bar import DownloadBar
from .modes import MODES, SHARPEN
from .settings_view import SettingsView, check_second_step
from .status_bar import StatusBar
from .task_view import TaskView
from .weights_view import WeightsView

if TYPE_CHECKING:
    from mirnet.restoration.presets import Preset


class PresetView:
    """The panel "Presets".

    Args:
        status: Status bar for messages of the view.
        tasks: View whose mode is saved and set; the others likewise.
        weights: The choice of weights.
    """

    def __init__(self, status: StatusBar, tasks: TaskView, weights: WeightsView) -> None:
        self.status, self.tasks, self.weights = status, tasks, weights
        with gr.Accordion("Presets", open=False, elem_id="presets"), gr.Row():
            self.save = gr.Button("Save settings", elem_id="preset-save", size="sm", min_width=120)
            self.load = gr.UploadButton(
                "Load settings", file_types=[".toml"], elem_id="preset-load", size="sm",
                min_width=120,
            )  # fmt: skip
        self.text = gr.Textbox("", visible=False)
        self.loaded = gr.State(None)

    def connect(
        self, adjust: AdjustView, downloads: DownloadBar, settings: SettingsView
    ) -> gr.events.Dependency:
        """Connect Save and Load; returns the event after which the mode is a preset's."""
        self.adjust, self.downloads, self.settings = adjust, downloads, settings
        saved = self.save.click(
            self.write,
            [
                self.tasks.mode, self.weights.choice, *settings.outputs, *adjust.inputs,
                *downloads.inputs,
            ],
            self.text,
            **PRIVATE,
        )  # fmt: skip
        saved.success(
            None, self.text, js=script(ASSETS / "save_preset.js"), api_visibility="private"
        )
        tasks = self.tasks
        return self.load.upload(
            self.read,
            self.load,
            [
                self.loaded, tasks.mode, tasks.card, tasks.scale, tasks.words, self.weights.kind,
                self.status.line,
            ],
            **PRIVATE,
        )  # fmt: skip

    def apply_after(self, event: gr.events.Dependency) -> gr.events.Dependency:
        """Set all other widgets once an event has changed the mode; returns the last event."""
        weights = self.weights
        outputs = [weights.choice, *self.settings.outputs, *self.adjust.inputs]
        applied = event.then(self.apply, self.loaded, outputs, **PRIVATE)
        written = applied.then(self.apply_to_file, self.loaded, self.downloads.inputs, **PRIVATE)
        return written.then(
            weights.choose,
            [self.tasks.mode, weights.choice],
            [weights.note, weights.fetch, weights.kind],
            **PRIVATE,
        )

    @staticmethod
    def write(
        mode_id: str, weights_id: str | None, same_size: bool, then: str, *values: Any
    ) -> str:
        """Build the text of a preset from the values of the widgets."""
        from mirnet.restoration.presets import Preset

        mode = MODES[mode_id]
        strength, luma, chroma, detail = values[:4]
        name, quality, subsampling, metadata, provenance = values[4:]
        from mirnet.restoration.result import returns_detail

        return Preset(
            task=mode.task,
            weights=weights_id,
            then=then or None,
            same_size=mode.same_size or bool(same_size),
            strength=strength,
            luma=luma,
            chroma=chroma,
            detail=detail if returns_detail(mode.task, *([then] if then else [])) else 0.0,
            format=str(name).lower(),
            quality=int(quality),
            subsampling=subsampling,
            metadata=metadata,
            provenance=provenance,
        ).toml()

    def read(self, path: str) -> Update:
        """Read a preset and set its mode.

        Raises:
            gr.Error: The file is no preset, or its weights are not known here.
        """
        from mirnet.restoration.presets import read_preset

        with translate_errors():
            preset = read_preset(path)
            known = [entry.id for entry in catalogue.entries_for(preset.task)]
            if preset.weights is not None and preset.weights not in known:
                raise InvalidRequest(
                    f"The preset names the weights {preset.weights[:60]!r}, which are not known "
                    f"here: choose from {', '.join(known)}."
                )
            sharpens = preset.task == SHARPEN.task and preset.same_size
            mode = SHARPEN.id if sharpens else preset.task
            check_second_step(mode, preset)
        loaded = self.status.show("The preset is loaded: press Restore.", "done")
        return loaded | self.tasks.set_mode(mode) | {self.loaded: preset, self.weights.kind: ""}

    def apply(self, preset: "Preset") -> Update:
        """Set weights, size and sliders of a preset."""
        values = preset.strength, preset.luma, preset.chroma, preset.detail
        return {
            self.weights.choice: preset.weights or gr.skip(),
            self.settings.same_size: preset.same_size,
            self.settings.then: preset.then or "",
            **dict(zip(self.adjust.inputs, values, strict=True)),
        }

    def apply_to_file(self, preset: "Preset") -> Update:
        """Set the file options of a preset."""
        chosen = save_format(preset.format) if preset.format else None
        values: list[Any] = [
            chosen.name if chosen else gr.skip(), preset.quality, preset.subsampling,
            preset.metadata, preset.provenance,
        ]  # fmt: skip
        return dict(zip(self.downloads.inputs, values, strict=True))
