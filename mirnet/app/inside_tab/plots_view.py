"""One stream at a time, then the whole network: channels, fusion, energy and exposure as plots."""

import gradio as gr

from mirnet.inside import plots
from mirnet.inside.trace import FeatureName, mean_energy

from ..kit import html
from ..kit.widgets import Update
from .trace_cache import TraceCache

CHANNELS: tuple[FeatureName, ...] = ("channel attention", "context channels")
"""Names of the per-channel records drawn as bars; a network has one of them."""


class PlotsView:
    """The choice of a stream, and plots of it at the block and turn of the maps.

    Args:
        traces: Cache of recorded passes.
    """

    def __init__(self, traces: TraceCache) -> None:
        self.traces = traces
        with gr.Column(visible=False) as self.area:
            gr.HTML(html.heading("How one stream decides"))
            self.stream = gr.Radio(
                [(name, place) for place, name in enumerate(plots.STREAMS)],
                value=0,
                label="Stream",
                elem_id="inside-stream",
            )
            with gr.Row(equal_height=False):
                self.channels, self.channels_words = _plot("channels")
                self.fusion, self.fusion_words = _plot("fusion")
            gr.HTML(html.heading("From the photo to the result"))
            with gr.Row(equal_height=False):
                self.energies, _ = _plot("energies", plots.ENERGY_SENTENCE)
            with gr.Column(visible=False) as self.exposure:
                gr.HTML(html.heading("Ahead of the streams: exposure"))
                with gr.Row(equal_height=False):
                    self.curve, _ = _plot("curve", plots.CURVE_SENTENCE)
                    with gr.Column(min_width=300, visible=False) as self.matrix_side:
                        self.matrix, _ = _plot("matrix", plots.MATRIX_SENTENCE)
        self.drawn = [
            self.channels, self.channels_words, self.fusion, self.fusion_words, self.energies
        ]  # fmt: skip
        self.outputs = [
            self.area, self.stream, *self.drawn, self.exposure, self.curve, self.matrix_side,
            self.matrix,
        ]  # fmt: skip

    def clear(self) -> Update:
        """Hide the plots when the photo changes."""
        return {self.area: gr.update(visible=False)}

    def show_pass(self, key: str | None) -> Update:
        """Show the full stream of a pass at the first block and turn."""
        if key is None:
            return {self.area: gr.skip()}
        found = self.traces.shown(key)
        curve, colours = found.curve, found.colours
        return self.draw(key, 1, 0, 1) | {
            self.area: gr.update(visible=True),
            self.stream: 0,
            self.exposure: gr.update(visible=curve is not None),
            self.curve: None if curve is None else plots.exposure_curve(curve, found.levels),
            self.matrix_side: gr.update(visible=colours is not None),
            self.matrix: None if colours is None else plots.colour_matrix(colours),
        }

    def draw(self, key: str | None, block: int, stream: int, turn: int) -> Update:
        """Draw the plots of one stream at one block and turn."""
        found = self.traces.shown(key)
        channels = found.first(CHANNELS, block, stream, turn)
        fusion = found.find("fusion", block, stream, turn)
        silent = plots.SILENT_SENTENCES[found.architecture]
        return {
            self.channels: plots.channel_bars(channels),
            self.channels_words: html.small(plots.WORDS[channels.name].sentence),
            self.fusion: gr.update(visible=False)
            if fusion is None
            else gr.update(value=plots.fusion_bars(fusion), visible=True),
            self.fusion_words: html.small(
                silent if fusion is None else plots.WORDS["fusion"].sentence
            ),
            self.energies: plots.energies(mean_energy(found), block, turn),
        }


def _plot(name: str, words: str = "") -> tuple[gr.Plot, gr.HTML]:
    """Create a column with a plot and its explanation."""
    with gr.Column(min_width=300):
        return gr.Plot(show_label=False, elem_id=f"inside-{name}"), gr.HTML(html.small(words))
