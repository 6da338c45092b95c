"""The stage of the Pictures view: one pair with all methods, in three layouts."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import numpy as np
from markupsafe import Markup

from eval.analysis.pictures import (
    INPUT,
    TARGET,
    name_or_target,
    rows_of,
    shown_names,
    shown_whole,
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

from .html.board import method_titles
from .html.images import stage_words
from .view import Part, ViewRequest, picture_choices, settle
from .view_state import PICTURE_LAYOUTS, ViewState

MAX_SHOWN = 10
"""Most pictures shown side by side: input, methods and target."""
ERROR = "error of "
"""Start of the key of an error map, before the id of its method."""
ENDS = {INPUT: "Input", TARGET: "Target"}
"""Titles of the two pictures that are not outputs of a method."""
Pixels = dict[str, np.ndarray]
"""Pictures of one pair, (H, W, 3), by `INPUT`, id of a method, `TARGET`."""
ChoosePairs = Callable[[StoredRun, ViewState], list[str]]
"""Function that returns the ids of the pairs that a state selects."""


class ImagesStage(Part):
    """Builds the layouts of a picture, and fills the chosen one.

    `layout`, `left`, `right` and `saved` are rendered by the caller.
    """

    def __init__(self, tables: TableCache, choose: ChoosePairs):
        """Build the stage inside the current layout, except what the caller renders.

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
            self.trouble, self.grid, *self.images, self.legend, self.saved, self.left, self.right
        ]  # fmt: skip
        self.triggers = [self.layout.input, self.left.input, self.right.input]

    def _build_controls(self) -> None:
        self.layout = gr.Dropdown(
            [(title, name) for name, title in PICTURE_LAYOUTS.items()],
            value="pair",
            label="View",
            filterable=False,
            min_width=130,
            elem_id="ev-layout",
            render=False,
        )
        names: dict[str, Any] = {
            "filterable": False, "min_width": 130, "visible": False, "render": False,
        }  # fmt: skip
        self.left = gr.Dropdown([], label="Left", elem_id="ev-left", **names)
        self.right = gr.Dropdown([], label="Right", elem_id="ev-right", **names)
        self.zoom = gr.Number(0, visible=False)
        self.across = gr.Number(50, visible=False)
        self.down = gr.Number(50, visible=False)

    def _build_pictures(self) -> None:
        self.trouble = text_area("ev-trouble")
        with gr.Row(elem_id="ev-pictures", elem_classes=["sync-pictures"]) as self.grid:
            self.images = [
                gr.Image(
                    format="png",
                    interactive=False,
                    visible=False,
                    buttons=[],
                    min_width=200,
                    elem_classes=["sync-picture"],
                )
                for _ in range(MAX_SHOWN)
            ]
        self.legend = text_area("ev-scale")

    # ------------------------------------------------------------ showing

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show the open picture, or the reason why it cannot be shown."""
        asked, state = request.asked, request.state
        names, is_wipe = picture_choices(request.found.run), state.layout == "slider"
        titles = ENDS | method_titles(request.found.run)
        update: Update = {
            self.left: settle(names, asked.left, state.left, visible=is_wipe),
            self.right: settle(names, asked.right, state.right, visible=is_wipe),
        }
        pair = state.pair or next(iter(self.choose(request.stored, state)), None)
        if pair is None:
            words = "is in all chosen slices" if state.slices else "has a score yet"
            yield update | self.failed(kit.note(f"No picture {words}."))
            return
        scores = self.tables.scores(request.stored, state.protocol)
        rows = rows_of(scores, pair, str(state.protocol))
        try:
            found = stored_pictures(request.stored, rows)
        except MIRNetError as error:
            yield update | self.failed(kit.note(str(error), warn=True))
            return
        update |= {
            self.trouble: "",
            self.saved: gr.update(
                choices=[(titles.get(name, name), name) for name in found],
                value=name_or_target(state.right, found),
            ),
        }
        yield update | self._grid(found, rows, state, titles)

    def _grid(
        self, found: Pixels, rows: list[SampleResult], state: ViewState, titles: dict[str, str]
    ) -> Update:
        """Show the pictures of a layout: all beside each other, two of them, or error maps.

        Args:
            found: Stored pictures of the pair.
            rows: Results of all methods on it.
            state: State of the view.
            titles: Names of the pictures by their names in `found`.
        """
        labels, scored = dict(titles), {row.method: _score(row) for row in rows}
        full = next(reversed(found.values())).shape
        shown, scale = self._chosen(found, state)
        same = untouched(found)
        if same is not None and state.layout != "slider" and INPUT in shown:  # one for the two
            shown.pop(same, None)
            labels[INPUT], scored[INPUT] = f"Input, {titles[same]}", scored.get(same)
        names, is_wipe = shown_names(list(shown), MAX_SHOWN), state.layout == "slider"
        update: Update = {
            self.grid: gr.update(
                visible=True, elem_classes=["sync-pictures", *(["ev-wipe"] if is_wipe else [])]
            ),
        }
        sides = []
        for place, image in enumerate(self.images):
            if place >= len(names):
                update[image] = gr.update(visible=False, value=None)
                continue
            name = names[place]
            label = labels.get(name) or f"Error of {titles[name.removeprefix(ERROR)]}"
            value = scored.get(name)
            if value is not None:
                label += f" · {RANKING.text(value)}"
            sides.append(label)
            update[image] = gr.update(
                visible=True,
                value=shown_whole(shown[name]),
                label=label,
                alt_text=f"{label}, picture {rows[0].pair}",
            )
        has_target = TARGET in found
        update[self.legend] = stage_words(
            state, scale, sides if is_wipe else [], has_target=has_target, full=full[:2]
        )
        return update

    def _chosen(self, found: Pixels, state: ViewState) -> tuple[Pixels, int | None]:
        """Pictures of a layout, and the scale of the error maps among them."""
        if state.layout == "slider":
            left = name_or_target(state.left, found)
            right = name_or_target(state.right, found)
            return {left: found[left]} | {right: found[right]}, None
        if TARGET not in found:
            return dict(found), None
        if state.layout == "error":
            return _errors(found)
        method = str(state.method)
        if method not in found or found[method].shape != found[TARGET].shape:
            return dict(found), None
        errors, scale = _errors({method: found[method], TARGET: found[TARGET]})
        return found | {f"{ERROR}{method}": errors[method]}, scale

    def failed(self, words: Markup) -> Update:
        """Show a sentence in place of the pictures."""
        return {
            self.trouble: words,
            self.grid: gr.update(visible=False),
            self.legend: "",
            self.saved: gr.update(choices=[], value=None),
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
