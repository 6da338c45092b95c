"""The public endpoint /look_inside, for programs."""

from typing import Any

import gradio as gr

from mirnet.inside.trace import summary
from mirnet.tasks import TASKS

from ..jobs import choose_weights
from ..kit.widgets import translate_errors
from .trace_cache import TraceCache


class InsideEndpoint:
    """Adds the endpoint to the page; its widgets are never drawn.

    Args:
        traces: Runs passes through networks and keeps their records.
    """

    def __init__(self, traces: TraceCache) -> None:
        self.traces = traces
        inputs = [
            gr.File(label="image", visible=False),
            gr.Dropdown(list(TASKS), value=next(iter(TASKS)), label="task", visible=False),
            gr.Textbox("", label="weights", visible=False),
        ]
        gr.Button(visible=False).click(
            self.look_inside,
            inputs,
            gr.JSON(label="found", visible=False),
            api_name="look_inside",
            api_description="Send one photo through a network and return what its streams did: "
            "attention and fusion weights in full; of maps, mean and range. weights: id in the "
            "catalogue, empty for the task's own.",
            concurrency_id="model",
            concurrency_limit=2,
        )

    def look_inside(self, image: str | None, task: str, weights: str) -> dict[str, Any]:
        """One pass; returns `mirnet.inside.trace.summary` of it.

        Raises:
            gr.Error: No photo, or one that cannot be looked at so.
        """
        with translate_errors():
            return summary(self.traces.run(image, task, choose_weights(task, weights)))
