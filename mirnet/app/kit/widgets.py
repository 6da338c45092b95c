"""Types and settings shared by the Gradio events of all tabs, and errors as page messages."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from mirnet.errors import MIRNetError

from ..monitor import fault

Update = dict[Any, Any]
"""New values of widgets, as an event returns them: widget to value or `gr.update`."""
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Arguments of an event that only the page itself calls."""
IN_PHOTO_QUEUE: dict[str, Any] = PRIVATE | {"concurrency_limit": None}
"""Arguments of events that wait in the queue of photos, which decides in place of Gradio's."""
ERROR_SECONDS = 12
"""Seconds for which an error message stays on the page."""


def text_area(elem_id: str, words: str = "") -> gr.HTML:
    """An HTML widget for a short text that takes no space while it is empty.

    Args:
        elem_id: HTML id of the widget.
        words: Its text at first.
    """
    return gr.HTML(words, elem_id=elem_id, elem_classes=["mir-words"])


def gradio_error(error: Exception, job: str = "") -> gr.Error:
    """Convert an exception into the page's error message.

    A `MIRNetError` gives its sentence, without a traceback. Other exceptions are bugs: the
    operator's page lists them, Gradio prints them, and the visitor is told their id.

    Args:
        job: Id of the job; empty if there is none.
    """
    if isinstance(error, MIRNetError):
        return gr.Error(str(error), duration=ERROR_SECONDS, print_exception=False)
    return gr.Error(fault(error, job), duration=ERROR_SECONDS)


@contextlib.contextmanager
def translate_errors(job: str = "") -> Iterator[None]:
    """Raise errors as those of `gradio_error`, so that pages and programs are told what happened.

    Args:
        job: Id of the job; empty if there is none.
    """
    try:
        with translate_faults(job):
            yield
    except MIRNetError as error:
        raise gradio_error(error, job) from error


@contextlib.contextmanager
def translate_faults(job: str = "") -> Iterator[None]:
    """Raise faults of the program as `translate_errors` does; a `MIRNetError` passes as it is.

    For handlers that say a `MIRNetError` in a place of their own.

    Args:
        job: Id of the job; empty if there is none.
    """
    try:
        yield
    except (gr.Error, MIRNetError):
        raise
    except Exception as error:
        raise gradio_error(error, job) from error


def told_in_place(attempt: Callable[[], Update], tell: Callable[[str], Update]) -> Iterator[Update]:
    """Yield what an attempt returns, or what says in its place why it failed.

    Args:
        attempt: Does what the event asks for.
        tell: Returns the update that shows the message of `gradio_error` instead.

    Raises:
        gr.Error: The attempt failed by a fault of the program, which stays loud.
    """
    try:
        update = attempt()
    except Exception as error:
        told = gradio_error(error)
        yield tell(told.message)
        if not isinstance(error, MIRNetError):
            raise told from error
        return
    yield update
