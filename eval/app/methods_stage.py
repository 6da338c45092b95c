"""Pictures of the Compare methods tab: input and results with one zoom, and the blind vote."""

import secrets
from typing import Any, NamedTuple

import gradio as gr

from eval.methods.one_photo import (
    MAX_METHODS,
    MIN_METHODS,
    MethodResult,
    UsedPhoto,
    use_photo,
)
from mirnet.app.examples import demonstrations
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import Update
from mirnet.images.decode import read_image
from mirnet.tasks import get_task
from mirnet.weights import catalogue

from .page_files import TEMPLATES

LETTERS = "ABCDEF"
"""Names of the results while their methods are hidden."""
NO_DIFFERENCE = "No difference"
"""Answer of a visitor who sees none."""


class Comparison(NamedTuple):
    """The results on the screen, without their pixels, in the order of their pictures."""

    results: tuple[MethodResult, ...]
    """Results that have a picture."""
    hidden: bool
    """Whether the methods' names are hidden."""


class MethodsStage:
    """Builds the pictures inside the current layout; `outputs` are the widgets that it writes."""

    def __init__(self) -> None:
        self.comparison = gr.State(None)
        self.about = gr.HTML("", elem_id="methods-about")
        self.vote = gr.Radio([], label="Which is best?", visible=False, elem_id="methods-vote")
        gr.HTML(TEMPLATES.render("picture_zoom"))
        with gr.Row(elem_id="methods-pictures", elem_classes=["sync-pictures"]):
            self.pictures = [
                gr.Image(
                    label="Input",
                    format="png",
                    interactive=False,
                    buttons=[],
                    visible=number < MIN_METHODS,
                    min_width=160,
                    elem_classes=["sync-picture"],
                )
                for number in range(MAX_METHODS + 1)
            ]
        self.outputs = [self.comparison, self.about, self.vote, *self.pictures]

    def show_example(self, task_id: str) -> Update:
        """Show the task's first example and the stored result of our network."""
        found = demonstrations().get(task_id)
        if found is None:
            return self.show_pictures([])
        entry = catalogue.load_catalogue().get(found.weights)
        title = entry.title if entry else found.weights
        task = get_task(task_id)
        before = use_photo(read_image(found.example.path), task)
        after = read_image(found.restored).pixels
        return self.show_pictures([("Input", before.enlarged()), (title, after)]) | {
            self.about: kit.facts(f"Example: {found.example.title}. Press Compare to add methods."),
        }

    def show_input(self, used: UsedPhoto) -> Update:
        """Show a photo before it is restored."""
        words = used.words or "Press Compare."
        return self.show_pictures([("Input", used.enlarged())]) | {self.about: kit.facts(words)}

    def show_pictures(self, pictures: list[tuple[str, Any]]) -> Update:
        """Show pictures with their labels, hide the other places, and forget the results before."""
        update: Update = {self.comparison: None, self.vote: gr.update(visible=False, value=None)}
        for number, place in enumerate(self.pictures):
            if number < len(pictures):
                label, pixels = pictures[number]
                update[place] = gr.update(value=pixels, label=label, alt_text=label, visible=True)
            else:
                update[place] = gr.update(value=None, visible=False)
        return update

    def show_named(self, done: list[MethodResult]) -> Update:
        """Show the newest result under the name and time of its method, beside those before."""
        shown = [one for one in done if one.pixels is not None]
        update: Update = {self.comparison: Comparison(_light(shown), False)}
        if done[-1].pixels is not None:
            label = _label(done[-1])
            update[self.pictures[len(shown)]] = gr.update(
                value=done[-1].pixels, label=label, alt_text=label, visible=True
            )
        return update

    def show_hidden(self, used: UsedPhoto, done: list[MethodResult]) -> Update:
        """Show results in random order under letters, and ask which is best."""
        shown = [one for one in done if one.pixels is not None]
        secrets.SystemRandom().shuffle(shown)
        letters = LETTERS[: len(shown)]
        pictures = [
            ("Input", used.enlarged()),
            *((letter, one.pixels) for letter, one in zip(letters, shown, strict=True)),
        ]
        return self.show_pictures(pictures) | {
            self.comparison: Comparison(_light(shown), True),
            self.vote: gr.update(choices=[*letters, NO_DIFFERENCE], value=None, visible=True),
        }

    def reveal(self, vote: str | None, comparison: Comparison | None) -> Update:
        """Name the methods once the visitor has said which result is best."""
        if comparison is None or not comparison.hidden or not vote:
            return {self.about: gr.skip()}
        results = comparison.results
        names = dict(zip(LETTERS, results, strict=False))
        chosen = names.get(vote)
        words = f"Your choice: {vote}, {_label(chosen)}." if chosen else "You saw no difference."
        update: Update = {
            self.comparison: Comparison(results, False),
            self.vote: gr.update(visible=False),
            self.about: kit.state(words, "done"),
        }
        for place, (letter, one) in zip(self.pictures[1:], names.items(), strict=False):
            label = f"{letter}: {_label(one)}"
            update[place] = gr.update(label=label, alt_text=label)
        return update


def _label(result: MethodResult) -> str:
    """Name and time of a method, above its picture."""
    return f"{result.title} · {result.seconds:.2g} s"


def _light(results: list[MethodResult]) -> tuple[MethodResult, ...]:
    """Results without their pixels, for the session."""
    return tuple(MethodResult(one.id, one.title, None, one.seconds, one.error) for one in results)
