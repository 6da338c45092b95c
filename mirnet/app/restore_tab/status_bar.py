"""The buttons Restore and Stop, and the status line that all views write to."""

import gradio as gr

from ..kit import html
from ..kit.widgets import Update
from ..queue import QueuePosition


class StatusBar:
    """The two buttons and the line below them.

    The widgets are created before the views that write to them, and placed by `render`.
    """

    def __init__(self) -> None:
        self.go = gr.Button(
            "Restore", variant="primary", elem_id="go", scale=2, min_width=120, render=False
        )
        self.stop = gr.Button(
            "Stop", interactive=False, elem_id="stop", scale=1, min_width=80, render=False
        )
        self.line = gr.HTML("", elem_id="bar", render=False)
        self.outputs = [self.line, self.go, self.stop]

    def render(self) -> None:
        """Draw the widgets inside the current layout."""
        with gr.Row(elem_id="buttons"):
            self.go.render()
            self.stop.render()
        self.line.render()

    def busy(self) -> Update:
        """Enable Stop and disable Restore while work is in progress."""
        return {self.go: gr.update(interactive=False), self.stop: gr.update(interactive=True)}

    def idle(self) -> Update:
        """Enable Restore and disable Stop."""
        return {self.go: gr.update(interactive=True), self.stop: gr.update(interactive=False)}

    def show(self, words: str, kind: str = "") -> Update:
        """Show a sentence in the status line; `kind` as in `html.state`."""
        return {self.line: html.state(words, kind)}

    def progress(self, words: str, share: float | None = None) -> Update:
        """Show a progress bar in the status line; arguments as in `html.progress`."""
        return {self.line: html.progress(words, share)}

    def waiting(self, position: QueuePosition) -> Update:
        """Show the queue position of a photo that is to be read."""
        return self.progress(position.words())

    def clear(self) -> Update:
        """Empty the status line."""
        return {self.line: ""}
