"""The file of the result: its format, and the button that downloads it."""

from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from mirnet.errors import MIRNetError
from mirnet.images.formats import SAVE_FORMATS

from ..jobs import result_name
from ..kit import html
from ..kit.widgets import PRIVATE, Update, gradio_error
from .photos_view import Selection
from .restorer import Restorer, ScratchFolder

FORMAT_INFO = "PNG and TIFF keep every bit; JPEG and WebP are smaller, with 8 bits"


class DownloadBar:
    """Writes the result as a file and offers it.

    Args:
        restorer: Holds the cached results.
        result_key: State that holds the key of the result shown.
    """

    def __init__(self, restorer: Restorer, result_key: gr.State) -> None:
        self.restorer, self.result_key = restorer, result_key
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
        self.outputs = [self.row, self.save_format, self.button]

    def connect(self) -> None:
        """Connect the events of the view itself."""
        self.save_format.input(
            self.write, [self.result_key, self.save_format], self.outputs, **PRIVATE
        )

    def write_after(self, event: gr.events.Dependency) -> gr.events.Dependency:
        """Write the file once an event has shown the result; returns the event that writes it."""
        inputs = [self.result_key, self.save_format]
        return event.success(self.write, inputs, self.outputs, **PRIVATE)

    def show_photos(self, selection: Selection) -> Update:
        """Reset the bar when photos are added; for a batch, show the choice of the format."""
        batch = len(selection.paths) > 1
        info = f"For the next zip. {FORMAT_INFO}" if batch else FORMAT_INFO
        return {
            self.row: gr.update(visible=batch),
            self.save_format: gr.update(info=info),
            self.button: gr.update(value=None, label="Download", interactive=False),
        }

    def write(self, key: str | None, save_format: str) -> Iterator[Update]:
        """Write the result in a format; the format of a finished zip does not change.

        Raises:
            gr.Error: The format cannot hold the result.
        """
        if key is None:
            yield {self.button: gr.skip()}
            return
        result = self.restorer.result(key)
        yield self.writing(save_format)
        with ScratchFolder() as folder:
            name = result_name(result.picture, result.task, save_format)
            try:
                file = result.save(folder / name, save_format)
            except MIRNetError as error:
                yield {self.button: gr.update(label="Not possible in this format")}
                raise gradio_error(error) from error
            yield self.offer(file)

    def writing(self, save_format: str) -> Update:
        """Show that a file is being written."""
        words = f"Writing the {save_format} …"
        return {
            self.row: gr.update(visible=True),
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
