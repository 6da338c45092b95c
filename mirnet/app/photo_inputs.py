"""Widgets that take a photo, the same in every tab: a place for files and a row of examples."""

from typing import Any

import gradio as gr

from mirnet.images.formats import PICTURE_SUFFIXES

from .examples import examples_for

READABLE = ["image", *PICTURE_SUFFIXES]
"""What the file chooser offers; the suffixes are those that browsers do not take for pictures."""


def photo_file(label: str, elem_id: str, *, multiple: bool = False) -> gr.File:
    """A place to drop or choose photos.

    Args:
        label: Above it.
        elem_id: Its id on the page.
        multiple: Whether several photos may come at once.
    """
    return gr.File(
        label=label,
        file_count="multiple" if multiple else "single",
        file_types=READABLE,
        elem_id=elem_id,
        height=120,
    )


def examples_gallery(task_id: str, label: str, elem_id: str, **settings: Any) -> gr.Gallery:
    """The examples of a task as a row of thumbnails; hidden where there are none.

    Args:
        task_id: Whose examples; `examples_of` shows another task's.
        label: Above it.
        elem_id: Its id on the page.
        settings: Further settings of the gallery.
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
    """What a gallery of a task's examples holds, as `gr.Gallery` and `gr.update` take it.

    None of them is selected: another task's choice would stay marked at its place.
    """
    found = examples_for(task_id)
    return {
        "value": [(str(example.path), example.title) for example in found],
        "visible": bool(found),
        "selected_index": None,
    }
