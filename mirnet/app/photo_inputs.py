"""Widgets that take a photo, the same in every tab: a place for files and a row of examples."""

from typing import Any

import gradio as gr

from mirnet.images.formats import PICTURE_SUFFIXES

from .examples import examples_for

CHOSEN = ["file", "image", *PICTURE_SUFFIXES]
"""File types: "file" takes any, the others are offered first; browsers do not count all of the
suffixes as images."""


def photo_file(label: str, elem_id: str, *, multiple: bool = False) -> gr.File:
    """A place to drop or choose photos, whatever their names: their content decides.

    Args:
        multiple: Whether several photos can be chosen at once.
    """
    return gr.File(
        label=label,
        file_count="multiple" if multiple else "single",
        file_types=CHOSEN,
        elem_id=elem_id,
        height=120,
    )


def examples_gallery(task_id: str, label: str, elem_id: str, **settings: Any) -> gr.Gallery:
    """The examples of a task as a row of thumbnails; hidden if there are none.

    Args:
        task_id: Id of the task; `examples_of` switches to another task.
        settings: Further arguments of `gr.Gallery`.
    """
    return gr.Gallery(
        **examples_of(task_id),
        label=label,
        columns=3,
        rows=1,
        allow_preview=False,
        interactive=False,
        buttons=[],
        format="png",
        object_fit="cover",
        elem_id=elem_id,
        **settings,
    )


def examples_of(task_id: str) -> dict[str, Any]:
    """Properties of a gallery with a task's examples, for `gr.Gallery` and `gr.update`.

    The selection is cleared; otherwise the position chosen for another task would stay marked.
    """
    found = examples_for(task_id)
    return {
        "value": [(str(example.path), example.title) for example in found],
        "visible": bool(found),
        "selected_index": None,
    }
