"""Modes of the Restore tab: one card per task, and one card Enlarge for all scales."""

from dataclasses import dataclass

from mirnet.tasks import TASKS


@dataclass(frozen=True)
class Mode:
    """One kind of restoration that a visitor can choose."""

    id: str
    """Id of the mode: the id of its task, or "sharpen"."""
    task: str
    """Id of the task whose weights are used."""
    same_size: bool = False
    """Whether a super-resolution task keeps the photo's size."""
    weights: str | None = None
    """Id of the default weights; None for the task's own."""


SHARPEN = Mode("sharpen", "sr-x2", same_size=True, weights="sr-x2-photo")
"""Sharpens a soft photo at its own size, with the network trained on camera photos."""
MODES: dict[str, Mode] = {task.id: Mode(task.id, task.id) for task in TASKS.values()} | {
    SHARPEN.id: SHARPEN
}
"""All modes by id."""


@dataclass(frozen=True)
class Card:
    """One card on the page, with one or more modes."""

    title: str
    """Display title of two or three words."""
    explanation: str
    """One sentence for a person who has a photo and no knowledge of the field."""
    modes: dict[str, str]
    """Ids of the card's modes by their labels."""


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
"""Cards by the value of the page's radio buttons, in display order."""


def title(mode_id: str) -> str:
    """Name of a mode within a sentence.

    >>> title("sr-x2"), title("sharpen")
    ('Enlarge x2', 'Sharpen a soft photo')
    """
    mode = MODES[mode_id]
    return CARDS[mode_id].title if mode.same_size else TASKS[mode.task].title
