"""Restore, Stop, and one line about what happens: every view reports through it."""

import gradio as gr

from ..kit import html
from ..kit.widgets import Update


class StatusBar:
    """The two buttons and the line below them.

    The widgets are made before the views that write to them, and drawn by `render`.
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
        """Something runs: it can be stopped, and nothing else started."""
        return {self.go: gr.update(interactive=False), self.stop: gr.update(interactive=True)}

    def idle(self) -> Update:
        """Nothing runs."""
        return {self.go: gr.update(interactive=True), self.stop: gr.update(interactive=False)}

    def say(self, words: str, kind: str = "") -> Update:
        """One sentence about what was done; `kind` as in `html.state`."""
        return {self.line: html.state(words, kind)}

    def progress(self, words: str, share: float | None = None) -> Update:
        """How far it is, as in `html.progress`."""
        return {self.line: html.progress(words, share)}

    def clear(self) -> Update:
        """No words."""
        return {self.line: ""}
