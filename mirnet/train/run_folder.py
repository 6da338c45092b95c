"""The files of a training run, written so that a kill at any moment leaves a whole state behind."""

import csv
import json
from pathlib import Path
from typing import Any

import torch

from mirnet.errors import InvalidRequest
from mirnet.files import replacing, write_file

COLUMNS = (
    "cycle",
    "step",
    "loss",
    "learning_rate",
    "seconds_per_step",
    "samples_per_second",
    "data_share",
    "dev_psnr_db",
)
"""Columns of `log.csv`."""
STEPS = "steps"
"""Folder of the weights that are kept of single steps."""
FILES = (
    "state.pt", "log.csv", "best.safetensors", "last.safetensors", "card.json", "recipe.json", STEPS
)  # fmt: skip
"""Names of all files that a run writes, and of the folder of kept weights."""


class RunFolder:
    """A run's `recipe.json`, `state.pt`, `log.csv`, `card.json`, weights, and kept weights.

    Args:
        path: Path of the folder.
    """

    def __init__(self, path: Path):
        self.path = path

    def load_state(self, device: torch.device | str) -> dict[str, Any] | None:
        """Load the state last written by `save_state`; None if there is none."""
        path = self.path / "state.pt"
        return torch.load(path, map_location=device, weights_only=True) if path.exists() else None

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace `state.pt`, which holds everything needed to resume."""
        with replacing(self.path / "state.pt") as part:
            torch.save(state, part)

    def step_file(self, step: int) -> Path:
        """Path of the weights that are kept of a step, counted over all cycles."""
        folder = self.path / STEPS
        folder.mkdir(exist_ok=True)
        return folder / f"step-{step:07d}.safetensors"

    def save_json(self, name: str, content: dict[str, Any]) -> None:
        """Replace `name`.json."""
        write_file(self.path / f"{name}.json", json.dumps(content, indent=2) + "\n")

    def log(self, row: dict[str, str]) -> None:
        """Append a row of `COLUMNS` to `log.csv`."""
        path = self.path / "log.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if new:
                writer.writeheader()
            writer.writerow(row)

    def set_aside(self) -> None:
        """Move the files of an earlier run into `previous-1`, `previous-2` and so on."""
        here = [self.path / name for name in FILES if (self.path / name).exists()]
        if not here:
            return
        number = 1
        while (self.path / f"previous-{number}").exists():
            number += 1
        (self.path / f"previous-{number}").mkdir()
        for file in here:
            file.rename(self.path / f"previous-{number}" / file.name)


def check_same(state: dict[str, Any], identity: str, folder: Path) -> None:
    """Check that a state belongs to this configuration and data, and is complete.

    Raises:
        InvalidRequest: The state belongs to another run, or holds only the averaged weights.
    """
    if not state["model"]:
        raise InvalidRequest(
            f"{folder} holds the end of a cycle: begin the next one with --continue."
        )
    if state["identity"] != identity:
        raise InvalidRequest(
            f"{folder} holds a run of another configuration: name another --folder, start over "
            "with --no-resume, or begin its next cycle with --continue."
        )
