"""Small parts that several views of the Evaluate page use, and errors as its messages."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gradio as gr

from mirnet.errors import MIRNetError

Update = dict[Any, Any]
"""Which widget gets what."""
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Of events that are the page's own."""


def words(name: str) -> gr.HTML:
    """A place for words, which takes no room while there are none."""
    return gr.HTML("", elem_id=name, elem_classes=["ev-words"])


def shown(error: MIRNetError) -> gr.Error:
    """Our sentence as the page's message."""
    return gr.Error(str(error), duration=12, print_exception=False)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn our sentences into the page's messages."""
    try:
        yield
    except MIRNetError as error:
        raise shown(error) from error
