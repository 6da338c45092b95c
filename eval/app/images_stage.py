"""The stage of the Pictures view: one pair with all methods, in three layouts."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import numpy as np

from eval.analysis.pictures import (
    INPUT,
    TARGET,
    Viewport,
    filling,
    name_or_target,
    point_of,
    rows_of,
    seen_at,
    shown_names,
    stored_pictures,
    untouched,
)
from eval.analysis.score_tables import RANKING
from eval.analysis.table_cache import TableCache
from eval.runs.document import SampleResult
from eval.runs.store import StoredRun
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import Update, text_area
from mirnet.errors import MIRNetError
from mirnet.metrics.error_maps import error_of, heat, scale_for

from .html.images import error_scale
from .view import Part, ViewRequest, picture_choices, settle
from .view_state import PICTURE_LAYOUTS, ViewState

MAX_SHOWN = 10
"""Most pictures shown side by side: input, methods and target."""
ENDS = {INPUT: "Input", TARGET: "Target"}
"""Titles of the two pictures that are not outputs of a method."""
Pixels = dict[str, np.ndarray]
"""Pictures of one pair, (H, W, 3), by `INPUT`, id of a method, `TARGET`."""
ChoosePairs = Callable[[StoredRun, ViewState], list[str]]
"""Function that returns the ids of the pairs that a state selects."""


class ImagesStage(Part):
    """Builds the layouts of a picture, and fills the chosen one."""

    def __init__(self, tables: TableCache, choose: ChoosePairs):
        """Build the stage inside the current layout, except `saved`, which the caller renders.

        Args:
            tables: Cache of the tables of runs.
            choose: Function that returns the ids of the pairs that a state selects.
        """
        self.tables = tables
        self.choose = choose
        self._build_controls()
        self._build_pictures()
        self.saved = gr.Dropdown(
            [],
            label="Full resolution",
            filterable=False,
            min_width=160,
            elem_id="ev-saved",
            render=False,
        )
        self.outputs = [
            self.trouble, self.slider, self.grid, *self.images, self.legend, self.saved,
            self.position, self.sides, self.left, self.right,
        ]  # fmt: skip
        self.triggers = [
            self.layout.input, self.zoom.input, self.left.input, self.right.input,
            self.across.release, self.down.release,
        ]  # fmt: skip

    def _build_controls(self) -> None:
        self.room_px = gr.Number(320, visible=False)
        with gr.Row(elem_id="ev-layouts"):
            self.layout = gr.Radio(
                [(title, name) for name, title in PICTURE_LAYOUTS.items()],
                value="pair",
                label="View; arrow keys change the picture",
                elem_id="ev-layout",
                min_width=260,
            )
            self.zoom = gr.Radio(
                [("Whole", 0), ("100 %", 1), ("200 %", 2), ("400 %", 4)],
                value=0,
                label="Size: choose, or click a picture",
                elem_id="ev-zoom",
                min_width=260,
            )
        with gr.Row(visible=False, elem_id="ev-sides") as self.sides:
            self.left = gr.Dropdown([], label="Left", filterable=False, min_width=140)
            self.right = gr.Dropdown([], label="Right", filterable=False, min_width=140)
        with gr.Row(visible=False, elem_id="ev-place") as self.position:
            self.across = gr.Slider(0, 100, 50, step=1, label="Left to right, %", min_width=240)
            self.down = gr.Slider(0, 100, 50, step=1, label="Top to bottom, %", min_width=240)

    def _build_pictures(self) -> None:
        self.trouble = text_area("ev-trouble")
        self.slider = gr.ImageSlider(
            label="Left of the line · right of it",
            type="numpy",
            format="png",
            interactive=False,
            visible=False,
            max_height=760,
            buttons=["fullscreen"],
            elem_id="ev-slider",
        )
        with gr.Row(elem_id="ev-pictures") as self.grid:
            self.images = [
                gr.Image(
                    format="png",
                    interactive=False,
                    visible=False,
                    buttons=[],
                    min_width=200,
                    elem_classes=["ev-picture"],
                )
                for _ in range(MAX_SHOWN)
            ]
        self.legend = text_area("ev-scale")

    # ------------------------------------------------------------ showing

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show the open picture, or the reason why it cannot be shown."""
        asked, state = request.asked, request.state
        names = picture_choices(request.found.run)
        update: Update = {
            self.position: gr.update(visible=state.zoom > 0),
            self.sides: gr.update(visible=state.layout == "slider"),
            self.left: settle(names, asked.left, state.left),
            self.right: settle(names, asked.right, state.right),
        }
        pair = state.pair or next(iter(self.choose(request.stored, state)), None)
        if pair is None:
            yield update | self._without_pictures(kit.note("No picture has a score yet."))
            return
        scores = self.tables.scores(request.stored, state.protocol)
        rows = rows_of(scores, pair, str(state.protocol))
        try:
            found = stored_pictures(request.stored, rows)
        except MIRNetError as error:
            yield update | self._without_pictures(kit.note(str(error), warn=True))
            return
        update |= {
            self.trouble: "",
            self.saved: gr.update(choices=list(found), value=name_or_target(state.right, found)),
        }
        show = self._slider if state.layout == "slider" else self._grid
        yield update | show(found, rows, state)

    def _slider(self, found: Pixels, rows: list[SampleResult], state: ViewState) -> Update:
        """Show two pictures under a slider."""
        viewport = state.viewport
        names = name_or_target(state.left, found), name_or_target(state.right, found)
        pixels = tuple(filling(seen_at(found[name], viewport), viewport) for name in names)
        on_left, on_right = (ENDS.get(name, name) for name in names)
        label = f"{on_left}, left of the line · {on_right}, right of it"
        return {
            self.slider: gr.update(value=pixels, visible=True, label=label),
            self.grid: gr.update(visible=False),
            self.legend: "",
        }

    def _grid(self, found: Pixels, rows: list[SampleResult], state: ViewState) -> Update:
        """Show input, methods and target side by side, or their error maps."""
        legend: Any = ""
        if state.layout == "error" and TARGET in found:
            found, scale = _errors(found)
            legend = error_scale(scale)
        elif state.layout == "error":
            legend = kit.note("This pair has no target, so there is no error to show.")
        labels, scored = dict(ENDS), {row.method: _score(row) for row in rows}
        same = untouched(found)
        if same is not None:  # one picture for the two
            found = {name: pixels for name, pixels in found.items() if name != same}
            labels[INPUT], scored[INPUT] = f"Input, {same}", scored.get(same)
        update: Update = {
            self.slider: gr.update(visible=False),
            self.grid: gr.update(
                visible=True, elem_classes=["ev-close"] if state.zoom else ["ev-whole"]
            ),
            self.legend: legend,
        }
        names = shown_names(list(found), MAX_SHOWN)
        for place, image in enumerate(self.images):
            if place >= len(names):
                update[image] = gr.update(visible=False, value=None)
                continue
            name = names[place]
            label = labels.get(name, name)
            value = scored.get(name)
            if value is not None:
                label += f" · {RANKING.text(value)}"
            update[image] = gr.update(
                visible=True,
                value=seen_at(found[name], state.viewport),
                label=label,
                alt_text=f"{label}, picture {rows[0].pair}",
            )
        return update

    def _without_pictures(self, words: str) -> Update:
        return {
            self.trouble: words,
            self.slider: gr.update(visible=False),
            self.grid: gr.update(visible=False),
            self.legend: "",
            self.saved: gr.update(choices=[], value=None),
        }

    def zoom_in(self, stored: StoredRun, state: ViewState, event: gr.SelectData) -> Update:
        """Show true pixels around a clicked point in all pictures.

        Args:
            stored: The run.
            state: State that is valid for the run.
            event: Event with the clicked point in the displayed picture.
        """
        scores = self.tables.scores(stored, state.protocol)
        found = stored_pictures(stored, rows_of(scores, str(state.pair), str(state.protocol)))
        pixels = found.get(TARGET, next(iter(found.values())))
        closer = state.model_copy(update={"zoom": max(state.zoom, 1)})
        before, after = state.viewport, closer.viewport
        across, down = point_of(
            event.index[0],
            event.index[1],
            seen_at(pixels, before).shape[:2],
            pixels.shape[:2],
            Viewport(state.zoom, before.across, before.down, after.width_px, after.height_px),
        )
        return {
            self.zoom: closer.zoom,
            self.across: round(100 * across),
            self.down: round(100 * down),
        }


def _errors(found: Pixels) -> tuple[Pixels, int]:
    """Error maps of all pictures of the target's size, and the scale that they share."""
    target = found[TARGET]
    errors = {
        name: error_of(pixels, target)
        for name, pixels in found.items()
        if name != TARGET and pixels.shape == target.shape
    }
    scale = scale_for(list(errors.values()))
    return {name: heat(error, scale) for name, error in errors.items()}, scale


def _score(row: SampleResult) -> float | None:
    score = next(iter(row.scores.values()), None)
    return None if score is None else score.get(RANKING.key)
