"""The part of the form of a new run that is folded away: seed, repeats, protocols and title."""

import gradio as gr

from eval.runs.runner import MAX_REPEATS

from .view import Choices


class RunOptions:
    """Builds the panel inside the current layout.

    Args:
        protocols: Choices of protocols, of which the first is chosen.
    """

    def __init__(self, protocols: Choices):
        with gr.Accordion("Seed, repeats, protocol, title", open=False, elem_id="ev-more"):
            with gr.Row():
                self.seed = gr.Number(
                    0, label="Seed", minimum=0, precision=0, elem_id="ev-seed", min_width=90
                )
                self.repeats = gr.Number(
                    1,
                    label="Times each picture is restored",
                    info="The time is the median.",
                    minimum=1,
                    maximum=MAX_REPEATS,
                    precision=0,
                    elem_id="ev-repeats",
                    min_width=90,
                )
            self.protocols = gr.CheckboxGroup(
                choices=protocols,
                value=[protocols[0][1]],
                label="Protocol",
                elem_id="ev-protocol",
            )
            self.title = gr.Textbox(
                label="Title",
                placeholder="Optional: what this run is about",
                max_length=200,
                elem_id="ev-run-title",
            )
