"""The stage without a result: an example, the added photo, or the list of a batch."""

from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from mirnet.errors import InvalidRequest
from mirnet.images.encode import write_image
from mirnet.images.preview import shown_size, shrink

from ..jobs import BatchRow
from ..kit.widgets import PRIVATE, Update, gradio_error
from . import html
from .batch import batch_table
from .example_view import ExampleView
from .photos_view import MAX_FILES, Selection
from .restorer import Restorer, ScratchFolder
from .status_bar import StatusBar


class StageView:
    """Shows the selected photos, and the facts of the photo or the result.

    Args:
        restorer: Reads photos.
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
        width, height = shown_size(*self.restorer.read(selection.paths[0]).pixels.shape[1::-1])
        return (event.index[0] + 0.5) / width, (event.index[1] + 0.5) / height

    def show_photos(self, selection: Selection, mode_id: str) -> Iterator[Update]:
        """Show the selected photos, and deselect a photo that cannot be read.

        Args:
            selection: The photos; without any, the example is shown.
            mode_id: Id of the chosen mode, which determines the example.

        Raises:
            gr.Error: Too many photos, or one that cannot be read.
        """
        paths = selection.paths
        cleared = self.status.clear() | {
            self.photo: gr.update(value=None, visible=False),
            self.try_part: gr.update(visible=False),
            self.facts: "",
        }
        welcome = self.welcome(mode_id)
        try:
            if len(paths) > MAX_FILES:
                raise InvalidRequest(
                    f"{len(paths)} photos are too many at once: choose at most {MAX_FILES}."
                )
            if len(paths) > 1:
                shown = self._list_of(paths)
            elif paths:
                shown = self._one(paths[0])
            else:
                shown = iter([welcome])
            for update in shown:
                yield cleared | self.example.hide() | update | {self.selection: selection}
        except Exception as error:
            told = gradio_error(error)
            failed = self.status.show(told.message, "failed")
            yield cleared | welcome | failed | {self.selection: Selection()}
            raise told from error
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

    def _list_of(self, paths: tuple[str, ...]) -> Iterator[Update]:
        rows = [BatchRow(Path(path).name) for path in paths]
        yield self.status.show(
            f"{len(paths)} photos are ready: press Restore for one zip and a list to compare."
        ) | {self.board: gr.update(value=batch_table(rows), visible=True)}

    def _one(self, path: str) -> Iterator[Update]:
        from mirnet.restoration.inspection import inspect_picture

        picture = self.restorer.read(path)
        with ScratchFolder() as folder:
            shown = write_image(shrink(picture), folder / "photo.png")
            yield {
                self.board: gr.update(visible=False),
                self.photo: gr.update(value=str(shown), visible=True),
                self.try_part: gr.update(visible=True),
                self.facts: html.photo_facts(picture, inspect_picture(picture).words()),
            }
