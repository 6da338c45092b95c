"""Composes the Look inside tab from its views and connects their events."""

from collections.abc import Callable

import gradio as gr

from ..kit.widgets import IN_PHOTO_QUEUE, PRIVATE
from ..photo_reader import PhotoReader
from . import html
from .endpoint import InsideEndpoint
from .input_view import InputView
from .maps_view import MapsView
from .pictures_view import PicturesView
from .plots_view import PlotsView
from .trace_cache import TraceCache


class InsideTab:
    """Builds the tab inside the current `gr.Blocks`.

    Args:
        tab: The tab that is being built; opening it refreshes the list of weights.
        reader: Reads the photos.
    """

    def __init__(self, tab: gr.Tab, reader: PhotoReader) -> None:
        self.traces = TraceCache(reader)
        self.key = gr.State(None)  # key of the shown pass
        gr.HTML(html.introduction())
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300, elem_id="inside-controls"):
                self.inputs = InputView(self.traces, self.key)
            with gr.Column(scale=9, min_width=320):
                self.pictures = PicturesView(self.traces, self.inputs.chosen)
                self.maps = MapsView(self.traces)
                self.plots = PlotsView(self.traces)
        self.inputs.connect(tab)
        example_shown = self._connect_photo()
        for start in (self.inputs.go.click, example_shown):
            looked = self.inputs.start_after(start)
            self._show_pass(looked, self.key)
        self._show_pass(self.inputs.open_after(tab), self.inputs.first_key)
        self._connect_place()
        InsideEndpoint(self.traces)

    def _connect_photo(self) -> Callable[..., gr.events.Dependency]:
        """Connect the choice of a photo: show it and hide the pass before.

        Returns:
            Gradio method that registers a listener after an example is shown, which starts its
            pass at once.
        """
        inputs, pictures = self.inputs, self.pictures
        own, example = inputs.photo_events()
        for taken in (own, example):
            for view in (self.maps, self.plots):
                taken.then(view.clear, None, view.area, **PRIVATE)
            # A newer photo ends the wait of the one before; by default it would be left out.
            shown = taken.then(
                pictures.show_photo,
                inputs.chosen,
                pictures.outputs,
                trigger_mode="multiple",
                **IN_PHOTO_QUEUE,
            )
            shown.failure(inputs.forget, inputs.chosen, inputs.photo, **PRIVATE)
        return shown.success

    def _show_pass(self, looked: gr.events.Dependency, key: gr.State) -> None:
        """Show the pass whose key an event has set; no pass is shown for None."""
        for view in (self.pictures, self.maps, self.plots):
            looked.success(view.show_pass, key, view.outputs, **PRIVATE)

    def _connect_place(self) -> None:
        """Connect the choice of block, turn and stream."""
        maps, plots = self.maps, self.plots
        place = [maps.block.input, maps.turn.input]
        drawn = gr.on(
            place,
            maps.draw,
            [self.key, maps.block, maps.turn],
            maps.drawn,
            trigger_mode="always_last",
            **PRIVATE,
        )
        draw = plots.draw, [self.key, maps.block, plots.stream, maps.turn], plots.drawn
        drawn.then(*draw, **PRIVATE)
        plots.stream.input(*draw, trigger_mode="always_last", **PRIVATE)
