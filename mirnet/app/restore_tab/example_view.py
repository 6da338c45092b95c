"""Example before and after restoration, shown on the stage until a photo is added."""

from typing import Any

import gradio as gr

from ..examples import demonstrations
from ..kit.widgets import Update
from ..templates import render


class ExampleView:
    """An example of the chosen mode with a slider between before and after.

    The result was computed by our weights and is stored with the example; nothing runs here.

    Args:
        mode_id: The mode whose example is shown first.
    """

    def __init__(self, mode_id: str) -> None:
        values = self._values(mode_id)
        self.slider = gr.ImageSlider(
            **values["slider"],
            label="Example: before, left of the line · after, right of it",
            type="filepath",
            format="jpeg",
            interactive=False,
            max_height=720,
            elem_id="example-slider",
            buttons=["fullscreen"],
        )
        self.words = gr.HTML(**values["words"], elem_id="example-words")
        self.outputs = [self.slider, self.words]

    def show(self, mode_id: str) -> Update:
        """Show the example of a mode; hide the view if none is stored."""
        values = self._values(mode_id)
        return {
            self.slider: gr.update(**values["slider"]),
            self.words: gr.update(**values["words"]),
        }

    def hide(self) -> Update:
        """Hide the example when a photo is added."""
        return dict.fromkeys(self.outputs, gr.update(visible=False))

    @staticmethod
    def has(mode_id: str) -> bool:
        """Whether a restored example of this mode is stored."""
        return mode_id in demonstrations()

    @staticmethod
    def _values(mode_id: str) -> dict[str, dict[str, Any]]:
        """Values of the two widgets, as their constructors and `gr.update` take them."""
        shown = demonstrations().get(mode_id)
        if shown is None:
            return {
                "slider": {"value": None, "visible": False},
                "words": {"value": "", "visible": False},
            }
        return {
            "slider": {"value": (str(shown.example.path), str(shown.restored)), "visible": True},
            "words": {
                "value": render("example", title=shown.example.title, weights=shown.weights),
                "visible": True,
            },
        }
