"""The photo of the Compare methods tab: an own one, or an example."""

from collections.abc import Generator, Iterator
from typing import Any

import gradio as gr

from eval.methods.one_photo import MAX_RESULT_PIXELS, UsedPhoto, use_photo
from mirnet.app.examples import demonstrations, examples_for
from mirnet.app.jobs import Run
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import IN_PHOTO_QUEUE, Update, gradio_error
from mirnet.app.photo_inputs import examples_gallery, examples_of, photo_file
from mirnet.app.photo_reader import PhotoReader
from mirnet.app.queue import QueuePosition
from mirnet.errors import Cancelled, InvalidRequest, MIRNetError
from mirnet.tasks import get_task

from .methods_stage import MethodsStage


class PhotoView:
    """Takes the photo that methods are compared on, and reads it.

    Args:
        reader: Reads the photos.
        task_id: Id of the initial task, whose examples are offered.
        line: Status line for messages of the view.
    """

    def __init__(self, reader: PhotoReader, task_id: str, line: gr.HTML) -> None:
        self.reader, self.line = reader, line
        self.path = gr.State(None)  # path of the visitor's photo or example
        self.file = photo_file(
            f"Photo, up to {reader.max_pixels / 1e6:.4g} megapixels; beyond "
            f"{MAX_RESULT_PIXELS / 1e6:g}, a part or a reduced copy is compared",
            "methods-photo",
        )
        self.samples = examples_gallery(task_id, "Or an example", "methods-samples")
        self.outputs = [self.path, self.file, self.line]

    def connect(self, task: gr.Dropdown, stage: MethodsStage) -> None:
        """Connect the events of the view itself.

        Args:
            task: Holds the id of the task.
            stage: Shows the photo.
        """
        self.stage = stage
        # A newer photo ends the wait of the one before; by default it would be left out.
        shared: dict[str, Any] = {
            "outputs": [*self.outputs, *stage.outputs],
            "trigger_mode": "multiple",
            **IN_PHOTO_QUEUE,
        }
        gr.on([self.file.upload, self.file.clear], self.take, [self.file, task], **shared)
        self.samples.select(self.take_example, task, **shared)

    def change_task(self, task_id: str) -> Update:
        """Offer the examples of another task, and show its first."""
        examples = {self.samples: gr.update(**examples_of(task_id))}
        return self._none() | examples | self.stage.show_example(task_id)

    def take(self, path: str | None, task_id: str, request: gr.Request) -> Iterator[Update]:
        """Show an added photo, or the example after a removal; say at once if it cannot be used.

        It is read in its turn in the queue of photos; a newer one ends the wait.
        """
        visitor = str(request.session_hash)
        try:
            with self.reader.newest(visitor, "methods") as check:
                if path is None:
                    yield self._none() | self.stage.show_example(task_id)
                    return
                used = yield from self.read(path, task_id, visitor, "methods")
                shown = self.stage.show_input(used)
                check()
        except Cancelled:  # the newer photo fills the view
            yield {self.line: gr.skip()}
        except MIRNetError as error:
            yield self._refused(str(error), task_id)
        except Exception as error:
            told = gradio_error(error)
            yield self._refused(told.message, task_id)
            raise told from error
        else:
            yield {self.path: path, self.line: ""} | shown

    def take_example(
        self, task_id: str, event: gr.SelectData, request: gr.Request
    ) -> Iterator[Update]:
        """Show the clicked example."""
        path = str(examples_for(task_id)[int(event.index)].path)
        yield {self.file: None}  # once: a newer photo may be there when the example's turn ends
        yield from self.take(path, task_id, request)

    def read(
        self, path: str, task_id: str, visitor: str, purpose: str, run: Run | None = None
    ) -> Generator[Update, None, UsedPhoto]:
        """Read a photo in its turn, and reduce it for the comparison."""
        photo = yield from self.reader.read_when_scheduled(
            path, visitor, purpose, self.waiting, run
        )
        return use_photo(photo, get_task(task_id))

    def _refused(self, words: str, task_id: str) -> Update:
        """Show the example, and why a photo cannot be used."""
        said = {self.line: kit.state(words, "failed")}
        return self._none() | said | self.stage.show_example(task_id)

    def _none(self) -> Update:
        return {self.path: None, self.file: None, self.line: ""}

    def waiting(self, position: QueuePosition) -> Update:
        """Show the queue position of a photo that is to be read, or of a comparison."""
        return {self.line: kit.progress(position.words())}


def first_example(task_id: str) -> str:
    """Path of the task's example that the tab shows at first.

    Raises:
        InvalidRequest: There is none.
    """
    found = demonstrations().get(task_id)
    if found is None:
        raise InvalidRequest("Add a photo or click an example first.")
    return str(found.example.path)
