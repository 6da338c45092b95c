"""What Gradio events of every tab have in common, and our errors as the page's messages."""

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
"""How long a message about an error stays on the page."""


def text_area(elem_id: str) -> gr.HTML:
    """A place for a few words; it takes no room while it is empty."""
    return gr.HTML("", elem_id=elem_id, elem_classes=["mir-words"])


def gradio_error(error: MIRNetError) -> gr.Error:
    """One of our errors as the page's message: its sentence, without a traceback."""
    return gr.Error(str(error), duration=ERROR_SECONDS, print_exception=False)


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Raise our errors as `gr.Error`, so that the page shows their sentence.

    Other exceptions are bugs: they pass, and Gradio logs them.
    """
    try:
        yield
    except MIRNetError as error:
        raise gradio_error(error) from error
