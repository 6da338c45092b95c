"""Composes the Look inside tab of its views and says which event of one leads to which of another."""

import gradio as gr

from ..kit.widgets import PRIVATE
from . import words
from .endpoint import InsideEndpoint
from .input_view import InputView
from .maps_view import MapsView
from .passes import PassCache
from .pictures_view import PicturesView
from .plots_view import PlotsView


class InsideTab:
    """Builds the tab inside the current `gr.Blocks`.

    Args:
        tab: The tab that is being built; opening it looks which weights are here by now.
        max_pixels: Most pixels accepted in a photo.
    """

    def __init__(self, tab: gr.Tab, max_pixels: int) -> None:
        self.passes = PassCache(max_pixels)
        self.key = gr.State(None)  # of the pass that is shown
        gr.HTML(words.introduction())
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300, elem_id="inside-controls"):
                self.inputs = InputView(self.passes, self.key)
            with gr.Column(scale=9, min_width=320):
                self.pictures = PicturesView(self.passes, self.inputs.chosen)
                self.maps = MapsView(self.passes)
                self.plots = PlotsView(self.passes)
        self.inputs.connect(tab)
        self._connect_photo()
        self._connect_pass()
        InsideEndpoint(self.passes)

    def _connect_photo(self) -> None:
        """Another photo: it is shown, and the pass before is not."""
        inputs, pictures = self.inputs, self.pictures
        for taken in inputs.photo_events():
            for view in (self.maps, self.plots):
                taken.then(view.clear, None, view.area, **PRIVATE)
            shown = taken.then(pictures.show_photo, inputs.chosen, pictures.outputs, **PRIVATE)
            shown.failure(lambda: None, None, inputs.photo, **PRIVATE)

    def _connect_pass(self) -> None:
        """A pass was made, or another place of it was chosen."""
        maps, plots = self.maps, self.plots
        looked = self.inputs.start_after(self.inputs.go.click)
        for view in (self.pictures, maps, plots):
            looked.success(view.show_pass, self.key, view.outputs, **PRIVATE)
        place = [maps.block.input, maps.turn.input]
        gr.on(
            place,
            maps.draw,
            [self.key, maps.block, maps.turn],
            maps.drawn,
            trigger_mode="always_last",
            **PRIVATE,
        )
        gr.on(
            [*place, plots.stream.input],
            plots.draw,
            [self.key, maps.block, plots.stream, maps.turn],
            plots.drawn,
            trigger_mode="always_last",
            **PRIVATE,
        )
