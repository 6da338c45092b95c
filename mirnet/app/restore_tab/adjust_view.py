"""Sliders that blend photo and result: strength, luminance, colour and returned detail."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from ..kit import html
from ..kit.widgets import Update
from .modes import MODES
from .photos_view import Selection
from .restorer import Restorer

if TYPE_CHECKING:
    from mirnet.restoration.blending import Blend

MEANING = "1 is the full effect, 0 leaves the photo as it was. Detail gives texture back."
"""Caption of the sliders."""


class AdjustView:
    """Shows the sliders beside a result or a batch; `inputs` are those that `mix` takes.

    Args:
        restorer: Holds the cached results.
    """

    def __init__(self, restorer: Restorer) -> None:
        self.restorer = restorer

        def share(label: str, value: float, elem_id: str) -> gr.Slider:
            return gr.Slider(
                0, 1, value, step=0.01, label=label, elem_id=elem_id, min_width=140, render=False
            )

        self.column = gr.Column(visible=False, elem_id="adjust", render=False)
        self.strength = share("Strength", 1, "strength")
        self.luma = share("Luminance", 1, "luma")
        self.chroma = share("Colour", 1, "chroma")
        self.detail = share("Detail", 0, "detail")
        self.inputs: list[Any] = [self.strength, self.luma, self.chroma, self.detail]
        self.outputs = [self.column, self.detail]

    def render(self) -> None:
        """Draw the sliders inside the current layout; they are created before, for other views."""
        with self.column.render():
            with gr.Row():
                for slider in self.inputs:
                    slider.render()
            gr.HTML(html.small(MEANING))

    @property
    def moves(self) -> list:
        """Gradio methods of all sliders that register a listener for a movement."""
        return [slider.input for slider in self.inputs]

    @staticmethod
    def mix(tasks: Sequence[str], *shares: float) -> "Blend":
        """Build the blend from the values of `inputs`.

        Args:
            tasks: Ids of the tasks of all steps; where one enlarges, no detail is returned.
            shares: Strength, luminance, colour and detail, each from 0 to 1.

        Raises:
            InvalidRequest: A share is not a number from 0 to 1.
        """
        from mirnet.restoration.blending import Blend
        from mirnet.restoration.result import returns_detail

        strength, luma, chroma, detail = shares
        return Blend(strength, luma, chroma, detail if returns_detail(*tasks) else 0.0)

    def show_photos(self, selection: Selection, mode_id: str) -> Update:
        """Show the sliders for a batch, whose photos are blended as they are written."""
        if len(selection.paths) > 1:
            return self._show((MODES[mode_id].task,))
        return {self.column: gr.update(visible=False)}

    def show_result(self, key: str | None) -> Update:
        """Show the sliders that suit a new result; a batch's stay."""
        return (
            {self.column: gr.skip()} if key is None else self._show(self.restorer.result(key).tasks)
        )

    def _show(self, tasks: Sequence[str]) -> Update:
        from mirnet.restoration.result import returns_detail

        return {
            self.column: gr.update(visible=True),
            self.detail: gr.update(visible=returns_detail(*tasks)),
        }
