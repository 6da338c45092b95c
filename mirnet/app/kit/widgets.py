"""Types and settings shared by the Gradio events of all tabs, and errors as page messages."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gradio as gr

from mirnet.errors import MIRNetError

Update = dict[Any, Any]
"""New values of widgets, as an event returns them: widget to value or `gr.update`."""
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Arguments of an event that only the page itself calls."""
ERROR_SECONDS = 12
"""Seconds for which an error message stays on the page."""


def text_area(elem_id: str) -> gr.HTML:
    """An HTML widget for a short text that takes no space while it is empty."""
    return gr.HTML("", elem_id=elem_id, elem_classes=["mir-words"])


def gradio_error(error: MIRNetError) -> gr.Error:
    """Convert a `MIRNetError` into the page's error message, without a traceback."""
    return gr.Error(str(error), duration=ERROR_SECONDS, print_exception=False)


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Raise `MIRNetError` as `gr.Error`, so that the page shows its message.

    Other exceptions are bugs: they propagate, and Gradio logs them.
    """
    try:
        yield
    except MIRNetError as error:
        raise gradio_error(error) from error
