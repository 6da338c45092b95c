"""The photo, the network's input and its output."""

from collections.abc import Iterator

import gradio as gr

from mirnet.errors import Cancelled
from mirnet.images.preview import shrink
from mirnet.inside import plots
from mirnet.inside.trace import MAX_PX

from ..kit import html as kit
from ..kit.widgets import Update, gradio_error
from ..queue import QueuePosition
from ..restore_tab.html import photo_facts
from . import html
from .trace_cache import TraceCache

PURPOSE = "inside"
"""Name of the view's turn in the queue of photos."""


def picture(alt: str, elem_id: str) -> gr.Image:
    """A picture widget with alternative text for screen readers."""
    return gr.Image(
        format="png",
        interactive=False,
        show_label=False,
        buttons=["fullscreen"],
        alt_text=alt,
        elem_id=elem_id,
    )


class PicturesView:
    """The photo, and after a pass the network's input and output.

    Args:
        traces: Cache of recorded passes.
        chosen: State that holds the path of the photo.
    """

    def __init__(self, traces: TraceCache, chosen: gr.State) -> None:
        self.traces, self.chosen = traces, chosen
        self.board = gr.HTML(html.welcome())
        self.facts = gr.HTML("", elem_id="inside-facts")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=260, visible=False) as self.seen_side:
                self.seen_words = gr.HTML()
                self.seen = picture("The photo as the network sees it", "inside-seen")
            with gr.Column(min_width=260, visible=False) as self.restored_side:
                gr.HTML(kit.heading("What came out"))
                self.restored = picture("What the network made of it", "inside-restored")
        self.outputs = [
            self.chosen, self.board, self.facts, self.seen_side, self.seen_words, self.seen,
            self.restored_side, self.restored,
        ]  # fmt: skip

    def show_photo(self, path: str | None, request: gr.Request) -> Iterator[Update]:
        """Show an added photo, or clear the view after its removal.

        It is read in its turn in the queue of photos; a newer one ends the wait.

        Raises:
            gr.Error: The photo cannot be read; one that is not shown to the visitor if a newer
                photo was added meanwhile.
        """
        reader, visitor = self.traces.reader, str(request.session_hash)
        hidden = gr.update(visible=False)
        empty = {
            self.board: gr.update(value=html.welcome(), visible=True),
            self.facts: "",
            self.seen_side: hidden,
            self.restored_side: hidden,
        }
        try:
            with reader.newest(visitor, PURPOSE) as check:
                if path is None:
                    yield empty
                    return
                photo = yield from reader.read_when_scheduled(path, visitor, PURPOSE, self._waiting)
                shown = shrink(photo, 2 * MAX_PX).pixels
                check()
        except Cancelled as error:
            raise gr.Error(str(error), visible=False, print_exception=False) from error
        except Exception as error:
            yield empty | {self.chosen: None}
            raise gradio_error(error) from error
        yield {
            self.board: hidden,
            self.facts: photo_facts(photo),
            self.seen_side: gr.update(visible=True),
            self.seen_words: kit.heading("Your photo"),
            self.seen: shown,
            self.restored_side: hidden,
        }

    def _waiting(self, position: QueuePosition) -> Update:
        """Show the queue position of a photo that is to be read."""
        return {self.board: gr.update(value=kit.progress(position.words()), visible=True)}

    def show_pass(self, key: str | None) -> Update:
        """Show input and output of a pass."""
        if key is None:
            return {self.board: gr.skip()}
        found = self.traces.shown(key)
        shown = gr.update(visible=True)
        return {
            self.board: gr.update(visible=False),
            self.facts: kit.facts(plots.facts(found)),
            self.seen_side: shown,
            self.seen_words: kit.heading("What went in"),
            self.seen: shrink(found.seen).pixels,  # 8 bits
            self.restored_side: shown,
            self.restored: shrink(found.restored).pixels,
        }
