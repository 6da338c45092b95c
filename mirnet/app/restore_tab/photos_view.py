"""Inputs for photos: files, camera or clipboard, and examples."""

from dataclasses import dataclass

import gradio as gr

from ..examples import examples_for
from ..kit.widgets import PRIVATE, Update
from ..photo_inputs import examples_gallery, examples_of, photo_file
from .modes import MODES

MAX_FILES = 50
"""Most photos of one batch."""
EXAMPLES_LABEL = "Or try an example (free photo, synthetic damage)"


@dataclass(frozen=True)
class Selection:
    """The photos selected for restoration."""

    paths: tuple[str, ...] = ()
    """Paths of the photos."""
    original: str | None = None
    """Path of a single photo's clean original, known for examples; None if unknown."""


class PhotosView:
    """Takes photos and remembers which are selected.

    Args:
        mode: State with the id of the chosen mode, whose examples are offered.
        max_pixels: Most pixels accepted in a photo.
    """

    def __init__(self, mode: gr.State, max_pixels: int) -> None:
        self.mode = mode
        self.selection = gr.State(Selection())
        label = f"Photos, up to {max_pixels / 1e6:.4g} megapixels and {MAX_FILES} at once"
        self.files = photo_file(label, "photos", multiple=True)
        self.samples = examples_gallery(MODES[mode.value].task, EXAMPLES_LABEL, "samples")
        self.camera = gr.Image(
            label="Take or paste a picture",
            sources=["webcam", "clipboard"],
            type="filepath",
            image_mode=None,
            format="png",
            elem_id="camera",
            height=260,
            render=False,
        )
        self.outputs = [self.selection, self.files, self.camera]

    def render_camera(self) -> None:
        """Draw the camera inside the current layout."""
        with gr.Accordion("Camera or clipboard", open=False, elem_id="camera-panel"):
            self.camera.render()

    def connect(self) -> tuple[list[gr.events.Dependency], list[gr.events.Dependency]]:
        """Connect the inputs.

        Returns:
            The events after which `selection` holds new photos: the visitor's own, and examples.
        """
        come = [self.files.upload, self.files.clear, self.files.delete]
        own = [
            gr.on(come, self.take_files, self.files, self.outputs, **PRIVATE),
            self.camera.input(self.take_camera, self.camera, self.outputs, **PRIVATE),
        ]
        example = self.samples.select(self.take_example, self.mode, self.outputs, **PRIVATE)
        return own, [example]

    @property
    def triggers(self) -> list:
        """Gradio methods of all inputs that register a listener for an added photo."""
        return [
            self.files.upload, self.files.clear, self.files.delete, self.camera.input,
            self.samples.select,
        ]  # fmt: skip

    def take_files(self, paths: list[str] | None) -> Update:
        """Select the files that were dropped, chosen or pasted, or that remain after a removal."""
        return {self.selection: Selection(tuple(paths or ())), self.camera: None}

    def take_camera(self, path: str | None) -> Update:
        """Select a picture from the camera or the clipboard."""
        return {self.selection: Selection((path,) if path else ()), self.files: None}

    def take_example(self, mode_id: str, event: gr.SelectData) -> Update:
        """Select the clicked example, with its clean original if the result has the same size."""
        mode = MODES[mode_id]
        example = examples_for(mode.task)[int(event.index)]
        original = None if mode.same_size else str(example.original)
        chosen = Selection((str(example.path),), original)
        return {self.selection: chosen, self.files: None, self.camera: None}

    def forget(self, selection: Selection) -> Update:
        """Clear the inputs after a photo could not be read, unless a newer one is selected."""
        if selection.paths:
            return {self.selection: gr.skip()}
        return {self.selection: Selection(), self.files: None, self.camera: None}

    def change_mode(self, mode_id: str) -> Update:
        """Update the example gallery for a mode."""
        return {self.samples: gr.update(**examples_of(MODES[mode_id].task))}
