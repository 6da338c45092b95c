"""Files that the Evaluate tab writes on a click and the browser downloads."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from eval.reports.export import SUFFIXES, export
from mirnet.app.kit.widgets import PRIVATE, translate_errors

from .page_files import js
from .run_queue import RunQueue

FORMATS = {
    "csv": "CSV",
    "parquet": "Parquet",
    "markdown": "Markdown",
    "latex": "LaTeX",
    "model-index": "Model card",
    "html": "HTML report",
}
"""Formats a run is written in, with their titles."""
WrittenFile = tuple[str, bytes]
"""Name and content of a file."""


def file_name(text: str) -> str:
    """A text as the name of a file, without its suffix.

    >>> file_name("a b/c-crop")
    'a-b-c-crop'
    """
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in text)[:120]


class Downloads:
    """Hands files to the browser through one hidden button."""

    def __init__(self) -> None:
        self.file = gr.DownloadButton("File", visible="hidden", elem_id="ev-file")

    def offer(
        self,
        button: gr.Button,
        write: Callable[..., WrittenFile],
        inputs: list[gr.components.Component],
        reads: str | None = None,
    ) -> None:
        """Let a button download a file.

        Args:
            button: The button that starts the download.
            write: Function that returns name and content of the file; a `MIRNetError` becomes a
                message on the page.
            reads: Name of a script that changes these values in the browser first; None for none.
        """

        def written(*values: Any) -> Iterator[str]:
            with translate_errors(), tempfile.TemporaryDirectory(prefix="mirnet-") as folder:
                name, content = write(*values)
                path = Path(folder) / name
                path.write_bytes(content)
                yield str(path)

        script = js(reads) if reads else None
        button.click(written, inputs, self.file, js=script, **PRIVATE).success(
            None, js=js("click_file"), api_visibility="private"
        )


class ExportButtons:
    """A row of buttons that write the open run, one for each of `FORMATS`."""

    def __init__(self, queue: RunQueue):
        self.queue = queue
        with gr.Row(elem_id="ev-files"):
            self.buttons = {
                name: gr.Button(title, size="sm", min_width=90, elem_id=f"ev-file-{name}")
                for name, title in FORMATS.items()
            }

    def connect(self, downloads: Downloads, inputs: list[gr.components.Component]) -> None:
        """Connect the buttons.

        Args:
            downloads: Sends the files to the browser.
            inputs: Widgets with the run's id, the baseline and the protocol.
        """
        for name, button in self.buttons.items():
            downloads.offer(button, self.writing(name), inputs)

    def writing(self, name: str) -> Callable[..., WrittenFile]:
        """Make the function that writes one of `FORMATS`."""

        def write(run_id: str | None, baseline: str | None, protocol: str | None) -> WrittenFile:
            stored = self.queue.stored(str(run_id))
            if name == "html":
                from eval.reports.html import html_report

                content = html_report(stored, baseline or None).encode()
            else:
                content = export(stored, name, baseline or None, protocol or None)
            suffix = ".html" if name == "html" else SUFFIXES[name]
            return f"mirnet-{stored.id}{suffix}", content

        return write
