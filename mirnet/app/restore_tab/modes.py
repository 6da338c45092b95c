"""What a visitor can ask for: the tasks as cards, Enlarge with its scales as one of them."""

from dataclasses import dataclass

from mirnet.tasks import TASKS


@dataclass(frozen=True)
class Mode:
    """One thing that can be done to a photo."""

    id: str
    """Id of the task, or "sharpen"."""
    task: str
    """Id of the task whose networks do it."""
    same_size: bool = False
    """Whether a task that enlarges is to keep the photo's size."""
    weights: str | None = None
    """Id of the weights that are chosen first; None for the task's own."""


SHARPEN = Mode("sharpen", "sr-x2", same_size=True, weights="sr-x2-photo")
"""Sharpens a soft photo at its own size, with the network trained on camera photos."""
MODES: dict[str, Mode] = {task.id: Mode(task.id, task.id) for task in TASKS.values()} | {
    SHARPEN.id: SHARPEN
}
"""All modes by id."""


@dataclass(frozen=True)
class Card:
    """One choice on the page."""

    title: str
    """Two or three words."""
    explanation: str
    """One sentence for a person who has a photo and no knowledge of the field."""
    modes: dict[str, str]
    """Ids of its modes, by what the choice between them is called."""


def _card(task_id: str) -> Card:
    task = TASKS[task_id]
    return Card(task.title, task.explanation, {task.title: task_id})


CARDS: dict[str, Card] = {
    "denoise": _card("denoise"),
    "lowlight": _card("lowlight"),
    "enlarge": Card(
        "Enlarge",
        "Makes a small picture larger, then sharpens what resampling left soft.",
        {f"x{task.scale}": task.id for task in TASKS.values() if task.scale > 1},
    ),
    "sharpen": Card(
        "Sharpen a soft photo",
        "Brings out the detail of a photo that is large enough but not sharp.",
        {"Sharpen": SHARPEN.id},
    ),
    "retouch": _card("retouch"),
}
"""The cards by their value in the page's choice, in the order in which they are shown."""


def title(mode_id: str) -> str:
    """What a mode is called in a sentence.

    >>> title("sr-x2"), title("sharpen")
    ('Enlarge x2', 'Sharpen a soft photo')
    """
    mode = MODES[mode_id]
    return CARDS[mode_id].title if mode.same_size else TASKS[mode.task].title
