"""The public endpoint /restore, for programs."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gradio as gr

from mirnet.errors import InvalidRequest
from mirnet.images.formats import SAVE_FORMATS
from mirnet.tasks import TASKS

from ..jobs import RestoreRequest, Run, choose_weights, result_name
from ..kit.widgets import translate_errors
from .html import event_words
from .restorer import Restorer, ScratchFolder


class RestoreEndpoint:
    """Adds the endpoint to the page; its widgets are never drawn.

    Args:
        restorer: Restores photos.
    """

    def __init__(self, restorer: Restorer) -> None:
        self.restorer = restorer
        hidden: dict[str, Any] = {"visible": False}
        inputs = [
            gr.File(label="image", **hidden),
            gr.Dropdown(list(TASKS), value=next(iter(TASKS)), label="task", **hidden),
            gr.Textbox("", label="weights", **hidden),
            gr.Number(1.0, label="strength", **hidden),
            gr.Checkbox(False, label="ensemble", **hidden),
            gr.Dropdown(list(SAVE_FORMATS), value="PNG", label="format", **hidden),
            gr.Number(1.0, label="luma", **hidden),
            gr.Number(1.0, label="chroma", **hidden),
            gr.Number(0.0, label="detail", **hidden),
            gr.Textbox("", label="then", **hidden),
        ]
        gr.Button(visible=False).click(
            self.restore,
            inputs,
            gr.File(label="restored", **hidden),
            api_name="restore",
            api_description="Restore one photo and return it as a file of full depth. weights: id "
            "in the catalogue, empty for the task's own. luma, chroma: shares of the change of "
            "luminance and colour; detail: share of the removed texture to return; each 0 to 1. "
            "then: task of a second step, such as sr-x2 after denoise; empty for one step.",
            concurrency_limit=None,  # the queue of photos decides
        )

    def restore(
        self,
        image: str | None,
        task: str,
        weights: str,
        strength: float,
        ensemble: bool,
        format: str,  # noqa: A002
        luma: float,
        chroma: float,
        detail: float,
        then: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # how Gradio wants it
    ) -> Iterator[str | None]:
        """Restore one photo: nothing after each tile, then the path of the file.

        Raises:
            gr.Error: No photo, or one that cannot be restored so.
        """
        from mirnet.restoration.blending import Blend
        from mirnet.restoration.result import RestoreResult, check_blend

        run = Run()
        with translate_errors(run.id):
            if image is None:
                raise InvalidRequest("There is no photo: pass one as `image`.")
            wanted = RestoreRequest(
                task,
                choose_weights(task, weights),
                strength,
                ensemble,
                max_pixels=self.restorer.reader.max_pixels,
                then=then,
                then_weights=choose_weights(then, None) if then else "",
            )
            check_blend(Blend(strength, luma, chroma, detail), *wanted.tasks)
            visitor = str(request.session_hash)
            photo = self.restorer.restore(image, wanted, run, visitor)
            with contextlib.closing(photo) as events:
                for event in events:
                    if not isinstance(event, RestoreResult):
                        words, share = event_words(event)
                        progress(share, desc=words)
                        yield None
                        continue
                    with ScratchFolder() as folder:
                        name = result_name(event.picture, wanted.tasks, format)
                        blended = event.blend(luma=luma, chroma=chroma, detail=detail)
                        yield str(blended.save(folder / name, format))
