"""The part of the form of a new run that is folded away: seed, repeats, protocols and title."""

from typing import Any

import gradio as gr

from mirnet.number_format import counted

from .view import Choices


class RunOptions:
    """Builds the panel inside the current layout.

    Args:
        protocols: Choices of protocols, of which the first is chosen.
        repeats: Most times that a picture may be restored.
    """

    def __init__(self, protocols: Choices, repeats: int):
        with gr.Accordion("Seed, repeats, protocol, title", open=False, elem_id="ev-more"):
            with gr.Row():
                self.seed = gr.Number(
                    0, label="Seed", minimum=0, precision=0, elem_id="ev-seed", min_width=90
                )
                self.repeats = gr.Number(
                    1,
                    label="Times each picture is restored",
                    minimum=1,
                    **repeats_up_to(repeats),
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


def repeats_up_to(most: int) -> dict[str, Any]:
    """Properties of the number of repeats that depend on who the visitor is.

    Args:
        most: Most times that a picture may be restored.
    """
    return {"maximum": most, "info": f"At most {counted(most, 'time')}; the median is stored."}
