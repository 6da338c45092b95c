"""The example photos that visitors can try: free photos with synthetic damage."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

EXAMPLES_FOLDER = Path(__file__).parents[2] / "examples"
"""The pictures and their list, made by examples/make_examples.py."""


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
    """Two or three words."""
    alt: str
    """What the picture shows, for those who cannot see it."""


@lru_cache(maxsize=1)
def examples() -> list[Example]:
    """All examples; empty where the folder was not copied along."""
    index = EXAMPLES_FOLDER / "examples.json"
    if not index.is_file():
        return []
    return [
        Example(
            EXAMPLES_FOLDER / row["file"],
            EXAMPLES_FOLDER / row["original"],
            row["task"],
            row["title"],
            row["alt"],
        )
        for row in json.loads(index.read_text(encoding="utf-8"))
    ]


def examples_for(task_id: str) -> list[Example]:
    """Examples of one task."""
    return [example for example in examples() if example.task == task_id]
