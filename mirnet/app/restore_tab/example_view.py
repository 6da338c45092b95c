"""What the stage shows before any photo is added: an example, before and after."""

from typing import Any

import gradio as gr

from ..examples import Example, examples_for
from ..kit.widgets import Update
from ..templates import render


class ExampleView:
    """The first example of a task with a slider between before and after.

    The result was made by our weights and is stored with the example, so nothing runs for it.

    Args:
        task_id: The task whose example is shown first.
    """

    def __init__(self, task_id: str) -> None:
        values = self._values(task_id)
        self.slider = gr.ImageSlider(
            **values["slider"],
            label="Example: before, left of the line · after, right of it",
            type="filepath",
            format="jpeg",
            interactive=False,
            elem_id="example-slider",
            buttons=["fullscreen"],
        )
        self.words = gr.HTML(**values["words"], elem_id="example-words")
        self.outputs = [self.slider, self.words]

    def show(self, task_id: str) -> Update:
        """Show the example of a task; nothing where none is stored."""
        values = self._values(task_id)
        return {
            self.slider: gr.update(**values["slider"]),
            self.words: gr.update(**values["words"]),
        }

    def hide(self) -> Update:
        """A photo was added."""
        return dict.fromkeys(self.outputs, gr.update(visible=False))

    @classmethod
    def has(cls, task_id: str) -> bool:
        """Whether a restored example of this task is stored."""
        return cls._first(task_id) is not None

    @staticmethod
    def _first(task_id: str) -> Example | None:
        return next((e for e in examples_for(task_id) if e.restored), None)

    @classmethod
    def _values(cls, task_id: str) -> dict[str, dict[str, Any]]:
        """Values of the two widgets, as their constructors and `gr.update` take them."""
        example = cls._first(task_id)
        if example is None:
            return {
                "slider": {"value": None, "visible": False},
                "words": {"value": "", "visible": False},
            }
        return {
            "slider": {"value": (str(example.path), str(example.restored)), "visible": True},
            "words": {"value": render("example", example=example), "visible": True},
        }
