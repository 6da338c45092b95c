"""The example photos that visitors can try: free photos with synthetic damage."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

EXAMPLES_FOLDER = Path(__file__).parents[2] / "examples"
"""Folder of the pictures and their list, made by examples/make_examples.py."""


@dataclass(frozen=True)
class Example:
    """A picture to try, from examples/examples.json."""

    path: Path
    """The damaged picture."""
    original: Path
    """The clean original."""
    task: str
    """Id of the task."""
    title: str
    """Display title of two or three words."""
    alt: str
    """Alternative text: a description of the picture for screen readers."""


@lru_cache(maxsize=1)
def examples() -> list[Example]:
    """All examples; empty if the examples folder is missing."""
    return [
        Example(
            EXAMPLES_FOLDER / row["file"],
            EXAMPLES_FOLDER / row["original"],
            row["task"],
            row["title"],
            row["alt"],
        )
        for row in _read("examples.json") or []
    ]


@dataclass(frozen=True)
class Demonstration:
    """An example before and after, from examples/restored.json."""

    example: Example
    """The example."""
    restored: Path
    """The restored picture."""
    weights: str
    """Id of the weights that restored it."""
    weights_sha256: str
    """Hash of the weights' file."""


@lru_cache(maxsize=1)
def demonstrations() -> dict[str, Demonstration]:
    """Stored results by mode: the id of a task, or "sharpen"."""
    by_file = {example.path: example for example in examples()}
    return {
        mode: Demonstration(
            by_file[EXAMPLES_FOLDER / row["file"]],
            EXAMPLES_FOLDER / row["restored"],
            row["weights"],
            row["weights_sha256"],
        )
        for mode, row in (_read("restored.json") or {}).items()
    }


def _read(name: str) -> Any:
    """Content of a JSON file in the examples folder; None if the file is missing."""
    path = EXAMPLES_FOLDER / name
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def examples_for(task_id: str) -> list[Example]:
    """Examples of one task."""
    return [example for example in examples() if example.task == task_id]
