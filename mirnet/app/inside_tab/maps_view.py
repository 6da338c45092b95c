"""Feature and attention maps of the three streams side by side."""

import gradio as gr

from mirnet.inside import plots
from mirnet.inside.trace import FeatureName

from ..kit import html as kit
from ..kit.widgets import Update
from . import html
from .pictures_view import picture
from .trace_cache import TraceCache

ROWS: tuple[tuple[str, tuple[FeatureName, ...]], ...] = (
    ("energy", ("energy",)),
    ("attention", ("spatial attention", "context attention")),
)
"""Rows of maps, each with the record names that can fill it; a network has one of them."""


class MapsView:
    """Two rows of three maps, and the choice of their block and turn.

    Args:
        traces: Cache of recorded passes.
    """

    def __init__(self, traces: TraceCache) -> None:
        self.traces = traces
        with gr.Column(visible=False) as self.area:
            with gr.Row(elem_id="inside-where"):
                self.block = gr.Radio([1], value=1, label="Block", min_width=160)
                self.turn = gr.Radio(
                    [(name, turn) for turn, name in enumerate(plots.TURNS, 1)],
                    value=1,
                    label="Turn in the block",
                    min_width=160,
                )
            self.headings: list[gr.HTML] = []
            self.maps: list[list[tuple[gr.HTML, gr.Image, gr.HTML]]] = []
            for what, _ in ROWS:
                self.headings.append(gr.HTML())
                with gr.Row(elem_classes="mir-three"):
                    self.maps.append([_map(what, stream) for stream in range(len(plots.STREAMS))])
        self.drawn = [
            *self.headings,
            *(widget for row in self.maps for stream in row for widget in stream),
        ]
        self.outputs = [self.area, self.block, self.turn, *self.drawn]

    def clear(self) -> Update:
        """Hide the maps when the photo changes."""
        return {self.area: gr.update(visible=False)}

    def show_pass(self, key: str | None) -> Update:
        """Show the first block and turn of a pass."""
        if key is None:
            return {self.area: gr.skip()}
        blocks = list(range(1, self.traces.shown(key).blocks + 1))
        return self.draw(key, 1, 1) | {
            self.area: gr.update(visible=True),
            self.block: gr.update(choices=blocks, value=1),
            self.turn: 1,
        }

    def draw(self, key: str | None, block: int, turn: int) -> Update:
        """Draw the maps of one block and turn."""
        found = self.traces.shown(key)
        update: Update = {}
        for heading, row, (_, names) in zip(self.headings, self.maps, ROWS, strict=True):
            for stream, widgets in enumerate(row):
                feature = found.first(names, block, stream, turn)
                drawn = plots.map_picture(feature)
                pieces = (html.map_title(feature), drawn.pixels, html.map_scale(drawn))
                update |= dict(zip(widgets, pieces, strict=True))
            title = kit.heading(plots.WORDS[feature.name].title)
            update[heading] = title + kit.small(plots.maps_sentence(feature.name))
        return update


def _map(what: str, stream: int) -> tuple[gr.HTML, gr.Image, gr.HTML]:
    """Create the widgets of one map: title, picture and scale."""
    name = plots.STREAMS[stream]
    with gr.Column(min_width=80):
        title = gr.HTML()
        alt = f"Map of the {what} of the stream {name}, bright where it is high"
        return title, picture(alt, f"inside-{what}-{stream}"), gr.HTML()
