"""The choice of the mode: a row of cards, and the scale of Enlarge."""

import gradio as gr

from ..kit import html
from ..kit.widgets import PRIVATE, Update
from .modes import CARDS

ENLARGE = "enlarge"
"""Value of the card that has several modes."""


class TaskView:
    """The cards; `mode` is a state with the id of the chosen `Mode`."""

    def __init__(self) -> None:
        first = next(iter(CARDS))
        scales = CARDS[ENLARGE].modes
        self.mode = gr.State(next(iter(CARDS[first].modes.values())))
        with gr.Row(elem_id="tasks"):
            self.card = gr.Radio(
                [(card.title, value) for value, card in CARDS.items()],
                value=first,
                label="What should happen to the photo?",
                elem_id="task",
            )
            self.scale = gr.Radio(
                list(scales.items()),
                value=next(iter(scales.values())),
                label="Times as wide and high",
                visible=False,
                elem_id="scale",
            )
        self.words = gr.HTML(html.small(CARDS[first].explanation), elem_id="task-words")

    def connect(self) -> gr.events.Dependency:
        """Connect the choices; returns the event after which `mode` holds another mode."""
        return gr.on(
            [self.card.input, self.scale.input],
            self.choose,
            [self.card, self.scale],
            [self.mode, self.scale, self.words],
            trigger_mode="always_last",  # quick clicks end at the last choice
            **PRIVATE,
        )

    def set_mode(self, mode_id: str) -> Update:
        """Set a mode, its card and, if the card has several, its scale."""
        value = next(name for name, card in CARDS.items() if mode_id in card.modes.values())
        scale = {self.scale: gr.update(visible=True, value=mode_id)}
        update = self.choose(value, mode_id)
        return update | {self.card: value} | (scale if len(CARDS[value].modes) > 1 else {})

    def choose(self, value: str, scale: str) -> Update:
        """Set the mode for the chosen card and scale."""
        card = CARDS[value]
        several = len(card.modes) > 1
        return {
            self.mode: scale if several else next(iter(card.modes.values())),
            self.scale: gr.update(visible=several),
            self.words: html.small(card.explanation),
        }
