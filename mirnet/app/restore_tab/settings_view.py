"""The folded panel with advanced settings of a restoration."""

from typing import Any

import gradio as gr

from mirnet.restoration import choices
from mirnet.tasks import get_task

from ..jobs import RestoreRequest, choose_weights
from ..kit.widgets import Update
from .modes import MODES

TILES_PX = (("Automatic", 0), ("256 px", 256), ("384 px", 384), ("512 px", 512), ("768 px", 768))
"""Label and pixels of the offered tile sizes; 0 lets the library choose."""
TILINGS = [(choice.label, choice.id) for choice in choices.TILINGS.values()]
"""Label and id of the tiling methods."""
GPU_ONLY = ("fp16", "tf32")
"""Engines that run on GPUs alone."""
ENGINES = [(c.label, c.id) for c in choices.ENGINES.values() if c.id not in GPU_ONLY]
"""Label and id of the compute engines; those for GPUs only are left to the command line."""


class SettingsView:
    """The panel "Advanced"; `inputs` are the widgets whose values `request` takes."""

    def __init__(self) -> None:
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            self.ensemble = gr.Checkbox(
                False, label="Average 8 views", info="A little better, 8 times slower"
            )
            self.tile_px = gr.Dropdown(
                list(TILES_PX), value=0, label="Tile size", info="Smaller tiles need less memory"
            )
            self.tiling = gr.Dropdown(
                TILINGS,
                value="auto",
                label="Seams between tiles",
                info="A large photo is restored in tiles",
            )
            self.engine = gr.Dropdown(
                ENGINES,
                value="auto",
                label="Engine",
                info="Automatic is the quickest one here that is exact",
                elem_id="engine",
            )
            self.same_size = gr.Checkbox(
                False,
                label="My photo already has its final size",
                info="Sharpen only, without enlarging first",
                visible=False,
                elem_id="same-size",
            )
        self.inputs: list[Any] = [
            self.ensemble, self.tile_px, self.tiling, self.engine, self.same_size,
        ]  # fmt: skip

    def change_mode(self, mode_id: str) -> Update:
        """Show the setting "same size" only for modes that enlarge."""
        mode = MODES[mode_id]
        enlarges = get_task(mode.task).scale > 1 and not mode.same_size
        return {self.same_size: gr.update(visible=enlarges, value=False)}

    @staticmethod
    def request(
        mode_id: str,
        weights_id: str | None,
        max_pixels: int,
        ensemble: bool,
        tile_px: int,
        tiling: str,
        engine: str,
        same_size: bool,
    ) -> RestoreRequest:
        """Build the request from the values of `inputs`.

        Args:
            mode_id: Id of the chosen mode.
            weights_id: Id of the chosen weights; None for the task's own.
            max_pixels: Most pixels accepted.
            ensemble: See `RestoreRequest`.
            tile_px: Longest side of a tile in pixels; 0 lets the library choose.
            tiling: See `RestoreRequest`.
            engine: See `RestoreRequest`.
            same_size: See `RestoreRequest`; ignored if the task does not enlarge.

        Raises:
            InvalidRequest: Unknown task, or weights of another task.
            WeightsUnavailable: The weights are not on this machine.
        """
        mode = MODES[mode_id]
        return RestoreRequest(
            mode.task,
            choose_weights(mode.task, weights_id),
            ensemble=bool(ensemble),
            tile_px=int(tile_px) or None,
            same_size=(mode.same_size or bool(same_size)) and get_task(mode.task).scale > 1,
            max_pixels=max_pixels,
            tiling=tiling,
            engine=engine,
        )
