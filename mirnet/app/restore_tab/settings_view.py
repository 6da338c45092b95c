"""The choice of a second step, and the folded panel with advanced settings of a restoration."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from mirnet.errors import InvalidRequest
from mirnet.restoration import choices
from mirnet.tasks import get_task

from ..jobs import RestoreRequest, choose_weights
from ..kit.widgets import Update
from .modes import MODES

if TYPE_CHECKING:
    from mirnet.restoration.presets import Preset

TILES_PX = (("Automatic", 0), ("256 px", 256), ("384 px", 384), ("512 px", 512), ("768 px", 768))
"""Label and pixels of the offered tile sizes; 0 lets the library choose."""
TILINGS = [(label, key) for key, label in choices.TILINGS.items()]
"""Label and id of the tiling methods."""
GPU_ONLY = ("fp16", "tf32")
"""Engines that run on GPUs alone."""
ENGINES = [(label, key) for key, label in choices.ENGINES.items() if key not in GPU_ONLY]
"""Label and id of the compute engines; those for GPUs only are left to the command line."""


def second_step(mode_id: str) -> gr.Dropdown:
    """Draw the choice of a task that follows, for `SettingsView`.

    Args:
        mode_id: Id of the initial mode.
    """
    return gr.Dropdown(
        **_second_steps(mode_id), label="Then also", elem_id="then", filterable=False,
        info="Offered where both measured better than either",
    )  # fmt: skip


def _second_steps(
    mode_id: str, weights_id: str | None = None, same_size: bool = False, chosen: str = ""
) -> dict[str, Any]:
    """Update of the choice of a second step: combinations that were measured; hidden without one.

    Args:
        weights_id: Id of the weights of the first step; None for the task's own.
        same_size: Whether the photo has its final size already.
        chosen: Second step chosen so far, which stays if it is offered.
    """
    mode = MODES[mode_id]
    measured = not (mode.same_size or same_size)
    measured &= weights_id in (None, get_task(mode.task).default_weights)
    tasks = choices.SECOND_STEPS.get(mode.task, ()) if measured else ()
    offers = [("Nothing more", ""), *((get_task(task).title, task) for task in tasks)]
    return {
        "choices": offers,
        "value": chosen if chosen in tasks else "",
        "visible": len(offers) > 1,
    }


def check_second_step(mode_id: str, preset: "Preset") -> None:
    """Check that the page offers the second step of a preset.

    Raises:
        InvalidRequest: It does not: not for this task, not with these weights, or not at the
            photo's own size.
    """
    if preset.then is None:
        return
    own = get_task(preset.then).default_weights
    offer = _second_steps(mode_id, preset.weights, preset.same_size, preset.then)
    if not offer["value"] or preset.then_weights not in (None, own):
        weights_id = preset.then_weights or own
        raise InvalidRequest(
            f"The preset's second step, {preset.then} with the weights {weights_id[:60]!r}, is "
            "not offered on this page with the preset's other choices: "
            "`python -m mirnet restore --preset FILE` does it."
        )


class SettingsView:
    """The panel "Advanced"; `inputs` are the widgets whose values `request` takes.

    Args:
        then: The choice of a second step.
    """

    def __init__(self, then: gr.Dropdown) -> None:
        self.then = then
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            self.ensemble = gr.Checkbox(
                False,
                label="Average 8 views",
                info="About 0.1 dB better at enlarging and denoising, 8 times slower",
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
            self.ensemble, self.tile_px, self.tiling, self.engine, self.same_size, then,
        ]  # fmt: skip
        self.outputs = [self.same_size, then]

    def change_mode(self, mode_id: str, weights_id: str | None = None) -> Update:
        """Offer the second steps of a mode, and "same size" only for modes that enlarge."""
        mode = MODES[mode_id]
        enlarges = get_task(mode.task).scale > 1 and not mode.same_size
        return {
            self.same_size: gr.update(visible=enlarges, value=False),
            self.then: gr.update(**_second_steps(mode_id, weights_id)),
        }

    def offer_second_steps(
        self, mode_id: str, weights_id: str | None, same_size: bool, then: str
    ) -> Update:
        """Offer second steps for a change of weights or of "same size"."""
        return {self.then: gr.update(**_second_steps(mode_id, weights_id, same_size, then))}

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
        then: str,
    ) -> RestoreRequest:
        """Build the request from the values of `inputs`.

        Args:
            weights_id: Id of the chosen weights; None for the task's own.
            max_pixels: Most pixels accepted.
            tile_px: Longest side of a tile in pixels; 0 lets the library choose.
            same_size: See `RestoreRequest`; ignored if the task does not enlarge.
            then: Id of the task of a second step, which takes its own weights; empty for none.

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
            then=then,
            then_weights=choose_weights(then, None) if then else "",
        )
