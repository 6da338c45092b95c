"""The file of the result: its format and further choices, and the button that downloads it."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from mirnet.errors import ImageRejected
from mirnet.images.encode import SaveOptions, losses
from mirnet.images.formats import SAVE_FORMATS, SUBSAMPLINGS
from mirnet.images.metadata import METADATA_CHOICES

from ..jobs import result_name
from ..kit import html
from ..kit.widgets import PRIVATE, Update, gradio_error
from ..photo_reader import FILE_TIMES
from .adjust_view import AdjustView
from .photos_view import Selection
from .restorer import Restorer, ScratchFolder

FORMAT_INFO = "PNG and TIFF keep every bit; JPEG and WebP are smaller, with 8 bits"
PAUSE_SECONDS = 0.3
"""Seconds without another change after which the file is written."""


class DownloadBar:
    """Writes the result as a file and offers it; `inputs` are the widgets that `options` takes.

    Args:
        restorer: Holds the cached results.
        result_key: State that holds the key of the result shown.
        adjust: Sliders that determine the blend to write.
    """

    def __init__(self, restorer: Restorer, result_key: gr.State, adjust: AdjustView) -> None:
        self.restorer, self.result_key, self.adjust = restorer, result_key, adjust
        with gr.Row(visible=False, elem_id="saving") as self.row:
            self.save_format = gr.Radio(
                list(SAVE_FORMATS),
                value="PNG",
                label="File format",
                info=FORMAT_INFO,
                elem_id="format",
                scale=3,
                min_width=220,
            )
            self.button = gr.DownloadButton(
                "Download",
                variant="primary",
                interactive=False,
                elem_id="download",
                scale=2,
                min_width=180,
            )
        with gr.Accordion(
            "File options", open=False, visible=False, elem_id="file-options"
        ) as self.panel:
            with gr.Row():
                self.quality = gr.Slider(
                    1, 100, 95, step=1, label="Quality of JPEG and WebP", min_width=220,
                    elem_id="quality",
                )  # fmt: skip
                self.subsampling = gr.Dropdown(
                    _choices(SUBSAMPLINGS), value="auto", label="Colours of JPEG", min_width=220,
                    elem_id="subsampling",
                )  # fmt: skip
            self.metadata = gr.Radio(
                _choices(METADATA_CHOICES),
                value="all",
                label="Camera data, captions and position",
                elem_id="metadata",
            )
            self.provenance = gr.Checkbox(
                False,
                label="Say in the file how it was made",
                info="XMP with program, weights, strength, and IPTC's digital source type",
                elem_id="provenance",
            )
        self.inputs: list[Any] = [
            self.save_format, self.quality, self.subsampling, self.metadata, self.provenance,
        ]  # fmt: skip
        self.outputs = [self.row, self.panel, self.save_format, self.button]

    def connect(self) -> None:
        """Connect the events of the view itself."""
        changes = [widget.input for widget in self.inputs]
        gr.on(changes, self.write_settled, self._inputs, self.outputs, **PRIVATE)

    def write_after(self, event: gr.events.Dependency) -> gr.events.Dependency:
        """Write the file once an event has shown the result; returns the event that writes it."""
        return event.success(self.write, self._inputs, self.outputs, **PRIVATE)

    def rewrite_after(self, event: gr.events.Dependency) -> gr.events.Dependency:
        """Write the file once the sliders rest; returns the event that writes it."""
        return event.success(self.write_settled, self._inputs, self.outputs, **PRIVATE)

    @property
    def _inputs(self) -> list[Any]:
        return [self.result_key, *self.inputs, *self.adjust.inputs]

    @staticmethod
    def options(
        save_format: str, quality: float, subsampling: str, metadata: str, provenance: bool
    ) -> SaveOptions:
        """Build the choices of the file from the values of `inputs`."""
        return SaveOptions(save_format, int(quality), subsampling, metadata, bool(provenance))

    def show_photos(self, selection: Selection) -> Update:
        """Reset the bar when photos are added; for a batch, show the choices of the files."""
        batch = len(selection.paths) > 1
        info = f"For the next zip. {FORMAT_INFO}" if batch else FORMAT_INFO
        return {
            self.row: gr.update(visible=batch),
            self.panel: gr.update(visible=batch),
            self.save_format: gr.update(info=info),
            self.button: gr.update(value=None, label="Download", interactive=False),
        }

    def write_settled(self, key: str | None, request: gr.Request, *values: Any) -> Iterator[Update]:
        """Write the result once the visitor pauses; an earlier change writes nothing.

        Raises:
            gr.Error: See `write`.
        """
        yield {self.button: gr.skip() if key is None else gr.update(interactive=False)}
        if self.restorer.settled.wait(str(request.session_hash), PAUSE_SECONDS):
            yield from self.write(key, request, *values)

    def write(self, key: str | None, request: gr.Request, *values: Any) -> Iterator[Update]:
        """Write the result with the current choices; a finished zip does not change.

        Args:
            values: Values of `inputs`, then of the sliders.

        Raises:
            gr.Error: The format cannot hold the result, or the result is no longer kept.
        """
        if key is None:
            yield {self.button: gr.skip()}
            return
        options = self.options(*values[: len(self.inputs)])
        save_format = str(options.format)
        yield self.writing(save_format)
        with ScratchFolder() as folder:
            try:
                result = self.restorer.results.get(key).result
                mix = self.adjust.mix(result.tasks, *values[len(self.inputs) :])
                self.restorer.reader.queue.charge(
                    str(request.session_hash), result.megapixels, FILE_TIMES
                )
                file = folder / result_name(result.picture, result.tasks, save_format)
                blend = result.blend(**asdict(mix))
                blend.save(file, **asdict(options))
                lost = losses(blend.picture, save_format, options.metadata)
            except Exception as error:
                refused = isinstance(error, ImageRejected)
                label = "Not possible in this format" if refused else "No file: restore again"
                yield {self.button: gr.update(label=label)}
                raise gradio_error(error) from error
            info = " ".join(lost) or FORMAT_INFO
            yield self.offer(file) | {self.save_format: gr.update(info=info)}

    def writing(self, save_format: str) -> Update:
        """Show that a file is being written."""
        words = f"Writing the {save_format} …"
        return {
            self.row: gr.update(visible=True),
            self.panel: gr.update(visible=True),
            self.button: gr.update(interactive=False, label=words),
        }

    def offer(self, file: Path) -> Update:
        """Offer a written file for download."""
        kinds = {known.suffixes[0]: name for name, known in SAVE_FORMATS.items()}
        kind = kinds.get(file.suffix, file.suffix.lstrip(".").upper())
        label = f"Download {kind} · {html.file_size(file.stat().st_size)}"
        return {
            self.row: gr.update(visible=True),
            self.button: gr.update(value=str(file), label=label, interactive=True),
        }


def _choices(labels: dict[str, str]) -> list[tuple[str, str]]:
    """Label and value of each choice, as Gradio takes them."""
    return [(label, value) for value, label in labels.items()]
