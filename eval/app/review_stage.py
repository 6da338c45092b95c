"""The two pictures of a blind question, and the controls of their view."""

from typing import Any

import gradio as gr

from eval.analysis.pictures import Viewport
from eval.review.pictures import question_pictures
from eval.review.reviews import Review
from eval.review.votes import MAX_COMMENT, Outcome
from mirnet.app.kit.widgets import Update, translate_errors

RELOAD = "This page was open for too long, or the app was restarted: reload the page to continue."
"""Error message if the session on the server has lost the review."""


def question_at(review: Review | None, number: float | None) -> tuple[Review, int]:
    """The review of this session, and the question number clipped to its questions.

    Raises:
        gradio.Error: The session has no review.
    """
    if review is None:
        raise gr.Error(RELOAD, print_exception=False)
    return review, min(max(int(number or 0), 0), len(review.questions) - 1)


class ReviewStage:
    """Builds pictures, answers and view controls inside the current layout.

    `inputs` are the widgets of the view controls; every handler takes their values last. `outputs`
    are the widgets that `show` and `blank` write.
    """

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="review-stage") as self.column:
            self.room_px = gr.Number(640, visible=False)
            self._build_pictures()
            self._build_answers()
            self._build_controls()
        self.inputs = [self.view, self.context, self.across, self.down, self.room_px]
        self.outputs = [
            self.a, self.b, self.input, self.target, self.context_row, self.position, self.column,
            self.view, self.across, self.down,
        ]  # fmt: skip

    def _build_pictures(self) -> None:
        sides: dict[str, Any] = {
            "format": "png",
            "interactive": False,
            "buttons": [],
            "min_width": 320,
        }
        with gr.Row(elem_id="review-pictures"):
            self.a = gr.Image(label="A", alt_text="Picture A", elem_id="review-picture-a", **sides)
            self.b = gr.Image(label="B", alt_text="Picture B", elem_id="review-picture-b", **sides)
        with gr.Row(visible=False, elem_id="review-context") as self.context_row:
            self.input = gr.Image(label="Input", alt_text="Input of both", **sides)
            self.target = gr.Image(label="Target", alt_text="Target of both", **sides)

    def _build_answers(self) -> None:
        with gr.Row(elem_id="review-answers"):
            self.answers: dict[Outcome, gr.Button] = {
                "a": gr.Button("A better · 1", variant="primary", elem_id="review-a", min_width=90),
                "tie": gr.Button("Equal · 2", elem_id="review-tie", min_width=90),
                "b": gr.Button("B better · 3", variant="primary", elem_id="review-b", min_width=90),
            }
        with gr.Row(elem_id="review-steps"):
            self.back = gr.Button("← Back", elem_id="review-back", size="md", min_width=90)
            self.flicker = gr.Button(
                "Hold to see B in A's place · F",
                elem_id="review-flicker",
                size="md",
                min_width=90,
            )
            self.skip = gr.Button("Skip →", elem_id="review-skip", size="md", min_width=90)

    def _build_controls(self) -> None:
        with gr.Row(elem_id="review-looks"):
            self.view = gr.Radio(
                [("Whole picture", "whole"), ("True pixels, 100 %", "close")],
                value="whole",
                label="View: choose, or click a picture",
                elem_id="review-view",
                min_width=320,
            )
            self.context = gr.Checkbox(
                False,
                label="Show input and target",
                container=False,
                elem_id="review-context-box",
                min_width=200,
            )
        with gr.Row(visible=False, elem_id="review-point") as self.position:
            self.across = gr.Slider(0, 100, 50, step=1, label="Left to right, %", min_width=260)
            self.down = gr.Slider(0, 100, 50, step=1, label="Top to bottom, %", min_width=260)
        self.comment = gr.Textbox(
            label="Comment on this question (optional)",
            max_length=MAX_COMMENT,
            elem_id="review-comment",
        )

    # ------------------------------------------------------------ showing

    def draw(
        self,
        review: Review,
        number: int,
        view: str,
        context: bool,
        across: float,
        down: float,
        room_px: float,
    ) -> Update:
        """Draw the pictures of one question.

        Raises:
            InvalidRequest: A stored picture is missing or damaged.
        """
        close, room = view == "close", int(room_px or 640)
        viewport = Viewport(int(close), across / 100, down / 100, room, room)
        found = question_pictures(
            review.stored, review.questions[number], viewport, with_context=context
        )
        return {
            self.a: found["a"],
            self.b: found["b"],
            self.input: gr.update(value=found.get("input"), visible="input" in found),
            self.target: gr.update(value=found.get("target"), visible="target" in found),
            self.context_row: gr.update(visible=context),
            self.position: gr.update(visible=close),
            self.column: gr.update(
                visible=True, elem_classes=["review-close"] if close else ["review-whole"]
            ),
        }

    def blank(self) -> Update:
        """Show the stage without pictures, so that a reviewer can still skip the question."""
        return {
            self.a: None,
            self.b: None,
            self.context_row: gr.update(visible=False),
            self.column: gr.update(visible=True),
        }

    def show(self, review: Review | None, number: float | None, *look: Any) -> Update:
        """Redraw the current question after a change of a view control.

        Args:
            review: Review of the session.
            number: Number of the question, from 0.
            look: Values of `inputs`.
        """
        review, place = question_at(review, number)
        with translate_errors():
            return self.draw(review, place, *look)

    def zoom(
        self,
        review: Review | None,
        number: float | None,
        view: str,
        context: bool,
        across: float,
        down: float,
        room_px: float,
        event: gr.SelectData,
    ) -> Update:
        """Show true pixels around a clicked point, or the whole picture again."""
        if view == "close":
            whole = self.show(review, number, "whole", context, across, down, room_px)
            return {self.view: "whole"} | whole
        review, place = question_at(review, number)
        with translate_errors():
            shown = question_pictures(review.stored, review.questions[place], Viewport())["a"]
        height, width = shown.shape[:2]
        across = round(100 * min(event.index[0] / max(width - 1, 1), 1))
        down = round(100 * min(event.index[1] / max(height - 1, 1), 1))
        moved = {self.view: "close", self.across: across, self.down: down}
        return moved | self.show(review, place, "close", context, across, down, room_px)
