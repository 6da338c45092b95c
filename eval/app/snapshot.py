"""What state a run is in at this moment, as the page and the API tell it."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eval.runs.document import Run, SampleResult
from eval.runs.store import StoredRun

State = Literal[
    "queued", "running", "stopping", "elsewhere", "interrupted", "done", "stopped", "failed"
]
"""State of a run. "elsewhere": another process works on it, such as the command line;
"interrupted": its header says "running", and nobody works on it."""
RESUMABLE: tuple[State, ...] = ("interrupted", "stopped", "failed")
"""States in which a run can be resumed."""
UNDER_WAY: tuple[State, ...] = ("queued", "running", "stopping", "elsewhere")
"""States in which a run waits or is worked on."""

_SENTENCES: dict[State, str] = {
    "running": "Under way.",
    "stopping": "Stopping after the current picture …",
    "elsewhere": "Under way in another process, such as the command line.",
    "interrupted": "Interrupted: the program ended first. All results so far are kept.",
    "done": "Done.",
    "stopped": "Stopped. All results so far are kept.",
    "failed": "Failed.",
}


@dataclass(frozen=True)
class Snapshot:
    """State and progress of one run at one moment."""

    run: Run
    """Its header."""
    state: State
    """See `State`."""
    done: int
    """Results so far, scored or failed, of all methods."""
    total: int
    """Results in all: pairs times methods."""
    seconds_left: float | None
    """Estimate while it is under way, else None."""
    latest: SampleResult | None
    """The newest result, where this program works on the run."""
    words: str
    """One sentence about the state."""

    @property
    def under_way(self) -> bool:
        """Whether the run waits or is worked on."""
        return self.state in UNDER_WAY


def state_without_job(run: Run, stored: StoredRun) -> State:
    """State of a run that this program neither works on nor has in its queue."""
    if run.status != "running":
        return run.status
    try:
        return "elsewhere" if stored.is_held() else "interrupted"
    except OSError:  # a read-only disk has no locks, and nobody works on it
        return "interrupted"


def sentence(run: Run, state: State, position: int = 0) -> str:
    """One sentence about a run in a state; of a failed or limited run, its stored reason.

    Args:
        run: Header of the run.
        state: Its state.
        position: Position in the queue from 1, where it is queued.
    """
    if state == "queued":
        return f"Waiting: number {position} in the queue."
    if state in ("failed", "stopped") and run.error:
        return run.error
    return _SENTENCES[state]


def count_lines(path: Path) -> int:
    """Number of lines of a file; 0 where it does not exist."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    return 0
