"""The stage without a result: an example, the added photo, or the list of a batch."""

from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from mirnet.errors import Cancelled, InvalidRequest
from mirnet.images.encode import write_image
from mirnet.images.picture import Picture
from mirnet.images.preview import shown_size, shrink

from ..jobs import BatchRow
from ..kit.widgets import PRIVATE, Update, gradio_error, translate_errors
from . import html
from .batch import batch_table
from .example_view import ExampleView
from .photos_view import MAX_FILES, Selection
from .restorer import Restorer, ScratchFolder
from .status_bar import StatusBar

PURPOSE = "stage"
"""Name of the view's turn in the queue of photos."""


class StageView:
    """Shows the selected photos, and the facts of the photo or the result.

    Args:
        restorer: Holds the cached results and reads photos.
        status: Status bar for messages of the view.
        selection: State that holds a `Selection`.
        mode_id: Id of the initial mode.
    """

    def __init__(
        self, restorer: Restorer, status: StatusBar, selection: gr.State, mode_id: str
    ) -> None:
        self.restorer, self.status, self.selection = restorer, status, selection
        self.example = ExampleView(mode_id)
        self.board = gr.HTML(html.welcome(), elem_id="board", visible=not self.example.has(mode_id))
        self.photo = gr.Image(
            label="Your photo; click a place to try the settings there first",
            alt_text="Your photo before restoration",
            elem_id="photo",
            buttons=["fullscreen"],
            format="png",
            interactive=False,
            visible=False,
        )
        self.try_part = gr.Button(
            "Try the settings on a part first", visible=False, elem_id="try-part", size="sm"
        )
        self.place = gr.State(None)
        self.facts = gr.HTML("", elem_id="facts", render=False)
        self.outputs = [
            self.selection, self.status.line, *self.example.outputs, self.board, self.photo,
            self.try_part, self.facts,
        ]  # fmt: skip

    def connect_parts(self) -> list[gr.events.Dependency]:
        """Connect the choice of a part to try; returns the events after which `place` holds it."""
        return [
            self.photo.select(self.choose_place, self.selection, self.place, **PRIVATE),
            self.try_part.click(lambda: None, None, self.place, **PRIVATE),
        ]

    def choose_place(self, selection: Selection, event: gr.SelectData) -> tuple[float, float]:
        """Place that was clicked in the photo, as shares of width and height."""
        with translate_errors():
            # Not the size in the file, which may lie on its side.
            picture = self.restorer.reader.read(selection.paths[0])
            width, height = shown_size(picture.width, picture.height)
        return (event.index[0] + 0.5) / width, (event.index[1] + 0.5) / height

    def show_photos(
        self, selection: Selection, mode_id: str, request: gr.Request
    ) -> Iterator[Update]:
        """Show the selected photos, and deselect a photo that cannot be read.

        A photo is read in its turn in the queue of photos; newer ones end the wait.

        Args:
            selection: The photos; without any, the example is shown.
            mode_id: Id of the chosen mode, which determines the example.

        Raises:
            gr.Error: Too many photos, or one that cannot be read; one that is not shown to the
                visitor if newer photos were added meanwhile.
        """
        paths, visitor = selection.paths, str(request.session_hash)
        reader = self.restorer.reader
        cleared = self.status.clear() | {
            self.photo: gr.update(value=None, visible=False),
            self.try_part: gr.update(visible=False),
            self.facts: "",
        }
        welcome = self.welcome(mode_id)
        try:
            with reader.newest(visitor, PURPOSE) as check:
                if len(paths) > MAX_FILES:
                    raise InvalidRequest(
                        f"{len(paths)} photos are too many at once: choose at most {MAX_FILES}."
                    )
                if len(paths) == 1:
                    picture = yield from reader.read_when_scheduled(
                        paths[0], visitor, PURPOSE, self.status.waiting
                    )
                    with ScratchFolder() as folder:
                        shown = self._one(picture, folder)
                        check()
                        yield cleared | self.example.hide() | shown | {self.selection: selection}
                else:
                    shown = self.example.hide() | self._list_of(paths) if paths else welcome
                    yield cleared | shown | {self.selection: selection}
        except Cancelled as error:
            raise gr.Error(str(error), visible=False, print_exception=False) from error
        except Exception as error:
            failure = gradio_error(error)
            failed = self.status.show(failure.message, "failed")
            yield cleared | welcome | failed | {self.selection: Selection()}
            raise failure from error
        if paths:
            self.restorer.warm_up()

    def welcome(self, mode_id: str) -> Update:
        """Show the example of a mode, or a welcome text if it has none."""
        board = gr.update(value=html.welcome(), visible=not self.example.has(mode_id))
        return self.example.show(mode_id) | {self.board: board}

    def change_mode(self, mode_id: str, selection: Selection) -> Update:
        """Show the example of a new mode, unless a photo is selected."""
        return {self.board: gr.skip()} if selection.paths else self.welcome(mode_id)

    def show_result(self, key: str | None) -> Update:
        """Show the facts of a result; `CompareView` shows its pictures."""
        if key is None:  # a batch, whose list shows the facts
            return {self.facts: gr.skip()}
        kept = self.restorer.kept(key)
        return {
            self.photo: gr.update(visible=kept.part),
            self.try_part: gr.update(visible=kept.part),
            self.facts: html.result_facts(kept.result),
        }

    def show_facts(self, key: str | None) -> str:
        """Facts of a result of a batch, below its comparison."""
        return html.result_facts(self.restorer.result(key))

    def _list_of(self, paths: tuple[str, ...]) -> Update:
        """The list of a batch, before it is restored."""
        rows = [BatchRow(Path(path).name) for path in paths]
        return self.status.show(
            f"{len(paths)} photos are ready: press Restore for one zip and a list to compare."
        ) | {self.board: gr.update(value=batch_table(rows), visible=True)}

    def _one(self, picture: Picture, folder: Path) -> Update:
        """A photo that was read, and what it needs.

        Args:
            folder: Folder for the written picture.
        """
        from mirnet.restoration.inspection import inspect_picture

        shown = write_image(shrink(picture), folder / "photo.png")
        return {
            self.board: gr.update(visible=False),
            self.photo: gr.update(value=str(shown), visible=True),
            self.try_part: gr.update(visible=True),
            self.facts: html.photo_facts(picture, inspect_picture(picture).words()),
        }
