"""PSNR and SSIM of a result against its clean original, which is shown with both errors."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import gradio as gr

from mirnet.errors import Cancelled, MIRNetError
from mirnet.images.picture import Picture
from mirnet.images.preview import shrink
from mirnet.metrics.error_maps import error_of, heat, scale_for
from mirnet.metrics.protocols import RGB_8BIT

from ..kit import html as kit
from ..kit.widgets import IN_PHOTO_QUEUE, Update, gradio_error
from ..photo_inputs import photo_file
from . import html
from .adjust_view import AdjustView
from .photos_view import Selection
from .restorer import Restorer

if TYPE_CHECKING:
    from mirnet.restoration.result import RestoreResult

PURPOSE = "scores"
"""Name of the view's turn in the queue of photos."""
SCORE_TIMES = 0.1
"""Cost of scores in the queue of photos, as a share of one pass of a network."""


class ScoreView:
    """Takes the clean original and measures input and result against it.

    Args:
        restorer: Holds the cached results and reads the original.
        result_key: State that holds the key of the result shown.
        adjust: Sliders that determine the blend to measure.
    """

    def __init__(self, restorer: Restorer, result_key: gr.State, adjust: AdjustView) -> None:
        self.restorer, self.result_key, self.adjust = restorer, result_key, adjust
        with gr.Accordion(
            "Have the clean original? Measure PSNR and SSIM",
            open=False,
            visible=False,
            elem_id="measure",
        ) as self.panel:
            self.original = photo_file("Clean original, of the result's size", "original")
            self.scores = gr.HTML("", elem_id="scores")
            with gr.Row(visible=False, elem_id="truth") as self.truth:
                self.pictures = [
                    gr.Image(
                        label=name,
                        alt_text=name,
                        format="png",
                        interactive=False,
                        buttons=["fullscreen"],
                        min_width=200,
                    )
                    for name in ("Clean original", "Error before", "Error after")
                ]
        self.measured = [self.scores, self.truth, *self.pictures]
        self.outputs = [self.panel, self.original, *self.measured]

    def connect(self) -> None:
        """Connect the events of the view itself."""
        come = [self.original.upload, self.original.clear]
        gr.on(come, self.measure, self._inputs, self.measured, **IN_PHOTO_QUEUE)

    def measure_after(self, event: gr.events.Dependency) -> gr.events.Dependency:
        """Measure once an event has set the result's key; returns the event that measures."""
        return event.success(
            self.show_result, self._inputs, [self.panel, *self.measured], **IN_PHOTO_QUEUE
        )

    def remeasure_after(self, event: gr.events.Dependency) -> gr.events.Dependency:
        """Measure the blend of an event; returns the event that measures."""
        return event.success(self.measure, self._inputs, self.measured, **IN_PHOTO_QUEUE)

    @property
    def _inputs(self) -> list[Any]:
        return [self.result_key, self.original, *self.adjust.inputs]

    def show_photos(self, selection: Selection, request: gr.Request) -> Update:
        """Set the clean original of added photos, empty if it is unknown; scores under way end."""
        self.restorer.reader.end_turn(str(request.session_hash), PURPOSE)
        return {
            self.panel: gr.update(visible=False),
            self.original: selection.original,
        } | self._nothing()

    def show_result(
        self, key: str | None, original: str | None, request: gr.Request, *shares: float
    ) -> Iterator[Update]:
        """Show the view for a new result, and measure it if its original is known."""
        self.restorer.reader.end_turn(str(request.session_hash), PURPOSE)
        if key is None or self.restorer.kept(key).part:  # a batch has no result to measure
            yield {self.panel: gr.update(visible=False)}
            return
        panel = {self.panel: gr.update(visible=True, open=bool(original))}
        for update in self.measure(key, original, request, *shares):
            yield panel | update

    def measure(
        self, key: str | None, original: str | None, request: gr.Request, *shares: float
    ) -> Iterator[Update]:
        """Score input and blend against the clean original, and draw it and both errors.

        That waits for a turn as a restoration does; newer scores, photos or results end it. Where
        it is not possible the reason takes the place of the scores.

        Raises:
            gr.Error: The scores failed by a fault of the program.
        """
        visitor, reader = str(request.session_hash), self.restorer.reader
        reader.end_turn(visitor, PURPOSE)
        if not original or key is None:
            yield self._nothing()
            return
        try:
            result = self.restorer.results.get(key).result
            with reader.turn(visitor, PURPOSE, result.megapixels, SCORE_TIMES) as entry:
                for _ in entry.positions():
                    yield {self.scores: gr.skip()}
                update = self._measured(result, reader.read(original), shares)
                if entry.cancelled:
                    raise Cancelled("Newer scores, photos or results have come.")
        except Cancelled:  # another event fills the view
            update = {self.scores: gr.skip()}
        except Exception as error:
            failure = gradio_error(error)
            yield self._nothing() | {self.scores: kit.state(failure.message, "failed")}
            if isinstance(error, MIRNetError):
                return
            raise failure from error
        yield update

    def _measured(
        self, result: "RestoreResult", truth: Picture, shares: tuple[float, ...]
    ) -> Update:
        """Scores and pictures of a result's blend and its clean original."""
        mix = self.adjust.mix(result.tasks, *shares)
        pair = result.before, result.blend(**asdict(mix)).picture
        before, after = (
            RGB_8BIT.score(picture.pixels, truth.pixels, skip_small=True) for picture in pair
        )
        # Errors are drawn of what the screen can show; both on one scale, so that they compare.
        shown = shrink(truth).pixels
        errors = [error_of(shrink(picture).pixels, shown) for picture in pair]
        scale = scale_for(errors)
        labels = (
            "Clean original",
            f"Error before, black 0 to bright {scale} of 255",
            f"Error after, black 0 to bright {scale} of 255",
        )
        pictures = (shown, *(heat(error, scale) for error in errors))
        return {
            self.scores: html.scores_table(before, after),
            self.truth: gr.update(visible=True),
        } | {
            place: gr.update(value=pixels, label=label, alt_text=label)
            for place, label, pixels in zip(self.pictures, labels, pictures, strict=True)
        }

    def _nothing(self) -> Update:
        empty: Update = {self.scores: "", self.truth: gr.update(visible=False)}
        return empty | dict.fromkeys(self.pictures)
