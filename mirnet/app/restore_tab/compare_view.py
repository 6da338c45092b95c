"""Before and after: three ways to look at a result."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from mirnet.images.encode import write_image
from mirnet.images.preview import PREVIEW_PX, cut_out, shrink

from ..kit.assets import ASSETS, script
from ..kit.widgets import PRIVATE, Update
from .restorer import Restorer, ScratchFolder

if TYPE_CHECKING:
    from mirnet.restoration.result import RestoreResult

VIEWS = (("Slider", "slider"), ("Side by side", "pair"), ("100 %", "close"))
"""Label and name of each way to compare input and result."""
MEASURE_STAGE = script(ASSETS / "measure_stage.js")


class CompareView:
    """A slider, two pictures side by side, or true pixels at a chosen place.

    Args:
        restorer: Holds the cached results.
        result_key: State that holds the key of the result shown.
    """

    def __init__(self, restorer: Restorer, result_key: gr.State) -> None:
        self.restorer, self.result_key = restorer, result_key
        self.view = gr.Radio(
            list(VIEWS), value="slider", label="View", visible=False, elem_id="view"
        )
        self.slider = gr.ImageSlider(
            label="Before, left of the line · after, right of it",
            type="filepath",
            format="png",
            interactive=False,
            visible=False,
            elem_id="slider",
            max_height=720,
            buttons=["fullscreen"],
        )
        with gr.Row(visible=False, elem_id="pair") as self.pair:
            self.before, self.after = (_side(name) for name in ("Before", "After"))
        with gr.Column(visible=False, elem_id="close") as self.close:
            self.close_slider = gr.ImageSlider(
                label="True pixels: before, left of the line · after, right of it",
                type="filepath",
                format="png",
                interactive=False,
                elem_id="close-slider",
                max_height=900,
                buttons=[],
            )
            with gr.Row():
                self.across = gr.Slider(0, 100, 50, step=1, label="Left to right, %", min_width=260)
                self.down = gr.Slider(0, 100, 50, step=1, label="Top to bottom, %", min_width=260)
        self.room_px = gr.Number(640, visible=False)
        self.outputs = [
            self.view, self.slider, self.pair, self.before, self.after, self.close,
            self.close_slider, self.across, self.down,
        ]  # fmt: skip

    def connect(self) -> None:
        """Connect the events of the view itself."""
        where = [self.result_key, self.across, self.down, self.room_px]
        looks: dict[str, Any] = {"outputs": self.outputs, "js": MEASURE_STAGE, **PRIVATE}
        self.view.input(self.change_view, [self.view, *where], **looks)
        for slider in (self.across, self.down):
            slider.release(self.move, where, **looks)
        for picture in (self.before, self.after):
            picture.select(self.zoom, [self.result_key, self.room_px], **looks)

    def show_after(self, event: gr.events.Dependency) -> gr.events.Dependency:
        """Show the result once an event has set its key; returns the event that shows it."""
        inputs = [self.view, self.result_key, self.room_px]
        return event.success(self.show_result, inputs, self.outputs, js=MEASURE_STAGE, **PRIVATE)

    def clear(self) -> Update:
        """Hide the comparison while there is no result."""
        hidden = gr.update(visible=False)
        return {
            self.view: hidden,
            self.slider: gr.update(value=None, visible=False),
            self.pair: hidden,
            self.close: hidden,
        }

    def show_result(self, view: str, key: str | None, room_px: float) -> Iterator[Update]:
        """Show a new result in the current view; at 100 %, its centre."""
        if key is None:  # a batch has no result to show
            yield self.clear()
            return
        for update in self.change_view(view, key, 50, 50, room_px):
            yield {self.across: 50, self.down: 50} | update | {self.view: gr.update(visible=True)}

    def change_view(
        self, view: str, key: str | None, across: float, down: float, room_px: float
    ) -> Iterator[Update]:
        """Show the result in another view."""
        result = self.restorer.result(key)
        with ScratchFolder() as folder:
            yield self._pictures(view, result, folder, (across, down), room_px)

    def move(self, key: str | None, across: float, down: float, room_px: float) -> Iterator[Update]:
        """Show another place at 100 %."""
        yield from self.change_view("close", key, across, down, room_px)

    def zoom(self, key: str | None, room_px: float, event: gr.SelectData) -> Iterator[Update]:
        """Show the place clicked in the side-by-side view at 100 %."""
        picture = shrink(self.restorer.result(key).picture)
        across = round(100 * event.index[0] / max(picture.width - 1, 1))
        down = round(100 * event.index[1] / max(picture.height - 1, 1))
        for update in self.change_view("close", key, across, down, room_px):
            yield update | {self.view: "close"}

    def _pictures(
        self,
        view: str,
        result: "RestoreResult",
        folder: Path,
        place: tuple[float, float],
        room_px: float,
    ) -> Update:
        """Fill and show one of the three views, and hide the others.

        Args:
            view: Name of the view, from `VIEWS`.
            result: The result to show.
            folder: Folder for the written pictures.
            place: Centre of the "close" view, in percent across and down.
            room_px: Width of the page's stage in CSS pixels.
        """
        pair = {"before": result.before, "after": result.picture}
        if view == "close":
            width = int(min(max(room_px, 200), PREVIEW_PX))
            height = min(max(width * 2 // 3, 300), 640)
            across, down = place[0] / 100, place[1] / 100
            pair = {
                name: cut_out(picture, across, down, width, height)
                for name, picture in pair.items()
            }
        before, after = (
            str(write_image(shrink(picture), folder / f"{name}-{view}.png"))
            for name, picture in pair.items()
        )
        update: Update = {
            self.slider: gr.update(visible=view == "slider"),
            self.pair: gr.update(visible=view == "pair"),
            self.close: gr.update(visible=view == "close"),
        }
        if view == "slider":
            return update | {self.slider: gr.update(value=(before, after), visible=True)}
        if view == "pair":
            return update | {self.before: before, self.after: after}
        whole, cut = result.picture, pair["after"]  # a photo that fits needs no place
        return update | {
            self.across: gr.update(value=place[0], visible=cut.width < whole.width),
            self.down: gr.update(value=place[1], visible=cut.height < whole.height),
            self.close_slider: gr.update(
                value=(before, after),
                width=cut.width + 2,  # and the frame's two
            ),
        }


def _side(name: str) -> gr.Image:
    return gr.Image(
        label=name,
        alt_text=f"{name} restoration; click for true pixels",
        buttons=[],
        elem_id=name.lower(),
        format="png",
        interactive=False,
        min_width=280,
    )
