"""Before and after: three ways to look at a result."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from mirnet.images.encode import encode_image
from mirnet.images.preview import PREVIEW_PX, detailed_place

from ..kit.assets import ASSETS, script
from ..kit.widgets import PRIVATE, Update, translate_errors
from ..photo_reader import VIEW_TIMES
from ..result_cache import KeptResult
from .adjust_view import AdjustView
from .restorer import Restorer, ScratchFolder

if TYPE_CHECKING:
    from mirnet.restoration.blending import Blend

VIEWS = (("Slider", "slider"), ("Side by side", "pair"), ("100 %", "close"))
"""Label and name of each way to compare input and result."""
CLOSE_FIRST = ("denoise",)
"""Tasks whose large results open at 100 %: reduced to the window, before and after look alike."""
MEASURE_STAGE = script(ASSETS / "measure_stage.js")


class CompareView:
    """A slider, two pictures side by side, or true pixels at a chosen place.

    Args:
        restorer: Holds the cached results.
        result_key: State that holds the key of the result shown.
        adjust: Sliders that determine the blend to show.
    """

    def __init__(self, restorer: Restorer, result_key: gr.State, adjust: AdjustView) -> None:
        self.restorer, self.result_key, self.adjust = restorer, result_key, adjust
        self.key = gr.State(None)  # of the result on the screen: the newest, or one of a batch
        self.picked = gr.Textbox("", visible=False)  # key of the clicked photo of a batch
        self.pick = gr.Button("Show", visible="hidden", elem_id="batch-pick")
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
        adjust.render()  # below the pictures, which fit the window without a scroll
        self.room_px = gr.Number(640, visible=False)
        self.outputs = [
            self.key, self.view, self.slider, self.pair, self.before, self.after, self.close,
            self.close_slider, self.across, self.down,
        ]  # fmt: skip

    def connect(self) -> None:
        """Connect the events of the view itself."""
        where = [self.key, *self.adjust.inputs, self.across, self.down, self.room_px]
        looks: dict[str, Any] = {"outputs": self.outputs, "js": MEASURE_STAGE, **PRIVATE}
        self.view.input(self.change_view, [self.view, *where], **looks)
        for slider in (self.across, self.down):
            slider.release(self.move, where, **looks)
        for picture in (self.before, self.after):
            inputs = [self.key, *self.adjust.inputs, self.room_px]
            picture.select(self.zoom, inputs, **looks)

    def blend(self) -> gr.events.Dependency:
        """Show another blend when a slider moves; returns the event that shows it."""
        where = [self.key, *self.adjust.inputs, self.across, self.down, self.room_px]
        return gr.on(
            self.adjust.moves,
            self.change_blend,
            [self.view, *where],
            self.outputs,
            js=MEASURE_STAGE,
            trigger_mode="always_last",
            concurrency_limit=None,
            **PRIVATE,
        )

    def show_after(self, event: gr.events.Dependency) -> gr.events.Dependency:
        """Show the result once an event has set its key; returns the event that shows it."""
        inputs = [self.view, self.result_key, *self.adjust.inputs, self.room_px]
        return event.success(self.show_result, inputs, self.outputs, js=MEASURE_STAGE, **PRIVATE)

    def show_picked(self) -> gr.events.Dependency:
        """Show a photo of a batch once its row is clicked; returns the event that shows it."""
        return self.pick.click(
            self.show_result,
            [self.view, self.picked, *self.adjust.inputs, self.room_px],
            self.outputs,
            js=script(ASSETS / "batch_picked.js"),
            **PRIVATE,
        )

    def clear(self) -> Update:
        """Hide the comparison while there is no result."""
        hidden = gr.update(visible=False)
        return {
            self.key: None,
            self.view: hidden,
            self.slider: gr.update(value=None, visible=False),
            self.pair: hidden,
            self.close: hidden,
        }

    def show_result(
        self, view: str, key: str | None, request: gr.Request, *values: float
    ) -> Iterator[Update]:
        """Show a new result in the current view; at 100 %, where it has most detail.

        A large result of tasks in `CLOSE_FIRST` alone opens at 100 %.

        Args:
            key: Key of the result; None for a batch, which has none to show until one is picked.
            values: Values of the sliders, then the stage's width in CSS pixels.
        """
        if not key:
            yield self.clear()
            return
        *shares, room_px = values
        kept = self.restorer.kept(key)
        result = kept.result
        picture = result.picture
        large = max(picture.width, picture.height) > PREVIEW_PX
        if view == "slider" and large and set(result.tasks) <= set(CLOSE_FIRST):
            view = "close"
        view = "close" if kept.part else view  # true pixels
        across, down = 0.5, 0.5
        if view == "close":
            across, down = detailed_place(picture, *_close_size(room_px))
        place = round(100 * across), round(100 * down)
        radio = gr.update(visible=False) if kept.part else gr.update(value=view, visible=True)
        for update in self.change_view(view, key, request, *shares, *place, room_px):
            yield {
                self.key: key,
                self.across: place[0],
                self.down: place[1],
                self.view: radio,
            } | update

    def change_view(
        self, view: str, key: str | None, request: gr.Request, *values: float
    ) -> Iterator[Update]:
        """Show the result in another view.

        Args:
            values: Values of the sliders, then the place across and down in percent and the
                stage's width in CSS pixels.
        """
        *shares, across, down, room_px = values
        kept = self.restorer.kept(key)
        result = kept.result
        self.restorer.reader.queue.charge(str(request.session_hash), result.megapixels, VIEW_TIMES)
        with translate_errors():
            mix = self.adjust.mix(result.tasks, *shares)
        with ScratchFolder() as folder:
            yield self._pictures(view, kept, mix, folder, (across, down), room_px)

    def change_blend(
        self, view: str, key: str | None, request: gr.Request, *values: float
    ) -> Iterator[Update]:
        """Show another blend in the same view; arguments as `change_view`."""
        if key is None:  # a batch, whose photos are blended as they are written
            yield {self.view: gr.skip()}
            return
        view = "close" if self.restorer.kept(key).part else view
        yield from self.change_view(view, key, request, *values)

    def move(self, key: str | None, request: gr.Request, *values: float) -> Iterator[Update]:
        """Show another place at 100 %; arguments as `change_view`."""
        yield from self.change_view("close", key, request, *values)

    def zoom(
        self, key: str | None, event: gr.SelectData, request: gr.Request, *values: float
    ) -> Iterator[Update]:
        """Show the place clicked in the side-by-side view at 100 %."""
        *shares, room_px = values
        width, height = self.restorer.kept(key).preview_size
        across = round(100 * event.index[0] / max(width - 1, 1))
        down = round(100 * event.index[1] / max(height - 1, 1))
        for update in self.change_view("close", key, request, *shares, across, down, room_px):
            yield update | {self.view: "close"}

    def _pictures(
        self,
        view: str,
        kept: KeptResult,
        mix: "Blend",
        folder: Path,
        place: tuple[float, float],
        room_px: float,
    ) -> Update:
        """Fill and show one of the three views, and hide the others.

        Args:
            folder: Folder for the written pictures.
            place: Centre of the "close" view, in percent across and down.
            room_px: Width of the page's stage in CSS pixels.
        """
        across, down = place
        if view == "close":
            width, height = _close_size(room_px)
            part = kept.result.blender.cut_out(
                across / 100, down / 100, width, height, bool(mix.detail)
            )
            shown = part.picture(mix)
            files = tuple(encode_image(one, "PNG", fast=True) for one in (part.before, shown))
        else:
            files = kept.preview(mix)
        paths = [folder / f"{name}-{view}.png" for name in ("before", "after")]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        before, after = map(str, paths)
        update: Update = {
            self.slider: gr.update(visible=view == "slider"),
            self.pair: gr.update(visible=view == "pair"),
            self.close: gr.update(visible=view == "close"),
        }
        if view == "slider":
            return update | {self.slider: gr.update(value=(before, after), visible=True)}
        if view == "pair":
            return update | {self.before: before, self.after: after}
        whole = kept.result.picture  # a photo that fits needs no place
        return update | {
            self.across: gr.update(value=across, visible=shown.width < whole.width),
            self.down: gr.update(value=down, visible=shown.height < whole.height),
            self.close_slider: gr.update(
                value=(before, after),
                width=shown.width + 2,  # and the frame's two
            ),
        }


def _close_size(room_px: float) -> tuple[int, int]:
    """Width and height in pixels of the part that is shown at 100 %."""
    width = int(min(max(room_px, 200), PREVIEW_PX))
    return width, min(max(width * 2 // 3, 300), 640)


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
