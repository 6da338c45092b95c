"""The form of the Pictures view that draws what is seen as a figure for a paper."""

import gradio as gr

from eval.reports.crops import FORMATS, MAX_ENLARGE, Box, publication_crop
from mirnet.app.kit import html as kit

from .downloads import WrittenFile, file_name
from .run_queue import RunQueue


class FigureForm:
    """Builds the panel inside the current layout; `crops` are its buttons by file format.

    Args:
        queue: Queue and store of the runs.
    """

    def __init__(self, queue: RunQueue):
        self.queue = queue
        with gr.Accordion("Figure for a paper: what is seen now", open=False, elem_id="ev-figure"):
            gr.HTML(
                kit.small(
                    "Zoom and drag until the pictures show the place. The figure has it by every "
                    "method, in the stored pixels, with an overview, scores, protocol and hashes."
                )
            )
            with gr.Row():
                self.box = gr.Textbox("", visible=False)
                self.enlarge = gr.Number(
                    4, label="Enlarge pixels", minimum=1, maximum=MAX_ENLARGE, precision=0,
                    min_width=110,
                )  # fmt: skip
                self.dpi = gr.Number(
                    300, label="Pixels an inch", minimum=72, maximum=1200, precision=0,
                    min_width=110,
                )  # fmt: skip
                self.crops = {
                    kind: gr.Button(
                        f"Figure as {kind.upper()}", size="md", min_width=140,
                        elem_id=f"ev-crop-{kind}",
                    )
                    for kind in FORMATS
                }  # fmt: skip
        self.inputs = [self.box, self.enlarge, self.dpi]

    def write_crop(
        self,
        kind: str,
        box: str | None,
        enlarge: float | None,
        dpi: float | None,
        run_id: str | None,
        pair: str | None,
        protocol: str | None,
    ) -> WrittenFile:
        """Name and content of the figure of a box by all methods.

        Raises:
            InvalidRequest: See `eval.reports.crops.publication_crop`.
        """
        stored = self.queue.stored(str(run_id))
        content = publication_crop(
            stored, str(pair), Box.parse(box or ""), format=kind, protocol=protocol or None,
            enlarge=int(enlarge or 4), dpi=int(dpi or 300),
        )  # fmt: skip
        return f"{file_name(f'{pair}-crop')}.{kind}", content
